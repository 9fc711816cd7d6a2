/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files a guest boots from: opened safely, and brought into guest memory without a buffer of
 * ours between.
 *
 * There are two ways in. Reading goes straight into guest memory; it costs time in proportion to
 * the size, but lands in huge pages. Mapping costs the same for any size and shares the host's page
 * cache, but each 4 KiB page is a fault of its own in the guest, two to five times as dear as
 * having read it. Callers choose; see initrd.c and boot.c.
 *
 * The files belong to the host and may change under us. While a file is read, one that ends early
 * is an error: a partial kernel or initrd is never run. Once mapped, gmem.c looks after truncation.
 *
 * Called on main's thread at set-up.
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
		return "no regular file";
	}
}

int bootfile_check(int fd, const char *path, const char *what, uint64_t *bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		int err = errno;

		pr_err("%s: cannot look at the %s: %s", path, what, strerror(err));
		return -err;
	}
	if (!S_ISREG(st.st_mode)) {
		pr_err("%s: %s; the %s must be a regular file", path, kind_of(st.st_mode), what);
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	}
	if (st.st_size <= 0) {
		pr_err("%s: the %s is an empty file; was it written at all?", path, what);
		return -ENODATA;
	}
	*bytes = (uint64_t)st.st_size;
	return 0;
}

int bootfile_open(const char *path, const char *what)
{
	/*
	 * O_NONBLOCK: opening a pipe that nobody writes to must fail like any other wrong file, not
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
		pr_err("%s: became shorter while it was read; start again when it is complete",
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
	 * Not every file system can map, and memory from the pool of huge pages cannot be mapped
	 * over.
	 */
	if (how == BOOTFILE_MAP && gmem_map_file(mem, gpa, fd, offset, len, path) == 0)
		return 0;
	return read_in(fd, at, len, offset, path);
}
