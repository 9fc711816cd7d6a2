/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gives the launcher's core (kvm/) the functions of the x86 architecture, by the one table of
 * struct arch.
 *
 * include/kvm/arch.h describes each function. kvm/ calls nothing else in x86/.
 */
#include "x86/arch_x86.h"

#include "x86/board/exits.h"
#include "x86/board/hints.h"
#include "x86/board/machine.h"
#include "x86/board/virtio_slots.h"
#include "x86/boot/inspect.h"
#include "x86/cpu/host_cpu.h"
#include "x86/gdb/gdb_regs.h"
#include "x86/gdb/gdb_x86.h"
#include "x86/postmortem/coredump.h"
#include "x86/postmortem/gather.h"
#include "x86/postmortem/guestlog.h"

const struct arch arch_x86 = {
	.init = machine_init,
	.setup_vm = x86_setup_vm,
	.setup_vcpu = x86_setup_vcpu,
	.create = machine_create,
	.destroy = machine_destroy,
	.dump_dtb = machine_dump_dtb,
	.start = machine_start,
	.drain = machine_drain,
	.output_lost = machine_output_lost,
	.close = machine_close,
	.ask_to_end = machine_ask_to_end,
	.retry = machine_retry,
	.winch = machine_winch,

	.handle_exit = x86_handle_exit,
	.record_exit = gather_record_exit,
	.sample = gather_sample,
	.step_on = gather_step_on,
	.step = gather_step,
	.step_off = gather_step_off,

	.report = gather_report,
	.report_log = guestlog_report,
	.report_panic = guestlog_report_panic,
	.print_log = guestlog_print,
	.dump = coredump_write,
	.stopped_by_itself = gather_stopped_by_itself,
	.registers_lost = gather_registers_lost,
	.stepped = gather_stepped,
	.has_driver = virtio_has_driver,
	.find_hint = hints_find,
	.ticks_khz = gather_ticks_khz,

	.gdb = {
		.description = gdb_regs_xml,
		.reg = gdb_regs_at,
		.read_regs = gdb_x86_read_regs,
		.write_regs = gdb_x86_write_regs,
		.read = gdb_x86_read,
		.write = gdb_x86_write,
		.insert = gdb_x86_insert,
		.thread_info = gdb_x86_thread_info,
		.print_registers = gdb_x86_print_registers,
		.remove = gdb_x86_remove,
		.remove_all = gdb_x86_remove_all,
		.plant = gdb_x86_plant,
		.resume = gdb_x86_resume,
		.on_break = gdb_x86_on_break,
		.trapped = gdb_x86_trapped,
	},

	.host = {
		.cpu = host_cpu_identify,
		.probe = host_cpu_probe,
		.caps = host_cpu_caps,
	},
	.inspect = inspect_kernel,
	.machine_help = machine_help,
	.cpuid_help = cpuid_list_features,
};
