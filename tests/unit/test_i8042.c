/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the keyboard controller in the way a driver uses it, mainly in the order of Linux's i8042,
 * libps2 and atkbd.
 *
 * Interrupt lines and the machine's power are recorders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hw/i8042.h"

#include <errno.h>
#include <string.h>

#define OBF 0x01
#define IBF 0x02
#define SYS 0x04
#define CMD 0x08
#define KEYLOCK 0x10
#define AUX 0x20
#define TIMEOUT 0x40

#define GSI_KBD 1
#define GSI_AUX 12

struct fixture {
	struct i8042 *k;
	bool level[16];
	unsigned int edges[16];
	unsigned int resets;
	unsigned int accesses;
};

static void set_line(void *ctx, unsigned int gsi, bool level)
{
	struct fixture *f = ctx;

	f->level[gsi] = level;
	f->edges[gsi] += level;
}

static void record(void *ctx, enum power_request what, unsigned int value, const char *by)
{
	struct fixture *f = ctx;

	(void)value;
	assert_int_equal(what, POWER_RESET);
	assert_string_equal(by, "i8042");
	f->resets++;
}

static int setup_with(void **state, bool aux)
{
	static struct fixture f;
	struct irq_line kbd_line = { .set = set_line, .ctx = &f, .gsi = GSI_KBD };
	struct irq_line aux_line = { .set = set_line, .ctx = &f, .gsi = GSI_AUX };
	struct power power = { record, &f };

	f = (struct fixture){ .k = i8042_create(&kbd_line, aux ? &aux_line : NULL, &power) };
	assert_non_null(f.k);
	*state = &f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, true);
}

static int setup_no_aux(void **state)
{
	return setup_with(state, false);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	i8042_destroy(f->k);
	return 0;
}

static uint8_t status(struct fixture *f)
{
	uint8_t value = (uint8_t)i8042_command_ops.read(f->k, 0, 1);

	f->accesses++;
	assert_int_equal(value & IBF, 0); /* otherwise a driver would wait */
	return value;
}

static uint8_t data(struct fixture *f)
{
	f->accesses++;
	return (uint8_t)i8042_data_ops.read(f->k, 0, 1);
}

static void write_data(struct fixture *f, uint8_t value)
{
	f->accesses++;
	i8042_data_ops.write(f->k, 0, 1, value);
}

static void command(struct fixture *f, uint8_t value)
{
	f->accesses++;
	i8042_command_ops.write(f->k, 0, 1, value);
}

static void command1(struct fixture *f, uint8_t value, uint8_t parameter)
{
	command(f, value);
	write_data(f, parameter);
}

/* Reads the only waiting byte, which came from @side (AUX, TIMEOUT or 0). */
static uint8_t take(struct fixture *f, uint8_t side)
{
	assert_int_equal(status(f) & (OBF | AUX | TIMEOUT), OBF | side);
	return data(f);
}

static void assert_empty(struct fixture *f)
{
	assert_int_equal(status(f) & OBF, 0);
}

static uint8_t ask(struct fixture *f, uint8_t value)
{
	uint8_t answer;

	command(f, value);
	answer = take(f, 0);
	assert_empty(f);
	return answer;
}

#define assert_says(f, ...)                                                                        \
	do {                                                                                       \
		static const uint8_t bytes_[] = { __VA_ARGS__ };                                   \
		for (size_t i_ = 0; i_ < sizeof(bytes_); i_++)                                     \
			assert_int_equal(take(f, 0), bytes_[i_]);                                  \
		assert_empty(f);                                                                   \
	} while (0)

static void untranslated(struct fixture *f)
{
	command1(f, 0x60, 0x05);
}

static void starts_idle_unlocked_and_translating(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(status(f), SYS | KEYLOCK);
	assert_int_equal(ask(f, 0x20), 0x65);
	assert_false(f->level[GSI_KBD]);
}

static void self_tests_pass(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, 0xaa), 0x55);
	assert_int_equal(ask(f, 0xab), 0x00);
	assert_int_equal(ask(f, 0xa9), 0x00);
	assert_int_equal(ask(f, 0xa4), 0xf1);
	assert_int_equal(ask(f, 0xc0), 0xa0);
	assert_int_equal(ask(f, 0xe0), 0x00);
}

static void self_test_sets_the_system_flag(void **state)
{
	struct fixture *f = *state;

	command1(f, 0x60, 0x00);
	assert_int_equal(status(f) & SYS, 0);
	command(f, 0xaa);
	assert_int_equal(take(f, 0), 0x55);
	assert_int_equal(status(f) & SYS, SYS);
}

static void status_tells_command_from_data(void **state)
{
	struct fixture *f = *state;

	command(f, 0xae);
	assert_int_equal(status(f) & CMD, CMD);
	command1(f, 0x60, 0x45);
	assert_int_equal(status(f) & CMD, 0);
}

static void command_byte_reads_back(void **state)
{
	struct fixture *f = *state;

	command1(f, 0x60, 0x47);
	assert_int_equal(ask(f, 0x20), 0x47);
	command1(f, 0x60, 0xff);
	assert_int_equal(ask(f, 0x20), 0x7f);
}

static void ram_has_32_bytes(void **state)
{
	struct fixture *f = *state;

	for (uint8_t i = 1; i < 32; i++)
		command1(f, 0x60 + i, 0xc0 + i);
	for (uint8_t i = 1; i < 32; i++)
		assert_int_equal(ask(f, 0x20 + i), 0xc0 + i);
	assert_int_equal(ask(f, 0x20), 0x65);
}

static void ports_are_switched_by_command(void **state)
{
	struct fixture *f = *state;

	command(f, 0xa8);
	assert_int_equal(ask(f, 0x20) & 0x30, 0x00);
	command(f, 0xa7);
	command(f, 0xad);
	assert_int_equal(ask(f, 0x20) & 0x30, 0x30);
	command(f, 0xae);
	assert_int_equal(ask(f, 0x20) & 0x30, 0x20);
}

static void a_command_forgets_the_one_that_waits(void **state)
{
	struct fixture *f = *state;

	command(f, 0x60);
	command(f, 0xae);
	write_data(f, 0xee); /* now for the keyboard */
	assert_says(f, 0xee);
	assert_int_equal(ask(f, 0x20), 0x65);
}

static void nothing_to_read_repeats_the_last_byte(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, 0xaa), 0x55);
	assert_int_equal(data(f), 0x55);
	assert_empty(f);
}

static void a_second_reply_overwrites_the_first(void **state)
{
	struct fixture *f = *state;

	command(f, 0xaa);
	command1(f, 0xd3, 0x12);
	assert_int_equal(take(f, AUX), 0x12);
	command1(f, 0xd3, 0x12);
	command(f, 0x20);
	assert_says(f, 0x65);
}

static void a_reply_waits_for_a_key_to_be_read(void **state)
{
	struct fixture *f = *state;

	write_data(f, 0xf2);
	command(f, 0xaa);
	command(f, 0x20);
	assert_says(f, 0xfa, 0x65, 0xab, 0x41);
}

static void output_port_holds_a20(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, 0xd0), 0xc3);
	command1(f, 0xd1, 0xdd);
	assert_int_equal(ask(f, 0xd0), 0xc1);
	command(f, 0xdf);
	assert_int_equal(ask(f, 0xd0), 0xc3);
	command(f, 0xdd);
	assert_int_equal(ask(f, 0xd0), 0xc1);
	command1(f, 0xd1, 0xdf);
	assert_int_equal(ask(f, 0xd0), 0xc3);
	assert_int_equal(f->resets, 0);
}

static void output_port_shows_the_interrupt(void **state)
{
	struct fixture *f = *state;

	write_data(f, 0xee);
	command(f, 0xd0);
	assert_says(f, 0xee, 0xd3);
}

static void output_port_bit_0_resets(void **state)
{
	struct fixture *f = *state;

	command1(f, 0xd1, 0xde);
	assert_int_equal(f->resets, 1);
}

static void pulses_reset_when_bit_0_is_clear(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0xf0; i <= 0xff; i++) {
		unsigned int before = f->resets;

		command(f, (uint8_t)i);
		assert_int_equal(f->resets - before, !(i & 1));
	}
}

static void loops_return_by_their_side(void **state)
{
	struct fixture *f = *state;

	command1(f, 0xd2, 0x5a);
	assert_int_equal(take(f, 0), 0x5a);
	command1(f, 0xd3, 0xa5);
	assert_int_equal(take(f, AUX), 0xa5);
	assert_empty(f);
}

static void interrupts_are_gated_by_their_bits(void **state)
{
	struct fixture *f = *state;

	command1(f, 0x60, 0x40);
	command1(f, 0xd2, 1);
	assert_false(f->level[GSI_KBD]);
	command1(f, 0x60, 0x41);
	assert_true(f->level[GSI_KBD]);
	assert_false(f->level[GSI_AUX]);
	data(f);
	assert_false(f->level[GSI_KBD]);
	command1(f, 0xd3, 1);
	assert_false(f->level[GSI_AUX]);
	command1(f, 0x60, 0x43);
	assert_true(f->level[GSI_AUX]);
	assert_false(f->level[GSI_KBD]);
	data(f);
	assert_false(f->level[GSI_AUX]);
}

/* The interrupt controller sees edges: three waiting bytes are three edges. */
static void every_byte_is_an_edge(void **state)
{
	struct fixture *f = *state;

	write_data(f, 0xf2);
	for (unsigned int i = 1; i <= 3; i++) {
		assert_true(f->level[GSI_KBD]);
		assert_int_equal(f->edges[GSI_KBD], i);
		data(f);
	}
	assert_false(f->level[GSI_KBD]);
	assert_int_equal(f->edges[GSI_KBD], 3);
}

static void no_mouse_times_out(void **state)
{
	struct fixture *f = *state;

	command1(f, 0x60, 0x47);
	command1(f, 0xd4, 0xf2);
	assert_true(f->level[GSI_AUX]);
	assert_int_equal(take(f, AUX | TIMEOUT), 0xfe);
	assert_empty(f);
}

static void without_aux_nothing_claims_it(void **state)
{
	struct fixture *f = *state;

	command1(f, 0xd3, 0x5a);
	assert_int_equal(take(f, 0), 0x5a); /* the wrong side */
	assert_int_equal(ask(f, 0xa9), 0x02);
	command(f, 0xa8);
	assert_int_equal(ask(f, 0x20) & 0x20, 0x20);
	command1(f, 0x60, 0x47);
	assert_int_equal(ask(f, 0x20), 0x65);
	command1(f, 0xd4, 0xff);
	assert_int_equal(take(f, AUX | TIMEOUT), 0xfe);
	assert_int_equal(f->edges[GSI_AUX], 0);
}

static void keyboard_answers_each_command(void **state)
{
	struct fixture *f = *state;

	untranslated(f);
	write_data(f, 0xff);
	assert_says(f, 0xfa, 0xaa);
	write_data(f, 0xf2);
	assert_says(f, 0xfa, 0xab, 0x83);
	write_data(f, 0xee);
	assert_says(f, 0xee);
	for (unsigned int c = 0xf4; c <= 0xfd; c++) {
		write_data(f, (uint8_t)c);
		assert_says(f, 0xfa);
	}
	write_data(f, 0xea);
	assert_says(f, 0xfe);
}

static void keyboard_takes_parameters(void **state)
{
	struct fixture *f = *state;

	untranslated(f);
	write_data(f, 0xed);
	assert_says(f, 0xfa);
	write_data(f, 0x07);
	assert_says(f, 0xfa);
	write_data(f, 0xf3);
	assert_says(f, 0xfa);
	write_data(f, 0x00);
	assert_says(f, 0xfa);
	write_data(f, 0xed);
	assert_says(f, 0xfa);
	write_data(f, 0xf2); /* instead of the parameter */
	assert_says(f, 0xfa, 0xab, 0x83);
}

static void scan_code_set_is_told_and_changed(void **state)
{
	struct fixture *f = *state;

	untranslated(f);
	write_data(f, 0xf0);
	write_data(f, 0x00);
	assert_says(f, 0xfa, 0xfa, 0x02);
	write_data(f, 0xf0);
	write_data(f, 0x03);
	assert_says(f, 0xfa, 0xfa);
	write_data(f, 0xf0);
	write_data(f, 0x00);
	assert_says(f, 0xfa, 0xfa, 0x03);
	write_data(f, 0xf0);
	write_data(f, 0x04);
	assert_says(f, 0xfa, 0xfe);
	write_data(f, 0xf6);
	write_data(f, 0xf0);
	write_data(f, 0x00);
	assert_says(f, 0xfa, 0xfa, 0xfa, 0x02);
}

static void resend_repeats(void **state)
{
	struct fixture *f = *state;

	untranslated(f);
	write_data(f, 0xf2);
	assert_says(f, 0xfa, 0xab, 0x83);
	write_data(f, 0xfe);
	assert_says(f, 0x83);
}

static void translation_changes_the_identity(void **state)
{
	struct fixture *f = *state;

	write_data(f, 0xf2);
	assert_says(f, 0xfa, 0xab, 0x41);
	write_data(f, 0xf0);
	write_data(f, 0x00);
	assert_says(f, 0xfa, 0xfa, 0x41);
}

static void disabled_keyboard_keeps_its_bytes(void **state)
{
	struct fixture *f = *state;

	write_data(f, 0xf4);
	assert_says(f, 0xfa);
	command(f, 0xad);
	assert_int_equal(i8042_ctrl_alt_del(f->k), 0);
	assert_empty(f);
	assert_int_equal(ask(f, 0xaa), 0x55);
	command(f, 0xae);
	assert_int_equal(take(f, 0), 0x1d);
}

static void talking_to_the_keyboard_enables_it(void **state)
{
	struct fixture *f = *state;

	command(f, 0xad);
	write_data(f, 0xee);
	assert_says(f, 0xee);
	assert_int_equal(ask(f, 0x20) & 0x10, 0);
}

static void unread_answers_are_bounded(void **state)
{
	struct fixture *f = *state;
	unsigned int n = 0;

	for (unsigned int i = 0; i < 10000; i++)
		write_data(f, 0xf2);
	while (status(f) & OBF) {
		data(f);
		n++;
	}
	assert_int_equal(n, 17); /* the keyboard's 16 and the output buffer */
	write_data(f, 0xee);
	assert_says(f, 0xee);
}

static void ctrl_alt_del_in_set_1(void **state)
{
	struct fixture *f = *state;

	write_data(f, 0xf4);
	assert_says(f, 0xfa);
	assert_int_equal(i8042_ctrl_alt_del(f->k), 0);
	assert_true(f->level[GSI_KBD]);
	assert_says(f, 0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d);
}

static void ctrl_alt_del_in_set_2(void **state)
{
	struct fixture *f = *state;

	untranslated(f);
	write_data(f, 0xf4);
	assert_says(f, 0xfa);
	assert_int_equal(i8042_ctrl_alt_del(f->k), 0);
	assert_says(f, 0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14);
}

static void ctrl_alt_del_needs_a_driver(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(i8042_ctrl_alt_del(f->k), -EAGAIN);
	write_data(f, 0xf4);
	assert_says(f, 0xfa);
	assert_int_equal(i8042_ctrl_alt_del(f->k), 0);
	assert_int_equal(i8042_ctrl_alt_del(f->k), -EAGAIN); /* no room for all of it */
	write_data(f, 0xf5);
	while (status(f) & OBF)
		data(f);
	assert_int_equal(i8042_ctrl_alt_del(f->k), -EAGAIN);
	assert_empty(f);
}

static void ctrl_alt_del_is_in_set_2_only(void **state)
{
	struct fixture *f = *state;

	write_data(f, 0xf4);
	write_data(f, 0xf0);
	write_data(f, 0x03);
	assert_says(f, 0xfa, 0xfa, 0xfa);
	assert_int_equal(i8042_ctrl_alt_del(f->k), -EAGAIN);
}

/* Issues one command as Linux's __i8042_command() does. */
static int linux_command(struct fixture *f, uint8_t c, unsigned int sends, unsigned int receives,
			 uint8_t *param)
{
	status(f);
	command(f, c);
	for (unsigned int i = 0; i < sends; i++) {
		status(f);
		write_data(f, *param);
	}
	for (unsigned int i = 0; i < receives; i++) {
		if (!(status(f) & OBF))
			return -1; /* after half a second */
		if (c == 0xd3 && !(status(f) & AUX))
			return -1;
		*param = data(f);
	}
	return 0;
}

static uint8_t linux_flush_and_read_ctr(struct fixture *f)
{
	uint8_t ctr = 0, again = 0;

	assert_empty(f);
	assert_int_equal(linux_command(f, 0x20, 0, 1, &ctr), 0);
	assert_int_equal(linux_command(f, 0x20, 0, 1, &again), 0);
	assert_int_equal(ctr, again);
	assert_int_equal(status(f) & KEYLOCK, KEYLOCK);
	ctr = (uint8_t)((ctr | 0x10) & ~0x01);
	assert_int_equal(linux_command(f, 0x60, 1, 0, &ctr), 0);
	assert_empty(f);
	return ctr;
}

/* The driver gives up the AUX port after a loop that fails at once and a test that returns why. */
static void linux_skips_the_missing_aux_port(void **state)
{
	struct fixture *f = *state;
	uint8_t param = 0x5a;

	linux_flush_and_read_ctr(f);
	f->accesses = 0;
	assert_int_equal(linux_command(f, 0xd3, 1, 1, &param), -1);
	assert_int_equal(linux_command(f, 0xa9, 0, 1, &param), 0);
	assert_int_equal(param, 0x02); /* anything except 0, 0xfa and 0xff */
	assert_int_equal(f->accesses, 10);
	assert_empty(f);
}

static void linux_toggles_and_tests_the_aux_port(void **state)
{
	struct fixture *f = *state;
	uint8_t ctr = linux_flush_and_read_ctr(f), param = 0x5a;

	assert_int_equal(linux_command(f, 0xd3, 1, 1, &param), 0);
	assert_int_equal(param, 0x5a);
	linux_command(f, 0xa7, 0, 0, NULL);
	linux_command(f, 0x20, 0, 1, &param);
	assert_int_equal(param & 0x20, 0x20);
	linux_command(f, 0xa8, 0, 0, NULL);
	linux_command(f, 0x20, 0, 1, &param);
	assert_int_equal(param & 0x20, 0);
	ctr = (uint8_t)((ctr & ~0x20) | 0x02);
	linux_command(f, 0x60, 1, 0, &ctr);
	param = 0xa5;
	linux_command(f, 0xd3, 1, 0, &param);
	assert_true(f->level[GSI_AUX]);
	assert_int_equal(take(f, AUX), 0xa5);
	/* No multiplexer: the third byte of its handshake comes back unchanged. */
	for (size_t i = 0; i < 3; i++) {
		static const uint8_t handshake[] = { 0xf0, 0x56, 0xa4 };

		param = handshake[i];
		assert_int_equal(linux_command(f, 0xd3, 1, 1, &param), 0);
		assert_int_equal(param, handshake[i]);
	}
}

/* atkbd: identity, deactivate, lamps, repeat rate, activate; every byte by interrupt. */
static void linux_finds_its_keyboard(void **state)
{
	static const struct {
		uint8_t send, answers[3];
		unsigned int nr;
	} steps[] = {
		{ 0xf2, { 0xfa, 0xab, 0x41 }, 3 },
		{ 0xf5, { 0xfa }, 1 },
		{ 0xed, { 0xfa }, 1 },
		{ 0x00, { 0xfa }, 1 },
		{ 0xf3, { 0xfa }, 1 },
		{ 0x00, { 0xfa }, 1 },
		{ 0xf4, { 0xfa }, 1 },
	};
	struct fixture *f = *state;
	uint8_t ctr = linux_flush_and_read_ctr(f);

	ctr = (uint8_t)((ctr & ~0x10) | 0x01);
	linux_command(f, 0x60, 1, 0, &ctr);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		status(f);
		write_data(f, steps[i].send);
		for (unsigned int n = 0; n < steps[i].nr; n++) {
			assert_true(f->level[GSI_KBD]);
			assert_int_equal(take(f, 0), steps[i].answers[n]);
		}
		assert_false(f->level[GSI_KBD]);
	}
	assert_int_equal(i8042_ctrl_alt_del(f->k), 0);
}

static void destroy_takes_null(void **state)
{
	(void)state;
	i8042_destroy(NULL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define TEST_NO_AUX(fn) cmocka_unit_test_setup_teardown(fn, setup_no_aux, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_idle_unlocked_and_translating),
		TEST(self_tests_pass),
		TEST(self_test_sets_the_system_flag),
		TEST(status_tells_command_from_data),
		TEST(command_byte_reads_back),
		TEST(ram_has_32_bytes),
		TEST(ports_are_switched_by_command),
		TEST(a_command_forgets_the_one_that_waits),
		TEST(nothing_to_read_repeats_the_last_byte),
		TEST(a_second_reply_overwrites_the_first),
		TEST(a_reply_waits_for_a_key_to_be_read),
		TEST(output_port_holds_a20),
		TEST(output_port_shows_the_interrupt),
		TEST(output_port_bit_0_resets),
		TEST(pulses_reset_when_bit_0_is_clear),
		TEST(loops_return_by_their_side),
		TEST(interrupts_are_gated_by_their_bits),
		TEST(every_byte_is_an_edge),
		TEST(no_mouse_times_out),
		TEST_NO_AUX(without_aux_nothing_claims_it),
		TEST(keyboard_answers_each_command),
		TEST(keyboard_takes_parameters),
		TEST(scan_code_set_is_told_and_changed),
		TEST(resend_repeats),
		TEST(translation_changes_the_identity),
		TEST(disabled_keyboard_keeps_its_bytes),
		TEST(talking_to_the_keyboard_enables_it),
		TEST(unread_answers_are_bounded),
		TEST(ctrl_alt_del_in_set_1),
		TEST(ctrl_alt_del_in_set_2),
		TEST(ctrl_alt_del_needs_a_driver),
		TEST(ctrl_alt_del_is_in_set_2_only),
		TEST_NO_AUX(linux_skips_the_missing_aux_port),
		TEST(linux_toggles_and_tests_the_aux_port),
		TEST_NO_AUX(linux_finds_its_keyboard),
		cmocka_unit_test(destroy_takes_null),
	};

	return cmocka_run_group_tests_name("i8042", tests, NULL, NULL);
}
