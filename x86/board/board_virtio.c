/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Creates the board's virtio devices from the configuration, by a table with a row for each kind.
 *
 * The order of the table is the order of the slots, so guests see it: /dev/vda is the first disk. A
 * new kind of device needs a file in virtio/device/, and a row here with the functions that create
 * and destroy it. One list holds the devices, in the order in which they were created.
 *
 * Thread: main; retry_virtio(): loop.
 */
#include "board_virtio.h"
#include "board_consoles.h"
#include "virtio_slots.h"

#include "kvm/log.h"
#include "kvm/share.h"
#include "virtio/balloon.h"
#include "virtio/blk.h"
#include "virtio/fs.h"
#include "virtio/net.h"
#include "virtio/rng.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct virtio_row {
	const char *name;
	/* How many of them the machine has. */
	unsigned int (*count)(const struct config *config);
	/*
	 * Creates number @index of them and plugs it in. Sets *@device for the functions below,
	 * which are called once it is set, even after a failure; NULL: nothing to undo. Returns 0
	 * or -errno.
	 */
	int (*create)(struct virtio_board *b, unsigned int index, void **device);
	/* These may be NULL. See shares_connect() and the functions after it in board_virtio.h. */
	int (*connect)(void *device);
	void (*retry)(void *device);
	int (*settle)(void *device);
	void (*disconnect)(void *device);
	/* Frees it, after settle(). */
	void (*destroy)(void *device);
};

struct virtio_board {
	struct machine *m;
	struct board_disk *first_disk; /* NULL: none */
	unsigned int nr_devices;
	struct {
		const struct virtio_row *row;
		void *device;
	} device[];
};

/* ---- shared folders -------------------------------------------------------------------------- */

struct board_share {
	struct share share;
	struct fs *fs;
};

static_assert(SHARE_MAX_TAG_BYTES <= FS_MAX_TAG_BYTES, "");
static_assert(SHARE_MAX_SOCKET_BYTES <= FS_MAX_SOCKET_BYTES, "");

/* Ends the machine: without its root the guest can do nothing. */
static void root_is_lost(void *ctx, const char *why)
{
	vm_end(ctx, VERDICT_LAUNCHER, 0, "the guest has lost its root (--root): %s", why);
}

static int create_share(struct virtio_board *b, unsigned int index, void **device)
{
	struct vm *vm = b->m->vm;
	struct board_share *s = *device = calloc(1, sizeof(*s));
	struct fs_options options;
	int err;

	if (!s)
		return -ENOMEM;
	err = share_get(&s->share, vm->config, index);
	if (err)
		return err;
	options = (struct fs_options){
		.option = s->share.option,
		.tag = s->share.tag,
		.dir = s->share.dir,
		.socket = s->share.socket,
		.read_only = s->share.read_only,
		.privileged = share_by_root(),
	};
	err = fs_create(&s->fs, &options, &vm->mem, &vm->loop);
	if (!err && vm->config->root && !index)
		fs_on_loss(s->fs, root_is_lost, vm);
	if (!err && !vm->config->dump_dtb)
		err = fs_launch(s->fs);
	return err ? err : virtio_plug(b->m, fs_virtio(s->fs));
}

static int connect_share(void *device)
{
	return fs_greet(((struct board_share *)device)->fs);
}

static void disconnect_share(void *device)
{
	fs_hang_up(((struct board_share *)device)->fs);
}

static void destroy_share(void *device)
{
	struct board_share *s = device;

	fs_destroy(s->fs);
	free(s);
}

/* ---- disks --------------------------------------------------------------------------- */

struct board_disk {
	char *text; /* -d's argument, split in place */
	struct disk *disk;
	struct blk *blk;
};

static unsigned int count_disks(const struct config *config)
{
	return config->nr_disks;
}

static void pause_machine(void *ctx, bool on)
{
	struct vm *vm = ctx;

	if (on)
		vm_pause(vm);
	else
		vm_resume(vm);
}

static bool mend_memory(void *ctx)
{
	return gmem_repair(&((struct vm *)ctx)->mem);
}

static int create_disk(struct virtio_board *b, unsigned int index, void **device)
{
	struct vm *vm = b->m->vm;
	struct board_disk *d = *device = calloc(1, sizeof(*d));
	struct disk_options disk;
	struct blk_options blk;
	int err;

	if (d)
		d->text = strdup(vm->config->disk[index]);
	if (!d || !d->text)
		return -ENOMEM;
	if (!index)
		b->first_disk = d;
	err = blk_parse(d->text, &disk, &blk);
	disk.mend = mend_memory;
	disk.mend_ctx = vm;
	if (!err)
		err = disk_open(&d->disk, &disk, &vm->loop);
	if (!err && blk.werror_stop) {
		blk.pause = pause_machine;
		blk.pause_ctx = vm;
	}
	if (!err)
		err = blk_create(&d->blk, d->disk, &blk, &vm->mem, &vm->loop);
	return err ? err : virtio_plug(b->m, blk_virtio(d->blk));
}

static void retry_disk(void *device)
{
	blk_retry(((struct board_disk *)device)->blk);
}

static int settle_disk(void *device)
{
	struct board_disk *d = device;
	int err;

	blk_destroy(d->blk);
	err = disk_close(d->disk);
	d->blk = NULL;
	d->disk = NULL;
	return err;
}

static void destroy_disk(void *device)
{
	struct board_disk *d = device;

	free(d->text);
	free(d);
}

/* ---- networks --------------------------------------------------------------------------- */

struct board_net {
	char *text; /* -n's argument, split in place */
	struct net *net;
	struct netdev *backend; /* its first queue, until the guest starts */
};

static unsigned int count_nets(const struct config *config)
{
	return config->nr_nets;
}

/*
 * Makes a MAC address that is the same each time this machine is started, and differs from those of
 * other machines. Machines on one host differ by their name, else by their first disk, else by the
 * interface; hosts differ by the host's name.
 */
static void choose_mac(const struct virtio_board *b, unsigned int index,
		       const struct netdev *backend, uint8_t mac[ETH_ALEN])
{
	const struct config *config = b->m->vm->config;
	const char *what = b->first_disk ? b->first_disk->text : netdev_name(backend);
	char name[512];
	struct utsname host;

	if (uname(&host))
		host.nodename[0] = '\0';
	if (config->name)
		snprintf(name, sizeof(name), "%s machine %s", host.nodename, config->name);
	else
		snprintf(name, sizeof(name), "%s %s", host.nodename, what);
	netdev_make_mac(mac, name, index);
	pr_debug("network %s: mac=%02x:%02x:%02x:%02x:%02x:%02x", netdev_name(backend), mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static int create_net(struct virtio_board *b, unsigned int index, void **device)
{
	struct vm *vm = b->m->vm;
	struct board_net *n = *device = calloc(1, sizeof(*n));
	struct netdev *backend[NETDEV_MAX_QUEUES];
	struct netdev_options options;
	int err;

	if (n)
		n->text = strdup(vm->config->net[index]);
	if (!n || !n->text)
		return -ENOMEM;
	err = netdev_parse(n->text, &options);
	if (err || options.kind == NETDEV_NONE)
		return err;
	err = netdev_open(backend, &options);
	if (err)
		return err;
	if (!options.has_mac)
		choose_mac(b, index, backend[0], options.mac);
	n->backend = backend[0];
	err = net_create(&n->net, backend, options.nr_queues, options.mac, &vm->mem, &vm->loop);
	return err ? err : virtio_plug(b->m, net_virtio(n->net));
}

static int connect_net(void *device)
{
	struct board_net *n = device;

	return n->backend ? netdev_greet(n->backend) : 0;
}

static int settle_net(void *device)
{
	struct board_net *n = device;

	net_destroy(n->net);
	n->net = NULL;
	return 0;
}

static void destroy_net(void *device)
{
	struct board_net *n = device;

	free(n->text);
	free(n);
}

/* ---- entropy, balloon, consoles -------------------------------------------------------------- */

static unsigned int count_rng(const struct config *config)
{
	return config->rng == RNG_ON;
}

static int create_rng(struct virtio_board *b, unsigned int index, void **device)
{
	struct vm *vm = b->m->vm;
	struct virtio_device *v = *device = calloc(1, sizeof(*v));
	int err;

	(void)index;
	if (!v)
		return -ENOMEM;
	err = rng_init(v, &vm->mem, &vm->loop);
	return err ? err : virtio_plug(b->m, v);
}

static void destroy_device(void *device)
{
	virtio_fini(device);
	free(device);
}

static unsigned int count_balloon(const struct config *config)
{
	return config->balloon;
}

static int check_balloon(const struct config *config)
{
	if (config->hugepages) {
		pr_err("--balloon: cannot be used with --hugepages");
		return -EINVAL;
	}
	if (config->balloon_bytes > BALLOON_MAX_BYTES ||
	    config->balloon_bytes >= config->mem_bytes) {
		pr_err("--balloon: must be less than the guest's memory, -m %lluM",
		       (unsigned long long)(config->mem_bytes / MIB));
		return -EINVAL;
	}
	return 0;
}

static int create_balloon(struct virtio_board *b, unsigned int index, void **device)
{
	struct vm *vm = b->m->vm;
	struct virtio_device *v;
	int err = check_balloon(vm->config);

	(void)index;
	if (err)
		return err;
	v = *device = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	err = balloon_init(v, &vm->mem, &vm->loop, vm->config->balloon_bytes);
	return err ? err : virtio_plug(b->m, v);
}

static unsigned int count_consoles(const struct config *config)
{
	return has_consoles(config);
}

static int create_all_consoles(struct virtio_board *b, unsigned int index, void **device)
{
	(void)index;
	*device = b->m;
	return create_consoles(b->m);
}

static void destroy_all_consoles(void *device)
{
	destroy_consoles(device);
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct virtio_row rows[] = {
	{
		.name = "shared folder",
		.count = share_count,
		.create = create_share, /* virtiofsd starts while the other devices are created */
		.connect = connect_share,
		.disconnect = disconnect_share,
		.destroy = destroy_share,
	},
	{
		.name = "disk",
		.count = count_disks,
		.create = create_disk,
		.retry = retry_disk,
		.settle = settle_disk,
		.destroy = destroy_disk,
	},
	{
		.name = "network",
		.count = count_nets,
		.create = create_net,
		.connect = connect_net,
		.settle = settle_net,
		.destroy = destroy_net,
	},
	{ .name = "entropy", .count = count_rng, .create = create_rng, .destroy = destroy_device },
	{ .name = "balloon",
	  .count = count_balloon,
	  .create = create_balloon,
	  .destroy = destroy_device },
	{
		.name = "consoles",
		.count = count_consoles,
		.create = create_all_consoles,
		.destroy = destroy_all_consoles,
	},
};

static int create_row(struct virtio_board *b, const struct virtio_row *row)
{
	unsigned int nr = row->count(b->m->vm->config);
	int err = 0;

	for (unsigned int i = 0; i < nr && !err; i++) {
		unsigned int at = b->nr_devices++;

		b->device[at].row = row;
		err = row->create(b, i, &b->device[at].device);
		if (err)
			pr_debug("virtio %s: not created: %s", row->name, strerror(-err));
	}
	return err;
}

int create_virtio(struct machine *m)
{
	struct virtio_board *b;
	unsigned int nr = 0;
	int err;

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		nr += rows[i].count(m->vm->config);
	if (!nr)
		return 0;
	b = calloc(1, sizeof(*b) + nr * sizeof(b->device[0]));
	if (!b)
		return -ENOMEM;
	m->virtio = b;
	b->m = m;
	err = virtio_slots_create(m);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows) && !err; i++)
		err = create_row(b, &rows[i]);
	return err;
}

struct disk *virtio_first_disk(struct machine *m)
{
	return m->virtio && m->virtio->first_disk ? m->virtio->first_disk->disk : NULL;
}

int shares_connect(struct machine *m)
{
	struct virtio_board *b = m->virtio;
	int err = 0;

	for (unsigned int i = 0; b && i < b->nr_devices && !err; i++) {
		if (b->device[i].row->connect)
			err = b->device[i].row->connect(b->device[i].device);
	}
	return err;
}

void retry_virtio(struct machine *m)
{
	struct virtio_board *b = m->virtio;

	for (unsigned int i = 0; b && i < b->nr_devices; i++) {
		if (b->device[i].row->retry)
			b->device[i].row->retry(b->device[i].device);
	}
}

int settle_virtio(struct machine *m)
{
	struct virtio_board *b = m->virtio;
	int err = 0;

	for (unsigned int i = 0; b && i < b->nr_devices; i++) {
		int device_err = 0;

		if (b->device[i].row->settle && b->device[i].device)
			device_err = b->device[i].row->settle(b->device[i].device);
		if (device_err)
			err = device_err;
	}
	return err;
}

void shares_disconnect(struct machine *m)
{
	struct virtio_board *b = m->virtio;

	for (unsigned int i = 0; b && i < b->nr_devices; i++) {
		if (b->device[i].row->disconnect && b->device[i].device)
			b->device[i].row->disconnect(b->device[i].device);
	}
}

void destroy_virtio(struct machine *m)
{
	struct virtio_board *b = m->virtio;

	if (!b)
		return;
	settle_virtio(m);
	for (unsigned int i = b->nr_devices; i-- > 0;) {
		if (b->device[i].device)
			b->device[i].row->destroy(b->device[i].device);
	}
	virtio_slots_destroy(m);
	free(b);
	m->virtio = NULL;
}
