/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads test results from a console as the kernel prints them: KTAP
 * (Documentation/dev-tools/ktap.rst) and versions 13 and 14 of TAP, with and without printk's time
 * stamps. Subtests are indented (KUnit) or follow "# " (kselftest). Pure; memory and the time for a
 * line are bounded.
 */
#ifndef KVM_CHECKS_KTAP_H
#define KVM_CHECKS_KTAP_H

#include "kvm/types.h"

#define KTAP_MAX_DEPTH 8
#define KTAP_MAX_NODES 20000
#define KTAP_NAME_BYTES 200
#define KTAP_DIAGNOSTIC_BYTES 4096

enum ktap_status {
	KTAP_OK,
	KTAP_FAILED,
	KTAP_SKIPPED,
	KTAP_TODO,  /* failed as expected */
	KTAP_ENDED, /* failed: announced, but without a result */
};

struct ktap_node {
	enum ktap_status status;
	bool has_children; /* its subtests count instead, unless it failed and none of them did */
	bool child_failed;
	int parent;	  /* -1: none */
	uint64_t line_nr; /* of its result, from 1 */
	char *name;	  /* NULL only if memory is short */
	char *reason;	  /* of SKIP and TODO; may be NULL */
	char *diagnostic; /* the lines before a bad result, each with its newline; may be NULL */
};

struct ktap_level {
	unsigned int indent;
	bool hashed;		    /* opened after a "# " */
	bool open_ended;	    /* no plan was seen */
	uint64_t planned;	    /* results */
	uint64_t seen;		    /* results */
	unsigned int first;	    /* the first node of the level and its subtests */
	char name[KTAP_NAME_BYTES]; /* from "# Subtest:"; "" if there was none */
};

struct ktap {
	unsigned int nr_nodes;
	size_t room;
	struct ktap_node *node;
	unsigned int nr_levels;
	struct ktap_level level[KTAP_MAX_DEPTH];
	bool bailed_out;
	uint64_t nr_dropped, nr_dropped_bad; /* dropped: no memory, or more than KTAP_MAX_NODES */
	size_t diagnostic_len;
	char diagnostic[KTAP_DIAGNOSTIC_BYTES];
};

struct ktap_totals {
	uint64_t passed, failed, skipped, todo; /* of tests, not suites */
	int first_failed;			/* its node; -1: none failed */
};

/*
 * Feeds a line without its newline, number @line_nr of the console. @k is all zeros at first.
 * Locks: the caller serialises the calls.
 */
void ktap_line(struct ktap *k, const char *line, uint64_t line_nr);
/* No more lines come: tests that were announced and have no result have failed. */
void ktap_end(struct ktap *k, uint64_t line_nr);
void ktap_fini(struct ktap *k);

struct ktap_totals ktap_totals(const struct ktap *k);
/*
 * Returns whether @n counts as a test: it is not a suite, or it is a suite that failed although
 * none of its tests did.
 */
bool ktap_counts(const struct ktap_node *n);
/* Writes "suite.test" to @to, cut to fit. Returns @to. */
const char *ktap_path(const struct ktap *k, int node, char *to, size_t room);
bool ktap_is_bad(enum ktap_status status);

#endif
