/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports that a Linux kernel makes of its own faults, found in its console line by line, each cut
 * out as a whole. The table of what counts is in kernlog.c. Pure; bounded memory, and a bounded
 * time a line.
 */
#ifndef KVM_CHECKS_KERNLOG_H
#define KVM_CHECKS_KERNLOG_H

#include "kvm/types.h"

#define KERNLOG_MAX_REPORTS 8
#define KERNLOG_REPORT_BYTES (16 * 1024)
#define KERNLOG_REPORT_LINES 250

struct kernlog_report {
	const char *class; /* "panic", "oops", "warning", "lockdep", ...: see kernlog.c */
	uint64_t line_nr;  /* of its first line in the console, from 1 */
	char title[160];   /* the line that says what it is */
	size_t len;
	char text[KERNLOG_REPORT_BYTES]; /* its lines, each with its newline; not terminated */
};

struct kernlog {
	unsigned int nr_reports; /* kept */
	uint64_t nr_seen;
	bool open; /* the last one is not at its end yet */
	bool panicked;
	bool stamped; /* messages have time stamps: a line without is not the kernel's */
	bool stack_seen,
		/*
		 * of the open one: its call trace has begun; a line of ===== or so stood before it
		 */
		bars;
	unsigned int ends_by, nr_lines;
	struct kernlog_report report[KERNLOG_MAX_REPORTS];
};

enum kernlog_event { KERNLOG_NOTHING, KERNLOG_BEGINS, KERNLOG_ENDS };

/*
 * Feeds a line without its newline, the console's @line_nr-th. The caller serialises. Starts with
 * all zeros.
 */
enum kernlog_event kernlog_line(struct kernlog *k, const char *line, uint64_t line_nr);

/* No more lines: what is open is at its end. */
void kernlog_end(struct kernlog *k);

#endif
