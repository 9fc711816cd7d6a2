/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests what is put back on a terminal after a guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/chardev/term_modes.h"

#include <string.h>

static const struct {
	const char *guest, *undo;
} rows[] = {
	{ "hello\r\n", "" },
	{ "\033[?1049h\033[?25l\033[?7l\033[?2004h\033[?1000h\033(0",
	  "\033(B\033[?7h\033[?25h\033[?1049l\033[?1000l\033[?2004l" },
	{ "\033[?1049h\033[?25l ... \033[?25h\033[?1049l", "" },
	{ "\033[?1000;1006;25l\033[?1000;1006h", "\033[?25h\033[?1000l\033[?1006l" },
	{ "\033[0;1;32mok\033[0m\033[31m", "\033[0m" },
	{ "\033[31m[\033[m", "" },
	{ "\016\033=\033[?1h", "\017\033>\033[?1l" },
	{ "\016\033[?25l\033c", "" },
	{ "\033[25l\033[2J\033[1;24r\033[?9999999999925l\033[?65561l", "" },
	{ "\033[?2\0335l\033[?7", "" },
	{ "\033]0;title\007\033[?1;2;3;4;5;6;7;8;25l", "\033[?7h" },
};

static void test_undo(void **state)
{
	char undo[TERM_MODES_BYTES];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct term_modes m = { 0 };
		size_t len;

		for (const char *c = rows[i].guest; *c; c++)
			term_modes_feed(&m, (const uint8_t *)c, 1);
		len = term_modes_undo(&m, undo);
		assert_int_equal(len, strlen(rows[i].undo));
		assert_memory_equal(undo, rows[i].undo, len);
		term_modes_feed(&m, (const uint8_t *)undo, len);
		assert_int_equal(term_modes_undo(&m, undo), 0);
	}
}

static void test_all_at_once(void **state)
{
	static const char all[] =
		"\016\033(0\033[1m\033=\033[?1;47;1047;1049;1000;1002;1003h\033[?1004;1006;1015;2004h"
		"\033[?7;25l";
	struct term_modes m = { 0 };
	char undo[TERM_MODES_BYTES];

	(void)state;
	term_modes_feed(&m, (const uint8_t *)all, strlen(all));
	assert_in_range(term_modes_undo(&m, undo), 100, TERM_MODES_BYTES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_undo),
		cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
