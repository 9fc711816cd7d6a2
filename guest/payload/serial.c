/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests COM1 as a 16550A (National PC16550D data sheet): registers, loopback, FIFO, interrupts, and
 * bulk data both ways.
 *
 * Reports use the same port, so each test restores IER, FCR and MCR before it prints.
 */
#include "payload.h"

#define RBR (COM1 + 0)
#define THR (COM1 + 0)
#define IER (COM1 + 1)
#define IIR (COM1 + 2)
#define FCR (COM1 + 2)
#define LCR (COM1 + 3)
#define MCR (COM1 + 4)
#define LSR (COM1 + 5)
#define MSR (COM1 + 6)
#define SCR (COM1 + 7)

#define IER_RX 0x01
#define IER_THRE 0x02
#define IER_MSR 0x08
#define MCR_LOOP 0x10
#define MCR_ON 0x0b /* DTR, RTS, OUT2 */
#define LSR_DATA 0x01
#define LSR_BREAK 0x10
#define LSR_EMPTY 0x60

#define GSI_COM1 4
#define TRIGGER 14 /* FCR 0xc1 */

static volatile uint32_t nr_irqs, nr_received, nr_thre;
static volatile uint8_t last_iir;
static uint32_t sum;

static void uart_reset(void)
{
	outb(LCR, 0x03);
	outb(IER, 0);
	outb(FCR, 0x07);
	outb(FCR, 0x01);
	outb(MCR, MCR_ON);
	inb(LSR);
	inb(RBR);
	inb(IIR);
	inb(MSR);
}

static void check_registers(void)
{
	unsigned int scr5a, scra5, dll, dlm, ier, lcr;

	outb(SCR, 0x5a);
	scr5a = inb(SCR);
	outb(SCR, 0xa5);
	scra5 = inb(SCR);
	outb(LCR, 0x83);
	outb(COM1, 0x34);
	outb(COM1 + 1, 0x12);
	dll = inb(COM1);
	dlm = inb(COM1 + 1);
	outb(COM1, 1);
	outb(COM1 + 1, 0);
	outb(LCR, 0x03);
	ier = inb(IER);
	outb(FCR, 0x07);
	lcr = inb(LCR);
	check_eq("scratch 5a", scr5a, 0x5a);
	check_eq("scratch a5", scra5, 0xa5);
	check_eq("divisor latch", dlm << 8 | dll, 0x1234);
	check_eq("divisor does not show in IER", ier, 0);
	check_eq("FCR does not change LCR", lcr, 0x03);
	check_eq("LSR empty", inb(LSR) & LSR_EMPTY, LSR_EMPTY);
}

static void check_ids(void)
{
	unsigned int off, on, ier;

	outb(FCR, 0);
	off = inb(IIR);
	outb(FCR, 1);
	on = inb(IIR);
	outb(IER, 0xff);
	ier = inb(IER);
	outb(IER, 0);
	check_eq("IIR without FIFO", off, 0x01);
	check_eq("IIR with FIFO", on, 0xc1);
	check_eq("IER has four bits", ier, 0x0f);
}

static void check_modem_loop(void)
{
	uint8_t msr[4], delta, again, iir;

	outb(MCR, MCR_LOOP);
	inb(MSR);
	for (unsigned int i = 0; i < 4; i++) {
		outb(MCR, (uint8_t)(MCR_LOOP | 1U << i));
		msr[i] = inb(MSR) & 0xf0;
	}
	outb(MCR, MCR_LOOP);
	inb(MSR);
	outb(IER, IER_MSR);
	outb(MCR, MCR_LOOP | 0x02);
	iir = inb(IIR);
	delta = inb(MSR);
	again = inb(MSR);
	outb(IER, 0);
	outb(MCR, MCR_ON);
	inb(MSR);
	check_eq("loop DTR to DSR", msr[0], 0x20);
	check_eq("loop RTS to CTS", msr[1], 0x10);
	check_eq("loop OUT1 to RI", msr[2], 0x40);
	check_eq("loop OUT2 to DCD", msr[3], 0x80);
	check_eq("IIR of a modem change", iir & 0x0f, 0x00);
	check_eq("delta CTS", delta, 0x11);
	check_eq("delta cleared by reading", again, 0x10);
}

static void check_data_loop(void)
{
	bool ready, good = true;
	unsigned int over, after;

	outb(FCR, 0x07);
	outb(MCR, MCR_LOOP);
	for (unsigned int i = 0; i < 16; i++)
		outb(THR, (uint8_t)(0x40 + i));
	ready = inb(LSR) & LSR_DATA;
	for (unsigned int i = 0; i < 16; i++)
		good = good && inb(RBR) == 0x40 + i;
	after = inb(LSR) & LSR_DATA;
	for (unsigned int i = 0; i < 17; i++)
		outb(THR, (uint8_t)i);
	over = inb(LSR) & 0x02;
	outb(FCR, 0x07);
	outb(MCR, MCR_ON);
	inb(LSR);
	check("loop: data ready", ready);
	check("loop: 16 bytes in order", good);
	check_eq("loop: then empty", after, 0);
	check_eq("loop: the 17th overruns", over, 0x02);
}

static void check_received_iir(void)
{
	uint8_t one, fourteen, drained;

	outb(FCR, 0xc7); /* trigger at 14 */
	outb(MCR, MCR_LOOP);
	outb(IER, IER_RX);
	outb(THR, 'a');
	one = inb(IIR);
	for (unsigned int i = 1; i < 14; i++)
		outb(THR, 'a');
	fourteen = inb(IIR);
	for (unsigned int i = 0; i < 14; i++)
		inb(RBR);
	drained = inb(IIR);
	outb(IER, 0);
	outb(FCR, 0x07);
	outb(MCR, MCR_ON);
	check("IIR below the trigger: time-out or nothing yet", one == 0xcc || one == 0xc1);
	check_eq("IIR at the trigger", fourteen, 0xc4);
	check_eq("IIR when drained", drained, 0xc1);
}

void test_uart(void)
{
	uart_reset();
	check_registers();
	check_ids();
	check_modem_loop();
	check_data_loop();
	check_received_iir();
}

static void on_thre(void)
{
	last_iir = inb(IIR);
	nr_irqs++;
	if ((last_iir & 0x0f) == 0x02)
		nr_thre++;
}

/* Argument: 1 for a level-triggered pin. */
void test_uart_irq(void)
{
	bool first, second, third, masked;
	uint32_t before;

	uart_reset();
	irq_setup();
	irq_route(GSI_COM1, arg(0, 0), on_thre);
	outb(IER, IER_THRE);
	first = wait_count(&nr_thre, 1, 2000);
	outb(THR, '.');
	second = wait_count(&nr_thre, 2, 2000);
	outb(IER, 0);
	outb(IER, IER_THRE);
	third = wait_count(&nr_thre, 3, 2000);
	outb(IER, 0);
	before = nr_irqs;
	outb(MCR, 0x03);
	outb(IER, IER_THRE);
	masked = !wait_count(&nr_irqs, before + 1, 50);
	outb(IER, 0);
	outb(MCR, MCR_ON);
	print("\n");
	check("THRE interrupt when enabled", first);
	check("THRE interrupt when sent", second);
	check("THRE interrupt when enabled again", third);
	check("OUT2 masks it", masked);
	check_eq("no interrupt too many", nr_irqs, nr_thre);
}

static void add_byte(uint8_t byte)
{
	sum = sum * 31 + byte;
	nr_received++;
}

static void on_received(void)
{
	last_iir = inb(IIR);
	nr_irqs++;
	while (inb(LSR) & LSR_DATA) {
		add_byte(inb(RBR));
	}
}

/* Receives one byte by interrupt. */
void test_uart_rx(void)
{
	bool came;

	uart_reset();
	irq_setup();
	irq_route(GSI_COM1, arg(0, 0), on_received);
	outb(IER, IER_RX);
	print("ready\n");
	came = wait_count(&nr_received, 1, 20000);
	outb(IER, 0);
	check("received by interrupt", came);
	check("IIR", (last_iir & 0x0f) == 0x04 || (last_iir & 0x0f) == 0x0c);
}

/*
 * Sends full FIFOs with one instruction each, the rest byte by byte. IER enables no interrupt that
 * OUT2 would let through.
 */
static void poll_bytes(uint64_t n)
{
	uint8_t bytes[TRIGGER];

	while (nr_received < n) {
		uint8_t iir = inb(IIR) & 0x0f;
		void *to = bytes;
		size_t count = TRIGGER;

		if (iir == 0x0c)
			add_byte(inb(RBR));
		if (iir != 0x04)
			continue;
		asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(RBR) : "memory");
		for (unsigned int i = 0; i < TRIGGER; i++)
			add_byte(bytes[i]);
	}
}

/*
 * Arguments: bytes to receive; 1 to poll at CPL 3 instead. Prints their count and hash; the sender
 * knows both.
 */
void test_paste(void)
{
	uint32_t n = (uint32_t)arg(0, 1000);

	uart_reset();
	irq_setup();
	outb(FCR, 0xc1);
	print("ready\n");
	if (arg(1, 0)) {
		user_pages();
		outb(MCR, 0x03);
		outb(IER, IER_RX);
		run_at_cpl3(poll_bytes, n);
		outb(IER, 0);
	} else {
		irq_route(GSI_COM1, false, on_received);
		outb(IER, IER_RX);
		wait_count(&nr_received, n, 600000);
		outb(IER, 0);
	}
	print("\nreceived %u hash %u irqs %u overrun %u\n", nr_received, sum, nr_irqs,
	      inb(LSR) >> 1 & 1);
}

/* Sends lines of 64 different characters, so that a lost, doubled or moved byte is visible. */
static void flood(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t line = i / 64, column = i % 64;
		uint8_t c = column == 63 ? '\n' : (uint8_t)(' ' + (line * 7 + column * 3) % 94);

		while (!(inb(LSR) & 0x20))
			;
		outb(THR, c);
	}
}

/* Argument: bytes. Nothing else is printed. */
void test_flood(void)
{
	irq_setup();
	user_pages();
	run_at_cpl3(flood, arg(0, 1000));
	power_off();
}

/* Waits for a break, as SysRq does: LSR.BI with a zero byte, then a key. */
void test_breaks(void)
{
	uint8_t lsr, byte, key;

	uart_reset();
	print("ready\n");
	while (!((lsr = inb(LSR)) & LSR_DATA))
		;
	byte = inb(RBR);
	while (!(inb(LSR) & LSR_DATA))
		;
	key = inb(RBR);
	check_eq("break", lsr & LSR_BREAK, LSR_BREAK);
	check_eq("break's byte", byte, 0);
	check_eq("key", key, 'h');
}
