/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends random requests to one disk, several in flight, through the launcher's own disk layer
 * (tests/disk.sh runs it and checks the images with qemu-img).
 *
 * disk_stress mirror IMAGE OPTIONS SEED OPS REFERENCE
 *         does the same to a raw file and compares every read
 * disk_stress kill IMAGE OPTIONS SEED OPS JOURNAL
 *         writes numbered blocks, and keeps a journal of what was begun and what a flush covered
 *         (in shared memory, so that it survives kill -9)
 * disk_stress power IMAGE OPTIONS SEED CUTS PREFIX
 *         does the same, then makes PREFIX.N.img and PREFIX.N.journal as a cut leaves them
 * disk_stress verify RAW - - - JOURNAL
 *         checks that the file has everything that was flushed, and nothing that was never written
 *
 * OPTIONS: words with commas: raw qcow2 ro snapshot none writethrough threads uring discard
 */
#include "disk_power.h"
#include "virtio/device/disk_formats.h"

#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN_FLIGHT 12
#define MAX_BYTES (256 * 1024)
#define BLOCK_BYTES 4096
#define SECTOR 512

struct slot {
	struct disk_request req;
	struct iovec iov[8];
	unsigned char *buf;
	struct stress *st;
	bool busy;
	uint32_t *flush_view; /* kill: the versions that were complete when the flush began */
};

struct stress {
	struct disk *d;
	struct loop loop;
	struct slot slots[IN_FLIGHT];
	unsigned char *reference;
	struct journal_block *journal;
	uint64_t size, rng, begun, done, ops;
	uint64_t nr_blocks;
	int failed;
	bool filling;
};

static void fail(const char *what, uint64_t at)
{
	fprintf(stderr, "disk_stress: %s at %llu\n", what, (unsigned long long)at);
	exit(1);
}

static uint64_t rnd(struct stress *st)
{
	st->rng ^= st->rng << 13;
	st->rng ^= st->rng >> 7;
	st->rng ^= st->rng << 17;
	return st->rng * 0x2545f4914f6cdd1dULL >> 11;
}

static bool overlaps(const struct stress *st, uint64_t offset, uint64_t len)
{
	for (unsigned int i = 0; i < IN_FLIGHT; i++) {
		const struct disk_request *r = &st->slots[i].req;

		if (st->slots[i].busy && r->op != DISK_FLUSH &&
		    offset < r->offset_bytes + r->len_bytes && r->offset_bytes < offset + len)
			return true;
	}
	return false;
}

/* Splits the buffer into some iovecs at offsets that direct I/O does not accept. */
static void cut(struct stress *st, struct slot *s, uint64_t len)
{
	unsigned char *p = s->buf + (rnd(st) % 4 ? 0 : rnd(st) % 64);
	unsigned int n = 0;

	while (len > 0) {
		uint64_t part = n == 7	      ? len
				: rnd(st) % 3 ? min_u64(len, 4096 * (1 + rnd(st) % 16))
					      : 1 + rnd(st) % len;

		s->iov[n++] = (struct iovec){ p, part };
		p += part;
		len -= part;
	}
	s->req.iov = s->iov;
	s->req.nr_iov = n;
}

static void compare_read(struct stress *st, struct slot *s)
{
	uint64_t at = s->req.offset_bytes;

	for (unsigned int i = 0; i < s->req.nr_iov; i++) {
		if (memcmp(st->reference + at, s->iov[i].iov_base, s->iov[i].iov_len))
			fail("a read differs", at);
		at += s->iov[i].iov_len;
	}
}

static void mirror_write(struct stress *st, struct slot *s)
{
	uint64_t at = s->req.offset_bytes;

	for (unsigned int i = 0; i < s->req.nr_iov; i++) {
		memcpy(st->reference + at, s->iov[i].iov_base, s->iov[i].iov_len);
		at += s->iov[i].iov_len;
	}
}

/* Discarded sectors keep their content or become zeros; from now on that must not change. */
static void after_discard(struct stress *st, struct slot *s)
{
	static const unsigned char zeros[SECTOR];
	uint64_t at = s->req.offset_bytes, len = s->req.len_bytes;
	int err = disk_read_sync(st->d, at, s->buf, len);

	if (err)
		fail("cannot read after a discard", at);
	for (uint64_t i = 0; i < len; i += SECTOR) {
		if (memcmp(s->buf + i, st->reference + at + i, SECTOR) &&
		    memcmp(s->buf + i, zeros, SECTOR))
			fail("a discarded sector has new content", at + i);
	}
	memcpy(st->reference + at, s->buf, len);
}

static void next(struct stress *st);

static void mirror_done(struct disk_request *r, int result)
{
	struct slot *s = (struct slot *)r;
	struct stress *st = s->st;

	if (result) {
		fprintf(stderr, "disk_stress: op %d: %s\n", (int)r->op, strerror(-result));
		fail("a request failed", r->offset_bytes);
	}
	if (r->op == DISK_READ)
		compare_read(st, s);
	else if (r->op == DISK_WRITE)
		mirror_write(st, s);
	else if (r->op == DISK_DISCARD)
		after_discard(st, s);
	else if (r->op == DISK_WRITE_ZEROES)
		memset(st->reference + r->offset_bytes, 0, r->len_bytes);
	s->busy = false;
	st->done++;
	next(st);
}

static bool mirror_begin(struct stress *st, struct slot *s)
{
	uint64_t hot = rnd(st) % 2 ? st->size : min_u64(st->size, 4 * MIB), kind = rnd(st) % 100,
		 max = hot / SECTOR;
	uint64_t offset = rnd(st) % max * SECTOR;
	uint64_t len = min_u64(rnd(st) % 4 ? (1 + rnd(st) % 24) * SECTOR
					   : rnd(st) % (MAX_BYTES / SECTOR) * SECTOR,
			       hot - offset);

	if (rnd(st) % 3 == 0)
		offset = align_down(offset, 65536);
	len = min_u64(len, st->size - offset);
	if (overlaps(st, offset, len))
		return false;
	s->req = (struct disk_request){ .offset_bytes = offset,
					.len_bytes = len,
					.done = mirror_done };
	s->req.op = kind < 45	? DISK_WRITE
		    : kind < 80 ? DISK_READ
		    : kind < 88 ? DISK_DISCARD
		    : kind < 96 ? DISK_WRITE_ZEROES
				: DISK_FLUSH;
	if (s->req.op == DISK_DISCARD && !disk_can_discard(st->d))
		s->req.op = DISK_READ;
	if (disk_read_only(st->d))
		s->req.op = DISK_READ;
	if (s->req.op == DISK_FLUSH)
		s->req.len_bytes = s->req.offset_bytes = 0;
	s->req.unmap = rnd(st) & 1;
	if (s->req.op == DISK_READ || s->req.op == DISK_WRITE)
		cut(st, s, len);
	if (s->req.op == DISK_WRITE) {
		for (uint64_t i = 0; i < MAX_BYTES + 64; i += 8) {
			uint64_t v = rnd(st);

			memcpy(s->buf + i, &v, 8);
		}
	}
	return true;
}

/* ---- kill ---- */

static void fill_block(unsigned char *p, uint64_t block, uint32_t version)
{
	for (unsigned int i = 0; i < BLOCK_BYTES / SECTOR; i++, p += SECTOR) {
		memset(p, (int)(version * 7 + block), SECTOR);
		memcpy(p, &block, 8);
		memcpy(p + 8, &version, 4);
	}
}

static void kill_done(struct disk_request *r, int result)
{
	struct slot *s = (struct slot *)r;
	struct stress *st = s->st;
	uint64_t first = r->offset_bytes / BLOCK_BYTES, n = r->len_bytes / BLOCK_BYTES;

	if (result)
		fail("a request failed", r->offset_bytes);
	if (r->op == DISK_FLUSH) {
		for (uint64_t b = 0; b < st->nr_blocks; b++) {
			if (st->journal[b].flushed < s->flush_view[b])
				st->journal[b].flushed = s->flush_view[b];
		}
		power_mark(st->journal, st->nr_blocks);
	} else {
		for (uint64_t b = first; b < first + n; b++)
			st->journal[b].done = st->journal[b].begun;
	}
	s->busy = false;
	st->done++;
	next(st);
}

static bool kill_begin(struct stress *st, struct slot *s)
{
	uint64_t first = rnd(st) % st->nr_blocks,
		 n = min_u64(1 + rnd(st) % 16, st->nr_blocks - first);
	bool discard = rnd(st) % 8 == 0 && disk_can_discard(st->d);

	if (discard) { /* of whole clusters, of up to 64 KiB: these become zeros */
		first = align_down(first, 16);
		n = min_u64(16, st->nr_blocks - first);
	}
	if (overlaps(st, first * BLOCK_BYTES, n * BLOCK_BYTES))
		return false;
	s->req = (struct disk_request){ .op = DISK_FLUSH, .done = kill_done };
	if (rnd(st) % 12 == 0) {
		for (uint64_t b = 0; b < st->nr_blocks; b++)
			s->flush_view[b] = st->journal[b].done;
		return true;
	}
	s->req.op = discard ? DISK_DISCARD : rnd(st) % 8 ? DISK_WRITE : DISK_WRITE_ZEROES;
	s->req.unmap = rnd(st) & 1;
	s->req.offset_bytes = first * BLOCK_BYTES;
	s->req.len_bytes = n * BLOCK_BYTES;
	for (uint64_t b = first; b < first + n; b++) {
		uint32_t version = st->journal[b].begun + 1;

		/* Take the next version of this kind: odd versions are data, even ones zeros. */
		version += (version & 1) != (s->req.op == DISK_WRITE);
		st->journal[b].begun = version;
		fill_block(s->buf + (b - first) * BLOCK_BYTES, b, version);
	}
	s->iov[0] = (struct iovec){ s->buf, s->req.len_bytes };
	s->req.iov = s->iov;
	s->req.nr_iov = 1;
	return true;
}

static void verify(const char *path, const struct journal_block *journal, uint64_t nr_blocks)
{
	int fd = open(path, O_RDONLY);
	uint64_t flushed = 0;

	for (uint64_t i = 0; i < nr_blocks * (BLOCK_BYTES / SECTOR); i++) {
		const struct journal_block *j = &journal[i / (BLOCK_BYTES / SECTOR)];
		unsigned char p[SECTOR], want[BLOCK_BYTES];
		uint32_t version;

		if (pread(fd, p, SECTOR, (off_t)(i * SECTOR)) != SECTOR)
			fail("the file is too short", i * SECTOR);
		memcpy(&version, p + 8, 4);
		flushed += j->flushed != 0;
		if (!version) {
			/*
			 * Zeros are right if the block was never written, or if an even version
			 * since the flushed one zeroed it.
			 */
			uint32_t even = j->flushed + (j->flushed & 1);

			for (unsigned int k = 0; k < SECTOR; k++) {
				if (p[k])
					fail("a sector is only partly zero", i * SECTOR);
			}
			if (j->flushed && even > j->begun)
				fail("a flushed sector is lost", i * SECTOR);
			continue;
		}
		fill_block(want, i / (BLOCK_BYTES / SECTOR), version);
		if (memcmp(p, want, SECTOR))
			fail("a sector has content that was never written", i * SECTOR);
		if (version < j->flushed || version > j->begun)
			fail("a sector is older than its flush, or was never written", i * SECTOR);
	}
	printf("%llu flushed sectors there\n", (unsigned long long)flushed);
	close(fd);
}

/* ---- both ---- */

/* Begins as many requests as there is room for. */
static void fill(struct stress *st)
{
	for (unsigned int i = 0; i < IN_FLIGHT && st->begun < st->ops; i++) {
		struct slot *s = &st->slots[i];

		if (s->busy || !(st->journal ? kill_begin(st, s) : mirror_begin(st, s)))
			continue;
		s->busy = true;
		st->begun++;
		disk_submit(st->d, &s->req);
		if (rnd(st) % 3 == 0)
			disk_kick(st->d);
	}
	disk_kick(st->d);
}

/* Repeats if all of them have already completed, because no completion would call this then. */
static void next(struct stress *st)
{
	if (st->filling)
		return;
	st->filling = true;
	do
		fill(st);
	while (st->begun == st->done && st->begun < st->ops);
	st->filling = false;
	if (st->done == st->ops)
		loop_stop(&st->loop);
}

static void parse(struct disk_options *o, const char *words)
{
	o->format = strstr(words, "raw") ? "raw" : strstr(words, "qcow2") ? "qcow2" : NULL;
	o->formats = disk_formats;
	o->read_only = strstr(words, "ro,") != NULL;
	o->snapshot = strstr(words, "snapshot") != NULL;
	o->discard = strstr(words, "discard") != NULL;
	o->cache = strstr(words, "none")	   ? DISK_CACHE_NONE
		   : strstr(words, "writethrough") ? DISK_CACHE_WRITETHROUGH
						   : DISK_CACHE_WRITEBACK;
	o->aio = strstr(words, "threads") ? DISK_AIO_THREADS
		 : strstr(words, "uring") ? DISK_AIO_URING
					  : DISK_AIO_AUTO;
}

static void *map_file(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		fail(path, 0);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		fail(path, 1);
	close(fd);
	return p;
}

static void prepare_slots(struct stress *st)
{
	for (unsigned int i = 0; i < IN_FLIGHT; i++) {
		void *p;

		if (posix_memalign(&p, 4096, MAX_BYTES + 4096))
			fail("out of memory", 0);
		st->slots[i].buf = p;
		st->slots[i].st = st;
		st->slots[i].flush_view = calloc(st->nr_blocks + 1, sizeof(uint32_t));
	}
}

int main(int argc, char **argv)
{
	struct disk_options o = { 0 };
	struct stress *st = calloc(1, sizeof(*st));
	bool power = argc > 1 && !strcmp(argv[1], "power");
	uint64_t cuts = 0;
	struct stat sb;

	if (argc != 7)
		fail("bad arguments", 0);
	if (!strcmp(argv[1], "verify")) {
		if (stat(argv[2], &sb) < 0)
			fail(argv[2], 0);
		verify(argv[2],
		       map_file(argv[6],
				(uint64_t)sb.st_size / BLOCK_BYTES * sizeof(struct journal_block)),
		       (uint64_t)sb.st_size / BLOCK_BYTES);
		free(st);
		return 0;
	}
	o.path = argv[2];
	parse(&o, argv[3]);
	st->rng = strtoull(argv[4], NULL, 0) * 0x9e3779b97f4a7c15ULL + 1;
	st->ops = strtoull(argv[5], NULL, 0);
	if (loop_init(&st->loop) || disk_open(&st->d, &o, &st->loop))
		return 2;
	st->size = disk_size_bytes(st->d);
	st->nr_blocks = st->size / BLOCK_BYTES;
	if (power)
		st->journal = calloc(st->nr_blocks, sizeof(*st->journal));
	else if (!strcmp(argv[1], "kill"))
		st->journal = map_file(argv[6], st->nr_blocks * sizeof(struct journal_block));
	else
		st->reference = map_file(argv[6], st->size);
	prepare_slots(st);
	/* Writes of an earlier run that were not flushed may be lost. */
	for (uint64_t b = 0; st->journal && b < st->nr_blocks; b++)
		st->journal[b].done = st->journal[b].flushed;
	if (power) {
		power_begin(o.path);
		cuts = st->ops;
		st->ops = 1200;
	} else if (st->journal && write(STDOUT_FILENO, "go\n", 3) != 3)
		return 2;
	next(st);
	loop_run(&st->loop);
	disk_close(st->d);
	loop_fini(&st->loop);
	if (power) {
		if (power_cut(argv[6], (unsigned int)cuts, st->rng, st->journal, st->nr_blocks))
			fail("cannot write the cuts", 0);
		free(st->journal);
	}
	for (unsigned int i = 0; i < IN_FLIGHT; i++) {
		free(st->slots[i].buf);
		free(st->slots[i].flush_view);
	}
	free(st);
	return 0;
}
