/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests that a guest's end is judged by its kernel's log in memory, where there is one, and by what
 * its consoles have shown otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/console_watch.h"
#include "unit/linux_image.h"
#include "x86/linux/symbols.h"
#include "x86/postmortem/endlog.h"

#include <stdatomic.h>
#include <stdlib.h>

/* A process with less resident memory cannot have run a Linux: no log is searched then. */
#define RESIDENT_BYTES (32 * MIB)

#define PANIC (1U << WATCH_PANIC | 1U << WATCH_PANIC_TEXT)
#define PANIC_LINE "Kernel panic - not syncing: Attempted to kill init!"

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

enum { PANICKED = 1, HALTED = 2, RESTARTING = 4 };

static int ends_of(struct autopsy *a)
{
	return (atomic_load(&a->panicked) ? PANICKED : 0) | (atomic_load(&a->halted) ? HALTED : 0) |
	       (atomic_load(&a->restarting) ? RESTARTING : 0);
}

static void log_decides_the_end(void **state)
{
	struct rig *rig = *state;
	struct autopsy *a = &rig->autopsy;

	image_record(&rig->image, "Linux version 6.12.0");
	assert_true(endlog_judge(a));
	assert_int_equal(ends_of(a), 0);
	image_record(&rig->image, PANIC_LINE);
	assert_true(endlog_judge(a));
	assert_int_equal(ends_of(a), PANICKED);
	assert_true(atomic_load(&a->panic_unseen));
}

static void restart_is_no_panic(void **state)
{
	struct rig *rig = *state;

	image_record(&rig->image, "reboot: Restarting system");
	assert_true(endlog_judge(&rig->autopsy));
	assert_int_equal(ends_of(&rig->autopsy), RESTARTING);
	assert_false(atomic_load(&rig->autopsy.panic_unseen));
}

static void newer_kernels_halt_in_other_words(void **state)
{
	struct rig *rig = *state;

	image_record(&rig->image, "reboot: Power off not available: System halted instead");
	assert_true(endlog_judge(&rig->autopsy));
	assert_int_equal(ends_of(&rig->autopsy), HALTED);
}

/* What a program prints is not in the log. */
static void log_outweighs_the_consoles(void **state)
{
	struct rig *rig = *state;
	struct autopsy *a = &rig->autopsy;

	image_record(&rig->image, "Linux version 6.12.0");
	atomic_store(&a->said, PANIC | 1U << WATCH_HALTED | 1U << WATCH_RESTARTING);
	assert_true(endlog_judge(a));
	assert_int_equal(ends_of(a), 0);
	assert_false(endlog_confirm_panic(a));
	assert_int_equal(atomic_load(&a->said) & PANIC, 0);
	image_record(&rig->image, PANIC_LINE);
	atomic_store(&a->said, 1U << WATCH_PANIC_TEXT);
	assert_true(endlog_confirm_panic(a));
	assert_false(atomic_load(&a->panic_unseen));
}

/* A text in the middle of a message, or from /dev/kmsg, is no end. */
static void only_the_kernel_s_own_messages_count(void **state)
{
	struct rig *rig = *state;
	struct autopsy *a = &rig->autopsy;

	image_record(&rig->image, "systemd: Kernel panic - not syncing: of an old boot");
	image_record_by(&rig->image, 1, PANIC_LINE);
	image_record_by(&rig->image, 3, "reboot: System halted");
	assert_true(endlog_judge(a));
	assert_int_equal(ends_of(a), 0);
}

/* After a kexec the log that is found may be the former kernel's. */
static void another_kernel_may_panic_without_a_log(void **state)
{
	struct rig *rig = *state;
	struct autopsy *a = &rig->autopsy;

	image_record(&rig->image, "Linux version 6.12.0");
	atomic_store(&a->said, PANIC);
	assert_false(endlog_confirm_panic(a));
	image_record(&rig->image, "kexec_core: Starting new kernel");
	atomic_store(&a->said, 1U << WATCH_PANIC_TEXT);
	assert_false(endlog_confirm_panic(a));
	atomic_store(&a->said, PANIC);
	assert_true(endlog_confirm_panic(a));
}

static void consoles_decide_without_a_log(void **state)
{
	struct rig *rig = *state;
	struct autopsy *a = &rig->autopsy;

	memset(rig->image.ram, 0, IMAGE_BYTES);
	assert_false(endlog_judge(a));
	assert_null(a->kernel_symbols);
	assert_int_equal(ends_of(a), 0);
	atomic_store(&a->said, 1U << WATCH_PANIC_TEXT); /* in the middle of a line */
	assert_false(endlog_confirm_panic(a));
	atomic_store(&a->said, 1U << WATCH_NO_POWER);
	assert_false(endlog_judge(a));
	assert_int_equal(ends_of(a), HALTED);
	atomic_store(&a->said, PANIC);
	assert_true(endlog_confirm_panic(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(log_decides_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(restart_is_no_panic, setup, teardown),
		cmocka_unit_test_setup_teardown(newer_kernels_halt_in_other_words, setup, teardown),
		cmocka_unit_test_setup_teardown(log_outweighs_the_consoles, setup, teardown),
		cmocka_unit_test_setup_teardown(only_the_kernel_s_own_messages_count, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_kernel_may_panic_without_a_log, setup,
						teardown),
		cmocka_unit_test_setup_teardown(consoles_decide_without_a_log, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
