/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a boot again to find the registers of its end, which KVM has lost (struct arch's
 * registers_lost()).
 *
 * The same boot runs in another machine, which the user does not see. Shortly before the time at
 * which the first machine ended, the other one continues instruction by instruction, and its
 * registers are known after each. It ends where the first one did, and shows what the first one
 * cannot.
 */
#ifndef KVM_POSTMORTEM_RETRACE_H
#define KVM_POSTMORTEM_RETRACE_H

#include "kvm/gmem.h"

struct retrace;
struct vm;

/*
 * Runs the boot of @vm again, which has ended and runs no more. Returns a re-run that has ended in
 * the same way and of which more is known, for a post-mortem or a core; or NULL: there is nothing
 * to find out, or the re-runs failed. Takes seconds, half a minute at most. @guarded, the memory
 * that a SIGBUS may belong to, is the other machine's from then on. Thread: main.
 */
struct retrace *retrace_at_end(struct vm *vm, _Atomic(struct gmem *) *guarded);
/* Returns the machine of the re-run. */
struct vm *retrace_vm(struct retrace *r);
/* @r may be NULL. */
void retrace_free(struct retrace *r, _Atomic(struct gmem *) *guarded);

#endif
