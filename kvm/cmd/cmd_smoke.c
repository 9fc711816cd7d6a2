/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm smoke: expands a file into a matrix of boots, runs them, and prints a table and reports.
 *
 * Exit code: 0 if all boots of this shard have passed; 122 if some have not; 125 if the file, a
 * kernel or an option is wrong, or the launcher failed in a boot; 128+N if signal N ended it: the
 * reports then have the boots that were done.
 */
#include "kvm/base/options.h"
#include "kvm/base/unpack.h"
#include "kvm/cmd.h"
#include "kvm/log.h"
#include "kvm/newfile.h"
#include "kvm/smoke/smoke.h"
#include "kvm/verdict.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_JOBS 1024
#define DEFAULT_DIR "kvm-smoke"

struct smoke_options {
	const char *dir, *report, *junit;
	uint64_t jobs, rounds;
	struct smoke_shard shard;
	bool keep, list, quiet, help;
	uint64_t verbose;
};

static int set_shard(void *options, const char *name, const char *arg)
{
	struct smoke_shard *shard = &((struct smoke_options *)options)->shard;
	char number[24];
	size_t len = strcspn(arg, "/");

	if (len < sizeof(number) && arg[len]) {
		snprintf(number, sizeof(number), "%.*s", (int)len, arg);
		if (!parse_uint(number, &shard->number) && !parse_uint(arg + len + 1, &shard->of) &&
		    shard->number && shard->number <= shard->of)
			return 0;
	}
	pr_err("--%s %s: must be I/N with I from 1 to N (for example 2/4, the second of four parts)",
	       name, arg);
	return -EINVAL;
}

#define AT(field) offsetof(struct smoke_options, field)

static const struct opt rows[] = {
	{ 'j', "jobs", OPT_UINT, AT(jobs), "N",
	  "run at most N machines at a time (default: one per CPU)", 1, MAX_JOBS },
	{ 0, "repeat", OPT_UINT, AT(rounds), "N",
	  "start each machine N times and show how long it took", 1, SMOKE_MAX_BOOTS },
	{ 0, "shard", OPT_CALL, 0, "I/N",
	  "run only the I-th of N parts; a file always gives the same parts", 0, 0, set_shard },
	{ 'o', "out", OPT_STRING, AT(dir), "DIR",
	  "folder for boots that fail, one folder each: console,\n"
	  "messages, report and command (default " DEFAULT_DIR ")" },
	{ 0, "keep", OPT_FLAG, AT(keep), NULL, "also keep the folders of boots that pass" },
	{ 0, "report", OPT_STRING, AT(report), "FILE",
	  "write all results as JSON, for `kvm report merge`" },
	{ 0, "junit", OPT_STRING, AT(junit), "FILE", "write all results as JUnit XML" },
	{ 0, "list", OPT_FLAG, AT(list), NULL, "print the boots' commands and run none" },
	{ 'v', "verbose", OPT_COUNT, AT(verbose), NULL, "also name each boot that has passed" },
	{ 'q', "quiet", OPT_FLAG, AT(quiet), NULL, "print no progress and no table" },
	{ 'h', "help", OPT_FLAG, AT(help), NULL, "list the options" },
};

static int usage(void)
{
	printf("usage: kvm smoke FILE [OPTION...]\n\n"
	       "Boots many kernels on many machines. FILE has one setting per line; see kvm(1):\n\n"
	       "  # files, or patterns of files\n"
	       "  kernel  = out/*/bzImage\n"
	       "  cpus    = 1 4\n"
	       "  mem     = 256M 2G\n"
	       "  initrd  = test.cpio\n"
	       "  options = --fail-on-warning\n"
	       "  expect  = userspace up\n\n"
	       "Exit code: 0 if all boots passed, %d if some did not, %d if FILE or an option is\n"
	       "wrong.\n\n",
	       EXIT_FAILED, EXIT_LAUNCHER);
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	return 0;
}

static int load(struct smoke_set *set, const char *path, const struct smoke_options *o)
{
	struct smoke_file file = { 0 };
	uint8_t *text;
	size_t len;
	int err = unpack_file(path, SMOKE_MAX_FILE_BYTES, &text, &len);

	if (err)
		return err;
	err = smoke_file_parse(&file, (const char *)text, len);
	free(text);
	if (err == -EINVAL)
		pr_err("%s:%u: %s", path, file.line, file.why);
	else if (err)
		pr_err("out of memory");
	else
		err = smoke_expand(set, &file, path, o->rounds, o->shard);
	smoke_file_free(&file);
	return err;
}

static int list(const struct smoke_set *set)
{
	for (unsigned int i = 0; i < set->nr; i++)
		printf("%s\n", set->boot[i].command);
	return 0;
}

static int check_paths(const struct smoke_options *o)
{
	int err = o->report ? newfile_check_report("report", o->report) : 0;

	return err || !o->junit ? err : newfile_check_report("junit", o->junit);
}

/* Writes the reports, prints the table and the annotations. Returns 0, or -errno (reported). */
static int tell(const struct smoke_set *set, const struct smoke_options *o)
{
	sigset_t all, before;
	int err = 0, junit_err = 0;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if (o->report)
		err = newfile_write("report", o->report, smoke_json, set, false);
	if (o->junit)
		junit_err = newfile_write("junit", o->junit, smoke_junit, set, false);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (!o->quiet)
		smoke_table(stdout, set);
	fflush(stdout);
	smoke_annotate(stderr, set);
	return err ? err : junit_err;
}

static int run(struct smoke_set *set, const struct smoke_options *o)
{
	const struct smoke_run how = {
		.jobs = (unsigned int)o->jobs, .dir = o->dir, .keep = o->keep, .quiet = o->quiet
	};
	struct smoke_counts counts;
	int ended_by, err;

	if (check_paths(o))
		return EXIT_LAUNCHER;
	ended_by = smoke_run(set, &how);
	if (ended_by < 0)
		return EXIT_LAUNCHER;
	err = tell(set, o);
	if (ended_by)
		return 128 + ended_by;
	if (err)
		return EXIT_LAUNCHER;
	counts = smoke_count(set);
	if (counts.failed > counts.unable)
		return EXIT_FAILED;
	return counts.unable ? EXIT_LAUNCHER : 0;
}

/* Parses the options; FILE is before, between or after them. Returns FILE, or NULL (reported). */
static const char *parse(struct smoke_options *o, int argc, char **argv)
{
	int first = opt_parse(rows, ARRAY_SIZE(rows), o, argc, argv), rest = argc - first;

	if (first >= 0 && first < argc)
		rest = opt_parse(rows, ARRAY_SIZE(rows), o, argc - first, argv + first);
	if (first < 0 || rest < 0)
		return NULL;
	if (o->help)
		return "";
	if (first == argc || rest != argc - first) {
		pr_err("kvm smoke takes exactly one file; --help shows an example");
		return NULL;
	}
	return argv[first];
}

int cmd_smoke(int argc, char **argv, const struct arch *arch)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct smoke_options o = {
		.dir = DEFAULT_DIR,
		.jobs = cpus < 1	  ? 1
			: cpus > MAX_JOBS ? MAX_JOBS
					  : (uint64_t)cpus,
		.rounds = 1,
		.shard = { 1, 1 },
	};
	struct smoke_set set = { 0 };
	const char *path = parse(&o, argc, argv);
	int code = EXIT_LAUNCHER;

	(void)arch;
	if (!path)
		return EXIT_LAUNCHER;
	if (o.help)
		return usage();
	if (o.quiet)
		log_set_level(LOG_LEVEL_ERROR);
	else if (o.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	if (!load(&set, path, &o))
		code = o.list ? list(&set) : run(&set, &o);
	smoke_set_free(&set);
	return code;
}
