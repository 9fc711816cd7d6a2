/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records for --timeline when the launcher and the guest reached each stage, in seconds since exec.
 * A machine without a timeline has a NULL pointer, with which timeline_reach(), timeline_mark() and
 * timeline_reached() do nothing.
 */
#ifndef KVM_TIMELINE_H
#define KVM_TIMELINE_H

#include "kvm/types.h"

#include <stdio.h>

enum timeline_stage {
	TIMELINE_OPTIONS, /* parsed */
	TIMELINE_KVM,	  /* KVM's set-up is done */
	TIMELINE_LOADED,  /* devices, tables, kernel and initrds are in place */
	TIMELINE_ENTRY,	  /* the first vCPU begins */
	TIMELINE_KERNEL,  /* the first vCPU was seen in the unpacked kernel */
	TIMELINE_CONSOLE, /* the first output on a console */
	TIMELINE_VERSION, /* "Linux version" */
	TIMELINE_SMP,	  /* "smp: Brought up" */
	TIMELINE_INIT,	  /* "Run /init as init process" */
	TIMELINE_END,	  /* the verdict */
	NR_TIMELINE_STAGES,
};

#define TIMELINE_MARKS 16 /* the guest's own; later ones are dropped */

struct timeline {
	uint64_t exec_ns;			       /* by now_ns() */
	_Atomic uint64_t stage_ns[NR_TIMELINE_STAGES]; /* 0: not reached */
	_Atomic unsigned int nr_marks;
	struct {
		_Atomic uint64_t ns;
		_Atomic unsigned int value;
	} mark[TIMELINE_MARKS];
};

/*
 * Returns when this process was started, by now_ns(): now, less the CPU time that it has used. Call
 * it early in main().
 */
uint64_t timeline_exec_ns(void);

/* Records that a stage is reached; only the first call for a stage counts. Thread: any. */
void timeline_reach(struct timeline *t, enum timeline_stage stage);
/* Records the guest's own mark. Thread: any. */
void timeline_mark(struct timeline *t, unsigned int value);
bool timeline_reached(const struct timeline *t, enum timeline_stage stage);

/* Calls @each for all that was reached, in the order of time. No thread may write any more. */
void timeline_walk(const struct timeline *t, void (*each)(void *ctx, uint64_t ns, const char *what),
		   void *ctx);
/* Prints the table. */
void timeline_print(FILE *f, const struct timeline *t);

#endif
