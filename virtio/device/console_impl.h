/* SPDX-License-Identifier: GPL-2.0-only */
/* What console.c and console_ctrl.c share; private to them. All under the device's lock. */
#ifndef VIRTIO_DEVICE_CONSOLE_IMPL_H
#define VIRTIO_DEVICE_CONSOLE_IMPL_H

#include "virtio/console.h"

#include <linux/virtio_console.h>

#define CONSOLE_QUEUE_SIZE 64
/* of the longest chain, each buffer across a border of memory */
#define CONSOLE_MAX_PIECES (2 * CONSOLE_QUEUE_SIZE)

#define CONSOLE_CTRL_RX 2 /* to the driver */
#define CONSOLE_CTRL_TX 3

/* A chain that is being filled or emptied: popped, not returned yet. */
struct console_chain {
	bool held;
	uint16_t head;
	struct iovec iov[CONSOLE_MAX_PIECES];
	struct iovec *next; /* what is left */
	unsigned int nr;
	uint64_t left_bytes;
};

struct console_port {
	struct console *console;
	const char *name; /* NULL: the console */
	struct chardev *chardev;
	/* The guest has closed the port: ends its chardev, after what was sent. Lock held. */
	void (*closed)(struct console_port *p);
	unsigned int id;
	bool ready;	   /* the driver has taken note of the port */
	bool guest_open;   /* somebody in the guest has it open */
	bool guest_closed; /* and somebody had it, and has closed it */
	bool rx_stalled;   /* the chardev was told that there is no room */
	unsigned int owed; /* control messages for the driver, a bit an event */
	struct console_chain rx, tx;
};

struct console {
	struct virtio_device v;
	bool multiport; /* offered: these are ports, and there are control queues */
	bool size_told;
	unsigned int nr_ports;
	struct console_port port[];
};

/* Serves the control queue @queue. Loop's thread. */
void console_ctrl_handle(struct console *c, unsigned int queue);
/* The port's chardev has got a client or lost it. Loop's thread. */
void console_ctrl_presence(struct console_port *p);
/* The driver is gone. Any thread. */
void console_ctrl_forget(struct console *c);

#endif
