/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest kernel's log, from its memory; private to x86/. */
#ifndef X86_POSTMORTEM_GUESTLOG_H
#define X86_POSTMORTEM_GUESTLOG_H

#include "autopsy.h"

/*
 * The guest resets or is dead, and no console has shown why: looks in its log, and sets panicked,
 * halted or restarting as if one had. Costs a search of the memory that a Linux has touched, and
 * nothing if a console has shown it. Thread: any.
 */
void guestlog_judge_end(struct autopsy *a);

#endif
