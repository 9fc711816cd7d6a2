/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU: one thread that runs the guest and serves its exits.
 *
 * Stopping and asking are race-free by KVM's immediate_exit: the flag is set first, then the signal
 * sent; the thread clears the flag before it looks what it was asked.
 */
#ifndef KVM_VCPU_H
#define KVM_VCPU_H

#include "kvm/recorder.h"
#include "kvm/types.h"

#include <linux/kvm.h>
#include <pthread.h>

struct vcpu;
struct vm;

/*
 * A question to one vCPU. The one who asks owns it, and what the answer is put into; it stays where
 * it is until the vCPU's thread has ended. Zeroed but for fn and ctx.
 */
struct vcpu_ask {
	void (*fn)(struct vcpu *v, void *ctx);
	void *ctx;
	_Atomic bool due; /* asked, and not begun to be answered */
	struct vcpu_ask *next;
};

struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd; /* -1: not created */
	struct kvm_run *run;
	size_t run_bytes;
	pthread_t thread;
	struct recorder recorder;
	uint64_t sample_due;	    /* ticks; see struct arch's sample() */
	struct arch_sample *sample; /* the architecture's own; NULL: none is taken */
	uint64_t entered_ticks;	    /* when it first ran */
	/* its last exit that was neither a port nor an MMIO access */
	uint64_t rare_ticks;
	_Atomic(struct vcpu_ask *) asks; /* not answered yet, the newest first */
	/* by the debugger, like a pause for one vCPU; changes under vm->pause_lock */
	_Atomic bool held;
	bool waits;   /* in vm_wait_resumed(); under vm->pause_lock */
	bool started; /* the thread exists; main's thread only */
};

/* Creates KVM's vCPU and maps its kvm_run. Returns 0 or -errno having said why. */
int vcpu_create(struct vm *vm, unsigned int index);
/* Undoes it; the thread must have ended. Works after a failed or no create. */
void vcpu_destroy(struct vcpu *v);

/* Runs the guest until the machine has ended. On the vCPU's thread. */
void vcpu_run(struct vcpu *v);

/*
 * Serves the exit described in v->run (which tests fabricate). Ends the machine on what cannot be
 * served.
 */
void vcpu_handle_exit(struct vcpu *v);

/* Makes the vCPU leave the guest soon. Any thread. */
void vcpu_kick(struct vcpu *v);

/*
 * Has @ask->fn called soon on the vCPU's own thread, outside the guest, where KVM gives its
 * registers. Once, however often it is asked before that. Not while the machine is paused or the
 * debugger holds the vCPU, but right after; never once the machine has ended. Takes no lock. Any
 * thread.
 */
void vcpu_ask(struct vcpu *v, struct vcpu_ask *ask);
/* Answers what was asked. On the vCPU's thread, which was kicked. */
void vcpu_answer(struct vcpu *v);

/*
 * Installs the handler of the signal that vcpu_kick() sends. Once a process. Returns 0 or -errno.
 */
int vcpu_signal_init(void);

#endif
