/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The board's virtio slots: which device is where, on which line, and what virtio-mmio gets from KVM.
 *
 * Slot n is at VIRTIO_MMIO_GPA + 4 KiB * n. Lines are taken in turn from those that no ISA device has (GSI 16 to 23, 5, 10, 11); with more devices
 * than lines they are shared. All are edges, so two devices on one line must not pulse it at the same time (the second
 * rise would be none, and could be the news the first's handler was too early for): a lock a line. A line that the host's kernel pulses too
 * (vhost) has an irqfd, one for all its devices and queues, and from then on we write to its eventfd as well: KVM does the pulses
 * of one irqfd one after the other, and at least one after each write.
 *
 * The register pages of all slots are one piece of memory and one read-only KVM slot. It is shown to the guest when the first driver
 * goes live, and not before: machines without virtio drivers do not pay for it. KVM_SET_USER_MEMORY_REGION from a vCPU's thread is
 * fine: that vCPU is not in the guest.
 *
 * Created on main's thread while KVM is being set up, so nothing here talks to KVM before a vCPU runs.
 */
#include "board_virtio.h"
#include "board_consoles.h"

#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "kvm/pages.h"
#include "kvm/share.h"
#include "virtio/balloon.h"
#include "virtio/blk.h"
#include "virtio/fs.h"
#include "virtio/net.h"
#include "virtio/rng.h"
#include "virtio/virtio_mmio.h"
#include "x86/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MAX_SLOTS 64
#define WINDOW_KVM_SLOT GMEM_MAX_REGIONS /* guest memory has the ones below */

static const uint8_t lines[] = { 16, 17, 18, 19, 20, 21, 22, 23, 5, 10, 11 };
/* Without a table that names the IOAPIC interrupts come by the 8259s. */
static const uint8_t pic_lines[] = { 5, 10, 11 };

struct line {
	pthread_mutex_t lock;
	int fd; /* eventfd: the irqfd's, once there is one; -1: none */
};

struct slot {
	struct virtio_board *board;
	struct virtio_mmio mmio;
	struct virtio_mmio_host host;
	struct irq_line irq;
	unsigned int index;
};

struct board_disk {
	char *text; /* -d's argument, cut up */
	struct disk *disk;
	struct blk *blk;
};

struct board_net {
	char *text; /* -n's argument, cut up */
	struct net *net;
};

struct virtio_board {
	struct machine *m;
	unsigned int nr_slots;
	struct slot *slot[MAX_SLOTS];
	uint8_t *pages;
	size_t pages_bytes;
	const uint8_t *lines; /* those that the guest can know of */
	unsigned int nr_lines;
	struct line line[ARRAY_SIZE(lines)];
	/* Whether the guest sees the pages. */
	pthread_mutex_t window_lock;
	bool window_wanted, window_refused, window_shown;
	unsigned int nr_hides; /* hide_page() calls under way */

	struct board_disk disk[CONFIG_MAX_DISKS];
	struct board_net net[CONFIG_MAX_NETS];
	struct virtio_device *rng;
	struct virtio_device *balloon;
	struct fs **fs; /* NULL: nothing is shared */
	unsigned int nr_fs;
};

static gpa_t slot_gpa(const struct slot *s)
{
	return VIRTIO_MMIO_GPA + (gpa_t)s->index * VIRTIO_MMIO_BYTES;
}

static struct line *slot_line(const struct slot *s)
{
	return &s->board->line[s->index % s->board->nr_lines];
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
	err = kvm_ioctl(s->board->m->vm->vm_fd, KVM_IRQFD, &irqfd);
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

/* Under window_lock. */
static int set_window(struct virtio_board *b, bool on)
{
	struct kvm_userspace_memory_region region = {
		.slot = WINDOW_KVM_SLOT,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = VIRTIO_MMIO_GPA,
		.memory_size = on ? (uint64_t)b->nr_slots * VIRTIO_MMIO_BYTES : 0,
		.userspace_addr = (uintptr_t)b->pages,
	};
	int err;

	if (on == b->window_shown)
		return 0;
	err = kvm_ioctl(b->m->vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
	if (!err)
		b->window_shown = on;
	return err;
}

bool virtio_has_driver(struct vm *vm)
{
	struct virtio_board *b = vm->machine->virtio;
	bool has;

	if (!b)
		return false;
	pthread_mutex_lock(&b->window_lock);
	has = b->window_wanted;
	pthread_mutex_unlock(&b->window_lock);
	return has;
}

static bool slot_show_page(void *ctx)
{
	struct virtio_board *b = ((struct slot *)ctx)->board;
	struct vm *vm = b->m->vm;

	pthread_mutex_lock(&b->window_lock);
	if (!b->window_wanted) {
		b->window_wanted = true;
		b->window_refused =
			kvm_ioctl_val(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) <= 0 ||
			set_window(b, !b->nr_hides);
		if (b->window_refused)
			pr_debug("KVM takes no read-only memory: virtio's registers are read by exits");
	}
	pthread_mutex_unlock(&b->window_lock);
	return !b->window_refused;
}

static void slot_hide_page(void *ctx, bool hide)
{
	struct virtio_board *b = ((struct slot *)ctx)->board;

	pthread_mutex_lock(&b->window_lock);
	b->nr_hides += hide ? 1U : -1U;
	/* Should KVM refuse to take it back, reads exit for good, to the same bytes. */
	if (b->window_wanted && !b->window_refused)
		set_window(b, !b->nr_hides);
	pthread_mutex_unlock(&b->window_lock);
}

/* 4-byte writes of @value at @offset signal @fd. */
static int route(const struct slot *s, unsigned int offset, uint32_t value, int fd)
{
	struct kvm_ioeventfd to = {
		.datamatch = value,
		.addr = slot_gpa(s) + offset,
		.len = 4,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return kvm_ioctl(s->board->m->vm->vm_fd, KVM_IOEVENTFD, &to);
}

static int slot_route_kicks(void *ctx, unsigned int offset, unsigned int queue, int fd)
{
	return route(ctx, offset, queue, fd);
}

/* KVM keeps the eventfd as long as it signals it: we need none of our own. */
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

int virtio_plug(struct virtio_board *b, struct virtio_device *device)
{
	struct machine *m = b->m;
	struct slot *s;
	int err;

	if (b->nr_slots == MAX_SLOTS) {
		pr_err("more than %d virtio devices: this machine has no room for them", MAX_SLOTS);
		return -ENOSPC;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->board = b;
	s->index = b->nr_slots;
	b->slot[b->nr_slots++] = s;
	s->irq = vm_irq_line(m->vm, b->lines[s->index % b->nr_lines]);
	s->host = (struct virtio_mmio_host){
		.pulse = slot_pulse,
		.irq_fd = slot_irq_fd,
		.show_page = slot_show_page,
		.hide_page = slot_hide_page,
		.route_kicks = slot_route_kicks,
		.swallow = slot_swallow,
		.ctx = s,
	};
	virtio_mmio_init(&s->mmio, device, &s->host, b->pages + (size_t)s->index * VIRTIO_MMIO_BYTES);
	err = bus_insert(&m->vm->mmio, slot_gpa(s), VIRTIO_MMIO_BYTES, &virtio_mmio_bus_ops, &s->mmio,
			 "virtio");
	return err ? err : publish_slot(m, s);
}

static void pause_machine(void *ctx, bool on)
{
	struct vm *vm = ctx;

	if (on)
		vm_pause(vm);
	else
		vm_resume(vm);
}

static int create_disk(struct virtio_board *b, unsigned int index)
{
	struct vm *vm = b->m->vm;
	struct board_disk *d = &b->disk[index];
	struct disk_options disk;
	struct blk_options blk;
	int err;

	d->text = strdup(vm->config->disk[index]);
	if (!d->text)
		return -ENOMEM;
	err = blk_parse(d->text, &disk, &blk);
	if (!err)
		err = disk_open(&d->disk, &disk, &vm->loop);
	if (!err && blk.werror_stop) {
		blk.pause = pause_machine;
		blk.pause_ctx = vm;
	}
	if (!err)
		err = blk_create(&d->blk, d->disk, &blk, &vm->mem, &vm->loop);
	return err ? err : virtio_plug(b, blk_virtio(d->blk));
}

/*
 * The same each time this machine is started, and another one's are others: what tells machines of a host apart is their name, else
 * their first disk, else the interface; what tells hosts apart is theirs.
 */
static void choose_mac(const struct virtio_board *b, unsigned int index, const struct netdev *backend,
		       uint8_t mac[ETH_ALEN])
{
	const struct config *config = b->m->vm->config;
	const char *what = config->nr_disks ? b->disk[0].text : netdev_name(backend);
	char name[512];
	struct utsname host;

	if (uname(&host))
		host.nodename[0] = '\0';
	if (config->name)
		snprintf(name, sizeof(name), "%s machine %s", host.nodename, config->name);
	else
		snprintf(name, sizeof(name), "%s %s", host.nodename, what);
	netdev_make_mac(mac, name, index);
	pr_debug("network %s: mac=%02x:%02x:%02x:%02x:%02x:%02x", netdev_name(backend), mac[0], mac[1],
		 mac[2], mac[3], mac[4], mac[5]);
}

static int create_net(struct virtio_board *b, unsigned int index)
{
	struct vm *vm = b->m->vm;
	struct board_net *n = &b->net[index];
	struct netdev *backend[NETDEV_MAX_QUEUES];
	struct netdev_options options;
	int err;

	n->text = strdup(vm->config->net[index]);
	if (!n->text)
		return -ENOMEM;
	err = netdev_parse(n->text, &options);
	if (err || options.kind == NETDEV_NONE)
		return err;
	err = netdev_open(backend, &options);
	if (err)
		return err;
	if (!options.has_mac)
		choose_mac(b, index, backend[0], options.mac);
	err = net_create(&n->net, backend, options.nr_queues, options.mac, &vm->mem, &vm->loop);
	return err ? err : virtio_plug(b, net_virtio(n->net));
}

static int create_rng(struct virtio_board *b)
{
	struct vm *vm = b->m->vm;
	int err;

	b->rng = calloc(1, sizeof(*b->rng));
	if (!b->rng)
		return -ENOMEM;
	err = rng_init(b->rng, &vm->mem, &vm->loop);
	return err ? err : virtio_plug(b, b->rng);
}

static int check_balloon(const struct config *config)
{
	if (config->hugepages) {
		pr_err("--balloon: with --hugepages all memory stays this machine's; use one of them");
		return -EINVAL;
	}
	if (config->balloon_bytes > BALLOON_MAX_BYTES || config->balloon_bytes >= config->mem_bytes) {
		pr_err("--balloon: takes less than the guest's memory, -m %lluM",
		       (unsigned long long)(config->mem_bytes / MIB));
		return -EINVAL;
	}
	return 0;
}

static int create_balloon(struct virtio_board *b)
{
	struct vm *vm = b->m->vm;
	int err = check_balloon(vm->config);

	if (err)
		return err;
	b->balloon = calloc(1, sizeof(*b->balloon));
	if (!b->balloon)
		return -ENOMEM;
	err = balloon_init(b->balloon, &vm->mem, &vm->loop, vm->config->balloon_bytes);
	return err ? err : virtio_plug(b, b->balloon);
}

/* Without its root there is nothing that the guest could still do. */
static void root_is_lost(void *ctx, const char *why)
{
	vm_end(ctx, VERDICT_LAUNCHER, 0, "the guest has lost its root (--root): %s", why);
}

static int create_fs(struct virtio_board *b, unsigned int index)
{
	struct vm *vm = b->m->vm;
	struct share share;
	int err = share_get(&share, vm->config, index);

	if (!err)
		err = fs_create(&b->fs[index], &share, &vm->mem, &vm->loop);
	if (!err && vm->config->root && !index)
		fs_on_loss(b->fs[index], root_is_lost, vm);
	if (!err && !vm->config->dump_dtb)
		err = fs_launch(b->fs[index]);
	return err ? err : virtio_plug(b, fs_virtio(b->fs[index]));
}

static int create_shares(struct virtio_board *b)
{
	int err = 0;

	b->nr_fs = share_count(b->m->vm->config);
	if (!b->nr_fs)
		return 0;
	b->fs = calloc(b->nr_fs, sizeof(*b->fs));
	for (unsigned int i = 0; i < b->nr_fs && !err; i++)
		err = b->fs ? create_fs(b, i) : -ENOMEM;
	return err;
}

int greet_shares(struct machine *m)
{
	struct virtio_board *b = m->virtio;
	int err = 0;

	for (unsigned int i = 0; b && i < b->nr_fs && !err; i++)
		err = fs_greet(b->fs[i]);
	return err;
}

void hang_up_shares(struct machine *m)
{
	struct virtio_board *b = m->virtio;

	for (unsigned int i = 0; b && b->fs && i < b->nr_fs; i++)
		fs_hang_up(b->fs[i]);
}

/* Pages for as many slots as there can be; untouched ones cost nothing. */
static int map_pages(struct virtio_board *b)
{
	b->pages_bytes = (size_t)MAX_SLOTS * VIRTIO_MMIO_BYTES;
	b->pages = pages_alloc(b->pages_bytes);
	return b->pages ? 0 : -ENOMEM;
}

int create_virtio(struct machine *m)
{
	const struct config *config = m->vm->config;
	struct virtio_board *b;
	int err;

	if (!config->nr_disks && !config->nr_nets && config->rng == RNG_OFF && !config->balloon &&
	    !share_count(config) && !has_consoles(config))
		return 0;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	m->virtio = b;
	b->m = m;
	b->lines = m->tables ? lines : pic_lines;
	b->nr_lines = m->tables ? ARRAY_SIZE(lines) : ARRAY_SIZE(pic_lines);
	pthread_mutex_init(&b->window_lock, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		pthread_mutex_init(&b->line[i].lock, NULL);
		b->line[i].fd = -1;
	}
	err = map_pages(b);
	if (!err)
		err = create_shares(b); /* virtiofsd starts while the rest is made */
	for (unsigned int i = 0; i < config->nr_disks && !err; i++)
		err = create_disk(b, i);
	for (unsigned int i = 0; i < config->nr_nets && !err; i++)
		err = create_net(b, i);
	if (!err && config->rng == RNG_ON)
		err = create_rng(b);
	if (!err && config->balloon)
		err = create_balloon(b);
	if (!err && has_consoles(config))
		err = create_consoles(m);
	return err;
}

struct disk *virtio_first_disk(struct machine *m)
{
	return m->virtio ? m->virtio->disk[0].disk : NULL;
}

void retry_virtio(struct machine *m)
{
	struct virtio_board *b = m->virtio;

	for (unsigned int i = 0; b && i < m->vm->config->nr_disks; i++)
		blk_retry(b->disk[i].blk);
}

int settle_virtio(struct machine *m)
{
	struct virtio_board *b = m->virtio;
	int err = 0;

	for (unsigned int i = 0; b && i < CONFIG_MAX_DISKS; i++) {
		int disk_err;

		blk_destroy(b->disk[i].blk);
		disk_err = disk_close(b->disk[i].disk);
		if (disk_err)
			err = disk_err;
		b->disk[i].blk = NULL;
		b->disk[i].disk = NULL;
	}
	for (unsigned int i = 0; b && i < CONFIG_MAX_NETS; i++) {
		net_destroy(b->net[i].net);
		b->net[i].net = NULL;
	}
	return err;
}

static void unplug(struct virtio_device *v)
{
	if (v)
		virtio_fini(v);
	free(v);
}

void destroy_virtio(struct machine *m)
{
	struct virtio_board *b = m->virtio;

	if (!b)
		return;
	settle_virtio(m);
	destroy_consoles(m);
	for (unsigned int i = 0; i < CONFIG_MAX_DISKS; i++)
		free(b->disk[i].text);
	for (unsigned int i = 0; i < CONFIG_MAX_NETS; i++)
		free(b->net[i].text);
	unplug(b->rng);
	unplug(b->balloon);
	for (unsigned int i = 0; b->fs && i < b->nr_fs; i++)
		fs_destroy(b->fs[i]);
	free(b->fs);
	for (unsigned int i = 0; i < b->nr_slots; i++)
		free(b->slot[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		if (b->line[i].fd >= 0)
			close(b->line[i].fd);
	}
	pages_free(b->pages, b->pages_bytes);
	free(b);
	m->virtio = NULL;
}
