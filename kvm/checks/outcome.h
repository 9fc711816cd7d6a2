/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the result of a run for programs: the JSON report (docs/report.md has its schema), JUnit,
 * TAP, and annotations for two CI services. The writers are pure except for the stream; the texts
 * that they get may contain any bytes.
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
	const char *class; /* of a "kernel": as in kernlog.c; otherwise NULL */
	const char *title; /* one line */
	uint64_t line_nr;  /* in the console, from 1; 0: none */
	const char *text;  /* the lines that show it, or NULL */
	size_t len;
};

struct outcome {
	const struct verdict *verdict;
	const char *name;   /* the machine's, or NULL */
	const char *kernel; /* NULL: the host's own */
	const char *params; /* may be NULL */
	uint64_t mem_bytes, nr_cpus;
	int argc; /* of `kvm run` */
	char *const *argv;
	int64_t started_s; /* since 1970 */
	uint64_t duration_ms;
	uint64_t console_bytes, console_lines;
	const char *tail; /* the console's last lines */
	size_t tail_len;
	const struct expect *expect; /* NULL: none */
	const struct ktap *ktap;     /* NULL: results were not read */
	uint64_t nr_kernel_reports;
	unsigned int nr_failures;
	struct outcome_failure failure[OUTCOME_MAX_FAILURES];
};

enum outcome_ci { OUTCOME_NO_CI, OUTCOME_GITHUB, OUTCOME_GITLAB };

bool outcome_is_good(const struct outcome *o);
/* Returns "powered-off", "panic", ...: docs/report.md lists them. */
const char *outcome_verdict_name(enum verdict_kind kind);

void outcome_json(FILE *f, const struct outcome *o);
void outcome_junit(FILE *f, const struct outcome *o);
void outcome_tap(FILE *f, const struct outcome *o);
/* Writes the failing part, folded, and the error that the service shows at the top of the job. */
void outcome_annotate(FILE *f, const struct outcome *o, enum outcome_ci ci);

/*
 * Removes what GitHub's runner would take for a command from @text, a line of ours with a guest's
 * text in it.
 */
void outcome_escape_ci(char *text);

/*
 * Keeps GitHub's runner from obeying a guest whose console is on @fd: between begin() and end() the
 * runner obeys only the command with a random token, which a guest cannot know. begin() does
 * something only for OUTCOME_GITHUB.
 */
struct outcome_guard {
	char token[33]; /* "": not begun */
};
void outcome_guard_begin(struct outcome_guard *g, enum outcome_ci ci, int fd);
void outcome_guard_end(struct outcome_guard *g, int fd);

/* Finds the CI service by the environment: GITHUB_ACTIONS=true, GITLAB_CI not empty. */
enum outcome_ci outcome_find_ci(void);

/*
 * Checks that @path can be written, as far as this is known in advance. Returns 0, or -errno
 * (reported).
 */
int outcome_check_path(const char *option, const char *path);
/*
 * Writes to @path. A regular file appears in full or not at all. Anything else (a pipe,
 * /dev/stdout) is written to directly, but not @early, when another report will follow. Returns 0,
 * or -errno (reported).
 */
int outcome_write(const char *option, const char *path, const struct outcome *o,
		  void (*writer)(FILE *f, const struct outcome *o), bool early);

#endif
