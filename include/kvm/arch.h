/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the launcher asks of an architecture: one constant table of functions, and nothing else in
 * kvm/ knows an architecture. x86/arch_x86.c has the only one; main hands it to each verb, and
 * vm_init() puts it into vm->arch.
 *
 * The table is for rare exits, set-up, the end and reports. A port or MMIO access goes past it;
 * what must cost nothing is in arch_ticks.h.
 */
#ifndef KVM_ARCH_H
#define KVM_ARCH_H

#include "kvm/arch_host.h"
#include "kvm/gdb_target.h"

#include <stdio.h>

struct vcpu;
struct vm;

/* What a core file holds. */
struct dump_result {
	uint64_t memory_bytes;	 /* the machine's */
	uint64_t written_bytes;	 /* of it, what is no hole */
	uint64_t slide;		 /* what KASLR has added to the kernel's addresses */
	unsigned int nr_missing; /* vCPUs whose registers are not in it */
};

/*
 * The debugger's target: struct gdb_target_ops (kvm/gdb/gdb_session.h) says what the first nine do
 * and return. Loop's thread, while no vCPU is in the guest, but for trapped(). They may be called
 * when config->gdb is set.
 */
struct arch_gdb {
	size_t (*description)(char *xml, size_t n);
	bool (*reg)(unsigned int n, size_t *offset, size_t *bytes);
	int (*read_regs)(struct vcpu *v, uint8_t *bytes, size_t *len);
	int (*write_regs)(struct vcpu *v, const uint8_t *bytes);
	size_t (*read)(struct vcpu *v, uint64_t addr, void *buf, size_t len, bool physical);
	size_t (*write)(struct vcpu *v, uint64_t addr, const void *buf, size_t len, bool physical);
	int (*insert)(struct vcpu *v, enum gdb_break kind, uint64_t addr, uint64_t len);
	void (*thread_info)(struct vcpu *v, char *text, size_t n);
	void (*print_registers)(struct vcpu *v, FILE *f);
	int (*remove)(struct vm *vm, enum gdb_break kind, uint64_t addr, uint64_t len);
	void (*remove_all)(struct vm *vm);
	/* Puts soft breakpoints into guest memory, for vCPUs to run, or takes them out. */
	void (*plant)(struct vm *vm, bool on);
	/*
	 * How the vCPU runs from now on: one instruction only, and whether breakpoints count for
	 * it.
	 */
	void (*resume)(struct vcpu *v, bool step, bool breaks);
	/* Whether its next instruction has a breakpoint. */
	bool (*on_break)(struct vcpu *v);
	/*
	 * Serves a debug exit on its thread: fills in @stop and returns true when it is the
	 * debugger's; otherwise hands the trap back to the guest and returns false.
	 */
	bool (*trapped)(struct vcpu *v, struct gdb_stop *stop);
};

/* What `kvm host` asks. Any thread; needs no VM. */
struct arch_host {
	void (*cpu)(struct arch_host_cpu *cpu);
	/* Takes a few milliseconds, see struct arch_host_probe. @kvm_fd: /dev/kvm. */
	void (*probe)(int kvm_fd, struct arch_host_probe *probe);
	/* The architecture's own rows. */
	const struct host_cap *(*caps)(unsigned int *nr);
};

struct arch {
	/*--- life; main's thread but where it says so ---*/

	/* vm->machine, and guest memory for config->mem_bytes. Returns 0 or -errno (reported). */
	int (*init)(struct vm *vm);
	/*
	 * On vCPU 0's thread: what the VM needs between KVM_CREATE_VM and its first vCPU (interrupt
	 * controllers, ...), and then each vCPU's own set-up. Return 0 or -errno (reported).
	 */
	int (*setup_vm)(struct vm *vm);
	int (*setup_vcpu)(struct vcpu *v);
	/*
	 * Builds the board, devices, tables and kernel, while KVM is set up; calls vm_wait_kvm()
	 * before it touches a vCPU. Returns 0, or -errno: reported, or vm_wait_kvm()'s.
	 */
	int (*create)(struct vm *vm);
	/* Undoes create() and init(); works after a partial or none of them. */
	void (*destroy)(struct vm *vm);
	/*
	 * The same board without KVM: writes its device tree to config->dump_dtb. Returns 0 or
	 * -errno (reported).
	 */
	int (*dump_dtb)(struct vm *vm);
	/*
	 * Just before vCPUs run: input begins, the terminal goes raw. Returns 0 or -errno
	 * (reported).
	 */
	int (*start)(struct vm *vm);
	/*
	 * The guest is done: brings out what its consoles still hold, waiting at most @stall_ms
	 * without progress (-1: for ever), then no console holds a vCPU any more.
	 */
	void (*drain)(struct vm *vm, int stall_ms);
	/* After that: whether what the guest's command wrote could not be kept (reported). */
	bool (*output_lost)(const struct vm *vm);
	/*
	 * Once no vCPU runs any more: disks get all that was written to them, sockets' paths go,
	 * lines and terminals get their settings back. Returns 0, or -errno when a disk lacks
	 * something (reported).
	 */
	int (*close)(struct vm *vm);
	/*
	 * Asks the guest to end: its command gets the signal @signo, and where there is none the
	 * power button is pressed. Returns which, for a message. Loop's thread, as the next two.
	 */
	const char *(*ask_to_end)(struct vm *vm, int signo);
	/* Tries again, now, what waits for the host (a disk's writes). */
	void (*retry)(struct vm *vm);
	/* The host terminal changed its size. */
	void (*winch)(struct vm *vm);

	/*--- a vCPU; on its thread ---*/

	/* Serves an exit the core does not know. False: it cannot be served. */
	bool (*handle_exit)(struct vcpu *v);
	/* For the flight recorder: an exit that is neither a port nor an MMIO access. */
	void (*record_exit)(struct vcpu *v, uint64_t ticks);
	/*
	 * Called at an exit when v->sample_due has come: keeps the registers, for when KVM loses
	 * them, and sets the next time.
	 */
	void (*sample)(struct vcpu *v, uint64_t ticks);
	/*
	 * From step_on() to step_off() each exit brings the registers along, and the instruction
	 * after it and after each step() is one; see kvm/postmortem/retrace.h. Return 0 or -errno.
	 */
	int (*step_on)(struct vcpu *v);
	int (*step)(struct vcpu *v);
	void (*step_off)(struct vcpu *v);

	/*--- autopsy; any thread but where it says so ---*/

	/*
	 * Prints a vCPU's post-mortem. On its own thread, or when it does not run. @brief: in a
	 * line or two.
	 */
	void (*report)(FILE *f, struct vcpu *v, bool brief);
	/*
	 * Prints what the guest's kernel has logged and no console has shown, from its memory; all
	 * of its log with @whole. Nothing when there is no such thing.
	 */
	void (*report_log)(FILE *f, struct vm *vm, bool whole);
	/*
	 * Prints in a sentence with what the kernel has panicked, when no console has shown that.
	 * Nothing else. After report_log().
	 */
	void (*report_panic)(FILE *f, struct vm *vm);
	/*
	 * Prints the whole log of the guest's kernel as dmesg does, from its memory. Returns 0,
	 * -ENOENT (there is none to be found), or -EIO (what was readable of a damaged one was
	 * printed).
	 */
	int (*print_log)(FILE *f, struct vm *vm);
	/*
	 * Writes an ELF core of the machine to @fd, see elfcore.h: registers of all vCPUs that
	 * stand still (vm_vcpu_stands()), memory at the addresses at which the guest's kernel has
	 * it. Fills in *@r. Returns 0, -ECANCELED once *@cancel (NULL: never), or -errno.
	 */
	int (*dump)(struct vm *vm, int fd, const _Atomic bool *cancel, struct dump_result *r);
	/* Whether its last exit is one that ends a machine. It does not run, as in the next two. */
	bool (*stopped_by_itself)(const struct vcpu *v);
	/* Whether it has ended in a way in which KVM loses its registers. */
	bool (*registers_lost)(const struct vcpu *v);
	/* Whether it ran in steps until its end, so that its registers are known after all. */
	bool (*stepped)(const struct vcpu *v);
	/*
	 * Whether a driver in the guest has begun to use a device that reaches further than the
	 * machine.
	 */
	bool (*has_driver)(struct vm *vm);
	/* How fast arch_ticks() goes; 0: not known. */
	uint64_t (*ticks_khz)(const struct vm *vm);

	struct arch_gdb gdb;

	/*--- without a machine ---*/

	struct arch_host host;
	/*
	 * Prints what the kernel @path is and how it would be started with --entry @entry and
	 * --load @load_gpa (as in struct config), as text or JSON. Returns 0, or -errno: it would
	 * be refused (printed), or it cannot be opened (reported). Any thread.
	 */
	int (*inspect)(FILE *f, const char *path, const char *entry, uint64_t load_gpa, bool json);
	/* What --machine and --cpuid take. */
	void (*machine_help)(FILE *f);
	void (*cpuid_help)(FILE *f);
};

#endif
