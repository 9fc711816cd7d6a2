/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Creates the COM ports, at a PC's addresses and interrupt lines, each with the chardev that
 * --serial names.
 *
 * - COM1 and COM3 share a line, COM2 and COM4 another. A line is up while one of its ports holds it
 *   up.
 * - A virtio console shares COM1's chardev; with --console virtio there is one even without the
 *   port.
 * - ends.c sees what each port prints.
 *
 * Thread: main, which is the loop's; com_*(): any, under the port's lock.
 */
#include "board_serial.h"

#include "hw/serial.h"
#include "kvm/chardev.h"
#include "kvm/log.h"
#include "x86/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	uint16_t port;
	uint8_t gsi;
} com_at[CONFIG_NR_SERIAL] = {
	{ PORT_COM1, GSI_COM1 },
	{ PORT_COM2, GSI_COM2 },
	{ PORT_COM3, GSI_COM1 },
	{ PORT_COM4, GSI_COM2 },
};

struct com_port {
	struct coalesced *coalesced;
	uint16_t base;
	struct chardev *chardev;	 /* NULL: none */
	struct serial *serial;		 /* NULL: no such port */
	struct serial_coalesce coalesce; /* the port keeps a pointer to it */
};

struct board_serial {
	struct com_port com[CONFIG_NR_SERIAL];
	pthread_mutex_t irq_lock; /* protects the two below; taken after a port's lock */
	struct irq_line irq[2];	  /* COM1 and COM3, COM2 and COM4 */
	unsigned int asserted;	  /* a bit for each port */
};

static void com_coalesce(void *ctx, bool on)
{
	struct com_port *com = ctx;

	coalesced_zone(com->coalesced, BUS_PIO, com->base + SERIAL_REG_THR, 1, on);
}

static void com_drain(void *ctx)
{
	struct com_port *com = ctx;

	coalesced_try_drain(com->coalesced);
}

/* Sets the line of @port, which is in the place of a GSI. */
static void com_irq_set(void *ctx, unsigned int port, bool level)
{
	struct board_serial *b = ctx;
	unsigned int pair = port & 1;

	pthread_mutex_lock(&b->irq_lock);
	b->asserted = level ? b->asserted | 1U << port : b->asserted & ~(1U << port);
	irq_set(&b->irq[pair], b->asserted & (5U << pair));
	pthread_mutex_unlock(&b->irq_lock);
}

static int open_chardev(struct machine *m, unsigned int index)
{
	struct com_port *com = &m->serial->com[index];
	struct chardev_hooks hooks = ends_console_hooks(&m->ends, index);
	const struct config *config = m->vm->config;
	const char *where = config->serial[index];
	int err;

	if (!index && !where && config->console == CONSOLE_VIRTIO)
		where = "stdio";
	if (!where)
		return 0;
	err = chardev_open(&com->chardev, &m->vm->loop, where, &hooks);
	m->ends.console[index].chardev = com->chardev;
	if (!err && config->timestamps && !strcmp(where, "stdio"))
		chardev_stamp_lines(com->chardev, config->exec_ns);
	return err;
}

static int create_com(struct machine *m, unsigned int index)
{
	struct com_port *com = &m->serial->com[index];
	struct irq_line irq = { .set = com_irq_set, .ctx = m->serial, .gsi = index };
	struct device_info info = {
		.name = "COM",
		.acpi_hid = "PNP0501",
		.fdt_compatible = "ns16550a",
		.uid = index + 1,
		.res = { res_pio(com_at[index].port, SERIAL_PORTS),
			 res_isa_irq(com_at[index].gsi) },
	};
	int err = open_chardev(m, index);

	if (err || !m->vm->config->serial[index])
		return err;
	info.res[1].shared = m->vm->config->serial[index ^ 2] != NULL;
	com->coalesced = &m->vm->coalesced;
	com->base = com_at[index].port;
	com->coalesce =
		(struct serial_coalesce){ .enable = com_coalesce, .drain = com_drain, .ctx = com };
	com->serial = serial_create(com->chardev, &irq, &com->coalesce);
	if (!com->serial)
		return -ENOMEM;
	err = bus_insert(&m->vm->pio, com->base, SERIAL_PORTS, &serial_bus_ops, com->serial,
			 "serial");
	return err ? err : device_publish(&m->devices, &info);
}

int create_serial(struct machine *m)
{
	struct board_serial *b = calloc(1, sizeof(*b));
	int err = 0;

	if (!b)
		return -ENOMEM;
	m->serial = b;
	pthread_mutex_init(&b->irq_lock, NULL);
	b->irq[0] = vm_irq_line(m->vm, GSI_COM1);
	b->irq[1] = vm_irq_line(m->vm, GSI_COM2);
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL && !err; i++)
		err = create_com(m, i);
	return err;
}

void destroy_serial(struct machine *m)
{
	struct board_serial *b = m->serial;

	if (!b)
		return;
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++) {
		serial_destroy(b->com[i].serial);
		chardev_close(b->com[i].chardev);
	}
	free(b);
	m->serial = NULL;
}

bool serial_any_driver(const struct machine *m)
{
	for (unsigned int i = 0; m->serial && i < CONFIG_NR_SERIAL; i++) {
		if (m->serial->com[i].serial && serial_had_driver(m->serial->com[i].serial))
			return true;
	}
	return false;
}

struct chardev *serial_main_chardev(const struct machine *m)
{
	return m->serial ? m->serial->com[0].chardev : NULL;
}

int start_serial(struct machine *m)
{
	struct board_serial *b = m->serial;
	int err = 0;

	for (unsigned int i = 0; b && i < CONFIG_NR_SERIAL && !err; i++)
		err = b->com[i].chardev ? chardev_start(b->com[i].chardev) : 0;
	return err;
}

/* Prints what the consoles have kept in case the machine ends badly. */
static void show_kept_logs(struct machine *m)
{
	const struct verdict *v = &m->vm->verdict;

	for (unsigned int i = 0;
	     i < CONFIG_NR_SERIAL && v->kind != VERDICT_COMMAND && verdict_exit_code(v); i++) {
		if (m->serial->com[i].chardev)
			chardev_show_log(m->serial->com[i].chardev);
	}
}

void drain_serial(struct machine *m, int stall_ms)
{
	struct board_serial *b = m->serial;

	if (!b)
		return;
	show_kept_logs(m);
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++) {
		if (!b->com[i].chardev)
			continue;
		if (!chardev_flush(b->com[i].chardev, stall_ms))
			pr_warn("COM%u: nothing reads its output; the end of it is lost", i + 1);
		chardev_abort(b->com[i].chardev);
	}
}

bool serial_output_lost(const struct machine *m)
{
	const struct board_serial *b = m->serial;

	for (unsigned int i = 0; b && i < CONFIG_NR_SERIAL; i++) {
		if (b->com[i].chardev && chardev_lost(b->com[i].chardev))
			return true;
	}
	return false;
}

void winch_serial(struct machine *m)
{
	struct board_serial *b = m->serial;

	for (unsigned int i = 0; b && i < CONFIG_NR_SERIAL; i++) {
		if (b->com[i].chardev)
			chardev_winch(b->com[i].chardev);
	}
}
