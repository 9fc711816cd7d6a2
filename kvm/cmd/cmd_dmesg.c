/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm dmesg NAME: prints the kernel log of a running machine, read from its memory. This needs no
 * console and no help from the guest.
 *
 * Exit code: 0, or 125 if the log cannot be had. Thread: main.
 */
#include "control.h"
#include "kvm/base/options.h"
#include "kvm/cmd.h"
#include "kvm/log.h"
#include "kvm/verdict.h"

#define PATIENCE_S 60 /* searching a large memory takes long */

struct dmesg_options {
	bool help;
};

static const struct opt rows[] = {
	{ 'h', "help", OPT_FLAG, offsetof(struct dmesg_options, help), NULL, "list the options", 0,
	  0, NULL },
};

static int usage(void)
{
	printf("usage: kvm dmesg NAME\n\n"
	       "Prints the kernel log of a running machine, read from its memory. This needs no\n"
	       "console and works when the guest hangs; the guest must be 64-bit Linux.\n"
	       "NAME is the name from kvm run --name NAME.\n\n");
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	return 0;
}

int cmd_dmesg(int argc, char **argv, const struct arch *arch)
{
	struct control_question q = {
		.request = "dmesg", .pass_fd = -1, .patience_s = PATIENCE_S, .body = stdout
	};
	struct dmesg_options options = { .help = false };
	int err;

	(void)arch;
	if (opt_parse_one(rows, ARRAY_SIZE(rows), &options, argc, argv, "machine's name",
			  &options.help, &q.name))
		return EXIT_LAUNCHER;
	if (options.help)
		return usage();
	err = control_ask(&q);
	if (!err && q.reply.text[0])
		pr_warn("%s: %s", q.name, q.reply.text);
	return err ? EXIT_LAUNCHER : 0;
}
