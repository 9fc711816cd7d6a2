/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds names for guest virtual addresses.
 *
 * A source fills a table (a file here, the guest's own kallsyms in x86/linux/linux.h),
 * symbols_finish() sorts it once, and then it can be searched. Addresses in a table are as linked;
 * the slide is what KASLR has added to them in this boot. One thread.
 */
#ifndef X86_LINUX_SYMBOLS_H
#define X86_LINUX_SYMBOLS_H

#include "kvm/types.h"

struct symbols;

struct symbols *symbols_create(void); /* NULL: out of memory */
void symbols_destroy(struct symbols *s);

/*
 * A source adds its symbols in any order, then calls symbols_finish(). @name need not end in a NUL.
 * Return 0 or -ENOMEM.
 */
int symbols_add(struct symbols *s, uint64_t addr, const char *name, size_t len);
int symbols_finish(struct symbols *s);

/*
 * Reads the file of `--symbols FILE`: an ELF file's symbol table, or System.map (lines `ADDRESS
 * TYPE NAME`). Returns 0, or -errno (reported); -EINVAL: the file is neither.
 */
int symbols_load(struct symbols *s, const char *path);

/*
 * The same for an ELF file only. Returns 0, or -errno (not reported): the file may be a kernel of
 * another format, or stripped.
 */
int symbols_load_elf(struct symbols *s, const char *path);

/* The same for a file's bytes. Returns 0, -EINVAL (neither, or damaged) or -ENOMEM. */
int symbols_parse(struct symbols *s, const uint8_t *bytes, size_t len);

void symbols_set_slide(struct symbols *s, uint64_t slide);

/*
 * Names physical addresses, at which a kernel runs until its own page tables are on: @bytes from
 * @gpa on get the names of the addresses from @vaddr on in this boot. With @bytes 0 such addresses
 * have no names, as at first.
 */
void symbols_set_image(struct symbols *s, uint64_t vaddr, uint64_t gpa, uint64_t bytes);

/* Finds the address of @name in this boot. Returns whether the table has @name. */
bool symbols_lookup(const struct symbols *s, const char *name, uint64_t *addr);

/*
 * Writes @addr as "startup_64+0x1f", or "" if no symbol is near, cut to fit @n. @s may be NULL.
 * Returns @buf.
 */
const char *symbols_text(const struct symbols *s, uint64_t addr, char *buf, size_t n);

/*
 * The same for a return address, which may be after the end of its function: a call may be the
 * function's last instruction.
 */
const char *symbols_return_text(const struct symbols *s, uint64_t addr, char *buf, size_t n);

/* Addresses by which Linux can be recognised, wherever KASLR has put it. */
struct symbols_anchors {
	uint64_t lstar;	     /* MSR_LSTAR; 0: not set yet */
	uint64_t page_fault; /* the IDT's handler of vector 14; 0: none */
	uint64_t stext;	     /* _stext of the guest's own kallsyms; 0: not found */
};

/*
 * Finds the slide and sets it. Returns whether it is known, and if not leaves it as it was; a table
 * that is not Linux's has none.
 */
bool symbols_find_slide(struct symbols *s, const struct symbols_anchors *anchors);

/* Whether both tables are of one kernel, as far as their entry points show. */
bool symbols_agree(const struct symbols *a, const struct symbols *b);

#endif
