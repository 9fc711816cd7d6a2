/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU: one thread that runs the guest and serves its exits.
 *
 * Other threads stop it and send it requests without races, by KVM's immediate_exit: they set the
 * flag first, and then send the signal; the thread clears the flag before it looks at the requests.
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
 * A request to one vCPU. The caller owns it, and the place for the answer; both stay where they are
 * until the vCPU's thread has ended. Zeroed except for fn and ctx.
 */
struct vcpu_ask {
	void (*fn)(struct vcpu *v, void *ctx);
	void *ctx;
	_Atomic bool due; /* requested, and fn has not begun */
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
	struct arch_sample *sample; /* the architecture's own; NULL: takes no samples */
	uint64_t entered_ticks;	    /* when it first ran */
	/* its last exit that was neither a port nor an MMIO access */
	uint64_t rare_ticks;
	_Atomic(struct vcpu_ask *) asks; /* requests, the newest first */
	/* the debugger holds it, like a pause for one vCPU; changes under vm->pause_lock */
	_Atomic bool held;
	_Atomic bool stopped; /* the guest's clock must show that the launcher was stopped */
	bool waits;	      /* in vm_wait_resumed(); under vm->pause_lock */
	bool started;	      /* the thread exists; main's thread only */
};

/* Creates KVM's vCPU and maps its kvm_run. Returns 0, or -errno (reported). */
int vcpu_create(struct vm *vm, unsigned int index);
/* Undoes vcpu_create(); the thread must have ended. Works after a failed vcpu_create(), or none. */
void vcpu_destroy(struct vcpu *v);

/* Runs the guest until the machine has ended. Thread: that vCPU's. */
void vcpu_run(struct vcpu *v);

/* Serves the exit described in v->run (which tests fabricate). Ends the machine if it cannot. */
void vcpu_handle_exit(struct vcpu *v);

/* Makes the vCPU leave the guest soon. Thread: any. */
void vcpu_kick(struct vcpu *v);

/*
 * Has @ask->fn called soon on the vCPU's own thread, outside the guest, where KVM gives its
 * registers. Thread: any. Locks: none.
 *
 *  - One call of it serves all requests before it.
 *  - While the machine is paused or the debugger holds the vCPU, it is called right after that.
 *  - It is never called once the machine has ended.
 */
void vcpu_ask(struct vcpu *v, struct vcpu_ask *ask);
/* Serves the requests, after a kick. Thread: that vCPU's. */
void vcpu_answer(struct vcpu *v);

/*
 * Installs the handler of the signal that vcpu_kick() sends. Once per process. Returns 0, or
 * -errno.
 */
int vcpu_signal_init(void);

#endif
