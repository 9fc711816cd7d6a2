/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU: one thread that runs the guest and serves its exits.
 *
 * Stopping and asking are race-free by KVM's immediate_exit: the flag is set first, then the signal sent; the thread
 * clears the flag before it looks what it was asked.
 */
#ifndef KVM_VCPU_H
#define KVM_VCPU_H

#include "kvm/recorder.h"
#include "kvm/types.h"

#include <linux/kvm.h>
#include <pthread.h>

struct vm;

struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd; /* -1: not created */
	struct kvm_run *run;
	size_t run_bytes;
	pthread_t thread;
	struct recorder recorder;
	uint64_t sample_due;	    /* ticks; see arch_sample() */
	struct arch_sample *sample; /* the architecture's own; NULL: none is taken */
	uint64_t entered_ticks;	    /* when it first ran */
	uint64_t rare_ticks;	    /* its last exit that was neither a port nor an MMIO access */
	char *report_text;	    /* under vm->report_lock */
	_Atomic bool report_asked;
	_Atomic bool held;  /* by the debugger, like a pause for one vCPU; changes under vm->pause_lock */
	bool waits;	    /* in vm_wait_resumed(); under vm->pause_lock */
	bool started;	    /* the thread exists; main's thread only */
	_Atomic bool probe; /* asked to fill in what follows */
	_Atomic uint64_t pc;
	_Atomic bool dead_halt; /* halted with interrupts off, or never started: nothing can wake it */
};

/* Creates KVM's vCPU and maps its kvm_run. Returns 0 or -errno having said why. */
int vcpu_create(struct vm *vm, unsigned int index);
/* Undoes it; the thread must have ended. Works after a failed or no create. */
void vcpu_destroy(struct vcpu *v);

/* Runs the guest until the machine has ended. On the vCPU's thread. */
void vcpu_run(struct vcpu *v);

/*
 * Serves the exit described in v->run (which tests fabricate). Ends the machine on what cannot be served.
 */
void vcpu_handle_exit(struct vcpu *v);

/* Makes the vCPU leave the guest soon. Any thread. */
void vcpu_kick(struct vcpu *v);

/* Installs the handler of the signal that vcpu_kick() sends. Once a process. Returns 0 or -errno. */
int vcpu_signal_init(void);

#endif
