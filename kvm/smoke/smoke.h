/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs many boots and reports them: `kvm smoke` makes a set of boots of a file, runs those of its
 * shard as child processes, each a `kvm run`, and writes reports. `kvm report merge` merges the
 * sets of several reports and writes the same reports of the result.
 *
 * The boots of the matrix have the numbers [0, total), whatever the shard. A number is the same
 * boot wherever the same file expands to the same kernels (@matrix shows it). A set holds some of
 * the boots.
 */
#ifndef KVM_SMOKE_SMOKE_H
#define KVM_SMOKE_SMOKE_H

#include "kvm/base/strlist.h"
#include "smoke_file.h"

#include <stdio.h>

#define SMOKE_MAX_BOOTS 20000
#define SMOKE_MATRIX_CHARS 16

struct smoke_result {
	bool done; /* otherwise nothing below is valid */
	bool passed;
	/* from the run's report; "killed": by us, because it took too long; or "unknown" */
	char *verdict;
	char *text; /* one line for a person */
	uint64_t exit_code, duration_ms;
	uint64_t tests_passed, tests_failed, tests_skipped;
	char *excerpt; /* what the run's report says is wrong, or NULL */
	char *tail;    /* the console's last lines if it failed; otherwise NULL */
};

struct smoke_boot {
	uint64_t index; /* number in the matrix */
	uint64_t round; /* from 1 to the set's rounds */
	char *id;	/* unique, and a valid file name */
	char *section;	/* "": the file has no sections */
	char *kernel, *params;
	uint64_t cpus, mem_bytes;
	uint64_t expected;  /* exit code */
	char *command;	    /* for a shell: boots this one alone */
	uint64_t timeout_s; /* this and @args are valid only where the boot is run */
	struct strlist args;
	unsigned int nr_options; /* those of @args that come before a "--" */
	struct smoke_result result;
};

struct smoke_set {
	char *file; /* the file's name */
	uint64_t total, rounds;
	char matrix[SMOKE_MATRIX_CHARS + 1];
	bool whole; /* boots that are not done are missing: the set is not a shard */
	unsigned int nr;
	size_t room;
	struct smoke_boot *boot; /* in the order of their index */
};

struct smoke_shard {
	uint64_t number, of; /* 1 of 1: all boots */
};

/* Adds a boot, all zeros. Returns it, or NULL if out of memory. */
struct smoke_boot *smoke_add(struct smoke_set *set);
void smoke_set_free(struct smoke_set *set);

/*
 * Adds to @set the boots of @shard of the matrix that @f, read from @path, describes, each @rounds
 * times. Searches the host for kernels. @set must be all zeros; smoke_set_free() is needed in any
 * case. Returns 0, or -errno (reported).
 */
int smoke_expand(struct smoke_set *set, const struct smoke_file *f, const char *path,
		 uint64_t rounds, struct smoke_shard shard);

struct smoke_counts {
	uint64_t passed, failed, missing;
	/* the failed ones that the launcher could not run, which say nothing about the kernel */
	uint64_t unable;
};

struct smoke_counts smoke_count(const struct smoke_set *set);

/* ---- running --------------------------------------------------------------------------- */

struct smoke_run {
	unsigned int jobs;
	const char *dir; /* each boot has a folder in it, which stays if the boot fails */
	bool keep;	 /* folders always stay */
	bool quiet;
};

/*
 * Runs the boots of @set; a signal that ends us stops it early. Afterwards each boot has its result
 * or is not done, and no child is left. Returns 0, the number (> 0) of the signal that ended it, or
 * -errno (reported). Thread: main, and there must be no other; leaves the signals that end us
 * blocked.
 */
int smoke_run(struct smoke_set *set, const struct smoke_run *run);

/*
 * Reads the report that a run has written, @text of @len bytes. Fills in all of @r except @done,
 * @passed, @exit_code (which should be @expected) and @duration_ms. Returns 0, or -errno. Pure.
 */
int smoke_read_run(struct smoke_result *r, const char *text, size_t len, uint64_t expected);

/* ---- results --------------------------------------------------------------------------- */

/*
 * Prints for people a line for each boot (or, with several rounds, for each machine), the boot
 * times, and the totals.
 */
void smoke_table(FILE *f, const struct smoke_set *set);
/*
 * Prints the boot times of each machine that was started several times, the last part of the above.
 */
void smoke_histograms(FILE *f, const struct smoke_set *set);
/* Prints what failed, folded and annotated for GitHub and GitLab. */
void smoke_annotate(FILE *f, const struct smoke_set *set);
/*
 * Write reports, for newfile_write(); @ctx is a struct smoke_set. docs/report.md has the JSON's
 * schema.
 */
void smoke_json(FILE *f, const void *ctx);
void smoke_junit(FILE *f, const void *ctx);

/*
 * Reads a JSON report. @set must be all zeros; smoke_set_free() is needed in any case. Returns 0,
 * -EINVAL with what is wrong in @why, or -ENOMEM.
 */
int smoke_read(struct smoke_set *set, const char *text, size_t len, char why[200]);
/*
 * Moves the boots of @from to @set, which is of the same file; @from is empty afterwards. An empty
 * @set takes anything. Returns 0, -EINVAL (@why: another matrix, or a boot in both), or -ENOMEM.
 */
int smoke_merge(struct smoke_set *set, struct smoke_set *from, char why[200]);

#endif
