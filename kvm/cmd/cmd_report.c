/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm report merge: merges the reports that the shards of a `kvm smoke` have written, on any number
 * of hosts, into one result, as if there had been one shard.
 *
 * Exit code: 0 if all boots of the matrix are there and have passed, 122 if some have not passed or
 * are in no report, 125 if a report cannot be used.
 */
#include "kvm/base/options.h"
#include "kvm/base/unpack.h"
#include "kvm/cmd.h"
#include "kvm/log.h"
#include "kvm/newfile.h"
#include "kvm/smoke/smoke.h"
#include "kvm/verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct report_options {
	const char *report, *junit;
	bool quiet, help;
};

#define MAX_REPORT_BYTES (256 * MIB)

#define AT(field) offsetof(struct report_options, field)

static const struct opt rows[] = {
	{ 0, "report", OPT_STRING, AT(report), "FILE", "write all results as JSON" },
	{ 0, "junit", OPT_STRING, AT(junit), "FILE", "write all results as JUnit XML" },
	{ 'q', "quiet", OPT_FLAG, AT(quiet), NULL, "print no table" },
	{ 'h', "help", OPT_FLAG, AT(help), NULL, "list the options" },
};

static int usage(void)
{
	printf("usage: kvm report merge [OPTION...] FILE...\n\n"
	       "Merges the reports of the shards of one kvm smoke.\n"
	       "Exit code: 0 if all boots are there and have passed, %d if not,\n"
	       "%d if a report cannot be used.\n\n",
	       EXIT_FAILED, EXIT_LAUNCHER);
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	return 0;
}

/* Adds the boots of the report @path to @set. Returns 0, or -errno (reported). */
static int add(struct smoke_set *set, const char *path)
{
	struct smoke_set more = { 0 };
	char why[200] = "out of memory";
	uint8_t *text;
	size_t len;
	int err = unpack_file(path, MAX_REPORT_BYTES, &text, &len);

	if (err)
		return err;
	err = smoke_read(&more, (const char *)text, len, why);
	free(text);
	if (!err)
		err = smoke_merge(set, &more, why);
	if (err)
		pr_err("%s: %s", path, why);
	smoke_set_free(&more);
	return err;
}

static int merge(struct smoke_set *set, const struct report_options *o, int nr, char **paths)
{
	struct smoke_counts counts;
	int err = o->report ? newfile_check_report("report", o->report) : 0;

	if (!err && o->junit)
		err = newfile_check_report("junit", o->junit);
	for (int i = 0; i < nr && !err; i++)
		err = add(set, paths[i]);
	if (err)
		return EXIT_LAUNCHER;
	set->whole = true;
	if (o->report)
		err = newfile_write("report", o->report, smoke_json, set, false);
	if (o->junit && newfile_write("junit", o->junit, smoke_junit, set, false))
		err = -EIO;
	if (!o->quiet)
		smoke_table(stdout, set);
	if (err)
		return EXIT_LAUNCHER;
	counts = smoke_count(set);
	if (counts.missing)
		pr_err("%llu of %llu boots are in no report", (unsigned long long)counts.missing,
		       (unsigned long long)set->total);
	return counts.failed || counts.missing ? EXIT_FAILED : 0;
}

/*
 * Parses options and files in any order, and moves the files' names to the front of @argv. Returns
 * their number, or -EINVAL (reported).
 */
static int parse(struct report_options *o, int argc, char **argv)
{
	int nr = 0, at = 0, n;

	while ((n = opt_parse(rows, ARRAY_SIZE(rows), o, argc - at, argv + at)) >= 0) {
		at += n;
		if (at >= argc)
			return nr;
		argv[nr++] = argv[at];
	}
	return n;
}

int cmd_report(int argc, char **argv, const struct arch *arch)
{
	struct report_options o = { 0 };
	struct smoke_set set = { 0 };
	bool named = argc > 1 && !strcmp(argv[1], "merge");
	int nr = parse(&o, argc - named, argv + named), code;

	(void)arch;
	if (nr < 0)
		return EXIT_LAUNCHER;
	if (o.help)
		return usage();
	if (!named) {
		pr_err("kvm report: what to do is missing; use `kvm report merge FILE...`");
		return EXIT_LAUNCHER;
	}
	if (!nr) {
		pr_err("kvm report merge: no report given; name the files that `kvm smoke --report` has written");
		return EXIT_LAUNCHER;
	}
	code = merge(&set, &o, nr, argv + named);
	smoke_set_free(&set);
	return code;
}
