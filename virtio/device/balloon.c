/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory balloon: virtio 1.2, 5.5. What a guest does not use goes back to the host, in two
 * ways:
 *
 *   - reporting (F_REPORTING): the driver names ranges that are free just now, and gets them back
 *     when we return the chain. The host
 *     gives zeroes for them when they are next touched. It needs no target and no care; an idle
 *       machine shrinks by itself.
 *   - the balloon: the driver takes pages away from its guest until there are as many as the
 *     configuration's num_pages says, and
 *     tells us their numbers. With F_DEFLATE_ON_OOM it may take them back before its guest runs out
 *       of memory.
 *
 * Nothing is remembered: a page in the balloon is a page like any other, which comes back empty
 * when somebody touches it. So it does no harm when one is named twice, or taken back unseen, and
 * the deflate queue's chains are only returned. A page that is not the guest's is ignored, as is
 * what lies in a mapped file (see gmem_discard()).
 *
 * The queue for reports is the one behind those that exist, as drivers and hypervisors have it, or
 * number 4, as the specification's list has it: with neither statistics nor hints it is 2 or 4.
 * Both do the same.
 *
 * Everything happens in handle(), on the loop's thread. It does not: statistics, hints, or pages
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
#define MAX_PIECES 128
#define MAX_CHAINS_A_TURN 16 /* or a driver that sends without end keeps the loop from others */
/* of a chain: a guest that sends more does not hold up the loop, but keeps the rest */
#define MAX_PFNS 4096
#define PFN_BYTES (1ULL << VIRTIO_BALLOON_PFN_SHIFT)
#define CONFIG_BYTES 8 /* num_pages, actual; the rest belongs to features that are not offered */

static void give_back(const struct gmem *mem, void *at, uint64_t len)
{
	int err = len ? gmem_discard(mem, at, len) : 0;

	if (err)
		pr_guest("virtio balloon: a page cannot be given back to the host: %s",
			 strerror(-err));
}

/* Page numbers, which come in runs as often as not: one system call for each run, up or down. */
static void inflate(const struct gmem *mem, const struct vq_chain *c)
{
	struct iovec *iov = c->iov;
	unsigned int nr = c->nr_readable;
	uint8_t *run = NULL;
	uint64_t len = 0;
	uint32_t pfn;

	for (unsigned int i = 0; i < MAX_PFNS && vq_iov_pull(&iov, &nr, &pfn, sizeof(pfn)); i++) {
		uint8_t *at =
			gmem_at(mem, (gpa_t)le32toh(pfn) << VIRTIO_BALLOON_PFN_SHIFT, PFN_BYTES);

		if (at && len && at == run + len) {
			len += PFN_BYTES;
		} else if (at && len && at + PFN_BYTES == run) {
			run = at;
			len += PFN_BYTES;
		} else {
			give_back(mem, run, len);
			run = at;
			len = at ? PFN_BYTES : 0;
		}
	}
	give_back(mem, run, len);
}

static void report(const struct gmem *mem, const struct vq_chain *c)
{
	const struct iovec *iov = c->iov + c->nr_readable;

	for (unsigned int i = 0; i < c->nr_writable; i++)
		give_back(mem, iov[i].iov_base, iov[i].iov_len);
}

static void balloon_handle(struct virtio_device *v, unsigned int queue)
{
	const struct gmem *mem = v->queue[queue].vq.mem;
	struct iovec iov[MAX_PIECES];
	struct vq_chain c = { .iov = iov, .iov_cap = MAX_PIECES };

	for (unsigned int i = 0; i < MAX_CHAINS_A_TURN && virtio_pop(v, queue, &c); i++) {
		if (queue == INFLATE)
			inflate(mem, &c);
		else if (queue >= REPORT && virtio_has(v, VIRTIO_BALLOON_F_REPORTING))
			report(mem, &c);
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
