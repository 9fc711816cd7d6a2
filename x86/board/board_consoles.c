/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Creates the board's virtio consoles: hvc0 (--console virtio), which shares COM1's chardev, and
 * the named ports (--port), each with a chardev of its own.
 *
 * They are two virtio devices, see virtio/device/console.c. At the end, the drivers' output goes to
 * the chardevs, the chardevs write it out, and then devices and chardevs are destroyed, in this
 * order. Thread: main, which is the loop's.
 */
#include "board_consoles.h"
#include "board_serial.h"
#include "virtio_slots.h"

#include "guest/guestjob.h"
#include "kvm/log.h"
#include "virtio/console.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct board_consoles {
	struct console *hvc, *ports;
	struct chardev *chardev[CONFIG_MAX_PORTS];
	char *name[CONFIG_MAX_PORTS]; /* --port's argument, cut at its '=' */
};

static_assert(CONFIG_MAX_PORTS <= CONSOLE_MAX_PORTS, "all ports belong to one device");

static bool name_is_taken(const struct board_consoles *b, unsigned int index)
{
	for (unsigned int i = 0; i < index; i++) {
		if (!strcmp(b->name[i], b->name[index]))
			return true;
	}
	return false;
}

static void on_port_output(void *ctx, const uint8_t *bytes, size_t len)
{
	(void)bytes;
	(void)len;
	vm_port_output(ctx);
}

static int open_port(struct machine *m, unsigned int index)
{
	struct board_consoles *b = m->consoles;
	const char *arg = m->vm->config->port[index];
	struct chardev_hooks hooks = { .output = on_port_output,
				       .ctx = m->vm,
				       .goes_on = m->vm->restarted };
	char *where;

	b->name[index] = strdup(arg);
	if (!b->name[index])
		return -ENOMEM;
	where = strchr(b->name[index], '=');
	if (where)
		*where++ = '\0';
	if (!where || !console_name_ok(b->name[index])) {
		pr_err("--port %s: must be NAME=WHERE with NAME of up to %d letters, digits and \"._-\", and WHERE one of stdio, null, file:PATH, pty, unix:PATH, tty:PATH",
		       arg, CONSOLE_MAX_NAME_BYTES);
		return -EINVAL;
	}
	if (name_is_taken(b, index)) {
		pr_err("--port %s: another port has this name; choose another", arg);
		return -EINVAL;
	}
	return chardev_open(&b->chardev[index], &m->vm->loop, where, &hooks);
}

static int create_ports_device(struct machine *m)
{
	struct board_consoles *b = m->consoles;
	struct console_port_options port[CONFIG_MAX_PORTS];
	unsigned int nr = m->vm->config->nr_ports;
	int err = 0;

	for (unsigned int i = 0; i < nr && !err; i++) {
		err = open_port(m, i);
		port[i] = (struct console_port_options){ b->name[i], b->chardev[i] };
	}
	if (!err)
		err = console_create_ports(&b->ports, port, nr, &m->vm->mem, &m->vm->loop);
	return err ? err : virtio_plug(m, console_virtio(b->ports));
}

int create_consoles(struct machine *m)
{
	const struct config *config = m->vm->config;
	struct board_consoles *b = calloc(1, sizeof(*b));
	int err = 0;

	if (!b)
		return -ENOMEM;
	m->consoles = b;
	if (config->console == CONSOLE_VIRTIO) {
		err = console_create(&b->hvc, serial_main_chardev(m), &m->vm->mem, &m->vm->loop);
		if (!err)
			err = virtio_plug(m, console_virtio(b->hvc));
	}
	if (!err && config->nr_ports)
		err = create_ports_device(m);
	return err;
}

void destroy_consoles(struct machine *m)
{
	struct board_consoles *b = m->consoles;

	if (!b)
		return;
	console_destroy(b->hvc);
	console_destroy(b->ports);
	for (unsigned int i = 0; i < CONFIG_MAX_PORTS; i++) {
		chardev_close(b->chardev[i]);
		free(b->name[i]);
	}
	free(b);
	m->consoles = NULL;
}

int start_ports(struct machine *m)
{
	struct board_consoles *b = m->consoles;
	int err = 0;

	for (unsigned int i = 0; b && i < m->vm->config->nr_ports && !err; i++)
		err = chardev_start(b->chardev[i]);
	return err;
}

void drain_consoles(struct machine *m, int stall_ms)
{
	struct board_consoles *b = m->consoles;

	if (b && b->hvc)
		console_drain(b->hvc, stall_ms);
	if (b && b->ports)
		console_drain(b->ports, stall_ms);
	for (unsigned int i = 0; b && i < m->vm->config->nr_ports; i++) {
		if (!chardev_flush(b->chardev[i], stall_ms))
			pr_warn("--port %s: nothing reads its output; the end of it is lost",
				b->name[i]);
	}
}

bool port_output_lost(const struct machine *m)
{
	struct board_consoles *b = m->consoles;

	for (unsigned int i = 0; b && i < m->vm->config->nr_ports; i++) {
		if (b->chardev[i] && chardev_lost(b->chardev[i]))
			return true;
	}
	return false;
}

bool signal_command(struct machine *m, int signo)
{
	struct board_consoles *b = m->consoles;
	uint8_t byte = (uint8_t)signo;

	if (!m->vm->config->has_command)
		return false;
	for (unsigned int i = 0; b && i < m->vm->config->nr_ports; i++) {
		if (!strcmp(b->name[i], GUESTJOB_SIGNALS))
			return !chardev_give(b->chardev[i], &byte, 1);
	}
	return false;
}

void winch_ports(struct machine *m)
{
	struct board_consoles *b = m->consoles;

	for (unsigned int i = 0; b && i < m->vm->config->nr_ports; i++)
		chardev_winch(b->chardev[i]);
}
