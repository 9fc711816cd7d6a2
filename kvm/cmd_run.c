/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm run: options -> config -> machine -> verdict.
 *
 * On the way out nothing is taken apart that the host's kernel takes apart anyway: when the guest is done, its
 * consoles are brought out, the terminal restored, the verdict said, and the process ends. Only a restart
 * (--on-reboot restart) goes through the whole tear-down.
 */
#include "kvm/arch.h"
#include "kvm/checks.h"
#include "kvm/cmd.h"
#include "kvm/control.h"
#include "kvm/dump.h"
#include "kvm/expect.h"
#include "kvm/gdb.h"
#include "kvm/guestcmd.h"
#include "kvm/log.h"
#include "kvm/newfile.h"
#include "kvm/options.h"
#include "kvm/pages.h"
#include "kvm/retrace.h"
#include "kvm/share.h"
#include "kvm/signals.h"
#include "kvm/term.h"
#include "kvm/timeline.h"
#include "kvm/trace.h"
#include "kvm/vm.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define DEFAULT_MEM_BYTES (1 * GIB)
#define DEFAULT_GRACE_S 5
/* How long a console that takes no byte may hold up an end that nobody asked for politely. */
#define STALL_MS 2000

/* For the SIGBUS handler alone: whose guest memory a faulting access may belong to. */
static _Atomic(struct gmem *) sigbus_mem;

static int on_sigbus(void *addr)
{
	struct gmem *mem = atomic_load(&sigbus_mem);

	return mem && gmem_sigbus(mem, addr);
}

/* Fit for a file's name, a host's, and a line of a list. */
static int set_name(void *config, const char *name, const char *arg)
{
	if (!control_is_name(arg)) {
		pr_err("--%s %s: 1 to %d letters, digits, and behind the first also . _ -", name, arg,
		       CONTROL_NAME_LENGTH);
		return -EINVAL;
	}
	((struct config *)config)->name = arg;
	return 0;
}

static int add_initrd(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (c->nr_initrds == CONFIG_MAX_INITRDS) {
		pr_err("--%s %s: at most %d initrds", name, arg, CONFIG_MAX_INITRDS);
		return -EINVAL;
	}
	c->initrd[c->nr_initrds++] = arg;
	return 0;
}

static int add_disk(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (c->nr_disks == CONFIG_MAX_DISKS) {
		pr_err("--%s %s: at most %d disks", name, arg, CONFIG_MAX_DISKS);
		return -EINVAL;
	}
	c->disk[c->nr_disks++] = arg;
	return 0;
}

static int add_net(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (c->nr_nets == CONFIG_MAX_NETS) {
		pr_err("--%s %s: at most %d networks", name, arg, CONFIG_MAX_NETS);
		return -EINVAL;
	}
	c->net[c->nr_nets++] = arg;
	return 0;
}

static int set_rng(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (!strcmp(arg, "on")) {
		c->no_rng = false;
	} else if (!strcmp(arg, "off")) {
		c->no_rng = true;
	} else {
		pr_err("--%s %s: on or off", name, arg);
		return -EINVAL;
	}
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

static int set_serial(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (arg[0] < '0' || arg[0] >= '0' + CONFIG_NR_SERIAL || arg[1] != '=' || !arg[2]) {
		pr_err("--%s %s: not N=WHERE with N from 0 to %d and WHERE one of stdio, null, file:PATH, "
		       "pty, "
		       "unix:PATH, tty:PATH, none",
		       name, arg, CONFIG_NR_SERIAL - 1);
		return -EINVAL;
	}
	c->serial[arg[0] - '0'] = strcmp(arg + 2, "none") ? arg + 2 : NULL;
	return 0;
}

static int set_console(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (!strcmp(arg, "serial")) {
		c->virtio_console = false;
	} else if (!strcmp(arg, "virtio")) {
		c->virtio_console = true;
	} else {
		pr_err("--%s %s: serial or virtio", name, arg);
		return -EINVAL;
	}
	return 0;
}

static int add_port(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (c->nr_ports == CONFIG_MAX_PORTS) {
		pr_err("--%s %s: at most %d ports", name, arg, CONFIG_MAX_PORTS);
		return -EINVAL;
	}
	c->port[c->nr_ports++] = arg;
	return 0;
}

static int add_regex(const char **list, unsigned int *nr, const char *name, const char *arg)
{
	int err = expect_compiles(name, arg);

	if (!err && *nr == CONFIG_MAX_EXPECTS) {
		pr_err("--%s %s: at most %d of them", name, arg, CONFIG_MAX_EXPECTS);
		err = -EINVAL;
	}
	if (!err)
		list[(*nr)++] = arg;
	return err;
}

static int add_expect(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	return add_regex(c->expect, &c->nr_expects, name, arg);
}

static int add_fail_on(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	return add_regex(c->fail_on, &c->nr_fail_ons, name, arg);
}

static int add_file(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (c->nr_adds == CONFIG_MAX_ADDS) {
		pr_err("--%s %s: at most %d of them; a folder brings all that is in it", name, arg,
		       CONFIG_MAX_ADDS);
		return -EINVAL;
	}
	c->add[c->nr_adds++] = arg;
	return 0;
}

static int add_env(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (c->nr_envs == CONFIG_MAX_ENVS || arg[0] == '=' || !strchr(arg, '=')) {
		pr_err("--%s %s: %s", name, arg,
		       c->nr_envs == CONFIG_MAX_ENVS ? "too many" : "not NAME=VALUE");
		return -EINVAL;
	}
	c->env[c->nr_envs++] = arg;
	return 0;
}

static int add_share(void *config, const char *name, const char *arg)
{
	struct config *c = config;
	struct share share, other;

	if (c->nr_shares == CONFIG_MAX_SHARES) {
		pr_err("--%s %s: at most %d of them", name, arg, CONFIG_MAX_SHARES);
		return -EINVAL;
	}
	if (share_parse(&share, arg))
		return -EINVAL;
	for (unsigned int i = 0; i < c->nr_shares; i++) {
		if (!share_parse(&other, c->share[i]) && !strcmp(share.tag, other.tag)) {
			pr_err("--%s %s: there is a tag %s already; DIR:TAG gives another", name, arg,
			       share.tag);
			return -EINVAL;
		}
	}
	c->share[c->nr_shares++] = arg;
	return 0;
}

static int set_root(void *config, const char *name, const char *arg)
{
	struct share share;

	(void)name;
	((struct config *)config)->root = arg;
	return share_parse_root(&share, arg);
}

static int set_on_reboot(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (!strcmp(arg, "exit")) {
		c->on_reboot = ON_REBOOT_EXIT;
	} else if (!strcmp(arg, "restart")) {
		c->on_reboot = ON_REBOOT_RESTART;
	} else {
		pr_err("--%s %s: exit or restart", name, arg);
		return -EINVAL;
	}
	return 0;
}

static int set_on_panic(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (!strcmp(arg, "exit")) {
		c->on_panic = ON_PANIC_EXIT;
	} else if (!strcmp(arg, "wait")) {
		c->on_panic = ON_PANIC_WAIT;
	} else {
		pr_err("--%s %s: exit or wait", name, arg);
		return -EINVAL;
	}
	return 0;
}

static int set_post_mortem(void *config, const char *name, const char *arg)
{
	struct config *c = config;

	if (!strcmp(arg, "short")) {
		c->post_mortem = POST_MORTEM_SHORT;
	} else if (!strcmp(arg, "full")) {
		c->post_mortem = POST_MORTEM_FULL;
	} else if (!strcmp(arg, "off")) {
		c->post_mortem = POST_MORTEM_OFF;
	} else {
		pr_err("--%s %s: off, short or full", name, arg);
		return -EINVAL;
	}
	return 0;
}

#define AT(field) offsetof(struct config, field)

static const struct opt rows[] = {
	{ 'k', "kernel", OPT_STRING, AT(kernel), "FILE",
	  "bzImage, ELF (vmlinux), Multiboot or flat binary\n(default: this host's kernel)" },
	{ 0, "entry", OPT_STRING, AT(entry), "HOW", "its entry: auto (default), 16, 32, 64, pvh" },
	{ 0, "load", OPT_UINT, AT(load_gpa), "ADDRESS",
	  "of a flat binary (default 0x7c00 with --entry 16, else 1M)", 0, UINT32_MAX },
	{ 'i', "initrd", OPT_CALL, 0, "FILE", "initial RAM disk; several are joined in order", 0, 0,
	  add_initrd },
	{ 'd', "disk", OPT_CALL, 0, "FILE[,KEY=VALUE]...",
	  "disk image or block device; keys: format=auto|raw|qcow2,\nro, snapshot, serial=S, discard=on|off, "
	  "queues=N,\n"
	  "cache=writeback|writethrough|none, aio=auto|uring|threads, werror=report|stop",
	  0, 0, add_disk },
	{ 'n', "network", OPT_CALL, 0, "KIND[,KEY=VALUE]...",
	  "network card; tap[,ifname=][,script=][,queues=N]\n"
	  "[,vhost=on|off],\n"
	  "passt[,hostfwd=[tcp:|udp:]PORT:GUEST_PORT][,path=],\n"
	  "fd=N, none (default); mac= with any",
	  0, 0, add_net },
	{ 0, "share", OPT_CALL, 0, "DIR[:TAG][,ro]",
	  "the guest mounts this folder as virtiofs, by its tag (or\nname); a command finds it in /mnt/TAG; "
	  ":TAG,socket=PATH",
	  0, 0, add_share },
	{ 0, "root", OPT_CALL, 0, "DIR[,ro|overlay]",
	  "the root of the command's guest is this folder; overlay:\nwhat it writes is thrown away", 0, 0,
	  set_root },
	{ 0, "name", OPT_CALL, 0, "NAME",
	  "the machine's name: network addresses are made of it, and\n`kvm list`, debug, dmesg and stop "
	  "reach it",
	  0, 0, set_name },
	{ 0, "rng", OPT_CALL, 0, "on|off", "an entropy device (default on)", 0, 0, set_rng },
	{ 0, "balloon", OPT_CALL, 0, "[=SIZE]",
	  "memory that the guest does not use goes back to the host;\nwith SIZE, that much is taken from it",
	  0, 0, set_balloon },
	{ 'p', "params", OPT_STRING, AT(params), "STRING", "kernel parameters, after ours" },
	{ 'm', "mem", OPT_SIZE, AT(mem_bytes), "SIZE", "memory, like 512M or 4G (default 1G)", 16 * MIB,
	  1ULL << 45 },
	{ 'c', "cpus", OPT_UINT, AT(nr_cpus), "N", "CPUs (default 1)", 1, 4096 },
	{ 0, "no-default-params", OPT_FLAG, AT(no_default_params), NULL, "pass -p alone, without ours" },
	{ 0, "early", OPT_FLAG, AT(early), NULL, "messages from the decompressor on, of every level" },
	{ 0, "fast", OPT_FLAG, AT(fast), NULL,
	  "boot faster by leaving out self-tests and probes, and\nunpacking the kernel once, in "
	  "~/.cache/kvm" },
	{ 0, "no-cache", OPT_FLAG, AT(no_cache), NULL, "with --fast: let the kernel unpack itself" },
	{ 0, "hugepages", OPT_FLAG, AT(hugepages), NULL, "guest memory from the host's pool of huge pages" },
	{ 0, "serial", OPT_CALL, 0, "N=WHERE",
	  "COM port N+1: stdio, null, file:PATH, pty, unix:PATH,\ntty:PATH, none (default 0=stdio)", 0, 0,
	  set_serial },
	{ 0, "console", OPT_CALL, 0, "KIND",
	  "serial (default), or virtio: hvc0, after early messages by\nserial; needs virtio_console in the "
	  "initrd",
	  0, 0, set_console },
	{ 0, "port", OPT_CALL, 0, "NAME=WHERE", "/dev/virtio-ports/NAME in the guest; WHERE as for --serial",
	  0, 0, add_port },
	{ 0, "add", OPT_CALL, 0, "HOST[:GUEST]",
	  "a file or folder for the command's guest; programs with\ntheir libraries", 0, 0, add_file },
	{ 0, "env", OPT_CALL, 0, "NAME=VALUE", "for the command's environment", 0, 0, add_env },
	{ 0, "cwd", OPT_STRING, AT(cwd), "DIR", "the command's folder in the guest (default /)" },
	{ 0, "modules", OPT_STRING, AT(modules), "DIR|auto",
	  "where the kernel modules are that the command's guest needs\n(default: beside the kernel, or in "
	  "/lib/modules, if any)" },
	{ 0, "rtc", OPT_STRING, AT(rtc), "BASE", "clock: utc (default), local or @SECONDS" },
	{ 0, "machine", OPT_STRING, AT(machine), "KEY=VALUE",
	  "tables=acpi+mp (default), mp, dt, none...: how the guest\nlearns of CPUs and devices; help lists "
	  "them" },
	{ 0, "cpuid", OPT_STRING, AT(cpuid), "CHANGES",
	  "CPU features: +FEATURE,-FEATURE,vendor=NAME; help lists them" },
	{ 0, "dtb", OPT_STRING, AT(dtb), "FILE", "pass this device tree instead of ours" },
	{ 0, "dump-dtb", OPT_STRING, AT(dump_dtb), "FILE",
	  "write the guest's device tree to FILE, do not run" },
	{ 0, "on-reboot", OPT_CALL, 0, "WHAT", "exit (default) or restart", 0, 0, set_on_reboot },
	{ 0, "on-panic", OPT_CALL, 0, "WHAT", "exit (default) or wait", 0, 0, set_on_panic },
	{ 0, "timeout", OPT_UINT, AT(timeout_s), "SECONDS", "end the machine after this long, with 124", 1,
	  1000000000 },
	{ 0, "grace", OPT_UINT, AT(grace_s), "SECONDS",
	  "from a signal, passed on or a press of the\npower button, to the end (default 5)", 0, 1000000000 },
	{ 0, "hang", OPT_UINT, AT(hang_s), "SECONDS", "end a guest that gets nowhere for this long, with 124",
	  1, 1000000000 },
	{ 0, "post-mortem", OPT_CALL, 0, "HOW", "of a guest that fails: short (default), full, off", 0, 0,
	  set_post_mortem },
	{ 0, "dump", OPT_STRING, AT(dump), "FILE",
	  "when the guest fails, its memory and registers as an ELF\ncore for gdb and crash" },
	{ 0, "symbols", OPT_STRING, AT(symbols), "FILE",
	  "vmlinux or System.map, for names in a post-mortem" },
	{ 0, "trace", OPT_STRING, AT(trace), "LIST[,FILE]",
	  "accesses as they happen: pio, mmio, msr, irq, virtio;\nFILE.json for Perfetto (default: on "
	  "stderr)" },
	{ 0, "gdb", OPT_STRING, AT(gdb), "WHERE", "serve GDB: a TCP port of this host, or unix:PATH" },
	{ 0, "gdb-wait", OPT_FLAG, AT(gdb_wait), NULL, "the first instruction waits for GDB" },
	{ 0, "timeline", OPT_FLAG, AT(timeline), NULL, "when launcher and guest came how far, at the end" },
	{ 0, "timestamps", OPT_FLAG, AT(timestamps), NULL, "seconds since exec before each line on stdout" },
	{ 0, "debug-exit", OPT_FLAG, AT(debug_exit), NULL, "a write of V to port 0xf4 ends with 2V + 1" },
	{ 0, "testdev", OPT_FLAG, AT(testdev), NULL,
	  "what kvm-unit-tests need: test device, fw_cfg, PM timer..." },
	{ 0, "idle-timeout", OPT_UINT, AT(idle_timeout_s), "SECONDS",
	  "end a machine whose console is silent for this long, with\n124", 1, 1000000000 },
	{ 0, "expect", OPT_CALL, 0, "REGEX",
	  "a line that the console must have; the machine ends with 0\nwhen the last has come; several: in "
	  "this "
	  "order",
	  0, 0, add_expect },
	{ 0, "expect-any", OPT_FLAG, AT(expect_any), NULL, "the lines of --expect may come in any order" },
	{ 0, "fail-on", OPT_CALL, 0, "REGEX", "a line that ends the machine with 122", 0, 0, add_fail_on },
	{ 0, "fail-on-warning", OPT_FLAG, AT(fail_on_warning), NULL,
	  "end with 122 on a kernel's warning, Oops, lock-up, stall ..." },
	{ 0, "ktap", OPT_FLAG, AT(ktap), NULL,
	  "the console has test results (KUnit, kselftest): 122 when\none is bad, or there is none" },
	{ 0, "report", OPT_STRING, AT(report_path), "FILE", "how it went, as JSON" },
	{ 0, "junit", OPT_STRING, AT(junit_path), "FILE", "the same as JUnit's XML" },
	{ 0, "tap", OPT_STRING, AT(tap_path), "FILE", "the same as TAP" },
	{ 0, "die-with-parent", OPT_FLAG, AT(die_with_parent), NULL,
	  "SIGTERM for us when the process that started us is gone" },
	{ 0, "log", OPT_STRING, AT(log_path), "FILE", "the console to FILE as well, byte by byte" },
	{ 'v', "verbose", OPT_COUNT, AT(verbose), NULL, "say what is done" },
	{ 'q', "quiet", OPT_FLAG, AT(quiet), NULL, "say errors only" },
	{ 'h', "help", OPT_FLAG, AT(help), NULL, "this help" },
};

static int usage(void)
{
	printf("usage: kvm run [-k kernel] [-i initrd]... [OPTION...] [-- [COMMAND [ARG...]]]\n\n");
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	printf("\nAt a terminal: Ctrl-a x ends the machine, Ctrl-a h lists what else there is.\n");
	return 0;
}

/* Whether some list is `help`, which has now been given. */
static bool list_help(const struct config *config)
{
	if (config->machine && !strcmp(config->machine, "help"))
		arch_machine_help(stdout);
	else if (config->cpuid && !strcmp(config->cpuid, "help"))
		arch_cpuid_help(stdout);
	else
		return false;
	return true;
}

/* What is left behind the options: nothing, or "--" and a command. */
static int parse_command(struct config *config, int argc, char **argv, int first)
{
	bool dashes = first > 1 && !strcmp(argv[first - 1], "--") && argv[first - 1] != config->params;

	if (dashes)
		return guestcmd_configure(config, argv + first, (unsigned int)(argc - first));
	if (first == argc && config->root)
		return guestcmd_configure(config, argv + argc, 0);
	if (first < argc) {
		pr_err("%s: what is this for? kernels are given by -k, parameters by -p, commands behind --",
		       argv[first]);
		return -EINVAL;
	}
	if (config->nr_adds || config->nr_envs || config->cwd || config->modules) {
		pr_err("--add, --env, --cwd and --modules are for a command in the guest: kvm run ... -- "
		       "COMMAND");
		return -EINVAL;
	}
	return 0;
}

static int parse(struct config *config, int argc, char **argv)
{
	int first = opt_parse(rows, ARRAY_SIZE(rows), config, argc, argv);

	if (first < 0)
		return first;
	if (parse_command(config, argc, argv, first))
		return -EINVAL;
	if (config->timeline || config->timestamps)
		config->exec_ns = timeline_exec_ns();
	if (config->quiet)
		log_set_level(LOG_LEVEL_ERROR);
	else if (config->verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	if (config->gdb_wait && !config->gdb) {
		pr_err("--gdb-wait: where does GDB come to? add --gdb PORT or --gdb unix:PATH");
		return -EINVAL;
	}
	if (config->dump && !config->help && newfile_check("--dump", config->dump))
		return -EINVAL;
	return config->log_path && !config->help ? log_open_file(config->log_path) : 0;
}

static void on_timeout(void *ctx)
{
	struct vm *vm = ctx;

	vm_end(vm, VERDICT_TIMEOUT, 0, "timed out after %llu s", (unsigned long long)vm->config->timeout_s);
}

static int run_loop(struct vm *vm, struct signals *signals)
{
	struct loop_timer timeout;
	int err = signals_init(signals, vm);

	loop_timer_init(&vm->loop, &timeout, on_timeout, vm);
	if (!err)
		err = checks_attach(vm->checks, vm);
	if (!err && vm->config->timeout_s)
		err = loop_timer_arm(&timeout, vm->config->timeout_s * NS_PER_S);
	if (!err)
		err = gdb_open(vm);
	if (!err)
		err = arch_machine_start(vm);
	if (!err)
		err = control_attach(vm->control, vm);
	if (!err)
		err = vm_run(vm);
	control_detach(vm->control);
	checks_detach(vm->checks);
	loop_timer_fini(&timeout);
	signals_fini(signals);
	return err;
}

/*
 * Output that nobody takes may hold us up for ever, and the loop that took the signals is over: from here on they have their
 * usual effect. The terminal goes back first; what is still to come looks the same on it.
 */
static void signals_end_us(void)
{
	sigset_t set;

	term_restore();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static bool restarts(const struct vm *vm)
{
	return vm->verdict.kind == VERDICT_REBOOT && vm->config->on_reboot == ON_REBOOT_RESTART;
}

static void say_timeline(const struct vm *vm)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = vm->timeline ? open_memstream(&text, &len) : NULL;

	if (!f)
		return;
	timeline_print(f, vm->timeline);
	if (!fclose(f))
		log_block(text, len);
	free(text);
	trace_timeline(vm->trace, vm->timeline);
}

/*
 * The guest is done: nothing it wrote may be lost, and nobody may be left hanging. Between two lives of a machine the
 * signals stay blocked, for the next one's loop to take; so there, too, nobody is waited for without end.
 */
static void settle(struct vm *vm, bool by_signal)
{
	bool patient = !by_signal && vm->verdict.kind != VERDICT_QUIT &&
		       vm->verdict.kind != VERDICT_TIMEOUT && !restarts(vm);
	struct vm *other;

	if (!restarts(vm)) {
		checks_report(vm->checks, &vm->verdict, true);
		control_remove(vm->control);
		signals_end_us();
	}
	arch_machine_drain(vm, patient ? -1 : STALL_MS);
	vm_join(vm);
	arch_machine_drain(vm, patient ? -1 : STALL_MS);
	arch_machine_close(vm);
	gdb_close(vm);
	other = retrace_at_end(vm, &sigbus_mem);
	report_at_end(other ? other : vm);
	dump_at_end(other ? other : vm);
	retrace_free(other, &sigbus_mem);
	say_timeline(vm);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vm->vcpu[i].recorder.trace = NULL;
	vm->irq_recorder.trace = NULL;
	trace_close(vm->trace);
	vm->trace = NULL;
}

static void say_verdict(const struct verdict *v)
{
	bool good = verdict_exit_code(v) == 0 || v->kind == VERDICT_DEBUG_EXIT;
	enum log_level level = good ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR;

	/* The command has said for itself what there is to say, as far as it could. */
	if (v->kind == VERDICT_COMMAND)
		level = v->value > 128 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
	log_msg(level, "%s", v->text);
}

/* --dump-dtb: the board as it would be, without KVM. */
static int dump_dtb(const struct config *config)
{
	struct vm *vm = pages_alloc(sizeof(*vm));
	int err;

	if (!vm) {
		pr_err("out of memory");
		return EXIT_LAUNCHER;
	}
	err = vm_init(vm, config);
	if (!err)
		err = arch_machine_dump(vm);
	vm_fini(vm);
	pages_free(vm, sizeof(*vm));
	return err ? EXIT_LAUNCHER : 0;
}

/* One life of the machine. Returns whether it ended in a verdict (in @v), not in an error of ours. */
static bool run_once(const struct config *config, struct checks *checks, struct control *control,
		     struct verdict *v, bool *again)
{
	struct vm *vm = pages_alloc(sizeof(*vm));
	struct signals signals;
	int err;

	*again = false;
	if (!vm) {
		pr_err("out of memory");
		return false;
	}
	err = vm_init(vm, config);
	vm->checks = checks;
	vm->control = control;
	atomic_store(&sigbus_mem, &vm->mem);
	if (!err)
		err = vm_bring_up(vm);
	if (!err)
		err = run_loop(vm, &signals);
	if (err) {
		term_restore();
		atomic_store(&sigbus_mem, NULL);
		vm_fini(vm);
		pages_free(vm, sizeof(*vm));
		return false;
	}
	settle(vm, signals.first);
	*v = vm->verdict;
	*again = restarts(vm);
	if (!*again)
		return true; /* the host's kernel takes the rest apart, faster than we could */
	atomic_store(&sigbus_mem, NULL);
	vm_fini(vm);
	pages_free(vm, sizeof(*vm));
	return true;
}

/*
 * SIGTERM when our parent ends, however it does; it may have done so before we asked. (SIGKILL would leave sockets' paths and the guest's disks
 * behind as they are.)
 */
static void die_with_parent(void)
{
	pid_t parent = getppid();

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);
}

/* All lives of the machine, and what they come to. Returns the exit code. */
static int run_and_judge(const struct config *config, struct checks *checks, struct control *control)
{
	struct verdict v = { 0 };
	bool again = false;
	int err;

	do {
		if (!run_once(config, checks, control, &v, &again)) {
			verdict_set(&v, VERDICT_LAUNCHER, 0, "the launcher could not do its part");
			checks_report(checks, &v, false);
			return EXIT_LAUNCHER;
		}
		if (again) {
			say_verdict(&v);
			signals_block();
		}
	} while (again);
	checks_judge(checks, &v);
	err = checks_report(checks, &v, false);
	say_verdict(&v);
	return err && !verdict_exit_code(&v) ? EXIT_LAUNCHER : verdict_exit_code(&v);
}

int cmd_run(int argc, char **argv)
{
	struct config config = {
		.mem_bytes = DEFAULT_MEM_BYTES,
		.nr_cpus = 1,
		.entry = "auto",
		.load_gpa = UINT64_MAX,
		.serial = { "stdio" },
		.rtc = "utc",
		.grace_s = DEFAULT_GRACE_S,
	};
	struct control *control;
	struct checks *checks;
	int code;

	if (parse(&config, argc, argv))
		return EXIT_LAUNCHER;
	if (config.help)
		return usage();
	if (list_help(&config))
		return 0;
	if (config.dump_dtb)
		return dump_dtb(&config);
	/* vCPU threads hardly allocate: an arena for each would cost system calls at start-up, and memory. */
	mallopt(M_ARENA_MAX, 1);
	term_catch_crashes(on_sigbus);
	if (vcpu_signal_init())
		return EXIT_LAUNCHER;
	if (config.die_with_parent)
		die_with_parent();
	if (checks_create(&checks, &config, argc, argv))
		return EXIT_LAUNCHER;
	signals_block(); /* no signal ends us with the socket left behind */
	code = control_create(&control, &config) ? EXIT_LAUNCHER : run_and_judge(&config, checks, control);
	control_destroy(control);
	checks_destroy(checks);
	return code;
}
