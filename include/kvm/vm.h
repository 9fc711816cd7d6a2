/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine: KVM's descriptors, memory, buses, loop, vCPUs, and how it ended. It owns everything;
 * there is no global state, and two machines may exist in one process.
 *
 * Order of calls: vm_init -> vm_start_kvm (KVM's slow calls, on vCPU 0's thread, while main loads
 * images and makes devices) -> vm_wait_kvm -> vm_run (main runs the loop until a thread calls
 * vm_end) -> vm_join -> vm_fini, which undoes everything in reverse and works after any part of
 * this order.
 *
 * Threads: main runs the loop; each vCPU has one thread.
 *
 * Locks, in this order: coalesced ring -> a device's lock -> chardev -> checks -> verdict_lock,
 * pause_lock. No two devices' locks are held at once.
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
 * What a debugger of the machine provides (--gdb, or a boot that is run again). Set before vCPUs
 * run, and never changed. Each may be NULL.
 */
struct vm_hooks {
	/*
	 * A held vCPU waits now, see struct vcpu. Thread: that vCPU's. Locks: vm->pause_lock is
	 * held.
	 */
	void (*held_waits)(void *ctx);
	/* Serves KVM_EXIT_DEBUG. Thread: that vCPU's. */
	void (*debug_exit)(void *ctx, struct vcpu *v);
	/*
	 * Whether a debugger has the machine now, so that standing still is no fault of the guest.
	 * Thread: loop.
	 */
	bool (*is_debugged)(const void *ctx);
	/*
	 * Stops the machine, if a debugger is connected, because @v has come to an end that
	 * @signal describes to the debugger. Returns whether it stops. Thread: that vCPU's, or
	 * loop.
	 */
	bool (*stop)(void *ctx, struct vcpu *v, unsigned int signal);
	void *ctx;
};

/*
 * Receives what the main console shows, in order; may end the machine. Thread: any. Locks: the
 * output lock of its chardev is held.
 */
struct vm_sink {
	void (*output)(void *ctx, const uint8_t *bytes, size_t len);
	/* A port (--port, a command's stream) has got bytes. NULL: of no interest. */
	void (*port_output)(void *ctx);
	void *ctx;
	struct vm_sink *next;
};

/* A key of the console for the launcher, not for the guest. Thread: loop. */
struct vm_key {
	void (*pressed)(void *ctx); /* NULL: does nothing */
	void *ctx;
};

/* When the machine reached each step, by now_ns(); 0: not yet. */
struct vm_times {
	uint64_t kvm_ns;     /* KVM's set-up was done: vCPU 0's thread, until kvm_ready */
	uint64_t created_ns; /* devices, tables, kernel and initrds were in place */
	uint64_t entry_ns;   /* the first vCPU began */
	uint64_t ended_ns;   /* the verdict; under verdict_lock */
};

/* The steps of KVM's set-up whose failure vm_wait_kvm() does not report. It reports all others. */
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
	uint64_t began_ns;	 /* when its first run began, by now_ns() */
	uint64_t looked_ns;	 /* the last vm_look_for_stop(), at first when vCPUs ran */
	bool restarted;		 /* this run is not its first */
	/* a request to end has come, so the machine does not restart; loop's thread */
	bool asked_to_end;
	struct vm_times times;
	/* records what the board sees of a boot; the caller's, NULL: none */
	struct timeline *timeline;
	struct vm_sink *sinks;	  /* see vm_add_sink() */
	struct vm_key report_key; /* Ctrl-a d */
	/*
	 * Makes the archive of the guest's command for the kernel file @kernel, whose setup header
	 * has the version string @version. The caller's; config->has_command needs it. Returns 0,
	 * and *@bytes to free(), or -errno (reported).
	 */
	int (*pack)(const struct config *config, const char *kernel, const char *version,
		    uint8_t **bytes, uint64_t *len);

	/* The architecture's own, for a post-mortem and for the debugger (NULL: no --gdb). */
	struct autopsy *autopsy;
	struct gdb_state *gdb_state;

	sem_t kvm_ready; /* vCPU 0's thread has finished KVM's set-up */
	int kvm_err;	 /* its result, and at which step; after kvm_ready */
	enum vm_kvm_step kvm_failed_at;
	/*
	 * The same, but set by vm_wait_kvm() when its caller learns that there is no KVM. If main
	 * finds a broken image before that, it reports the image, in the one line. Thread: main.
	 */
	enum vm_kvm_step kvm_step;
	sem_t go; /* posted once per vCPU: run the guest now */

	/* How many pauses are in effect, see vm_pause(). Changes under pause_lock. */
	_Atomic unsigned int nr_pauses;
	pthread_mutex_t pause_lock;
	pthread_cond_t resumed;

	pthread_mutex_t irq_recorder_lock; /* irq_recorder; innermost */
	struct recorder irq_recorder;

	_Atomic bool ended;
	pthread_mutex_t verdict_lock; /* verdict */
	struct verdict verdict;

	struct bus pio, mmio; /* large, and last: few of their pages are touched */
};

/*
 * Sets up everything except KVM: memory, buses, loop. @vm is zeroed, except for what an earlier run
 * has left. Call vm_fini() in either case. Returns 0, or -errno (reported).
 */
int vm_init(struct vm *vm, const struct config *config, const struct arch *arch);
void vm_fini(struct vm *vm);

/*
 * Begins KVM's set-up on vCPU 0's thread. It sleeps for milliseconds in the host's kernel, while
 * main loads images. Guest memory must be there. Returns 0, or -errno (reported).
 */
int vm_start_kvm(struct vm *vm);
/*
 * Waits for KVM's set-up. Returns 0, or -errno; vm->kvm_step is the step that failed and was not
 * reported. Thread: main.
 */
int vm_wait_kvm(struct vm *vm);
/*
 * Does both, and makes the board in between; vCPUs may run after that. Returns 0, or -errno
 * (reported, or vm_wait_kvm()'s). Thread: main.
 */
int vm_bring_up(struct vm *vm);

/*
 * Starts all vCPUs and runs the loop until the machine has ended. Returns 0, or -errno (then no
 * vCPU runs the guest). Thread: main.
 */
int vm_run(struct vm *vm);

/*
 * Stops and joins all vCPU threads. No console may hold one of them (chardev_abort). Thread: main.
 */
void vm_join(struct vm *vm);

/*
 * Ends the machine with this verdict, unless it has already ended. vCPUs leave the guest soon, and
 * vm_run() returns. Thread: any.
 */
void vm_end(struct vm *vm, enum verdict_kind kind, int value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Keeps all vCPUs out of the guest, soon after this, until vm_resume() has been called as often.
 * The loop goes on, and the machine can end. Waits for nothing. Thread: any.
 */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);

/*
 * Call this with now_ns() once a second, and before anything else that is done then. If the last
 * call was long ago, the launcher was stopped: tells the guest so by all vCPUs, of which some may
 * not have noticed. Thread: loop.
 */
void vm_look_for_stop(struct vm *vm, uint64_t now);
/* Has @sink receive the main console from now on, for good; it is the caller's. Thread: setup. */
void vm_add_sink(struct vm *vm, struct vm_sink *sink);
/* Passes what the main console has shown to all sinks. The board calls it. */
void vm_console_output(const struct vm *vm, const uint8_t *bytes, size_t len);
/* Reports to all sinks that a port has got bytes. The board calls it. */
void vm_port_output(const struct vm *vm);

/* Marks the machine as ended, without a verdict and without a kick. For vm_join() and vm_end(). */
void vm_set_ended(struct vm *vm);

/*
 * Holds a vCPU that was kicked: returns once the machine is not paused and the debugger does not
 * hold this vCPU, or the machine has ended. Thread: that vCPU's.
 */
void vm_wait_resumed(struct vcpu *v);

/*
 * Whether the vCPU stands still: it is outside of the guest and of all devices, and stays there as
 * long as the machine is paused, or it has not begun or has ended. Thread: any.
 */
bool vm_vcpu_stands(struct vcpu *v);

static inline bool vm_is_debugged(const struct vm *vm)
{
	return vm->hooks.is_debugged && vm->hooks.is_debugged(vm->hooks.ctx);
}

/* See struct vm_hooks, @stop. @v's own thread calls vm_wait_resumed() if this returns true. */
static inline bool vm_stops_for_debugger(struct vcpu *v, unsigned int signal)
{
	const struct vm_hooks *h = &v->vm->hooks;

	return h->stop && h->stop(h->ctx, v, signal);
}

/* Returns a line that sets interrupt @gsi through KVM. */
struct irq_line vm_irq_line(struct vm *vm, unsigned int gsi);

#endif
