/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets up the machine (memory, devices by board.c, tables by describe.c, kernel), starts it and, at
 * the end, writes out what the consoles and disks still hold.
 *
 * machine_create() runs on main's thread while vCPU 0's thread sets up KVM. It waits for that only
 * before it uses the boot processor.
 */
#include "machine.h"
#include "board_consoles.h"
#include "board_serial.h"
#include "board_testdev.h"
#include "board_virtio.h"
#include "x86/gdb/gdb_x86.h"
#include "x86/postmortem/gather.h"

#include "kvm/log.h"
#include "kvm/pages.h"
#include "kvm/share.h"
#include "x86/boot/bios_area.h"
#include "x86/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RNG_SEED_BYTES 32

static int add_memory(struct vm *vm)
{
	const bool huge = vm->config->hugepages, shared = share_count(vm->config) > 0;
	enum gmem_backing backing = shared ? (huge ? GMEM_SHARED_HUGETLB : GMEM_SHARED)
				    : huge ? GMEM_HUGETLB
					   : GMEM_NORMAL;
	uint64_t mem_bytes = align_down(vm->config->mem_bytes, 4 * KIB);
	uint64_t low = min_u64(mem_bytes, MMIO_HOLE_GPA), high = mem_bytes - low;
	int err = gmem_add(&vm->mem, 0, low, backing);

	if (!err && high)
		err = gmem_add(&vm->mem, MMIO_HOLE_END, high, backing);
	if (err && vm->config->hugepages)
		pr_err("--hugepages: the host's pool does not have %llu free pages of 2 MiB; raise /proc/sys/vm/nr_hugepages",
		       (unsigned long long)((low + high) / GMEM_HUGE_BYTES));
	else if (err)
		pr_err("-m %lluM: the host cannot map this much: %s",
		       (unsigned long long)(vm->config->mem_bytes / MIB), strerror(-err));
	return err;
}

/* Packs the files of the command that runs in the guest, if there is one. */
static int pack_command(const struct vm *vm, const struct boot_image *img, uint8_t **bytes,
			uint64_t *len)
{
	if (!vm->config->has_command)
		return 0;
	if (!boot_takes_linux_params(img)) {
		pr_err("%s: a command in the guest (--) needs a Linux kernel", img->path);
		return -EINVAL;
	}
	return vm->pack(vm->config, img->path, img->version, bytes, len);
}

static int load_kernel(struct machine *m, gpa_t rsdp, struct boot_entry *entry)
{
	const struct config *config = m->vm->config;
	char host_kernel[KERNEL_PATH_BYTES];
	uint8_t seed[RNG_SEED_BYTES];
	struct boot_image img;
	struct boot_config boot = {
		.initrds = config->initrd,
		.nr_initrds = config->nr_initrds,
		.rsdp = rsdp,
	};
	uint8_t *files = NULL;
	char *cmdline;
	int err = kernel_open(&img, m, host_kernel);

	if (err)
		return err;
	m->for_linux = boot_takes_linux_params(&img);
	m->autopsy.is_packed = img.format == BOOT_BZIMAGE && img.hdr.payload_length;
	if (machine_has_dtb(m))
		err = boot_check_dtb(&img);
	if (!err)
		err = pack_command(m->vm, &img, &files, &boot.archive_bytes);
	if (err) {
		boot_close(&img);
		return err;
	}
	boot.archive = files;
	cmdline = kernel_cmdline(m, &img);
	boot.cmdline = cmdline;
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed)) {
		boot.rng_seed = seed;
		boot.rng_seed_bytes = sizeof(seed);
	}
	if (cmdline) {
		pr_debug("kernel parameters: %s", cmdline);
		err = boot_load(&img, &m->vm->mem, &boot, entry);
	} else {
		err = -ENOMEM;
	}
	if (!err && machine_has_dtb(m))
		err = describe_pass_dtb(m, cmdline);
	explicit_bzero(seed, sizeof(seed));
	free(cmdline);
	free(files);
	boot_close(&img);
	return err;
}

static int parse_options(struct machine *m)
{
	const struct config *config = m->vm->config;
	int err = machine_parse(config->machine, &m->tables);

	if (!err)
		err = cpuid_check_changes(config->cpuid);
	if (err || !config->dtb || m->tables & TABLES_DT)
		return err;
	if (config->machine) {
		pr_err("--dtb %s: needs --machine tables=dt, not %s", config->dtb, config->machine);
		return -EINVAL;
	}
	m->tables = TABLES_DT;
	return 0;
}

int machine_init(struct vm *vm)
{
	struct machine *m = pages_alloc(sizeof(*m));
	int err;

	if (!m) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	vm->machine = m;
	m->vm = vm;
	autopsy_init(&m->autopsy, &vm->mem);
	vm->autopsy = &m->autopsy;
	ends_init(&m->ends, vm);
	idle_init(&m->idle, vm);
	hang_init(&m->hang, vm);
	boot_marks_init(&m->marks, vm);
	err = parse_options(m);
	return err ? err : add_memory(vm);
}

/* Creates everything that does not need KVM. */
static int create_board(struct machine *m, struct boot_entry *entry)
{
	gpa_t rsdp = 0;
	int err = create_devices(m);

	if (!err)
		err = describe_tables(m, &rsdp);
	return err ? err : load_kernel(m, rsdp, entry);
}

int machine_create(struct vm *vm)
{
	struct boot_entry entry = { 0 };
	int err = create_board(vm->machine, &entry);

	if (!err)
		err = shares_connect(vm->machine);
	vm->times.created_ns = now_ns();
	if (!err)
		err = vm_wait_kvm(vm);
	if (!err && vm->config->gdb)
		err = gdb_setup(vm);
	if (!err)
		err = program_pic_and_pit(vm->machine);
	return err ? err : cpu_set_entry(vm->vcpu[0].fd, &entry);
}

int machine_dump_dtb(struct vm *vm)
{
	struct boot_entry entry = { 0 };
	int err = create_board(vm->machine, &entry);

	return err ? err : describe_save_dtb(vm->machine, vm->config->dump_dtb);
}

void machine_destroy(struct vm *vm)
{
	struct machine *m = vm->machine;

	if (!m)
		return;
	idle_fini(&m->idle);
	hang_fini(&m->hang);
	boot_marks_fini(&m->marks);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		gather_vcpu_destroy(&vm->vcpu[i]);
	ends_fini(&m->ends);
	destroy_devices(m);
	cpu_set_destroy(m->cpus);
	gdb_destroy(vm);
	autopsy_fini(&m->autopsy);
	vm->autopsy = NULL;
	pages_free(m, sizeof(*m));
	vm->machine = NULL;
}

int machine_start(struct vm *vm)
{
	struct machine *m = vm->machine;
	int err = start_serial(m);

	if (err)
		return err;
	boot_marks_start(&m->marks);
	err = idle_start(&m->idle);
	if (!err)
		err = hang_start(&m->hang, m->i8042, &m->ends.console_bytes);
	return err ? err : start_ports(m);
}

void machine_drain(struct vm *vm, int stall_ms)
{
	struct machine *m = vm->machine;

	coalesced_try_drain(&vm->coalesced);
	drain_consoles(m, stall_ms);
	drain_serial(m, stall_ms);
}

bool machine_output_lost(const struct vm *vm)
{
	return port_output_lost(vm->machine) || serial_output_lost(vm->machine);
}

int machine_close(struct vm *vm)
{
	int err = settle_virtio(vm->machine);

	shares_disconnect(vm->machine);
	destroy_consoles(vm->machine);
	destroy_serial(vm->machine);
	return err;
}

const char *machine_ask_to_end(struct vm *vm, int signo)
{
	if (signal_command(vm->machine, signo))
		return "passed on to the command";
	irq_pulse(&vm->machine->power_button);
	return "pressed the power button";
}

void machine_retry(struct vm *vm)
{
	retry_virtio(vm->machine);
}

void machine_winch(struct vm *vm)
{
	struct machine *m = vm->machine;

	winch_serial(m);
	winch_ports(m);
}
