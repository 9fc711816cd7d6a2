/* SPDX-License-Identifier: GPL-2.0-only */
/* Ends, with --hang, a guest that makes no progress; private to x86/board. */
#ifndef X86_BOARD_HANG_H
#define X86_BOARD_HANG_H

#include "kvm/loop.h"
#include "kvm/quiet.h"

struct hang_cpu;
struct i8042;
struct vm;

#define HANG_PAGES 8

/* What was seen since the guest's last progress. */
struct hang {
	struct vm *vm;
	struct hang_cpu *cpu; /* of each vCPU; NULL: no --hang */
	const struct i8042 *i8042;
	const _Atomic uint64_t *console_bytes;
	struct loop_timer timer;
	struct quiet quiet;
	uint64_t events; /* exits except the keyboard controller's, and console bytes */
	unsigned int nr_pages;
	uint64_t page[HANG_PAGES]; /* pages of code that vCPUs were seen on */
};

/* @h is zeroed. hang_fini() works without hang_start(). Thread: setup. */
void hang_init(struct hang *h, struct vm *vm);
void hang_fini(struct hang *h);
/*
 * With --hang, starts to watch the guest. @console_bytes counts what the guest prints. @i8042 and
 * @console_bytes outlive @h. Returns 0 or -errno (reported). Thread: loop.
 */
int hang_start(struct hang *h, const struct i8042 *i8042, const _Atomic uint64_t *console_bytes);

#endif
