/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm host: can this host run machines, and how well. The verdict comes first, then what it rests
 * on.
 *
 * Exit code 0 when it can, slowly or not; 125, the launcher's own, when it cannot: the code `kvm
 * run` would end with. Main's thread; takes a few milliseconds and leaves nothing behind.
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
	{ 0, "json", OPT_FLAG, offsetof(struct host_options, json), NULL, "one JSON object", 0, 0,
	  NULL },
	{ 'h', "help", OPT_FLAG, offsetof(struct host_options, help), NULL, "this help", 0, 0,
	  NULL },
};

static int usage(void)
{
	printf("usage: kvm host [--json]\n\n"
	       "Tells whether this host can run machines, how well, and if not, what to do.\n"
	       "Ends with 0 if it can (also slowly), with %d if not.\n\n",
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
		pr_err("%s: `kvm host` takes options only; --help lists them", argv[first]);
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
