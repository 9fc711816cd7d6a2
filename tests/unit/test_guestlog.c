/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests that a guest's kernel is found once, and that the last bytes of a console are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/linux_image.h"
#include "x86/linux/symbols.h"
#include "x86/postmortem/guestlog.h"

struct rig {
	struct linux_image image;
	struct autopsy autopsy;
};

static int setup(void **state)
{
	static struct rig rig;

	memset(&rig.autopsy, 0, sizeof(rig.autopsy));
	image_init(&rig.image);
	image_kallsyms(&rig.image, KALLSYMS_LATER);
	image_ring(&rig.image, true);
	autopsy_init(&rig.autopsy, &rig.image.mem);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	autopsy_fini(&rig->autopsy);
	gmem_fini(&rig->image.mem);
	return 0;
}

static void kernel_is_found_once(void **state)
{
	struct rig *rig = *state;
	struct symbols *found;

	autopsy_find_kernel(&rig->autopsy);
	found = rig->autopsy.kernel_symbols;
	assert_non_null(found);
	autopsy_find_kernel(&rig->autopsy);
	assert_ptr_equal(rig->autopsy.kernel_symbols, found);
}

static void tail_keeps_the_last_bytes(void **state)
{
	struct rig *rig = *state;
	const struct console_tail *t = &rig->autopsy.tail[2];
	uint8_t bytes[TAIL_BYTES + 10];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i / 7);
	autopsy_console_output(&rig->autopsy, 2, bytes, 5);
	assert_int_equal(t->nr, 5);
	assert_memory_equal(t->bytes, bytes, 5);
	autopsy_console_output(&rig->autopsy, 2, bytes, sizeof(bytes));
	assert_int_equal(t->nr, 5 + sizeof(bytes));
	for (size_t i = 10; i < sizeof(bytes); i++)
		assert_int_equal(t->bytes[(5 + i) % TAIL_BYTES], bytes[i]);
	assert_int_equal(rig->autopsy.tail[1].nr, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kernel_is_found_once, setup, teardown),
		cmocka_unit_test_setup_teardown(tail_keeps_the_last_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
