/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a Linux guest holds in its memory for anyone who reads it later: its symbol table
 * (kallsyms), the note for crash dumps (VMCOREINFO) and the ring of its messages (printk). All are
 * found by their content, so nothing need be known of the kernel but that it is Linux.
 *
 * The guest may run meanwhile, and may be hostile: everything is bounds-checked and read once;
 * damage gives less, never a crash. One thread at a time.
 */
#ifndef X86_LINUX_LINUX_H
#define X86_LINUX_LINUX_H

#include "kvm/gmem.h"
#include "symbols.h"
#include "x86/cpu/pagewalk.h"

#include <stdio.h>

#define LINUX_LOWEST 0xc0000000ULL /* PAGE_OFFSET of 32-bit kernels; those of 64 bits are higher */

/*
 * Adds the guest's own symbols, by the addresses of this boot (KASLR is in them already). Returns
 * 0, -ENOENT (no table is there: no Linux, not unpacked yet, or no CONFIG_KALLSYMS) or -ENOMEM.
 */
int kallsyms_load(struct symbols *s, const struct gmem *mem);

#define VMCOREINFO_MAX_BYTES 4096

/* Lines KEY=VALUE, as the kernel wrote them; see Documentation/admin-guide/kdump/vmcoreinfo.rst. */
struct vmcoreinfo {
	char text[VMCOREINFO_MAX_BYTES + 1]; /* "": the kernel has not written it yet */
	gpa_t gpa;			     /* of the note */
	uint32_t note_bytes;		     /* of header, name and text */
};

/* Returns whether the note is there. */
bool vmcoreinfo_find(struct vmcoreinfo *info, const struct gmem *mem);
/*
 * The number after @key ("SYMBOL(prb)" and such, hexadecimal; "OFFSET(...)", "SIZE(...)",
 * "LENGTH(...)", "NUMBER(...)", decimal).
 */
bool vmcoreinfo_number(const struct vmcoreinfo *info, const char *key, uint64_t *value);

/* How the kernel sees its own memory. */
struct linux_guest {
	const struct gmem *mem;
	const struct symbols *symbols; /* NULL: none */
	struct vmcoreinfo info;
	struct paging paging;
};

/*
 * Finds VMCOREINFO, and the page tables that the kernel began with, which map all of it. Returns
 * whether its ring of messages can be reached. 64-bit kernels only.
 */
bool linux_guest_open(struct linux_guest *g, const struct gmem *mem, const struct symbols *symbols);

/* Where the kernel sees itself, and all of memory. */
struct linux_layout {
	uint64_t text_vaddr; /* its image */
	gpa_t text_gpa;
	uint64_t text_bytes;
	bool has_direct_map;
	uint64_t direct_map; /* where guest-physical address 0 is mapped */
	/* what KASLR has added to addresses as linked; 0 when it is not known */
	uint64_t slide;
};

/*
 * Returns whether the image was found; it lies in one region. After linux_guest_open(), whatever
 * that returned.
 */
bool linux_find_layout(const struct linux_guest *g, struct linux_layout *l);

/*
 * Lets @s name the physical addresses of the kernel's code, too (symbols_set_image()). Returns
 * whether a kernel was found there that @s has the names of.
 */
bool linux_name_image(struct symbols *s, const struct gmem *mem);

enum log_end {
	LOG_WHOLE,
	LOG_DAMAGED, /* what could not be read was left out */
	LOG_NONE,    /* no ring was found */
};

/* One record, without a final newline; @text may hold more newlines and any byte. */
typedef void (*log_record_fn)(void *ctx, uint64_t ts_ns, unsigned int level, const char *text,
			      size_t len);

/*
 * Gives every record of the ring, the oldest first: the lockless ring of 5.10 and later, and the
 * byte ring before it.
 */
enum log_end linux_log_walk(const struct linux_guest *g, log_record_fn fn, void *ctx);

/*
 * Prints the ring as dmesg does, but for the first @skip records; unprintable bytes as \xNN.
 * Returns the number of records in the ring; @end may be NULL.
 */
unsigned int linux_log_print(FILE *f, const struct linux_guest *g, unsigned int skip,
			     enum log_end *end);

#endif
