/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the Hyper-V words of --cpuid, and the leaves that they add. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/cpu/cpu.h"
#include "x86/cpu/hyperv.h"

#include <errno.h>
#include <string.h>

#define ROOM 24
#define HYPERCALL (1U << 5)
#define SYNIC (1U << 2)
#define VPINDEX (1U << 6)
#define TIME (1U << 1 | 1U << 9)
#define STIMER (1U << 3)
#define MESSAGES (1U << 4 | 1U << 5)
#define RELAXED (1U << 5)

/* Like struct kvm_cpuid2, with room. */
struct list {
	uint32_t nent, padding;
	struct kvm_cpuid_entry2 room[ROOM];
};

static struct kvm_cpuid2 *kvm(struct list *l)
{
	return (struct kvm_cpuid2 *)l;
}

static const struct list kvms = {
	.nent = 4,
	.room = {
		{ .function = 0, .eax = 0xd },
		{ .function = 0x40000000, .ebx = 0x4b4d564b, .ecx = 0x564b4d56, .edx = 0x4d },
		{ .function = 0x40000001, .eax = 0x1234, .edx = 1 },
		{ .function = 0x80000000, .eax = 0x80000008 },
	},
};

/* A KVM with everything except hv-frequencies and hv-stimer-direct, and with half of hv-ipi. */
static const struct list offers = {
	.nent = 4,
	.room = {
		{ .function = 0x40000002, .eax = 0x3839 },
		{ .function = 0x40000003,
		  .eax = SYNIC | VPINDEX | TIME | STIMER | HYPERCALL | 1U << 31,
		  .ebx = MESSAGES | 1U << 20 },
		{ .function = 0x40000004, .eax = RELAXED | 1U << 10, .ebx = 0xfff },
		{ .function = 0x40000005, .eax = 1024, .ebx = 64 },
	},
};

static const struct kvm_cpuid_entry2 *leaf(const struct list *l, uint32_t function)
{
	for (uint32_t i = 0; i < l->nent; i++) {
		if (l->room[i].function == function)
			return &l->room[i];
	}
	return NULL;
}

static int make(struct list *l, const char *changes)
{
	struct list offered = offers;

	*l = kvms;
	assert_int_equal(cpuid_check_changes(changes), 0);
	return hyperv_cpuid(kvm(l), ROOM, kvm(&offered), changes);
}

static void words_ask_for_it(void **state)
{
	(void)state;
	assert_true(hyperv_wanted("+hyperv"));
	assert_true(hyperv_wanted("-fpu,+hv-time,vendor=GenuineIntel"));
	assert_true(hyperv_wanted("+hyperv,-hv-time"));
	assert_false(hyperv_wanted(NULL));
	assert_false(hyperv_wanted("-hv-time,+x2apic"));
	assert_false(hyperv_wanted("+hyperv,-hyperv"));
	assert_int_equal(cpuid_check_changes("hyperv"), -EINVAL);
	assert_int_equal(cpuid_check_changes("+hv-tim"), -EINVAL);
	assert_int_equal(cpuid_check_changes("+hv_time"), -EINVAL);
	assert_int_equal(cpuid_check_changes("+hyper"), -EINVAL);
}

static void its_leaves_come_first(void **state)
{
	struct list l;

	(void)state;
	assert_int_equal(make(&l, "+hyperv"), 0);
	assert_int_equal(leaf(&l, 0x40000000)->eax, 0x40000005);
	assert_memory_equal(&leaf(&l, 0x40000000)->ebx, "Microsoft Hv", 12);
	assert_memory_equal(&leaf(&l, 0x40000001)->eax, "Hv#1", 4);
	assert_int_equal(leaf(&l, 0x40000002)->eax, 0x3839);
	assert_int_equal(leaf(&l, 0x40000005)->ebx, 64);
	assert_int_equal(leaf(&l, 0x40000100)->eax, 0x40000101);
	assert_int_equal(leaf(&l, 0x40000100)->ebx, 0x4b4d564b);
	assert_int_equal(leaf(&l, 0x40000101)->eax, 0x1234);
	assert_int_equal(l.nent, kvms.nent + HYPERV_LEAVES);
}

static void only_what_is_known_and_whole_is_offered(void **state)
{
	struct list l;

	(void)state;
	assert_int_equal(make(&l, "+hyperv"), 0);
	assert_int_equal(leaf(&l, 0x40000003)->eax, SYNIC | VPINDEX | TIME | STIMER | HYPERCALL);
	assert_int_equal(leaf(&l, 0x40000003)->ebx, MESSAGES);
	assert_int_equal(leaf(&l, 0x40000004)->eax, RELAXED);
	assert_int_equal(leaf(&l, 0x40000004)->ebx, UINT32_MAX);
}

static const struct {
	const char *changes;
	uint32_t eax;
} features[] = {
	{ "+hv-time", TIME },
	{ "+hv-relaxed", 0 },
	{ "+hv-stimer", STIMER | SYNIC | VPINDEX | TIME },
	{ "+hyperv,-hv-stimer", SYNIC | VPINDEX | TIME },
	{ "+hyperv,-hv-vpindex", TIME },
	{ "+hyperv,-hv-vpindex,+hv-synic", TIME | SYNIC | VPINDEX },
	{ "+hv-frequencies,-hv-frequencies", 0 },
	{ "+hyperv,-hyperv,+hv-time", TIME },
};

static void words_count_in_their_order(void **state)
{
	struct list l, offered = offers;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(features); i++) {
		const char *changes = features[i].changes;

		assert_int_equal(make(&l, changes), 0);
		if (leaf(&l, 0x40000003)->eax != (features[i].eax | HYPERCALL))
			fail_msg("%s: %x", changes, leaf(&l, 0x40000003)->eax);
		assert_int_equal(hyperv_wants_synic(changes, kvm(&offered)),
				 !!(features[i].eax & SYNIC));
	}
}

static void what_kvm_has_not_is_refused(void **state)
{
	struct list l;

	(void)state;
	assert_int_equal(make(&l, "+hv-frequencies"), -EOPNOTSUPP);
	assert_memory_equal(&l, &kvms, sizeof(l));
	assert_int_equal(make(&l, "+hyperv,+hv-ipi"), -EOPNOTSUPP);
	assert_int_equal(make(&l, "+hv-stimer-direct"), -EOPNOTSUPP);
}

static void without_room_it_is_an_error(void **state)
{
	struct list l = kvms, offered = offers;

	(void)state;
	for (unsigned int cap = 0; cap < kvms.nent + HYPERV_LEAVES; cap++)
		assert_int_equal(hyperv_cpuid(kvm(&l), cap, kvm(&offered), "+hyperv"), -ENOSPC);
	assert_memory_equal(&l, &kvms, sizeof(l));
}

/* Tailoring adds the frequency leaf, unless another leaf has its number. */
static void tailoring_leaves_them_alone(void **state)
{
	const struct cpuid_config config = { .nr_cpus = 2, .tsc_khz = 2000000, .hyperv = true };
	struct list l;

	(void)state;
	assert_int_equal(make(&l, "+hyperv"), 0);
	assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
	assert_int_equal(leaf(&l, 0x40000000)->eax, 0x40000005);
	assert_null(leaf(&l, 0x40000010));
	assert_int_equal(leaf(&l, 0x40000003)->eax, SYNIC | VPINDEX | TIME | STIMER | HYPERCALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_ask_for_it),
		cmocka_unit_test(its_leaves_come_first),
		cmocka_unit_test(only_what_is_known_and_whole_is_offered),
		cmocka_unit_test(words_count_in_their_order),
		cmocka_unit_test(what_kvm_has_not_is_refused),
		cmocka_unit_test(without_room_it_is_an_error),
		cmocka_unit_test(tailoring_leaves_them_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
