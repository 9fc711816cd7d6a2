/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes a 16550A with any sequence of register accesses, received bytes and breaks.
 *
 * Each input byte is an operation; some take a second one as value. A model of the receive FIFO and
 * of the interrupt gate says what must hold. Fakes replace the functions of
 * kvm/chardev/chardev_output.c, so that the target touches nothing of the host.
 */
#include "hw/serial.h"

#include <linux/serial_reg.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

struct chardev {
	struct chardev_client client;
	bool (*tick)(void *ctx);
	void *tick_ctx;
	size_t nr_out;
	uint8_t last_out;
};

struct model {
	struct serial *s;
	struct chardev cd;
	bool level, coalescing;
	uint8_t ier, lcr, mcr, fcr;
	uint8_t fifo[16];
	unsigned int head, len;
	size_t nr_out;
};

void chardev_set_client(struct chardev *cd, const struct chardev_client *client)
{
	cd->client = *client;
}

void chardev_putc(struct chardev *cd, uint8_t byte)
{
	cd->nr_out++;
	cd->last_out = byte;
}

void chardev_rx_ready(struct chardev *cd)
{
	CHECK(cd->client.rx_room(cd->client.ctx) > 0);
}

void chardev_set_tick(struct chardev *cd, bool (*tick)(void *ctx), void *ctx)
{
	cd->tick = tick;
	cd->tick_ctx = ctx;
}

void chardev_tick_soon(struct chardev *cd)
{
	(void)cd;
}

void chardev_send_break(struct chardev *cd, bool on)
{
	(void)cd;
	(void)on;
}

static void set_level(void *ctx, unsigned int gsi, bool level)
{
	struct model *m = ctx;

	(void)gsi;
	CHECK(m->level != level);
	m->level = level;
}

static void enable(void *ctx, bool on)
{
	struct model *m = ctx;

	CHECK(m->coalescing != on);
	m->coalescing = on;
}

static void drain(void *ctx)
{
	(void)ctx;
}

static unsigned int capacity(const struct model *m)
{
	return m->fcr & UART_FCR_ENABLE_FIFO ? 16 : 1;
}

static void push(struct model *m, uint8_t byte)
{
	CHECK(m->len < capacity(m));
	m->fifo[(m->head + m->len++) % 16] = byte;
}

static void model_thr(struct model *m, uint8_t value)
{
	if (m->lcr & UART_LCR_DLAB)
		return;
	if (!(m->mcr & UART_MCR_LOOP))
		m->nr_out++;
	else if (m->len < capacity(m))
		push(m, value);
	else if (capacity(m) == 1)
		m->fifo[m->head] = value;
}

static void model_write(struct model *m, unsigned int reg, uint8_t value)
{
	switch (reg) {
	case UART_TX:
		model_thr(m, value);
		break;
	case UART_IER:
		if (!(m->lcr & UART_LCR_DLAB))
			m->ier = value & 0xf;
		break;
	case UART_FCR:
		if ((value ^ m->fcr) & UART_FCR_ENABLE_FIFO || value & UART_FCR_CLEAR_RCVR)
			m->len = 0;
		m->fcr = value;
		break;
	case UART_LCR:
		m->lcr = value;
		break;
	case UART_MCR:
		m->mcr = value & 0x1f;
		break;
	default:
		break;
	}
}

static void do_write(struct model *m, unsigned int reg, uint8_t value)
{
	model_write(m, reg, value);
	serial_bus_ops.write(m->s, reg, 1, value);
	CHECK(m->cd.nr_out == m->nr_out);
	CHECK(!m->coalescing ||
	      !(m->lcr & UART_LCR_DLAB || m->mcr & UART_MCR_LOOP || m->ier & UART_IER_THRI));
}

static void check_iir(const struct model *m, uint8_t iir, bool level_before)
{
	bool gate = (m->mcr & UART_MCR_OUT2) && !(m->mcr & UART_MCR_LOOP);

	CHECK(level_before == (gate && !(iir & UART_IIR_NO_INT)));
	CHECK((iir & 0xf0) == (m->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0));
}

static void do_read(struct model *m, unsigned int reg)
{
	bool level = m->level;
	uint8_t value = (uint8_t)serial_bus_ops.read(m->s, reg, 1);

	if (reg == UART_IIR) {
		check_iir(m, value, level);
	} else if (reg == UART_LSR) {
		CHECK(!(value & UART_LSR_DR) == !m->len);
		CHECK((value & (UART_LSR_THRE | UART_LSR_TEMT)) == (UART_LSR_THRE | UART_LSR_TEMT));
	} else if (reg == UART_RX && !(m->lcr & UART_LCR_DLAB)) {
		CHECK(value == (m->len ? m->fifo[m->head] : 0));
		m->head = (m->head + !!m->len) % 16;
		m->len -= !!m->len;
	} else if (reg == UART_LCR) {
		CHECK(value == m->lcr);
	} else if (reg == UART_MCR) {
		CHECK(value == m->mcr);
	}
}

static void do_input(struct model *m, uint8_t value, bool brk)
{
	size_t room = m->cd.client.rx_room(m->cd.client.ctx);

	CHECK(room <= capacity(m) - m->len);
	if (!room)
		return;
	push(m, brk ? 0 : value);
	if (brk)
		m->cd.client.event(m->cd.client.ctx, CHARDEV_BREAK);
	else
		m->cd.client.receive(m->cd.client.ctx, &value, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model m = { 0 };
	struct irq_line irq = { .set = set_level, .ctx = &m };
	struct serial_coalesce coalesce = { enable, drain, &m };

	m.s = serial_create(&m.cd, &irq, &coalesce);
	if (!m.s)
		return 0;
	for (size_t i = 0; i + 1 < size; i++) {
		uint8_t op = data[i];

		if (op & 0x20)
			do_input(&m, data[++i], op & 0x10);
		else if (op & 0x08)
			do_write(&m, op & 7, data[++i]);
		else
			do_read(&m, op & 7);
	}
	CHECK(m.cd.tick(m.cd.tick_ctx) == m.coalescing);
	serial_destroy(m.s);
	return 0;
}
