/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads /etc/ld.so.cache, which ldconfig(8) writes: a header, entries of fixed size, strings.
 *
 * Offsets count from the header. Caches for old linkers have it after another table, so it is found
 * by its magic. Entries for processors with certain features are skipped: a library without such
 * demands is always there.
 */
#include "elfneeds.h"

#include <string.h>

#define MAGIC "glibc-ld.so.cache1.1"

struct cache_header {
	char magic[sizeof(MAGIC) - 1];
	uint32_t nr_entries;
	uint32_t strings_bytes;
	uint32_t unused[5];
};

struct cache_entry {
	int32_t flags;
	uint32_t name, path; /* offsets of strings */
	uint32_t os_version;
	uint64_t hwcap;
};

static const char *string_at(const uint8_t *cache, size_t len, uint32_t offset)
{
	if (offset >= len || !memchr(cache + offset, '\0', len - offset))
		return NULL;
	return (const char *)cache + offset;
}

const char *ldcache_next(const uint8_t *cache, size_t len, const char *name, uint32_t *pos)
{
	const uint8_t *start = memmem(cache, len, MAGIC, sizeof(MAGIC) - 1);
	struct cache_header header;
	struct cache_entry e;

	if (!start || len - (size_t)(start - cache) < sizeof(header))
		return NULL;
	len -= (size_t)(start - cache);
	memcpy(&header, start, sizeof(header));
	while (*pos < header.nr_entries && *pos < (len - sizeof(header)) / sizeof(e)) {
		const char *its_name, *path;

		memcpy(&e, start + sizeof(header) + *pos * sizeof(e), sizeof(e));
		++*pos;
		its_name = string_at(start, len, e.name);
		path = string_at(start, len, e.path);
		if (its_name && path && !e.hwcap && !strcmp(its_name, name))
			return path;
	}
	return NULL;
}
