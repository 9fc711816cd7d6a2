/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file of `kvm smoke`: which kernels, on which machines, and what is expected of them. kvm.1
 * has its format. Pure: bytes to settings, each with its line; nothing is looked for on the host.
 */
#ifndef KVM_SMOKE_SMOKE_FILE_H
#define KVM_SMOKE_SMOKE_FILE_H

#include "kvm/types.h"

#define SMOKE_MAX_FILE_BYTES (1 * MIB)
#define SMOKE_MAX_SECTIONS 256
#define SMOKE_MAX_VALUES 4096 /* of one setting */

enum smoke_key {
	/* The matrix is the product of these four. */
	SMOKE_KERNEL,
	SMOKE_CPUS,
	SMOKE_MEM,
	SMOKE_PARAMS,
	/* The rest is the same for all of a section's machines. */
	SMOKE_INITRD,
	SMOKE_EXPECT,
	SMOKE_FAIL_ON,
	SMOKE_OPTIONS,
	SMOKE_COMMAND,
	SMOKE_TIMEOUT,
	SMOKE_EXIT,
	SMOKE_NR_KEYS
};

struct smoke_value {
	char *text;
	unsigned int line;
};

struct smoke_list {
	bool set; /* also when it is set to nothing */
	unsigned int line;
	unsigned int nr;
	size_t room;
	struct smoke_value *value;
};

struct smoke_section {
	char *name; /* "" for what stands before the first one */
	unsigned int line;
	struct smoke_list list[SMOKE_NR_KEYS];
};

struct smoke_file {
	unsigned int nr_sections; /* [0] is what holds for all */
	struct smoke_section *section;
	unsigned int line; /* after -EINVAL: where, from 1 */
	char why[240];	   /* after -EINVAL: what */
};

/*
 * Returns 0, -EINVAL (@f->line and @f->why say more) or -ENOMEM. smoke_file_free() in either case.
 */
int smoke_file_parse(struct smoke_file *f, const char *text, size_t len);
void smoke_file_free(struct smoke_file *f);

/* As the file calls it: "fail-on". */
const char *smoke_key_name(enum smoke_key key);

/*
 * What holds in section @i: its own, else what holds for all, else the default; a default's values
 * have line 0.
 */
const struct smoke_list *smoke_file_get(const struct smoke_file *f, unsigned int i,
					enum smoke_key key);

/*
 * The sections that are run are [this, nr_sections): the named ones, or if there are none, the only
 * one.
 */
unsigned int smoke_file_first(const struct smoke_file *f);

#endif
