/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mounts the file systems, makes the links and starts the loopback interface that programs take for
 * granted.
 *
 * A folder that the initramfs already has is the user's (--add): then nothing is mounted over /tmp
 * and /run, because that would hide their content. In the host's files (--root) both are mounted
 * over, unless the command runs there. What a kernel cannot do (no devpts, no network) is left out:
 * the command may not need it.
 */
#include "init.h"

#include <linux/if.h>
#include <linux/in.h>
#include <linux/mount.h>
#include <linux/socket.h>
#include <linux/sockios.h>

#define SAFE (MS_NOSUID | MS_NODEV)

struct place {
	const char *at, *type;
	unsigned long flags;
	const char *data;
	bool only_new;
};

static const struct place places[] = {
	{ "/proc", "proc", SAFE | MS_NOEXEC, NULL, false },
	{ "/sys", "sysfs", SAFE | MS_NOEXEC, NULL, false },
	{ "/dev", "devtmpfs", MS_NOSUID, "mode=755", false },
	{ "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=620,gid=5,ptmxmode=666", false },
	{ "/dev/shm", "tmpfs", SAFE, "mode=1777", false },
	{ "/tmp", "tmpfs", SAFE, "mode=1777", true },
	{ "/run", "tmpfs", SAFE, "mode=755", true },
	/* The kernel has made the folders of these, if it has the file systems. */
	{ "/sys/kernel/debug", "debugfs", SAFE | MS_NOEXEC, "mode=700", false },
	{ "/sys/kernel/tracing", "tracefs", SAFE | MS_NOEXEC, "mode=700", false },
	{ "/sys/kernel/security", "securityfs", SAFE | MS_NOEXEC, NULL, false },
	{ "/sys/kernel/config", "configfs", SAFE | MS_NOEXEC, NULL, false },
	{ "/sys/fs/bpf", "bpf", SAFE | MS_NOEXEC, "mode=700", false },
	{ "/sys/fs/cgroup", "cgroup2", SAFE | MS_NOEXEC, NULL, false },
};

/* The largest that a kernel takes. */
#define MAX_OPEN_FILES "2147483584"

static const char *const links[][2] = {
	{ "/proc/self/fd", "/dev/fd" },
	{ "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" },
	{ "/proc/self/fd/2", "/dev/stderr" },
};

static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	long fd = sys(socket, AF_INET, SOCK_DGRAM);

	request.ifr_flags = IFF_UP;
	sys(ioctl, fd, SIOCSIFFLAGS, &request);
	sys(close, fd);
}

/*
 * The host's limits.conf may allow more open files than this kernel would: sudo and su then fail.
 * Only the bound is raised, not a limit.
 */
static void raise_open_files(void)
{
	long fd = sys(open, "/proc/sys/fs/nr_open", O_WRONLY);

	sys(write, fd, MAX_OPEN_FILES, sizeof(MAX_OPEN_FILES) - 1);
	sys(close, fd);
}

/* Whether @dir is @at or inside it. */
static bool is_in(const char *dir, const char *at)
{
	while (*at && *dir == *at) {
		dir++;
		at++;
	}
	return !*at && (!*dir || *dir == '/');
}

void mounts_make(const struct job *job)
{
	if (!job->root)
		sys(mkdir, "/root", 0700);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct place *p = &places[i];
		bool is_new = !sys(mkdir, p->at, 0755);

		if (is_new || !p->only_new || (job->root && !is_in(job->cwd, p->at)))
			sys(mount, p->type, p->at, p->type, p->flags, p->data);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		sys(symlink, links[i][0], links[i][1]);
	raise_loopback();
	raise_open_files();
}
