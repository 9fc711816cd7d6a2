/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the guest kernel's log from guest memory for reports; private to x86/.
 */
#ifndef X86_POSTMORTEM_GUESTLOG_H
#define X86_POSTMORTEM_GUESTLOG_H

#include "autopsy.h"

#include <stdio.h>

struct vm;

/* Rows of arch_x86.c, see struct arch. */
void guestlog_report(FILE *f, struct vm *vm, bool whole);
void guestlog_report_panic(FILE *f, struct vm *vm);
int guestlog_print(FILE *f, struct vm *vm);

#endif
