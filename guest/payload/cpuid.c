/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the CPUID leaves from which a kernel takes its topology, its hypervisor and its clock
 * rates.
 */
#include "payload.h"

#define BIT_HYPERVISOR 31
#define BIT_TSC_DEADLINE 24
#define BIT_X2APIC 21

static void put_leaf(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = cpuid(leaf, subleaf);

	print("cpuid %x.%u: %x %x %x %x\n", leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
}

static void check_topology(uint32_t nr_cpus)
{
	struct cpuid_regs core = cpuid(0xb, 1), smt = cpuid(0xb, 0);
	uint32_t level = smt.ecx >> 8 & 0xff;

	check_eq("0xB: first level is SMT", level, 1);
	check_eq("0xB: second level is core", core.ecx >> 8 & 0xff, 2);
	check_eq("0xB: CPUs in the package", core.ebx & 0xffff, nr_cpus);
	check("0xB: ids fit the shift", 1U << (core.eax & 31) >= nr_cpus);
	check_eq("0xB: x2APIC id of the boot processor", smt.edx, 0);
	if (nr_cpus < 256)
		check("leaf 1: logical processors",
		      (cpuid(1, 0).ebx >> 16 & 0xff) >= (nr_cpus > 1 ? nr_cpus : 0));
}

/* Argument: the number of CPUs. */
void test_cpuid(void)
{
	static const uint32_t leaves[] = { 0,	       1,	   4,	       0xb,
					   0x15,       0x16,	   0x1f,       0x40000000,
					   0x40000001, 0x40000010, 0x80000000, 0x80000008,
					   0x8000001e };
	uint32_t top = cpuid(0, 0).eax;

	for (unsigned int i = 0; i < ARRAY_SIZE(leaves); i++)
		put_leaf(leaves[i], 0);
	check("hypervisor bit", cpuid(1, 0).ecx >> BIT_HYPERVISOR & 1);
	check("x2APIC", cpuid(1, 0).ecx >> BIT_X2APIC & 1);
	check("TSC deadline", cpuid(1, 0).ecx >> BIT_TSC_DEADLINE & 1);
	check_eq("KVM's signature", cpuid(0x40000000, 0).ebx, 0x4b4d564b);
	check_eq("APIC id", cpuid(1, 0).ebx >> 24, 0);
	if (top >= 0xb)
		check_topology((uint32_t)arg(0, 1));
	check("frequency leaf",
	      cpuid(0x40000000, 0).eax >= 0x40000010 && cpuid(0x40000010, 0).eax > 100000);
	check("APIC bus frequency", cpuid(0x40000010, 0).ebx > 1000);
}
