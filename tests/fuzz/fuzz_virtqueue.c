/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes a virtqueue with a hostile driver's ring: the input is what it writes into descriptors,
 * rings and tables, with pops in between.
 *
 * Every piece that comes out is in guest memory (ASan checks that), no head comes twice, and every
 * pop ends.
 */
#include "kvm/log.h"
#include "virtio/virtqueue.h"

#include <stdlib.h>
#include <string.h>

#define MEM_BYTES (2 * MIB)
#define NR 16
#define DESC 0x0
#define AVAIL 0x1000
#define USED 0x2000
#define TABLE 0x3000
#define CAP 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_chain(const struct gmem *mem, const struct vq_chain *c)
{
	const uint8_t *base = mem->region[0].hva;
	uint64_t sum = 0;

	check(c->nr_readable + c->nr_writable <= CAP && c->head < NR);
	for (unsigned int i = 0; i < c->nr_readable + c->nr_writable; i++) {
		const uint8_t *at = c->iov[i].iov_base;

		check(at >= base && (uint64_t)(at - base) <= MEM_BYTES && c->iov[i].iov_len &&
		      c->iov[i].iov_len <= MEM_BYTES - (uint64_t)(at - base));
		sum += c->iov[i].iov_len;
	}
	check(sum == c->readable_bytes + c->writable_bytes && sum <= UINT32_MAX);
}

static void pop(struct virtqueue *vq, uint32_t *held)
{
	struct iovec iov[CAP];
	struct vq_chain c = { .iov = iov, .iov_cap = CAP };

	if (vq_pop(vq, &c) <= 0)
		return;
	check_chain(vq->mem, &c);
	check(!(*held & 1U << c.head));
	*held |= 1U << c.head;
	/* Some stay in flight. */
	if (c.head % 3) {
		vq_push(vq, c.head, (uint32_t)c.writable_bytes);
		*held &= ~(1U << c.head);
	}
}

/* Four bytes of input: the place and the value. */
static void step(struct virtqueue *vq, uint8_t *ram, const uint8_t *op, uint32_t *held)
{
	static const gpa_t place[] = { DESC, AVAIL, TABLE, USED };
	uint16_t value = (uint16_t)(op[2] | op[3] << 8), idx;

	switch (op[0] & 7) {
	case 0 ... 3:
		memcpy(ram + place[op[0] & 3] + op[1] * 2U, &value, sizeof(value));
		break;
	case 4: /* a head in the way drivers choose it */
		memcpy(&idx, ram + AVAIL + 2, sizeof(idx));
		memcpy(ram + AVAIL + 4 + idx % NR * 2U, &value, sizeof(value));
		idx++;
		memcpy(ram + AVAIL + 2, &idx, sizeof(idx));
		break;
	case 5:
		vq_publish(vq);
		vq_disable_notify(vq);
		vq_enable_notify(vq);
		break;
	default:
		pop(vq, held);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtqueue vq;
	struct gmem mem;
	uint32_t held = 0;

	if (size < 4)
		return 0;
	gmem_init(&mem);
	check(!gmem_add(&mem, 0, MEM_BYTES, GMEM_NORMAL));
	vq_init(&vq, &mem, 256);
	vq.size = NR;
	vq.desc_gpa = DESC;
	vq.driver_gpa = AVAIL;
	vq.device_gpa = USED;
	check(!vq_start(&vq, data[0] & 1, !(data[0] & 2)));
	for (size_t i = 4; i + 3 < size; i += 4)
		step(&vq, mem.region[0].hva, data + i, &held);
	gmem_fini(&mem);
	return 0;
}
