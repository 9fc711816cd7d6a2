/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few hooks by which the core reaches the architecture's folder. Nothing else in kvm/ knows an architecture.
 */
#ifndef KVM_ARCH_H
#define KVM_ARCH_H

#include "kvm/gdb_target.h"
#include "kvm/postmortem/dump.h"
#include "kvm/vm.h"

#include <stdio.h>

/* vm->machine, and guest memory for config->mem_bytes. Returns 0 or -errno having said why. */
int arch_vm_init(struct vm *vm);

/*
 * On vCPU 0's thread: what the VM needs between KVM_CREATE_VM and its first vCPU (interrupt controllers, ...), and then each
 * vCPU's own set-up. Return 0 or -errno having said why.
 */
int arch_vm_setup(struct vm *vm);
int arch_vcpu_setup(struct vcpu *v);

/*
 * Builds the board: devices, tables, kernel. On main's thread, while KVM is set up; calls vm_wait_kvm() before it touches
 * a vCPU. arch_machine_destroy() also undoes arch_vm_init(), and
 * works after a partial or no create.
 */
int arch_machine_create(struct vm *vm);
void arch_machine_destroy(struct vm *vm);

/* The same board without KVM, for config->dump_dtb: writes that file. Returns 0 or -errno having said why. */
int arch_machine_dump(struct vm *vm);

/* What --machine and --cpuid take. */
void arch_machine_help(FILE *f);
void arch_cpuid_help(FILE *f);

/* Just before vCPUs run: input begins, the terminal goes raw. */
int arch_machine_start(struct vm *vm);
/*
 * The guest is done: brings out what its consoles still hold, waiting at most @stall_ms without progress (-1: for
 * ever), then no console holds a vCPU any more.
 */
void arch_machine_drain(struct vm *vm, int stall_ms);
/* After that: whether what the guest's command wrote could not be kept, which was said. */
bool arch_output_lost(const struct vm *vm);

/*
 * Once no vCPU runs any more: disks get all that was written to them, sockets' paths go, lines and terminals get their settings back. Returns 0,
 * or -errno when a disk lacks something, having said so.
 */
int arch_machine_close(struct vm *vm);

/* Asks the guest to end: its command gets the signal @signo, and where there is none the power button is pressed. Returns which, for a message. Loop's thread. */
const char *arch_ask_to_end(struct vm *vm, int signo);
/* Tries again, now, what waits for the host (a disk's writes). Loop's thread. */
void arch_retry(struct vm *vm);
/* The host terminal changed its size. Loop's thread. */
void arch_winch(struct vm *vm);

/* Serves an exit the core does not know. False: it cannot be served. */
bool arch_handle_exit(struct vcpu *v);

/* After an interrupted KVM_RUN, on its thread: whether nothing can wake this vCPU any more. */
bool arch_dead_halt(struct vcpu *v);

/* After an interrupted KVM_RUN, on its thread: where the vCPU's next instruction is. */
uint64_t arch_pc(struct vcpu *v);

/* Prints a vCPU's post-mortem. On its own thread, or when it does not run. @brief: in a line or two. */
void arch_report(FILE *f, struct vcpu *v, bool brief);
/*
 * Prints what the guest's kernel has said to itself and no console has shown, from its memory; all of it with @whole. Nothing when there is
 * nothing of that kind. Any thread.
 */
void arch_report_log(FILE *f, struct vm *vm, bool whole);
/*
 * Prints the whole log of the guest's kernel as dmesg does, from its memory. Returns 0, -ENOENT (there is none to be found), or -EIO (what was
 * readable of a damaged one was printed). Any thread.
 */
int arch_print_log(FILE *f, struct vm *vm);
/*
 * Writes an ELF core of the machine to @fd, see elfcore.h: registers of all vCPUs that stand still (vm_vcpu_stands()), memory at the addresses at
 * which the guest's kernel has it. Fills in *@r. Returns 0, -ECANCELED once *@cancel (NULL: never), or -errno. Any thread.
 */
int arch_dump(struct vm *vm, int fd, const _Atomic bool *cancel, struct dump_result *r);
/*
 * Prints in a sentence with what the kernel has panicked, when no console has shown that. Nothing else. After arch_report_log(); any thread.
 */
void arch_report_panic(FILE *f, struct vm *vm);
/* Whether its last exit is one that ends a machine. */
bool arch_stopped_by_itself(const struct vcpu *v);

/* For the flight recorder: an exit that is neither a port nor an MMIO access. */
void arch_record_exit(struct vcpu *v, uint64_t ticks);
/* Called at an exit when v->sample_due has come: keeps the registers, for when KVM loses them, and sets the next time. */
void arch_sample(struct vcpu *v, uint64_t ticks);
/* Whether it has ended in a way in which KVM loses its registers. It does not run. */
bool arch_registers_lost(const struct vcpu *v);
/*
 * From arch_step_on() to arch_step_off() each exit brings the registers along, and the instruction after it and after each arch_step() is one; see
 * retrace.h. On the vCPU's thread. Return 0 or -errno.
 */
int arch_step_on(struct vcpu *v);
int arch_step(struct vcpu *v);
void arch_step_off(struct vcpu *v);
/* Whether it has run so until its end, so that its registers are known after all. */
bool arch_stepped(const struct vcpu *v);
/* Whether a driver in the guest has begun to use a device that reaches further than the machine. */
bool arch_has_driver(struct vm *vm);
/* How fast arch_ticks() goes; 0: not known. */
uint64_t arch_ticks_khz(const struct vm *vm);

/*
 * Prints what the kernel @path is and how it would be started with --entry @entry and --load @load_gpa (as in struct config), as text or JSON. Returns 0, or -errno: it would be refused, as was
 * printed, or it cannot be opened, as was said. Any thread; needs no VM.
 */
int arch_inspect(FILE *f, const char *path, const char *entry, uint64_t load_gpa, bool json);

/*
 * For the debugger: see struct gdb_target_ops, whose functions these are. Loop's thread, while no vCPU is in the guest. What they need is
 * there when config->gdb is set.
 */
size_t arch_gdb_description(char *xml, size_t n);
bool arch_gdb_reg(unsigned int n, size_t *offset, size_t *bytes);
int arch_gdb_read_regs(struct vcpu *v, uint8_t *bytes, size_t *len);
int arch_gdb_write_regs(struct vcpu *v, const uint8_t *bytes);
size_t arch_gdb_read(struct vcpu *v, uint64_t addr, void *buf, size_t len, bool physical);
size_t arch_gdb_write(struct vcpu *v, uint64_t addr, const void *buf, size_t len, bool physical);
int arch_gdb_insert(struct vcpu *v, enum gdb_break kind, uint64_t addr, uint64_t len);
int arch_gdb_remove(struct vm *vm, enum gdb_break kind, uint64_t addr, uint64_t len);
void arch_gdb_remove_all(struct vm *vm);
void arch_gdb_thread_info(struct vcpu *v, char *text, size_t n);
void arch_gdb_print_registers(struct vcpu *v, FILE *f);
/* Puts soft breakpoints into guest memory, for vCPUs to run, or takes them out. */
void arch_gdb_plant(struct vm *vm, bool on);
/* How the vCPU runs from now on: one instruction only, and whether breakpoints count for it. */
void arch_gdb_resume(struct vcpu *v, bool step, bool breaks);
/* Whether its next instruction has a breakpoint. */
bool arch_gdb_on_break(struct vcpu *v);

#endif
