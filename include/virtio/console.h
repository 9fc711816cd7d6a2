/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The console device (virtio 1.2, 5.3) on character devices: either one console, which Linux calls
 * hvc0, or a number of named ports, which it calls /dev/virtio-ports/NAME.
 */
#ifndef VIRTIO_CONSOLE_H
#define VIRTIO_CONSOLE_H

#include "kvm/chardev.h"
#include "virtio/virtio.h"

#define CONSOLE_MAX_PORTS 16
#define CONSOLE_MAX_NAME_BYTES 63

struct console;

struct console_port_options {
	const char *name; /* valid by console_name_ok(); outlives the device */
	struct chardev *chardev;
};

/*
 * Makes one console. @chardev stays the caller's and outlives the device. It may already have a
 * client (a serial port), which gets its input while no driver runs the console. Returns 0, or
 * -errno (reported). Thread: setup.
 */
int console_create(struct console **out, struct chardev *chardev, const struct gmem *mem,
		   struct loop *loop);

/*
 * Makes 1 to CONSOLE_MAX_PORTS ports. Their chardevs stay the caller's and outlive the device,
 * which is their only client. Returns and thread: as above.
 */
int console_create_ports(struct console **out, const struct console_port_options *ports,
			 unsigned int nr_ports, const struct gmem *mem, struct loop *loop);

/*
 * Whether @name can be a port's name: letters, digits and "._-", not empty and not longer than
 * CONSOLE_MAX_NAME_BYTES, because guests make file names from it.
 */
bool console_name_ok(const char *name);

/*
 * Passes on what the driver sent before the machine ended, and waits as chardev_flush(@stall_ms)
 * does. Call it when the loop no longer runs.
 */
void console_drain(struct console *c, int stall_ms);

/* Call it with no vCPU running, before the chardevs are closed. NULL is allowed. */
void console_destroy(struct console *c);

struct virtio_device *console_virtio(struct console *c);

#endif
