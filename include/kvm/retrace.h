/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second look at a death whose registers KVM has lost (arch_registers_lost()): the same boot in another machine that nobody sees, which shortly
 * before the time of the first one's end goes on instruction by instruction, its registers known after each. It ends where the first
 * one did, and tells what the first one cannot.
 */
#ifndef KVM_RETRACE_H
#define KVM_RETRACE_H

#include "kvm/gmem.h"
#include "kvm/types.h"

struct vcpu;
struct vm;

/*
 * @vm has ended and runs no more. Returns another machine that has ended in the same way, of which more is known, for a post-mortem or a
 * core; NULL: there is nothing to be found out, or it could not be. Takes seconds, half a minute at the very most. @guarded, whose memory a SIGBUS may
 * belong to, is the other's from then on. Main's thread. retrace_free() frees what it returns, and takes NULL.
 */
struct vm *retrace_at_end(struct vm *vm, _Atomic(struct gmem *) *guarded);
void retrace_free(struct vm *vm, _Atomic(struct gmem *) *guarded);

/* For vm->retrace, on the vCPU's thread: KVM_RUN was interrupted; one instruction was executed. */
void retrace_interrupted(struct vcpu *v);
void retrace_stepped(struct vcpu *v);

#endif
