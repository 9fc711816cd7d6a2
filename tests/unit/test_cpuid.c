/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests CPUID as guests see it, from made-up lists of an Intel and an AMD host, and the entry
 * states of the boot processor.
 *
 * The tests look up a guest's CPUID as KVM does: a missing entry reads as zeros.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/cpu/cpu.h"
#include "x86/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 64

/* Like struct kvm_cpuid2, with room. */
struct list {
	uint32_t nent, padding;
	struct kvm_cpuid_entry2 room[ROOM];
};

struct row {
	uint32_t function, index, eax, ebx, ecx, edx;
};

static const struct row intel[] = {
	{ 0x0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69 },
	{ 0x1, 0, 0x000806f8, 0x07800800, 0x77fa3203 & ~(1u << 24), 0x0f8bfbff },
	{ 0x2, 0, 0x00feff01, 0xf0, 0, 0 },
	{ 0x3, 0, 0, 0, 0, 0 },
	{ 0x4, 0, 0xfc004121, 0x02c0003f, 0x3f, 0 },
	{ 0x4, 1, 0xfc004122, 0x01c0003f, 0x3f, 0 },
	{ 0x4, 2, 0xfc01c143, 0x03c0003f, 0x7ff, 0 },
	{ 0x4, 3, 0xfc1fc163, 0x0380003f, 0x1bfff, 4 },
	{ 0x4, 4, 0, 0, 0, 0 },
	{ 0x6, 0, 4, 0, 0, 0 },
	{ 0x7, 0, 2, 0xf1bf27eb, 0x1a415f6e | 1 << 5, 0xbc814410 },
	{ 0xa, 0, 0x07300802, 0, 0, 0x603 },
	{ 0xb, 0, 0, 0, 0, 0x33 },
	{ 0xd, 0, 0x602e7, 0xa88, 0x2b00, 0 },
	{ 0xd, 1, 0x1f, 0x9c8, 0x1800, 0 },
	{ 0x1f, 0, 0, 0, 0, 0x33 },
	{ 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d },
	{ 0x40000001, 0, 0x01007efb, 0, 0, 0 },
	{ 0x80000000, 0, 0x80000008, 0, 0, 0 },
	{ 0x80000001, 0, 0, 0, 0x121, 0x2c100800 },
	{ 0x80000008, 0, 0x3934, 0x100d000, 0, 0 },
};

static const struct row amd[] = {
	{ 0x0, 0, 0x10, 0x68747541, 0x444d4163, 0x69746e65 },
	{ 0x1, 0, 0x00a00f11, 0x05200800, 0xfed83203, 0x178bfbff },
	{ 0x7, 0, 0, 0x219c97a9, 0x40069c, 0x10 },
	{ 0xa, 0, 0, 3, 0, 0 },
	{ 0xb, 0, 0, 0, 0, 0x21 },
	{ 0xd, 0, 0x207, 0x988, 0x988, 0 },
	{ 0x40000000, 0, 0, 0x4b4d564b, 0x564b4d56, 0x4d },
	{ 0x40000001, 0, 0x01007efb, 0, 0, 0 },
	{ 0x80000000, 0, 0x80000026, 0x68747541, 0x444d4163, 0x69746e65 },
	{ 0x80000001, 0, 0x00a00f11, 0x40000000, 0x004003f1, 0x2fd3fbff },
	{ 0x80000008, 0, 0x3030, 0x111ef657, 0x2707f, 0 },
	{ 0x8000001d, 0, 0x4121, 0x1c0003f, 0x3f, 0 },
	{ 0x8000001d, 1, 0x4122, 0x1c0003f, 0x3f, 0 },
	{ 0x8000001d, 2, 0x4143, 0x1c0003f, 0x3ff, 2 },
	{ 0x8000001d, 3, 0x3c163, 0x3c0003f, 0x7fff, 1 },
	{ 0x8000001d, 4, 0, 0, 0, 0 },
	{ 0x8000001e, 0, 0x21, 0x110, 0x203, 0 },
	{ 0x80000026, 0, 1, 2, 0x100, 0x21 },
};

static struct kvm_cpuid2 *kvm(struct list *l)
{
	return (struct kvm_cpuid2 *)l;
}

static void fill(struct list *l, const struct row *rows, unsigned int nr)
{
	memset(l, 0, sizeof(*l));
	l->nent = nr;
	for (unsigned int i = 0; i < nr; i++)
		l->room[i] = (struct kvm_cpuid_entry2){
			.function = rows[i].function,
			.index = rows[i].index,
			.eax = rows[i].eax,
			.ebx = rows[i].ebx,
			.ecx = rows[i].ecx,
			.edx = rows[i].edx,
		};
}

static struct kvm_cpuid_entry2 *entry(struct list *l, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < l->nent; i++)
		if (l->room[i].function == function && l->room[i].index == index)
			return &l->room[i];
	return NULL;
}

static struct kvm_cpuid_entry2 look(struct list *l, uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *e = entry(l, function, index);

	return e ? *e : (struct kvm_cpuid_entry2){ .function = function };
}

static void tailor(struct list *l, const struct row *rows, unsigned int nr_rows,
		   unsigned int nr_cpus, uint32_t id)
{
	struct cpuid_config config = {
		.nr_cpus = nr_cpus,
		.apic_id = id,
		.tsc_khz = 2445426,
		.tsc_deadline = true,
	};

	fill(l, rows, nr_rows);
	assert_int_equal(cpuid_tailor(kvm(l), ROOM, &config), 0);
	assert_in_range(l->nent, 1, nr_rows + CPUID_ADDED_MAX);
}

#define INTEL(l, nr, id) tailor(l, intel, ARRAY_SIZE(intel), nr, id)
#define AMD(l, nr, id) tailor(l, amd, ARRAY_SIZE(amd), nr, id)

static const struct {
	unsigned int nr, bits;
} sizes[] = { { 1, 0 },	  { 2, 1 },   { 4, 2 },	    { 5, 3 },	 { 64, 6 },
	      { 255, 8 }, { 256, 8 }, { 1000, 10 }, { 4096, 12 } };

static void check_leaf1(struct list *l, unsigned int nr, uint32_t id)
{
	struct kvm_cpuid_entry2 e = look(l, 1, 0);

	assert_int_equal(e.ebx >> 24, id & 0xff);
	assert_int_equal(e.ebx >> 16 & 0xff, nr > 255 ? 255 : nr);
	assert_int_equal(e.ebx & 0xff00, 0x0800);
	assert_int_equal(e.edx >> 28 & 1, nr > 1);
	assert_int_equal(e.ecx >> 31, 1);
	assert_int_equal(e.ecx >> 21 & 1, 1);
	assert_int_equal(e.ecx >> 24 & 1, 1);
}

static void check_levels(struct list *l, uint32_t function, unsigned int nr, unsigned int bits,
			 uint32_t id)
{
	struct kvm_cpuid_entry2 smt = look(l, function, 0), core = look(l, function, 1),
				end = look(l, function, 2);

	assert_int_equal(smt.flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	assert_int_equal(smt.eax, 0);
	assert_int_equal(smt.ebx, 1);
	assert_int_equal(smt.ecx, 0x100);
	assert_int_equal(smt.edx, id);
	assert_int_equal(core.eax, bits);
	assert_int_equal(core.ebx, nr);
	assert_int_equal(core.ecx, 0x201);
	assert_int_equal(core.edx, id);
	assert_int_equal(end.ecx & 0xff00, 0);
	assert_int_equal(id >> core.eax, 0);
}

static void test_intel_topology(void **state)
{
	struct list l;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int nr = sizes[i].nr, bits = sizes[i].bits, ids = (1U << bits) - 1;

		for (uint32_t id = 0; id<nr; id += nr> 1 ? nr - 1 : 1) {
			INTEL(&l, nr, id);
			check_leaf1(&l, nr, id);
			check_levels(&l, 0xb, nr, bits, id);
			check_levels(&l, 0x1f, nr, bits, id);
			for (uint32_t c = 0; c < 4; c++) {
				uint32_t eax = look(&l, 4, c).eax;

				assert_int_equal(eax & 0x3fff, intel[4 + c].eax & 0x3fff);
				assert_int_equal(eax >> 14 & 0xfff, c == 3 ? ids : 0);
				assert_int_equal(eax >> 26, ids > 63 ? 63 : ids);
			}
			assert_int_equal(look(&l, 4, 3).ebx, 0x0380003f);
			assert_int_equal(look(&l, 4, 4).eax, 0);
			/* AMD's fields stay reserved. */
			assert_int_equal(look(&l, 0x80000008, 0).ecx, 0);
			assert_int_equal(look(&l, 0x80000001, 0).ecx, 0x121);
			assert_null(entry(&l, 0x8000001e, 0));
		}
	}
}

static void test_amd_topology(void **state)
{
	struct list l;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int nr = sizes[i].nr, bits = sizes[i].bits;

		for (uint32_t id = 0; id<nr; id += nr> 1 ? nr - 1 : 1) {
			AMD(&l, nr, id);
			check_leaf1(&l, nr, id);
			check_levels(&l, 0xb, nr, bits, id);
			assert_null(entry(&l, 0x1f, 0));
			assert_null(entry(&l, 4, 0));
			assert_int_equal(look(&l, 0x80000001, 0).ecx >> 1 & 1, nr > 1);
			assert_int_equal(look(&l, 0x80000001, 0).ecx >> 22 & 1, 1);
			assert_int_equal(look(&l, 0x80000008, 0).ecx,
					 0x20000 | bits << 12 | (nr > 256 ? 255 : nr - 1));
			for (uint32_t c = 0; c < 4; c++)
				assert_int_equal(look(&l, 0x8000001d, c).eax,
						 (amd[11 + c].eax & 0x3fff) | (c == 3 ? nr - 1 : 0)
										      << 14);
			assert_int_equal(look(&l, 0x8000001e, 0).eax, id);
			assert_int_equal(look(&l, 0x8000001e, 0).ebx, id & 0xff);
			assert_int_equal(look(&l, 0x8000001e, 0).ecx, 0);
			assert_null(entry(&l, 0x80000026, 0));
		}
	}
}

static void test_features_and_pmu(void **state)
{
	struct cpuid_config no_deadline = { .nr_cpus = 1 };
	struct list l;

	(void)state;
	INTEL(&l, 1, 0);
	assert_int_equal(look(&l, 7, 0).ecx, 0x1a415f6e & ~(1u << 5));
	assert_int_equal(look(&l, 7, 0).edx, 0xbc814410);
	assert_int_equal(look(&l, 0xa, 0).eax, 0x07300802);
	assert_int_equal(look(&l, 0xd, 1).ebx, 0x9c8);
	assert_int_equal(look(&l, 2, 0).eax, 0x00feff01);
	assert_null(entry(&l, 3, 0));
	AMD(&l, 1, 0);
	assert_null(entry(&l, 0xa, 0));

	/* KVM's CPUID bit for the deadline timer does not count, only the capability. */
	fill(&l, amd, ARRAY_SIZE(amd));
	entry(&l, 1, 0)->ecx |= 1u << 24;
	assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &no_deadline), 0);
	assert_int_equal(look(&l, 1, 0).ecx >> 24 & 1, 0);
}

/* The bits of a Sapphire Rapids, as KVM lists them before and after the permission. */
static void test_amx_and_sgx(void **state)
{
	static const struct row rows[] = {
		{ 0x0, 0, 0x20, 0x756e6547, 0x6c65746e, 0x49656e69 },
		{ 0x7, 0, 2, 1u << 2 | 1, 1u << 30 | 1, 1u << 25 | 1u << 24 | 1u << 22 | 2 | 4 },
		{ 0x7, 1, 1u << 21 | 1u << 4, 0, 0, 1u << 8 | 1 },
		{ 0xd, 0, 0xe7, 0xa88, 0xa88, 0 },
		{ 0x12, 0, 3, 0, 0, 0x2f1f },
		{ 0x12, 1, 0x36, 0, 0x2e7, 0 },
		{ 0x1d, 0, 1, 0, 0, 0 },
		{ 0x1d, 1, 0x4002000, 0x80040, 0x10, 0 },
		{ 0x1e, 0, 0, 0x4010, 0, 0 },
	};
	struct list l;

	(void)state;
	for (int permitted = 0; permitted < 2; permitted++) {
		struct cpuid_config config = { .nr_cpus = 1 };

		fill(&l, rows, ARRAY_SIZE(rows));
		entry(&l, 0xd, 0)->eax |= permitted ? 3u << 17 : 0;
		assert_int_equal(cpuid_lacks_tiles(kvm(&l)), !permitted);
		assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
		assert_int_equal(look(&l, 7, 0).edx, permitted ? 0x03400004 : 4);
		assert_int_equal(look(&l, 7, 1).eax, permitted ? 1u << 21 | 1u << 4 : 1u << 4);
		assert_int_equal(look(&l, 7, 1).edx, permitted ? 1u << 8 | 1 : 1);
		assert_int_equal(look(&l, 0x1d, 1).eax, permitted ? 0x4002000 : 0);
		assert_int_equal(look(&l, 0x1e, 0).ebx, permitted ? 0x4010 : 0);
		assert_int_equal(look(&l, 7, 0).ebx, 1); /* no SGX in either case */
		assert_int_equal(look(&l, 7, 0).ecx, 1);
		assert_null(entry(&l, 0x12, 0));
		assert_null(entry(&l, 0x12, 1));
		assert_false(cpuid_lacks_tiles(kvm(&l)));
	}
}

static void test_frequencies(void **state)
{
	static const uint32_t khz[] = { 1000000, 2400000, 2445426, 2899999,
					3300001, 3770848, 4999998, 999999 };
	struct cpuid_config config = { .nr_cpus = 2 };
	struct list l;
	unsigned int found = 0;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(khz); i++) {
		struct kvm_cpuid_entry2 e;

		fill(&l, intel, ARRAY_SIZE(intel));
		config.tsc_khz = khz[i];
		assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
		assert_int_equal(look(&l, 0x40000000, 0).eax, 0x40000010);
		assert_int_equal(look(&l, 0x40000000, 0).ebx, 0x4b4d564b);
		assert_int_equal(look(&l, 0x40000001, 0).eax, 0x01007efb);
		assert_int_equal(look(&l, 0x40000010, 0).eax, khz[i]);
		assert_int_equal(look(&l, 0x40000010, 0).ebx, 1000000);
		e = look(&l, 0x15, 0);
		/* Only the last, shortened step of the continued fraction finds it. */
		if (khz[i] == 3770848)
			assert_int_equal(e.ebx, 4114);
		if (!e.eax)
			continue;
		found++;
		assert_int_equal(e.ecx, 1000000000);
		/* As Linux computes it, in 32 bits. */
		assert_in_range((uint32_t)(1000000U * e.ebx) / e.eax, khz[i] - 6, khz[i] + 6);
	}
	assert_in_range(found, 5, ARRAY_SIZE(khz));
	AMD(&l, 2, 1);
	assert_int_equal(look(&l, 0x40000000, 0).eax, 0x40000010);
	assert_int_equal(look(&l, 0x40000010, 0).eax, 2445426);
	assert_null(entry(&l, 0x15, 0));
}

static void test_unknown_frequency(void **state)
{
	struct cpuid_config config = { .nr_cpus = 1 };
	struct list l;

	(void)state;
	fill(&l, intel, ARRAY_SIZE(intel));
	assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
	assert_int_equal(look(&l, 0x40000000, 0).eax, 0x40000001);
	assert_null(entry(&l, 0x40000010, 0));
	assert_null(entry(&l, 0x15, 0));
}

static void test_again_and_for_another_vcpu(void **state)
{
	struct cpuid_config config = {
		.nr_cpus = 300, .apic_id = 7, .tsc_khz = 2400000, .tsc_deadline = true
	};
	struct list once, twice, direct;

	(void)state;
	tailor(&once, intel, ARRAY_SIZE(intel), 300, 0);
	twice = once;
	config.tsc_khz = 2445426;
	assert_int_equal(cpuid_tailor(kvm(&twice), ROOM, &config), 0);
	cpuid_set_apic_id(kvm(&once), 7);
	for (uint32_t i = 0; i < once.nent; i++) {
		struct kvm_cpuid_entry2 a = once.room[i], b = look(&twice, a.function, a.index);

		assert_memory_equal(&a, &b, sizeof(a));
	}
	assert_int_equal(once.nent, twice.nent);
	INTEL(&direct, 300, 299);
	cpuid_set_apic_id(kvm(&once), 299);
	assert_memory_equal(&once, &direct, 8 + once.nent * sizeof(once.room[0]));
}

static void test_small_leaf_range(void **state)
{
	struct cpuid_config config = { .nr_cpus = 4 };
	struct list l;

	(void)state;
	/* An old CPU keeps its range, unless ids do not fit into leaf 1. */
	fill(&l, amd, ARRAY_SIZE(amd));
	entry(&l, 0, 0)->eax = 6;
	entry(&l, 0x80000000, 0)->eax = 0x8000001d;
	assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
	assert_null(entry(&l, 0xb, 0));
	assert_int_equal(look(&l, 0, 0).eax, 6);
	/* Without a leaf for the extended ids, the feature is removed. */
	assert_int_equal(look(&l, 0x80000001, 0).ecx >> 22 & 1, 0);
	assert_null(entry(&l, 0x8000001e, 0));

	fill(&l, amd, ARRAY_SIZE(amd));
	entry(&l, 0, 0)->eax = 6;
	config.nr_cpus = 256;
	config.apic_id = 255;
	assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
	assert_int_equal(look(&l, 0, 0).eax, 0xb);
	check_levels(&l, 0xb, 256, 8, 255);
}

static void test_topology_extensions_follow_the_caches(void **state)
{
	struct cpuid_config config = { .nr_cpus = 4 };
	struct list l;

	(void)state;
	/* As under QEMU's TCG: the leaf is present, its flag is not. */
	fill(&l, amd, ARRAY_SIZE(amd));
	entry(&l, 0x80000001, 0)->ecx &= ~(1u << 22);
	assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
	assert_int_equal(look(&l, 0x80000001, 0).ecx >> 22 & 1, 1);
	assert_non_null(entry(&l, 0x8000001e, 0));
	fill(&l, amd, ARRAY_SIZE(amd));
	entry(&l, 0x8000001d, 0)->eax = 0;
	assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
	assert_int_equal(look(&l, 0x80000001, 0).ecx >> 22 & 1, 0);
	assert_null(entry(&l, 0x8000001e, 0));
}

static void test_missing_leaves(void **state)
{
	struct cpuid_config config = { .nr_cpus = 3, .apic_id = 2, .tsc_khz = 2000000 };
	struct list l;

	(void)state;
	/* Removes each leaf in turn, then all: nothing must fail, or add a leaf 1. */
	for (unsigned int gone = 0; gone < ARRAY_SIZE(amd); gone++) {
		fill(&l, amd, ARRAY_SIZE(amd));
		l.room[gone] = l.room[--l.nent];
		assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
		if (amd[gone].function == 1)
			assert_null(entry(&l, 1, 0));
		else
			assert_int_equal(look(&l, 1, 0).ebx >> 24, 2);
	}
	fill(&l, amd, 0);
	assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
	assert_int_equal(l.nent, 0);
}

static void test_no_room(void **state)
{
	struct cpuid_config config = { .nr_cpus = 2, .tsc_khz = 2400000 };
	unsigned int need;
	struct list l;

	(void)state;
	fill(&l, intel, ARRAY_SIZE(intel));
	assert_int_equal(cpuid_tailor(kvm(&l), ROOM, &config), 0);
	need = l.nent;
	for (unsigned int short_of = 1; short_of <= 6; short_of++) {
		fill(&l, intel, ARRAY_SIZE(intel));
		assert_int_equal(cpuid_tailor(kvm(&l), need - short_of, &config), -ENOSPC);
	}
	fill(&l, intel, ARRAY_SIZE(intel));
	assert_int_equal(cpuid_tailor(kvm(&l), need, &config), 0);
}

static void test_apic_ids_are_contiguous(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4096; i++)
		assert_int_equal(cpu_apic_id(i), i);
}

/*
 * The limit and its granularity: a limit in bytes is below 1 MiB, a limit in pages ends with ones.
 */
static void check_vmx_limit(const struct kvm_segment *s)
{
	assert_true(s->g || !(s->limit >> 20));
	assert_true(!s->g || (s->limit & 0xfff) == 0xfff);
}

/*
 * 27.3.1.1 and 27.3.1.4: control registers and RIP; 27.3.1.2, for a KVM that runs real mode as
 * virtual-8086: base and selector agree.
 */
static void check_vmx_mode(const struct kvm_sregs *s, const struct kvm_regs *r)
{
	const struct kvm_segment *all[] = { &s->cs, &s->ds, &s->es, &s->ss, &s->fs, &s->gs };
	bool paging = s->cr0 >> 31, protected_mode = s->cr0 & 1, lme = s->efer & 0x100,
	     lma = s->efer & 0x400;

	assert_true(protected_mode || !paging);
	assert_int_equal(lma, lme && paging);
	assert_true(!lma || (s->cr4 & 0x20));
	assert_int_equal(s->cs.l, lma);
	assert_true(s->cs.l || !(r->rip >> 32));
	assert_int_equal(r->rflags & ~0xfd5ULL, 2);
	check_vmx_limit(&s->tr);
	assert_int_equal(s->tr.base, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		check_vmx_limit(all[i]);
		if (!protected_mode) {
			assert_int_equal(all[i]->base, (uint64_t)all[i]->selector << 4);
			assert_int_equal(all[i]->limit, 0xffff);
			assert_int_equal(all[i]->db, 0);
		}
	}
}

/*
 * Intel SDM vol. 3, 27.3.1.2: checks on guest segment registers, for a guest that is not in
 * virtual-8086 mode.
 */
static void check_vmx_segments(const struct kvm_sregs *s, bool protected_mode)
{
	const struct kvm_segment *data[] = { &s->ds, &s->es, &s->ss, &s->fs, &s->gs };

	assert_int_equal(s->tr.selector & 4, 0);
	assert_int_equal(s->tr.type, 11);
	assert_int_equal(s->tr.s, 0);
	assert_int_equal(s->tr.present, 1);
	assert_int_equal(s->tr.unusable, 0);
	assert_int_equal(s->tr.g, 0);
	assert_int_equal(s->tr.limit >> 20, 0);
	assert_int_equal(s->ldt.unusable, 1);
	assert_int_equal(s->cs.type, 11);
	assert_int_equal(s->cs.s, 1);
	assert_int_equal(s->cs.present, 1);
	assert_int_equal(s->cs.dpl, s->ss.dpl);
	assert_false(s->cs.l && s->cs.db);
	assert_int_equal(s->cs.selector & 3, s->ss.selector & 3);
	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++) {
		assert_int_equal(data[i]->type, 3);
		assert_int_equal(data[i]->s, 1);
		assert_int_equal(data[i]->present, 1);
		assert_int_equal(data[i]->dpl, 0);
		assert_int_equal(data[i]->g, protected_mode);
		assert_int_equal(data[i]->limit, protected_mode ? 0xffffffff : 0xffff);
		assert_int_equal(data[i]->base >> 32, 0);
	}
	assert_int_equal(s->gdt.limit >> 16, 0);
	assert_int_equal(s->idt.limit >> 16, 0);
}

static void entry_state(const struct boot_entry *e, struct kvm_sregs *s, struct kvm_regs *r)
{
	memset(s, 0xa5, sizeof(*s));
	memset(r, 0xa5, sizeof(*r));
	s->apic_base = 0xfee00900;
	cpu_entry_state(e, s, r);
	assert_int_equal(s->apic_base, 0xfee00900);
	assert_int_equal(r->rflags, 2);
	assert_int_equal(r->rcx | r->rdx | r->rdi | r->rbp | r->r8 | r->r15, 0);
	assert_int_equal(s->cr2 | s->cr8, 0);
	check_vmx_mode(s, r);
}

static void test_entry_long64(void **state)
{
	struct boot_entry e = {
		.mode = CPU_LONG64, .rip = 0x1000200, .rsi = 0x10000, .rsp = 0x1c000
	};
	struct kvm_sregs s;
	struct kvm_regs r;

	(void)state;
	entry_state(&e, &s, &r);
	assert_int_equal(s.cr0, 0x80000011);
	assert_int_equal(s.cr3, BOOT_PML4_GPA);
	assert_int_equal(s.cr4, 0x20);
	assert_int_equal(s.efer, 0x500);
	assert_int_equal(s.cs.selector, 0x10);
	assert_int_equal(s.cs.l, 1);
	assert_int_equal(s.cs.db, 0);
	assert_int_equal(s.ss.selector, 0x18);
	assert_int_equal(s.gdt.base, BOOT_GDT_GPA);
	assert_int_equal(s.gdt.limit, BOOT_GDT_BYTES - 1);
	assert_in_range(BOOT_TR, 0, BOOT_GDT_BYTES - 16);
	assert_int_equal(s.idt.limit, 0);
	assert_int_equal(r.rip, 0x1000200);
	assert_int_equal(r.rsi, 0x10000);
	assert_int_equal(r.rsp, 0x1c000);
	check_vmx_segments(&s, true);
}

static void test_entry_prot32(void **state)
{
	struct boot_entry e = {
		.mode = CPU_PROT32, .rip = 0x100000, .rbx = 0x6000, .rax = 0x2badb002
	};
	struct kvm_sregs s;
	struct kvm_regs r;

	(void)state;
	entry_state(&e, &s, &r);
	assert_int_equal(s.cr0, 0x11);
	assert_int_equal(s.cr3 | s.cr4 | s.efer, 0);
	assert_int_equal(s.cs.l, 0);
	assert_int_equal(s.cs.db, 1);
	assert_int_equal(r.rbx, 0x6000);
	assert_int_equal(r.rax, 0x2badb002);
	check_vmx_segments(&s, true);
}

static void test_entry_real16(void **state)
{
	struct boot_entry low = { .mode = CPU_REAL16, .rip = 0x7c00, .rsp = 0x7c00 };
	struct boot_entry high = { .mode = CPU_REAL16, .rip = 0xffff5 };
	struct boot_entry setup = {
		.mode = CPU_REAL16, .rip = 0x90200, .cs = 0x9020, .ds = 0x9000
	};
	struct kvm_sregs s;
	struct kvm_regs r;

	(void)state;
	entry_state(&low, &s, &r);
	assert_int_equal(s.cr0, 0x10);
	assert_int_equal(s.cs.selector, 0);
	assert_int_equal(r.rip, 0x7c00);
	assert_int_equal(s.idt.limit, 0x3ff);
	check_vmx_segments(&s, false);
	entry_state(&high, &s, &r);
	assert_int_equal(s.cs.selector, 0xffff);
	assert_int_equal(s.cs.base, 0xffff0);
	assert_int_equal(s.ds.base, 0xffff0);
	assert_int_equal(r.rip, 5);
	entry_state(&setup, &s, &r);
	assert_int_equal(s.cs.selector, 0x9020);
	assert_int_equal(s.ss.selector, 0x9000);
	assert_int_equal(r.rip, 0);
	check_vmx_segments(&s, false);
}

/* Where memory must end: EAX of leaf 0x80000008, and the first address above. */
static void test_address_end(void **state)
{
	static const struct {
		uint32_t eax; /* 0: no such leaf */
		uint64_t end;
	} rows[] = {
		{ 0x3028, 1ULL << 40 }, /* QEMU's EPYC */
		{ 0x3027, 1ULL << 39 }, /* a laptop */
		{ 0x3934, 1ULL << 52 }, { 0x3024, 1ULL << 36 },
		{ 0, 1ULL << 36 },	{ 0xff, 1ULL << 52 }, /* nonsense */
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row leaf = {
			rows[i].eax ? 0x80000008 : 0x80000001, 0, rows[i].eax, 0, 0, 0
		};
		struct list l;

		fill(&l, &leaf, 1);
		assert_true(cpuid_address_end(kvm(&l)) == rows[i].end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_end),
		cmocka_unit_test(test_intel_topology),
		cmocka_unit_test(test_amd_topology),
		cmocka_unit_test(test_features_and_pmu),
		cmocka_unit_test(test_amx_and_sgx),
		cmocka_unit_test(test_frequencies),
		cmocka_unit_test(test_unknown_frequency),
		cmocka_unit_test(test_again_and_for_another_vcpu),
		cmocka_unit_test(test_small_leaf_range),
		cmocka_unit_test(test_missing_leaves),
		cmocka_unit_test(test_topology_extensions_follow_the_caches),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_apic_ids_are_contiguous),
		cmocka_unit_test(test_entry_long64),
		cmocka_unit_test(test_entry_prot32),
		cmocka_unit_test(test_entry_real16),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
