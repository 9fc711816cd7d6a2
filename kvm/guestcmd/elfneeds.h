/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a program needs to be started, read from its file and without running anything of it: its
 * interpreter (the dynamic linker) and the names of its shared libraries (System V ABI, "Dynamic
 * Linking"); and where the host's linker would find those, by its cache.
 */
#ifndef KVM_GUESTCMD_ELFNEEDS_H
#define KVM_GUESTCMD_ELFNEEDS_H

#include "kvm/base/strlist.h"

struct elf_needs {
	uint16_t machine;	 /* e_machine */
	struct strlist interp;	 /* none or one */
	struct strlist library;	 /* names, or paths when there is a slash in one */
	struct strlist run_path; /* none or one: folders with colons between */
};

/*
 * Reads an ELF file of 64 bits, of this host's byte order. Returns 0, -ENOEXEC (no such file, or a
 * damaged one) or -ENOMEM. elf_needs_free() in either case. A file that needs nothing has empty
 * lists.
 */
int elf_needs_read(struct elf_needs *needs, const uint8_t *bytes, size_t len);
void elf_needs_free(struct elf_needs *needs);

/* e_machine of such a file, 0 when it is none. @len of 20 bytes is enough. */
uint16_t elf_machine(const uint8_t *bytes, size_t len);

/*
 * Steps through the paths that ld.so.cache (glibc's, since 2.2) has for a library's name. *@pos
 * begins at 0. Returns NULL behind the last; a path points into the cache.
 */
const char *ldcache_next(const uint8_t *cache, size_t len, const char *name, uint32_t *pos);

#endif
