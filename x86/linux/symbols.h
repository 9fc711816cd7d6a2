/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names for guest virtual addresses. A table is filled from a source (a file here, the guest's own
 * kallsyms in x86/linux/linux.h), put in order once, and then answers. One thread.
 *
 * Addresses in a table are as linked; the slide is what KASLR has added to them in this boot.
 */
#ifndef X86_LINUX_SYMBOLS_H
#define X86_LINUX_SYMBOLS_H

#include "kvm/types.h"

struct symbols;

struct symbols *symbols_create(void); /* NULL: out of memory */
void symbols_destroy(struct symbols *s);

/*
 * A source adds what it knows, in any order; then symbols_finish(). @name need not end in a NUL.
 * Return 0 or -ENOMEM.
 */
int symbols_add(struct symbols *s, uint64_t addr, const char *name, size_t len);
int symbols_finish(struct symbols *s);

/*
 * The source `--symbols FILE`: an ELF file's symbol table, or System.map (lines `ADDRESS TYPE
 * NAME`). Returns 0, or -errno (reported): -EINVAL is a file that is neither.
 */
int symbols_load(struct symbols *s, const char *path);

/*
 * The same of an ELF file only, and without a word about any other: it may be a kernel of another
 * format, or stripped.
 */
int symbols_load_elf(struct symbols *s, const char *path);

/* The same from bytes. -EINVAL: neither, or damaged. */
int symbols_parse(struct symbols *s, const uint8_t *bytes, size_t len);

void symbols_set_slide(struct symbols *s, uint64_t slide);

/*
 * Until its own page tables are on, a kernel runs where it lies: @bytes from @gpa on get the names
 * of what is at @vaddr in this boot. 0 @bytes: such addresses have no names, as at first.
 */
void symbols_set_image(struct symbols *s, uint64_t vaddr, uint64_t gpa, uint64_t bytes);

/* The address of @name in this boot. */
bool symbols_lookup(const struct symbols *s, const char *name, uint64_t *addr);

/*
 * "startup_64+0x1f" for @addr; "" when no symbol is near. @s may be NULL. Cut to fit @n; returns
 * @buf.
 */
const char *symbols_text(const struct symbols *s, uint64_t addr, char *buf, size_t n);

/* The same for a return address: a call may be the last instruction of its function. */
const char *symbols_return_text(const struct symbols *s, uint64_t addr, char *buf, size_t n);

/*
 * Where Linux can be recognised, whatever KASLR did: what the processor holds, and must point to.
 */
struct symbols_anchors {
	uint64_t lstar;	     /* MSR_LSTAR; 0: not set yet */
	uint64_t page_fault; /* where the IDT sends vector 14; 0: nowhere */
	uint64_t stext;	     /* _stext by the guest's own kallsyms; 0: not found */
};

/*
 * Works out the slide and sets it. Returns whether it is known: a table that is not Linux's is
 * where it was linked.
 */
bool symbols_find_slide(struct symbols *s, const struct symbols_anchors *anchors);

#endif
