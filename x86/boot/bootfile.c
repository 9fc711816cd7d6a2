/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens the files that a guest boots from, checks them, and brings them into guest memory without a
 * buffer in between.
 *
 * There are two ways to bring a file in:
 * - Reading goes straight into guest memory. It takes time in proportion to the size, but the data
 *   lands in huge pages.
 * - Mapping takes the same time for any size and shares the host's page cache. But each 4 KiB page
 *   costs a fault of its own in the guest, which is two to five times as expensive as reading it.
 *
 * The callers choose; see initrd.c and boot.c.
 *
 * The files belong to the host and may change while we use them. A file that ends early while it is
 * read is an error: we never run a partial kernel or initrd. Once a file is mapped, gmem.c handles
 * its truncation.
 *
 * Thread: setup.
 */
#include "bootparts.h"
#include "kvm/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	case S_IFBLK:
		return "a block device";
	case S_IFCHR:
		return "a character device";
	default:
		return "not a regular file";
	}
}

int bootfile_check(int fd, const char *path, const char *what, uint64_t *bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		int err = errno;

		pr_err("%s: cannot get the status of the %s: %s", path, what, strerror(err));
		return -err;
	}
	if (!S_ISREG(st.st_mode)) {
		pr_err("%s: %s; the %s must be a regular file", path, kind_of(st.st_mode), what);
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	}
	if (st.st_size <= 0) {
		pr_err("%s: the %s is an empty file; copy or build it again", path, what);
		return -ENODATA;
	}
	*bytes = (uint64_t)st.st_size;
	return 0;
}

int bootfile_open(const char *path, const char *what)
{
	/*
	 * O_NONBLOCK: opening a pipe without a writer must fail like any other wrong file, not
	 * hang.
	 */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		int err = errno;

		pr_err("%s: cannot open the %s: %s", path, what, strerror(err));
		return -err;
	}
	return fd;
}

int bootfile_read(int fd, void *to, uint64_t len, uint64_t offset)
{
	uint8_t *at = to;

	while (len > 0) {
		ssize_t n = pread(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		at += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int read_in(int fd, void *to, uint64_t len, uint64_t offset, const char *path)
{
	int err = bootfile_read(fd, to, len, offset);

	if (err == -ENODATA) {
		pr_err("%s: the file became shorter while it was read; start again when it is complete",
		       path);
		return -EIO;
	}
	if (err)
		pr_err("%s: cannot be read: %s", path, strerror(-err));
	return err;
}

int bootfile_place(struct gmem *mem, gpa_t gpa, int fd, uint64_t offset, uint64_t len,
		   const char *path, enum bootfile_how how)
{
	void *at = gmem_at(mem, gpa, len);

	assert(at); /* the layout was computed from this memory's size */
	/*
	 * Not every file system supports mapping, and a file cannot be mapped over memory from the
	 * pool of huge pages.
	 */
	if (how == BOOTFILE_MAP && gmem_map_file(mem, gpa, fd, offset, len, path) == 0)
		return 0;
	return read_in(fd, at, len, offset, path);
}
