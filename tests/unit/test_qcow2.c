/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests qcow2 images made and damaged by hand: every header value that must be refused, and what is
 * supported in both versions.
 *
 * This includes all cluster sizes and refcount widths, backing files that must not be followed, and
 * refcounts that must be rebuilt. tests/disk.sh checks images with qemu-img.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/messages.h"
#include "virtio/device/disk_formats.h"

#include "kvm/log.h"

#include "unit/qcow2_image.h"
#include "virtio/qcow2/qcow2.h"
#include "virtio/qcow2/qcow2_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* These replace libc's, for the disk layer too. */
static _Atomic unsigned int reads, main_reads, failing_read;
static struct qcow2 *watched;		    /* a write at @watched_at looks at its map_lock */
static uint64_t watched_at, watched_shared; /* how often it could be locked shared */

ssize_t preadv(int fd, const struct iovec *iov, int nr, off_t offset);
ssize_t pwritev(int fd, const struct iovec *iov, int nr, off_t offset);

ssize_t preadv(int fd, const struct iovec *iov, int nr, off_t offset)
{
	atomic_fetch_add(&reads, 1);
	if (gettid() == getpid())
		atomic_fetch_add(&main_reads, 1);
	if (atomic_load(&failing_read) && atomic_fetch_sub(&failing_read, 1) == 1) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_preadv, fd, iov, nr, offset, 0);
}

ssize_t pwritev(int fd, const struct iovec *iov, int nr, off_t offset)
{
	if (watched && (uint64_t)offset == watched_at &&
	    !pthread_rwlock_tryrdlock(&watched->map_lock)) {
		watched_shared++;
		pthread_rwlock_unlock(&watched->map_lock);
	}
	return syscall(SYS_pwritev, fd, iov, nr, offset, 0);
}

struct rig {
	char dir[64], path[128], base[128], log[128];
	struct messages messages;
	struct loop loop;
	struct disk *d;
	struct disk_options o;
	unsigned int lines;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->dir, "/tmp/test_qcow2.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/disk.qcow2", r->dir);
	snprintf(r->base, sizeof(r->base), "%s/base", r->dir);
	snprintf(r->log, sizeof(r->log), "%s/log", r->dir);
	assert_int_equal(loop_init(&r->loop), 0);
	assert_int_equal(messages_begin(&r->messages, r->log), 0);
	r->o = (struct disk_options){
		.path = r->path, .format = "qcow2", .formats = disk_formats, .discard = true
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
	unlink(r->base);
	unlink(r->log);
	rmdir(r->dir);
	free(r);
	return 0;
}

static void store(const char *path, const struct image *m)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, m->bytes, m->len), (ssize_t)m->len);
	close(fd);
}

static struct image load(const char *path, struct image like)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	fstat(fd, &st);
	like.len = (uint64_t)st.st_size;
	like.bytes = malloc(like.len);
	assert_int_equal(read(fd, like.bytes, like.len), st.st_size);
	close(fd);
	return like;
}

/* Returns the number of log lines since the last call. *@found: whether one contains @text. */
static unsigned int new_lines(struct rig *r, const char *text, bool *found)
{
	char line[1024];
	unsigned int n = 0, fresh;
	FILE *f = fopen(r->log, "r");

	*found = false;
	while (fgets(line, sizeof(line), f)) {
		if (n++ >= r->lines && strstr(line, text))
			*found = true;
	}
	fclose(f);
	fresh = n - r->lines;
	r->lines = n;
	return fresh;
}

static void open_disk(struct rig *r)
{
	assert_int_equal(disk_open(&r->d, &r->o, &r->loop), 0);
}

static void close_disk(struct rig *r)
{
	disk_close(r->d);
	r->d = NULL;
}

static void refused(struct rig *r, const char *text, unsigned int lines)
{
	bool found;

	assert_true(disk_open(&r->d, &r->o, &r->loop) < 0);
	assert_int_equal(new_lines(r, text, &found), lines);
	if (!found)
		fail_msg("no line with: %s", text);
}

static int last_result;

static void on_done(struct disk_request *req, int result)
{
	(void)req;
	last_result = result;
}

static int run(struct rig *r, enum disk_op op, uint64_t offset, void *buf, uint64_t len, bool unmap)
{
	struct iovec iov = { buf, len };
	struct disk_request req = { .op = op,
				    .offset_bytes = offset,
				    .len_bytes = len,
				    .iov = &iov,
				    .nr_iov = 1,
				    .unmap = unmap,
				    .done = on_done };

	disk_submit(r->d, &req);
	disk_kick(r->d);
	disk_drain(r->d);
	return last_result;
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

struct spoilt {
	unsigned int at, width;
	uint64_t value;
	const char *text;
};

static void test_bad_headers(void **state)
{
	static const struct spoilt list[] = {
		{ 0, 4, 0x51464900, "not a qcow2 image" },
		{ 4, 4, 1, "version 1" },
		{ 4, 4, 4, "version other" },
		{ 20, 4, 8, "cluster size is not" },
		{ 20, 4, 22, "cluster size is not" },
		{ 20, 4, 0xffffffff, "cluster size is not" },
		{ 24, 8, UINT64_MAX, "size is too large" },
		{ 24, 8, INT64_MAX - 1023, "L1 table is too small" },
		{ 24, 8, 1ULL << 40, "L1 table is too small" },
		{ 32, 4, 1, "AES" },
		{ 32, 4, 2, "LUKS" },
		{ 32, 4, 3, "unknown method" },
		{ 36, 4, 0, "L1 table is too small" },
		{ 36, 4, 0xffffffff, "larger than 32 MiB" },
		{ 36, 4, 0x400000, "not inside the file" },
		{ 40, 8, 0, "not inside the file" },
		{ 40, 8, 3 * 4096 + 8, "not inside the file" },
		{ 40, 8, 1ULL << 40, "not inside the file" },
		{ 40, 8, UINT64_MAX - 4095, "not inside the file" },
		{ 48, 8, 0, "not inside the file" },
		{ 48, 8, 4097, "not inside the file" },
		{ 48, 8, UINT64_MAX - 4095, "not inside the file" },
		{ 56, 4, 0, "refcount table is empty" },
		{ 56, 4, 0xffffffff, "larger than 8 MiB" },
		{ 56, 4, 2048, "not inside the file" },
		{ 60, 4, 65537, "more than 65536 snapshots" },
		{ 60, 4, 1, "snapshot table is not inside" },
		{ 72, 8, 2, "marked corrupt" },
		{ 72, 8, 4, "external file" },
		{ 72, 8, 16, "extended L2" },
		{ 72, 8, 32, "unknown (incompatible bit 5)" },
		{ 72, 8, 1ULL << 63, "incompatible bit 63" },
		{ 96, 4, 7, "wider than 64" },
		{ 96, 4, 0xffffffff, "wider than 64" },
		{ 100, 4, 96, "header's length" },
		{ 100, 4, 4104, "header's length" },
		{ 100, 4, 108, "header's length" },
		{ 8, 8, 4096, "name is not valid" },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		struct image m = image_make(3, 12, 4, 8 * MIB);

		if (list[i].width == 4)
			image_put32(&m, list[i].at, (uint32_t)list[i].value);
		else
			image_put64(&m, list[i].at, list[i].value);
		store(r->path, &m);
		free(m.bytes);
		refused(r, list[i].text, 1);
	}
}

static void test_truncated_headers(void **state)
{
	struct rig *r = *state;
	struct image m = image_make(3, 12, 4, 8 * MIB);

	for (uint64_t len = 0; len < m.len; len += len < 120 ? 7 : 1500) {
		struct image cut = m;

		cut.len = len;
		store(r->path, &cut);
		assert_true(disk_open(&r->d, &r->o, &r->loop) < 0 || len > 3 * 4096);
		close_disk(r);
	}
	free(m.bytes);
}

static void test_extensions(void **state)
{
	struct rig *r = *state;
	struct image m = image_make(3, 12, 4, 8 * MIB);

	image_put32(&m, 104, 0x6803f857);
	image_put32(&m, 108, 48);
	m.bytes[112] = 0;
	m.bytes[113] = 7;
	strcpy((char *)m.bytes + 114, "time\x01travel");
	image_put64(&m, 72, 1 << 7);
	store(r->path, &m);
	refused(r, "time?travel (incompatible bit 7)", 1);
	image_put64(&m, 72, 0);
	image_put32(&m, 108, 4096);
	store(r->path, &m);
	refused(r, "beyond the first cluster", 1);
	image_put32(&m, 108, 0xffffffff);
	store(r->path, &m);
	refused(r, "beyond the first cluster", 1);
	image_put32(&m, 104, 0xe2792aca);
	image_put32(&m, 108, 40);
	store(r->path, &m);
	refused(r, "format is too long", 1);
	free(m.bytes);
}

/* Writes, zeroes and discards everywhere in an image, and again after it was reopened. */
static void exercise(struct rig *r, uint64_t cluster, uint64_t size)
{
	uint64_t step = align_up(size / 13, cluster) + 512;

	open_disk(r);
	assert_int_equal(disk_size_bytes(r->d), size);
	expect(r, size - 512, 0, 512);
	for (uint64_t at = 0, i = 1; at + 2048 <= size; at += step, i++)
		assert_int_equal(put(r, at, (int)i, 2048), 0);
	assert_int_equal(put(r, size - 512, 0xee, 512), 0);
	assert_int_equal(run(r, DISK_FLUSH, 0, NULL, 0, false), 0);
	assert_int_equal(run(r, DISK_WRITE_ZEROES, step, NULL, 1024, true), 0);
	assert_int_equal(run(r, DISK_DISCARD, 0, NULL, align_up(2048, cluster), false), 0);
	for (int round = 0; round < 2; round++) {
		for (uint64_t at = 2 * step, i = 3; at + 2048 <= size - 512; at += step, i++)
			expect(r, at, (int)i, 2048);
		expect(r, step, 0, 1024);
		expect(r, step + 1024, 2, 1024);
		expect(r, size - 512, 0xee, 512);
		expect(r, 0, 0, 2048);
		close_disk(r);
		open_disk(r);
	}
	close_disk(r);
}

static void test_sizes(void **state)
{
	struct rig *r = *state;

	for (unsigned int version = 2; version <= 3; version++) {
		for (unsigned int bits = 9; bits <= 21; bits++) {
			for (unsigned int order = version == 2 ? 4 : 0;
			     order <= (version == 2 ? 4 : 6); order++) {
				struct image m = image_make(version, bits, order, 3 * MIB + 512);

				store(r->path, &m);
				free(m.bytes);
				exercise(r, 1ULL << bits, 3 * MIB + 512);
			}
		}
	}
}

/* More clusters than the first refcount table can describe: larger tables replace it. */
static void test_refcount_table_grows(void **state)
{
	struct rig *r = *state;
	struct image m = image_make(3, 9, 6, 6 * MIB), after;

	store(r->path, &m);
	open_disk(r);
	for (uint64_t at = 0; at < 6 * MIB; at += 256 * KIB)
		assert_int_equal(put(r, at, (int)(at >> 18) + 1, 256 * KIB), 0);
	close_disk(r);
	after = load(r->path, m);
	assert_true(image_get64(&after, 48) != m.reftable);
	open_disk(r);
	for (uint64_t at = 0; at < 6 * MIB; at += 256 * KIB)
		expect(r, at, (int)(at >> 18) + 1, 256 * KIB);
	free(after.bytes);
	free(m.bytes);
}

/* ---- clusters of all kinds ---- */

/* Puts an L2 table at cluster 4 and a data cluster at 5. */
static struct image make_mapped(uint64_t entry)
{
	struct image m = image_make(3, 12, 4, 64 * KIB), big = m;

	big.len = 8 * m.cluster;
	big.bytes = calloc(1, big.len);
	memcpy(big.bytes, m.bytes, m.len);
	free(m.bytes);
	image_count(&big, 4, 6);
	image_put64(&big, big.l1, 4 * 4096 | 1ULL << 63);
	image_put64(&big, 4 * 4096, entry);
	memset(big.bytes + 5 * 4096, 0x77, 4096);
	return big;
}

static void test_zero_cluster_with_space(void **state)
{
	struct rig *r = *state;
	struct image m = make_mapped(5 * 4096 | 1ULL << 63 | 1), after;

	store(r->path, &m);
	open_disk(r);
	expect(r, 0, 0, 4096);
	assert_int_equal(put(r, 1024, 9, 512), 0);
	expect(r, 0, 0, 1024);
	expect(r, 1024, 9, 512);
	expect(r, 1536, 0, 2560);
	close_disk(r);
	after = load(r->path, m);
	assert_int_equal(image_get64(&after, 4 * 4096), 5 * 4096 | 1ULL << 63);
	free(after.bytes);
	free(m.bytes);
}

/* 4096 times 'a', compressed by zlib */
static const unsigned char packed_a[] = { 0xed, 0xc1, 0x01, 0x0d, 0x00, 0x00, 0x00, 0xc2,
					  0xa0, 0xac, 0xef, 0x5f, 0xc2, 0x1e, 0x0e, 0x28,
					  0x00, 0x00, 0x00, 0xe0, 0xdd, 0x00 };

/*
 * Two compressed clusters in one cluster of the file; the second one's sectors extend beyond the
 * file's last one.
 */
static struct image make_compressed(void)
{
	struct image m = make_mapped(1ULL << 62 | 5 * 4096);

	memset(m.bytes + 5 * 4096, 0, 4096);
	memcpy(m.bytes + 5 * 4096, packed_a, sizeof(packed_a));
	memcpy(m.bytes + 5 * 4096 + 4000, packed_a, sizeof(packed_a));
	image_put64(&m, 4 * 4096 + 8, 1ULL << 62 | (5 * 4096 + 4000));
	m.bytes[m.refblock + 5 * 2 + 1] = 2;
	m.len = 5 * 4096 + 4000 + sizeof(packed_a);
	return m;
}

static void test_compressed(void **state)
{
	struct rig *r = *state;
	struct image m = make_compressed(), after;

	store(r->path, &m);
	open_disk(r);
	expect(r, 0, 'a', 8192);
	expect(r, 512, 'a', 512);
	expect(r, 3584, 'a', 1024);
	expect(r, 8192, 0, 4096);
	assert_int_equal(put(r, 512, 1, 512), 0);
	expect(r, 0, 'a', 512);
	expect(r, 512, 1, 512);
	expect(r, 1024, 'a', 7168);
	close_disk(r);
	after = load(r->path, m);
	assert_int_equal(image_get64(&after, 4 * 4096), 6 * 4096 | 1ULL << 63);
	assert_int_equal(image_get64(&after, 4 * 4096 + 8), 1ULL << 62 | (5 * 4096 + 4000));
	assert_int_equal(after.bytes[m.refblock + 5 * 2 + 1], 1);
	assert_int_equal(after.bytes[m.refblock + 6 * 2 + 1], 1);
	free(after.bytes);
	open_disk(r);
	assert_int_equal(run(r, DISK_DISCARD, 4096, NULL, 4096, false), 0);
	expect(r, 4096, 0, 4096);
	close_disk(r);
	after = load(r->path, m);
	assert_int_equal(after.bytes[m.refblock + 5 * 2 + 1], 0);
	free(after.bytes);
	free(m.bytes);
}

/* An invalid, truncated or missing stream: an I/O error and one line; the other stream is read. */
static void test_compressed_malformed(void **state)
{
	struct rig *r = *state;
	struct image m = make_compressed();
	char buf[4096];
	bool found;

	m.bytes[5 * 4096] = 0xff;
	store(r->path, &m);
	open_disk(r);
	expect(r, 4096, 'a', 4096);
	assert_int_equal(run(r, DISK_READ, 0, buf, 512, false), -EUCLEAN);
	assert_int_equal(run(r, DISK_READ, 0, buf, 4096, false), -EUCLEAN);
	assert_int_equal(put(r, 512, 1, 512), -EUCLEAN);
	assert_int_equal(new_lines(r, "cannot be unpacked", &found), 1);
	assert_true(found);
	expect(r, 4096, 'a', 4096);
	assert_int_equal(put(r, 0, 1, 4096), 0);
	expect(r, 0, 1, 4096);
	close_disk(r);
	m.len -= 8;
	store(r->path, &m);
	open_disk(r);
	assert_int_equal(run(r, DISK_READ, 4096, buf, 512, false), -EUCLEAN);
	close_disk(r);
	image_put64(&m, 4 * 4096 + 8, 1ULL << 62 | 9 * 4096);
	store(r->path, &m);
	open_disk(r);
	assert_int_equal(run(r, DISK_READ, 4096, buf, 512, false), -EUCLEAN);
	free(m.bytes);
}

static void test_compression_type(void **state)
{
	struct rig *r = *state;
	struct image m = image_make(3, 12, 4, 8 * MIB);

	image_put32(&m, 100, 112);
	store(r->path, &m);
	open_disk(r);
	close_disk(r);
	m.bytes[104] = 1;
	store(r->path, &m);
	refused(r, "contradicts itself about compression", 1);
	image_put64(&m, 72, 8);
	store(r->path, &m);
	open_disk(r);
	close_disk(r);
	m.bytes[104] = 2;
	store(r->path, &m);
	refused(r, "unknown method", 1);
	m.bytes[104] = 0;
	store(r->path, &m);
	refused(r, "contradicts itself about compression", 1);
	free(m.bytes);
}

/* Entries that point to impossible places: an I/O error and one line, and the machine continues. */
static void test_bad_mappings(void **state)
{
	static const uint64_t bad[] = {
		5 * 4096 | 512 | 1ULL << 63, 0x00fffffffffff000 | 1ULL << 63, 4096 | 1ULL << 63,
		3 * 4096 | 1ULL << 63,	     100 * 4096 | 1ULL << 63,	      1ULL << 62,
	};
	struct rig *r = *state;
	char buf[512];
	bool found;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct image m = make_mapped(bad[i]);

		store(r->path, &m);
		open_disk(r);
		assert_int_equal(run(r, DISK_READ, 0, buf, 512, false), -EUCLEAN);
		assert_int_equal(put(r, 0, 1, 512), -EUCLEAN);
		expect(r, 4096, 0, 4096);
		close_disk(r);
		assert_int_equal(new_lines(r, "corrupt", &found), 1);
		assert_true(found);
		image_put64(&m, m.l1, bad[i]);
		store(r->path, &m);
		open_disk(r);
		assert_int_equal(put(r, 0, 1, 512),
				 /* L1 entries do not have this bit */
				 bad[i] == 1ULL << 62 ? 0 : -EUCLEAN);
		close_disk(r);
		new_lines(r, "", &found);
		free(m.bytes);
	}
}

/*
 * A cluster that a snapshot shares is copied, and its refcount decreases once the copy is on the
 * disk.
 */
static void test_shared_cluster(void **state)
{
	struct rig *r = *state;
	struct image m = make_mapped(5 * 4096), after;

	m.bytes[m.refblock + 5 * 2 + 1] = 2;
	store(r->path, &m);
	open_disk(r);
	expect(r, 0, 0x77, 4096);
	assert_int_equal(put(r, 512, 1, 512), 0);
	expect(r, 0, 0x77, 512);
	expect(r, 512, 1, 512);
	expect(r, 1024, 0x77, 3072);
	close_disk(r);
	after = load(r->path, m);
	assert_int_equal(after.bytes[m.refblock + 5 * 2 + 1], 1);
	assert_int_equal(after.bytes[5 * 4096 + 512], 0x77);
	assert_int_equal(image_get64(&after, 4 * 4096), 6 * 4096 | 1ULL << 63);
	assert_int_equal(after.bytes[m.refblock + 6 * 2 + 1], 1);
	free(after.bytes);
	free(m.bytes);
}

/* ---- features ---- */

static void test_dirty_is_repaired(void **state)
{
	struct rig *r = *state;
	struct image m = make_mapped(5 * 4096 | 1ULL << 63), after;
	bool found;

	image_put64(&m, 72, 1);
	memset(m.bytes + m.refblock, 0, 40);
	m.bytes[m.refblock + 7 * 2 + 1] = 3;
	store(r->path, &m);
	r->o.read_only = true;
	open_disk(r);
	expect(r, 0, 0x77, 4096);
	close_disk(r);
	r->o.read_only = false;
	open_disk(r);
	assert_int_equal(new_lines(r, "7 refcounts updated", &found), 1);
	assert_true(found);
	close_disk(r);
	after = load(r->path, m);
	assert_int_equal(image_get64(&after, 72), 0);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(after.bytes[m.refblock + 2 * i + 1], i < 6);
	free(after.bytes);
	free(m.bytes);
}

static uint64_t header_now(struct rig *r, struct image like, uint64_t at)
{
	struct image now = load(r->path, like);
	uint64_t value = image_get64(&now, at);

	free(now.bytes);
	return value;
}

/* Autoclear bits go with the first write, not before, and bit 0 (bitmaps) is reported. */
static void test_autoclear(void **state)
{
	const uint64_t bits = 1ULL << 40 | 1;
	struct rig *r = *state;
	struct image m = image_make(3, 12, 4, MIB);
	char buf[512];
	bool found;

	image_put64(&m, 80, 1ULL << 60 | 1); /* compatible: ignored, stays */
	image_put64(&m, 88, bits);
	store(r->path, &m);
	for (int ro = 1; ro >= 0; ro--) {
		r->o.read_only = ro;
		open_disk(r);
		assert_int_equal(run(r, DISK_READ, 0, buf, 512, false), 0);
		assert_int_equal(run(r, DISK_FLUSH, 0, NULL, 0, false), 0);
		close_disk(r);
		assert_int_equal(header_now(r, m, 88), bits);
	}
	open_disk(r);
	assert_int_equal(put(r, 0, 1, 512), 0);
	assert_int_equal(header_now(r, m, 88), 0);
	assert_int_equal(put(r, 0, 2, 512), 0);
	assert_int_equal(new_lines(r, "persistent bitmaps are not valid any more", &found), 1);
	assert_true(found);
	close_disk(r);
	assert_int_equal(header_now(r, m, 80), 1ULL << 60 | 1);
	free(m.bytes);
}

/* A repair frees the bitmaps' clusters, so the bits are cleared first, even if it then fails. */
static void test_autoclear_before_repair(void **state)
{
	struct rig *r = *state;
	struct image m = make_mapped(100 * 4096 | 1ULL << 63);

	image_put64(&m, 72, 1);
	image_put64(&m, 88, 1);
	store(r->path, &m);
	refused(r, "a reference beyond the end", 3);
	assert_int_equal(header_now(r, m, 88), 0);
	free(m.bytes);
}

/* ---- contradictions between tables ---- */

/* As make_mapped(), with a snapshot table in cluster 6 and the snapshot's L1 table in cluster 7. */
static struct image make_with_snapshot(uint64_t entry)
{
	struct image m = make_mapped(entry);

	image_count(&m, 4, 8);
	image_put32(&m, 60, 1);
	image_put64(&m, 64, 6 * 4096);
	image_put64(&m, 6 * 4096, 7 * 4096);
	image_put32(&m, 6 * 4096 + 8, 1);
	return m;
}

/* No further write works, the tables are as in @m, and the image opens only for reading. */
static void expect_marked(struct rig *r, const struct image *m)
{
	struct image after;

	assert_int_equal(put(r, 0, 1, 512), -EUCLEAN);
	assert_int_equal(put(r, 32 * KIB, 1, 512), -EUCLEAN);
	assert_int_equal(run(r, DISK_DISCARD, 0, NULL, 4096, false), -EUCLEAN);
	assert_int_equal(run(r, DISK_WRITE_ZEROES, 0, NULL, 4096, true), -EUCLEAN);
	assert_int_equal(run(r, DISK_FLUSH, 0, NULL, 0, false), 0);
	close_disk(r);
	after = load(r->path, *m);
	assert_int_equal(image_get64(&after, 72), 2);
	image_put64(&after, 72, 0);
	assert_int_equal(after.len, m->len);
	assert_memory_equal(after.bytes, m->bytes, m->len);
	free(after.bytes);
	refused(r, "marked corrupt", 1);
	r->o.read_only = true;
	open_disk(r);
	expect(r, 32 * KIB, 0, 512);
	close_disk(r);
	r->o.read_only = false;
}

/* Refcount 0 for a table: it is not taken for data. */
static void test_table_looks_free(void **state)
{
	static const unsigned int tables[] = { 1, 2, 3, 4, 6, 7 };
	struct rig *r = *state;
	bool found;

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct image m = make_with_snapshot(5 * 4096 | 1ULL << 63);

		m.bytes[m.refblock + tables[i] * 2 + 1] = 0;
		store(r->path, &m);
		open_disk(r);
		assert_int_equal(put(r, 8192, 1, 4096), -EUCLEAN);
		assert_int_equal(new_lines(r, "refcount 0 for a table", &found), 1);
		assert_true(found);
		expect(r, 0, 0x77, 4096);
		expect_marked(r, &m);
		new_lines(r, "", &found);
		free(m.bytes);
	}
}

/* A cluster of data that holds a table: it is not written in place. */
static void test_data_in_a_table(void **state)
{
	static const uint64_t tables[] = { 1, 2, 3, 4, 6, 7 };
	struct rig *r = *state;
	bool found;

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct image m = make_with_snapshot(tables[i] * 4096 | 1ULL << 63);

		store(r->path, &m);
		open_disk(r);
		assert_int_equal(put(r, 0, 1, 4096), -EUCLEAN);
		assert_int_equal(new_lines(r, "data in the cluster of a table", &found), 1);
		assert_true(found);
		expect_marked(r, &m);
		new_lines(r, "", &found);
		free(m.bytes);
	}
}

/* A refcount table whose entries all name one block, in which no cluster is free. */
static void test_refcount_block_twice(void **state)
{
	struct rig *r = *state;
	struct image m = make_mapped(5 * 4096 | 1ULL << 63);
	bool found;

	for (unsigned int i = 0; i < 512; i++)
		image_put64(&m, m.reftable + i * 8, m.refblock);
	memset(m.bytes + m.refblock, 0xff, 4096);
	store(r->path, &m);
	open_disk(r);
	assert_int_equal(put(r, 8192, 1, 4096), -EUCLEAN);
	assert_int_equal(new_lines(r, "two tables in one cluster", &found), 1);
	assert_true(found);
	expect_marked(r, &m);
	image_put64(&m, 72, 1);
	store(r->path, &m);
	refused(r, "a refcount block in a cluster in use", 2);
	free(m.bytes);
}

/* Version 2 has no place for the mark. */
static void test_no_mark_in_version_2(void **state)
{
	struct rig *r = *state;
	struct image m = make_with_snapshot(5 * 4096 | 1ULL << 63), after;

	image_put32(&m, 4, 2);
	m.bytes[m.refblock + 4 * 2 + 1] = 0;
	store(r->path, &m);
	open_disk(r);
	assert_int_equal(put(r, 8192, 1, 4096), -EUCLEAN);
	assert_int_equal(put(r, 0, 1, 4096), -EUCLEAN);
	close_disk(r);
	after = load(r->path, m);
	assert_memory_equal(after.bytes, m.bytes, m.len);
	free(after.bytes);
	free(m.bytes);
}

/* An earlier error of the host does not hide the report of a corrupt image. */
static void test_corruption_is_reported(void **state)
{
	struct rig *r = *state;
	struct image m = make_mapped(5 * 4096 | 512 | 1ULL << 63);
	struct rlimit old, small = { .rlim_cur = 8192 };
	char buf[512];
	bool found;

	store(r->path, &m);
	open_disk(r);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(put(r, 8192, 1, 4096), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(new_lines(r, "File too large", &found), 1);
	assert_int_equal(run(r, DISK_READ, 0, buf, 512, false), -EUCLEAN);
	assert_int_equal(new_lines(r, "not aligned", &found), 1);
	assert_true(found);
	free(m.bytes);
}

/* The host's errors are no contradictions, whichever read fails: the next write works. */
static void test_read_errors_do_not_mark(void **state)
{
	struct rig *r = *state;
	struct image m = make_with_snapshot(5 * 4096 | 1ULL << 63);
	unsigned int failed = 0;
	bool found;

	for (unsigned int n = 1; n < 12; n++) {
		store(r->path, &m);
		open_disk(r);
		atomic_store(&failing_read, n);
		failed += put(r, 8192, 1, 512) == -EIO;
		atomic_store(&failing_read, 0);
		assert_int_equal(put(r, 8192, 1, 512), 0);
		assert_int_equal(header_now(r, m, 72), 0);
		close_disk(r);
		new_lines(r, "corrupt", &found);
		assert_false(found);
	}
	assert_true(failed > 5);
	free(m.bytes);
}

/* Many L1 entries that name one L2 table: it is read once, and so are the L1 tables. */
static void test_repair_reads_once(void **state)
{
	const unsigned int nr = 20;
	struct rig *r = *state;
	struct image m = make_with_snapshot(5 * 4096 | 1ULL << 63), after;

	image_put64(&m, 72, 1);
	image_put32(&m, 60, nr);
	for (unsigned int i = 0; i < nr; i++) {
		image_put64(&m, 6 * 4096 + 40 * i, 7 * 4096);
		image_put32(&m, 6 * 4096 + 40 * i + 8, 512);
	}
	for (unsigned int i = 0; i < 512; i++)
		image_put64(&m, 7 * 4096 + 8 * i, 4 * 4096);
	store(r->path, &m);
	atomic_store(&reads, 0);
	open_disk(r);
	assert_true(atomic_load(&reads) < 100);
	close_disk(r);
	after = load(r->path, m);
	for (unsigned int c = 4; c <= 7; c++) {
		const unsigned char *p = after.bytes + m.refblock + c * 2;

		assert_int_equal(p[0] << 8 | p[1], c == 6 ? 1 : c == 7 ? nr : 512 * nr + 1);
	}
	free(after.bytes);
	free(m.bytes);
}

static void test_repair_is_bounded(void **state)
{
	struct rig *r = *state;
	struct image m = make_with_snapshot(5 * 4096 | 1ULL << 63);

	image_put64(&m, 72, 1);
	image_put32(&m, 60, 50);
	for (unsigned int i = 0; i < 50; i++) {
		image_put64(&m, 6 * 4096 + 40 * i, 8 * 4096);
		image_put32(&m, 6 * 4096 + 40 * i + 8, 32 * MIB / 8);
	}
	store(r->path, &m);
	assert_int_equal(truncate(r->path, 40 * MIB), 0);
	refused(r, "L1 tables of its snapshots are too large", 2);
	store(r->path, &m);
	refused(r, "snapshot's L1 table at an impossible place", 2);
	free(m.bytes);
}

/* ---- the search for free clusters ---- */

/* The lowest free cluster is found, whatever the width of the counts. */
static void test_lowest_free_cluster(void **state)
{
	struct rig *r = *state;
	struct stat before, after;

	for (unsigned int order = 0; order <= 6; order++) {
		struct image m = image_make(3, 9, order, MIB);

		store(r->path, &m);
		free(m.bytes);
		open_disk(r);
		assert_int_equal(put(r, 0, 1, 256 * KIB), 0);
		for (unsigned int i = 1; i < 9; i++)
			assert_int_equal(run(r, DISK_DISCARD, i * i * 1024, NULL, 512, false), 0);
		close_disk(r);
		assert_int_equal(stat(r->path, &before), 0);
		open_disk(r);
		for (unsigned int i = 1; i < 9; i++)
			assert_int_equal(put(r, 8 * KIB + i * i * 1024, 1, 512), 0);
		for (unsigned int i = 1; i < 9; i++)
			assert_int_equal(put(r, i * i * 1024, 2, 512), 0);
		close_disk(r);
		assert_int_equal(stat(r->path, &after), 0);
		assert_int_equal(before.st_size, after.st_size);
	}
}

/* One free cluster far below the end does not make the next write search all blocks again. */
static void test_search_does_not_restart(void **state)
{
	struct rig *r = *state;
	struct image m = image_make(3, 9, 6, 16 * MIB);

	store(r->path, &m);
	free(m.bytes);
	open_disk(r);
	for (uint64_t at = 0; at < 8 * MIB; at += 64 * KIB)
		assert_int_equal(put(r, at, 1, 64 * KIB), 0);
	close_disk(r);
	open_disk(r);
	/* The first ones use what the old refcount tables have left. */
	assert_int_equal(put(r, 9 * MIB, 1, 256 * KIB), 0);
	for (unsigned int i = 1; i < 4; i++) {
		assert_int_equal(run(r, DISK_DISCARD, 64 * KIB, NULL, 512, false), 0);
		assert_int_equal(run(r, DISK_FLUSH, 0, NULL, 0, false), 0);
		assert_int_equal(put(r, 64 * KIB, 1, 512), 0);
		atomic_store(&reads, 0);
		assert_int_equal(put(r, 10 * MIB + i * 512, 1, 512), 0);
		assert_true(atomic_load(&reads) < 20);
	}
}

/* ---- the cache ---- */

/* An image with 128 L2 tables without entries. */
static struct image make_many_l2(void)
{
	struct image m = image_make(3, 9, 4, 4 * MIB), big = m;

	big.len = m.len + 128 * 512;
	big.bytes = calloc(1, big.len);
	memcpy(big.bytes, m.bytes, m.len);
	free(m.bytes);
	for (unsigned int i = 0; i < 128; i++)
		image_put64(&big, big.l1 + i * 8, (m.len + i * 512) | 1ULL << 63);
	image_count(&big, 4, (unsigned int)(big.len / 512));
	return big;
}

static void test_cache_holds_all_tables(void **state)
{
	struct rig *r = *state;
	struct image m = make_many_l2();

	store(r->path, &m);
	free(m.bytes);
	open_disk(r);
	for (int round = 0; round < 2; round++) {
		atomic_store(&reads, 0);
		for (uint64_t at = 0; at < 4 * MIB; at += 32 * KIB)
			expect(r, at, 0, 512);
	}
	assert_int_equal(atomic_load(&reads), 0);
}

/* The caller's thread reads no table, also not one in the middle of a request. */
static void test_at_once_reads_no_table(void **state)
{
	struct rig *r = *state;
	struct image m = image_make(3, 9, 4, MIB);
	struct iovec iov = { malloc(64 * KIB), 64 * KIB };
	unsigned int here;
	struct disk_request req = { .op = DISK_READ,
				    .offset_bytes = 16 * KIB,
				    .len_bytes = 64 * KIB,
				    .iov = &iov,
				    .nr_iov = 1,
				    .done = on_done };

	store(r->path, &m);
	free(m.bytes);
	open_disk(r);
	assert_int_equal(put(r, 0, 1, 128 * KIB), 0);
	close_disk(r);
	open_disk(r);
	expect(r, 16 * KIB, 1, 512);
	expect(r, 80 * KIB - 512, 1, 512);
	for (unsigned int i = 0; i < 20; i++) /* until reads are tried at once */
		expect(r, 16 * KIB, 1, 512);
	atomic_store(&main_reads, 0);
	disk_submit(r->d, &req);
	disk_kick(r->d);
	here = atomic_load(&main_reads);
	disk_drain(r->d);
	assert_int_equal(here, 0);
	assert_int_equal(last_result, 0);
	free(iov.iov_base);
}

/* After a new cluster, the rest of a request does not keep other requests out. */
static void test_lock_of_a_write(void **state)
{
	struct rig *r = *state;
	struct image m = make_mapped(0);
	unsigned char buf[8192] = { 1 };
	struct iovec iov = { buf, sizeof(buf) };
	struct disk_cursor from = { .iov = &iov };
	struct disk_file *f;
	struct disk_node *n;

	image_put64(&m, 4 * 4096 + 8, 5 * 4096 | 1ULL << 63);
	store(r->path, &m);
	free(m.bytes);
	assert_int_equal(disk_file_open(&f, r->path, &r->o, false), 0);
	assert_int_equal(qcow2_open(&n, f, &r->o, NULL, false), 0);
	watched = (struct qcow2 *)n;
	watched_at = 5 * 4096;
	watched_shared = 0;
	assert_int_equal(n->ops->write(n, 0, sizeof(buf), &from), 0);
	watched = NULL;
	assert_int_equal(watched_shared, 1);
	assert_int_equal(n->ops->close(n), 0);
}

/* A disk of 1 EiB: what a snapshot needs for its bitmap does not grow with it. */
static void test_snapshot_of_a_huge_disk(void **state)
{
	struct rig *r = *state;
	struct image m = image_make(3, 21, 4, 1ULL << 60);

	store(r->path, &m);
	free(m.bytes);
	r->o.snapshot = true;
	open_disk(r);
	assert_int_equal(put(r, (1ULL << 40) - 512, 7, 1024), 0);
	expect(r, (1ULL << 40) - 512, 7, 1024);
	expect(r, (1ULL << 60) - 512, 0, 512);
	close_disk(r);
}

/* ---- backing files ---- */

static struct image make_overlay(const char *backing, const char *format)
{
	struct image m = image_make(3, 12, 4, MIB);

	image_put64(&m, 8, 1024);
	image_put32(&m, 16, (uint32_t)strlen(backing));
	strcpy((char *)m.bytes + 1024, backing);
	if (format) {
		image_put32(&m, 104, 0xe2792aca);
		image_put32(&m, 108, (uint32_t)strlen(format));
		strcpy((char *)m.bytes + 112, format);
	}
	return m;
}

static void test_backing(void **state)
{
	struct rig *r = *state;
	struct image m = make_overlay("base", "raw"), raw = { .len = 8192 };

	raw.bytes = malloc(raw.len);
	memset(raw.bytes, 0x33, raw.len);
	store(r->path, &m);
	refused(r, "base: No such file", 2);
	store(r->base, &raw);
	open_disk(r);
	expect(r, 0, 0x33, 8192);
	expect(r, 8192, 0, 8192);
	assert_int_equal(put(r, 512, 1, 512), 0);
	assert_int_equal(run(r, DISK_WRITE_ZEROES, 4096, NULL, 4096, true), 0);
	close_disk(r);
	open_disk(r);
	expect(r, 0, 0x33, 512);
	expect(r, 512, 1, 512);
	expect(r, 1024, 0x33, 3072);
	expect(r, 4096, 0, 4096);
	free(raw.bytes);
	free(m.bytes);
}

static void test_backing_refused(void **state)
{
	struct rig *r = *state;
	struct image m = make_overlay("disk.qcow2", "qcow2"), other;

	store(r->path, &m);
	refused(r, "is its own backing file", 2);
	free(m.bytes);
	m = make_overlay("nbd://host/export", "raw");
	store(r->path, &m);
	refused(r, "QEMU protocol", 1);
	free(m.bytes);
	m = make_overlay("base", "vmdk");
	store(r->path, &m);
	refused(r, "format vmdk", 2);
	free(m.bytes);
	/* A backing file without a given format, which names a third file. */
	m = make_overlay("base", NULL);
	store(r->path, &m);
	other = make_overlay("third", "raw");
	store(r->base, &other);
	refused(r, "may have written that name", 2);
	free(other.bytes);
	other = image_make(3, 12, 4, MIB);
	store(r->base, &other);
	open_disk(r);
	free(other.bytes);
	free(m.bytes);
}

/* Where backing files may be, by default and with backing=any. */
static void test_backing_place(void **state)
{
	static const char *const outside[] = { "/etc/passwd", "../../etc/passwd", "out",
					       "up/passwd",   "/dev/null",	  "sub" };
	struct rig *r = *state;
	struct image m, raw = { .len = 8192 };
	char inside[256], name[256];
	bool found;

	raw.bytes = malloc(raw.len);
	memset(raw.bytes, 0x33, raw.len);
	store(r->base, &raw);
	snprintf(name, sizeof(name), "%s/out", r->dir);
	assert_int_equal(symlink("/etc/passwd", name), 0);
	snprintf(name, sizeof(name), "%s/up", r->dir);
	assert_int_equal(symlink("../../etc", name), 0);
	snprintf(name, sizeof(name), "%s/sub", r->dir);
	assert_int_equal(mkdir(name, 0700), 0);
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		m = make_overlay(outside[i], "raw");
		store(r->path, &m);
		refused(r, "use backing=any if you trust this image", 1);
		r->o.backing_any = true;
		if (disk_open(&r->d, &r->o, &r->loop) == 0)
			close_disk(r);
		else
			assert_true(!strcmp(outside[i], "/dev/null") || i == 1 || i == 3 || i == 5);
		r->o.backing_any = false;
		new_lines(r, "", &found);
		free(m.bytes);
	}
	snprintf(inside, sizeof(inside), "%s/up/..%s", r->dir, r->base);
	for (unsigned int i = 0; i < 3; i++) {
		m = make_overlay(i == 0 ? "sub/../base" : i == 1 ? inside : r->base, "raw");
		store(r->path, &m);
		open_disk(r);
		expect(r, 0, 0x33, 512);
		close_disk(r);
		free(m.bytes);
	}
	log_set_level(LOG_LEVEL_DEBUG);
	open_disk(r);
	log_set_level(LOG_LEVEL_INFO);
	new_lines(r, "its backing file is ", &found);
	assert_true(found);
	close_disk(r);
	rmdir(name);
	snprintf(name, sizeof(name), "%s/out", r->dir);
	unlink(name);
	snprintf(name, sizeof(name), "%s/up", r->dir);
	unlink(name);
	free(raw.bytes);
}

static void test_backing_name_bounds(void **state)
{
	struct rig *r = *state;
	struct image m = make_overlay("base", "raw");

	image_put32(&m, 16, 1024);
	store(r->path, &m);
	refused(r, "name is not valid", 1);
	image_put32(&m, 16, 100);
	image_put64(&m, 8, 4000);
	store(r->path, &m);
	refused(r, "not inside the first cluster", 1);
	image_put64(&m, 8, UINT64_MAX - 10);
	store(r->path, &m);
	refused(r, "not inside the first cluster", 1);
	image_put64(&m, 8, 2000);
	store(r->path, &m);
	refused(r, "contains a zero byte", 1);
	free(m.bytes);
}

/* Closing the image writes the tables of a write that was not flushed. */
static void test_last_writes_lost(void **state)
{
	struct rig *r = *state;
	struct image m = image_make(3, 12, 4, 8 * MIB);
	struct rlimit old, small = { .rlim_cur = 4096 }; /* enough for the log */
	bool found;
	int err;

	store(r->path, &m);
	free(m.bytes);
	open_disk(r);
	assert_int_equal(put(r, 0, 7, 4096), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	err = disk_close(r->d);
	r->d = NULL;
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(err, -EFBIG);
	new_lines(r, "disk.qcow2: the guest's last writes could not be stored: File too large",
		  &found);
	assert_true(found);
	open_disk(r);
	expect(r, 0, 0, 4096);
	assert_int_equal(disk_close(r->d), 0);
	r->d = NULL;
}

/* Returns this process's descriptor of @path. */
static int descriptor_of(const char *path)
{
	char link[64], where[128];

	for (int fd = 3; fd < 1024; fd++) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, where, sizeof(where) - 1);
		if (n > 0 && (size_t)n == strlen(path) && !memcmp(where, path, (size_t)n))
			return fd;
	}
	fail_msg("%s is not open", path);
	return -1;
}

/*
 * The image's file accepts writes but fails to sync: no table may say afterwards that the cluster
 * is in use.
 */
static void test_failed_sync(void **state)
{
	struct rig *r = *state;
	struct image m = make_mapped(5 * 4096 | 1ULL << 63), after;
	int fd, kept, deaf = open("/dev/zero", O_RDWR | O_CLOEXEC);
	bool found;

	store(r->path, &m);
	open_disk(r);
	assert_int_equal(put(r, 4096, 1, 4096), 0);
	fd = descriptor_of(r->path);
	kept = dup(fd);
	assert_int_equal(dup2(deaf, fd), fd);
	assert_true(run(r, DISK_FLUSH, 0, NULL, 0, false) < 0);
	assert_int_equal(dup2(kept, fd), fd);
	assert_int_equal(run(r, DISK_FLUSH, 0, NULL, 0, false), -ENOTRECOVERABLE);
	assert_true(disk_close(r->d) < 0);
	r->d = NULL;
	new_lines(r, "", &found);
	after = load(r->path, m);
	assert_int_equal(image_get64(&after, 4 * 4096 + 8), 0);
	free(after.bytes);
	free(m.bytes);
	close(kept);
	close(deaf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bad_headers),
		TEST(truncated_headers),
		TEST(extensions),
		TEST(sizes),
		TEST(refcount_table_grows),
		TEST(zero_cluster_with_space),
		TEST(compressed),
		TEST(compressed_malformed),
		TEST(compression_type),
		TEST(bad_mappings),
		TEST(shared_cluster),
		TEST(dirty_is_repaired),
		TEST(autoclear),
		TEST(autoclear_before_repair),
		TEST(table_looks_free),
		TEST(data_in_a_table),
		TEST(refcount_block_twice),
		TEST(no_mark_in_version_2),
		TEST(corruption_is_reported),
		TEST(read_errors_do_not_mark),
		TEST(repair_reads_once),
		TEST(repair_is_bounded),
		TEST(lowest_free_cluster),
		TEST(search_does_not_restart),
		TEST(cache_holds_all_tables),
		TEST(at_once_reads_no_table),
		TEST(lock_of_a_write),
		TEST(snapshot_of_a_huge_disk),
		TEST(backing),
		TEST(backing_refused),
		TEST(backing_place),
		TEST(backing_name_bounds),
		TEST(last_writes_lost),
		TEST(failed_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
