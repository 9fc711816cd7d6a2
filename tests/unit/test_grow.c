/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests that growing arrays keep their elements, have the requested room, and grow seldom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/base/grow.h"

#include <stdlib.h>
#include <string.h>

static void elements_stay(void **state)
{
	uint32_t *array = NULL;
	unsigned int moves = 0;
	size_t room = 0;

	(void)state;
	for (uint32_t nr = 0; nr < 100000; nr++) {
		size_t before = room;

		array = grow_array(array, &room, nr + 1U, sizeof(*array));
		assert_non_null(array);
		assert_true(room > nr);
		moves += room != before;
		array[nr] = nr;
	}
	assert_true(moves < 16);
	for (uint32_t i = 0; i < 100000; i++)
		assert_int_equal(array[i], i);
	free(array);
}

static void big_steps_and_big_elements(void **state)
{
	struct big {
		char bytes[10000];
	} *big = NULL;
	size_t room = 0;

	(void)state;
	big = grow_array(big, &room, 1, sizeof(*big));
	assert_non_null(big);
	assert_int_equal(room, 1);
	memset(big, 1, sizeof(*big));
	big = grow_array(big, &room, 100, sizeof(*big));
	assert_non_null(big);
	assert_true(room >= 100);
	memset(big + 99, 1, sizeof(*big));
	free(big);
}

static void what_cannot_be_had_changes_nothing(void **state)
{
	size_t room = 0;
	char *array = grow_array(NULL, &room, 1, 1);
	size_t before = room;

	(void)state;
	assert_non_null(array);
	assert_null(grow_array(array, &room, SIZE_MAX, 1));
	assert_null(grow_array(array, &room, SIZE_MAX / 4, 1024));
	assert_int_equal(room, before);
	array[before - 1] = 1;
	free(array);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_stay),
		cmocka_unit_test(big_steps_and_big_elements),
		cmocka_unit_test(what_cannot_be_had_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
