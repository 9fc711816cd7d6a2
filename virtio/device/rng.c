/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements the entropy device (virtio 1.2, 5.4): fills each chain with random bytes and returns
 * it. It has one queue, no features and no configuration. All work happens in handle(), on the
 * loop's thread, so no request is ever under way.
 *
 * A chain gets at most MAX_BYTES, as 5.4.6.1 allows, so that a guest with a huge buffer does not
 * hold up the loop. It may get fewer when the host's random pool is not ready; a chain with no
 * writable byte gets none.
 */
#include "virtio/rng.h"

#include <linux/virtio_ids.h>
#include <sys/random.h>

#define QUEUE_SIZE 8
#define MAX_PIECES 16
#define MAX_BYTES 4096
#define RANDOM_BYTE_PRICE 8 /* for virtio_charge() */

static uint32_t fill(const struct vq_chain *c)
{
	const struct iovec *iov = c->iov + c->nr_readable;
	uint32_t done = 0;

	for (unsigned int i = 0; i < c->nr_writable && done < MAX_BYTES; i++) {
		ssize_t n = getrandom(iov[i].iov_base, min_u64(iov[i].iov_len, MAX_BYTES - done),
				      GRND_NONBLOCK);

		if (n < 0)
			break;
		done += (uint32_t)n;
		if ((size_t)n < iov[i].iov_len)
			break; /* the reported bytes must be without a gap */
	}
	return done;
}

static void rng_handle(struct virtio_device *v, unsigned int queue)
{
	struct iovec iov[MAX_PIECES];
	struct vq_chain c = { .iov = iov, .iov_cap = MAX_PIECES };

	while (virtio_pop(v, queue, &c)) {
		uint32_t n = fill(&c);

		virtio_charge(v, (uint64_t)n * RANDOM_BYTE_PRICE);
		virtio_push(v, queue, c.head, n);
	}
}

static const struct virtio_ops rng_ops = {
	.name = "entropy",
	.device_id = VIRTIO_ID_RNG,
	.handle = rng_handle,
};

int rng_init(struct virtio_device *v, const struct gmem *mem, struct loop *loop)
{
	return virtio_init(v, &rng_ops, mem, loop, 1, QUEUE_SIZE, 0, NULL, 0);
}
