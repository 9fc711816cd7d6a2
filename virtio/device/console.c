/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements the console device (virtio 1.2, 5.3): moves bytes between queues and character
 * devices. console_ctrl.c serves the control queues.
 *
 * There are two kinds of device. A console has one port, no control queues, and its size in the
 * configuration space. Named ports have control queues (VIRTIO_CONSOLE_F_MULTIPORT) and no size.
 * One device could be both, but then the console's size would be in a control message (5.3.6.2),
 * whose two fields Linux has read in another order than the specification's. Two devices avoid that
 * question.
 *
 * Each direction of a port holds at most one chain.
 *
 *   - Transmit: the device writes as much of a chain as the chardev takes, and parks the queue
 *     until the chardev has room; it returns the chain when the chardev has taken all of it. So a
 *     host that takes nothing stops the guest, and nothing is lost. Without a client, a port takes
 *     nothing (the driver knows by VIRTIO_CONSOLE_PORT_OPEN), and a console takes what the chardev
 *     keeps for a late client, because a console must not hold up a boot.
 *   - Receive: the chardev asks for room before it reads. The next chain is then popped and kept,
 *     so that the driver cannot take the room back. Bytes for a port that no guest program has open
 *     stay on the host, because Linux would drop them.
 *
 * The console is the front of its chardev (chardev_set_front()): the console gets the input while a
 * driver runs it; otherwise the serial port does.
 *
 * Thread: loop, except quiesce(), which forgets the held chains. Not supported: the emergency write
 * (5.3.4), and adding and removing ports while the machine runs.
 */
#include "console_impl.h"

#include "kvm/log.h"

#include <assert.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define TX_BUDGET_BYTES (256 * KIB) /* then other devices have their turn */
#define TX_BYTE_PRICE 16	    /* for virtio_charge() */
#define TX_CHAIN_BYTES 1024	    /* the least that a chain counts, however short it is */
/* Ctrl-O: Linux's hvc driver passes the next key to SysRq */
#define HVC_SYSRQ_KEY 0x0f

static struct console *to_console(struct virtio_device *v)
{
	return (struct console *)v;
}

/* 5.3.2: port 0 has the queues before the control queues. */
static unsigned int rx_queue(const struct console_port *p)
{
	return p->id ? 2 * p->id + 2 : 0;
}

static unsigned int tx_queue(const struct console_port *p)
{
	return rx_queue(p) + 1;
}

static bool is_ctrl(const struct console *c, unsigned int queue)
{
	return c->multiport && (queue == CONSOLE_CTRL_RX || queue == CONSOLE_CTRL_TX);
}

static struct console_port *port_of(struct console *c, unsigned int queue)
{
	return &c->port[queue < 2 ? 0 : queue / 2 - 1];
}

static bool live(const struct virtio_device *v)
{
	return (v->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !(v->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* Pops the next chain of @queue into @chain; @writable selects its writable or readable part. */
static bool hold(struct console_port *p, unsigned int queue, struct console_chain *k, bool writable)
{
	struct vq_chain c = { .iov = k->iov, .iov_cap = CONSOLE_MAX_PIECES };

	if (!virtio_pop(&p->console->v, queue, &c))
		return false;
	k->held = true;
	k->head = c.head;
	k->next = k->iov + (writable ? c.nr_readable : 0);
	k->nr = writable ? c.nr_writable : c.nr_readable;
	k->left_bytes = writable ? c.writable_bytes : c.readable_bytes;
	return true;
}

static void advance(struct console_chain *k, size_t len)
{
	k->left_bytes -= len;
	k->next->iov_base = (uint8_t *)k->next->iov_base + len;
	k->next->iov_len -= len;
	if (!k->next->iov_len) {
		k->next++;
		k->nr--;
	}
}

static void give_back(struct console_port *p, unsigned int queue, struct console_chain *k,
		      uint32_t written)
{
	virtio_push(&p->console->v, queue, k->head, written);
	k->held = false;
}

/* ---- transmit -------------------------------------------------------------------------------- */

enum sent { SENT_CHAIN, SENT_ALL, SENT_BUDGET, SENT_FULL };

static size_t tx_room(struct console_port *p)
{
	if (!p->name && !chardev_present(p->chardev))
		return TX_BUDGET_BYTES;
	return chardev_room(p->chardev);
}

/* Passes on the held chain or the next one. */
static enum sent send_one(struct console_port *p, size_t *budget)
{
	struct console_chain *k = &p->tx;

	if (!*budget)
		return SENT_BUDGET;
	if (!k->held && !hold(p, tx_queue(p), k, false))
		return virtio_turn_left(&p->console->v) ? SENT_ALL : SENT_BUDGET;
	*budget -= min_u64(*budget, TX_CHAIN_BYTES);
	while (k->nr) {
		size_t room = k->next->iov_len ? tx_room(p) : 1, len;

		if (!room)
			return SENT_FULL;
		if (!*budget)
			return SENT_BUDGET;
		len = min_u64(min_u64(k->next->iov_len, room), *budget);
		chardev_write(p->chardev, k->next->iov_base, len);
		advance(k, len);
		*budget -= len;
	}
	give_back(p, tx_queue(p), k, 0);
	return SENT_CHAIN;
}

static void handle_tx(struct console_port *p)
{
	struct virtio_device *v = &p->console->v;
	size_t most = min_u64(TX_BUDGET_BYTES, virtio_turn_left(v) / TX_BYTE_PRICE), budget = most;
	enum sent sent;

	do {
		sent = send_one(p, &budget);
	} while (sent == SENT_CHAIN);
	chardev_push(p->chardev);
	virtio_charge(v, (most - budget) * TX_BYTE_PRICE);
	if (sent == SENT_BUDGET)
		virtio_kick(v, tx_queue(p));
	if (sent != SENT_ALL)
		virtio_park(v, tx_queue(p));
	else if (p->guest_closed)
		chardev_end(p->chardev);
}

static void on_closed(struct console_port *p)
{
	virtio_run(&p->console->v, tx_queue(p));
}

static void run_tx(struct console_port *p)
{
	virtio_lock(&p->console->v);
	virtio_run(&p->console->v, tx_queue(p));
	virtio_unlock(&p->console->v);
}

/* ---- receive --------------------------------------------------------------------------------- */

/* Without control queues the driver cannot report that a port is open. */
static bool takes_input(const struct console_port *p)
{
	return p->guest_open || !virtio_has(&p->console->v, VIRTIO_CONSOLE_F_MULTIPORT);
}

/*
 * Makes sure that a chain with room is held, if there is one; otherwise the driver will notify us
 * of the next.
 */
static bool hold_rx(struct console_port *p)
{
	struct virtio_device *v = &p->console->v;

	while (!p->rx.held && !hold(p, rx_queue(p), &p->rx, true)) {
		if (!live(v) || !vq_enable_notify(&v->queue[rx_queue(p)].vq))
			return false;
	}
	if (!p->rx.left_bytes)
		virtio_break(v, "a receive buffer with no room");
	return p->rx.left_bytes;
}

static size_t on_rx_room(void *ctx)
{
	struct console_port *p = ctx;
	struct virtio_device *v = &p->console->v;
	size_t room;

	virtio_lock(v);
	room = takes_input(p) && hold_rx(p) ? p->rx.left_bytes : 0;
	p->rx_stalled = !room;
	virtio_unlock(v);
	return room;
}

static void on_receive(void *ctx, const uint8_t *bytes, size_t len)
{
	struct console_port *p = ctx;
	struct virtio_device *v = &p->console->v;
	uint32_t done = 0;

	virtio_lock(v);
	/*
	 * If the driver has reset its device since the request for room, it no longer wants the
	 * bytes.
	 */
	while (p->rx.held && p->rx.nr && done < len) {
		size_t n = min_u64(p->rx.next->iov_len, len - done);

		memcpy(p->rx.next->iov_base, bytes + done, n);
		advance(&p->rx, n);
		done += (uint32_t)n;
	}
	if (p->rx.held) {
		give_back(p, rx_queue(p), &p->rx, done);
		virtio_publish(v, rx_queue(p));
	}
	virtio_unlock(v);
}

static void handle_rx(struct console_port *p)
{
	if (p->rx_stalled)
		chardev_rx_ready(p->chardev);
	virtio_park(&p->console->v, rx_queue(p));
}

/* ---- the console alone ----------------------------------------------------------------------- */

static bool console_wants(void *ctx)
{
	struct console_port *p = ctx;
	struct virtio_device *v = &p->console->v;
	bool wants;

	virtio_lock(v);
	wants = live(v) && v->queue[rx_queue(p)].vq.ready;
	virtio_unlock(v);
	return wants;
}

/* Stores the terminal's size in @config. */
static bool get_size(struct chardev *cd, struct virtio_console_config *config)
{
	unsigned int columns, rows;

	if (!chardev_size(cd, &columns, &rows))
		return false;
	config->cols = htole16((uint16_t)columns);
	config->rows = htole16((uint16_t)rows);
	return true;
}

static void on_resize(struct console_port *p)
{
	struct virtio_device *v = &p->console->v;
	struct virtio_console_config config = { 0 };

	if ((v->offered & VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE)) && get_size(p->chardev, &config))
		virtio_set_config(v, 0, &config,
				  offsetof(struct virtio_console_config, max_nr_ports));
}

/* Notifies the driver once: Linux reads the size only after a notification of a change. */
static void tell_size(struct console *c)
{
	if (!c->size_told && virtio_has(&c->v, VIRTIO_CONSOLE_F_SIZE))
		c->v.config_irq_wanted = true;
	c->size_told = true;
}

/* ---- both ------------------------------------------------------------------------------------ */

static void on_event(void *ctx, enum chardev_event event)
{
	static const uint8_t sysrq = HVC_SYSRQ_KEY;
	struct console_port *p = ctx;

	switch (event) {
	case CHARDEV_BREAK:
		if (p->name) /* a port has no line to break: keep the room */
			break;
		on_receive(p, &sysrq, 1);
		break;
	case CHARDEV_RESIZE:
		on_resize(p);
		break;
	case CHARDEV_CONNECT:
	case CHARDEV_HANGUP: /* now the console is no longer held up */
		console_ctrl_presence(p);
		run_tx(p);
		break;
	case CHARDEV_ROOM:
		run_tx(p);
		break;
	}
}

static void console_handle(struct virtio_device *v, unsigned int queue)
{
	struct console *c = to_console(v);

	if (is_ctrl(c, queue)) {
		console_ctrl_handle(c, queue);
		return;
	}
	tell_size(c);
	if (queue % 2)
		handle_tx(port_of(c, queue));
	else
		handle_rx(port_of(c, queue));
}

static void console_quiesce(struct virtio_device *v, unsigned int queue)
{
	struct console *c = to_console(v);
	struct console_port *p;

	if (is_ctrl(c, queue)) {
		console_ctrl_forget(c);
		return;
	}
	c->size_told = false;
	p = port_of(c, queue);
	if (queue % 2) {
		p->tx.held = false;
		return;
	}
	p->rx.held = false;
	if (!p->name)
		chardev_rx_ready(p->chardev); /* the serial port gets the input from now on */
}

static const struct virtio_ops console_ops = {
	.name = "console",
	.device_id = VIRTIO_ID_CONSOLE,
	.handle = console_handle,
	.quiesce = console_quiesce,
};

static struct console *new_console(unsigned int nr_ports)
{
	struct console *c = calloc(1, sizeof(*c) + nr_ports * sizeof(c->port[0]));

	if (!c) {
		pr_err("out of memory");
		return NULL;
	}
	c->nr_ports = nr_ports;
	for (unsigned int i = 0; i < nr_ports; i++) {
		c->port[i].console = c;
		c->port[i].closed = on_closed;
		c->port[i].id = i;
	}
	return c;
}

static int init(struct console **out, struct console *c, const struct gmem *mem, struct loop *loop,
		uint64_t features, const struct virtio_console_config *config)
{
	unsigned int nr_queues = c->multiport ? 2 * c->nr_ports + 2 : 2;
	int err = virtio_init(&c->v, &console_ops, mem, loop, nr_queues, CONSOLE_QUEUE_SIZE,
			      features, config, offsetof(struct virtio_console_config, emerg_wr));

	if (err) {
		pr_err("cannot set up a virtio console: %s", strerror(-err));
		console_destroy(c);
		return err;
	}
	*out = c;
	return 0;
}

int console_create(struct console **out, struct chardev *chardev, const struct gmem *mem,
		   struct loop *loop)
{
	struct console *c = new_console(1);
	struct chardev_client client = { on_rx_room, on_receive, on_event, NULL };
	struct virtio_console_config config = { .max_nr_ports = htole32(1) };
	uint64_t features;

	if (!c)
		return -ENOMEM;
	c->port[0].chardev = chardev;
	client.ctx = &c->port[0];
	features = get_size(chardev, &config) ? VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE) : 0;
	chardev_set_front(chardev, &client, console_wants);
	return init(out, c, mem, loop, features, &config);
}

int console_create_ports(struct console **out, const struct console_port_options *ports,
			 unsigned int nr_ports, const struct gmem *mem, struct loop *loop)
{
	struct console *c = new_console(nr_ports);
	struct chardev_client client = { on_rx_room, on_receive, on_event, NULL };
	struct virtio_console_config config = { .max_nr_ports = htole32(nr_ports) };

	assert(nr_ports >= 1 && nr_ports <= CONSOLE_MAX_PORTS);
	if (!c)
		return -ENOMEM;
	c->multiport = true;
	for (unsigned int i = 0; i < nr_ports; i++) {
		c->port[i].name = ports[i].name;
		c->port[i].chardev = ports[i].chardev;
		client.ctx = &c->port[i];
		chardev_set_client(ports[i].chardev, &client);
	}
	return init(out, c, mem, loop, VIRTIO_BIT(VIRTIO_CONSOLE_F_MULTIPORT), &config);
}

bool console_name_ok(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	}
	return len && len <= CONSOLE_MAX_NAME_BYTES;
}

/* Sends one queue's worth of chains at most: no more were made available before the end. */
static void drain_port(struct console_port *p, int stall_ms)
{
	for (unsigned int left = 2 * CONSOLE_QUEUE_SIZE; left > 0; left--) {
		size_t budget = TX_BUDGET_BYTES;
		enum sent sent;

		virtio_lock(&p->console->v);
		sent = send_one(p, &budget);
		virtio_unlock(&p->console->v);
		if (sent == SENT_ALL)
			break;
		if (sent == SENT_FULL && (!chardev_flush(p->chardev, stall_ms) || !tx_room(p)))
			break;
	}
}

void console_drain(struct console *c, int stall_ms)
{
	for (unsigned int i = 0; i < c->nr_ports; i++)
		drain_port(&c->port[i], stall_ms);
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	virtio_fini(&c->v);
	free(c);
}

struct virtio_device *console_virtio(struct console *c)
{
	return &c->v;
}
