/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a run came to, for programs: the JSON report (docs/report.md is its schema), JUnit, TAP, and
 * the annotations of two CI services. The writers are pure but for the stream; what they are handed
 * may have any bytes in it.
 */
#ifndef KVM_CHECKS_OUTCOME_H
#define KVM_CHECKS_OUTCOME_H

#include "expect.h"
#include "ktap.h"
#include "kvm/types.h"
#include "kvm/verdict.h"

#include <stdio.h>

#define OUTCOME_MAX_FAILURES 16

struct outcome_failure {
	const char *kind;  /* "kernel", "forbidden", "expectation" */
	const char *class; /* kernel: as in kernlog.c; else NULL */
	const char *title; /* one line */
	uint64_t line_nr;  /* in the console, from 1; 0: none */
	const char *text;  /* the lines that show it; may be NULL */
	size_t len;
};

struct outcome {
	const struct verdict *verdict;
	const char *name;   /* the machine's or NULL */
	const char *kernel; /* NULL: the host's own */
	const char *params; /* or NULL */
	uint64_t mem_bytes, nr_cpus;
	int argc; /* of `kvm run` */
	char *const *argv;
	int64_t started_s; /* since 1970 */
	uint64_t duration_ms;
	uint64_t console_bytes, console_lines;
	const char *tail; /* the console's last lines */
	size_t tail_len;
	const struct expect *expect; /* NULL: none */
	const struct ktap *ktap;     /* NULL: not looked for */
	uint64_t nr_kernel_reports;
	unsigned int nr_failures;
	struct outcome_failure failure[OUTCOME_MAX_FAILURES];
};

enum outcome_ci { OUTCOME_NO_CI, OUTCOME_GITHUB, OUTCOME_GITLAB };

bool outcome_is_good(const struct outcome *o);
/* "powered-off", "panic", ...: docs/report.md. */
const char *outcome_verdict_name(enum verdict_kind kind);

void outcome_json(FILE *f, const struct outcome *o);
void outcome_junit(FILE *f, const struct outcome *o);
void outcome_tap(FILE *f, const struct outcome *o);
/* The failing part, folded, and the error at the top of the job. */
void outcome_annotate(FILE *f, const struct outcome *o, enum outcome_ci ci);

/*
 * Takes out of a line of ours with a guest's text in it what GitHub's runner would take for a
 * command.
 */
void outcome_escape_ci(char *text);

/*
 * While a guest's console is on @fd, GitHub's runner takes no commands from it: between the two it
 * obeys none but the one with a random token, which a guest cannot know. begin() does nothing but
 * for OUTCOME_GITHUB.
 */
struct outcome_guard {
	char token[33]; /* "": not begun */
};
void outcome_guard_begin(struct outcome_guard *g, enum outcome_ci ci, int fd);
void outcome_guard_end(struct outcome_guard *g, int fd);

/* By the environment: GITHUB_ACTIONS=true, GITLAB_CI=true. */
enum outcome_ci outcome_find_ci(void);

/*
 * Whether @path can be written, as far as can be told before. Returns 0 or -errno having said why.
 */
int outcome_check_path(const char *option, const char *path);
/*
 * Writes to @path: a regular file is there as a whole or not at all; anything else (a pipe,
 * /dev/stdout) is written to, but not @early, when there is another one to come. Returns 0 or
 * -errno having said why.
 */
int outcome_write(const char *option, const char *path, const struct outcome *o,
		  void (*writer)(FILE *f, const struct outcome *o), bool early);

#endif
