/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the readers of the host files that a command in the guest needs: programs, the library
 * cache, the list of modules.
 *
 * The first byte chooses the reader.
 */
#include "kvm/guestcmd/elfneeds.h"
#include "kvm/guestcmd/moddep.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct strlist *l, size_t size)
{
	for (unsigned int i = 0; i < l->nr; i++) {
		size_t len = strlen(l->s[i]);

		if (!len || len > size)
			abort();
		for (unsigned int k = 0; k < i; k++) {
			if (!strcmp(l->s[i], l->s[k]))
				abort();
		}
	}
}

static void read_elf(const uint8_t *data, size_t size)
{
	struct elf_needs needs;

	elf_needs_read(&needs, data, size);
	check_list(&needs.library, size);
	check_list(&needs.interp, size);
	check_list(&needs.run_path, size);
	elf_needs_free(&needs);
}

static void read_cache(const uint8_t *data, size_t size)
{
	const char *path;
	uint32_t pos = 0;
	size_t steps = 0;

	while ((path = ldcache_next(data, size, "a.so", &pos))) {
		if (strlen(path) >= size || ++steps > size)
			abort();
	}
}

static void read_modules(const uint8_t *data, size_t size)
{
	struct strlist files = { 0 };

	moddep_add(&files, (const char *)data, size, "virtio");
	moddep_add(&files, (const char *)data, size, "a-b");
	moddep_builtin((const char *)data, size, "a_b");
	for (unsigned int i = 0; i < files.nr; i++) {
		if (strlen(files.s[i]) > size || strpbrk(files.s[i], "\n"))
			abort();
	}
	strlist_free(&files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const uint8_t *, size_t) = { read_elf, read_cache,
								    read_modules };

	if (size)
		readers[data[0] % 3](data + 1, size - 1);
	return 0;
}
