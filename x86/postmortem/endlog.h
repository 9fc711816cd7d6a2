/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Judges how a guest ended, by its kernel's log in guest memory; private to x86/.
 *
 * A program can print whatever a kernel prints, but not into the kernel's log. So the log decides,
 * where there is one that can be read: a Linux of 64 bits. For other guests the consoles decide,
 * by lines that have the form of a kernel's message.
 */
#ifndef X86_POSTMORTEM_ENDLOG_H
#define X86_POSTMORTEM_ENDLOG_H

#include "autopsy.h"

/*
 * Call it when the guest resets or can do nothing any more. Sets panicked, halted or restarting.
 * Returns whether there is a log. Costs a search of the memory that a Linux has touched. Thread:
 * any.
 */
bool endlog_judge(struct autopsy *a);

/*
 * Call it when a console has shown the text of a panic. Sets panicked if it was one; otherwise
 * forgets that text. Costs the same. Thread: any.
 */
bool endlog_confirm_panic(struct autopsy *a);

#endif
