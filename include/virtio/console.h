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
	const char *name; /* console_name_ok(); outlives the device */
	struct chardev *chardev;
};

/*
 * One console. @chardev stays the caller's and outlives the device; it may have a client already (a
 * serial port), which keeps its input while no driver runs the console. Returns 0 or -errno, having
 * said why. Set-up time.
 */
int console_create(struct console **out, struct chardev *chardev, const struct gmem *mem,
		   struct loop *loop);

/*
 * Ports, 1 to CONSOLE_MAX_PORTS of them; their chardevs stay the caller's, become the device's
 * alone and outlive it. As above.
 */
int console_create_ports(struct console **out, const struct console_port_options *ports,
			 unsigned int nr_ports, const struct gmem *mem, struct loop *loop);

/*
 * A port's name: letters, digits and "._-", neither empty nor longer than CONSOLE_MAX_NAME_BYTES,
 * for guests make file names of it.
 */
bool console_name_ok(const char *name);

/*
 * Hands on what the driver has sent before the machine ended, as chardev_flush(@stall_ms) has it.
 * The loop does not run any more.
 */
void console_drain(struct console *c, int stall_ms);

/* NULL is fine. With no vCPU running; before the chardevs are closed. */
void console_destroy(struct console *c);

struct virtio_device *console_virtio(struct console *c);

#endif
