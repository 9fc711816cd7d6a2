/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the Ctrl-a filter with a table of typed bytes and their results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/chardev/escape.h"

#include <string.h>

struct row {
	const char *typed;
	size_t len;
	const char *passed; /* Q quit, B break, H help, each in angle brackets at its place */
};

#define ROW(typed, passed)                                                                         \
	{                                                                                          \
		typed, sizeof(typed) - 1, passed                                                   \
	}

static const struct row rows[] = {
	ROW("plain\r", "plain\r"),
	ROW("\x01x", "<Q>"),
	ROW("\x01"
	    "b",
	    "<B>"),
	ROW("\x01h", "<H>"),
	ROW("\x01?", "<H>"),
	ROW("\x01\x01", "\x01"),
	ROW("\x01"
	    "a",
	    "\x01"),
	ROW("\x01\x01\x01x", "\x01<Q>"),
	ROW("\x01\x01x", "\x01x"),
	ROW("\x01"
	    "dx",
	    "<D>x"),
	ROW("\x01qx", "<H>x"),
	ROW("\x01X", "<H>"),
	ROW("x\x01", "x"),
	ROW("one\x01"
	    "btwo\x01"
	    "bthree",
	    "one<B>two<B>three"),
};

static void run(const struct row *row, char *got)
{
	struct escape e = { 0 };

	*got = '\0';
	for (size_t i = 0; i < row->len; i++) {
		uint8_t byte = (uint8_t)row->typed[i];
		char text[2] = { 0 };

		switch (escape_feed(&e, &byte)) {
		case ESCAPE_NOTHING:
			break;
		case ESCAPE_PASS:
			text[0] = (char)byte;
			strcat(got, text);
			break;
		case ESCAPE_QUIT:
			strcat(got, "<Q>");
			break;
		case ESCAPE_BREAK:
			strcat(got, "<B>");
			break;
		case ESCAPE_REPORT:
			strcat(got, "<D>");
			break;
		case ESCAPE_HELP:
			strcat(got, "<H>");
			break;
		}
	}
}

static void test_table(void **state)
{
	char got[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		run(&rows[i], got);
		assert_string_equal(got, rows[i].passed);
	}
}

static void test_every_byte_passes(void **state)
{
	struct escape e = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 256; i++) {
		uint8_t byte = (uint8_t)i;

		if (i == ESCAPE_CHAR)
			continue;
		assert_int_equal(escape_feed(&e, &byte), ESCAPE_PASS);
		assert_int_equal(byte, i);
	}
}

static void test_help_names_all(void **state)
{
	(void)state;
	assert_non_null(strstr(escape_help(), "x ends"));
	assert_non_null(strstr(escape_help(), "b sends"));
	assert_null(strchr(escape_help(), '\n'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_every_byte_passes),
		cmocka_unit_test(test_help_names_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
