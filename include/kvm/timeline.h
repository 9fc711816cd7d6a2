/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --timeline: when the launcher and the guest came how far, in seconds since exec. A machine
 * without one has a NULL pointer, and every function does nothing with that.
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

#define TIMELINE_MARKS 16 /* the guest's own; later ones are counted */

struct timeline {
	uint64_t exec_ns;			       /* of the clock of now_ns() */
	_Atomic uint64_t stage_ns[NR_TIMELINE_STAGES]; /* 0: not reached */
	_Atomic unsigned int nr_marks;
	struct {
		_Atomic uint64_t ns;
		_Atomic unsigned int value;
	} mark[TIMELINE_MARKS];
};

/*
 * When this process was started, as now_ns() has it: now, less the CPU time that it has taken.
 * Early in main.
 */
uint64_t timeline_exec_ns(void);

/* Only the first call for a stage counts. Any thread. */
void timeline_reach(struct timeline *t, enum timeline_stage stage);
/* The guest's own mark. Any thread. */
void timeline_mark(struct timeline *t, unsigned int value);
bool timeline_reached(const struct timeline *t, enum timeline_stage stage);

/* Calls @each with what was reached, in the order of time. No thread may write any more. */
void timeline_walk(const struct timeline *t, void (*each)(void *ctx, uint64_t ns, const char *what),
		   void *ctx);
/* The table. */
void timeline_print(FILE *f, const struct timeline *t);

#endif
