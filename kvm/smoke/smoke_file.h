/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parses the file of `kvm smoke`: which kernels to boot on which machines, and what to expect of
 * them. kvm.1 describes its format. Pure: bytes to settings, each with its line; does not look for
 * anything on the host.
 */
#ifndef KVM_SMOKE_SMOKE_FILE_H
#define KVM_SMOKE_SMOKE_FILE_H

#include "kvm/types.h"

#define SMOKE_MAX_FILE_BYTES (1 * MIB)
#define SMOKE_MAX_SECTIONS 256
#define SMOKE_MAX_VALUES 4096 /* values of one setting */

enum smoke_key {
	/* The matrix is the product of these four. */
	SMOKE_KERNEL,
	SMOKE_CPUS,
	SMOKE_MEM,
	SMOKE_PARAMS,
	/* All other settings are the same for all machines of a section. */
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
	bool set; /* also if set to nothing */
	unsigned int line;
	unsigned int nr;
	size_t room;
	struct smoke_value *value;
};

struct smoke_section {
	char *name; /* "" for what comes before the first one */
	unsigned int line;
	struct smoke_list list[SMOKE_NR_KEYS];
};

struct smoke_file {
	unsigned int nr_sections; /* section [0] applies to all */
	struct smoke_section *section;
	unsigned int line; /* after -EINVAL: the line, from 1 */
	char why[240];	   /* after -EINVAL: what is wrong */
};

/*
 * Parses @text of @len bytes. smoke_file_free() is needed in any case. Returns 0, -EINVAL (@f->line
 * and @f->why say more), or -ENOMEM.
 */
int smoke_file_parse(struct smoke_file *f, const char *text, size_t len);
void smoke_file_free(struct smoke_file *f);

/* Returns the name that the file uses, such as "fail-on". */
const char *smoke_key_name(enum smoke_key key);

/*
 * Returns the values that apply in section @i: its own, otherwise the common ones, otherwise the
 * default, whose values have line 0.
 */
const struct smoke_list *smoke_file_get(const struct smoke_file *f, unsigned int i,
					enum smoke_key key);

/*
 * Returns the first section to run; all later ones are run, too. These are the named sections or,
 * if there are none, the only one.
 */
unsigned int smoke_file_first(const struct smoke_file *f);

#endif
