/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Describes the board to its guest by ACPI, the MP table or a device tree, as --machine chooses.
 *
 * All of them describe one list of devices, and so does the command line (kernel_choice.c).
 *
 * - ACPI, the MP table and the reset vector come first; the kernel is loaded after them.
 * - The device tree comes last, since it names the initrd. It is made (fdt.c) or read from --dtb's
 *   file into guest memory, and boot_add_dtb() passes it to the kernel.
 * - --dump-dtb writes the same bytes to a file instead of running the machine.
 *
 * A user's device tree may contain any bytes: its size is checked, and fdt_check.c checks all of it
 * before a guest reads it. What it describes is up to the user.
 *
 * Thread: main, before a vCPU runs.
 */
#include "kvm/log.h"
#include "kvm/newfile.h"
#include "machine.h"
#include "x86/boot/bios_area.h"
#include "x86/boot/bootparts.h"
#include "x86/layout.h"
#include "x86/tables/fdt.h"

#include <asm/bootparam.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TREE_GPA (DTB_GPA + sizeof(struct setup_data))
#define TREE_MAX_BYTES (DTB_NODE_MAX_BYTES - sizeof(struct setup_data))
_Static_assert(TREE_GPA % 8 == 0, "libfdt needs an alignment to 8 bytes");

/* Fills in what ACPI, MP table and device tree all describe. The caller frees @tables->apic_id. */
static int describe_config(const struct machine *m, struct tables_config *tables)
{
	unsigned int nr = m->vm->nr_vcpus;

	*tables = (struct tables_config){
		.nr_cpus = nr,
		.devices = &m->devices,
		.pm_registers = m->vm->config->testdev,
	};
	tables->apic_id = calloc(nr, sizeof(*tables->apic_id));
	if (!tables->apic_id) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < nr; i++)
		tables->apic_id[i] = cpu_apic_id(i);
	return 0;
}

int describe_tables(struct machine *m, gpa_t *rsdp)
{
	struct tables_config tables;
	int err = describe_config(m, &tables);

	if (err)
		return err;
	if (!m->tables && tables.nr_cpus > 1)
		pr_warn("-c %u: without a table the guest finds only one CPU", tables.nr_cpus);
	if (m->tables == TABLES_MP && tables.nr_cpus > TABLES_MP_MAX_CPUS)
		pr_warn("-c %u: the MP table can name only %d CPUs, so the guest finds no more; add tables=acpi",
			tables.nr_cpus, TABLES_MP_MAX_CPUS);
	if (m->tables & TABLES_ACPI)
		err = acpi_write(&m->vm->mem, &tables, rsdp);
	if (!err && m->tables & TABLES_MP)
		err = mptable_write(&m->vm->mem, &tables);
	if (!err)
		err = reset_vector_write(&m->vm->mem);
	if (err)
		pr_err("cannot write the tables of %u CPUs and %u devices: %s", tables.nr_cpus,
		       m->devices.nr,
		       err == -ENOSPC ? "they do not fit; use fewer CPUs" : strerror(-err));
	free(tables.apic_id);
	return err;
}

/* ---- the device tree ---- */

static void *tree_at(const struct machine *m)
{
	void *tree = gmem_at(&m->vm->mem, TREE_GPA, TREE_MAX_BYTES);

	assert(tree); /* a machine has at least 640 KiB */
	return tree;
}

/* Returns the tree's size or -errno. */
static int make_tree(struct machine *m, const char *cmdline)
{
	struct tables_config tables;
	struct fdt_config config = { .tables = &tables, .mem = &m->vm->mem, .bootargs = cmdline };
	int bytes = describe_config(m, &tables);

	if (bytes)
		return bytes;
	boot_initrd(&m->vm->mem, &config.initrd, &config.initrd_bytes);
	bytes = fdt_build(tree_at(m), TREE_MAX_BYTES, &config);
	if (bytes < 0)
		pr_err("the device tree of %u CPUs and %u devices does not fit; use fewer CPUs",
		       tables.nr_cpus, m->devices.nr);
	free(tables.apic_id);
	return bytes;
}

static int read_tree(struct machine *m, int fd, const char *path)
{
	const char *why;
	uint64_t bytes;
	int err = bootfile_check(fd, path, "device tree", &bytes);

	if (err)
		return err;
	if (bytes > TREE_MAX_BYTES) {
		pr_err("%s: a device tree of %llu bytes; at most %zu fit", path,
		       (unsigned long long)bytes, TREE_MAX_BYTES);
		return -EFBIG;
	}
	err = bootfile_place(&m->vm->mem, TREE_GPA, fd, 0, bytes, path, BOOTFILE_READ);
	if (err)
		return err;
	err = fdt_accept(tree_at(m), bytes, &why);
	if (err < 0)
		pr_err("%s: %s", path, why);
	return err;
}

static int open_tree(struct machine *m, const char *path)
{
	int bytes, fd = bootfile_open(path, "device tree");

	if (fd < 0)
		return fd;
	bytes = read_tree(m, fd, path);
	close(fd);
	return bytes;
}

int describe_pass_dtb(struct machine *m, const char *cmdline)
{
	const char *own = m->vm->config->dtb;
	int bytes = own ? open_tree(m, own) : make_tree(m, cmdline);

	if (bytes < 0)
		return bytes;
	boot_add_dtb(&m->vm->mem, (uint32_t)bytes);
	pr_debug("device tree%s%s: %d bytes", own ? " " : "", own ? own : "", bytes);
	m->dtb_bytes = (uint32_t)bytes;
	return 0;
}

static void write_tree(FILE *f, const void *ctx)
{
	const struct machine *m = ctx;

	fwrite(tree_at(m), 1, m->dtb_bytes, f);
}

int describe_save_dtb(struct machine *m, const char *path)
{
	return newfile_write("dump-dtb", path, write_tree, m, false);
}
