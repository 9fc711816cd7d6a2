/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads and writes any range of one open host file or block device, whatever alignment the host
 * requires. All calls block. Pool threads call it, several at a time, and main's thread at set-up.
 *
 *   - A short transfer continues where it stopped. An end of file where there should be data means
 *     that another program truncated the file: an I/O error. There are two exceptions, which read
 *     as zeros: the rest of a raw file's last sector (a raw file may have any size; the disk has
 *     whole sectors), and everything beyond the end of a qcow2 file, which ends after its last
 *     write.
 *   - O_DIRECT needs aligned memory, offset and length (statx(2), STATX_DIOALIGN). Other transfers
 *     use a bounce buffer; a block of which only a part is written is read, changed and written
 *     back under edge_lock. A whole-block write of the guest may race with such a change of the
 *     same block, like any two writes to one place.
 *   - A failed fdatasync() stays failed, whatever its error: the kernel has marked the pages clean,
 *     so the next one would succeed although data are lost.
 *   - The log gets the first error of each kind; the guest gets all of them.
 */
#include "disk_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BOUNCE_BYTES (256 * 1024)
#define SLICE_IOVECS 64
#define PAGE_BYTES 4096
#define DEFAULT_ALIGN 4096

static const char zero_page[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));

int disk_file_error(struct disk_file *f, const char *what, uint64_t offset, int err)
{
	uint64_t bit = 1ULL << (-err % 64);

	if (err != -EFAULT && !(atomic_fetch_or(&f->said, bit) & bit))
		pr_err("%s: %s at byte %llu: %s (reported once)", f->path, what,
		       (unsigned long long)offset, strerror(-err));
	return err;
}

int disk_file_lost(const struct disk_file *f, int err)
{
	if (err)
		pr_err("%s: the guest's last writes could not be stored: %s", f->path,
		       strerror(-err));
	return err;
}

static void grown_to(struct disk_file *f, uint64_t end)
{
	uint64_t old = atomic_load_explicit(&f->size_bytes, memory_order_relaxed);

	while (old < end && !atomic_compare_exchange_weak(&f->size_bytes, &old, end))
		;
}

void disk_file_look_again(struct disk_file *f)
{
	uint64_t size;

	if (f->block_device && ioctl(f->fd, BLKGETSIZE64, &size) == 0 &&
	    size <= INT64_MAX - DISK_SECTOR_BYTES)
		grown_to(f, size);
}

bool disk_file_aligned(const struct disk_file *f, uint64_t offset, uint64_t len,
		       const struct iovec *iov, unsigned int nr)
{
	if (!f->direct)
		return true;
	if (!is_aligned(offset | len, f->align_bytes))
		return false;
	for (unsigned int i = 0; i < nr; i++) {
		/* If a piece ends inside a block, the next one would begin inside it. */
		if (!is_aligned((uintptr_t)iov[i].iov_base, f->mem_align_bytes) ||
		    !is_aligned(iov[i].iov_len, f->align_bytes))
			return false;
	}
	return true;
}

/*
 * Handles the end of the file at @offset: zeros where the file may end, an error where it may not.
 */
static int read_past_end(struct disk_file *f, uint64_t offset, uint64_t len, struct disk_cursor *to)
{
	if (!f->sparse_tail && (len >= DISK_SECTOR_BYTES || offset + len > f->tail_end_bytes))
		return disk_file_error(f, "the file has been truncated: read", offset, -EIO);
	cursor_zero(to, len);
	return 0;
}

static int read_plain(struct disk_file *f, uint64_t offset, uint64_t len, struct disk_cursor *to)
{
	while (len > 0) {
		struct iovec part[SLICE_IOVECS];
		unsigned int nr = cursor_slice(to, len, part, SLICE_IOVECS);
		ssize_t n = preadv(f->fd, part, (int)nr, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return disk_file_error(f, "read", offset, -errno);
		cursor_advance(to, (uint64_t)n);
		offset += (uint64_t)n;
		len -= (uint64_t)n;
		/*
		 * A direct read that stops inside a block has met the end of the file, and could
		 * not continue there.
		 */
		if (len > 0 && (n == 0 || !is_aligned(offset, f->align_bytes)))
			return read_past_end(f, offset, len, to);
	}
	return 0;
}

uint64_t disk_file_read_cached(struct disk_file *f, uint64_t offset, const struct iovec *iov,
			       unsigned int nr)
{
	ssize_t n;

	if (f->direct || atomic_load_explicit(&f->no_nowait, memory_order_relaxed))
		return 0;
	n = preadv2(f->fd, iov, (int)nr, (off_t)offset, f->in_memory ? 0 : RWF_NOWAIT);
	if (n < 0 && errno == EOPNOTSUPP)
		atomic_store(&f->no_nowait, true);
	return n < 0 ? 0 : (uint64_t)n;
}

static int write_plain(struct disk_file *f, uint64_t offset, uint64_t len, struct disk_cursor *from)
{
	while (len > 0) {
		struct iovec part[SLICE_IOVECS];
		unsigned int nr = cursor_slice(from, len, part, SLICE_IOVECS);
		ssize_t n = pwritev(f->fd, part, (int)nr, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return disk_file_error(f, "write", offset, n < 0 ? -errno : -ENOSPC);
		cursor_advance(from, (uint64_t)n);
		offset += (uint64_t)n;
		len -= (uint64_t)n;
		grown_to(f, offset);
	}
	return 0;
}

/*
 * Reads whole blocks into the bounce buffer and zeroes what lies beyond the file's end. Returns how
 * many bytes the file had.
 */
static ssize_t bounce_fill(struct disk_file *f, char *buf, size_t len, uint64_t offset)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(f->fd, buf + have, len - have, (off_t)(offset + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return disk_file_error(f, "read", offset + have, -errno);
		have += (size_t)n;
		if (n == 0 || !is_aligned(have, f->align_bytes))
			break;
	}
	memset(buf + have, 0, len - have);
	return (ssize_t)have;
}

static int bounce_read(struct disk_file *f, char *buf, size_t size, uint64_t offset, uint64_t len,
		       struct disk_cursor *to)
{
	while (len > 0) {
		uint64_t start = align_down(offset, f->align_bytes);
		size_t skip = (size_t)(offset - start), span = size, use;
		ssize_t have;

		if (span > align_up(skip + len, f->align_bytes))
			span = align_up(skip + len, f->align_bytes);
		have = bounce_fill(f, buf, span, start);
		if (have < 0)
			return (int)have;
		use = min_u64(len, span - skip);
		if ((size_t)have < skip + use) {
			size_t good = (size_t)have > skip ? (size_t)have - skip : 0;

			cursor_copy_in(to, buf + skip, good);
			return read_past_end(f, offset + good, len - good, to);
		}
		cursor_copy_in(to, buf + skip, use);
		offset += use;
		len -= use;
	}
	return 0;
}

static int bounce_write_out(struct disk_file *f, char *buf, size_t span, uint64_t start)
{
	struct iovec iov = { buf, span };
	struct disk_cursor c = { .iov = &iov };
	int err = write_plain(f, start, span, &c);

	/* The last block of a raw file may be incomplete: the disk must not grow. */
	if (!err && !f->sparse_tail && !f->block_device && start + span > f->tail_end_bytes &&
	    ftruncate(f->fd, (off_t)f->tail_end_bytes) < 0)
		err = disk_file_error(f, "truncate", f->tail_end_bytes, -errno);
	return err;
}

static int bounce_write(struct disk_file *f, char *buf, size_t size, uint64_t offset, uint64_t len,
			struct disk_cursor *from)
{
	while (len > 0) {
		uint64_t start = align_down(offset, f->align_bytes);
		size_t skip = (size_t)(offset - start), span = size, use;
		ssize_t have = 0;
		bool edges;
		int err;

		if (span > align_up(skip + len, f->align_bytes))
			span = align_up(skip + len, f->align_bytes);
		use = min_u64(len, span - skip);
		edges = skip || use < span;
		if (edges) {
			pthread_mutex_lock(&f->edge_lock);
			have = bounce_fill(f, buf, span, start);
		}
		cursor_copy_out(from, buf + skip, use);
		err = have < 0 ? (int)have : bounce_write_out(f, buf, span, start);
		if (edges)
			pthread_mutex_unlock(&f->edge_lock);
		if (err)
			return err;
		offset += use;
		len -= use;
	}
	return 0;
}

static bool cursor_aligned(const struct disk_file *f, uint64_t offset, uint64_t len,
			   const struct disk_cursor *c)
{
	struct disk_cursor at = *c;

	if (!f->direct)
		return true;
	while (len > 0) {
		struct iovec part;

		cursor_slice(&at, len, &part, 1);
		if (!disk_file_aligned(f, offset, part.iov_len, &part, 1))
			return false;
		cursor_advance(&at, part.iov_len);
		offset += part.iov_len;
		len -= part.iov_len;
	}
	return true;
}

static int bounce(struct disk_file *f, uint64_t offset, uint64_t len, struct disk_cursor *c,
		  bool write)
{
	size_t size = min_u64(BOUNCE_BYTES, align_up(len, f->align_bytes) + f->align_bytes);
	void *buf;
	int err;

	if (posix_memalign(&buf, f->mem_align_bytes > PAGE_BYTES ? f->mem_align_bytes : PAGE_BYTES,
			   size))
		return disk_file_error(f, "no memory for a transfer", offset, -ENOMEM);
	if (write)
		err = bounce_write(f, buf, size, offset, len, c);
	else
		err = bounce_read(f, buf, size, offset, len, c);
	free(buf);
	return err;
}

int disk_file_read(struct disk_file *f, uint64_t offset, uint64_t len, struct disk_cursor *to)
{
	if (cursor_aligned(f, offset, len, to))
		return read_plain(f, offset, len, to);
	return bounce(f, offset, len, to, false);
}

int disk_file_write(struct disk_file *f, uint64_t offset, uint64_t len, struct disk_cursor *from)
{
	if (cursor_aligned(f, offset, len, from))
		return write_plain(f, offset, len, from);
	return bounce(f, offset, len, from, true);
}

int disk_file_pread(struct disk_file *f, void *buf, uint64_t len, uint64_t offset)
{
	struct iovec iov = { buf, len };
	struct disk_cursor c = { .iov = &iov };

	return disk_file_read(f, offset, len, &c);
}

int disk_file_pwrite(struct disk_file *f, const void *buf, uint64_t len, uint64_t offset)
{
	struct iovec iov = { (void *)buf, len };
	struct disk_cursor c = { .iov = &iov };

	return disk_file_write(f, offset, len, &c);
}

int disk_file_flush(struct disk_file *f)
{
	int err = 0;

	if (f->read_only)
		return 0;
	/*
	 * One flush at a time: if two wait for the same write, the kernel reports its failure to
	 * only one of them.
	 */
	pthread_mutex_lock(&f->flush_lock);
	if (atomic_load(&f->flush_failed))
		err = -ENOTRECOVERABLE;
	else if (fdatasync(f->fd))
		err = -errno;
	if (err && !atomic_exchange(&f->flush_failed, true))
		pr_err("%s: flush failed: %s; earlier writes may be lost, so all flushes fail from now on; check the image after the machine has ended",
		       f->path, strerror(-err));
	pthread_mutex_unlock(&f->flush_lock);
	return err ? -ENOTRECOVERABLE : 0;
}

/* Whether the host does not support the operation, for this file or at all; the data then stay. */
static bool cannot(int err)
{
	return err == EOPNOTSUPP || err == ENOSYS || err == ENOTTY || err == EINVAL ||
	       err == ENODEV || err == EPERM;
}

static int allocate(struct disk_file *f, int mode, uint64_t offset, uint64_t len)
{
	int rc;

	do
		rc = fallocate(f->fd, mode, (off_t)offset, (off_t)len);
	while (rc < 0 && errno == EINTR);
	return rc;
}

int disk_file_discard(struct disk_file *f, uint64_t offset, uint64_t len)
{
	uint64_t range[2] = { offset, len };
	int rc;

	if (atomic_load_explicit(&f->no_punch, memory_order_relaxed))
		return 0;
	if (!f->block_device)
		rc = allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
	else
		do
			rc = ioctl(f->fd, BLKDISCARD, range);
		while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return 0;
	if (!cannot(errno))
		return disk_file_error(f, "discard", offset, -errno);
	if (errno != EINVAL)
		atomic_store(&f->no_punch, true);
	return 0;
}

void disk_zero_source(struct iovec iov[DISK_ZERO_IOVECS])
{
	for (unsigned int i = 0; i < DISK_ZERO_IOVECS; i++)
		iov[i] = (struct iovec){ (void *)zero_page, PAGE_BYTES };
}

static int write_zeros(struct disk_file *f, uint64_t offset, uint64_t len)
{
	struct iovec iov[DISK_ZERO_IOVECS];

	disk_zero_source(iov);
	while (len > 0) {
		struct disk_cursor c = { .iov = iov };
		uint64_t n = min_u64(len, DISK_ZERO_BYTES);
		int err = disk_file_write(f, offset, n, &c);

		if (err)
			return err;
		offset += n;
		len -= n;
	}
	return 0;
}

int disk_file_zero(struct disk_file *f, uint64_t offset, uint64_t len, bool unmap)
{
	int keep = f->sparse_tail && !f->block_device ? 0 : FALLOC_FL_KEEP_SIZE;

	/*
	 * A parallel write may have read a block that this range shares, and be about to write it
	 * back; write_zeros() takes the edge_lock.
	 */
	if (f->direct && !is_aligned(offset | len, f->align_bytes))
		return write_zeros(f, offset, len);
	if (unmap && !atomic_load_explicit(&f->no_punch, memory_order_relaxed)) {
		if (!allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len))
			return 0;
		if (!cannot(errno))
			return disk_file_error(f, "write zeroes", offset, -errno);
	}
	if (!atomic_load_explicit(&f->no_zero_range, memory_order_relaxed)) {
		if (!allocate(f, FALLOC_FL_ZERO_RANGE | keep, offset, len)) {
			if (!keep)
				grown_to(f, offset + len);
			return 0;
		}
		if (!cannot(errno))
			return disk_file_error(f, "write zeroes", offset, -errno);
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			atomic_store(&f->no_zero_range, true);
	}
	return write_zeros(f, offset, len);
}

/* ---- opening ---- */

static int find_alignment(struct disk_file *f)
{
	int block = 0;
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    (stx.stx_mask & STATX_DIOALIGN)) {
		if (!stx.stx_dio_offset_align || !stx.stx_dio_mem_align)
			return -EINVAL;
		f->align_bytes = stx.stx_dio_offset_align;
		f->mem_align_bytes = stx.stx_dio_mem_align;
		return 0;
	}
#endif
	f->align_bytes = DEFAULT_ALIGN;
	if (f->block_device && ioctl(f->fd, BLKSSZGET, &block) == 0 && block >= DISK_SECTOR_BYTES)
		f->align_bytes = (unsigned int)block;
	f->mem_align_bytes = f->align_bytes;
	return 0;
}

static int measure(struct disk_file *f)
{
	struct statfs fs;
	struct stat st;
	uint64_t size;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->rdev = st.st_rdev;
	f->block_device = S_ISBLK(st.st_mode);
	/* These do not support RWF_NOWAIT. */
	f->in_memory =
		fstatfs(f->fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
	size = (uint64_t)st.st_size;
	if (f->block_device && ioctl(f->fd, BLKGETSIZE64, &size) < 0)
		return -errno;
	if (size > INT64_MAX - DISK_SECTOR_BYTES)
		return -EFBIG;
	atomic_store(&f->size_bytes, size);
	f->tail_end_bytes = align_up(size, DISK_SECTOR_BYTES);
	return f->direct ? find_alignment(f) : 0;
}

static int say_open_failed(const char *path, int flags, int err)
{
	const char *hint = "";

	if (err == EINVAL && (flags & O_DIRECT))
		hint = ": its file system has no direct I/O; use another cache=";
	else if (err == EBUSY)
		hint = ": it is mounted or used by the host";
	else if ((err == EACCES || err == EROFS || err == EPERM) && (flags & O_ACCMODE) == O_RDWR)
		hint = ": not writable; try `ro` or `snapshot`";
	pr_err("%s: %s%s", path, strerror(err), hint);
	return -err;
}

/* Checks the type before opening: opening a pipe would wait for its other end. */
static int check_type(const char *path, bool *block_device)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return say_open_failed(path, 0, errno);
	*block_device = S_ISBLK(st.st_mode);
	if (*block_device || S_ISREG(st.st_mode))
		return 0;
	pr_err("%s: not a file or block device", path);
	return -EINVAL;
}

static struct disk_file *file_new(const char *path, int fd)
{
	struct disk_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->fd = fd;
	f->align_bytes = 1;
	f->mem_align_bytes = 1;
	f->path = strdup(path);
	if (!f->path) {
		free(f);
		return NULL;
	}
	pthread_mutex_init(&f->edge_lock, NULL);
	pthread_mutex_init(&f->flush_lock, NULL);
	return f;
}

static int open_flags(const struct disk_options *options, bool read_only, bool block_device)
{
	int flags = O_CLOEXEC | (read_only ? O_RDONLY : O_RDWR);

	if (options->cache == DISK_CACHE_NONE)
		flags |= O_DIRECT;
	if (options->cache == DISK_CACHE_WRITETHROUGH && !read_only)
		flags |= O_DSYNC;
	if (block_device && !read_only)
		flags |= O_EXCL; /* refuse a mounted device */
	return flags;
}

int disk_file_open(struct disk_file **out, const char *path, const struct disk_options *options,
		   bool read_only)
{
	struct disk_file *f;
	bool block_device = false;
	int flags, fd, err;

	err = check_type(path, &block_device);
	if (err)
		return err;
	flags = open_flags(options, read_only, block_device);
	fd = open(path, flags);
	if (fd < 0)
		return say_open_failed(path, flags, errno);
	err = disk_lock(fd, path, read_only);
	f = err ? NULL : file_new(path, fd);
	if (!f) {
		close(fd);
		return err ? err : -ENOMEM;
	}
	f->read_only = read_only;
	f->direct = flags & O_DIRECT;
	err = measure(f);
	if (err) {
		disk_file_close(f);
		return say_open_failed(path, flags, -err);
	}
	*out = f;
	return 0;
}

static int open_unlinked(const char *dir)
{
	char name[PATH_MAX];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	if ((size_t)snprintf(name, sizeof(name), "%s/kvm-snapshot-XXXXXX", dir) >= sizeof(name))
		return -1;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

int disk_file_temporary(struct disk_file **out)
{
	const char *dirs[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	char name[PATH_MAX + 32];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		int fd = dirs[i] && dirs[i][0] ? open_unlinked(dirs[i]) : -1;
		struct disk_file *f;

		if (fd < 0)
			continue;
		snprintf(name, sizeof(name), "snapshot file in %s", dirs[i]);
		f = file_new(name, fd);
		if (!f) {
			close(fd);
			return -ENOMEM;
		}
		f->sparse_tail = true;
		*out = f;
		return 0;
	}
	pr_err("snapshot: cannot create a file in $TMPDIR, /var/tmp or /tmp; set TMPDIR to a folder with space");
	return -ENOSPC;
}

void disk_file_close(struct disk_file *f)
{
	if (!f)
		return;
	close(f->fd);
	pthread_mutex_destroy(&f->edge_lock);
	pthread_mutex_destroy(&f->flush_lock);
	free(f->path);
	free(f);
}
