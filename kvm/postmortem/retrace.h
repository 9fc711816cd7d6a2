/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second look at a death whose registers KVM has lost (struct arch's registers_lost()): runs the
 * same boot in another machine that nobody sees, which shortly before the time of the first one's
 * end goes on instruction by instruction, its registers known after each. It ends where the first
 * one did, and shows what the first one cannot.
 */
#ifndef KVM_POSTMORTEM_RETRACE_H
#define KVM_POSTMORTEM_RETRACE_H

#include "kvm/gmem.h"

struct retrace;
struct vm;

/*
 * @vm has ended and runs no more. Returns a re-run that has ended in the same way, of which more is
 * known, for a post-mortem or a core; NULL: there is nothing to be found out, or it could not be.
 * Takes seconds, half a minute at the very most. @guarded, whose memory a SIGBUS may belong to, is
 * the other machine's from then on. Thread: main.
 */
struct retrace *retrace_at_end(struct vm *vm, _Atomic(struct gmem *) *guarded);
/* The machine that has ended again. */
struct vm *retrace_vm(struct retrace *r);
/* NULL is fine. */
void retrace_free(struct retrace *r, _Atomic(struct gmem *) *guarded);

#endif
