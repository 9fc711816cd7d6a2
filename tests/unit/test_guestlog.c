/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests that a guest's end is judged by the log in its memory, and that the last bytes of a console
 * are kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/linux_image.h"
#include "x86/linux/symbols.h"
#include "x86/postmortem/guestlog.h"

#include <stdatomic.h>
#include <stdlib.h>

/*
 * A process with less resident memory cannot have run a Linux: guestlog_judge_end() searches no
 * log then.
 */
#define RESIDENT_BYTES (32 * MIB)

struct rig {
	struct linux_image image;
	struct autopsy autopsy;
};

static int setup(void **state)
{
	static struct rig rig;
	volatile char *resident = malloc(RESIDENT_BYTES);

	if (!resident)
		return -1;
	for (size_t i = 0; i < RESIDENT_BYTES; i += 4096)
		resident[i] = 1;
	free((void *)resident);
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

static void log_decides_the_end(void **state)
{
	struct rig *rig = *state;
	struct autopsy *a = &rig->autopsy;

	image_record(&rig->image, "Linux version 6.12.0");
	guestlog_judge_end(a);
	assert_false(atomic_load(&a->panicked) || atomic_load(&a->halted) ||
		     atomic_load(&a->restarting));
	image_record(&rig->image, "Kernel panic - not syncing: Attempted to kill init!");
	guestlog_judge_end(a);
	assert_true(atomic_load(&a->panicked) && atomic_load(&a->panic_unseen));
	assert_false(atomic_load(&a->halted) || atomic_load(&a->restarting));
}

static void restart_is_no_panic(void **state)
{
	struct rig *rig = *state;
	struct autopsy *a = &rig->autopsy;

	image_record(&rig->image, "reboot: Restarting system");
	guestlog_judge_end(a);
	assert_true(atomic_load(&a->restarting));
	assert_false(atomic_load(&a->panicked) || atomic_load(&a->panic_unseen) ||
		     atomic_load(&a->halted));
}

/* Once a console has shown an end, the log is not searched. */
static void console_goes_first(void **state)
{
	struct rig *rig = *state;
	struct autopsy *a = &rig->autopsy;

	image_record(&rig->image, "Kernel panic - not syncing: Attempted to kill init!");
	atomic_store(&a->halted, true);
	guestlog_judge_end(a);
	assert_false(atomic_load(&a->panicked) || atomic_load(&a->panic_unseen));
}

static void guest_without_a_log_has_no_end(void **state)
{
	struct rig *rig = *state;
	struct autopsy *a = &rig->autopsy;

	memset(rig->image.ram, 0, IMAGE_BYTES);
	guestlog_judge_end(a);
	assert_null(a->kernel_symbols);
	assert_false(atomic_load(&a->panicked) || atomic_load(&a->halted) ||
		     atomic_load(&a->restarting));
}

static void kernel_is_found_once(void **state)
{
	struct rig *rig = *state;
	struct symbols *found;

	autopsy_find_kernel(&rig->autopsy, NULL);
	found = rig->autopsy.kernel_symbols;
	assert_non_null(found);
	autopsy_find_kernel(&rig->autopsy, NULL);
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
		cmocka_unit_test_setup_teardown(log_decides_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(restart_is_no_panic, setup, teardown),
		cmocka_unit_test_setup_teardown(console_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(guest_without_a_log_has_no_end, setup, teardown),
		cmocka_unit_test_setup_teardown(kernel_is_found_once, setup, teardown),
		cmocka_unit_test_setup_teardown(tail_keeps_the_last_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
