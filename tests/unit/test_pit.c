/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests that the first access to the PIT, which creates it, still has its effect on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/board/board_pit.h"

#include <string.h>

static void control_word_programs_its_channel(void **state)
{
	struct kvm_pit_state2 s = { 0 };

	(void)state;
	pit_replay(&s, 0x43, 0xb1); /* channel 2, low then high byte, mode 0, BCD */
	assert_int_equal(s.channels[2].rw_mode, 3);
	assert_int_equal(s.channels[2].write_state, 3);
	assert_int_equal(s.channels[2].read_state, 3);
	assert_int_equal(s.channels[2].mode, 0);
	assert_int_equal(s.channels[2].bcd, 1);
	pit_replay(&s, 0x43, 0x34); /* channel 0, mode 2 */
	assert_int_equal(s.channels[0].mode, 2);
	assert_int_equal(s.channels[0].bcd, 0);
}

static void latch_read_back_and_data_change_nothing(void **state)
{
	static const struct kvm_pit_state2 zero;
	struct kvm_pit_state2 s = { 0 };

	(void)state;
	pit_replay(&s, 0x43, 0x80); /* latch of channel 2 */
	pit_replay(&s, 0x43, 0xc2); /* read-back */
	pit_replay(&s, 0x42, 0xff);
	assert_memory_equal(&s, &zero, sizeof(s));
}

static void port_61_sets_the_gate_and_the_speaker(void **state)
{
	struct kvm_pit_state2 s = { 0 };

	(void)state;
	pit_replay(&s, 0x61, 0x03);
	assert_int_equal(s.channels[2].gate, 1);
	assert_int_equal(s.flags, KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	pit_replay(&s, 0x61, 0x00);
	assert_int_equal(s.channels[2].gate, 0);
	assert_int_equal(s.flags, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_word_programs_its_channel),
		cmocka_unit_test(latch_read_back_and_data_change_nothing),
		cmocka_unit_test(port_61_sets_the_gate_and_the_speaker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
