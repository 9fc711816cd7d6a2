/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the 16550A, register by register, with a character device, an interrupt line and a
 * coalescing hook that record.
 *
 * The fake's functions replace those of kvm/chardev/chardev_output.c, which the linker then leaves
 * out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hw/serial.h"

#include <linux/serial_reg.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#define IIR_TIMEOUT 0x0c
#define LSR_IDLE (UART_LSR_THRE | UART_LSR_TEMT)

struct chardev {
	uint8_t out[4096];
	size_t out_len;
	struct chardev_client client;
	bool (*tick)(void *ctx);
	void *tick_ctx;
	unsigned int rx_ready, tick_soon, breaks_on, breaks_off;
};

struct port {
	struct serial *s;
	struct chardev cd;
	struct serial_coalesce coalesce;
	bool level;
	unsigned int edges_up;
	bool coalescing;
	unsigned int enables, disables, drains;
};

void chardev_set_client(struct chardev *cd, const struct chardev_client *client)
{
	cd->client = *client;
}

void chardev_putc(struct chardev *cd, uint8_t byte)
{
	if (cd->out_len < sizeof(cd->out))
		cd->out[cd->out_len++] = byte;
}

void chardev_rx_ready(struct chardev *cd)
{
	cd->rx_ready++;
}

void chardev_set_tick(struct chardev *cd, bool (*tick)(void *ctx), void *ctx)
{
	cd->tick = tick;
	cd->tick_ctx = ctx;
}

void chardev_tick_soon(struct chardev *cd)
{
	cd->tick_soon++;
}

void chardev_send_break(struct chardev *cd, bool on)
{
	if (on)
		cd->breaks_on++;
	else
		cd->breaks_off++;
}

static void set_level(void *ctx, unsigned int gsi, bool level)
{
	struct port *p = ctx;

	assert_int_equal(gsi, 4);
	assert_true(level != p->level);
	p->level = level;
	p->edges_up += level;
}

static void enable(void *ctx, bool on)
{
	struct port *p = ctx;

	assert_true(on != p->coalescing);
	p->coalescing = on;
	if (on)
		p->enables++;
	else
		p->disables++;
}

static void drain(void *ctx)
{
	((struct port *)ctx)->drains++;
}

static void out(struct port *p, unsigned int reg, uint8_t value)
{
	serial_bus_ops.write(p->s, reg, 1, value);
}

static uint8_t in(struct port *p, unsigned int reg)
{
	return (uint8_t)serial_bus_ops.read(p->s, reg, 1);
}

static size_t room(struct port *p)
{
	return p->cd.client.rx_room(p->cd.client.ctx);
}

static void receive(struct port *p, const char *text)
{
	p->cd.client.receive(p->cd.client.ctx, (const uint8_t *)text, strlen(text));
}

static void send_break(struct port *p)
{
	p->cd.client.event(p->cd.client.ctx, CHARDEV_BREAK);
}

static struct port *make_port(bool with_chardev, bool with_coalesce)
{
	struct port *p = test_calloc(1, sizeof(*p));
	struct irq_line irq = { .set = set_level, .ctx = p, .gsi = 4 };

	p->coalesce = (struct serial_coalesce){ enable, drain, p };
	p->s = serial_create(with_chardev ? &p->cd : NULL, &irq,
			     with_coalesce ? &p->coalesce : NULL);
	assert_non_null(p->s);
	return p;
}

static void free_port(struct port *p)
{
	serial_destroy(p->s);
	test_free(p);
}

/* As a driver that has opened the port: FIFO on, OUT2, RTS, receive interrupts. */
static struct port *open_port(void)
{
	struct port *p = make_port(true, false);

	out(p, UART_FCR, UART_FCR_ENABLE_FIFO);
	out(p, UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	out(p, UART_IER, UART_IER_RDI | UART_IER_RLSI);
	return p;
}

static void test_after_reset(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	assert_int_equal(in(p, UART_IER), 0);
	assert_int_equal(in(p, UART_IIR), UART_IIR_NO_INT);
	assert_int_equal(in(p, UART_LCR), 0);
	assert_int_equal(in(p, UART_MCR), 0);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	assert_int_equal(in(p, UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
	assert_int_equal(in(p, UART_RX), 0);
	assert_false(p->level);
	free_port(p);
}

static void test_output(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	for (const char *c = "hello"; *c; c++) {
		assert_int_equal(in(p, UART_LSR) & UART_LSR_THRE, UART_LSR_THRE);
		out(p, UART_TX, (uint8_t)*c);
	}
	assert_int_equal(p->cd.out_len, 5);
	assert_memory_equal(p->cd.out, "hello", 5);
	free_port(p);
}

static void test_no_chardev(void **state)
{
	struct port *p = make_port(false, false);

	(void)state;
	out(p, UART_TX, 'x');
	out(p, UART_LCR, UART_LCR_SBC);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	assert_int_equal(in(p, UART_MSR), 0);
	free_port(p);
}

/* 5.4 point 1 */
static void test_irq_follows_ier(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_MCR, UART_MCR_OUT2);
	out(p, UART_IER, UART_IER_RDI);
	receive(p, "a");
	assert_true(p->level);
	out(p, UART_IER, 0);
	assert_false(p->level);
	out(p, UART_IER, UART_IER_RDI);
	assert_true(p->level);
	assert_int_equal(in(p, UART_RX), 'a');
	assert_false(p->level);
	free_port(p);
}

/* A console that prints masks all interrupts meanwhile. */
static void test_driver_is_remembered(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_IER, UART_IER_THRI);
	assert_false(serial_had_driver(p->s));
	out(p, UART_IER, 0x0f);
	out(p, UART_IER, 0);
	assert_true(serial_had_driver(p->s));
	free_port(p);
}

static void test_irq_gated_by_out2(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_IER, UART_IER_RDI);
	receive(p, "a");
	assert_int_equal(in(p, UART_IIR), UART_IIR_RDI);
	assert_false(p->level);
	out(p, UART_MCR, UART_MCR_OUT2);
	assert_true(p->level);
	out(p, UART_MCR, UART_MCR_OUT2 | UART_MCR_LOOP);
	assert_false(p->level);
	out(p, UART_MCR, 0);
	assert_false(p->level);
	free_port(p);
}

/* 5.4 point 2 */
static void test_thre_on_enable(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_MCR, UART_MCR_OUT2);
	out(p, UART_IER, UART_IER_THRI);
	assert_true(p->level);
	assert_int_equal(in(p, UART_IIR), UART_IIR_THRI);
	assert_false(p->level);
	assert_int_equal(in(p, UART_IIR), UART_IIR_NO_INT);
	/* The enable bit is still on: no new edge. */
	out(p, UART_IER, UART_IER_THRI);
	assert_int_equal(in(p, UART_IIR), UART_IIR_NO_INT);
	out(p, UART_IER, 0);
	out(p, UART_IER, UART_IER_THRI);
	assert_int_equal(in(p, UART_IIR), UART_IIR_THRI);
	free_port(p);
}

static void test_thre_on_write(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_MCR, UART_MCR_OUT2);
	out(p, UART_IER, UART_IER_THRI);
	in(p, UART_IIR);
	out(p, UART_TX, 'x');
	assert_true(p->level);
	assert_int_equal(p->edges_up, 2);
	/*
	 * A write without reading IIR: the register was full for a moment, so this is a new edge.
	 */
	out(p, UART_TX, 'y');
	assert_int_equal(p->edges_up, 3);
	assert_true(p->level);
	assert_int_equal(in(p, UART_IIR), UART_IIR_THRI);
	assert_false(p->level);
	free_port(p);
}

static void test_thre_kept_when_not_reported(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_IER, UART_IER_THRI | UART_IER_RDI);
	receive(p, "a");
	assert_int_equal(in(p, UART_IIR), UART_IIR_RDI);
	assert_int_equal(in(p, UART_IIR), UART_IIR_RDI);
	in(p, UART_RX);
	assert_int_equal(in(p, UART_IIR), UART_IIR_THRI);
	assert_int_equal(in(p, UART_IIR), UART_IIR_NO_INT);
	free_port(p);
}

/* 5.4 point 3 */
static void test_priorities(void **state)
{
	struct port *p = open_port();

	(void)state;
	out(p, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_4);
	out(p, UART_IER, 0x0f);
	/* Modem lines: loop them back with all outputs off, and end the loopback. */
	out(p, UART_MCR, UART_MCR_LOOP);
	out(p, UART_MCR, UART_MCR_RTS | UART_MCR_OUT2);
	send_break(p);
	receive(p, "bcde");
	assert_int_equal(in(p, UART_IIR) & 0x3f, UART_IIR_RLSI);
	in(p, UART_LSR);
	assert_int_equal(in(p, UART_IIR) & 0x3f, UART_IIR_RDI);
	in(p, UART_RX);
	in(p, UART_RX);
	assert_int_equal(in(p, UART_IIR) & 0x3f, IIR_TIMEOUT);
	for (int i = 0; i < 3; i++)
		in(p, UART_RX);
	assert_int_equal(in(p, UART_IIR) & 0x3f, UART_IIR_THRI);
	assert_int_equal(in(p, UART_IIR) & 0x3f, UART_IIR_MSI);
	in(p, UART_MSR);
	assert_int_equal(in(p, UART_IIR) & 0x3f, UART_IIR_NO_INT);
	assert_false(p->level);
	free_port(p);
}

/* 5.4 point 4 */
static void test_lcr_is_no_fcr(void **state)
{
	struct port *p = open_port();

	(void)state;
	receive(p, "ab");
	out(p, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(p, UART_LCR), UART_LCR_WLEN8);
	assert_int_equal(in(p, UART_RX), 'a');
	assert_int_equal(in(p, UART_RX), 'b');
	free_port(p);
}

/* 5.4 point 5 */
static void test_fifo_bits(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	assert_int_equal(in(p, UART_IIR) & 0xf0, 0);
	out(p, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	assert_int_equal(in(p, UART_IIR) & 0xf0, 0xc0);
	out(p, UART_FCR, UART_FCR_TRIGGER_14);
	assert_int_equal(in(p, UART_IIR) & 0xf0, 0);
	free_port(p);
}

static void test_trigger_levels(void **state)
{
	static const struct {
		uint8_t fcr;
		unsigned int level;
	} rows[] = {
		{ UART_FCR_TRIGGER_1, 1 },
		{ UART_FCR_TRIGGER_4, 4 },
		{ UART_FCR_TRIGGER_8, 8 },
		{ UART_FCR_TRIGGER_14, 14 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct port *p = open_port();

		out(p, UART_FCR, UART_FCR_ENABLE_FIFO | rows[i].fcr);
		for (unsigned int n = 1; n <= 16; n++) {
			receive(p, "x");
			assert_int_equal(in(p, UART_IIR) & 0x3f,
					 n < rows[i].level ? IIR_TIMEOUT : UART_IIR_RDI);
			assert_true(p->level);
		}
		for (unsigned int n = 15; n > 0; n--) {
			assert_int_equal(in(p, UART_RX), 'x');
			assert_int_equal(in(p, UART_IIR) & 0x3f,
					 n < rows[i].level ? IIR_TIMEOUT : UART_IIR_RDI);
		}
		in(p, UART_RX);
		assert_int_equal(in(p, UART_IIR) & 0x3f, UART_IIR_NO_INT);
		assert_false(p->level);
		free_port(p);
	}
}

static void test_fcr_resets(void **state)
{
	struct port *p = open_port();

	(void)state;
	receive(p, "abc");
	out(p, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_XMIT);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE | UART_LSR_DR);
	out(p, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	assert_false(p->level);
	/* The bit clears itself. */
	receive(p, "d");
	assert_int_equal(in(p, UART_LSR), LSR_IDLE | UART_LSR_DR);
	/* Turning the FIFO off and on empties it. */
	out(p, UART_FCR, 0);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	receive(p, "e");
	out(p, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	/* Reset bits have no effect without the enable bit. */
	out(p, UART_FCR, 0);
	receive(p, "f");
	out(p, UART_FCR, UART_FCR_TRIGGER_14);
	assert_int_equal(in(p, UART_RX), 'f');
	free_port(p);
}

/* 5.4 point 6 */
static void test_loopback_modem_lines(void **state)
{
	static const uint8_t map[][2] = {
		{ UART_MCR_RTS, UART_MSR_CTS },
		{ UART_MCR_DTR, UART_MSR_DSR },
		{ UART_MCR_OUT1, UART_MSR_RI },
		{ UART_MCR_OUT2, UART_MSR_DCD },
	};
	struct port *p = make_port(true, false);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		out(p, UART_MCR, UART_MCR_LOOP | map[i][0]);
		assert_int_equal(in(p, UART_MSR) & 0xf0, map[i][1]);
	}
	/* The accesses of Linux's probe. */
	out(p, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(p, UART_MSR) & 0xf0, 0x90);
	out(p, UART_MCR, 0);
	assert_int_equal(in(p, UART_MSR) & 0xf0, 0xb0);
	assert_int_equal(in(p, UART_MCR), 0);
	out(p, UART_MCR, 0xff);
	assert_int_equal(in(p, UART_MCR), 0x1f);
	free_port(p);
}

static void test_msr_deltas(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_DTR | UART_MCR_OUT2);
	in(p, UART_MSR);
	out(p, UART_MCR, UART_MCR_LOOP | UART_MCR_DTR | UART_MCR_OUT2);
	assert_int_equal(in(p, UART_MSR) & 0x0f, UART_MSR_DCTS);
	assert_int_equal(in(p, UART_MSR) & 0x0f, 0);
	out(p, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	assert_int_equal(in(p, UART_MSR) & 0x0f, UART_MSR_DDSR | UART_MSR_DDCD);
	out(p, UART_MCR, UART_MCR_LOOP);
	assert_int_equal(in(p, UART_MSR) & 0x0f, UART_MSR_TERI);
	free_port(p);
}

static void test_loopback_data(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_FCR, UART_FCR_ENABLE_FIFO);
	out(p, UART_MCR, UART_MCR_LOOP);
	for (int i = 0; i < 16; i++)
		out(p, UART_TX, (uint8_t)('a' + i));
	assert_int_equal(in(p, UART_LSR), LSR_IDLE | UART_LSR_DR);
	out(p, UART_TX, 'z');
	assert_int_equal(in(p, UART_LSR), LSR_IDLE | UART_LSR_DR | UART_LSR_OE);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE | UART_LSR_DR);
	for (int i = 0; i < 16; i++)
		assert_int_equal(in(p, UART_RX), 'a' + i);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	assert_int_equal(p->cd.out_len, 0);
	free_port(p);
}

static void test_loopback_overrun_without_fifo(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_MCR, UART_MCR_LOOP);
	out(p, UART_TX, 'a');
	out(p, UART_TX, 'b');
	assert_int_equal(in(p, UART_LSR), LSR_IDLE | UART_LSR_DR | UART_LSR_OE);
	assert_int_equal(in(p, UART_RX), 'b');
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	free_port(p);
}

static void test_scratch_and_dlab(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_SCR, 0x5a);
	assert_int_equal(in(p, UART_SCR), 0x5a);
	out(p, UART_IER, 0xff);
	assert_int_equal(in(p, UART_IER), 0x0f);
	out(p, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(p, UART_DLL, 0x12);
	out(p, UART_DLM, 0x34);
	assert_int_equal(in(p, UART_DLL), 0x12);
	assert_int_equal(in(p, UART_DLM), 0x34);
	assert_int_equal(p->cd.out_len, 0);
	out(p, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(p, UART_IER), 0x0f);
	out(p, UART_TX, 'x');
	assert_int_equal(p->cd.out_len, 1);
	out(p, UART_LSR, 0xff);
	out(p, UART_MSR, 0xff);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	free_port(p);
}

static void test_line_break_goes_out(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	out(p, UART_LCR, UART_LCR_SBC | UART_LCR_WLEN8);
	out(p, UART_LCR, UART_LCR_SBC | UART_LCR_WLEN8);
	assert_int_equal(p->cd.breaks_on, 1);
	out(p, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(p->cd.breaks_off, 1);
	free_port(p);
}

/* 5.4 point 8 */
static void test_break_in_fifo(void **state)
{
	struct port *p = open_port();

	(void)state;
	receive(p, "a");
	send_break(p);
	receive(p, "b");
	assert_int_equal(in(p, UART_LSR), LSR_IDLE | UART_LSR_DR | UART_LSR_FIFOE);
	assert_int_equal(in(p, UART_IIR) & 0x3f, UART_IIR_RDI);
	assert_int_equal(in(p, UART_RX), 'a');
	assert_int_equal(in(p, UART_IIR) & 0x3f, UART_IIR_RLSI);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE | UART_LSR_DR | UART_LSR_BI | UART_LSR_FIFOE);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE | UART_LSR_DR);
	assert_int_equal(in(p, UART_RX), 0);
	assert_int_equal(in(p, UART_RX), 'b');
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	free_port(p);
}

static void test_break_without_fifo(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	send_break(p);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE | UART_LSR_DR | UART_LSR_BI);
	assert_int_equal(in(p, UART_RX), 0);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	free_port(p);
}

static void test_room(void **state)
{
	struct port *p = open_port();

	(void)state;
	assert_int_equal(room(p), 16);
	receive(p, "0123456789abcdef");
	assert_int_equal(room(p), 0);
	/* The writer is woken once, when half of the room is free. */
	for (int i = 0; i < 7; i++)
		in(p, UART_RX);
	assert_int_equal(p->cd.rx_ready, 0);
	in(p, UART_RX);
	assert_int_equal(p->cd.rx_ready, 1);
	in(p, UART_RX);
	assert_int_equal(p->cd.rx_ready, 1);
	assert_int_equal(room(p), 9);
	out(p, UART_FCR, 0);
	assert_int_equal(room(p), 1);
	receive(p, "x");
	assert_int_equal(room(p), 0);
	assert_int_equal(in(p, UART_RX), 'x');
	assert_int_equal(p->cd.rx_ready, 2);
	free_port(p);
}

static void test_input_waits_for_driver(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	assert_int_equal(room(p), 0);
	out(p, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	in(p, UART_RX);
	assert_int_equal(room(p), 0);
	assert_int_equal(p->cd.rx_ready, 0);
	out(p, UART_IER, UART_IER_RDI);
	assert_int_equal(p->cd.rx_ready, 1);
	assert_int_equal(room(p), 16);
	free_port(p);
}

static void test_input_for_polling_guest(void **state)
{
	struct port *p = make_port(true, false);

	(void)state;
	assert_int_equal(room(p), 0);
	for (int i = 0; i < 15; i++)
		in(p, UART_LSR);
	assert_int_equal(room(p), 0);
	in(p, UART_LSR);
	assert_int_equal(p->cd.rx_ready, 1);
	assert_int_equal(room(p), 1);
	receive(p, "x");
	assert_int_equal(in(p, UART_RX), 'x');
	assert_int_equal(room(p), 1);
	/* A guest that prints by polling never reads LSR this often in a row. */
	for (int i = 0; i < 100; i++) {
		in(p, UART_LSR);
		out(p, UART_TX, '.');
	}
	assert_int_equal(room(p), 0);
	free_port(p);
}

static void test_rts_stops_input(void **state)
{
	struct port *p = open_port();

	(void)state;
	assert_int_equal(room(p), 16);
	out(p, UART_MCR, UART_MCR_DTR | UART_MCR_OUT2);
	assert_int_equal(room(p), 0);
	/* The kernel's console turns interrupts off and on around a line: no reason to resume. */
	out(p, UART_IER, 0);
	out(p, UART_IER, UART_IER_RDI);
	assert_int_equal(room(p), 0);
	out(p, UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	assert_int_equal(p->cd.rx_ready, 1);
	assert_int_equal(room(p), 16);
	free_port(p);
}

static void test_no_input_in_loopback(void **state)
{
	struct port *p = open_port();

	(void)state;
	out(p, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
	assert_int_equal(room(p), 0);
	out(p, UART_MCR, UART_MCR_RTS);
	assert_int_equal(p->cd.rx_ready, 1);
	free_port(p);
}

/* 5.4 point 9 */
static void test_drained_means_no_interrupt(void **state)
{
	struct port *p = open_port();

	(void)state;
	out(p, UART_IER, 0x0f);
	in(p, UART_IIR);
	in(p, UART_MSR);
	receive(p, "abc");
	while (in(p, UART_LSR) & UART_LSR_DR)
		in(p, UART_RX);
	assert_int_equal(in(p, UART_IIR) & 0x3f, UART_IIR_NO_INT);
	assert_false(p->level);
	free_port(p);
}

static void polled(struct port *p, unsigned int n)
{
	while (n--) {
		in(p, UART_LSR);
		out(p, UART_TX, '.');
	}
}

static void test_coalescing_begins_and_ends(void **state)
{
	struct port *p = make_port(true, true);

	(void)state;
	assert_int_equal(p->cd.tick(p->cd.tick_ctx), false);
	polled(p, 15);
	assert_false(p->coalescing);
	polled(p, 1);
	assert_true(p->coalescing);
	polled(p, 100);
	assert_int_equal(p->enables, 1);
	assert_int_equal(p->cd.out_len, 116);
	assert_int_equal(p->cd.tick(p->cd.tick_ctx), true);
	assert_int_equal(p->drains, 1);
	/* Accesses that do not concern the transmitter change nothing. */
	out(p, UART_IER, UART_IER_RDI);
	out(p, UART_MCR, UART_MCR_RTS | UART_MCR_OUT2);
	out(p, UART_LCR, UART_LCR_WLEN8);
	assert_true(p->coalescing);
	out(p, UART_IER, UART_IER_THRI);
	assert_false(p->coalescing);
	assert_int_equal(p->cd.tick(p->cd.tick_ctx), false);
	assert_int_equal(p->drains, 1);
	/* Interrupt driven writes never bring it back; a longer run of polled ones does. */
	for (int i = 0; i < 1000; i++)
		out(p, UART_TX, 'i');
	out(p, UART_IER, 0);
	polled(p, 63);
	assert_false(p->coalescing);
	polled(p, 1);
	assert_true(p->coalescing);
	out(p, UART_LCR, UART_LCR_DLAB);
	assert_false(p->coalescing);
	out(p, UART_LCR, 0);
	polled(p, 256);
	assert_true(p->coalescing);
	out(p, UART_MCR, UART_MCR_LOOP);
	assert_false(p->coalescing);
	assert_int_equal(p->enables, 3);
	assert_int_equal(p->disables, 3);
	free_port(p);
}

static void test_lsr_read_wakes_tick(void **state)
{
	struct port *p = make_port(true, true);

	(void)state;
	polled(p, 16);
	assert_int_equal(p->cd.tick_soon, 0);
	in(p, UART_LSR);
	assert_int_equal(p->cd.tick_soon, 1);
	free_port(p);
}

#define MANY_BYTES 20000

/* The loop's thread sends bytes 0, 1, 2, ... while there is room. */
static void *feed(void *ctx)
{
	struct port *p = ctx;
	uint8_t next = 0;

	for (size_t done = 0; done < MANY_BYTES;) {
		size_t n = room(p);
		uint8_t bytes[16];

		n = n < MANY_BYTES - done ? n : MANY_BYTES - done;
		for (size_t i = 0; i < n; i++)
			bytes[i] = next++;
		p->cd.client.receive(p->cd.client.ctx, bytes, n);
		done += n;
		sched_yield();
	}
	return NULL;
}

/* Input on one thread, the guest on another: all bytes arrive in order. Also a test for TSan. */
static void test_two_threads(void **state)
{
	struct port *p = open_port();
	pthread_t thread;
	size_t got = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, feed, p), 0);
	while (got < MANY_BYTES) {
		if (in(p, UART_LSR) & UART_LSR_DR)
			assert_int_equal(in(p, UART_RX), (uint8_t)got++);
		else
			sched_yield();
		if (got % 64 == 0)
			out(p, UART_IER, UART_IER_RDI | (got & 64 ? UART_IER_THRI : 0));
	}
	pthread_join(thread, NULL);
	assert_int_equal(in(p, UART_LSR), LSR_IDLE);
	out(p, UART_IER, UART_IER_RDI);
	assert_false(p->level);
	free_port(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_reset),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_no_chardev),
		cmocka_unit_test(test_irq_follows_ier),
		cmocka_unit_test(test_driver_is_remembered),
		cmocka_unit_test(test_irq_gated_by_out2),
		cmocka_unit_test(test_thre_on_enable),
		cmocka_unit_test(test_thre_on_write),
		cmocka_unit_test(test_thre_kept_when_not_reported),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_lcr_is_no_fcr),
		cmocka_unit_test(test_fifo_bits),
		cmocka_unit_test(test_trigger_levels),
		cmocka_unit_test(test_fcr_resets),
		cmocka_unit_test(test_loopback_modem_lines),
		cmocka_unit_test(test_msr_deltas),
		cmocka_unit_test(test_loopback_data),
		cmocka_unit_test(test_loopback_overrun_without_fifo),
		cmocka_unit_test(test_scratch_and_dlab),
		cmocka_unit_test(test_line_break_goes_out),
		cmocka_unit_test(test_break_in_fifo),
		cmocka_unit_test(test_break_without_fifo),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_input_waits_for_driver),
		cmocka_unit_test(test_input_for_polling_guest),
		cmocka_unit_test(test_rts_stops_input),
		cmocka_unit_test(test_no_input_in_loopback),
		cmocka_unit_test(test_drained_means_no_interrupt),
		cmocka_unit_test(test_coalescing_begins_and_ends),
		cmocka_unit_test(test_lsr_read_wakes_tick),
		cmocka_unit_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
