/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the memory limit of this process's control groups. A guest may touch all of its memory; if
 * a control group allows less, the host's kernel ends the launcher then, without a word from us. So
 * `kvm run` warns at the start, by the limit of the container that it runs in, which is quick to
 * find; `kvm host` reports the limits of all control groups above the process.
 *
 * The groups' files are looked for where systemd and containers mount them, below /sys/fs/cgroup. A
 * container may show paths in /proc/self/cgroup that it cannot see; only those on the way up to its
 * root count then.
 */
#include "host_memory.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Without a limit, version 1 has the largest multiple of a page that fits a signed number. */
#define NO_LIMIT_BYTES (1ULL << 62)
#define LINE_BYTES 1024

static const char *const folders[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/memory" };
static const char *const files[] = { "memory.max", "memory.limit_in_bytes" };

/* Returns the limit in a group's file; UINT64_MAX: none, or there is no such file. */
static uint64_t read_limit(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t limit_bytes;
	char text[32];
	ssize_t n;

	if (fd < 0)
		return UINT64_MAX;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (*text < '0' || *text > '9')
		return UINT64_MAX; /* "max" */
	limit_bytes = strtoull(text, NULL, 10);
	return limit_bytes < NO_LIMIT_BYTES ? limit_bytes : UINT64_MAX;
}

uint64_t host_memory_limit_here(const char *root)
{
	uint64_t limit_bytes = UINT64_MAX;
	char path[PATH_MAX];

	for (unsigned int i = 0; i < ARRAY_SIZE(files) && limit_bytes == UINT64_MAX; i++) {
		snprintf(path, sizeof(path), "%s%s/%s", root, folders[i], files[i]);
		limit_bytes = read_limit(path);
	}
	return limit_bytes;
}

/* The lowest limit of @group, which it cuts, and of all groups above it. */
static uint64_t lowest(const char *root, bool v1, char *group)
{
	uint64_t limit_bytes = UINT64_MAX;
	char path[PATH_MAX];

	for (;;) {
		char *slash = strrchr(group, '/');

		snprintf(path, sizeof(path), "%s%s%s/%s", root, folders[v1], group, files[v1]);
		limit_bytes = min_u64(limit_bytes, read_limit(path));
		if (!slash)
			return limit_bytes;
		*slash = '\0';
	}
}

/* Whether the comma-separated @names, which it cuts, have "memory". */
static bool has_memory(char *names)
{
	for (char *name; (name = strsep(&names, ","));) {
		if (!strcmp(name, "memory"))
			return true;
	}
	return false;
}

uint64_t host_memory_limit(const char *root)
{
	uint64_t limit_bytes = UINT64_MAX;
	char path[PATH_MAX], line[LINE_BYTES];
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	f = fopen(path, "re");
	/* ID:CONTROLLERS:PATH; version 2 has no controllers. */
	while (f && fgets(line, sizeof(line), f)) {
		char *rest = line, *names;
		bool v1;

		line[strcspn(line, "\n")] = '\0';
		strsep(&rest, ":");
		names = strsep(&rest, ":");
		if (!rest)
			continue;
		v1 = *names;
		if (!v1 || has_memory(names))
			limit_bytes = min_u64(limit_bytes, lowest(root, v1, rest));
	}
	if (f)
		fclose(f);
	return limit_bytes;
}
