/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests disks over files in a temporary folder: every operation by io_uring and by threads, host
 * errors, locks, the format guess and its guard, snapshots.
 *
 * Formats have their own tests (test_qcow2.c, tests/disk.sh).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/messages.h"
#include "virtio/device/disk_formats.h"

#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DISK_BYTES (1 * MIB)
#define NR 8
#define EACH 4096

struct rig {
	char dir[64], path[128], log[128];
	struct messages messages;
	struct loop loop;
	struct disk *d;
	struct disk_options o;
};

struct waited {
	struct disk_request req;
	struct iovec iov[4];
	int calls, result;
};

/* These replace libc's. They fail while told to. */
static struct {
	int fdatasync_errno;
	unsigned int fallocate_eintrs;
} inject;

int fdatasync(int fd)
{
	if (inject.fdatasync_errno) {
		errno = inject.fdatasync_errno;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (inject.fallocate_eintrs) {
		inject.fallocate_eintrs--;
		errno = EINTR;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

static void make_file(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->dir, "/var/tmp/test_disk.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/disk.img", r->dir);
	snprintf(r->log, sizeof(r->log), "%s/log", r->dir);
	make_file(r->path, DISK_BYTES);
	assert_int_equal(loop_init(&r->loop), 0);
	assert_int_equal(messages_begin(&r->messages, r->log), 0);
	r->o = (struct disk_options){
		.path = r->path, .format = "raw", .formats = disk_formats, .discard = true
	};
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	disk_close(r->d);
	loop_fini(&r->loop);
	messages_end(&r->messages);
	unlink(r->path);
	unlink(r->log);
	rmdir(r->dir);
	free(r);
	return 0;
}

static void open_disk(struct rig *r)
{
	assert_int_equal(disk_open(&r->d, &r->o, &r->loop), 0);
}

static void reopen(struct rig *r)
{
	disk_close(r->d);
	r->d = NULL;
	open_disk(r);
}

/* Returns how many lines of the log contain @text. */
static unsigned int logged(const struct rig *r, const char *text)
{
	char line[1024];
	unsigned int n = 0;
	FILE *f = fopen(r->log, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

static void on_done(struct disk_request *req, int result)
{
	struct waited *w = (struct waited *)req;

	w->calls++;
	w->result = result;
}

static int run(struct rig *r, enum disk_op op, uint64_t offset, void *buf, uint64_t len, bool unmap)
{
	struct waited w = { .req = { .op = op,
				     .offset_bytes = offset,
				     .len_bytes = len,
				     .unmap = unmap,
				     .done = on_done } };

	w.iov[0] = (struct iovec){ buf, len };
	w.req.iov = w.iov;
	w.req.nr_iov = 1;
	disk_submit(r->d, &w.req);
	disk_kick(r->d);
	disk_drain(r->d);
	assert_int_equal(w.calls, 1);
	return w.result;
}

static int put(struct rig *r, uint64_t offset, int byte, uint64_t len)
{
	unsigned char *buf = malloc(len);
	int err;

	memset(buf, byte, len);
	err = run(r, DISK_WRITE, offset, buf, len, false);
	free(buf);
	return err;
}

static void expect(struct rig *r, uint64_t offset, int byte, uint64_t len)
{
	unsigned char *buf = malloc(len);

	memset(buf, ~byte, len);
	assert_int_equal(run(r, DISK_READ, offset, buf, len, false), 0);
	for (uint64_t i = 0; i < len; i++)
		assert_int_equal(buf[i], byte);
	free(buf);
}

static void all_operations(struct rig *r)
{
	open_disk(r);
	assert_int_equal(disk_size_bytes(r->d), DISK_BYTES);
	assert_false(disk_read_only(r->d));
	assert_true(disk_can_discard(r->d));
	expect(r, 0, 0, 4096);
	assert_int_equal(put(r, 512, 0xa5, 1536), 0);
	expect(r, 512, 0xa5, 1536);
	expect(r, 0, 0, 512);
	expect(r, 2048, 0, 512);
	assert_int_equal(run(r, DISK_FLUSH, 0, NULL, 0, false), 0);
	assert_int_equal(put(r, 64 * KIB, 0x5a, 128 * KIB), 0);
	assert_int_equal(run(r, DISK_WRITE_ZEROES, 64 * KIB + 512, NULL, 4096, false), 0);
	assert_int_equal(run(r, DISK_WRITE_ZEROES, 128 * KIB, NULL, 4096, true), 0);
	expect(r, 64 * KIB, 0x5a, 512);
	expect(r, 64 * KIB + 512, 0, 4096);
	expect(r, 64 * KIB + 4608, 0x5a, 512);
	expect(r, 128 * KIB, 0, 4096);
	expect(r, 132 * KIB, 0x5a, 60 * KIB);
	assert_int_equal(run(r, DISK_DISCARD, 132 * KIB, NULL, 60 * KIB, false), 0);
	reopen(r);
	expect(r, 512, 0xa5, 1536);
	expect(r, 64 * KIB, 0x5a, 512);
}

static void test_uring(void **state)
{
	struct rig *r = *state;

	r->o.aio = DISK_AIO_URING;
	all_operations(r);
}

static void test_threads(void **state)
{
	struct rig *r = *state;

	r->o.aio = DISK_AIO_THREADS;
	all_operations(r);
}

static void test_direct(void **state)
{
	struct rig *r = *state;

	r->o.cache = DISK_CACHE_NONE;
	all_operations(r);
}

static void test_writethrough(void **state)
{
	struct rig *r = *state;

	r->o.cache = DISK_CACHE_WRITETHROUGH;
	all_operations(r);
}

static void test_snapshot_operations(void **state)
{
	struct rig *r = *state;
	struct stat before, after;

	stat(r->path, &before);
	r->o.snapshot = true;
	open_disk(r);
	assert_int_equal(put(r, 512, 0xa5, 1536), 0);
	expect(r, 512, 0xa5, 1536);
	expect(r, 0, 0, 512);
	expect(r, 2048, 0, 8192);
	assert_int_equal(run(r, DISK_WRITE_ZEROES, 1024, NULL, 512, true), 0);
	expect(r, 512, 0xa5, 512);
	expect(r, 1024, 0, 512);
	expect(r, 1536, 0xa5, 512);
	assert_int_equal(run(r, DISK_FLUSH, 0, NULL, 0, false), 0);
	reopen(r);
	expect(r, 512, 0, 1536);
	stat(r->path, &after);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(before.st_blocks, after.st_blocks);
}

static void test_bounds(void **state)
{
	struct rig *r = *state;
	char buf[1024];

	open_disk(r);
	assert_int_equal(run(r, DISK_READ, DISK_BYTES, buf, 512, false), -EINVAL);
	assert_int_equal(run(r, DISK_READ, DISK_BYTES - 512, buf, 1024, false), -EINVAL);
	assert_int_equal(run(r, DISK_READ, UINT64_MAX - 511, buf, 1024, false), -EINVAL);
	assert_int_equal(run(r, DISK_WRITE, 1, buf, 512, false), -EINVAL);
	assert_int_equal(run(r, DISK_READ, 0, buf, 100, false), -EINVAL);
	assert_int_equal(run(r, DISK_DISCARD, 512, NULL, UINT64_MAX - 511, false), -EINVAL);
	assert_int_equal(run(r, DISK_READ, DISK_BYTES, buf, 0, false), 0);
	assert_int_equal(run(r, DISK_READ, DISK_BYTES - 512, buf, 512, false), 0);
	assert_int_equal(disk_read_sync(r->d, DISK_BYTES - 511, buf, 512), -EINVAL);
	assert_int_equal(disk_read_sync(r->d, 100, buf, 7), 0);
}

static void test_read_only(void **state)
{
	struct rig *r = *state;

	r->o.read_only = true;
	open_disk(r);
	assert_true(disk_read_only(r->d));
	assert_false(disk_can_discard(r->d));
	assert_int_equal(put(r, 0, 1, 512), -EROFS);
	assert_int_equal(run(r, DISK_DISCARD, 0, NULL, 512, false), -EROFS);
	assert_int_equal(run(r, DISK_WRITE_ZEROES, 0, NULL, 512, false), -EROFS);
	assert_int_equal(run(r, DISK_FLUSH, 0, NULL, 0, false), 0);
	expect(r, 0, 0, 512);
}

static void test_discard_off(void **state)
{
	struct rig *r = *state;

	r->o.discard = false;
	open_disk(r);
	assert_false(disk_can_discard(r->d));
	assert_int_equal(run(r, DISK_DISCARD, 0, NULL, 512, false), -EOPNOTSUPP);
}

/* With large sectors the guest sees whole ones only, whatever size the file has. */
static void test_large_sectors(void **state)
{
	struct rig *r = *state;
	char buf[8192];

	open_disk(r);
	assert_int_equal(disk_block_bytes(r->d), 512);
	make_file(r->path, 10000);
	r->o.block_bytes = 4096;
	reopen(r);
	assert_int_equal(disk_block_bytes(r->d), 4096);
	assert_int_equal(disk_size_bytes(r->d), 8192);
	assert_int_equal(logged(r, "does not see the last 2048 bytes"), 1);
	assert_int_equal(run(r, DISK_READ, 0, buf, 8192, false), 0);
	assert_int_equal(run(r, DISK_READ, 4096, buf, 8192, false), -EINVAL);
	assert_int_equal(disk_read_sync(r->d, 8000, buf, 200), -EINVAL);
}

/*
 * A file of any size is a disk of whole sectors, whose last one reads as zeros to its end and can
 * be written.
 */
static void partial_tail(struct rig *r)
{
	char sector[512];
	struct stat st;
	int fd;

	make_file(r->path, 10000);
	fd = open(r->path, O_WRONLY);
	assert_int_equal(pwrite(fd, "end", 3, 9997), 3);
	close(fd);
	open_disk(r);
	assert_int_equal(disk_size_bytes(r->d), 10240);
	memset(sector, 9, sizeof(sector));
	assert_int_equal(run(r, DISK_READ, 9728, sector, sizeof(sector), false), 0);
	assert_memory_equal(sector + 268, "\0end\0\0\0", 7);
	assert_int_equal(sector[511], 0);
	assert_int_equal(put(r, 9728, 7, 512), 0);
	expect(r, 9728, 7, 512);
	stat(r->path, &st);
	assert_int_equal(st.st_size, 10240);
}

static void test_partial_tail(void **state)
{
	partial_tail(*state);
}

static void test_partial_tail_direct(void **state)
{
	struct rig *r = *state;

	r->o.cache = DISK_CACHE_NONE;
	partial_tail(r);
}

static void truncated(struct rig *r)
{
	char buf[8192];

	open_disk(r);
	assert_int_equal(put(r, 0, 1, 4096), 0);
	assert_int_equal(truncate(r->path, 6144), 0);
	expect(r, 0, 1, 4096);
	assert_int_equal(run(r, DISK_READ, 4096, buf, sizeof(buf), false), -EIO);
	assert_int_equal(run(r, DISK_READ, 64 * KIB, buf, 512, false), -EIO);
	assert_int_equal(logged(r, "truncated"), 1);
	assert_int_equal(logged(r, "disk.img"), 1);
}

static void test_truncated_uring(void **state)
{
	struct rig *r = *state;

	r->o.aio = DISK_AIO_URING;
	truncated(r);
}

static void test_truncated_threads(void **state)
{
	struct rig *r = *state;

	r->o.aio = DISK_AIO_THREADS;
	truncated(r);
}

/*
 * Simulates a full disk with a limit on the file size: EFBIG in place of ENOSPC, after a short
 * write.
 */
static void test_no_space(void **state)
{
	struct rig *r = *state;
	struct rlimit old, small = { .rlim_cur = 512 * KIB };

	for (int aio = DISK_AIO_URING; aio <= DISK_AIO_THREADS; aio++) {
		r->o.aio = (enum disk_aio)aio;
		open_disk(r);
		getrlimit(RLIMIT_FSIZE, &old);
		small.rlim_max = old.rlim_max;
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &small);
		assert_int_equal(put(r, 508 * KIB, 1, 8192), -EFBIG);
		assert_int_equal(put(r, 600 * KIB, 1, 512), -EFBIG);
		setrlimit(RLIMIT_FSIZE, &old);
		expect(r, 508 * KIB, 1, 4096);
		assert_int_equal(put(r, 600 * KIB, 1, 512), 0);
		disk_close(r->d);
		r->d = NULL;
	}
	assert_int_equal(logged(r, "disk.img: write at byte"), 2);
}

/* An error of one kind does not hide those of another. */
static void test_each_kind_is_logged_once(void **state)
{
	struct rig *r = *state;
	struct rlimit old, small = { .rlim_cur = 512 * KIB };
	char buf[512];

	open_disk(r);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(put(r, 600 * KIB, 1, 512), -EFBIG);
	assert_int_equal(put(r, 601 * KIB, 1, 512), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(truncate(r->path, 6144), 0);
	assert_int_equal(run(r, DISK_READ, 64 * KIB, buf, 512, false), -EIO);
	assert_int_equal(run(r, DISK_READ, 65 * KIB, buf, 512, false), -EIO);
	assert_int_equal(logged(r, "write at byte"), 1);
	assert_int_equal(logged(r, "truncated: read at byte"), 1);
}

/* The kernel has forgotten what was not written: no later flush may succeed, whatever the error. */
static void test_a_failed_flush_stays_failed(void **state)
{
	struct rig *r = *state;

	open_disk(r);
	assert_int_equal(put(r, 0, 1, 4096), 0);
	inject.fdatasync_errno = ENOSPC;
	assert_int_equal(run(r, DISK_FLUSH, 0, NULL, 0, false), -ENOTRECOVERABLE);
	inject.fdatasync_errno = 0;
	assert_int_equal(run(r, DISK_FLUSH, 0, NULL, 0, false), -ENOTRECOVERABLE);
	assert_int_equal(logged(r, "flush failed: No space left on device"), 1);
	assert_int_equal(logged(r, "disk.img"), 1);
}

static void test_interrupted_discards_continue(void **state)
{
	struct rig *r = *state;

	open_disk(r);
	assert_int_equal(put(r, 0, 1, 64 * KIB), 0);
	inject.fallocate_eintrs = 2;
	assert_int_equal(run(r, DISK_DISCARD, 0, NULL, 16 * KIB, false), 0);
	assert_int_equal(inject.fallocate_eintrs, 0);
	inject.fallocate_eintrs = 2;
	assert_int_equal(run(r, DISK_WRITE_ZEROES, 16 * KIB, NULL, 16 * KIB, true), 0);
	assert_int_equal(inject.fallocate_eintrs, 0);
	expect(r, 16 * KIB, 0, 16 * KIB);
	assert_int_equal(logged(r, "disk.img"), 0);
}

/* ---- memory whose file was truncated ---- */

static struct {
	uint8_t *at;
	unsigned int mends;
} lost;

static bool mend_lost(void *ctx)
{
	(void)ctx;
	lost.mends++;
	return mmap(lost.at, EACH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		    -1, 0) != MAP_FAILED;
}

static void lose_page(struct rig *r)
{
	char name[160];
	int fd;

	snprintf(name, sizeof(name), "%s/initrd", r->dir);
	make_file(name, EACH);
	fd = open(name, O_RDWR);
	lost.at = mmap(NULL, EACH, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_true(lost.at != MAP_FAILED);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	unlink(name);
	lost.mends = 0;
}

static void test_a_lost_page_is_mended(void **state)
{
	struct rig *r = *state;

	r->o.mend = mend_lost;
	for (int aio = DISK_AIO_URING; aio <= DISK_AIO_THREADS; aio++) {
		r->o.aio = (enum disk_aio)aio;
		open_disk(r);
		assert_int_equal(put(r, 0, 0xa5, EACH), 0);
		lose_page(r);
		assert_int_equal(run(r, DISK_READ, 0, lost.at, EACH, false), 0);
		assert_int_equal(lost.mends, 1);
		assert_int_equal(lost.at[EACH - 1], 0xa5);
		munmap(lost.at, EACH);
		lose_page(r);
		assert_int_equal(run(r, DISK_WRITE, 0, lost.at, EACH, false), 0);
		assert_int_equal(lost.mends, 1);
		munmap(lost.at, EACH);
		expect(r, 0, 0, EACH);
		disk_close(r->d);
		r->d = NULL;
	}
	assert_int_equal(logged(r, "disk.img"), 0);
}

static void on_bus_error(int signo)
{
	if (mend_lost(NULL))
		return;
	signal(signo, SIG_DFL);
}

/* A pool thread copies a guarded first sector itself: its SIGBUS must reach the handler. */
static void test_a_thread_of_the_pool_is_mended_too(void **state)
{
	struct rig *r = *state;

	signal(SIGBUS, on_bus_error);
	r->o.format = NULL;
	open_disk(r);
	lose_page(r);
	assert_int_equal(run(r, DISK_WRITE, 0, lost.at, EACH, false), 0);
	assert_int_equal(lost.mends, 1);
	munmap(lost.at, EACH);
	signal(SIGBUS, SIG_DFL);
}

static void write_text(struct rig *r, uint64_t offset, const char *text, size_t len, int want)
{
	char sector[1024] = { 0 };

	memcpy(sector, text, len);
	assert_int_equal(run(r, DISK_WRITE, offset, sector, sizeof(sector), false), want);
}

static void test_guard(void **state)
{
	struct rig *r = *state;

	r->o.format = NULL;
	open_disk(r);
	write_text(r, 0, "QFI\xfb\0\0\0\3", 8, -EPERM);
	write_text(r, 0, "QFI\xfb\0\0\0\1", 8, -EPERM);
	write_text(r, 0, "KDMV", 4, -EPERM);
	write_text(r, 0, "# Disk DescriptorFile\nversion=1", 31, -EPERM);
	assert_int_equal(logged(r, "format=raw"), 1);
	expect(r, 0, 0, 1024);
	write_text(r, 512, "QFI\xfb\0\0\0\3", 8, 0);
	write_text(r, 0, "\xeb\x63\x90", 3, 0);
	reopen(r);
	r->o.format = "raw";
	reopen(r);
	write_text(r, 0, "QFI\xfb\0\0\0\3", 8, 0);
	disk_close(r->d);
	r->d = NULL;
	r->o.format = NULL;
	assert_true(disk_open(&r->d, &r->o, &r->loop) < 0); /* now it is an invalid qcow2 */
}

static void test_other_format(void **state)
{
	struct rig *r = *state;
	int fd = open(r->path, O_WRONLY);

	assert_int_equal(pwrite(fd, "vhdxfile", 8, 0), 8);
	close(fd);
	r->o.format = NULL;
	assert_int_equal(disk_open(&r->d, &r->o, &r->loop), -EINVAL);
	assert_int_equal(logged(r, "looks like VHDX"), 1);
	/* LUKS is the guest's own encryption: its header names no other file. */
	fd = open(r->path, O_WRONLY);
	assert_int_equal(pwrite(fd, "LUKS\xba\xbe\0\2", 8, 0), 8);
	close(fd);
	open_disk(r);
	write_text(r, 0, "LUKS\xba\xbe\0\1", 8, 0);
	disk_close(r->d);
	r->d = NULL;
	r->o.format = "vhdx";
	assert_int_equal(disk_open(&r->d, &r->o, &r->loop), -ENOTSUP);
	assert_int_equal(logged(r, "has the format vhdx"), 1);
	r->o.format = "raw";
	open_disk(r);
}

static int open_second(struct rig *r, bool read_only, bool snapshot)
{
	struct disk_options o = r->o;
	struct disk *d;
	int err;

	o.read_only = read_only;
	o.snapshot = snapshot;
	err = disk_open(&d, &o, &r->loop);
	if (!err)
		disk_close(d);
	return err;
}

static void test_locks(void **state)
{
	struct rig *r = *state;

	open_disk(r);
	assert_int_equal(open_second(r, false, false), -EBUSY);
	assert_int_equal(open_second(r, true, false), -EBUSY);
	assert_int_equal(open_second(r, false, true), -EBUSY);
	assert_int_equal(logged(r, "this machine has it already"), 3);
	r->o.read_only = true;
	reopen(r);
	assert_int_equal(open_second(r, true, false), 0);
	assert_int_equal(open_second(r, false, true), 0);
	assert_int_equal(open_second(r, false, false), -EBUSY);
	disk_close(r->d);
	r->d = NULL;
	assert_int_equal(open_second(r, false, false), 0);
}

/* The message names the process that has it. */
static void test_lock_owner(void **state)
{
	struct rig *r = *state;
	int go[2], up[2], status;
	char want[64], c = 0;
	pid_t pid;

	assert_int_equal(pipe(go) | pipe(up), 0);
	pid = fork();
	if (pid == 0) {
		int err = disk_open(&r->d, &r->o, &r->loop);

		if (write(up[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(err != 0);
	}
	assert_int_equal(read(up[0], &c, 1), 1);
	assert_int_equal(disk_open(&r->d, &r->o, &r->loop), -EBUSY);
	snprintf(want, sizeof(want), "in use by process %d (", (int)pid);
	assert_int_equal(logged(r, want), 1);
	assert_int_equal(write(go[1], &c, 1), 1);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	open_disk(r);
}

static void test_not_a_disk(void **state)
{
	struct rig *r = *state;
	const char *no[] = { "/dev/null", "/", "/nonexistent/disk.img" };

	for (unsigned int i = 0; i < ARRAY_SIZE(no); i++) {
		r->o.path = no[i];
		assert_true(disk_open(&r->d, &r->o, &r->loop) < 0);
		assert_int_equal(logged(r, no[i]) > 0, 1);
	}
	r->o.path = r->path;
}

/* ---- many at once ---- */

#define MANY 500

static void test_many(void **state)
{
	struct rig *r = *state;
	struct waited *w = calloc(MANY, sizeof(*w));
	unsigned char *buf = malloc(MANY * 1024);

	open_disk(r);
	for (int op = DISK_WRITE; op >= DISK_READ; op--) {
		for (unsigned int i = 0; i < MANY; i++) {
			if (op == DISK_WRITE)
				memset(buf + i * 1024, (int)(i + 1), 1024);
			w[i] = (struct waited){ .req = { .op = (enum disk_op)op,
							 .offset_bytes = i * 1024,
							 .len_bytes = 1024,
							 .done = on_done } };
			w[i].iov[0] = (struct iovec){ buf + i * 1024, 100 };
			w[i].iov[1] = (struct iovec){ buf + i * 1024 + 100, 924 };
			w[i].req.iov = w[i].iov;
			w[i].req.nr_iov = 2;
			disk_submit(r->d, &w[i].req);
		}
		disk_kick(r->d);
		disk_drain(r->d);
		for (unsigned int i = 0; i < MANY; i++) {
			assert_int_equal(w[i].calls, 1);
			assert_int_equal(w[i].result, 0);
			assert_int_equal(buf[i * 1024 + 1023], (i + 1) & 0xff);
		}
		memset(buf, 0, MANY * 1024);
	}
	free(buf);
	free(w);
}

/* Adjacent reads are one system call, but each has its own completion. */
static void test_neighbours(void **state)
{
	struct rig *r = *state;
	unsigned char *buf = malloc(NR * EACH);
	struct waited w[NR];

	open_disk(r);
	for (unsigned int i = 0; i < NR; i++) {
		assert_int_equal(put(r, i * EACH, (int)i + 1, EACH), 0);
		w[i] = (struct waited){
			.req = { .op = DISK_READ, .len_bytes = EACH, .done = on_done }
		};
		w[i].req.offset_bytes = i * EACH;
		w[i].iov[0] = (struct iovec){ buf + i * EACH, EACH };
		w[i].req.iov = w[i].iov;
		w[i].req.nr_iov = 1;
	}
	w[2].iov[0].iov_base = (void *)4096;	/* memory that is not mapped */
	w[3].req.offset_bytes = 100 * EACH;	/* not a neighbour */
	w[6].req.offset_bytes = DISK_BYTES;	/* beyond the end */
	w[7].req.offset_bytes = 7 * EACH + 512; /* across the file's new end, set below */
	assert_int_equal(truncate(r->path, 8 * EACH), 0);
	memset(buf, 0xee, NR * EACH);
	for (unsigned int i = 0; i < NR; i++)
		disk_submit(r->d, &w[i].req);
	disk_kick(r->d);
	disk_drain(r->d);
	for (unsigned int i = 0; i < NR; i++) {
		bool bad = i == 2 || i == 3 || i == 6 || i == 7;

		assert_int_equal(w[i].calls, 1);
		assert_int_equal(w[i].result, i == 2 ? -EFAULT : i == 6 ? -EINVAL : bad ? -EIO : 0);
		if (!bad)
			assert_int_equal(buf[i * EACH + EACH - 1], i + 1);
	}
	free(buf);
}

/* disk_drain() starts requests that disk_kick() has not started. */
static void test_drain_alone(void **state)
{
	struct rig *r = *state;
	unsigned char buf[512] = { 1 };
	struct waited w = {
		.req = { .op = DISK_READ, .len_bytes = 512, .nr_iov = 1, .done = on_done }
	};

	open_disk(r);
	w.iov[0] = (struct iovec){ buf, 512 };
	w.req.iov = w.iov;
	disk_submit(r->d, &w.req);
	disk_drain(r->d);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.result, 0);
	assert_int_equal(buf[0], 0);
}

/* Two queues' threads at once, with completions on the loop's thread too. */
struct submitter {
	struct rig *r;
	uint64_t base;
	_Atomic int done, bad;
};

struct counted {
	struct disk_request req;
	struct iovec iov;
	struct submitter *s;
};

static void on_counted(struct disk_request *req, int result)
{
	struct counted *c = (struct counted *)req;

	c->s->bad += result != 0;
	c->s->done++;
}

static void *submit_all(void *arg)
{
	struct submitter *s = arg;
	struct counted *c = calloc(MANY, sizeof(*c));
	unsigned char buf[512] = { 1 };

	for (unsigned int i = 0; i < MANY; i++) {
		c[i] = (struct counted){ .s = s, .iov = { buf, sizeof(buf) } };
		c[i].req = (struct disk_request){ .op = i % 3 == 2 ? DISK_READ
							: i % 3	   ? DISK_WRITE
								   : DISK_FLUSH,
						  .offset_bytes = s->base + i * 512,
						  .len_bytes = 512,
						  .iov = &c[i].iov,
						  .nr_iov = 1,
						  .done = on_counted };
		disk_submit(s->r->d, &c[i].req);
		if (i % 7 == 0)
			disk_kick(s->r->d);
	}
	disk_kick(s->r->d);
	while (s->done < MANY)
		usleep(1000);
	free(c);
	return NULL;
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void test_threads_submit(void **state)
{
	struct rig *r = *state;
	struct submitter s[2] = { { .r = r }, { .r = r, .base = 512 * KIB } };
	pthread_t thread[2], loop_thread;

	open_disk(r);
	pthread_create(&loop_thread, NULL, run_loop, &r->loop);
	for (unsigned int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, submit_all, &s[i]);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	loop_stop(&r->loop);
	pthread_join(loop_thread, NULL);
	assert_int_equal(s[0].done + s[1].done, 2 * MANY);
	assert_int_equal(s[0].bad + s[1].bad, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(uring),
		TEST(threads),
		TEST(direct),
		TEST(writethrough),
		TEST(snapshot_operations),
		TEST(bounds),
		TEST(read_only),
		TEST(discard_off),
		TEST(large_sectors),
		TEST(partial_tail),
		TEST(partial_tail_direct),
		TEST(truncated_uring),
		TEST(truncated_threads),
		TEST(no_space),
		TEST(each_kind_is_logged_once),
		TEST(a_failed_flush_stays_failed),
		TEST(interrupted_discards_continue),
		TEST(a_lost_page_is_mended),
		TEST(a_thread_of_the_pool_is_mended_too),
		TEST(guard),
		TEST(other_format),
		TEST(locks),
		TEST(lock_owner),
		TEST(not_a_disk),
		TEST(many),
		TEST(neighbours),
		TEST(drain_alone),
		TEST(threads_submit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
