/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm inspect: what a kernel's file is, all that it says about itself, and how `kvm run` would
 * start it.
 *
 * Exit code 0 when it would, 125 when it would be refused; then the report says why. Main's thread.
 */
#include "kvm/arch.h"
#include "kvm/base/options.h"
#include "kvm/cmd.h"
#include "kvm/log.h"
#include "kvm/verdict.h"

struct inspect_options {
	const char *entry;
	uint64_t load_gpa; /* UINT64_MAX: not given */
	bool json;
	bool help;
};

#define AT(field) offsetof(struct inspect_options, field)

static const struct opt rows[] = {
	{ 0, "entry", OPT_STRING, AT(entry), "HOW",
	  "as with kvm run: auto (default), 16, 32, 64, pvh", 0, 0, NULL },
	{ 0, "load", OPT_UINT, AT(load_gpa), "ADDRESS", "as with kvm run, of a flat binary", 0,
	  UINT32_MAX, NULL },
	{ 0, "json", OPT_FLAG, AT(json), NULL, "one JSON object", 0, 0, NULL },
	{ 'h', "help", OPT_FLAG, AT(help), NULL, "this help", 0, 0, NULL },
};

static int usage(void)
{
	printf("usage: kvm inspect FILE [--json] [--entry HOW] [--load ADDRESS]\n\n"
	       "Tells what a kernel's file is, what its headers say, and how `kvm run -k FILE` starts it.\n"
	       "Ends with 0 if it would be started, with %d if it would be refused.\n\n",
	       EXIT_LAUNCHER);
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	return 0;
}

int cmd_inspect(int argc, char **argv, const struct arch *arch)
{
	struct inspect_options options = { .entry = "auto", .load_gpa = UINT64_MAX };
	const char *file;

	if (opt_parse_one(rows, ARRAY_SIZE(rows), &options, argc, argv, "file", &options.help,
			  &file))
		return EXIT_LAUNCHER;
	if (options.help)
		return usage();
	return arch->inspect(stdout, file, options.entry, options.load_gpa, options.json)
		       ? EXIT_LAUNCHER
		       : 0;
}
