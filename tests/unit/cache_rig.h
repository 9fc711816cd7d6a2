/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gives each test a cache folder of its own, through the environment variable that the program
 * reads.
 */
#ifndef TESTS_CACHE_RIG_H
#define TESTS_CACHE_RIG_H

#include "kernel_image.h"
#include "x86/boot/fastkernel.h"

#include <dirent.h>
#include <stdlib.h>

struct cache_rig {
	char home[64], folder[128], path[4096];
};

static inline int cache_rig_setup(void **state)
{
	struct cache_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	snprintf(r->home, sizeof(r->home), "/tmp/kvm-test.XXXXXX");
	assert_non_null(mkdtemp(r->home));
	snprintf(r->folder, sizeof(r->folder), "%s/.cache/kvm", r->home);
	snprintf(r->path, sizeof(r->path), "%s", getenv("PATH"));
	setenv("HOME", r->home, 1);
	unsetenv("XDG_CACHE_HOME");
	*state = r;
	return 0;
}

static inline int cache_rig_teardown(void **state)
{
	struct cache_rig *r = *state;
	char command[128];
	int rc;

	setenv("PATH", r->path, 1);
	snprintf(command, sizeof(command), "rm -rf %s", r->home);
	rc = system(command);
	free(r);
	return rc;
}

/* Returns the number of entries in the folder, and one of them, if any, in @path. */
static inline unsigned int cache_entries(const struct cache_rig *r, char path[512])
{
	DIR *d = opendir(r->folder);
	unsigned int nr = 0;

	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		nr++;
		snprintf(path, 512, "%s/%s", r->folder, e->d_name);
	}
	closedir(d);
	return nr;
}

#endif
