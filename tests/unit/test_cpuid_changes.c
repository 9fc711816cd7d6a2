/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests --cpuid: which words it accepts, and how they change a CPUID list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/cpu/cpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 8
#define X2APIC (1U << 21)
#define WAITPKG (1U << 5)

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
	.nent = 5,
	.room = {
		{ .function = 0, .eax = 0xd, .ebx = 1, .ecx = 2, .edx = 3 },
		{ .function = 1, .ecx = 1, .edx = 0xffffffff },
		{ .function = 7, .index = 0, .ebx = 1, .ecx = WAITPKG | 4 },
		{ .function = 7, .index = 1, .eax = 0x10 },
		{ .function = 0x80000000, .eax = 0x80000008 },
	},
};

static const struct {
	const char *text;
	bool good;
} texts[] = {
	{ NULL, true },
	{ "+x2apic", true },
	{ "-x2apic,+sse4_1,-avx_vnni", true },
	{ "vendor=GenuineIntel", true },
	{ "-fpu,vendor=Hello World!,+tsc", true },
	{ "", false },
	{ ",", false },
	{ "+", false },
	{ "-", false },
	{ "+-", false },
	{ "x2apic", false },
	{ "+x2api", false },
	{ "+x2apics", false },
	{ "+x2apic,", false },
	{ "+sse sse2", false },
	{ "+X2APIC", false },
	{ "vendor=", false },
	{ "vendor=GenuineInte", false },
	{ "vendor=GenuineIntel6", false },
	{ "-fpu,+nothing", false },
};

static void words_are_checked(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		if ((cpuid_check_changes(texts[i].text) == 0) != texts[i].good)
			fail_msg("%s", texts[i].text);
	}
}

static int change(struct list *l, const char *text)
{
	struct list offered = kvms;

	assert_int_equal(cpuid_check_changes(text), 0);
	cpuid_change_vendor(kvm(l), text);
	return cpuid_change_features(kvm(l), kvm(&offered), text);
}

static void features_come_and_go(void **state)
{
	struct list l = kvms;

	(void)state;
	l.room[1].ecx |= X2APIC;   /* which KVM leaves to the launcher */
	l.room[2].ecx &= ~WAITPKG; /* which the launcher leaves out */
	assert_int_equal(change(&l, "-fpu,-pbe,-sse4_2,-avx_vnni,+waitpkg,+x2apic,+umip"), 0);
	assert_int_equal(l.room[1].edx, 0x7ffffffe);
	assert_int_equal(l.room[1].ecx, X2APIC | 1);
	assert_int_equal(l.room[2].ecx, WAITPKG | 4);
	assert_int_equal(l.room[3].eax, 0);
	assert_int_equal(change(&l, "-x2apic"), 0);
	assert_int_equal(l.room[1].ecx, 1);
	/* the last word counts, and a missing register has no feature to remove */
	assert_int_equal(change(&l, "-fpu,+fpu,-clzero"), 0);
	assert_int_equal(l.room[1].edx, 0x7fffffff);
}

/* Intel and AMD have different bits for these, and Linux one name. */
static void name_stands_for_all_of_its_bits(void **state)
{
	struct list l = kvms;

	(void)state;
	l.nent = 6;
	l.room[5] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .ebx = 0xffffffff };
	l.room[2].edx = 0xffffffff;
	assert_int_equal(change(&l, "-ibrs"), 0);
	assert_int_equal(l.room[2].edx, ~(1U << 26));
	assert_int_equal(l.room[5].ebx, ~(1U << 14));
	assert_int_equal(change(&l, "-ibpb,-stibp,-ssbd"), 0);
	assert_int_equal(l.room[2].edx, ~(1U << 26 | 1U << 27 | 1U << 31));
	assert_int_equal(l.room[5].ebx, ~(1U << 12 | 3U << 14 | 3U << 24));
	/* one of them is enough to require the feature */
	l = kvms;
	l.nent = 6;
	l.room[5] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .ebx = 1U << 12 };
	assert_int_equal(change(&l, "+ibpb"), 0);
	assert_int_equal(change(&l, "+stibp"), -EOPNOTSUPP);
}

static void what_kvm_cannot_give_is_refused(void **state)
{
	struct list l = kvms;

	(void)state;
	assert_int_equal(change(&l, "+avx2"), -EOPNOTSUPP);
	assert_int_equal(change(&l, "+x2apic"), -EOPNOTSUPP);
	assert_int_equal(change(&l, "+clzero"), -EOPNOTSUPP);
	assert_memory_equal(&l, &kvms, sizeof(l));
}

static void vendor_is_in_both_ranges(void **state)
{
	struct list l = kvms;

	(void)state;
	assert_int_equal(change(&l, "vendor=GenuineIntel"), 0);
	for (unsigned int i = 0; i <= 4; i += 4) {
		assert_memory_equal(&l.room[i].ebx, "Genu", 4);
		assert_memory_equal(&l.room[i].edx, "ineI", 4);
		assert_memory_equal(&l.room[i].ecx, "ntel", 4);
	}
	l.room[0] = kvms.room[0];
	l.room[4] = kvms.room[4];
	assert_memory_equal(&l, &kvms, sizeof(l));
}

/* Each name in the list is accepted, and listed once. */
static void help_lists_what_is_taken(void **state)
{
	static const char *const shown[] = { "ibrs", "ibpb", "ssbd",	 "user_shstk",
					     "lam",  "fred", "autoibrs", "vnmi" };
	unsigned int found[ARRAY_SIZE(shown)] = { 0 }, nr = 0;
	char *text = NULL, *save = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	cpuid_list_features(f);
	fclose(f);
	for (char *word = strtok_r(strchr(text, ':'), ": \n", &save); word;
	     word = strtok_r(NULL, " \n", &save), nr++) {
		char change[40];

		snprintf(change, sizeof(change), "-%s", word);
		assert_int_equal(cpuid_check_changes(change), 0);
		for (unsigned int i = 0; i < ARRAY_SIZE(shown); i++)
			found[i] += !strcmp(word, shown[i]);
	}
	assert_true(nr > 200);
	for (unsigned int i = 0; i < ARRAY_SIZE(shown); i++)
		assert_int_equal(found[i], 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_checked),
		cmocka_unit_test(features_come_and_go),
		cmocka_unit_test(name_stands_for_all_of_its_bits),
		cmocka_unit_test(what_kvm_cannot_give_is_refused),
		cmocka_unit_test(vendor_is_in_both_ranges),
		cmocka_unit_test(help_lists_what_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
