/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest kernel's log, from its memory; private to x86/. */
#ifndef X86_POSTMORTEM_GUESTLOG_H
#define X86_POSTMORTEM_GUESTLOG_H

#include "autopsy.h"

#include <stdio.h>

struct vm;

/*
 * The guest resets or is dead, and no console has shown why: looks in its log, and sets panicked,
 * halted or restarting as if one had. Costs a search of the memory that a Linux has touched, and
 * nothing if a console has shown it. Thread: any.
 */
void guestlog_judge_end(struct autopsy *a);

/* Rows of arch_x86.c, see struct arch. */
void guestlog_report(FILE *f, struct vm *vm, bool whole);
void guestlog_report_panic(FILE *f, struct vm *vm);
int guestlog_print(FILE *f, struct vm *vm);

#endif
