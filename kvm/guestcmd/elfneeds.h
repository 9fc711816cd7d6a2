/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads from a program's file what the program needs to start, without running it: its interpreter
 * (the dynamic linker) and the names of its shared libraries (System V ABI, "Dynamic Linking").
 * Also finds where the host's linker has those libraries, by its cache.
 */
#ifndef KVM_GUESTCMD_ELFNEEDS_H
#define KVM_GUESTCMD_ELFNEEDS_H

#include "kvm/base/strlist.h"

struct elf_needs {
	uint16_t machine;	 /* e_machine */
	struct strlist interp;	 /* none or one */
	struct strlist library;	 /* names; one with a slash is a path */
	struct strlist run_path; /* none or one: folders separated by colons */
};

/*
 * Reads a 64-bit ELF file of this host's byte order. A file that needs nothing has empty lists.
 * Returns 0, -ENOEXEC (not such a file, or damaged) or -ENOMEM. Call elf_needs_free() in either
 * case.
 */
int elf_needs_read(struct elf_needs *needs, const uint8_t *bytes, size_t len);
void elf_needs_free(struct elf_needs *needs);

/* Returns e_machine of such a file, or 0 for any other file. The first 20 bytes are enough. */
uint16_t elf_machine(const uint8_t *bytes, size_t len);

/*
 * Steps through the paths that ld.so.cache (glibc's, since 2.2) has for a library's name. *@pos
 * begins at 0. Returns a path inside the cache, or NULL after the last one.
 */
const char *ldcache_next(const uint8_t *cache, size_t len, const char *name, uint32_t *pos);

#endif
