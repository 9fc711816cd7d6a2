/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests that a guest's kernel is found once, and that the last bytes of a console are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/vm.h"
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

/*--- what no console has shown ------------------------------------------------------------------*/

static void say(struct rig *rig, const char *text)
{
	autopsy_console_output(&rig->autopsy, 0, (const uint8_t *)text, strlen(text));
}

static void say_many(struct rig *rig, unsigned int lines)
{
	for (unsigned int i = 0; i < lines; i++)
		say(rig, "[  OK  ] a line of a program's own, [1.5] with 64 bytes to it....\r\n");
}

/* The report's first line and the first message in it. */
static void assert_report(struct rig *rig, const char *heading, const char *first)
{
	static struct vm vm;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	vm.autopsy = &rig->autopsy;
	vm.mem = rig->image.mem;
	guestlog_report(f, &vm, false);
	fclose(f);
	if (!heading[0])
		assert_string_equal(text, "");
	assert_ptr_equal(strstr(text, heading), text);
	assert_non_null(strstr(text, first));
	if (first[0])
		assert_ptr_equal(strstr(text, first), strchr(text, '\n') + 1);
	free(text);
}

static void record_many(struct rig *rig)
{
	char text[20];

	for (unsigned int i = 0; i < 12; i++) {
		snprintf(text, sizeof(text), "message %c", 'a' + (int)i);
		image_record(&rig->image, text);
	}
}

static void all_is_unseen_without_a_console(void **state)
{
	struct rig *rig = *state;

	record_many(rig);
	assert_report(
		rig,
		"the kernel's log, from its memory: all 12 messages, which no console has shown\n",
		"[    0.000000] message a");
}

/* A message counts as shown however much a program has printed since. */
static void shown_message_is_remembered(void **state)
{
	struct rig *rig = *state;

	record_many(rig);
	say(rig, "[    0.008008] message i\r\n");
	assert_report(
		rig,
		"the kernel's log, from its memory: the last 3 messages, which no console has shown\n",
		"[    0.009009] message j");
	say(rig, "[    0.009009] message j\r\n");
	for (unsigned int i = 0; i < 100; i++) {
		say_many(rig, 1);
		assert_report(
			rig,
			"the kernel's log, from its memory: the last 2 messages, which no console has shown\n",
			"[    0.010010] message k");
	}
	say(rig, "[    0.011011] message l\r\n");
	say_many(rig, 100);
	assert_report(rig, "", "");
}

/* Wherever the stamp lies in the ring, also over its ends, and in slices of any size. */
static void stamp_is_found_everywhere(void **state)
{
	struct rig *rig = *state;
	const struct console_tail *t = &rig->autopsy.tail[0];

	for (unsigned int before = 0; before < TAIL_BYTES; before += 7) {
		memset(&rig->autopsy.tail, 0, sizeof(rig->autopsy.tail));
		for (unsigned int i = 0; i < before; i++)
			say(rig, i + 1 == before ? "\n" : "[");
		say(rig, "[12345.000678] message\r\n");
		say_many(rig, 60);
		assert_true(t->has_stamp);
		assert_int_equal(t->stamp_us, 12345000678);
	}
}

static void what_is_no_stamp_is_none(void **state)
{
	static const char *const lines[] = {
		"[    0.00801] x\n",
		"[ 0.0080080] x\n",
		"[0.008008 x\n",
		"[      0.008008] x\n",
		"[1234567890.008008] x\n",
		"a [    0.008008] x\n",
		"[]\n",
	};
	struct rig *rig = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++)
		say(rig, lines[i]);
	say_many(rig, 60);
	assert_false(rig->autopsy.tail[0].has_stamp);
}

/* A kernel without time stamps: nothing is claimed. */
static void what_is_forgotten_is_not_claimed(void **state)
{
	struct rig *rig = *state;

	record_many(rig);
	say(rig, "message l\r\n");
	say_many(rig, 20);
	assert_report(rig, "", "");
	say_many(rig, 20);
	assert_report(
		rig,
		"the kernel's log, from its memory: all 12 messages; a console may have shown them before\n",
		"[    0.000000] message a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kernel_is_found_once, setup, teardown),
		cmocka_unit_test_setup_teardown(tail_keeps_the_last_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(all_is_unseen_without_a_console, setup, teardown),
		cmocka_unit_test_setup_teardown(shown_message_is_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(stamp_is_found_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_stamp_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_forgotten_is_not_claimed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
