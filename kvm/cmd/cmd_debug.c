/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm debug NAME: prints the post-mortem of a running machine, with its flight recorder; with
 * --dump, writes a core of it instead. The machine continues.
 *
 * Exit code: 0, or 125 if that failed. Thread: main.
 */
#include "control.h"
#include "kvm/base/options.h"
#include "kvm/cmd.h"
#include "kvm/log.h"
#include "kvm/newfile.h"
#include "kvm/verdict.h"

#include <string.h>

#define PATIENCE_S 30

struct debug_options {
	const char *dump;
	bool help;
};

static const struct opt rows[] = {
	{ 0, "dump", OPT_STRING, offsetof(struct debug_options, dump), "FILE",
	  "write memory and registers as an ELF core for gdb and crash\n"
	  "instead; the machine is paused meanwhile",
	  0, 0, NULL },
	{ 'h', "help", OPT_FLAG, offsetof(struct debug_options, help), NULL, "list the options", 0,
	  0, NULL },
};

static int usage(void)
{
	printf("usage: kvm debug NAME [--dump FILE]\n\n"
	       "Prints what the CPUs of a running machine are doing: registers, page tables,\n"
	       "code, stack and last accesses to devices. Before that it prints kernel messages\n"
	       "that no console has shown. The machine continues.\n"
	       "NAME is the name from kvm run --name NAME.\n\n");
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	return 0;
}

static int ask(const char *name, const char *request, int fd, struct control_reply *reply)
{
	struct control_question q = {
		.name = name, .request = request, .pass_fd = fd, .body = stdout
	};
	int err;

	q.patience_s = fd < 0 ? PATIENCE_S : 0; /* writing a core may take long */
	err = control_ask(&q);
	*reply = q.reply;
	return err;
}

static int dump(const char *name, const char *path)
{
	struct control_reply reply;
	struct newfile file;
	int err;

	if (newfile_check("dump", path))
		return EXIT_LAUNCHER;
	err = newfile_open(&file, path, 0600);
	if (!err) {
		if (ask(name, "dump", file.fd, &reply)) {
			newfile_abandon(&file);
			return EXIT_LAUNCHER;
		}
		err = newfile_commit(&file);
	}
	if (err) {
		pr_err("--dump %s: %s; no core was written", path, strerror(-err));
		return EXIT_LAUNCHER;
	}
	pr_info("--dump %s: %s %s", path, reply.text, path);
	return 0;
}

int cmd_debug(int argc, char **argv, const struct arch *arch)
{
	struct debug_options options = { .dump = NULL };
	struct control_reply reply;
	const char *name;

	(void)arch;
	if (opt_parse_one(rows, ARRAY_SIZE(rows), &options, argc, argv, "machine's name",
			  &options.help, &name))
		return EXIT_LAUNCHER;
	if (options.help)
		return usage();
	if (options.dump)
		return dump(name, options.dump);
	return ask(name, "debug", -1, &reply) ? EXIT_LAUNCHER : 0;
}
