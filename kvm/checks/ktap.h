/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test results in a console, as the kernel prints them: KTAP (Documentation/dev-tools/ktap.rst),
 * versions 13 and 14 of TAP, with and without printk's time stamps; subtests by indentation (KUnit)
 * and behind "# " (kselftest). Pure; bounded memory, and a bounded time a line.
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
	KTAP_TODO,  /* failed, and was expected to */
	KTAP_ENDED, /* failed: announced, and no result came */
};

struct ktap_node {
	enum ktap_status status;
	bool has_children; /* what counts is them, but for a failure that none of them explains */
	bool child_failed;
	int parent;	  /* -1: none */
	uint64_t line_nr; /* of its result */
	char *name;	  /* NULL only when memory is short */
	char *reason;	  /* of SKIP and TODO; may be NULL */
	char *diagnostic; /* the lines before a bad result, each with its newline; may be NULL */
};

struct ktap_level {
	unsigned int indent;
	bool hashed;		    /* opened behind a "# " */
	bool open_ended;	    /* no plan seen */
	uint64_t planned;	    /* results */
	uint64_t seen;		    /* results */
	unsigned int first;	    /* node of it or of its subtests */
	char name[KTAP_NAME_BYTES]; /* "# Subtest:"; "": not said */
};

struct ktap {
	unsigned int nr_nodes;
	size_t room;
	struct ktap_node *node;
	unsigned int nr_levels;
	struct ktap_level level[KTAP_MAX_DEPTH];
	bool bailed_out;
	uint64_t nr_dropped, nr_dropped_bad; /* for which there was no memory */
	size_t diagnostic_len;
	char diagnostic[KTAP_DIAGNOSTIC_BYTES];
};

struct ktap_totals {
	uint64_t passed, failed, skipped, todo; /* of tests, not of suites */
	int first_failed;			/* its node; -1: none */
};

/*
 * Feeds a line without its newline, the console's @line_nr-th. The caller serialises. Starts with
 * all zeros.
 */
void ktap_line(struct ktap *k, const char *line, uint64_t line_nr);
/* No more lines: what was announced and did not come has failed. */
void ktap_end(struct ktap *k, uint64_t line_nr);
void ktap_fini(struct ktap *k);

struct ktap_totals ktap_totals(const struct ktap *k);
/* Whether it is a test of its own: no suite, or one whose failure none of its tests explains. */
bool ktap_counts(const struct ktap_node *n);
/* "suite.test", cut to fit. Returns @to. */
const char *ktap_path(const struct ktap *k, int node, char *to, size_t room);
bool ktap_is_bad(enum ktap_status status);

#endif
