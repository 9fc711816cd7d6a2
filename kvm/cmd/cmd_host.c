/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm host: checks whether this host can run machines and how well. It prints the verdict first,
 * then the facts it rests on.
 *
 * Exit code: 0 if it can, even slowly; otherwise 125, with which `kvm run` would end. Takes a few
 * milliseconds and leaves nothing behind. Thread: main.
 */
#include "host_access.h"
#include "kvm/base/options.h"
#include "kvm/cmd.h"
#include "kvm/log.h"
#include "kvm/verdict.h"

struct host_options {
	bool json;
	bool help;
};

static const struct opt rows[] = {
	{ 0, "json", OPT_FLAG, offsetof(struct host_options, json), NULL, "print one JSON object",
	  0, 0, NULL },
	{ 'h', "help", OPT_FLAG, offsetof(struct host_options, help), NULL, "list the options", 0,
	  0, NULL },
};

static int usage(void)
{
	printf("usage: kvm host [--json]\n\n"
	       "Prints whether this host can run machines and how well, or why not and what to\n"
	       "do.\n"
	       "Exit code: 0 if it can (even slowly), otherwise %d.\n\n",
	       EXIT_LAUNCHER);
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	return 0;
}

int cmd_host(int argc, char **argv, const struct arch *arch)
{
	struct host_options options = { .json = false };
	struct host_report report;
	int first = opt_parse(rows, ARRAY_SIZE(rows), &options, argc, argv);

	if (first < 0)
		return EXIT_LAUNCHER;
	if (first < argc) {
		pr_err("%s: unexpected argument; kvm host only takes options, see --help",
		       argv[first]);
		return EXIT_LAUNCHER;
	}
	if (options.help)
		return usage();
	host_survey(&report, &arch->host);
	host_judge(&report);
	if (options.json)
		host_print_json(stdout, &report);
	else
		host_print_text(stdout, &report);
	return report.ability == HOST_CANNOT ? EXIT_LAUNCHER : 0;
}
