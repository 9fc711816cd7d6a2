/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the block device on a fake disk that completes on demand: requests in all framings,
 * malformed ones, resets; and -d's options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/log.h"
#include "unit/mmio_rig.h"
#include "virtio/blk.h"
#include "virtio/device/disk_formats.h"

#include <linux/virtio_blk.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#define DISK_BYTES (1 * MIB)
#define HDR_GPA RIG_DATA_GPA
#define BUF_GPA 0x20000
#define STATUS_GPA 0x18000
#define F_NEXT VRING_DESC_F_NEXT
#define F_WRITE VRING_DESC_F_WRITE
#define F_FLUSH (1U << VIRTIO_BLK_F_FLUSH)
#define F_DISCARD (1U << VIRTIO_BLK_F_DISCARD)
#define F_ZEROES (1U << VIRTIO_BLK_F_WRITE_ZEROES)

/* Replace the real functions, which would link the real disk.c. */
const struct disk_format disk_formats[] = {
	{ .name = "raw" },
	{ .name = "qcow2" },
	{ .name = NULL },
};

/* ---- the fake disk, which replaces disk.c ---- */

struct disk {
	uint8_t bytes[DISK_BYTES];
	bool read_only, hold;
	unsigned int block_bytes;
	int fail;
	unsigned int submitted, kicks, flushes;
	struct disk_request *held; /* newest first */
	enum disk_op last_op;
	bool last_unmap;
	const uint16_t *watched;
	uint16_t seen[4]; /* the used index at each kick */
	/* disk_drain() posts the first one and waits for the second, but not for ever. */
	bool slow, gave_up;
	sem_t drained, may_drain;
};

uint64_t disk_size_bytes(const struct disk *d)
{
	(void)d;
	return DISK_BYTES;
}

bool disk_read_only(const struct disk *d)
{
	return d->read_only;
}

bool disk_can_discard(const struct disk *d)
{
	(void)d;
	return true;
}

unsigned int disk_block_bytes(const struct disk *d)
{
	return d->block_bytes ? d->block_bytes : 512;
}

static int serve(struct disk *d, struct disk_request *req)
{
	uint64_t at = req->offset_bytes, sum = 0;

	if (d->fail)
		return d->fail;
	d->flushes += req->op == DISK_FLUSH;
	if (at > DISK_BYTES || req->len_bytes > DISK_BYTES - at)
		return -EINVAL;
	if (req->op == DISK_WRITE_ZEROES || req->op == DISK_DISCARD)
		memset(d->bytes + at, req->op == DISK_DISCARD ? 0xdd : 0, req->len_bytes);
	if (req->op != DISK_READ && req->op != DISK_WRITE)
		return 0;
	for (unsigned int i = 0; i < req->nr_iov; i++) {
		uint8_t *disk = d->bytes + at + sum, *mem = req->iov[i].iov_base;

		memcpy(req->op == DISK_READ ? mem : disk, req->op == DISK_READ ? disk : mem,
		       req->iov[i].iov_len);
		sum += req->iov[i].iov_len;
	}
	assert_int_equal(sum, req->len_bytes);
	return 0;
}

void disk_submit(struct disk *d, struct disk_request *req)
{
	d->submitted++;
	d->last_op = req->op;
	d->last_unmap = req->unmap;
	if (!d->hold) {
		req->done(req, serve(d, req));
		return;
	}
	req->next = d->held;
	d->held = req;
}

void disk_kick(struct disk *d)
{
	if (d->watched && d->kicks < ARRAY_SIZE(d->seen))
		d->seen[d->kicks] = *d->watched;
	d->kicks++;
}

void disk_drain(struct disk *d)
{
	struct disk_request *req, *next;

	if (d->slow) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 10;
		sem_post(&d->drained);
		d->gave_up |= sem_timedwait(&d->may_drain, &until) != 0;
	}
	for (req = d->held, d->held = NULL; req; req = next) {
		next = req->next;
		req->done(req, serve(d, req));
	}
}

/* ---- the driver --------------------------------------------------------------------------- */

struct fix {
	struct mmio_rig r;
	struct disk disk;
	struct blk *blk;
	struct virtio_blk_outhdr *hdr;
	uint8_t *buf, *status;
	uint16_t used;
	unsigned int pauses, resumes;
};

static void plug(struct fix *f, const struct blk_options *options)
{
	assert_int_equal(blk_create(&f->blk, &f->disk, options, &f->r.ring.mem, &f->r.loop), 0);
	mmio_rig_plug(&f->r, blk_virtio(f->blk));
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct blk_options options = { .serial = "serial-of-20-letters",
				       .nr_queues = 2,
				       .discard = true };

	log_set_level(LOG_LEVEL_ERROR);
	mmio_rig_begin(&f->r);
	f->hdr = gmem_at(&f->r.ring.mem, HDR_GPA, 4096);
	f->buf = gmem_at(&f->r.ring.mem, BUF_GPA, 65536);
	f->status = gmem_at(&f->r.ring.mem, STATUS_GPA, 1);
	for (unsigned int i = 0; i < DISK_BYTES; i++)
		f->disk.bytes[i] = (uint8_t)(i / 512 + i);
	plug(f, &options);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	blk_destroy(f->blk);
	assert_null(f->disk.held);
	mmio_rig_end(&f->r);
	free(f);
	return 0;
}

static void kick(struct fix *f)
{
	wr(&f->r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(&f->r);
	turn(&f->r); /* what the driver's own kick completed */
}

/* Returns the length of the next chain in the used ring; checks @head. */
static uint32_t used(struct fix *f, uint16_t head)
{
	struct vring_used_elem *e = &f->r.ring.used->ring[f->used % RIG_SIZE];

	assert_int_equal(f->r.ring.used->idx, (uint16_t)(f->used + 1));
	assert_int_equal(e->id, head);
	f->used++;
	return e->len;
}

static void header(struct fix *f, uint32_t type, uint64_t sector)
{
	*f->hdr = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*f->status = 0xee;
}

/* Header, @len bytes at BUF_GPA, status, in three descriptors from 0. */
static void offer(struct fix *f, uint32_t type, uint64_t sector, uint32_t len, bool in)
{
	header(f, type, sector);
	rig_desc(&f->r.ring, 0, HDR_GPA, 16, F_NEXT, 1);
	rig_desc(&f->r.ring, 1, BUF_GPA, len, F_NEXT | (in ? F_WRITE : 0), 2);
	rig_desc(&f->r.ring, 2, STATUS_GPA, 1, F_WRITE, 0);
	rig_avail(&f->r.ring, 0);
}

static uint8_t request(struct fix *f, uint32_t type, uint64_t sector, uint32_t len, bool in,
		       uint32_t *written)
{
	uint32_t n;

	offer(f, type, sector, len, in);
	kick(f);
	n = used(f, 0);
	if (written)
		*written = n;
	return *f->status;
}

static void it_describes_the_disk(void **state)
{
	struct fix *f = *state;
	struct virtio_blk_config c;
	uint32_t low;

	memcpy(&c, f->r.page + VIRTIO_MMIO_CONFIG, sizeof(c));
	low = rd(&f->r, VIRTIO_MMIO_DEVICE_FEATURES);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_DEVICE_ID), 2);
	assert_int_equal(c.capacity, DISK_BYTES / 512);
	assert_int_equal(c.seg_max, 126);
	assert_int_equal(c.blk_size, 512);
	assert_int_equal(c.physical_block_exp, 3);
	assert_int_equal(c.num_queues, 2);
	assert_int_equal(c.max_discard_seg, 1);
	assert_int_equal(low & (F_FLUSH | F_DISCARD | F_ZEROES), F_FLUSH | F_DISCARD | F_ZEROES);
	assert_true(low & 1U << VIRTIO_BLK_F_MQ);
	assert_false(low & 1U << VIRTIO_BLK_F_RO);
}

/* Capacity and discards always count in 512 bytes, the topology in blocks. */
static void large_sectors_are_described(void **state)
{
	struct fix *f = *state;
	struct virtio_blk_config c;
	struct blk_options options = { .nr_queues = 1, .discard = true };

	blk_destroy(f->blk);
	mmio_rig_end(&f->r);
	mmio_rig_begin(&f->r);
	f->disk.block_bytes = 4096;
	plug(f, &options);
	memcpy(&c, f->r.page + VIRTIO_MMIO_CONFIG, sizeof(c));
	assert_int_equal(c.capacity, DISK_BYTES / 512);
	assert_int_equal(c.blk_size, 4096);
	assert_int_equal(c.physical_block_exp, 0);
	assert_int_equal(c.min_io_size, 1);
	assert_int_equal(c.discard_sector_alignment, 8);
}

static void reads_and_writes(void **state)
{
	struct fix *f = *state;
	uint32_t written;

	go_live(&f->r, F_FLUSH);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 3, 4096, true, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 4097);
	assert_memory_equal(f->buf, f->disk.bytes + 3 * 512, 4096);
	memset(f->buf, 0xa5, 1024);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 2046, 1024, false, &written),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(written, 1);
	assert_memory_equal(f->buf, f->disk.bytes + 2046 * 512, 1024);
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk.flushes, 1);
	assert_int_equal(f->r.pulses, 3);
	assert_true(f->disk.kicks >= 3);
}

static void framing_is_free(void **state)
{
	struct fix *f = *state;

	/* The header in three pieces, the last with data after it; then data and status in one. */
	go_live(&f->r, F_FLUSH);
	header(f, VIRTIO_BLK_T_OUT, 7);
	memset((uint8_t *)f->hdr + 16, 0x5a, 512);
	rig_desc(&f->r.ring, 4, HDR_GPA, 3, F_NEXT, 5);
	rig_desc(&f->r.ring, 5, HDR_GPA + 3, 10, F_NEXT, 6);
	rig_desc(&f->r.ring, 6, HDR_GPA + 13, 3 + 512, F_NEXT, 7);
	rig_desc(&f->r.ring, 7, STATUS_GPA, 1, F_WRITE, 0);
	rig_avail(&f->r.ring, 4);
	kick(f);
	assert_int_equal(used(f, 4), 1);
	assert_int_equal(*f->status, VIRTIO_BLK_S_OK);
	assert_memory_equal(f->disk.bytes + 7 * 512, (uint8_t *)f->hdr + 16, 512);
	header(f, VIRTIO_BLK_T_IN, 9);
	f->buf[512] = 0xee;
	rig_desc(&f->r.ring, 0, HDR_GPA, 16, F_NEXT, 1);
	rig_desc(&f->r.ring, 1, BUF_GPA, 100, F_NEXT | F_WRITE, 2);
	rig_desc(&f->r.ring, 2, BUF_GPA + 100, 413, F_WRITE, 0);
	rig_avail(&f->r.ring, 0);
	kick(f);
	assert_int_equal(used(f, 0), 513);
	assert_memory_equal(f->buf, f->disk.bytes + 9 * 512, 512);
	assert_int_equal(f->buf[512], VIRTIO_BLK_S_OK);
}

static void the_serial_is_told(void **state)
{
	struct fix *f = *state;
	uint32_t written;

	go_live(&f->r, F_FLUSH);
	assert_int_equal(request(f, VIRTIO_BLK_T_GET_ID, 0, 20, true, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 21);
	assert_memory_equal(f->buf, "serial-of-20-letters", 20);
	f->buf[5] = '!';
	assert_int_equal(request(f, VIRTIO_BLK_T_GET_ID, 0, 5, true, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 6);
	assert_int_equal(f->buf[5], '!');
	/* 2.7.8.2: the bytes after the serial are not written, so the status does not count. */
	assert_int_equal(request(f, VIRTIO_BLK_T_GET_ID, 0, 64, true, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 20);
}

/* Each head is a read of 1 MiB, in an indirect table. */
static void offer_large_reads(struct fix *f)
{
	struct vring_desc *t = f->r.ring.indirect;

	header(f, VIRTIO_BLK_T_IN, 0);
	t[0] = (struct vring_desc){ HDR_GPA, 16, F_NEXT, 1 };
	for (uint16_t i = 1; i <= 16; i++)
		t[i] = (struct vring_desc){ BUF_GPA, 64 * KIB, F_NEXT | F_WRITE, i + 1 };
	t[17] = (struct vring_desc){ STATUS_GPA, 1, F_WRITE, 0 };
	for (unsigned int i = 0; i < RIG_SIZE; i++)
		rig_desc(&f->r.ring, i, RIG_INDIRECT_GPA, 18 * 16, VRING_DESC_F_INDIRECT, 0);
	rig_never_dry(&f->r);
}

/*
 * However much a driver asks for, one callback of the loop does no more than a turn and one chain;
 * the next callback continues.
 */
static void one_callback_does_one_turn(void **state)
{
	struct fix *f = *state;
	unsigned int most = (unsigned int)(VIRTIO_TURN_BYTES / 2 / MIB) + 1; /* two queues */

	go_live(&f->r, F_FLUSH | FEATURE_INDIRECT);
	turn(&f->r);
	offer_large_reads(f);
	virtio_kick(f->r.device, 0);
	for (unsigned int i = 0; i < 3; i++) {
		unsigned int before = f->disk.submitted;

		turn(&f->r);
		assert_in_range(f->disk.submitted - before, 1, most);
	}
	assert_int_equal(f->r.device->status & S_NEEDS_RESET, 0);
}

/* Whoever has the lock, the loop's thread does not wait for it; and no kick is lost. */
static void the_loop_waits_for_nobody(void **state)
{
	struct fix *f = *state;

	go_live(&f->r, F_FLUSH);
	turn(&f->r);
	virtio_lock(f->r.device);
	offer(f, VIRTIO_BLK_T_IN, 0, 512, true);
	virtio_kick(f->r.device, 0);
	turn(&f->r);
	blk_retry(f->blk);
	assert_int_equal(f->r.ring.used->idx, 0);
	virtio_unlock(f->r.device);
	turn(&f->r);
	assert_int_equal(used(f, 0), 513);
}

static void *reset_device(void *arg)
{
	struct fix *f = arg;

	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	return NULL;
}

/* A vCPU resets the device while the host's disk does not answer: the loop has other work. */
static void the_loop_does_not_wait_for_a_reset(void **state)
{
	struct fix *f = *state;
	pthread_t vcpu;

	go_live(&f->r, F_FLUSH);
	turn(&f->r);
	sem_init(&f->disk.drained, 0, 0);
	sem_init(&f->disk.may_drain, 0, 0);
	f->disk.slow = true;
	pthread_create(&vcpu, NULL, reset_device, f);
	sem_wait(&f->disk.drained);
	virtio_kick(f->r.device, 1);
	turn(&f->r);
	sem_post(&f->disk.may_drain);
	pthread_join(vcpu, NULL);
	assert_false(f->disk.gave_up);
	f->disk.slow = false;
}

static void range(struct fix *f, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes r = { .sector = sector,
						     .num_sectors = sectors,
						     .flags = flags };

	memcpy(f->buf, &r, sizeof(r));
}

static void discards_and_zeroes(void **state)
{
	struct fix *f = *state;

	go_live(&f->r, F_FLUSH | F_DISCARD | F_ZEROES);
	range(f, 8, 8, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, 16, false, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk.bytes[8 * 512], 0xdd);
	assert_int_equal(f->disk.bytes[16 * 512 - 1], 0xdd);
	range(f, 9, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	assert_int_equal(request(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, NULL),
			 VIRTIO_BLK_S_OK);
	assert_true(f->disk.last_unmap);
	assert_int_equal(f->disk.bytes[9 * 512], 0);
	assert_int_equal(f->disk.bytes[10 * 512], 0xdd);
	range(f, 9, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP); /* not a discard's flag */
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, 16, false, NULL), VIRTIO_BLK_S_UNSUPP);
	range(f, 9, 1, 2);
	assert_int_equal(request(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, NULL),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, 32, false, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, 8, false, NULL), VIRTIO_BLK_S_IOERR);
	range(f, 2047, 2, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, 16, false, NULL), VIRTIO_BLK_S_IOERR);
	range(f, UINT64_MAX / 512, 0xffffffff, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, NULL),
			 VIRTIO_BLK_S_IOERR);
	range(f, 0, 0, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, 16, false, NULL), VIRTIO_BLK_S_OK);
}

static void what_was_not_negotiated_is_unsupported(void **state)
{
	struct fix *f = *state;

	go_live(&f->r, F_FLUSH);
	range(f, 8, 8, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, 16, false, NULL), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, NULL),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(f, 14, 0, 16, false, NULL), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(f, UINT32_MAX, 0, 512, true, NULL), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(f->disk.submitted, 0);
}

static void what_makes_no_sense_is_an_error(void **state)
{
	static const uint64_t sectors[] = { 2048, 2047, UINT64_MAX, UINT64_MAX / 512,
					    UINT64_MAX / 512 + 1 };
	struct fix *f = *state;
	uint32_t written;

	go_live(&f->r, F_FLUSH);
	for (unsigned int i = 0; i < ARRAY_SIZE(sectors); i++) {
		assert_int_equal(request(f, VIRTIO_BLK_T_IN, sectors[i], 1024, true, &written),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(written, 0);
		assert_int_equal(request(f, VIRTIO_BLK_T_OUT, sectors[i], 1024, false, NULL),
				 VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 511, true, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 513, false, NULL), VIRTIO_BLK_S_IOERR);
	/* Data on the wrong side: no bytes to read or write. */
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, false, NULL), VIRTIO_BLK_S_OK);
	f->disk.fail = -EIO;
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, true, NULL), VIRTIO_BLK_S_IOERR);
	f->disk.fail = -ENOSPC;
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 512, false, NULL), VIRTIO_BLK_S_IOERR);
	f->disk.fail = -EOPNOTSUPP;
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), VIRTIO_BLK_S_UNSUPP);
}

static void nothing_hangs_without_header_or_status(void **state)
{
	struct fix *f = *state;

	go_live(&f->r, F_FLUSH);
	header(f, VIRTIO_BLK_T_IN, 0);
	rig_desc(&f->r.ring, 0, HDR_GPA, 16, 0, 0); /* nowhere to write */
	rig_avail(&f->r.ring, 0);
	kick(f);
	assert_int_equal(used(f, 0), 0);
	rig_desc(&f->r.ring, 0, HDR_GPA, 15, F_NEXT, 1); /* a short header */
	rig_desc(&f->r.ring, 1, STATUS_GPA, 1, F_WRITE, 0);
	rig_avail(&f->r.ring, 0);
	kick(f);
	assert_int_equal(used(f, 0), 1);
	assert_int_equal(*f->status, VIRTIO_BLK_S_IOERR);
	rig_desc(&f->r.ring, 0, HDR_GPA, 0, 0, 0); /* nothing at all */
	rig_avail(&f->r.ring, 0);
	kick(f);
	assert_int_equal(used(f, 0), 0);
	assert_false(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
}

static void a_read_only_disk_is_not_written(void **state)
{
	struct fix *f = *state;
	struct blk_options options = { .nr_queues = 1, .discard = true };

	blk_destroy(f->blk);
	f->disk.read_only = true;
	bus_fini(&f->r.bus);
	assert_int_equal(bus_init(&f->r.bus, BUS_MMIO), 0);
	memset(f->r.page, 0, 4096);
	plug(f, &options);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_DEVICE_FEATURES) & (F_FLUSH | F_DISCARD | F_ZEROES),
			 0);
	assert_true(rd(&f->r, VIRTIO_MMIO_DEVICE_FEATURES) & 1U << VIRTIO_BLK_F_RO);
	go_live(&f->r, 1U << VIRTIO_BLK_F_RO);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 512, false, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(f->disk.submitted, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, true, NULL), VIRTIO_BLK_S_OK);
}

static void without_flushes_each_write_is_flushed(void **state)
{
	struct fix *f = *state;

	go_live(&f->r, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 512, false, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk.flushes, 1);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, true, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk.flushes, 1);
	/* Also if a reset comes between the two. */
	f->disk.hold = true;
	offer(f, VIRTIO_BLK_T_OUT, 0, 512, false);
	wr(&f->r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(&f->r);
	assert_int_equal(*f->status, 0xee);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(f->disk.flushes, 2);
	assert_int_equal(*f->status, VIRTIO_BLK_S_OK);
}

static void completions_come_later_and_in_any_order(void **state)
{
	struct fix *f = *state;

	go_live(&f->r, F_FLUSH);
	f->disk.hold = true;
	header(f, VIRTIO_BLK_T_IN, 1);
	for (uint16_t i = 0; i < 3; i++) {
		rig_desc(&f->r.ring, (uint16_t)(2 * i), HDR_GPA, 16, F_NEXT, (uint16_t)(2 * i + 1));
		rig_desc(&f->r.ring, (uint16_t)(2 * i + 1), BUF_GPA + i * 4096U, 513, F_WRITE, 0);
		rig_avail(&f->r.ring, (uint16_t)(2 * i));
	}
	kick(f);
	assert_int_equal(f->disk.submitted, 3);
	assert_int_equal(f->r.ring.used->idx, 0);
	disk_drain(&f->disk); /* newest first */
	assert_int_equal(f->r.ring.used->idx, 3);
	assert_int_equal(f->r.ring.used->ring[0].id, 4);
	assert_int_equal(f->r.ring.used->ring[2].id, 0);
	assert_int_equal(f->buf[512], VIRTIO_BLK_S_OK);
}

/* Submits eight reads at once. disk.seen records the used index at the disk's kicks. */
static void eight_reads(struct fix *f, uint16_t flags)
{
	f->disk.watched = &f->r.ring.used->idx;
	f->r.ring.avail->flags = flags;
	header(f, VIRTIO_BLK_T_IN, 1);
	for (uint16_t i = 0; i < RIG_SIZE; i++) {
		struct vring_desc *table = f->r.ring.indirect + 2 * i;

		rig_desc(&f->r.ring, i, RIG_INDIRECT_GPA + 32U * i, 32, VRING_DESC_F_INDIRECT, 0);
		table[0] = (struct vring_desc){ HDR_GPA, 16, F_NEXT, 1 };
		table[1] = (struct vring_desc){ BUF_GPA + i * 4096U, 513, F_WRITE, 0 };
		rig_avail(&f->r.ring, i);
	}
	kick(f);
	assert_int_equal(f->r.ring.used->idx, RIG_SIZE);
	assert_int_equal(f->disk.seen[0], 0);
}

static void a_driver_that_polls_is_shown_results_early(void **state)
{
	struct fix *f = *state;

	go_live(&f->r, F_FLUSH | FEATURE_INDIRECT);
	eight_reads(f, VRING_AVAIL_F_NO_INTERRUPT);
	assert_int_equal(f->disk.kicks, 2);
	assert_int_equal(f->disk.seen[1], RIG_SIZE);
	assert_int_equal(f->r.pulses, 0);
}

static void one_that_does_not_has_one_interrupt_for_all(void **state)
{
	struct fix *f = *state;

	go_live(&f->r, F_FLUSH | FEATURE_INDIRECT);
	eight_reads(f, 0);
	assert_int_equal(f->disk.kicks, 1);
	assert_int_equal(f->r.pulses, 1);
}

static void a_reset_waits_and_touches_nothing_after(void **state)
{
	struct fix *f = *state;

	go_live(&f->r, F_FLUSH);
	f->disk.hold = true;
	offer(f, VIRTIO_BLK_T_IN, 1, 512, true);
	kick(f);
	assert_non_null(f->disk.held);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	assert_null(f->disk.held);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_STATUS), 0);
	/* The next driver has the ring for itself. */
	memset(f->r.ring.avail, 0, 64);
	memset(f->r.ring.used, 0, 128);
	f->used = 0;
	f->disk.hold = false;
	go_live(&f->r, F_FLUSH);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 1, 512, true, NULL), VIRTIO_BLK_S_OK);
}

/* ---- werror=stop --------------------------------------------------------------------------- */

static void on_pause(void *ctx, bool on)
{
	struct fix *f = ctx;

	f->pauses += on;
	f->resumes += !on;
	assert_true(f->pauses - f->resumes <= 1);
}

static void setup_stop(struct fix *f)
{
	struct blk_options options = {
		.nr_queues = 2, .discard = true, .path = "a.img", .pause = on_pause, .pause_ctx = f
	};

	log_set_level(LOG_LEVEL_ERROR - 1);
	blk_destroy(f->blk);
	bus_fini(&f->r.bus);
	assert_int_equal(bus_init(&f->r.bus, BUS_MMIO), 0);
	memset(f->r.page, 0, VIRTIO_MMIO_BYTES);
	plug(f, &options);
	go_live(&f->r, F_FLUSH | F_DISCARD | F_ZEROES);
}

static bool unanswered(struct fix *f)
{
	return f->r.ring.used->idx == f->used && *f->status == 0xee;
}

static void a_failed_write_waits_for_room(void **state)
{
	struct fix *f = *state;

	setup_stop(f);
	f->disk.fail = -ENOSPC;
	memset(f->buf, 0xa5, 512);
	offer(f, VIRTIO_BLK_T_OUT, 5, 512, false);
	kick(f);
	assert_true(unanswered(f));
	assert_int_equal(f->pauses, 1);
	/* Still no room; and then there is. */
	blk_retry(f->blk);
	assert_true(unanswered(f));
	f->disk.fail = 0;
	blk_retry(f->blk);
	assert_int_equal(used(f, 0), 1);
	assert_int_equal(*f->status, VIRTIO_BLK_S_OK);
	assert_int_equal(f->pauses, 1);
	assert_int_equal(f->resumes, 1);
	assert_memory_equal(f->disk.bytes + 5 * 512, f->buf, 512);
	/* The next episode is reported again. */
	f->disk.fail = -EIO;
	offer(f, VIRTIO_BLK_T_OUT, 5, 512, false);
	kick(f);
	assert_int_equal(f->pauses, 2);
	f->disk.fail = 0;
	blk_retry(f->blk);
	assert_int_equal(used(f, 0), 1);
	assert_int_equal(f->resumes, 2);
}

static void it_tries_again_by_itself(void **state)
{
	struct fix *f = *state;

	setup_stop(f);
	f->disk.fail = -ENOSPC;
	offer(f, VIRTIO_BLK_T_OUT, 5, 512, false);
	kick(f);
	f->disk.fail = 0;
	while (unanswered(f)) {
		struct epoll_event ev;

		assert_int_equal(epoll_wait(f->r.loop.epoll_fd, &ev, 1, 20000), 1);
		turn(&f->r);
	}
	assert_int_equal(used(f, 0), 1);
	assert_int_equal(f->resumes, 1);
}

/* A write and a read one after the other; the write fails. */
static void no_new_request_is_taken_meanwhile(void **state)
{
	struct fix *f = *state;

	setup_stop(f);
	f->disk.fail = -EDQUOT;
	offer(f, VIRTIO_BLK_T_OUT, 5, 512, false);
	kick(f);
	rig_desc(&f->r.ring, 4, HDR_GPA, 16, F_NEXT, 5);
	rig_desc(&f->r.ring, 5, BUF_GPA + 4096, 512, F_NEXT | F_WRITE, 6);
	rig_desc(&f->r.ring, 6, STATUS_GPA + 1, 1, F_WRITE, 0);
	f->hdr->type = VIRTIO_BLK_T_IN;
	rig_avail(&f->r.ring, 4);
	f->disk.submitted = 0;
	kick(f);
	assert_int_equal(f->disk.submitted, 0);
	f->disk.fail = 0;
	blk_retry(f->blk);
	assert_int_equal(f->r.ring.used->idx, 1);
	turn(&f->r);
	assert_int_equal(f->r.ring.used->idx, 2);
	assert_int_equal(f->r.ring.used->ring[0].id, 0);
	assert_int_equal(f->r.ring.used->ring[1].id, 4);
	assert_memory_equal(f->buf + 4096, f->disk.bytes + 5 * 512, 512);
}

static void all_that_wait_are_tried(void **state)
{
	struct fix *f = *state;

	setup_stop(f);
	f->disk.hold = true;
	offer(f, VIRTIO_BLK_T_OUT, 5, 512, false);
	rig_desc(&f->r.ring, 4, HDR_GPA, 16, F_NEXT, 5);
	rig_desc(&f->r.ring, 5, BUF_GPA, 512, F_NEXT, 6);
	rig_desc(&f->r.ring, 6, STATUS_GPA + 1, 1, F_WRITE, 0);
	rig_avail(&f->r.ring, 4);
	kick(f);
	f->disk.fail = -ENOSPC;
	disk_drain(&f->disk);
	assert_int_equal(f->r.ring.used->idx, 0);
	assert_int_equal(f->pauses, 1);
	/* One completes before the other: the machine waits for both. */
	blk_retry(f->blk);
	f->disk.fail = 0;
	f->disk.held->next->done(f->disk.held->next, 0);
	f->disk.held->next = NULL;
	assert_int_equal(f->r.ring.used->idx, 1);
	assert_int_equal(f->resumes, 0);
	disk_drain(&f->disk);
	assert_int_equal(f->r.ring.used->idx, 2);
	assert_int_equal(f->resumes, 1);
}

static void what_cannot_work_later_is_reported(void **state)
{
	struct fix *f = *state;

	setup_stop(f);
	f->disk.fail = -EIO;
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 5, 512, true, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), VIRTIO_BLK_S_IOERR);
	f->disk.fail = -EPERM;
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 5, 512, false, NULL), VIRTIO_BLK_S_IOERR);
	/* A sync that failed: what reached the disk is unknown for ever. */
	f->disk.fail = -ENOTRECOVERABLE;
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), VIRTIO_BLK_S_IOERR);
	f->disk.fail = 0;
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, UINT32_MAX, 512, false, NULL),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(f->pauses, 0);
	/* A flush without room waits, and is reported once its failure is certain. */
	f->disk.fail = -ENOSPC;
	offer(f, VIRTIO_BLK_T_FLUSH, 0, 0, false);
	kick(f);
	assert_true(unanswered(f));
	f->disk.fail = -EIO;
	blk_retry(f->blk);
	assert_int_equal(used(f, 0), 1);
	assert_int_equal(*f->status, VIRTIO_BLK_S_IOERR);
	assert_int_equal(f->resumes, 1);
}

/*
 * After its driver's reset it is not written, nothing waits, and the next driver's requests are
 * served.
 */
static void a_reset_gives_up_what_waits(void **state)
{
	struct fix *f = *state;
	uint8_t before[512];

	setup_stop(f);
	memcpy(before, f->disk.bytes + 5 * 512, 512);
	f->disk.fail = -ENOSPC;
	memset(f->buf, 0xa5, 512);
	offer(f, VIRTIO_BLK_T_OUT, 5, 512, false);
	kick(f);
	assert_int_equal(f->pauses, 1);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(f->resumes, 1);
	assert_int_equal(*f->status, VIRTIO_BLK_S_IOERR);
	f->disk.fail = 0;
	blk_retry(f->blk);
	assert_memory_equal(before, f->disk.bytes + 5 * 512, 512);
	memset(f->r.ring.avail, 0, 64);
	memset(f->r.ring.used, 0, 128);
	f->used = 0;
	go_live(&f->r, F_FLUSH);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 1, 512, true, NULL), VIRTIO_BLK_S_OK);
}

/* Without F_FLUSH each write has its own flush, which may be the request that waits. */
static void the_flush_of_a_write_waits_too(void **state)
{
	struct fix *f = *state;

	setup_stop(f);
	go_live(&f->r, 0);
	f->disk.hold = true;
	offer(f, VIRTIO_BLK_T_OUT, 5, 512, false);
	kick(f);
	f->disk.hold = false;
	disk_drain(&f->disk);
	f->disk.fail = -ENOSPC;
	turn(&f->r);
	assert_true(unanswered(f));
	assert_int_equal(f->pauses, 1);
	f->disk.fail = 0;
	blk_retry(f->blk);
	assert_int_equal(used(f, 0), 1);
	assert_int_equal(*f->status, VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk.flushes, 1);
	assert_int_equal(f->resumes, 1);
}

/* The paused guest cannot reset the device: the machine must not wait for that. */
static void a_broken_device_does_not_pause_for_ever(void **state)
{
	struct fix *f = *state;

	setup_stop(f);
	go_live(&f->r, 0);
	f->disk.fail = -ENOSPC;
	offer(f, VIRTIO_BLK_T_OUT, 5, 512, false);
	kick(f);
	virtio_lock(blk_virtio(f->blk));
	virtio_break(blk_virtio(f->blk), "a test");
	virtio_unlock(blk_virtio(f->blk));
	f->disk.fail = 0;
	blk_retry(f->blk);
	assert_int_equal(f->pauses, 1);
	assert_int_equal(f->resumes, 1);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(*f->status, VIRTIO_BLK_S_OK);
}

/* ---- -d --------------------------------------------------------------------------- */

static int parse(const char *text, struct disk_options *disk, struct blk_options *blk, char *copy)
{
	strcpy(copy, text);
	return blk_parse(copy, disk, blk);
}

static void options_are_parsed(void **state)
{
	struct disk_options d;
	struct blk_options b;
	char copy[128];

	(void)state;
	assert_int_equal(parse("a.img", &d, &b, copy), 0);
	assert_string_equal(d.path, "a.img");
	assert_true(!d.format && !d.read_only && !d.snapshot && b.nr_queues == 1 &&
		    !b.writethrough);
	assert_int_equal(d.block_bytes, 0);
	assert_int_equal(
		parse("a,,b,,,ro,format=qcow2,snapshot=off,serial=S=1,cache=writethrough,aio=threads,discard=off,queues=4,werror=stop,blocksize=4096",
		      &d, &b, copy),
		0);
	assert_string_equal(d.path, "a,b,");
	assert_true(d.read_only && !d.snapshot && !d.discard && !b.discard && b.writethrough);
	assert_string_equal(d.format, "qcow2");
	assert_int_equal(d.cache, DISK_CACHE_WRITETHROUGH);
	assert_int_equal(d.aio, DISK_AIO_THREADS);
	assert_string_equal(b.serial, "S=1");
	assert_int_equal(b.nr_queues, 4);
	assert_int_equal(d.block_bytes, 4096);
	assert_true(b.werror_stop && !b.pause);
	assert_string_equal(b.path, "a,b,");
	assert_int_equal(parse("a,werror=report", &d, &b, copy), 0);
	assert_false(b.werror_stop || d.backing_any);
	assert_int_equal(parse("a,backing=any", &d, &b, copy), 0);
	assert_true(d.backing_any);
	assert_int_equal(parse("a,backing=any,backing=folder", &d, &b, copy), 0);
	assert_false(d.backing_any);
	assert_int_equal(parse("a,format=raw,format=auto", &d, &b, copy), 0);
	assert_null(d.format);
}

static void bad_options_are_refused(void **state)
{
	static const char *const bad[] = { "",
					   ",ro",
					   "a,",
					   "a,rw",
					   "a,ro=1",
					   "a,format",
					   "a,format=vmdk",
					   "a,cache=",
					   "a,serial=",
					   "a,blocksize=1024",
					   "a,blocksize",
					   "a,queues=0",
					   "a,queues=17",
					   "a,queues=1x",
					   "a,queues",
					   "a,aio=native",
					   "a,discard=yes",
					   "a,werror",
					   "a,werror=ignore",
					   "a,backing",
					   "a,backing=off",
					   "a,queues=-1",
					   "a,serial=123456789012345678901" };
	struct disk_options d;
	struct blk_options b;
	char copy[128];

	(void)state;
	log_set_level(LOG_LEVEL_ERROR - 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &d, &b, copy), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_describes_the_disk),
		T(large_sectors_are_described),
		T(reads_and_writes),
		T(framing_is_free),
		T(the_serial_is_told),
		T(one_callback_does_one_turn),
		T(the_loop_waits_for_nobody),
		T(the_loop_does_not_wait_for_a_reset),
		T(discards_and_zeroes),
		T(what_was_not_negotiated_is_unsupported),
		T(what_makes_no_sense_is_an_error),
		T(nothing_hangs_without_header_or_status),
		T(a_read_only_disk_is_not_written),
		T(without_flushes_each_write_is_flushed),
		T(completions_come_later_and_in_any_order),
		T(a_driver_that_polls_is_shown_results_early),
		T(one_that_does_not_has_one_interrupt_for_all),
		T(a_reset_waits_and_touches_nothing_after),
		T(a_failed_write_waits_for_room),
		T(it_tries_again_by_itself),
		T(no_new_request_is_taken_meanwhile),
		T(all_that_wait_are_tried),
		T(what_cannot_work_later_is_reported),
		T(a_reset_gives_up_what_waits),
		T(the_flush_of_a_write_waits_too),
		T(a_broken_device_does_not_pause_for_ever),
		cmocka_unit_test(options_are_parsed),
		cmocka_unit_test(bad_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
