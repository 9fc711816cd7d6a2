/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the block device with a hostile driver's requests, on a fake disk that sometimes completes
 * late.
 *
 * Every request comes back unless it breaks the queue: after a drain, as many chains are used as
 * were made available. The sizes of every piece that reaches the disk add up.
 */
#include "virtio_fuzz.h"

#include "kvm/log.h"
#include "virtio/blk.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>

#define MEM_BYTES (2 * MIB)
#define DISK_BYTES (64 * KIB)
#define NR 16
#define DESC 0x1000
#define AVAIL (DESC + RING_AVAIL)
#define USED (DESC + RING_USED)
#define HEADERS 0x4000
#define DATA 0x8000

struct disk {
	uint8_t bytes[DISK_BYTES];
	struct disk_request *held;
	bool hold, full;
};

struct machine {
	struct gmem mem;
	struct loop loop;
	struct disk disk;
	struct blk *blk;
	struct virtio_device *v;
	uint8_t *ram;
	bool paused;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

uint64_t disk_size_bytes(const struct disk *d)
{
	return sizeof(d->bytes);
}

bool disk_read_only(const struct disk *d)
{
	(void)d;
	return false;
}

bool disk_can_discard(const struct disk *d)
{
	(void)d;
	return true;
}

unsigned int disk_block_bytes(const struct disk *d)
{
	(void)d;
	return 512;
}

static int serve(struct disk *d, struct disk_request *req)
{
	uint64_t sum = 0;

	check(req->offset_bytes % 512 == 0 && req->len_bytes % 512 == 0 && req->nr_iov <= 128);
	if (req->op == DISK_READ || req->op == DISK_WRITE) {
		for (unsigned int i = 0; i < req->nr_iov; i++)
			sum += req->iov[i].iov_len;
		check(sum == req->len_bytes && sum);
	}
	if (req->offset_bytes > DISK_BYTES || req->len_bytes > DISK_BYTES - req->offset_bytes)
		return -EINVAL;
	if (d->full && req->op != DISK_READ)
		return -ENOSPC;
	sum = req->offset_bytes;
	for (unsigned int i = 0; i < req->nr_iov && req->op <= DISK_WRITE; i++) {
		if (req->op == DISK_READ)
			memcpy(req->iov[i].iov_base, d->bytes + sum, req->iov[i].iov_len);
		else
			memcpy(d->bytes + sum, req->iov[i].iov_base, req->iov[i].iov_len);
		sum += req->iov[i].iov_len;
	}
	return 0;
}

void disk_submit(struct disk *d, struct disk_request *req)
{
	if (!d->hold) {
		req->done(req, serve(d, req));
		return;
	}
	req->next = d->held;
	d->held = req;
}

void disk_kick(struct disk *d)
{
	(void)d;
}

void disk_drain(struct disk *d)
{
	struct disk_request *req, *next;

	for (req = d->held, d->held = NULL; req; req = next) {
		next = req->next;
		req->done(req, serve(d, req));
	}
}

static void go_live(struct machine *m, uint64_t features)
{
	virtio_lock(m->v);
	fuzz_negotiate(m->v, features);
	fuzz_ring_at(m->v, 0, DESC, NR);
	virtio_write_status(m->v, 15);
	virtio_unlock(m->v);
}

/*
 * Makes a request in a driver's form, with its type, sector, length and direction from the input.
 */
static void offer(struct machine *m, const uint8_t *op)
{
	static const uint16_t lens[] = { 0, 16, 20, 512, 1024, 4096, 511, 8192 };
	struct vring_desc *desc = (void *)(m->ram + DESC);
	struct vring_avail *avail = (void *)(m->ram + AVAIL);
	uint16_t at = (uint16_t)(op[1] % 5 * 3);
	struct virtio_blk_outhdr hdr = { .type = op[2] % 16,
					 .sector =
						 op[3] > 250 ? UINT64_MAX / (op[4] + 1U) : op[3] };

	memcpy(m->ram + HEADERS + at * 16U, &hdr, sizeof(hdr));
	desc[at] = (struct vring_desc){ HEADERS + at * 16U, 16, VRING_DESC_F_NEXT,
					(uint16_t)(at + 1) };
	desc[at + 1] =
		(struct vring_desc){ DATA + op[4] * 512U, lens[op[5] & 7],
				     VRING_DESC_F_NEXT | (op[5] & 8 ? VRING_DESC_F_WRITE : 0),
				     (uint16_t)(at + 2) };
	desc[at + 2] = (struct vring_desc){ DATA - 1 - at, op[5] & 16 ? 1 : op[5] >> 5,
					    VRING_DESC_F_WRITE, 0 };
	avail->ring[avail->idx % NR] = at;
	avail->idx++;
}

/* Alternately on and off; off at the end. */
static void on_pause(void *ctx, bool on)
{
	struct machine *m = ctx;

	check(m->paused != on);
	m->paused = on;
}

static void step(struct machine *m, const uint8_t *op)
{
	static const gpa_t place[] = { DESC, HEADERS, DATA, AVAIL };

	switch (op[0] & 7) {
	case 0:
		memcpy(m->ram + place[op[0] >> 3 & 3] + op[1] * 2U, op + 2, 4);
		break;
	case 1:
		virtio_kick(m->v, 0);
		fuzz_turn(&m->loop);
		break;
	case 2:
		disk_drain(&m->disk);
		fuzz_turn(&m->loop);
		break;
	case 3:
		m->disk.hold = op[1] & 1;
		m->disk.full = op[1] & 2;
		if (op[1] & 4)
			blk_retry(m->blk);
		break;
	case 4:
		if (op[1] & 1)
			break;
		memset(m->ram + AVAIL, 0, 8);
		memset(m->ram + USED, 0, 8);
		go_live(m, op[2] & 1 ? UINT64_MAX : 1U << op[2] % 32);
		memset(m->ram + USED, 0, 8); /* completed by the last driver's reset */
		break;
	default:
		offer(m, op);
	}
}

static void check_all_came_back(struct machine *m)
{
	const struct virtqueue *vq = &m->v->queue[0].vq;

	m->disk.full = false;
	blk_retry(m->blk);
	virtio_kick(m->v, 0);
	for (unsigned int i = 0; i < 8; i++) {
		fuzz_turn(&m->loop);
		disk_drain(&m->disk);
	}
	check(!m->paused);
	check((m->v->status & VIRTIO_CONFIG_S_NEEDS_RESET) || !vq->ready ||
	      vq->used_idx == vq->last_avail_idx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct blk_options options = { .serial = "fuzz",
				       .nr_queues = 1,
				       .discard = true,
				       .path = "fuzz",
				       .pause = size % 2 ? on_pause : NULL,
				       .pause_ctx = m };

	log_set_level(LOG_LEVEL_ERROR);
	check(m != NULL);
	gmem_init(&m->mem);
	check(!gmem_add(&m->mem, 0, MEM_BYTES, GMEM_NORMAL) && !loop_init(&m->loop));
	m->ram = m->mem.region[0].hva;
	check(!blk_create(&m->blk, &m->disk, &options, &m->mem, &m->loop));
	m->v = blk_virtio(m->blk);
	go_live(m, UINT64_MAX);
	for (size_t i = 0; i + 5 < size; i += 6)
		step(m, data + i);
	check_all_came_back(m);
	blk_destroy(m->blk);
	loop_fini(&m->loop);
	gmem_fini(&m->mem);
	free(m);
	return 0;
}
