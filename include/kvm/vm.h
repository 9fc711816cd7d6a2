/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine as the core sees it: KVM's descriptors, memory, buses, loop, vCPUs, and how it ended.
 * It owns everything; there is no global state, and two machines may exist in one process.
 *
 * Life: vm_init -> vm_start_kvm (KVM's slow calls, on vCPU 0's thread, while main loads images and
 * makes devices) -> vm_wait_kvm -> vm_run (main runs the loop until somebody calls vm_end) ->
 * vm_stop -> vm_fini. vm_fini undoes in reverse and works after any partial life.
 *
 * Threads: main runs the loop; one thread a vCPU.
 * Lock order: coalesced ring -> a device's lock -> chardev -> checks -> verdict_lock, pause_lock.
 * No two devices' locks are held at once.
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

struct arch;
struct autopsy;
struct gdb_state;
struct machine;
struct timeline;

/*
 * What a debugger of the machine hears (--gdb, or a boot that is run again). Set before vCPUs run,
 * and for good. Each may be NULL.
 */
struct vm_hooks {
	/* A held vCPU waits now, see struct vcpu. On its thread, under vm->pause_lock. */
	void (*held_waits)(void *ctx);
	/* Serves KVM_EXIT_DEBUG. On the vCPU's thread. */
	void (*debug_exit)(void *ctx, struct vcpu *v);
	/*
	 * Whether somebody debugs it now, so that standing still is no fault of the guest. Loop's
	 * thread.
	 */
	bool (*is_debugged)(const void *ctx);
	void *ctx;
};

/*
 * Hears what the main console shows, in order. Any thread, under the output lock of its chardev;
 * may end the machine.
 */
struct vm_sink {
	void (*output)(void *ctx, const uint8_t *bytes, size_t len);
	void *ctx;
	struct vm_sink *next;
};

/* A key of the console that is the launcher's, not the guest's. Thread: loop. */
struct vm_key {
	void (*pressed)(void *ctx); /* NULL: nobody listens */
	void *ctx;
};

/* When the machine came how far, by now_ns(); 0: not yet. */
struct vm_times {
	uint64_t kvm_ns;     /* KVM's set-up was done: vCPU 0's thread, until kvm_ready */
	uint64_t created_ns; /* devices, tables, kernel and initrds were in place */
	uint64_t entry_ns;   /* the first vCPU began */
	uint64_t ended_ns;   /* the verdict; under verdict_lock */
};

/*
 * The steps of KVM's set-up of whose failure vm_wait_kvm() says nothing; all others are reported.
 */
enum vm_kvm_step { VM_KVM_NONE, VM_KVM_OPEN, VM_KVM_CREATE };

struct vm {
	const struct config *config; /* the caller's */
	const struct arch *arch;
	struct vm_hooks hooks;
	int kvm_fd, vm_fd; /* -1: not open */
	struct gmem mem;
	struct loop loop;
	struct coalesced coalesced;
	unsigned int nr_vcpus;
	struct vcpu *vcpu;
	struct machine *machine; /* the board's own; see arch.h */
	uint64_t began_ns;	 /* when the first life of this machine did, by now_ns() */
	bool restarted;		 /* this life is not its first */
	/* somebody wants it to end: it begins no further life; loop's thread */
	bool asked_to_end;
	struct vm_times times;
	struct timeline *timeline; /* for what the board sees of a boot; the caller's, NULL: none */
	struct vm_sink *sinks;	   /* see vm_add_sink() */
	struct vm_key report_key;  /* Ctrl-a d */
	/*
	 * Makes the archive of the guest's command for the kernel file @kernel, whose setup header
	 * has the version string @version. The caller's; config->has_command needs it. Returns 0,
	 * and *@bytes to free(), or -errno (reported).
	 */
	int (*pack)(const struct config *config, const char *kernel, const char *version,
		    uint8_t **bytes, uint64_t *len);

	/* For a post-mortem, and for the debugger (NULL: no --gdb): the architecture's own. */
	struct autopsy *autopsy;
	struct gdb_state *gdb_state;

	sem_t kvm_ready; /* vCPU 0's thread is done with KVM's set-up */
	int kvm_err;	 /* its result, and at which step; after kvm_ready */
	enum vm_kvm_step kvm_failed_at;
	/*
	 * The same, but set by vm_wait_kvm() when its caller learns that there is no KVM: an image
	 * that main finds broken meanwhile gets the one line. Main's thread.
	 */
	enum vm_kvm_step kvm_step;
	sem_t go; /* posted once a vCPU: run the guest now */

	/* Held up by this many; see vm_pause(). Changes under the lock. */
	_Atomic unsigned int nr_pauses;
	pthread_mutex_t pause_lock;
	pthread_cond_t resumed;

	pthread_mutex_t irq_recorder_lock; /* irq_recorder; innermost */
	struct recorder irq_recorder;

	_Atomic bool ended;
	pthread_mutex_t verdict_lock; /* verdict */
	struct verdict verdict;

	struct bus pio, mmio; /* large, and last: of their pages few are touched */
};

/*
 * Everything but KVM: memory, buses, loop. @vm is zeroed, but for what it has of lives before.
 * Returns 0 or -errno (reported). vm_fini() in either case.
 */
int vm_init(struct vm *vm, const struct config *config, const struct arch *arch);
void vm_fini(struct vm *vm);

/*
 * Begins KVM's set-up on vCPU 0's thread: it sleeps for milliseconds in the host's kernel, and we
 * have images to load meanwhile. Guest memory must be there. Returns 0 or -errno having said why.
 */
int vm_start_kvm(struct vm *vm);
/*
 * Waits for it. Returns 0, or -errno: vm->kvm_step is the step that failed and was not reported.
 * Thread: main.
 */
int vm_wait_kvm(struct vm *vm);
/*
 * Both, with the board made meanwhile: vCPUs may run then. Returns 0, or -errno: reported, or
 * vm_wait_kvm()'s.
 */
int vm_bring_up(struct vm *vm);

/*
 * Starts all vCPUs and runs the loop until the machine has ended. Returns 0 or -errno (then nothing
 * runs).
 */
int vm_run(struct vm *vm);

/* Stops and joins all vCPU threads. Consoles must not hold one of them (chardev_abort). */
void vm_join(struct vm *vm);

/*
 * Ends the machine with this verdict, unless it has already ended. Any thread. vCPUs leave the
 * guest soon, vm_run() returns.
 */
void vm_end(struct vm *vm, enum verdict_kind kind, int value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * No vCPU runs the guest, soon after this, until vm_resume() has been called as often. The loop
 * goes on, and the machine can end. Any thread; waits for nothing.
 */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
/* @sink hears the main console from now on, and for good; it is the caller's. Before vCPUs run. */
void vm_add_sink(struct vm *vm, struct vm_sink *sink);
/* For the board: the main console has shown this. */
void vm_console_output(const struct vm *vm, const uint8_t *bytes, size_t len);

/* What vm_end() does without a verdict, but for the kick: for vm_join(). */
void vm_set_ended(struct vm *vm);

/*
 * For a vCPU that was kicked: returns once neither the machine is paused nor the debugger holds
 * this vCPU, or the machine has ended.
 */
void vm_wait_resumed(struct vcpu *v);

/*
 * Whether it is outside of the guest and of our devices, and stays there for as long as the machine
 * is paused, or it has not begun or has ended. Any thread.
 */
bool vm_vcpu_stands(struct vcpu *v);

static inline bool vm_is_debugged(const struct vm *vm)
{
	return vm->hooks.is_debugged && vm->hooks.is_debugged(vm->hooks.ctx);
}

/* A line to interrupt @gsi through KVM. */
struct irq_line vm_irq_line(struct vm *vm, unsigned int gsi);

#endif
