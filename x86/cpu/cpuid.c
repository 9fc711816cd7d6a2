/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes one vCPU's CPUID from the list of what KVM can virtualise (KVM_GET_SUPPORTED_CPUID).
 *
 * KVM's list gives the features, with the host's own topology or none. We replace the topology: one
 * package of N cores of one thread each, APIC ids 0 .. N-1, the last-level cache shared by all
 * cores, the other caches private. Every leaf that describes topology must agree, or Linux (6.9 and
 * later check) reports a firmware bug: leaves 1, 4, 0xB and 0x1F (Intel SDM vol. 2, CPUID; vol. 3,
 * 9.9), and 0x80000001, 0x80000008, 0x8000001D and 0x8000001E (AMD APM vol. 3, appendix E). Leaf
 * 0x80000026, from which newer Linux would take an AMD host's topology, is removed; Linux then uses
 * 0xB.
 *
 * Frequencies save the guest from calibrating against the PIT: leaf 0x40000010 (VMware's
 * convention, read by the BSDs and by newer Linux), and 0x15 if the vendor has it. The crystal of
 * 0x15 also clocks the APIC timer, so it must be KVM's APIC bus, 1 GHz, and the TSC a fraction of
 * it.
 *
 * KVM searches the entries one after the other, at start-up and on every CPUID exit, so entries
 * that are all zeros are left out: within the ranges that leaves 0, 0x40000000 and 0x80000000
 * announce, a leaf without an entry reads as zeros.
 *
 * What KVM lists but cannot give in full is removed: AMX without the permission for its state, and
 * SGX, whose enclaves need memory that no machine has.
 *
 * We invent no features. We add to KVM's list only topology, frequencies, and the bits that KVM
 * leaves to its user (hypervisor, x2APIC, TSC deadline, AMD's topology extensions).
 *
 * Pure: no ioctl, no global. Thread: any.
 */
#include "cpu.h"

#include <errno.h>

#define APIC_BUS_KHZ 1000000U /* KVM's APIC_BUS_CYCLE_NS is 1 */

#define LEAF1_EDX_HTT (1U << 28)
#define LEAF1_ECX_X2APIC (1U << 21)
#define LEAF1_ECX_TSC_DEADLINE (1U << 24)
#define LEAF1_ECX_HYPERVISOR (1U << 31)
#define LEAF7_EBX_SGX (1U << 2)
#define LEAF7_ECX_WAITPKG (1U << 5)
#define LEAF7_ECX_SGX_LC (1U << 30)
#define LEAF7_EDX_SGX_KEYS (1U << 1)
#define LEAF7_EDX_AMX (1U << 22 | 1U << 24 | 1U << 25) /* BF16, TILE, INT8 */
#define LEAF7_1_EAX_AMX (1U << 21)		       /* FP16 */
#define LEAF7_1_EDX_AMX (1U << 8)		       /* COMPLEX */
#define LEAFD_EAX_TILES (1U << 17 | 1U << 18)	       /* TILECFG, TILEDATA */
#define EXT1_ECX_CMP_LEGACY (1U << 1)
#define EXT1_ECX_TOPOEXT (1U << 22)

#define LEAF_HV 0x40000000U
#define LEAF_HV_FREQUENCY 0x40000010U

enum topology_level { LEVEL_SMT = 1, LEVEL_CORE = 2 };

/* What the writers of the leaves need. */
struct tailor {
	struct kvm_cpuid2 *cpuid;
	unsigned int cap;
	const struct cpuid_config *config;
	unsigned int core_bits; /* width of a core's number within the package */
	bool amd;		/* AMD's leaves, not Intel's */
	bool intel;
};

uint32_t cpu_apic_id(unsigned int index)
{
	return index;
}

struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid2 *cpuid, uint32_t function,
				    uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == function && e->index == index)
			return (struct kvm_cpuid_entry2 *)
				e; /* like strchr(): writable if the caller's list is */
	}
	return NULL;
}

/* EAX of a leaf, or 0 if it is missing: then no leaf above it exists. */
static uint32_t leaf_eax(struct kvm_cpuid2 *cpuid, uint32_t function)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid, function, 0);

	return e ? e->eax : 0;
}

static int put(struct tailor *t, struct kvm_cpuid_entry2 entry)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(t->cpuid, entry.function, entry.index);

	if (!e) {
		if (t->cpuid->nent >= t->cap)
			return -ENOSPC;
		e = &t->cpuid->entries[t->cpuid->nent++];
	}
	*e = entry;
	return 0;
}

/* Leaves that we make anew, or that must not show the host's topology or SGX (0x12). */
static bool is_ours(uint32_t function)
{
	return function == 0xb || function == 0x1f || function == 0x12 || function == 0x15 ||
	       function == 0x8000001e || function == 0x80000026;
}

/* A PMU without a version or a counter does not exist, which a leaf of zeros expresses. */
static bool is_hollow_pmu(const struct kvm_cpuid_entry2 *e)
{
	return e->function == 0xa && (!(e->eax & 0xff) || !(e->eax >> 8 & 0xff));
}

static void drop_needless(struct kvm_cpuid2 *cpuid)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (is_ours(e->function) || is_hollow_pmu(e) ||
		    !(e->eax | e->ebx | e->ecx | e->edx))
			continue;
		cpuid->entries[kept++] = *e;
	}
	cpuid->nent = kept;
}

static bool vendor_is(const struct kvm_cpuid_entry2 *leaf0, uint32_t ebx, uint32_t edx,
		      uint32_t ecx)
{
	return leaf0 && leaf0->ebx == ebx && leaf0->edx == edx && leaf0->ecx == ecx;
}

static void find_vendor(struct tailor *t)
{
	const struct kvm_cpuid_entry2 *leaf0 = cpuid_find(t->cpuid, 0, 0);

	t->intel = vendor_is(leaf0, 0x756e6547, 0x49656e69, 0x6c65746e); /* GenuineIntel */
	t->amd = vendor_is(leaf0, 0x68747541, 0x69746e65, 0x444d4163) || /* AuthenticAMD */
		 vendor_is(leaf0, 0x6f677948, 0x6e65476e, 0x656e6975);	 /* HygonGenuine */
}

bool cpuid_lacks_tiles(const struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *leaf7 = cpuid_find(cpuid, 7, 0),
				      *states = cpuid_find(cpuid, 0xd, 0);

	return leaf7 && leaf7->edx & LEAF7_EDX_AMX &&
	       (!states || (states->eax & LEAFD_EAX_TILES) != LEAFD_EAX_TILES);
}

/* Leaves 0x1D and 0x1E describe the tiles. */
static void remove_amx(struct kvm_cpuid2 *cpuid)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 0x1d || e->function == 0x1e)
			e->eax = e->ebx = e->ecx = e->edx = 0;
		if (e->function != 7)
			continue;
		e->edx &= ~(e->index ? LEAF7_1_EDX_AMX : LEAF7_EDX_AMX);
		e->eax &= ~(e->index ? LEAF7_1_EAX_AMX : 0);
	}
}

static void tailor_features(struct tailor *t)
{
	struct kvm_cpuid_entry2 *leaf1 = cpuid_find(t->cpuid, 1, 0),
				*leaf7 = cpuid_find(t->cpuid, 7, 0);
	uint32_t nr = (uint32_t)min_u64(t->config->nr_cpus, 255);

	if (leaf1) {
		leaf1->ebx = (leaf1->ebx & 0xff00ffff) | nr << 16;
		leaf1->edx = (leaf1->edx & ~LEAF1_EDX_HTT) | (nr > 1 ? LEAF1_EDX_HTT : 0);
		leaf1->ecx |= LEAF1_ECX_HYPERVISOR | LEAF1_ECX_X2APIC;
		leaf1->ecx &= ~LEAF1_ECX_TSC_DEADLINE;
		if (t->config->tsc_deadline)
			leaf1->ecx |= LEAF1_ECX_TSC_DEADLINE;
	}
	/* A guest that waits in user space could occupy a host CPU without limit. */
	if (leaf7) {
		leaf7->ebx &= ~LEAF7_EBX_SGX;
		leaf7->ecx &= ~(LEAF7_ECX_WAITPKG | LEAF7_ECX_SGX_LC);
		leaf7->edx &= ~LEAF7_EDX_SGX_KEYS;
	}
	if (cpuid_lacks_tiles(t->cpuid))
		remove_amx(t->cpuid);
}

/*
 * Leaves 4 and 0x8000001D have the same layout: EAX[4:0] type, [7:5] level, [25:14] threads that
 * share the cache, minus one. In leaf 4 that is a number of ids, a power of two, and [31:26] is the
 * cores per package in the same form.
 */
static void tailor_caches(struct tailor *t)
{
	uint32_t ids = (1U << t->core_bits) - 1;

	for (uint32_t i = 0; i < t->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &t->cpuid->entries[i];
		bool all = (e->eax >> 5 & 7) >= 3;

		if (e->function == 4)
			e->eax = (e->eax & 0x3fff) |
				 (all ? (uint32_t)min_u64(ids, 0xfff) << 14 : 0) |
				 (uint32_t)min_u64(ids, 0x3f) << 26;
		else if (e->function == 0x8000001d)
			e->eax = (e->eax & 0x3fff) |
				 (all ? (uint32_t)min_u64(t->config->nr_cpus - 1, 0xfff) << 14 : 0);
	}
}

static int put_level(struct tailor *t, uint32_t function, uint32_t index, enum topology_level level)
{
	return put(t, (struct kvm_cpuid_entry2){
			      .function = function,
			      .index = index,
			      .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			      .eax = level == LEVEL_CORE ? t->core_bits : 0,
			      .ebx = level == LEVEL_CORE
					     ? (uint32_t)min_u64(t->config->nr_cpus, 0xffff)
					     : 1,
			      .ecx = (uint32_t)level << 8 | index,
		      });
}

/* The end of the list, a level of type 0, needs no entry: KVM returns it for a missing one. */
static int tailor_extended_topology(struct tailor *t)
{
	struct kvm_cpuid_entry2 *leaf0 = cpuid_find(t->cpuid, 0, 0);
	int err = 0;

	/* No other leaf has ids of more than 8 bits. */
	if (leaf0 && leaf0->eax < 0xb && t->config->nr_cpus > 255)
		leaf0->eax = 0xb;
	for (uint32_t function = 0xb; function <= 0x1f; function += 0x1f - 0xb) {
		if (!leaf0 || leaf0->eax < function || (function == 0x1f && t->amd))
			break;
		err = err ? err : put_level(t, function, 0, LEVEL_SMT);
		err = err ? err : put_level(t, function, 1, LEVEL_CORE);
	}
	return err;
}

static int tailor_amd_topology(struct tailor *t)
{
	struct kvm_cpuid_entry2 *ext1 = cpuid_find(t->cpuid, 0x80000001, 0),
				*sizes = cpuid_find(t->cpuid, 0x80000008, 0);
	uint32_t nr = t->config->nr_cpus;

	if (ext1)
		ext1->ecx = (ext1->ecx & ~EXT1_ECX_CMP_LEGACY) | (nr > 1 ? EXT1_ECX_CMP_LEGACY : 0);
	if (sizes)
		sizes->ecx = (sizes->ecx & ~0xf0ffU) | (uint32_t)min_u64(t->core_bits, 15) << 12 |
			     (uint32_t)min_u64(nr - 1, 0xff);
	if (!ext1)
		return 0;
	/*
	 * The bit means only that the leaves exist: it is set if KVM reports the caches, even on a
	 * CPU without it.
	 */
	ext1->ecx &= ~EXT1_ECX_TOPOEXT;
	if (!leaf_eax(t->cpuid, 0x8000001d) || leaf_eax(t->cpuid, 0x80000000) < 0x8000001e)
		return 0;
	ext1->ecx |= EXT1_ECX_TOPOEXT;
	/* One thread per core, one node: only the ids are not zero. */
	return put(t, (struct kvm_cpuid_entry2){ .function = 0x8000001e });
}

/*
 * Finds the fraction nearest to @value / @unit whose numerator is at most @num_max: a continued
 * fraction, ended by a semiconvergent if the last step would be too large.
 */
static void nearest_fraction(uint64_t value, uint64_t unit, uint64_t num_max, uint64_t *num,
			     uint64_t *den)
{
	uint64_t n0 = 0, d0 = 1, n1 = 1, d1 = 0, p = value, q = unit;

	while (q) {
		uint64_t a = p / q, rest = p % q, fit = n1 ? (num_max - n0) / n1 : a;
		bool last = a > fit;

		/* Half a step or less may be worse than no step. */
		if (last && fit <= a / 2)
			break;
		a = last ? fit : a;
		*num = a * n1 + n0;
		*den = a * d1 + d0;
		n0 = n1;
		d0 = d1;
		n1 = *num;
		d1 = *den;
		if (last)
			break;
		p = q;
		q = rest;
	}
}

/*
 * Leaf 0x15: TSC = crystal * EBX / EAX. Linux multiplies the crystal's kHz by EBX in 32 bits, so
 * EBX must be small. If no such fraction is within a millionth of the truth, there is no leaf,
 * which is better than a wrong one.
 */
static int tailor_crystal(struct tailor *t)
{
	uint64_t khz = t->config->tsc_khz, num = 0, den = 0, got;

	if (!t->intel || leaf_eax(t->cpuid, 0) < 0x15)
		return 0;
	nearest_fraction(khz, APIC_BUS_KHZ, UINT32_MAX / APIC_BUS_KHZ, &num, &den);
	if (!num || !den)
		return 0;
	got = APIC_BUS_KHZ * num / den;
	if ((got > khz ? got - khz : khz - got) > 1 + khz / 1000000)
		return 0;
	return put(t, (struct kvm_cpuid_entry2){
			      .function = 0x15,
			      .eax = (uint32_t)den,
			      .ebx = (uint32_t)num,
			      .ecx = APIC_BUS_KHZ * 1000,
		      });
}

static int tailor_frequencies(struct tailor *t)
{
	struct kvm_cpuid_entry2 *hv = cpuid_find(t->cpuid, LEAF_HV, 0);
	int err = 0;

	if (!t->config->tsc_khz)
		return 0;
	if (hv && !t->config->hyperv) {
		/* Old kernels leave EAX 0, which means the feature leaf. */
		hv->eax = (uint32_t)max_u64(hv->eax, LEAF_HV_FREQUENCY);
		err = put(t, (struct kvm_cpuid_entry2){
				     .function = LEAF_HV_FREQUENCY,
				     .eax = t->config->tsc_khz,
				     .ebx = APIC_BUS_KHZ,
			     });
	}
	return err ? err : tailor_crystal(t);
}

uint64_t cpuid_address_end(const struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *sizes = cpuid_find(cpuid, 0x80000008, 0);
	unsigned int bits = sizes ? sizes->eax & 0xff : 0;

	/* Intel SDM vol. 1, 3.3.1: 36 without the leaf; page tables have 52. */
	return 1ULL << (bits ? min_u64(bits, 52) : 36);
}

void cpuid_set_apic_id(struct kvm_cpuid2 *cpuid, uint32_t apic_id)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		switch (e->function) {
		case 1:
			e->ebx = (e->ebx & 0xffffff) | apic_id << 24;
			break;
		case 0xb:
		case 0x1f:
			e->edx = apic_id;
			break;
		case 0x8000001e:
			e->eax = apic_id;
			e->ebx = apic_id & 0xff;
			break;
		default:
			break;
		}
	}
}

static unsigned int bits_for(unsigned int nr)
{
	unsigned int bits = 0;

	while (bits < 31 && (1U << bits) < nr)
		bits++;
	return bits;
}

int cpuid_tailor(struct kvm_cpuid2 *cpuid, unsigned int cap, const struct cpuid_config *config)
{
	struct tailor t = {
		.cpuid = cpuid,
		.cap = cap,
		.config = config,
		.core_bits = bits_for(config->nr_cpus),
	};
	int err;

	drop_needless(cpuid);
	find_vendor(&t);
	tailor_features(&t);
	tailor_caches(&t);
	err = tailor_extended_topology(&t);
	if (!err && t.amd)
		err = tailor_amd_topology(&t);
	if (!err)
		err = tailor_frequencies(&t);
	if (!err)
		cpuid_set_apic_id(cpuid, config->apic_id);
	return err;
}
