/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests that a time-out counts the time in which nothing happened, and none in which we stood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/quiet.h"

#define MS 1000000ULL
#define START 5000000000ULL

static void quiet_time_adds_up(void **state)
{
	uint64_t now = START;
	struct quiet q;

	(void)state;
	quiet_begin(&q, now);
	assert_int_equal(quiet_look(&q, now += 1001 * MS, false), 1001 * MS);
	assert_int_equal(quiet_look(&q, now += 1400 * MS, false), 2401 * MS);
	assert_int_equal(quiet_look(&q, now += 1000 * MS, true), 0);
	assert_int_equal(quiet_look(&q, now += 1000 * MS, false), 1000 * MS);
}

/* A stop between two looks does not count, however long or frequent it is. */
static void stopped_time_is_left_out(void **state)
{
	uint64_t now = START;
	struct quiet q;

	(void)state;
	quiet_begin(&q, now);
	assert_int_equal(quiet_look(&q, now += 1000 * MS, false), 1000 * MS);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(quiet_look(&q, now += 4000 * MS, false), 1000 * MS);
	assert_int_equal(quiet_look(&q, now += 1000 * MS, false), 2000 * MS);
	assert_int_equal(quiet_look(&q, now += 60000 * MS, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_time_adds_up),
		cmocka_unit_test(stopped_time_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
