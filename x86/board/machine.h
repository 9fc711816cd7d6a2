/* SPDX-License-Identifier: GPL-2.0-only */
/* Holds the machine: the board's devices, and what watches the guest; private to x86/board. */
#ifndef X86_BOARD_MACHINE_H
#define X86_BOARD_MACHINE_H

#include "boot_marks.h"
#include "ends.h"
#include "hang.h"
#include "hw/ports.h"
#include "idle.h"
#include "kvm/device.h"
#include "kvm/vm.h"
#include "x86/boot/boot.h"
#include "x86/cpu/cpu.h"
#include "x86/postmortem/autopsy.h"
#include "x86/tables/tables.h"

#include <stdio.h>

struct machine {
	struct vm *vm;
	unsigned int tables;	  /* enum tables_kind: what describes the board to the guest */
	uint32_t dtb_bytes;	  /* of the tree in guest memory; 0: none */
	bool for_linux;		  /* the kernel is started like Linux */
	struct x86_cpu_set *cpus; /* vCPU 0's thread, until it is ready */

	struct misc_ports ports;
	struct irq_line power_button;
	struct board_serial *serial;
	struct i8042 *i8042;
	struct rtc *rtc;
	struct pit *pit;
	struct test_board *test;	 /* NULL: no --testdev */
	struct hyperv_board *hyperv;	 /* NULL: no Hyper-V interface */
	struct virtio_board *virtio;	 /* NULL: no virtio device */
	struct virtio_slots *slots;	 /* likewise */
	struct board_consoles *consoles; /* virtio's; NULL: none */

	/* What ends the machine, or watches it. */
	struct ends ends;
	struct idle idle;
	struct hang hang;
	struct boot_marks marks;

	/* They are large, so they come last: a machine touches few of their pages. */
	struct autopsy autopsy;
	struct device_list devices;
};

/* Make a device's resources. */
static inline struct resource res_pio(uint64_t port, uint64_t size_bytes)
{
	return (struct resource){ .type = RES_PIO, .base = port, .size_bytes = size_bytes };
}

static inline struct resource res_isa_irq(unsigned int gsi)
{
	return (struct resource){ .type = RES_IRQ, .base = gsi, .size_bytes = 1, .edge = true };
}

/*
 * board.c: creates all devices of its table. Returns 0 or -errno (reported). destroy_devices()
 * destroys those that exist, also after a failure. Thread: main.
 */
int create_devices(struct machine *m);
void destroy_devices(struct machine *m);
#define KERNEL_PATH_BYTES 256
/*
 * kernel_choice.c: opens the kernel to run: --kernel's, or the host's own, whose path it writes to
 * @path; that must outlive @img. Returns 0 or -errno (reported).
 */
int kernel_open(struct boot_image *img, const struct machine *m, char path[KERNEL_PATH_BYTES]);
/*
 * Returns the complete command line, which the caller frees, or NULL (reported). The disks must be
 * open, since the first may have the root.
 */
char *kernel_cmdline(struct machine *m, const struct boot_image *img);

/*
 * machine_options.c: reads --machine's @text, NULL for the default, into enum tables_kind's bits.
 * Returns 0 or -EINVAL (reported).
 */
int machine_parse(const char *text, unsigned int *tables);

/*
 * describe.c: writes ACPI and the MP table, if @m->tables has them, and the reset vector. Sets
 * *@rsdp to the start of ACPI. The devices must exist. Returns 0 or -errno (reported).
 */
int describe_tables(struct machine *m, gpa_t *rsdp);
/*
 * Makes the device tree, or reads --dtb's, and passes it to the kernel that boot_check_dtb() has
 * checked and boot_load() has loaded. Returns 0 or -errno (reported).
 */
int describe_pass_dtb(struct machine *m, const char *cmdline);
/* Whether the kernel gets a device tree. */
static inline bool machine_has_dtb(const struct machine *m)
{
	return m->tables & TABLES_DT || m->vm->config->dump_dtb;
}
/* Writes the guest's device tree to a file: all of it or none. Returns 0 or -errno (reported). */
int describe_save_dtb(struct machine *m, const char *path);

/* machine.c: rows of arch_x86.c, see struct arch; the help is machine_options.c's. */
int machine_init(struct vm *vm);
int machine_create(struct vm *vm);
void machine_destroy(struct vm *vm);
int machine_dump_dtb(struct vm *vm);
int machine_start(struct vm *vm);
void machine_drain(struct vm *vm, int stall_ms);
bool machine_output_lost(const struct vm *vm);
int machine_close(struct vm *vm);
const char *machine_ask_to_end(struct vm *vm, int signo);
void machine_retry(struct vm *vm);
void machine_winch(struct vm *vm);
void machine_help(FILE *f);

#endif
