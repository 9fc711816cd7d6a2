/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads what a Linux guest keeps in its memory for debuggers: its symbol table (kallsyms), the note
 * for crash dumps (VMCOREINFO) and the ring of its messages (printk).
 *
 * All three are found by their content, so the launcher needs to know nothing about the kernel
 * except that it is Linux.
 *
 * The guest may be running, and may be hostile: all reads are bounds-checked, and each value is
 * read once. Damage loses information, but never crashes the launcher. Thread: any, one at a time.
 */
#ifndef X86_LINUX_LINUX_H
#define X86_LINUX_LINUX_H

#include "kvm/gmem.h"
#include "symbols.h"
#include "x86/cpu/pagewalk.h"

#include <stdio.h>

/* How many kernels to look at in one memory: a hostile guest can have millions of what looks so. */
#define LINUX_MAX_KERNELS 16
#define LINUX_LOWEST 0xc0000000ULL /* PAGE_OFFSET of 32-bit kernels; 64-bit kernels are higher */

/*
 * Adds the symbols of the next kernel in memory from *@at on to @s, at their addresses in this boot
 * (moved by KASLR), and moves *@at past the start of its table. Returns 0, -ENOENT (no table: not
 * Linux, not unpacked yet, or no CONFIG_KALLSYMS) or -ENOMEM.
 */
int kallsyms_load(struct symbols *s, const struct gmem *mem, gpa_t *at);

#define VMCOREINFO_MAX_BYTES 4096

/* Lines KEY=VALUE, as the kernel wrote them; see Documentation/admin-guide/kdump/vmcoreinfo.rst. */
struct vmcoreinfo {
	char text[VMCOREINFO_MAX_BYTES + 1]; /* "": the kernel has not written it yet */
	gpa_t gpa;			     /* of the note */
};

/*
 * Finds the next note from *@at on, and moves *@at past its start. Returns whether there is one; if
 * not, @info has no text.
 */
bool vmcoreinfo_find(struct vmcoreinfo *info, const struct gmem *mem, gpa_t *at);
/*
 * Writes the note as an ELF note for a core file, padded to 4 bytes. Returns its number of bytes;
 * 0: there is no note, or no room for it.
 */
size_t vmcoreinfo_note(const struct vmcoreinfo *info, uint8_t *to, size_t room);
/*
 * Reads the number after @key: hexadecimal for "SYMBOL(prb)" and the like, decimal for
 * "OFFSET(...)", "SIZE(...)", "LENGTH(...)" and "NUMBER(...)". Returns whether the note has it.
 */
bool vmcoreinfo_number(const struct vmcoreinfo *info, const char *key, uint64_t *value);

/* How the kernel sees its own memory. */
struct linux_guest {
	const struct gmem *mem;
	const struct symbols *symbols; /* NULL: none */
	struct vmcoreinfo info;
	struct paging paging;
	uint64_t top; /* guest virtual address of the first page table */
};

/*
 * Sets up @g->paging with the kernel's first page tables, which map all of the kernel, by @g->info
 * and @g->symbols. Returns whether the kernel's ring of messages can be read. 64-bit kernels only.
 */
bool linux_guest_enter(struct linux_guest *g);

/*
 * What a vCPU shows of the kernel that it runs: a kexec leaves the remains of the one before it in
 * memory.
 */
struct linux_cpu {
	struct paging paging;
	uint64_t rip;
	uint64_t page_fault; /* the IDT's handler of vector 14; 0: none */
};

enum linux_match { LINUX_DIFFERS, LINUX_UNKNOWN, LINUX_RUNS };

/* Whether @symbols are those of the kernel that @cpu runs. */
enum linux_match linux_match(const struct symbols *symbols, const struct gmem *mem,
			     const struct linux_cpu *cpu);

/*
 * Finds the kernel that runs by its VMCOREINFO or, if it has not written that yet, by @symbols
 * (NULL: none): the one that @cpu (NULL: not known) runs, and whose log does not end with a kexec.
 * Returns whether the ring of its messages can be read.
 */
bool linux_guest_open(struct linux_guest *g, const struct gmem *mem, const struct symbols *symbols,
		      const struct linux_cpu *cpu);

/* Where the kernel maps its image, and all of memory. */
struct linux_layout {
	uint64_t text_vaddr; /* the kernel's image */
	gpa_t text_gpa;
	uint64_t text_bytes;
	bool has_direct_map;
	uint64_t direct_map; /* where guest-physical address 0 is mapped */
	/* what KASLR adds to linked addresses; 0 if it is not known */
	uint64_t slide;
};

/*
 * Finds the layout. Returns whether the image was found; it lies in one region. Call it after
 * linux_guest_open(), even if that returned false.
 */
bool linux_find_layout(const struct linux_guest *g, struct linux_layout *l);

/*
 * Makes @s name the physical addresses of the kernel's code as well (symbols_set_image()). Returns
 * whether memory holds a kernel for which @s has the names.
 */
bool linux_name_image(struct symbols *s, const struct gmem *mem);

enum log_end {
	LOG_WHOLE,
	LOG_DAMAGED, /* some of it could not be read, and was left out */
	LOG_NONE,    /* no ring was found */
};

/*
 * Gets one record, without its final newline; @text may contain newlines and any other byte.
 * @priority is as in syslog(3); its facility is 0 only if the kernel itself has written the record.
 */
typedef void (*log_record_fn)(void *ctx, uint64_t ts_ns, unsigned int priority, const char *text,
			      size_t len);
#define LOG_FACILITY(priority) ((priority) >> 3)

/*
 * Calls @fn for every record of the ring, oldest first. Reads the lockless ring of Linux 5.10 and
 * later, and the byte ring of older kernels.
 */
enum log_end linux_log_walk(const struct linux_guest *g, log_record_fn fn, void *ctx);

/*
 * Prints the ring like dmesg, without the first @skip records; unprintable bytes as \xNN. Returns
 * the number of records in the ring. @end may be NULL.
 */
unsigned int linux_log_print(FILE *f, const struct linux_guest *g, unsigned int skip,
			     enum log_end *end);

#endif
