/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements virtio over MMIO for all devices: the registers of virtio 1.2, 4.2.2, version 2,
 * without the legacy interface. The MMIO bus calls it on vCPU threads, the core (struct
 * virtio_transport) on the loop's and vCPU threads; the device's lock guards all its data.
 *
 * Registers take aligned 4-byte accesses only; the configuration space takes any. Other reads
 * return 0, and other writes are ignored. Reads return the bytes of t->page whether they exit or
 * not, so that both ways give the same value: each write that changes what a later read returns
 * updates the page before the vCPU continues, because such writes always exit.
 *
 * An interrupt causes no exit to user space. A virtio-mmio driver reads InterruptStatus and writes
 * InterruptACK in every interrupt. The read gets its value from the page, which the guest maps
 * read-only (t->shown). A write of 1 (used buffers only) ends in KVM, in an ioeventfd that nothing
 * reads (t->swallowing). Why no event is lost:
 *
 *   - The line is edge triggered, and every notification pulses it, whatever InterruptStatus is. An
 *     edge that arrives while the handler runs makes it run again. So a handler always runs, from
 *     its beginning, after each pulse.
 *   - Used buffers (bit 0). The first notification after a reset sets the bit, and it then stays:
 *     no ACK clears it, so a handler that runs cannot miss it. The handler looks into the used
 *     ring, whose index was stored before the pulse. The bit means "there may be used buffers"; a
 *     handler that finds none has only looked in vain. With a shared line this happens for each
 *     interrupt of another device on the line.
 *   - Used buffers when the host's kernel serves the queue (vhost, used_fd()). Its interrupts pulse
 *     the line, but no code could set the bit for each of them. The bit is set once, before the
 *     first interrupt can arrive, and stays until the reset; the argument above holds, because the
 *     kernel too stores the used index before it interrupts. So an ACK does not clear it then, even
 *     where reads exit. From then on all pulses of the line, ours as well, go through one eventfd
 *     (x86/board/board_virtio.c), so that they do not overlap.
 *   - Configuration (bit 1). Its ACK must clear it. A driver that has read the bit writes 2 or 3,
 *     which the ioeventfd does not match: that write exits and is served under the device's lock
 *     before the vCPU continues.
 *
 * When reads exit (no read-only slots), an ACK clears both bits, as the specification requires
 * (except with used_fd()), and every ACK exits.
 *
 * ConfigGeneration and a half-changed configuration space: virtio_set_config() hides the page while
 * it changes both, so that a reader sees all of the old or all of the new bytes between two equal
 * generations.
 */
#include "virtio/virtio_mmio.h"

#include "kvm/log.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#define MAGIC 0x74726976 /* "virt" */
#define VERSION 2
#define VENDOR 0x4d564b /* "KVM" */

#ifndef VIRTIO_MMIO_QUEUE_RESET
#define VIRTIO_MMIO_QUEUE_RESET 0x0c0
#endif

static uint32_t page_get(const struct virtio_mmio *t, unsigned int offset)
{
	return le32toh(__atomic_load_n((const uint32_t *)(const void *)(t->page + offset),
				       __ATOMIC_RELAXED));
}

/* The guest may be reading: write whole words, in order. */
static void page_set(struct virtio_mmio *t, unsigned int offset, uint32_t value)
{
	uint32_t *at = (uint32_t *)(void *)(t->page + offset);

	if (*at != htole32(value))
		__atomic_store_n(at, htole32(value), __ATOMIC_RELEASE);
}

static void refresh_queue(struct virtio_mmio *t)
{
	const struct virtio_queue *q = virtio_queue(t->device, t->queue_select);

	page_set(t, VIRTIO_MMIO_QUEUE_NUM_MAX, q ? q->vq.max_size : 0);
	page_set(t, VIRTIO_MMIO_QUEUE_READY, q && q->vq.ready);
}

static void refresh(void *ctx)
{
	struct virtio_mmio *t = ctx;
	struct virtio_device *v = t->device;
	uint32_t word;

	for (unsigned int at = 0; at < v->config_bytes; at += sizeof(word)) {
		word = 0;
		memcpy(&word, v->config + at, min_u64(sizeof(word), v->config_bytes - at));
		page_set(t, VIRTIO_MMIO_CONFIG + at, le32toh(word));
	}
	page_set(t, VIRTIO_MMIO_CONFIG_GENERATION, v->config_generation);
	if (!v->status) {
		page_set(t, VIRTIO_MMIO_INTERRUPT_STATUS, 0);
		t->used_by_fd = false;
		t->device_features_select = t->driver_features_select = t->queue_select = 0;
	}
	page_set(t, VIRTIO_MMIO_DEVICE_FEATURES, virtio_offered(v, t->device_features_select));
	refresh_queue(t);
	page_set(t, VIRTIO_MMIO_STATUS, v->status);
}

/*
 * 4.2.2, InterruptStatus: set the bit before the pulse; for bit 0, the used index is published
 * before both.
 */
static void raise(struct virtio_mmio *t, uint32_t bit)
{
	page_set(t, VIRTIO_MMIO_INTERRUPT_STATUS, page_get(t, VIRTIO_MMIO_INTERRUPT_STATUS) | bit);
	t->host->pulse(t->host->ctx);
}

static void raise_used(void *ctx)
{
	raise(ctx, VIRTIO_MMIO_INT_VRING);
}

static int used_fd(void *ctx)
{
	struct virtio_mmio *t = ctx;
	int fd = t->host->irq_fd ? t->host->irq_fd(t->host->ctx) : -ENOTSUP;

	if (fd < 0)
		return fd;
	t->used_by_fd = true;
	page_set(t, VIRTIO_MMIO_INTERRUPT_STATUS,
		 page_get(t, VIRTIO_MMIO_INTERRUPT_STATUS) | VIRTIO_MMIO_INT_VRING);
	return fd;
}

static void raise_config(void *ctx)
{
	raise(ctx, VIRTIO_MMIO_INT_CONFIG);
}

static void acknowledge(struct virtio_mmio *t, uint32_t bits)
{
	uint32_t status = page_get(t, VIRTIO_MMIO_INTERRUPT_STATUS);

	if (t->shown || t->used_by_fd)
		bits &= ~(uint32_t)VIRTIO_MMIO_INT_VRING;
	page_set(t, VIRTIO_MMIO_INTERRUPT_STATUS, status & ~bits);
}

static void hold_config(void *ctx, bool hold)
{
	struct virtio_mmio *t = ctx;

	if (t->host->hide_page)
		t->host->hide_page(t->host->ctx, hold);
}

static void route_kicks(struct virtio_mmio *t)
{
	for (unsigned int i = 0; i < t->device->nr_queues; i++) {
		const struct virtio_queue *q = &t->device->queue[i];

		if (!q->vq.ready || (t->kicks_routed & VIRTIO_BIT(i)))
			continue;
		if (!t->host->route_kicks(t->host->ctx, VIRTIO_MMIO_QUEUE_NOTIFY, i, q->kick_fd))
			t->kicks_routed |= VIRTIO_BIT(i);
	}
}

/* Sets up what is only useful while a driver runs; it stays for the next driver. */
static void go_live(struct virtio_mmio *t)
{
	if (t->host->route_kicks)
		route_kicks(t);
	if (!t->shown && t->host->show_page)
		t->shown = t->host->show_page(t->host->ctx);
	if (t->shown && !t->swallowing && t->host->swallow)
		t->swallowing = !t->host->swallow(t->host->ctx, VIRTIO_MMIO_INTERRUPT_ACK,
						  VIRTIO_MMIO_INT_VRING);
}

static void write_status(struct virtio_mmio *t, uint32_t value)
{
	uint8_t before = t->device->status, added;

	virtio_write_status(t->device, value);
	added = t->device->status & (uint8_t)~before;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK)
		go_live(t);
}

static void set_low(gpa_t *gpa, uint32_t value)
{
	*gpa = (*gpa & ~0xffffffffULL) | value;
}

static void set_high(gpa_t *gpa, uint32_t value)
{
	*gpa = (*gpa & 0xffffffffULL) | (uint64_t)value << 32;
}

/* Writes one of the registers that define a queue's size and place. */
static void write_queue(struct virtio_mmio *t, unsigned int offset, uint32_t value)
{
	struct virtqueue *vq = virtio_queue_setup(t->device, t->queue_select);

	if (!vq) {
		pr_guest("virtio %s: register 0x%x of queue %u written at the wrong time; ignored",
			 t->device->ops->name, offset, t->queue_select);
		return;
	}
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		/* 0: the queue will not start */
		vq->size = value <= vq->max_size ? (uint16_t)value : 0;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&vq->desc_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&vq->desc_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&vq->driver_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&vq->driver_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&vq->device_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&vq->device_gpa, value);
		break;
	default:
		break;
	}
}

static void notify(struct virtio_mmio *t, uint32_t queue)
{
	if (virtio_queue(t->device, queue))
		virtio_kick(t->device, queue);
}

static void write_register(struct virtio_mmio *t, unsigned int offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		notify(t, value);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		acknowledge(t, value);
		break;
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		t->device_features_select = value;
		page_set(t, VIRTIO_MMIO_DEVICE_FEATURES, virtio_offered(t->device, value));
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		t->driver_features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		virtio_accept(t->device, t->driver_features_select, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		t->queue_select = value;
		refresh_queue(t);
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		virtio_queue_ready(t->device, t->queue_select, value & 1);
		refresh_queue(t);
		break;
	case VIRTIO_MMIO_QUEUE_RESET:
		if (value & 1)
			virtio_queue_reset(t->device, t->queue_select);
		refresh_queue(t);
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(t, value);
		break;
	case VIRTIO_MMIO_QUEUE_NUM:
	case VIRTIO_MMIO_QUEUE_DESC_LOW ... VIRTIO_MMIO_QUEUE_USED_HIGH:
		write_queue(t, offset, value);
		break;
	default:
		break; /* read-only, reserved, or SHMSel: the length of every region is -1 */
	}
}

static bool is_register_access(uint64_t offset, unsigned int size)
{
	return size == sizeof(uint32_t) && is_aligned(offset, sizeof(uint32_t));
}

/* The bytes of @value, as on the bus, are little-endian. */
static bool write_config(struct virtio_mmio *t, uint64_t offset, unsigned int size, uint64_t value)
{
	uint64_t bytes = htole64(value);
	bool taken;

	virtio_lock(t->device);
	taken = virtio_write_config(t->device, offset, &bytes, size);
	virtio_unlock(t->device);
	return taken;
}

static void mmio_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct virtio_mmio *t = dev;

	if (offset >= VIRTIO_MMIO_CONFIG &&
	    write_config(t, offset - VIRTIO_MMIO_CONFIG, size, value))
		return;
	if (offset >= VIRTIO_MMIO_CONFIG || !is_register_access(offset, size)) {
		pr_guest("virtio %s: ignored a %u-byte write at 0x%llx: no such register",
			 t->device->ops->name, size, (unsigned long long)offset);
		return;
	}
	virtio_lock(t->device);
	write_register(t, (unsigned int)offset, (uint32_t)value);
	virtio_unlock(t->device);
}

static uint64_t mmio_read(void *dev, uint64_t offset, unsigned int size)
{
	struct virtio_mmio *t = dev;
	uint64_t value = 0;

	if (offset < VIRTIO_MMIO_CONFIG && !is_register_access(offset, size))
		return 0;
	/*
	 * One word, as the guest reads it from the page. ConfigGeneration and what it protects wait
	 * for the lock.
	 */
	if (offset < VIRTIO_MMIO_CONFIG_GENERATION)
		return page_get(t, (unsigned int)offset);
	virtio_lock(t->device);
	memcpy(&value, t->page + offset, size);
	virtio_unlock(t->device);
	return le64toh(value);
}

const struct bus_ops virtio_mmio_bus_ops = { .read = mmio_read, .write = mmio_write, .width = 8 };

void virtio_mmio_init(struct virtio_mmio *t, struct virtio_device *device,
		      const struct virtio_mmio_host *host, uint8_t *page)
{
	static const unsigned int no_shm[] = { VIRTIO_MMIO_SHM_LEN_LOW, VIRTIO_MMIO_SHM_LEN_HIGH,
					       VIRTIO_MMIO_SHM_BASE_LOW,
					       VIRTIO_MMIO_SHM_BASE_HIGH };

	*t = (struct virtio_mmio){ .device = device, .host = host, .page = page };
	device->transport = (struct virtio_transport){
		.used = raise_used,
		.used_fd = used_fd,
		.config = raise_config,
		.refresh = refresh,
		.hold_config = hold_config,
		.ctx = t,
	};
	page_set(t, VIRTIO_MMIO_MAGIC_VALUE, MAGIC);
	page_set(t, VIRTIO_MMIO_VERSION, VERSION);
	page_set(t, VIRTIO_MMIO_DEVICE_ID, device->ops->device_id);
	page_set(t, VIRTIO_MMIO_VENDOR_ID, VENDOR);
	for (unsigned int i = 0; i < ARRAY_SIZE(no_shm); i++)
		page_set(t, no_shm[i], UINT32_MAX);
	refresh(t);
}
