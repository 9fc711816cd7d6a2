/* SPDX-License-Identifier: GPL-2.0-only */
/* Ends a machine in which nothing can happen any more; private to x86/board. */
#ifndef X86_BOARD_IDLE_H
#define X86_BOARD_IDLE_H

#include "kvm/loop.h"

struct idle_cpu;
struct vm;

struct idle {
	struct vm *vm;
	struct idle_cpu *cpu; /* of each vCPU; NULL: not started */
	struct loop_timer timer;
	uint64_t cpu_ns;     /* CPU time of all vCPUs, at the last round */
	unsigned int rounds; /* rounds in a row in which it looked idle */
};

/*
 * @i is zeroed. idle_start() returns 0 or -errno (reported); idle_fini() also works without it.
 * Thread: setup; idle_start(): loop.
 */
void idle_init(struct idle *i, struct vm *vm);
int idle_start(struct idle *i);
void idle_fini(struct idle *i);

#endif
