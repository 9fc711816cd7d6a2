/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many boots: `kvm smoke` makes a set of them of a file, runs those of its shard as children of its
 * own, each a `kvm run`, and writes reports; `kvm report merge` makes one set of several reports,
 * and the same reports of it.
 *
 * The matrix is numbered through, [0, total), whatever the shard, and a number is the same boot
 * wherever the same file is expanded to the same kernels (@matrix says so). A set holds some of
 * them.
 */
#ifndef KVM_SMOKE_SMOKE_H
#define KVM_SMOKE_SMOKE_H

#include "kvm/base/strlist.h"
#include "smoke_file.h"

#include <stdio.h>

#define SMOKE_MAX_BOOTS 20000
#define SMOKE_MATRIX_CHARS 16

struct smoke_result {
	bool done; /* else nothing below counts */
	bool passed;
	char *verdict; /* of the run's report; "killed": by us, beyond its time; "unknown" */
	char *text;    /* one line for a person */
	uint64_t exit_code, duration_ms;
	uint64_t tests_passed, tests_failed, tests_skipped;
	char *excerpt; /* what the run's report says is wrong; NULL: nothing */
	char *tail;    /* the console's, of one that failed; else NULL */
};

struct smoke_boot {
	uint64_t index; /* in the matrix */
	uint64_t round; /* of how many times the same: from 1 */
	char *id;	/* unique, and fit for a file's name */
	char *section;	/* "": the only one */
	char *kernel, *params;
	uint64_t cpus, mem_bytes;
	uint64_t expected;  /* exit code */
	char *command;	    /* for a shell: the same boot alone */
	uint64_t timeout_s; /* this and @args are there only where it is run */
	struct strlist args;
	unsigned int nr_options; /* of @args, before a "--" */
	struct smoke_result result;
};

struct smoke_set {
	char *file; /* its name */
	uint64_t total, rounds;
	char matrix[SMOKE_MATRIX_CHARS + 1];
	bool whole; /* boots that are not done are missed: it is no shard */
	unsigned int nr;
	size_t room;
	struct smoke_boot *boot; /* by their index */
};

struct smoke_shard {
	uint64_t number, of; /* 1 of 1: all */
};

/* Returns the new last one, all zeros, or NULL: out of memory. */
struct smoke_boot *smoke_add(struct smoke_set *set);
void smoke_set_free(struct smoke_set *set);

/*
 * The boots of @shard of the matrix that @f, read from @path, asks for, each @rounds times. Looks
 * for kernels on the host. Returns 0 or -errno having said why; smoke_set_free() in either case, on
 * what was all zeros before.
 */
int smoke_expand(struct smoke_set *set, const struct smoke_file *f, const char *path,
		 uint64_t rounds, struct smoke_shard shard);

struct smoke_counts {
	uint64_t passed, failed, missing;
	/* of the failed: the launcher could not do its part, which says nothing of the kernel */
	uint64_t unable;
};

struct smoke_counts smoke_count(const struct smoke_set *set);

/* ---- running --------------------------------------------------------------------------- */

struct smoke_run {
	unsigned int jobs;
	const char *dir; /* each boot has a folder in it, which stays when it fails */
	bool keep;	 /* or in any case */
	bool quiet;
};

/*
 * Runs the boots of @set, as far as a signal lets it; each has its result then, or is not done. No
 * child is left in any case. Returns 0, the number of the signal that ended it (> 0), or -errno
 * having said why. Main's thread, which is the only one; leaves the signals that end us blocked.
 */
int smoke_run(struct smoke_set *set, const struct smoke_run *run);

/*
 * What a run's own report says, @text of @len bytes: fills in all but @done, @passed, @exit_code
 * (which was to be @expected) and @duration_ms. Returns 0 or -errno. Pure.
 */
int smoke_read_run(struct smoke_result *r, const char *text, size_t len, uint64_t expected);

/*
 * ---- what came of it ---------------------------------------------------------------------------
 */

/*
 * All for people: a line for each boot (or, of more than one round, for each machine), boot times,
 * the sum.
 */
void smoke_table(FILE *f, const struct smoke_set *set);
/* Of each machine that was started several times; the last part of the above. */
void smoke_histograms(FILE *f, const struct smoke_set *set);
/* Folded and annotated, on GitHub and GitLab: what failed. */
void smoke_annotate(FILE *f, const struct smoke_set *set);
/* For newfile_write(); @ctx is a struct smoke_set. docs/report.md has the JSON's schema. */
void smoke_json(FILE *f, const void *ctx);
void smoke_junit(FILE *f, const void *ctx);

/*
 * Reads such a JSON report. Returns 0, or -EINVAL with what is wrong in @why, or -ENOMEM.
 * smoke_set_free() in either case, on what was all zeros before.
 */
int smoke_read(struct smoke_set *set, const char *text, size_t len, char why[200]);
/*
 * Moves @from's boots to @set, whose file they are of; @from is empty then. Returns 0, or -EINVAL
 * (@why: another matrix, or a boot that is in both), or -ENOMEM. An empty @set takes anything.
 */
int smoke_merge(struct smoke_set *set, struct smoke_set *from, char why[200]);

#endif
