/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between the launcher and an architecture: one constant table of functions.
 *
 * Nothing else in kvm/ knows an architecture. x86/arch_x86.c has the only table; main passes it to
 * each verb, and vm_init() puts it into vm->arch. The table serves rare exits, set-up, the end and
 * reports. A port or MMIO access does not use it; what must cost nothing is in arch_ticks.h.
 */
#ifndef KVM_ARCH_H
#define KVM_ARCH_H

#include "kvm/arch_host.h"
#include "kvm/gdb_target.h"

#include <stdio.h>

struct vcpu;
struct vm;

/* What a core file contains. */
struct dump_result {
	uint64_t memory_bytes;	 /* size of the machine's memory */
	uint64_t written_bytes;	 /* the part of it that is not a hole in the file */
	uint64_t slide;		 /* what KASLR has added to the kernel's addresses */
	unsigned int nr_missing; /* vCPUs whose registers are missing */
};

/*
 * The debugger's target. struct gdb_target_ops (kvm/gdb/gdb_session.h) describes what the first
 * nine functions do and return. config->gdb must be set. Thread: loop, while no vCPU is in the
 * guest; trapped(): that vCPU's.
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
	/* Puts soft breakpoints into guest memory, before vCPUs run, or removes them. */
	void (*plant)(struct vm *vm, bool on);
	/*
	 * Sets how the vCPU runs from now on. @step: one instruction only; @breaks: with
	 * breakpoints.
	 */
	void (*resume)(struct vcpu *v, bool step, bool breaks);
	/* Whether the vCPU's next instruction has a breakpoint. */
	bool (*on_break)(struct vcpu *v);
	/*
	 * Serves a debug exit. Returns true, with @stop filled in, if it is the debugger's;
	 * otherwise hands the trap back to the guest and returns false.
	 */
	bool (*trapped)(struct vcpu *v, struct gdb_stop *stop);
};

/* What `kvm host` needs. None needs a VM. Thread: any. */
struct arch_host {
	void (*cpu)(struct arch_host_cpu *cpu);
	/*
	 * Runs the measured probe, see struct arch_host_probe, in a few milliseconds. @kvm_fd:
	 * /dev/kvm.
	 */
	void (*probe)(int kvm_fd, struct arch_host_probe *probe);
	/* Returns the architecture's own capabilities, and how many in *@nr. */
	const struct host_cap *(*caps)(unsigned int *nr);
};

struct arch {
	/* --- set-up and end; Thread: main, unless another is named --- */

	/*
	 * Allocates vm->machine, and guest memory for config->mem_bytes. Returns 0, or -errno
	 * (reported).
	 */
	int (*init)(struct vm *vm);
	/*
	 * Set up what the VM needs between KVM_CREATE_VM and its first vCPU (interrupt controllers,
	 * ...), and then each vCPU. Return 0, or -errno (reported). Thread: vCPU 0's.
	 */
	int (*setup_vm)(struct vm *vm);
	int (*setup_vcpu)(struct vcpu *v);
	/*
	 * Builds the board (devices, tables, kernel) while KVM is set up; calls vm_wait_kvm()
	 * before it touches a vCPU. Returns 0, or -errno (reported, or vm_wait_kvm()'s).
	 */
	int (*create)(struct vm *vm);
	/* Undoes create() and init(). Works after a partial one of them, or none. */
	void (*destroy)(struct vm *vm);
	/*
	 * Builds the same board without KVM, and writes its device tree to config->dump_dtb.
	 * Returns 0, or -errno (reported).
	 */
	int (*dump_dtb)(struct vm *vm);
	/*
	 * Starts input and sets the terminal to raw mode, just before vCPUs run. Returns 0, or
	 * -errno (reported).
	 */
	int (*start)(struct vm *vm);
	/*
	 * Writes out what the consoles still hold, once the guest is done; waits at most @stall_ms
	 * without progress (-1: no limit). Afterwards no console holds a vCPU any more.
	 */
	void (*drain)(struct vm *vm, int stall_ms);
	/*
	 * Whether output of a console or port could not be stored (reported). Call it after
	 * drain().
	 */
	bool (*output_lost)(const struct vm *vm);
	/*
	 * Closes the devices once no vCPU runs any more: stores all that was written to disks,
	 * removes the paths of sockets, and restores the settings of lines and terminals. Returns
	 * 0, or -errno if a disk lacks data (reported).
	 */
	int (*close)(struct vm *vm);
	/*
	 * Asks the guest to end: sends the signal @signo to its command, or, if it has none,
	 * presses the power button. Returns which, for a message. Thread: loop.
	 */
	const char *(*ask_to_end)(struct vm *vm, int signo);
	/* Retries at once what waits for the host (a disk's writes). Thread: loop. */
	void (*retry)(struct vm *vm);
	/* Handles a change of the host terminal's size. Thread: loop. */
	void (*winch)(struct vm *vm);

	/* --- a vCPU; Thread: that vCPU's --- */

	/* Serves an exit that the core does not know. Returns false if it cannot. */
	bool (*handle_exit)(struct vcpu *v);
	/* Records an exit in the flight recorder that is neither a port nor an MMIO access. */
	void (*record_exit)(struct vcpu *v, uint64_t ticks);
	/*
	 * Keeps the registers, in case KVM loses them later, and sets v->sample_due to the next
	 * time. Called at an exit when v->sample_due has come.
	 */
	void (*sample)(struct vcpu *v, uint64_t ticks);
	/*
	 * Between step_on() and step_off() each exit brings the registers along. After step_on(),
	 * and after each step(), the vCPU runs one instruction; see kvm/postmortem/retrace.h.
	 * Return 0, or -errno.
	 */
	int (*step_on)(struct vcpu *v);
	int (*step)(struct vcpu *v);
	void (*step_off)(struct vcpu *v);

	/* --- post-mortem; Thread: any, unless another is named --- */

	/*
	 * Prints a vCPU's post-mortem report; @brief: in a line or two. Thread: that vCPU's, or any
	 * if it does not run.
	 */
	void (*report)(FILE *f, struct vcpu *v, bool brief);
	/*
	 * Prints what the guest's kernel has logged and no console has shown, from its memory; with
	 * @whole, the whole log. Prints nothing if there is no such text.
	 */
	void (*report_log)(FILE *f, struct vm *vm, bool whole);
	/*
	 * Prints in one sentence why the kernel has panicked, if no console has shown it. Call it
	 * after report_log().
	 */
	void (*report_panic)(FILE *f, struct vm *vm);
	/*
	 * Prints the whole log of the guest's kernel from its memory, in dmesg's format. Returns 0,
	 * -ENOENT (no log found), or -EIO (the log is damaged; its readable part was printed).
	 */
	int (*print_log)(FILE *f, struct vm *vm);
	/*
	 * Writes an ELF core of the machine to @fd, see elfcore.h: the registers of all vCPUs that
	 * stand still (vm_vcpu_stands()), and memory at the addresses that the guest's kernel uses.
	 * Fills in *@r. Returns 0, -ECANCELED once *@cancel is true (NULL: never), or -errno.
	 */
	int (*dump)(struct vm *vm, int fd, const _Atomic bool *cancel, struct dump_result *r);
	/*
	 * Whether the vCPU's last exit is one that ends a machine. The vCPU must not run, also for
	 * the next two.
	 */
	bool (*stopped_by_itself)(const struct vcpu *v);
	/* Whether the vCPU has ended in a way in which KVM loses its registers. */
	bool (*registers_lost)(const struct vcpu *v);
	/*
	 * Whether the vCPU ran in single steps until its end, so that its registers are known after
	 * all.
	 */
	bool (*stepped)(const struct vcpu *v);
	/*
	 * Whether a driver in the guest has begun to use a device that reaches further than the
	 * machine.
	 */
	bool (*has_driver)(struct vm *vm);
	/*
	 * Writes in one line what a guest that has ended badly seems to have lacked (a driver,
	 * interrupts). Returns false if there is no sign of that. Thread: main, before close().
	 */
	bool (*find_hint)(struct vm *vm, char *text, size_t n);
	/* Returns the frequency of arch_ticks(), or 0 if it is not known. */
	uint64_t (*ticks_khz)(const struct vm *vm);

	struct arch_gdb gdb;

	/*--- without a machine ---*/

	struct arch_host host;
	/*
	 * Describes the kernel @path, and how it would be started with --entry @entry and --load
	 * @load_gpa (as in struct config), as text or JSON. Returns 0, or -errno: it would be
	 * refused (printed), or it cannot be opened (reported). Thread: any.
	 */
	int (*inspect)(FILE *f, const char *path, const char *entry, uint64_t load_gpa, bool json);
	/* Print the values that --machine and --cpuid take. */
	void (*machine_help)(FILE *f);
	void (*cpuid_help)(FILE *f);
};

#endif
