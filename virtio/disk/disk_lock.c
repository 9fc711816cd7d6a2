/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks images for the disk layer: one writer, or many readers. It uses open file description locks
 * (fcntl(2), F_OFD_SETLK) in QEMU's scheme, so that both programs respect each other. The kernel
 * drops such a lock with the last descriptor, however the process ends.
 *
 * QEMU read-locks one byte for each thing it does with the image (100 + n) and one for each that it
 * does not let others do (200 + n), and checks whether others have locked the opposite. Bit 0 is
 * consistent reading, bit 1 writing.
 *
 *   - A writer here write-locks the whole file, which conflicts with any other lock.
 *   - A reader read-locks bytes 100 (it reads) and 201 (no writers) and looks for a lock on 101
 *     (another process writes). Two readers, ours or QEMU's, do not conflict.
 *
 * The kernel does not report the owner of such a lock, so the message finds a process that has the
 * file open in /proc.
 */
#include "disk_impl.h"

#include "kvm/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRIES 10
#define RETRY_US 10000

#define BYTE_READS 100
#define BYTE_WRITES 101
#define BYTE_NO_WRITERS 201

static int lock_range(int fd, short type, off_t start, off_t len)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
}

static bool others_have(int fd, off_t byte)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

/* @except: a descriptor that does not count; -1: none. */
static bool process_has(int proc_fd, const char *pid, const struct stat *image, int except)
{
	char path[64];
	struct dirent *e;
	bool found = false;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while (!found && (e = readdir(dir))) {
		struct stat st;

		found = atoi(e->d_name) != except && fstatat(fd, e->d_name, &st, 0) == 0 &&
			st.st_dev == image->st_dev && st.st_ino == image->st_ino;
	}
	closedir(dir);
	return found;
}

static void read_name(int proc_fd, const char *pid, char *name, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%.20s/comm", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, name, size - 1);
		close(fd);
	}
	name[n > 0 ? n : 0] = 0;
	name[strcspn(name, "\n")] = 0;
}

/*
 * Stores "process 123 (name)", or a hint if the process is not visible (another user's or another
 * host's).
 */
static void find_owner(int image_fd, const char *path, char *text, size_t size)
{
	struct stat image;
	struct dirent *e;
	char name[64];
	DIR *proc;

	snprintf(text, size, "a process that `fuser -v %s` may show as root", path);
	proc = opendir("/proc");
	if (!proc)
		return;
	if (fstat(image_fd, &image) < 0) {
		closedir(proc);
		return;
	}
	while ((e = readdir(proc))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || atoi(e->d_name) == getpid())
			continue;
		if (!process_has(dirfd(proc), e->d_name, &image, -1))
			continue;
		read_name(dirfd(proc), e->d_name, name, sizeof(name));
		snprintf(text, size, "process %s (%s)", e->d_name, name);
		break;
	}
	closedir(proc);
}

static int try_lock(int fd, bool read_only)
{
	int err;

	if (!read_only)
		return lock_range(fd, F_WRLCK, 0, 0);
	err = lock_range(fd, F_RDLCK, BYTE_READS, 1);
	if (!err)
		err = lock_range(fd, F_RDLCK, BYTE_NO_WRITERS, 1);
	if (!err && others_have(fd, BYTE_WRITES))
		err = -EAGAIN;
	return err;
}

/* Whether this process has the image by another descriptor. */
static bool is_ours(int image_fd)
{
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat image;
	bool ours;

	if (proc_fd < 0)
		return false;
	ours = fstat(image_fd, &image) == 0 && process_has(proc_fd, "self", &image, image_fd);
	close(proc_fd);
	return ours;
}

int disk_lock(int fd, const char *path, bool read_only)
{
	char owner[PATH_MAX + 64];
	int err = try_lock(fd, read_only);

	/* Requests in flight of a killed process keep its lock a moment longer. */
	for (unsigned int i = 0; err == -EAGAIN && i < RETRIES; i++) {
		usleep(RETRY_US);
		err = try_lock(fd, read_only);
	}
	if (!err)
		return 0;
	if (err != -EAGAIN && err != -EACCES) {
		/*
		 * A file system without locks: the machine can run, and no other process can hold a
		 * lock either.
		 */
		pr_warn("%s: cannot be locked (%s); make sure that no other machine writes to it",
			path, strerror(-err));
		return 0;
	}
	if (is_ours(fd)) {
		pr_err("%s: this machine has it already, as another disk or a backing file; use `ro` or `snapshot` for each of them",
		       path);
		return -EBUSY;
	}
	find_owner(fd, path, owner, sizeof(owner));
	pr_err("%s: in use by %s%s", path, owner,
	       read_only ? ", which writes to it; stop it first"
			 : "; stop it first, or share the image with `ro` or `snapshot`");
	return -EBUSY;
}
