/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the qcow2 driver with an untrusted image, opened and used: reads, writes, zeroes,
 * discards, flushes.
 *
 * The input is options, a list of changes to a valid image (4 bytes: where, what), and then the
 * requests; or, with the first bit, the image's bytes themselves. The image is in a memfd, whose
 * size the host limits. Nothing may crash, hang or leave the file; what was written to a valid
 * image reads back. If only refcounts are damaged, writes may fail, but those that succeed read
 * back, too, and no data are written over the L2 table.
 */
#include "virtio/device/disk_formats.h"

#include "kvm/log.h"

#include "unit/qcow2_image.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_REQUESTS 24
#define BUF_BYTES 16384

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level((enum log_level) - 1);
	return 0;
}

struct result {
	struct disk_request req;
	int result;
};

static void on_done(struct disk_request *req, int result)
{
	((struct result *)req)->result = result;
}

static int run(struct disk *d, enum disk_op op, uint64_t offset, void *buf, uint64_t len,
	       bool unmap)
{
	struct iovec iov = { buf, len };
	struct result r = { .req = { .op = op,
				     .offset_bytes = offset,
				     .len_bytes = len,
				     .iov = &iov,
				     .nr_iov = 1,
				     .unmap = unmap,
				     .done = on_done },
			    .result = 1 };

	disk_submit(d, &r.req);
	disk_kick(d);
	disk_drain(d);
	if (r.result == 1)
		abort();
	return r.result;
}

/* Whether a request's result and data must be right. */
enum checks { NONE, IF_SUCCESSFUL, ALL };

static void check(struct disk *d, enum checks checks, int err, uint64_t at, const void *want,
		  void *back, uint64_t len)
{
	if (checks == NONE || (err && checks == IF_SUCCESSFUL))
		return;
	if (err || run(d, DISK_READ, at, back, len, false) || memcmp(want, back, len))
		abort();
}

static void requests(struct disk *d, const uint8_t *data, size_t size, enum checks checks)
{
	static const unsigned char zeros[BUF_BYTES];
	unsigned char *buf = malloc(BUF_BYTES), *back = malloc(BUF_BYTES);
	uint64_t sectors = disk_size_bytes(d) / 512;

	for (unsigned int n = 0; n < MAX_REQUESTS && size >= 4 && sectors;
	     n++, data += 4, size -= 4) {
		uint64_t at = (data[1] | (uint64_t)data[2] << 8) *
			      (data[0] & 0x80 ? sectors / 65536 + 1 : 1) % sectors * 512;
		uint64_t len = min_u64((1 + data[3] % 32) * 512, sectors * 512 - at);
		int err;

		memset(buf, data[3] | 1, len);
		switch (data[0] % 6) {
		case 0:
		case 1:
			err = run(d, DISK_WRITE, at, buf, len, false);
			check(d, checks, err, at, buf, back, len);
			break;
		case 2:
			err = run(d, DISK_WRITE_ZEROES, at, NULL, len, data[0] & 0x40);
			check(d, checks, err, at, zeros, back, len);
			break;
		case 3:
			run(d, DISK_DISCARD, at, NULL, len, false);
			break;
		case 4:
			run(d, DISK_FLUSH, 0, NULL, 0, false);
			break;
		default:
			run(d, DISK_READ, at, buf, len, false);
		}
	}
	free(buf);
	free(back);
}

/* Damages the tables, or only the refcounts. */
static size_t damage(struct image *m, const uint8_t *data, size_t used, size_t size,
		     unsigned int nr, bool counts)
{
	for (unsigned int i = 0; i < nr && used + 4 <= size; i++, used += 4) {
		uint64_t at = data[used] % 8 * m->cluster +
			      (data[used + 1] | (data[used] & 0x40 ? 256 : 0));

		if (counts)
			at = m->refblock + data[used + 1] % 64;
		if (data[used] & 0x80)
			m->bytes[at % m->len] = data[used + 2];
		else
			m->bytes[at % m->len] ^= data[used + 3];
	}
	return used;
}

/* Makes a valid image of the kind that the input chooses, with one L2 table, then damages it. */
static size_t make(struct image *m, const uint8_t *data, size_t size)
{
	unsigned int bits = 9 + data[1] % 8;
	struct image big;

	*m = image_make(2 + (data[0] >> 1 & 1), bits, data[0] & 2 ? data[2] % 7 : 4,
			(1 + data[2]) * 16384ULL);
	big = *m;
	big.len += 5 * big.cluster;
	big.bytes = calloc(1, big.len);
	memcpy(big.bytes, m->bytes, m->len);
	image_put64(&big, big.l1, m->len | 1ULL << 63);
	image_put64(&big, m->len, (m->len + big.cluster) | 1ULL << 63);
	image_put64(&big, m->len + 8, (m->len + 2 * big.cluster) | 1);
	if (data[0] & 64) { /* a snapshot */
		image_put32(&big, 60, 1);
		image_put64(&big, 64, m->len + 3 * big.cluster);
		image_put64(&big, m->len + 3 * big.cluster, m->len + 4 * big.cluster);
		image_put32(&big, m->len + 3 * big.cluster + 8, 1);
	}
	image_count(&big, data[0] & 2 ? data[2] % 7 : 4, (unsigned int)(big.len / big.cluster));
	free(m->bytes);
	*m = big;
	return damage(m, data, 4, size, data[3] % 32, data[0] & 32);
}

static enum checks checks_for(const uint8_t *data)
{
	if (data[0] & 1 || data[0] & 4)
		return NONE;
	if (!(data[3] % 32))
		return ALL;
	return data[0] & 32 ? IF_SUCCESSFUL : NONE;
}

/* No entry of a table has the same value in all bytes, as the requests' data have. */
static void check_l2(int fd, const struct image *m)
{
	uint64_t at = image_get64(m, m->l1) & ~(1ULL << 63);

	for (uint64_t i = 0; i < m->cluster; i += 8) {
		unsigned char p[8];

		if (pread(fd, p, sizeof(p), (off_t)(at + i)) != sizeof(p) ||
		    (p[0] && !memcmp(p, p + 1, sizeof(p) - 1)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rlimit fsize = { 64 * MIB, 64 * MIB };
	struct disk_options o = { .format = "qcow2",
				  .formats = disk_formats,
				  .aio = DISK_AIO_THREADS };
	struct image m = { 0 };
	struct loop loop;
	struct disk *d;
	char path[64];
	size_t used;
	int fd;

	if (size < 8)
		return 0;
	if (data[0] & 1) {
		m = (struct image){ .bytes = malloc(size - 4), .len = size - 4 };
		memcpy(m.bytes, data + 4, m.len);
		used = size > 64 ? size - 64 : 4;
	} else {
		used = make(&m, data, size);
	}
	o.read_only = data[0] & 4;
	o.snapshot = data[0] & 8;
	o.discard = !(data[0] & 16);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	setrlimit(RLIMIT_FSIZE, &fsize);
	signal(SIGXFSZ, SIG_IGN);
	if (write(fd, m.bytes, m.len) != (ssize_t)m.len)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	o.path = path;
	if (loop_init(&loop) == 0 && disk_open(&d, &o, &loop) == 0) {
		requests(d, data + used, size - used, checks_for(data));
		disk_close(d);
		if (checks_for(data) != NONE)
			check_l2(fd, &m);
	}
	loop_fini(&loop);
	close(fd);
	free(m.bytes);
	return 0;
}
