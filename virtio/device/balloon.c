/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements the memory balloon (virtio 1.2, 5.5), which returns memory that the guest does not use
 * to the host. There are two ways:
 *
 *   - Reporting (F_REPORTING): the driver names ranges that are free at the moment, and gets them
 *     back when we return the chain. The host supplies zeroes when the guest next touches them.
 *     This needs no target: an idle machine shrinks by itself.
 *   - The balloon: the driver takes pages away from its guest until there are as many as the
 *     configuration's num_pages, and sends us their numbers. With F_DEFLATE_ON_OOM it may take them
 *     back before its guest runs out of memory.
 *
 * The device keeps no list of pages. A page in the balloon is like any other page and reads as
 * zeroes at the next access. So a page may be named twice, or taken back without a message, and the
 * chains of the deflate queue are only returned. The device ignores a page that is not the guest's,
 * or that is in a mapped file (see gmem_discard()).
 *
 * The queue for reports is either the next one after the existing queues, as in drivers and
 * hypervisors, or number 4, as in the specification's list: without statistics and hints, number 2
 * or 4. Both queues work.
 *
 * All work happens in handle(), on the loop's thread. Not supported: statistics, hints, and pages
 * that must not read as zeroes (F_PAGE_POISON).
 */
#include "virtio/balloon.h"

#include "kvm/log.h"

#include <endian.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <string.h>

enum { INFLATE, DEFLATE, REPORT, NR_QUEUES = 5 };

#define QUEUE_SIZE 128
#define MAX_PIECES (QUEUE_SIZE + GMEM_MAX_REGIONS)
/*
 * What a chain may name; the device ignores the rest, so that it does not hold up the loop: page
 * numbers, runs of them (a system call each), and bytes of reports. Linux sends 256 and 128 MiB.
 */
#define MAX_PFNS 4096
#define MAX_RUNS 256
#define MAX_REPORT_BYTES (256 * MIB)
/* The prices of a system call and of a page, for virtio_charge(). */
#define DISCARD_PRICE (16 * KIB)
#define PAGE_PRICE 1024
#define PFN_BYTES (1ULL << VIRTIO_BALLOON_PFN_SHIFT)
/* num_pages, actual; the other fields belong to features that are not offered */
#define CONFIG_BYTES 8

static void give_back(struct virtio_device *v, void *at, uint64_t len)
{
	int err = len ? gmem_discard(v->queue[INFLATE].vq.mem, at, len) : 0;

	virtio_charge(v, len ? DISCARD_PRICE + len / PFN_BYTES * PAGE_PRICE : 0);
	if (err)
		pr_guest("virtio balloon: cannot return a page to the host: %s", strerror(-err));
}

/*
 * Discards the listed pages. Numbers often come in runs: one system call for each run, up or down.
 */
static void inflate(struct virtio_device *v, const struct vq_chain *c)
{
	const struct gmem *mem = v->queue[INFLATE].vq.mem;
	struct iovec *iov = c->iov;
	unsigned int nr = c->nr_readable, runs = 0;
	uint8_t *run = NULL;
	uint64_t len = 0;
	uint32_t pfn;

	for (unsigned int i = 0;
	     i < MAX_PFNS && runs < MAX_RUNS && vq_iov_pull(&iov, &nr, &pfn, sizeof(pfn)); i++) {
		uint8_t *at =
			gmem_at(mem, (gpa_t)le32toh(pfn) << VIRTIO_BALLOON_PFN_SHIFT, PFN_BYTES);

		if (at && len && at == run + len) {
			len += PFN_BYTES;
		} else if (at && len && at + PFN_BYTES == run) {
			run = at;
			len += PFN_BYTES;
		} else {
			runs += len != 0;
			give_back(v, run, len);
			run = at;
			len = at ? PFN_BYTES : 0;
		}
	}
	if (runs < MAX_RUNS)
		give_back(v, run, len);
}

static void report(struct virtio_device *v, const struct vq_chain *c)
{
	const struct iovec *iov = c->iov + c->nr_readable;
	uint64_t left = MAX_REPORT_BYTES;

	for (unsigned int i = 0; i < c->nr_writable && left; i++) {
		uint64_t n = min_u64(iov[i].iov_len, left);

		give_back(v, iov[i].iov_base, n);
		left -= n;
	}
}

static void balloon_handle(struct virtio_device *v, unsigned int queue)
{
	struct iovec iov[MAX_PIECES];
	struct vq_chain c = { .iov = iov, .iov_cap = MAX_PIECES };

	while (virtio_pop(v, queue, &c)) {
		if (queue == INFLATE)
			inflate(v, &c);
		else if (queue >= REPORT && virtio_has(v, VIRTIO_BALLOON_F_REPORTING))
			report(v, &c);
		virtio_push(v, queue, c.head, 0);
	}
}

static const struct virtio_ops balloon_ops = {
	.name = "balloon",
	.device_id = VIRTIO_ID_BALLOON,
	.handle = balloon_handle,
	.driver_field_offset = offsetof(struct virtio_balloon_config, actual),
	.driver_field_bytes = sizeof(uint32_t),
};

int balloon_init(struct virtio_device *v, const struct gmem *mem, struct loop *loop,
		 uint64_t target_bytes)
{
	struct virtio_balloon_config config = { .num_pages = htole32(
							(uint32_t)(target_bytes / PFN_BYTES)) };

	return virtio_init(v, &balloon_ops, mem, loop, NR_QUEUES, QUEUE_SIZE,
			   VIRTIO_BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
				   VIRTIO_BIT(VIRTIO_BALLOON_F_REPORTING),
			   &config, CONFIG_BYTES);
}
