/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine as the core sees it: KVM's descriptors, memory, buses, loop, vCPUs, and how it ended. It owns everything; there
 * is no global state, and two machines may exist in one process.
 *
 * Life: vm_init -> vm_start_kvm (KVM's slow calls, on vCPU 0's thread, while main loads images and makes devices) ->
 * vm_wait_kvm -> vm_run (main runs the loop until somebody calls vm_end) -> vm_stop -> vm_fini. vm_fini undoes in reverse
 * and works after any partial life.
 *
 * Threads: main runs the loop; one thread a vCPU.
 * Lock order: coalesced ring -> a device's lock -> chardev -> checks -> verdict_lock, pause_lock. No two devices' locks are held at once.
 */
#ifndef KVM_VM_H
#define KVM_VM_H

#include "kvm/bus.h"
#include "kvm/coalesced.h"
#include "kvm/config.h"
#include "kvm/gmem.h"
#include "kvm/irq.h"
#include "kvm/loop.h"
#include "kvm/vcpu.h"
#include "kvm/verdict.h"

#include <semaphore.h>

struct autopsy;
struct checks;
struct control;
struct gdb_state;
struct machine;
struct retrace;

struct vm {
	const struct config *config; /* the caller's */
	int kvm_fd, vm_fd;	     /* -1: not open */
	struct gmem mem;
	struct loop loop;
	struct coalesced coalesced;
	unsigned int nr_vcpus;
	struct vcpu *vcpu;
	struct machine *machine; /* the board's own; see arch.h */
	uint64_t began_ns;	 /* when the first life of this machine did, by now_ns() */
	bool restarted;		 /* this life is not its first */
	bool asked_to_end;	 /* somebody wants it to end: it begins no further life; loop's thread */
	struct checks *checks;	 /* on the main console; the caller's, NULL: none; see checks.h */

	struct control *control; /* the caller's, NULL: none; see control.h */

	/* For a post-mortem, and for the debugger (NULL: no --gdb): the architecture's own. */
	struct autopsy *autopsy;
	struct gdb_state *gdb_state;

	sem_t kvm_ready; /* vCPU 0's thread is done with KVM's set-up */
	int kvm_err;	 /* its result; after kvm_ready */
	/*
	 * Why there is no KVM. Said by vm_wait_kvm(), not when it happens: an image that main finds broken meanwhile gets the one line.
	 */
	char kvm_why[256];
	sem_t go; /* posted once a vCPU: run the guest now */

	/* Held up by this many; see vm_pause(). Changes under the lock. */
	_Atomic unsigned int nr_pauses;
	pthread_mutex_t pause_lock;
	pthread_cond_t resumed;

	struct gdb *gdb;	 /* NULL: no --gdb */
	struct retrace *retrace; /* what it is run again for, see retrace.h; NULL: an ordinary life */

	pthread_mutex_t report_lock; /* what follows, and the vCPUs' report_text */
	struct loop_timer report_timer;
	struct report_sink report_sink;
	unsigned int reports_due; /* 0: none was asked for */

	pthread_mutex_t irq_recorder_lock; /* irq_recorder; innermost */
	struct recorder irq_recorder;
	struct trace *trace;	   /* NULL: none */
	struct timeline *timeline; /* NULL: none */

	_Atomic bool ended;
	pthread_mutex_t verdict_lock; /* verdict */
	struct verdict verdict;

	struct bus pio, mmio; /* large, and last: of their pages few are touched */
};

/* Everything but KVM: memory, buses, loop. @vm is zeroed, but for what it has of lives before. Returns 0 or -errno having said why. vm_fini() in either case. */
int vm_init(struct vm *vm, const struct config *config);
void vm_fini(struct vm *vm);

/*
 * Begins KVM's set-up on vCPU 0's thread: it sleeps for milliseconds in the host's kernel, and we have images to load
 * meanwhile. Guest memory must be there. Returns 0 or -errno having said why.
 */
int vm_start_kvm(struct vm *vm);
/* Waits for it. Returns 0 or its -errno (already said). */
int vm_wait_kvm(struct vm *vm);
/* Both, with the board made meanwhile: vCPUs may run then. Returns 0 or -errno (said). */
int vm_bring_up(struct vm *vm);

/* Starts all vCPUs and runs the loop until the machine has ended. Returns 0 or -errno (then nothing runs). */
int vm_run(struct vm *vm);

/* Stops and joins all vCPU threads. Consoles must not hold one of them (chardev_abort). */
void vm_join(struct vm *vm);

/*
 * Ends the machine with this verdict, unless it has already ended. Any thread. vCPUs leave the guest soon, vm_run()
 * returns.
 */
void vm_end(struct vm *vm, enum verdict_kind kind, int value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * No vCPU runs the guest, soon after this, until vm_resume() has been called as often. The loop goes on, and the machine can end. Any
 * thread; waits for nothing.
 */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
/* For a vCPU that was kicked: returns once neither the machine is paused nor the debugger holds this vCPU, or the machine has ended. */
void vm_wait_resumed(struct vcpu *v);

/* Whether it is outside of the guest and of our devices, and stays there for as long as the machine is paused, or it has not begun or has ended. Any thread. */
bool vm_vcpu_stands(struct vcpu *v);

/* A line to interrupt @gsi through KVM. */
struct irq_line vm_irq_line(struct vm *vm, unsigned int gsi);

#endif
