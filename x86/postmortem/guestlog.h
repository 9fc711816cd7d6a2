/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest kernel's log, from its memory: rows of arch_x86.c, see struct arch; private to x86/. */
#ifndef X86_POSTMORTEM_GUESTLOG_H
#define X86_POSTMORTEM_GUESTLOG_H

#include "kvm/types.h"

#include <stdio.h>

struct vm;

void guestlog_report(FILE *f, struct vm *vm, bool whole);
void guestlog_report_panic(FILE *f, struct vm *vm);
int guestlog_print(FILE *f, struct vm *vm);

#endif
