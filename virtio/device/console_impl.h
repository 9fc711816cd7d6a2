/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What console.c and console_ctrl.c share; private to them. Locks: the device's guards all of it.
 */
#ifndef VIRTIO_DEVICE_CONSOLE_IMPL_H
#define VIRTIO_DEVICE_CONSOLE_IMPL_H

#include "virtio/console.h"

#include <linux/virtio_console.h>

#define CONSOLE_QUEUE_SIZE 64
/* for the longest chain, each of whose buffers may span two memory regions */
#define CONSOLE_MAX_PIECES (2 * CONSOLE_QUEUE_SIZE)

#define CONSOLE_CTRL_RX 2 /* to the driver */
#define CONSOLE_CTRL_TX 3

/* A chain that is being filled or emptied: popped, but not yet returned. */
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
	/*
	 * The guest has closed the port: ends its chardev after the data that were sent. Locks:
	 * held.
	 */
	void (*closed)(struct console_port *p);
	unsigned int id;
	bool ready;	   /* the driver has acknowledged the port */
	bool guest_open;   /* a guest program has it open */
	bool guest_closed; /* a guest program had it open and has closed it */
	bool rx_stalled;   /* we have told the chardev that there is no room */
	/* control messages that the driver has not got yet, one bit for each event */
	unsigned int owed;
	struct console_chain rx, tx;
};

struct console {
	struct virtio_device v;
	bool multiport; /* offered: the device has named ports and control queues */
	bool size_told;
	unsigned int nr_ports;
	struct console_port port[];
};

/* Serves the control queue @queue. Thread: loop. */
void console_ctrl_handle(struct console *c, unsigned int queue);
/* The port's chardev has got or lost a client. Thread: loop. */
void console_ctrl_presence(struct console_port *p);
/* Forgets the driver's state after a reset. Thread: any. */
void console_ctrl_forget(struct console *c);

#endif
