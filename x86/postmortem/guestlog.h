/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the guest kernel's log from guest memory for reports, and to judge how the guest ended;
 * private to x86/.
 */
#ifndef X86_POSTMORTEM_GUESTLOG_H
#define X86_POSTMORTEM_GUESTLOG_H

#include "autopsy.h"

#include <stdio.h>

struct vm;

/*
 * Call it when the guest resets or can do nothing any more. If no console has shown why, it looks
 * in the guest's log and sets panicked, halted or restarting, as the console's output would; this
 * costs a search of the memory that a Linux has touched. Thread: any.
 */
void guestlog_judge_end(struct autopsy *a);

/* Rows of arch_x86.c, see struct arch. */
void guestlog_report(FILE *f, struct vm *vm, bool whole);
void guestlog_report_panic(FILE *f, struct vm *vm);
int guestlog_print(FILE *f, struct vm *vm);

#endif
