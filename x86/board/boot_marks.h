/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records boot stages for --timeline; private to x86/board. Without the option these functions do
 * nothing.
 */
#ifndef X86_BOARD_BOOT_MARKS_H
#define X86_BOARD_BOOT_MARKS_H

#include "kvm/loop.h"
#include "kvm/vcpu.h"

struct vm;

struct boot_marks {
	struct vm *vm;
	struct loop_timer timer;
	struct vcpu_ask ask; /* reads vCPU 0's RIP into @rip */
	_Atomic uint64_t rip;
};

/* @b is zeroed. boot_marks_fini() also works without the others. Thread: setup. */
void boot_marks_init(struct boot_marks *b, struct vm *vm);
void boot_marks_fini(struct boot_marks *b);
/* Creates the guest's port for marks. Returns 0 or -errno. Thread: setup. */
int boot_marks_insert_port(struct boot_marks *b);
/* Starts to watch for the moment when the kernel is unpacked. Thread: loop. */
void boot_marks_start(struct boot_marks *b);

/*
 * Records that a console of @vm had output; @found has a bit for each WATCH_x that is in it.
 * Thread: any.
 */
void boot_marks_line(struct vm *vm, unsigned int found);

#endif
