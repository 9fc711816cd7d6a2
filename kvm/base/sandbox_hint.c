/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looks for the settings by which distributions and containers forbid user namespaces. Called only
 * after a program that needs one has failed.
 */
#include "kvm/sandbox_hint.h"

#include "kvm/types.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *file, *text; /* the hint applies if the file is this, or has it after a line */
	const char *hint;
} rows[] = {
	{ "/proc/sys/user/max_user_namespaces", "0\n",
	  "; this host allows no user namespaces: `sudo sysctl user.max_user_namespaces=15000`" },
	{ "/proc/sys/kernel/unprivileged_userns_clone", "0\n",
	  "; this host allows no user namespaces to users: `sudo sysctl kernel.unprivileged_userns_clone=1`" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n",
	  "; AppArmor restricts user namespaces: `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`" },
	/* Docker's and podman's filters. */
	{ "/proc/self/status", "\nSeccomp:\t2\n",
	  "; a container's seccomp filter may forbid user namespaces: try `--security-opt seccomp=unconfined`" },
};

const char *sandbox_hint(const char *root)
{
	char path[PATH_MAX], text[4096];

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "%s%s", root, rows[i].file);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		text[n > 0 ? n : 0] = '\0';
		if (*rows[i].text == '\n' ? strstr(text, rows[i].text) != NULL
					  : !strcmp(text, rows[i].text))
			return rows[i].hint;
	}
	return "";
}
