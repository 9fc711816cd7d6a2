/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm inspect: describes a kernel file and its headers, and how `kvm run` would start it.
 *
 * Exit code: 0 if kvm run would start it, 125 if kvm run would refuse it; the report then says why.
 * Thread: main.
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
	  "as for kvm run: auto (default), 16, 32, 64 or pvh", 0, 0, NULL },
	{ 0, "load", OPT_UINT, AT(load_gpa), "ADDRESS",
	  "as for kvm run: where to load a flat binary", 0, UINT32_MAX, NULL },
	{ 0, "json", OPT_FLAG, AT(json), NULL, "print one JSON object", 0, 0, NULL },
	{ 'h', "help", OPT_FLAG, AT(help), NULL, "list the options", 0, 0, NULL },
};

static int usage(void)
{
	printf("usage: kvm inspect FILE [--json] [--entry HOW] [--load ADDRESS]\n\n"
	       "Describes a kernel file, its headers, and how `kvm run -k FILE` would start it.\n"
	       "Exit code: 0 if kvm run would start it, %d if it would refuse it.\n\n",
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
