/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves the console device's control queues (virtio 1.2, 5.3.6.2): which ports there are, their
 * names, and whether they are open, in the guest and on the host. Called from console.c. Thread:
 * loop. Locks: the device's, held.
 *
 *   - The driver sends VIRTIO_CONSOLE_DEVICE_READY and gets PORT_ADD for each port.
 *   - It sends PORT_READY for each port and gets the port's name (PORT_NAME) and whether it has a
 *     client on the host (PORT_OPEN).
 *   - It sends PORT_OPEN when a guest program opens or closes the port.
 *
 * The device does not queue messages for the driver. It records each as a bit in console_port.owed
 * and builds it from the present state when the driver has a buffer for it. So no driver can make
 * us store more, however often it asks. Messages that make no sense are ignored.
 */
#include "console_impl.h"

#include "kvm/log.h"

#include <endian.h>
#include <string.h>

#define OWED(event) (1U << (event))

struct message {
	struct virtio_console_control control;
	char name[CONSOLE_MAX_NAME_BYTES];
};

/* Builds the message in @m. Returns its length. */
static size_t make_message(struct console_port *p, unsigned int event, struct message *m)
{
	bool is_open = event == VIRTIO_CONSOLE_PORT_OPEN;
	size_t name_len = event == VIRTIO_CONSOLE_PORT_NAME ? strlen(p->name) : 0;

	m->control.id = htole32(p->id);
	m->control.event = htole16((uint16_t)event);
	m->control.value = htole16(!is_open || chardev_present(p->chardev));
	memcpy(m->name, p->name, name_len);
	return sizeof(m->control) + name_len;
}

/* Returns false if the driver has no buffer for it now. */
static bool send_message(struct console_port *p, unsigned int event)
{
	struct virtio_device *v = &p->console->v;
	struct iovec iov[CONSOLE_MAX_PIECES];
	struct vq_chain c = { .iov = iov, .iov_cap = CONSOLE_MAX_PIECES };
	struct message m;
	size_t len;

	if (!virtio_pop(v, CONSOLE_CTRL_RX, &c))
		return false;
	len = make_message(p, event, &m);
	if (c.writable_bytes < len) {
		virtio_break(v, "a control buffer too small for a message");
		return false;
	}
	vq_iov_push(iov + c.nr_readable, c.nr_writable, 0, &m, len);
	virtio_push(v, CONSOLE_CTRL_RX, c.head, (uint32_t)len);
	return true;
}

/*
 * Sends the messages that the driver is owed about one port. Returns false if it has no more
 * buffers.
 */
static bool tell(struct console_port *p)
{
	static const uint8_t events[] = { VIRTIO_CONSOLE_PORT_ADD, VIRTIO_CONSOLE_PORT_NAME,
					  VIRTIO_CONSOLE_PORT_OPEN };

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		if (!(p->owed & OWED(events[i])))
			continue;
		if (!send_message(p, events[i]))
			return false;
		p->owed &= ~OWED(events[i]);
	}
	return true;
}

static void tell_all(struct console *c)
{
	for (unsigned int i = 0; i < c->nr_ports; i++) {
		if (!tell(&c->port[i]))
			return; /* the core asks the driver to notify us */
	}
	virtio_park(&c->v, CONSOLE_CTRL_RX);
}

static void set_guest_open(struct console_port *p, bool open)
{
	p->guest_closed = !open && p->guest_open;
	p->guest_open = open;
	if (p->guest_closed)
		p->closed(p);
	if (open && p->rx_stalled)
		chardev_rx_ready(p->chardev);
}

static void set_ready(struct console_port *p, bool ready)
{
	p->ready = ready;
	if (ready)
		p->owed |= OWED(VIRTIO_CONSOLE_PORT_NAME) | OWED(VIRTIO_CONSOLE_PORT_OPEN);
}

static void obey(struct console *c, const struct virtio_console_control *m)
{
	uint32_t id = le32toh(m->id);
	uint16_t event = le16toh(m->event);

	if (event == VIRTIO_CONSOLE_DEVICE_READY && m->value) {
		for (unsigned int i = 0; i < c->nr_ports; i++)
			c->port[i].owed |= OWED(VIRTIO_CONSOLE_PORT_ADD);
	} else if (event == VIRTIO_CONSOLE_PORT_READY && id < c->nr_ports) {
		set_ready(&c->port[id], m->value);
	} else if (event == VIRTIO_CONSOLE_PORT_OPEN && id < c->nr_ports) {
		set_guest_open(&c->port[id], m->value);
	} else {
		pr_guest("virtio console: ignored control message %u for port %u", event, id);
	}
}

static void hear(struct console *c)
{
	struct iovec iov[CONSOLE_MAX_PIECES];
	struct vq_chain chain = { .iov = iov, .iov_cap = CONSOLE_MAX_PIECES };

	while (virtio_pop(&c->v, CONSOLE_CTRL_TX, &chain)) {
		struct virtio_console_control m;
		struct iovec *from = iov;
		unsigned int nr = chain.nr_readable;

		if (vq_iov_pull(&from, &nr, &m, sizeof(m)))
			obey(c, &m);
		else
			pr_guest("virtio console: ignored an incomplete control message");
		virtio_push(&c->v, CONSOLE_CTRL_TX, chain.head, 0);
	}
	virtio_run(&c->v, CONSOLE_CTRL_RX);
}

void console_ctrl_handle(struct console *c, unsigned int queue)
{
	if (queue == CONSOLE_CTRL_RX)
		tell_all(c);
	else
		hear(c);
}

void console_ctrl_presence(struct console_port *p)
{
	struct console *c = p->console;

	if (!c->multiport)
		return;
	virtio_lock(&c->v);
	if (p->ready) {
		p->owed |= OWED(VIRTIO_CONSOLE_PORT_OPEN);
		virtio_run(&c->v, CONSOLE_CTRL_RX);
	}
	virtio_unlock(&c->v);
}

void console_ctrl_forget(struct console *c)
{
	for (unsigned int i = 0; i < c->nr_ports; i++) {
		c->port[i].ready = c->port[i].guest_open = c->port[i].guest_closed = false;
		c->port[i].owed = 0;
	}
}
