/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the keyboard controller with the requests of Linux's i8042 and atkbd drivers, in their
 * order.
 */
#include "payload.h"

#define DATA 0x60
#define STATUS 0x64
#define COMMAND 0x64
#define ST_FULL 0x01
#define ST_INPUT 0x02
#define ST_AUX 0x20
#define NONE 0x100

static volatile uint32_t nr_irqs;

static void command(uint8_t value)
{
	while (inb(STATUS) & ST_INPUT)
		;
	outb(COMMAND, value);
}

static void data(uint8_t value)
{
	while (inb(STATUS) & ST_INPUT)
		;
	outb(DATA, value);
}

static unsigned int answer(void)
{
	for (unsigned int i = 0; i < 1000; i++) {
		if (inb(STATUS) & ST_FULL)
			return inb(DATA);
	}
	return NONE;
}

static unsigned int ask(uint8_t value)
{
	command(value);
	return answer();
}

static unsigned int ask_keyboard(uint8_t value)
{
	data(value);
	return answer();
}

static void on_key(void)
{
	nr_irqs++;
}

static void check_controller(void)
{
	unsigned int ctr, status, aux_flag;

	for (unsigned int i = 0; i < 16 && (inb(STATUS) & ST_FULL); i++)
		inb(DATA);
	ctr = ask(0x20);
	check("command byte", ctr < NONE);
	command(0x60);
	data((uint8_t)((ctr | 0x10) & ~0x01U));
	check_eq("command byte reads back", ask(0x20), (ctr | 0x10) & ~0x01U);
	check_eq("self-test", ask(0xaa), 0x55);
	check_eq("keyboard line", ask(0xab), 0x00);
	/* a controller without the port passes the byte on as its own */
	aux_flag = ask(0xa9) ? 0 : ST_AUX;
	command(0xd3);
	data(0x5a);
	status = inb(STATUS);
	check_eq("AUX loop", answer(), 0x5a);
	check_eq("AUX loop's flag", status & ST_AUX, aux_flag);
	command(0xd2);
	data(0xa5);
	check_eq("keyboard loop", answer(), 0xa5);
	check_eq("A20 is on", ask(0xd0) & 3, 3);
}

static void check_keyboard(void)
{
	command(0x60);
	data(0x24); /* no translation, AUX off, no interrupts */
	check_eq("reset: acknowledged", ask_keyboard(0xff), 0xfa);
	check_eq("reset: passed", answer(), 0xaa);
	check_eq("identify: acknowledged", ask_keyboard(0xf2), 0xfa);
	check_eq("identity 1", answer(), 0xab);
	check_eq("identity 2", answer(), 0x83);
	check_eq("lamps", ask_keyboard(0xed), 0xfa);
	check_eq("lamps' value", ask_keyboard(0x00), 0xfa);
	check_eq("rate", ask_keyboard(0xf3), 0xfa);
	check_eq("rate's value", ask_keyboard(0x00), 0xfa);
	check_eq("echo", ask_keyboard(0xee), 0xee);
	check_eq("then nothing", answer(), NONE);
}

void test_i8042(void)
{
	bool came;

	check_controller();
	check_keyboard();
	irq_setup();
	irq_route(1, false, on_key);
	command(0x60);
	data(0x25);
	data(0xf4);
	came = wait_count(&nr_irqs, 1, 2000);
	check("keyboard interrupt", came);
	check_eq("its byte", answer(), 0xfa);
}

/* Does what Linux does after a panic without a restart: panic_blink(). */
void test_lamps(void)
{
	for (uint8_t lamps = 0;; lamps ^= 5) {
		data(0xed);
		delay_us(1000);
		data(lamps);
		delay_us(100000);
	}
}
