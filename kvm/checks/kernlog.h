/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the reports that a Linux kernel makes of its own faults in its console, line by line, and
 * cuts out each in full. kernlog.c has the table of texts. Pure; memory and the time for a line are
 * bounded.
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
	char title[160];   /* the line that describes the fault */
	size_t len;
	char text[KERNLOG_REPORT_BYTES]; /* its lines, each with its newline; not terminated */
};

struct kernlog {
	unsigned int nr_reports; /* kept */
	uint64_t nr_seen;
	bool open; /* the last report is not complete yet */
	bool panicked;
	bool stamped;	 /* messages have time stamps: a line without is not the kernel's */
	bool stack_seen; /* the open report's call trace has begun */
	bool bars;	 /* the line before the open report was one of ===== */
	unsigned int ends_by, nr_lines;
	struct kernlog_report report[KERNLOG_MAX_REPORTS];
};

enum kernlog_event { KERNLOG_NOTHING, KERNLOG_BEGINS, KERNLOG_ENDS };

/*
 * Feeds a line without its newline, number @line_nr of the console. @k is all zeros at first.
 * Locks: the caller serialises the calls.
 */
enum kernlog_event kernlog_line(struct kernlog *k, const char *line, uint64_t line_nr);

/* No more lines come: ends an open report. */
void kernlog_end(struct kernlog *k);

#endif
