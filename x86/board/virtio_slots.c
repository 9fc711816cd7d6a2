/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plugs virtio devices into the board's slots: gives them addresses and lines, and serves what
 * virtio-mmio needs from KVM.
 *
 * - Slot n is at VIRTIO_MMIO_GPA + 4 KiB * n.
 * - Devices take in turn the lines that no ISA device has (GSI 16 to 23, 5, 10, 11). With more
 *   devices than lines, devices share lines.
 * - All lines are edge-triggered and have a lock, because two devices on one line must not pulse it
 *   at the same time: the second rise would be lost, and could be the news for which the first
 *   one's handler was too early.
 * - A line that the host's kernel pulses too (vhost) has an irqfd, one for all its devices and
 *   queues. From then on the launcher writes to its eventfd as well: KVM makes the pulses of one
 *   irqfd one after the other, and at least one after each write.
 * - The register pages of all slots are one piece of memory and one read-only KVM slot. The guest
 *   sees it only once the first driver is up, so machines without virtio drivers do not pay for it.
 *   A vCPU's thread may call KVM_SET_USER_MEMORY_REGION, since that vCPU is not in the guest.
 *
 * Thread: main creates the slots while KVM is being set up, so nothing here uses KVM before a vCPU
 * runs.
 */
#include "virtio_slots.h"

#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "kvm/pages.h"
#include "virtio/virtio_mmio.h"
#include "x86/layout.h"

#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_SLOTS 64
#define PAGES_BYTES ((size_t)MAX_SLOTS * VIRTIO_MMIO_BYTES)
#define WINDOW_KVM_SLOT GMEM_MAX_REGIONS /* guest memory has the ones below */

static const uint8_t lines[] = { 16, 17, 18, 19, 20, 21, 22, 23, 5, 10, 11 };
/* Without a table that names the IOAPIC, interrupts come through the 8259s. */
static const uint8_t pic_lines[] = { 5, 10, 11 };

struct line {
	pthread_mutex_t lock;
	int fd; /* eventfd: the irqfd's, if there is one; -1: none */
};

struct slot {
	struct virtio_slots *slots;
	struct virtio_mmio mmio;
	struct virtio_mmio_host host;
	struct irq_line irq;
	unsigned int index;
};

struct virtio_slots {
	struct vm *vm;
	unsigned int nr_slots;
	struct slot *slot[MAX_SLOTS];
	uint8_t *pages;	      /* for MAX_SLOTS slots; untouched ones cost nothing */
	const uint8_t *lines; /* those that the guest can find */
	unsigned int nr_lines;
	struct line line[ARRAY_SIZE(lines)];
	/* Protects what follows: whether the guest sees the pages. */
	pthread_mutex_t window_lock;
	bool window_wanted, window_refused, window_shown;
	unsigned int nr_hides; /* hide_page() calls under way */
};

static gpa_t slot_gpa(const struct slot *s)
{
	return VIRTIO_MMIO_GPA + (gpa_t)s->index * VIRTIO_MMIO_BYTES;
}

static struct line *slot_line(const struct slot *s)
{
	return &s->slots->line[s->index % s->slots->nr_lines];
}

static void slot_pulse(void *ctx)
{
	struct slot *s = ctx;
	struct line *line = slot_line(s);

	pthread_mutex_lock(&line->lock);
	if (line->fd < 0)
		irq_pulse(&s->irq);
	else
		eventfd_write(line->fd, 1); /* KVM empties it at once */
	pthread_mutex_unlock(&line->lock);
}

static int open_irq_fd(const struct slot *s)
{
	struct kvm_irqfd irqfd = { .gsi = s->irq.gsi };
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), err;

	if (fd < 0)
		return -errno;
	irqfd.fd = (uint32_t)fd;
	err = kvm_ioctl(s->slots->vm->vm_fd, KVM_IRQFD, &irqfd);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int slot_irq_fd(void *ctx)
{
	struct slot *s = ctx;
	struct line *line = slot_line(s);
	int fd;

	pthread_mutex_lock(&line->lock);
	fd = line->fd >= 0 ? line->fd : open_irq_fd(s);
	line->fd = fd >= 0 ? fd : -1;
	pthread_mutex_unlock(&line->lock);
	return fd;
}

/* Locks: the caller holds window_lock. */
static int set_window(struct virtio_slots *slots, bool on)
{
	struct kvm_userspace_memory_region region = {
		.slot = WINDOW_KVM_SLOT,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = VIRTIO_MMIO_GPA,
		.memory_size = on ? (uint64_t)slots->nr_slots * VIRTIO_MMIO_BYTES : 0,
		.userspace_addr = (uintptr_t)slots->pages,
	};
	int err;

	if (on == slots->window_shown)
		return 0;
	err = kvm_ioctl(slots->vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
	if (!err)
		slots->window_shown = on;
	return err;
}

bool virtio_slot_state(const struct machine *m, unsigned int index, struct virtio_slot_state *s)
{
	struct virtio_mmio *mmio;

	if (!m->slots || index >= m->slots->nr_slots)
		return false;
	mmio = &m->slots->slot[index]->mmio;
	/* Without the device's lock, which a driver's reset may hold until the loop runs again. */
	s->device_id = (uint32_t)virtio_mmio_bus_ops.read(mmio, VIRTIO_MMIO_DEVICE_ID, 4);
	s->status = (uint8_t)virtio_mmio_bus_ops.read(mmio, VIRTIO_MMIO_STATUS, 4);
	return true;
}

bool virtio_has_driver(struct vm *vm)
{
	struct virtio_slots *slots = vm->machine->slots;
	bool has;

	if (!slots)
		return false;
	pthread_mutex_lock(&slots->window_lock);
	has = slots->window_wanted;
	pthread_mutex_unlock(&slots->window_lock);
	return has;
}

static bool slot_show_page(void *ctx)
{
	struct virtio_slots *slots = ((struct slot *)ctx)->slots;
	struct vm *vm = slots->vm;

	pthread_mutex_lock(&slots->window_lock);
	if (!slots->window_wanted) {
		slots->window_wanted = true;
		slots->window_refused =
			kvm_ioctl_val(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) <= 0 ||
			set_window(slots, !slots->nr_hides);
		if (slots->window_refused)
			pr_debug("KVM has no read-only memory: reads of virtio registers exit");
	}
	pthread_mutex_unlock(&slots->window_lock);
	return !slots->window_refused;
}

static void slot_hide_page(void *ctx, bool hide)
{
	struct virtio_slots *slots = ((struct slot *)ctx)->slots;

	pthread_mutex_lock(&slots->window_lock);
	slots->nr_hides += hide ? 1U : -1U;
	/* If KVM refuses the window later, reads exit from then on and get the same bytes. */
	if (slots->window_wanted && !slots->window_refused)
		set_window(slots, !slots->nr_hides);
	pthread_mutex_unlock(&slots->window_lock);
}

/* Makes 4-byte writes of @value at @offset signal @fd. */
static int route(const struct slot *s, unsigned int offset, uint32_t value, int fd)
{
	struct kvm_ioeventfd to = {
		.datamatch = value,
		.addr = slot_gpa(s) + offset,
		.len = 4,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return kvm_ioctl(s->slots->vm->vm_fd, KVM_IOEVENTFD, &to);
}

static int slot_route_kicks(void *ctx, unsigned int offset, unsigned int queue, int fd)
{
	return route(ctx, offset, queue, fd);
}

/* KVM keeps the eventfd as long as it signals it, so this descriptor can be closed. */
static int slot_swallow(void *ctx, unsigned int offset, uint32_t value)
{
	int fd = eventfd(0, EFD_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = route(ctx, offset, value, fd);
	close(fd);
	return err;
}

static int publish_slot(struct machine *m, const struct slot *s)
{
	struct device_info info = {
		.name = s->mmio.device->ops->name,
		.acpi_hid = "LNRO0005",
		.fdt_compatible = "virtio,mmio",
		.uid = s->index,
		.res = { { .type = RES_MMIO, .base = slot_gpa(s), .size_bytes = VIRTIO_MMIO_BYTES },
			 { .type = RES_IRQ,
			   .base = s->irq.gsi,
			   .size_bytes = 1,
			   .edge = true,
			   .shared = true } },
	};

	return device_publish(&m->devices, &info);
}

int virtio_plug(struct machine *m, struct virtio_device *device)
{
	struct virtio_slots *slots = m->slots;
	struct slot *s;
	int err;

	if (slots->nr_slots == MAX_SLOTS) {
		pr_err("more than %d virtio devices do not fit into a machine; use fewer",
		       MAX_SLOTS);
		return -ENOSPC;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->slots = slots;
	s->index = slots->nr_slots;
	slots->slot[slots->nr_slots++] = s;
	s->irq = vm_irq_line(m->vm, slots->lines[s->index % slots->nr_lines]);
	s->host = (struct virtio_mmio_host){
		.pulse = slot_pulse,
		.irq_fd = slot_irq_fd,
		.show_page = slot_show_page,
		.hide_page = slot_hide_page,
		.route_kicks = slot_route_kicks,
		.swallow = slot_swallow,
		.ctx = s,
	};
	virtio_mmio_init(&s->mmio, device, &s->host,
			 slots->pages + (size_t)s->index * VIRTIO_MMIO_BYTES);
	err = bus_insert(&m->vm->mmio, slot_gpa(s), VIRTIO_MMIO_BYTES, &virtio_mmio_bus_ops,
			 &s->mmio, "virtio");
	return err ? err : publish_slot(m, s);
}

int virtio_slots_create(struct machine *m)
{
	struct virtio_slots *slots = calloc(1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	m->slots = slots;
	slots->vm = m->vm;
	slots->lines = m->tables ? lines : pic_lines;
	slots->nr_lines = m->tables ? ARRAY_SIZE(lines) : ARRAY_SIZE(pic_lines);
	pthread_mutex_init(&slots->window_lock, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		pthread_mutex_init(&slots->line[i].lock, NULL);
		slots->line[i].fd = -1;
	}
	slots->pages = pages_alloc(PAGES_BYTES);
	return slots->pages ? 0 : -ENOMEM;
}

void virtio_slots_destroy(struct machine *m)
{
	struct virtio_slots *slots = m->slots;

	if (!slots)
		return;
	for (unsigned int i = 0; i < slots->nr_slots; i++)
		free(slots->slot[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		if (slots->line[i].fd >= 0)
			close(slots->line[i].fd);
	}
	pages_free(slots->pages, PAGES_BYTES);
	free(slots);
	m->slots = NULL;
}
