/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Translates a guest virtual address through the guest's own page tables, level by level (Intel SDM
 * vol. 3A, chapter 4).
 *
 * Modes: no paging, 32-bit with and without PSE, PAE, 4-level, 5-level. Pure functions of guest
 * memory and register values.
 */
#ifndef X86_CPU_PAGEWALK_H
#define X86_CPU_PAGEWALK_H

#include "kvm/gmem.h"

#include <stdio.h>

/* The state that decides how an address is translated, and whether an access is allowed. */
struct paging {
	uint64_t cr0, cr3, cr4, efer, rflags;
	bool user;		 /* the access is made at CPL 3 */
	unsigned int maxphyaddr; /* CPUID 0x80000008 AL; 0: not known, the architecture's 52 */
};

enum paging_mode { PAGING_NONE, PAGING_32, PAGING_PAE, PAGING_4LEVEL, PAGING_5LEVEL };

enum walk_access { WALK_READ, WALK_WRITE, WALK_FETCH };

enum walk_result {
	WALK_OK,
	WALK_NON_CANONICAL, /* no table was read */
	WALK_NO_TABLE,	    /* a table lies outside the guest's memory */
	WALK_NOT_PRESENT,
	WALK_RESERVED,	      /* a reserved bit is set */
	WALK_READ_ONLY,	      /* and CR0.WP, or ring 3 */
	WALK_SUPERVISOR_ONLY, /* from ring 3 */
	WALK_NO_EXECUTE,
	WALK_SMEP,
	WALK_SMAP,
};

#define WALK_MAX_LEVELS 5

struct walk_entry {
	unsigned int level; /* 1: the last table's */
	unsigned int index;
	gpa_t gpa; /* where the entry lies */
	uint64_t value;
};

struct pagewalk {
	uint64_t gva; /* the address translated: cut to 32 bits outside long mode */
	enum paging_mode mode;
	enum walk_result result;
	unsigned int level; /* WALK_NO_TABLE, _NOT_PRESENT, _RESERVED: the one that fails */
	unsigned int nr;    /* entries read, the highest level first; the failing one is the last */
	struct walk_entry entry[WALK_MAX_LEVELS];
	/* If a page was found, whether the access is allowed or not: */
	bool mapped;
	gpa_t gpa;
	uint64_t page_bytes;
	bool writable, user, executable;
};

enum paging_mode paging_mode(const struct paging *p);
const char *paging_mode_name(enum paging_mode mode);

void pagewalk(struct pagewalk *w, const struct gmem *mem, const struct paging *p, uint64_t gva,
	      enum walk_access access);

/* Linux's name for @level's entries in @mode: "PMD". */
const char *walk_level_name(enum paging_mode mode, unsigned int level);

/* The error code that a page fault for this walk pushes (SDM vol. 3A, 4.7). */
unsigned int walk_error_code(const struct pagewalk *w, const struct paging *p,
			     enum walk_access access);

/* "not present at level 2 (PMD)", "mapped"; cut to fit @n. */
void walk_result_text(const struct pagewalk *w, char *buf, size_t n);

/*
 * Prints the walk, one line per level, indented by four. Levels that were already printed for @like
 * (may be NULL) are only mentioned, in one line.
 */
void pagewalk_print(FILE *f, const struct pagewalk *w, const struct gmem *mem,
		    const struct pagewalk *like);

/*
 * Copies the readable part of [gva, gva + len) of the guest, page by page; protection does not
 * matter. Returns the number of bytes copied: the copy ends at the first page that is not mapped,
 * or is mapped to no memory.
 */
size_t gva_read(const struct gmem *mem, const struct paging *p, uint64_t gva, void *buf,
		size_t len);

#endif
