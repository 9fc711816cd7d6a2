/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Builds or checks a flattened device tree (Devicetree Specification 0.4), for kernels without
 * ACPI: made from the device list, or the user's own. Thread: setup, before any vCPU runs.
 */
#ifndef X86_TABLES_FDT_H
#define X86_TABLES_FDT_H

#include "kvm/gmem.h"
#include "tables.h"

struct fdt_config {
	const struct tables_config *tables;
	const struct gmem *mem; /* for the memory nodes */
	const char *bootargs;	/* the complete command line */
	gpa_t initrd;		/* all of it below 4 GiB */
	uint64_t initrd_bytes;	/* 0: none */
};

/*
 * Writes the tree to @buf, which is aligned to 8 bytes. The same configuration gives the same
 * bytes. Returns its size in bytes, or -ENOSPC if it does not fit @cap_bytes. Prints nothing.
 */
int fdt_build(void *buf, uint32_t cap_bytes, const struct fdt_config *config);

/*
 * fdt_check.c: checks whether @blob, @bytes from a file, aligned to 8 bytes, is a complete and
 * valid device tree. Returns its size, at most @bytes, or -EINVAL and in *@why what is wrong with
 * it (static text).
 */
int fdt_accept(const void *blob, uint64_t bytes, const char **why);

#endif
