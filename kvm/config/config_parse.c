/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parses the options of kvm run, which a table declares with their types and help texts. The code
 * that uses a path, or a value after KEY=, checks it.
 */
#include "kvm/config.h"

#include "config_files.h"
#include "kvm/arch.h"
#include "kvm/base/options.h"
#include "kvm/checks/expect.h"
#include "kvm/log.h"
#include "kvm/newfile.h"
#include "kvm/share.h"
#include "kvm/timeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MEM_BYTES (1 * GIB)
#define DEFAULT_GRACE_S 5

static const char default_serial[] = "stdio";

bool config_is_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(name), ok = strspn(name, letters);

	while (ok && name[ok] && strchr("._-", name[ok]))
		ok += 1 + strspn(name + ok + 1, letters);
	return len && len <= CONFIG_NAME_LENGTH && ok == len;
}

static int set_name(void *config, const char *name, const char *arg)
{
	if (!config_is_name(arg)) {
		pr_err("--%s %s: must be 1 to %d letters, digits, '.', '_' or '-', and start with a letter or digit",
		       name, arg, CONFIG_NAME_LENGTH);
		return -EINVAL;
	}
	((struct config *)config)->name = arg;
	return 0;
}

static int set_balloon(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	c->balloon = true;
	c->balloon_bytes = 0;
	if (!arg || !parse_size(arg, &c->balloon_bytes))
		return 0;
	pr_err("--%s=%s: not a size (like 512M or 4G)", name, arg);
	return -EINVAL;
}

/* Refuses the backend that only a command's guest uses. */
static int check_place(const char *name, const char *arg, const char *where)
{
	if (strcmp(where, "signals") != 0)
		return 0;
	pr_err("--%s %s: no such place; use stdio, null, file:PATH, pty, unix:PATH or tty:PATH",
	       name, arg);
	return -EINVAL;
}

static int check_port(void *config, const char *name, const char *arg)
{
	const char *where = strchr(arg, '=');

	(void)config;
	return where ? check_place(name, arg, where + 1) : 0;
}

static int set_serial(void *config, const char *name, const char *arg)
{
	struct config *c = config;
	const char **port;

	if (arg[0] < '0' || arg[0] >= '0' + CONFIG_NR_SERIAL || arg[1] != '=' || !arg[2]) {
		pr_err("--%s %s: must be N=WHERE with N from 0 to %d, such as 1=file:PATH; kvm(1) lists the places",
		       name, arg, CONFIG_NR_SERIAL - 1);
		return -EINVAL;
	}
	if (check_place(name, arg, arg + 2))
		return -EINVAL;
	port = &c->serial[arg[0] - '0'];
	if (*port && *port != default_serial && strcmp(*port, arg + 2) != 0)
		pr_info("--%s %s: replaces --%s %c=%s, which was given before", name, arg, name,
			arg[0], *port);
	*port = strcmp(arg + 2, "none") ? arg + 2 : NULL;
	return 0;
}

/* Appends to the parameters of earlier -p. */
static int set_params(void *config, const char *name, const char *arg)
{
	struct config *c = config;
	char *joined;

	(void)name;
	if (!c->params) {
		c->params = arg;
		return 0;
	}
	if (asprintf(&joined, "%s %s", c->params, arg) < 0) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	free(c->joined_params);
	c->joined_params = joined;
	c->params = joined;
	return 0;
}

static int set_verbose(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	(void)name, (void)arg;
	c->verbose = true;
	if (!c->quiet)
		log_set_level(LOG_LEVEL_DEBUG);
	return 0;
}

static int set_quiet(void *config, const char *name, const char *arg)
{
	(void)name, (void)arg;
	((struct config *)config)->quiet = true;
	log_set_level(LOG_LEVEL_ERROR);
	return 0;
}

static int check_regex(void *config, const char *name, const char *arg)
{
	(void)config;
	return expect_compiles(name, arg);
}

static int check_env(void *config, const char *name, const char *arg)
{
	(void)config;
	if (arg[0] != '=' && strchr(arg, '='))
		return 0;
	pr_err("--%s %s: must be NAME=VALUE", name, arg);
	return -EINVAL;
}

static int check_share(void *config, const char *name, const char *arg)
{
	const struct config *c = config;
	struct share share, other;

	if (share_parse(&share, arg))
		return -EINVAL;
	for (unsigned int i = 0; i < c->nr_shares; i++) {
		if (!share_parse(&other, c->share[i]) && !strcmp(share.tag, other.tag)) {
			pr_err("--%s %s: another folder has the tag %s; choose one with DIR:TAG",
			       name, arg, share.tag);
			return -EINVAL;
		}
	}
	return 0;
}

static int set_root(void *config, const char *name, const char *arg)
{
	struct share share;

	(void)name;
	((struct config *)config)->root = arg;
	return share_parse_root(&share, arg);
}

#define AT(field) offsetof(struct config, field)

static const struct opt rows[] = {
	{ 'k', "kernel", OPT_STRING, AT(kernel), "FILE",
	  "kernel: bzImage, ELF (vmlinux), Multiboot or flat binary\n"
	  "(default: this host's kernel)",
	  .heading = "Kernel" },
	{ 'i', "initrd", OPT_LIST, AT(initrd), "FILE",
	  "initial RAM disk; files of several -i are joined in order", 0, CONFIG_MAX_INITRDS, NULL,
	  AT(nr_initrds) },
	{ 'p', "params", OPT_CALL, 0, "STRING",
	  "kernel parameters, after the default ones; several -p are joined\nin order", 0,
	  UINT32_MAX, set_params },
	{ 0, "no-default-params", OPT_FLAG, AT(no_default_params), NULL,
	  "pass only -p, without the default kernel parameters" },
	{ 0, "early", OPT_FLAG, AT(early), NULL,
	  "print kernel messages of every level from the decompressor on" },
	{ 0, "fast", OPT_FLAG, AT(fast), NULL,
	  "boot faster: skip self-tests and probes, and unpack the kernel\n"
	  "only once, into ~/.cache/kvm" },
	{ 0, "no-cache", OPT_FLAG, AT(no_cache), NULL,
	  "with --fast: let the kernel unpack itself" },
	{ 0, "entry", OPT_STRING, AT(entry), "HOW",
	  "where to enter the kernel: auto (default), 16, 32, 64 or pvh" },
	{ 0, "load", OPT_UINT, AT(load_gpa), "ADDRESS",
	  "load a flat binary here (default 0x7c00 with --entry 16, else 1M)", 0, UINT32_MAX },
	{ 0, "dtb", OPT_STRING, AT(dtb), "FILE",
	  "pass this device tree instead of the generated one" },
	{ 0, "dump-dtb", OPT_STRING, AT(dump_dtb), "FILE",
	  "write the guest's device tree to FILE and exit" },
	{ 0, "symbols", OPT_STRING, AT(symbols), "FILE",
	  "vmlinux or System.map with the names for the post-mortem report" },
	{ 'm', "mem", OPT_SIZE, AT(mem_bytes), "SIZE",
	  "memory, such as 512 (MiB), 512M or 4G (default 1G)", 16 * MIB, 1ULL << 45,
	  .heading = "Machine" },
	{ 'c', "cpus", OPT_UINT, AT(nr_cpus), "N", "number of CPUs (default 1)", 1, 4096 },
	{ 0, "hugepages", OPT_FLAG, AT(hugepages), NULL,
	  "take guest memory from the host's pool of huge pages" },
	{ 0, "balloon", OPT_CALL, 0, "[=SIZE]",
	  "give memory that the guest does not use back to the host;\n"
	  "SIZE: also take that much from the guest",
	  0, 0, set_balloon },
	{ 0, "name", OPT_CALL, 0, "NAME",
	  "name the machine, for kvm list, debug, dmesg and stop; its\n"
	  "network addresses are made of the name",
	  0, 0, set_name },
	{ 0, "rng", OPT_CHOICE, AT(rng), "on|off", "add an entropy device (default on)" },
	{ 0, "rtc", OPT_STRING, AT(rtc), "BASE",
	  "set the guest's clock to utc (default), local or @SECONDS" },
	{ 0, "machine", OPT_STRING, AT(machine), "KEY=VALUE",
	  "tables=acpi+mp (default), mp, dt, none...: how the guest finds\n"
	  "CPUs and devices; --machine help lists all" },
	{ 0, "cpuid", OPT_STRING, AT(cpuid), "CHANGES",
	  "change CPU features: +FEATURE,-FEATURE,vendor=NAME; --cpuid help\nlists them" },
	{ 'd', "disk", OPT_LIST, AT(disk), "FILE[,KEY=VALUE]...",
	  "disk image or block device; keys: format=auto|raw|qcow2,\n"
	  "ro, snapshot, serial=S, discard=on|off, queues=N,\n"
	  "cache=writeback|writethrough|none, aio=auto|uring|threads,\n"
	  "werror=report|stop, blocksize=512|4096, backing=folder|any",
	  0, CONFIG_MAX_DISKS, NULL, AT(nr_disks), .heading = "Disks and networks" },
	{ 'n', "network", OPT_LIST, AT(net), "KIND[,KEY=VALUE]...",
	  "network card:\n"
	  "tap[,ifname=NAME][,script=FILE][,queues=N][,vhost=on|off],\n"
	  "passt[,hostfwd=[tcp:|udp:]PORT:GUEST_PORT][,path=SOCKET],\n"
	  "fd=N or none (default); every card takes mac=ADDRESS",
	  0, CONFIG_MAX_NETS, NULL, AT(nr_nets) },
	{ 0, "share", OPT_LIST, AT(share), "DIR[:TAG][,ro]",
	  "share this folder as virtiofs TAG (default: its name); a command\n"
	  "finds it in /mnt/TAG; :TAG,socket=PATH uses a running virtiofsd",
	  0, CONFIG_MAX_SHARES, check_share, AT(nr_shares) },
	{ 0, "root", OPT_CALL, 0, "DIR[,ro|overlay]",
	  "use this folder as the root of the command's guest;\n"
	  "overlay: discard what the guest writes",
	  0, 0, set_root, .heading = "Command in the guest" },
	{ 0, "add", OPT_LIST, AT(add), "HOST[:GUEST]",
	  "copy a file or folder into the command's guest; a program's\nlibraries come with it", 0,
	  CONFIG_MAX_ADDS, NULL, AT(nr_adds) },
	{ 0, "env", OPT_LIST, AT(env), "NAME=VALUE", "set a variable in the command's environment",
	  0, CONFIG_MAX_ENVS, check_env, AT(nr_envs) },
	{ 0, "cwd", OPT_STRING, AT(cwd), "DIR",
	  "run the command in this folder (default /, with --root the\ncurrent folder)" },
	{ 0, "modules", OPT_STRING, AT(modules), "DIR|auto",
	  "take the guest's kernel modules from here (default: beside the\n"
	  "kernel, or /lib/modules)" },
	{ 0, "serial", OPT_CALL, 0, "N=WHERE",
	  "connect COM port N+1: stdio, null, file:PATH, pty, unix:PATH,\n"
	  "tty:PATH or none (default 0=stdio)",
	  0, CONFIG_NR_SERIAL, set_serial, .heading = "Console" },
	{ 0, "console", OPT_CHOICE, AT(console), "serial|virtio",
	  "main console: serial (default), or virtio for hvc0 after early\n"
	  "messages by serial; virtio needs virtio_console in the initrd" },
	{ 0, "port", OPT_LIST, AT(port), "NAME=WHERE",
	  "add /dev/virtio-ports/NAME in the guest; WHERE as for --serial", 0, CONFIG_MAX_PORTS,
	  check_port, AT(nr_ports) },
	{ 0, "log", OPT_STRING, AT(log_path), "FILE",
	  "also write the console to FILE, byte by byte" },
	{ 0, "timestamps", OPT_FLAG, AT(timestamps), NULL,
	  "print seconds since exec before each line on stdout" },
	{ 0, "on-reboot", OPT_CHOICE, AT(on_reboot), "exit|restart",
	  "end, or start again, when the guest reboots (default exit)", .heading = "How it ends" },
	{ 0, "on-panic", OPT_CHOICE, AT(on_panic), "exit|wait",
	  "end, or go on, when the kernel panics (default exit)" },
	{ 0, "timeout", OPT_UINT, AT(timeout_s), "SECONDS",
	  "end the machine after this long, with exit code 124", 1, 1000000000 },
	{ 0, "idle-timeout", OPT_UINT, AT(idle_timeout_s), "SECONDS",
	  "end a machine whose console is silent for this long, with 124", 1, 1000000000 },
	{ 0, "hang", OPT_UINT, AT(hang_s), "SECONDS",
	  "end a guest that makes no progress for this long, with 124", 1, 1000000000 },
	{ 0, "grace", OPT_UINT, AT(grace_s), "SECONDS",
	  "let the guest shut down for this long after a signal (default 5)", 0, 1000000000 },
	{ 0, "die-with-parent", OPT_FLAG, AT(die_with_parent), NULL,
	  "end the machine as by SIGTERM when the parent process ends" },
	{ 0, "expect", OPT_LIST, AT(expect), "REGEX",
	  "require a line that matches, several in this order; the machine\n"
	  "ends with 0 when the last one has come",
	  0, CONFIG_MAX_EXPECTS, check_regex, AT(nr_expects), .heading = "Checks and reports" },
	{ 0, "expect-any", OPT_FLAG, AT(expect_any), NULL,
	  "let the lines of several --expect come in any order" },
	{ 0, "fail-on", OPT_LIST, AT(fail_on), "REGEX", "end with 122 when a line matches", 0,
	  CONFIG_MAX_EXPECTS, check_regex, AT(nr_fail_ons) },
	{ 0, "fail-on-warning", OPT_FLAG, AT(fail_on_warning), NULL,
	  "end with 122 when the kernel reports a warning, Oops, lock-up..." },
	{ 0, "ktap", OPT_FLAG, AT(ktap), NULL,
	  "read test results from the console (KUnit, kselftest); end with\n"
	  "122 if one is bad or there are none" },
	{ 0, "report", OPT_STRING, AT(report_path), "FILE", "write the result as JSON" },
	{ 0, "junit", OPT_STRING, AT(junit_path), "FILE", "write the result as JUnit XML" },
	{ 0, "tap", OPT_STRING, AT(tap_path), "FILE", "write the result as TAP" },
	{ 0, "post-mortem", OPT_CHOICE, AT(post_mortem), "short|full|off",
	  "report this much about a guest that fails (default short)", .heading = "Debugging" },
	{ 0, "dump", OPT_STRING, AT(dump), "FILE",
	  "if the guest fails, write memory and registers as an ELF core\nfor gdb and crash" },
	{ 0, "trace", OPT_STRING, AT(trace), "LIST[,FILE]",
	  "print accesses as they happen: pio, mmio, msr, irq, virtio;\n"
	  "to stderr (default) or FILE; FILE.json is for Perfetto" },
	{ 0, "timeline", OPT_FLAG, AT(timeline), NULL,
	  "at the end, print when each boot stage was reached" },
	{ 0, "gdb", OPT_STRING, AT(gdb), "WHERE",
	  "serve GDB on unix:PATH, or on a TCP port of this host, which\nall its users can reach" },
	{ 0, "gdb-wait", OPT_FLAG, AT(gdb_wait), NULL,
	  "wait for GDB before the first instruction" },
	{ 0, "debug-exit", OPT_FLAG, AT(debug_exit), NULL,
	  "end with exit code 2V + 1 when the guest writes V to port 0xf4\nor 0x501" },
	{ 0, "testdev", OPT_FLAG, AT(testdev), NULL,
	  "add what kvm-unit-tests need: test device, fw_cfg, PM timer..." },
	{ 'v', "verbose", OPT_CALL, 0, NULL, "print what the launcher is doing", 0, 0,
	  set_verbose },
	{ 'q', "quiet", OPT_CALL, 0, NULL, "print errors only", 0, 0, set_quiet },
	{ 'h', "help", OPT_FLAG, AT(help), NULL, "list the options" },
};

static void usage(void)
{
	printf("usage: kvm run [-k kernel] [-i initrd]... [OPTION...] [-- [COMMAND [ARG...]]]\n\n");
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	printf("\nAt a terminal, Ctrl-a x ends the machine, and Ctrl-a h lists the other keys.\n"
	       "Exit code: 0 good, 120 panic, 121 crash, 122 check failed, 124 timeout, 125 launcher\n"
	       "failed, 128+N signal N; with a command, the command's own. See kvm(1).\n");
}

bool config_help(const struct config *config, const struct arch *arch)
{
	if (config->help)
		usage();
	else if (config->machine && !strcmp(config->machine, "help"))
		arch->machine_help(stdout);
	else if (config->cpuid && !strcmp(config->cpuid, "help"))
		arch->cpuid_help(stdout);
	else
		return false;
	return true;
}

/* Parses what follows the options: nothing, or "--" and a command. */
static int parse_command(struct config *config, int argc, char **argv, int first, bool dashes)
{
	if (dashes || (first == argc && config->root)) {
		config->has_command = true;
		config->command = argv + first;
		config->nr_command = (unsigned int)(argc - first);
		return 0;
	}
	if (first < argc) {
		pr_err("%s: unexpected argument; use -k for a kernel, -p for parameters, -- before a command",
		       argv[first]);
		return -EINVAL;
	}
	if (config->nr_adds || config->nr_envs || config->cwd || config->modules) {
		pr_err("--add, --env, --cwd and --modules need a command in the guest: kvm run ... -- COMMAND");
		return -EINVAL;
	}
	return 0;
}

/* Checks everything before anything is written, the cheap checks first. */
int config_check_paths(const struct config *config)
{
	if (config_check_files(config) || (config->dump && newfile_check("dump", config->dump)))
		return -EINVAL;
	if (config->symbols && access(config->symbols, R_OK)) {
		pr_err("--symbols %s: %s", config->symbols, strerror(errno));
		return -EINVAL;
	}
	return 0;
}

int config_parse(struct config *config, int argc, char **argv)
{
	bool dashes;
	int first;

	*config = (struct config){
		.mem_bytes = DEFAULT_MEM_BYTES,
		.nr_cpus = 1,
		.entry = "auto",
		.load_gpa = UINT64_MAX,
		.serial = { default_serial },
		.rtc = "utc",
		.grace_s = DEFAULT_GRACE_S,
	};
	first = opt_parse_to_dashes(rows, ARRAY_SIZE(rows), config, argc, argv, &dashes);
	if (first < 0)
		return first;
	if (parse_command(config, argc, argv, first, dashes))
		return -EINVAL;
	if (config->timeline || config->timestamps)
		config->exec_ns = timeline_exec_ns();
	if (config->gdb_wait && !config->gdb) {
		pr_err("--gdb-wait: needs --gdb PORT or --gdb unix:PATH");
		return -EINVAL;
	}
	return 0;
}

void config_free(struct config *config)
{
	free(config->joined_params);
}
