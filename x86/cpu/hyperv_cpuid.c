/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements --cpuid's words for the Hyper-V interface, and makes its CPUID leaves (TLFS, "Feature
 * and Interface Discovery").
 *
 * - `+hyperv` adds all of the interface that KVM has and this launcher can serve.
 * - `+hv-NAME` adds one enlightenment, and the interface with it.
 * - `-hv-NAME` removes one.
 *
 * Words apply in their order. Adding an enlightenment adds those that it needs; removing one
 * removes those that need it. Names are those that QEMU's users know. Enlightenments for nested VMX
 * and debugging are left out, since they need more than CPUID.
 *
 * A guest looks at 0x40000000 first. One that knows both interfaces finds KVM's signature at
 * 0x40000100, as on other KVM machines with both. There is no frequency leaf 0x40000010 then: that
 * number belongs to Hyper-V.
 *
 * Pure, except the two functions at the end, which call KVM. Thread: any.
 */
#include "cpu.h"
#include "cpuid_words.h"
#include "hyperv.h"
#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "kvm_list.h"

#include <errno.h>

#define LEAF_MAX 0x40000000U
#define LEAF_INTERFACE 0x40000001U
#define LEAF_VERSION 0x40000002U
#define LEAF_FEATURES 0x40000003U
#define LEAF_HINTS 0x40000004U
#define LEAF_LIMITS 0x40000005U

#define KVM_LEAVES 0x40000000U
#define KVM_LEAVES_MOVED 0x40000100U
#define KVM_LEAVES_MASK 0xffffff00U

#define INTERFACE_HV1 0x31237648U    /* "Hv#1" */
#define HYPERCALL_MSRS (1U << 5)     /* in LEAF_FEATURES' EAX: part of any such interface */
#define NEVER_NOTIFY_SPIN UINT32_MAX /* in LEAF_HINTS' EBX */

#define ROOM_FIRST 32 /* leaves that KVM may have for the interface */

#define WORD_ALL "hyperv"

enum {
	RELAXED,
	VAPIC,
	TIME,
	CRASH,
	RESET,
	VPINDEX,
	RUNTIME,
	SYNIC,
	STIMER,
	STIMER_DIRECT,
	FREQUENCIES,
	REENLIGHTENMENT,
	TSC_INVARIANT,
	TLBFLUSH,
	IPI,
	XMM_INPUT,
	AVIC,
	CORESHARING,
	NR_ENLIGHTENMENTS
};

#define SET(n) (1U << (n))

/* Bits in the leaves of features (EAX, EBX, EDX) and of hints (EAX). */
static const struct enlightenment {
	const char *name;
	uint32_t eax, ebx, edx, hints;
	uint32_t needs; /* SET of others */
} enlightenments[NR_ENLIGHTENMENTS] = {
	[RELAXED] = { .name = "hv-relaxed", .hints = 1U << 5 },
	[VAPIC] = { .name = "hv-vapic", .eax = 1U << 4, .hints = 1U << 3 },
	[TIME] = { .name = "hv-time", .eax = 1U << 1 | 1U << 9 },
	[CRASH] = { .name = "hv-crash", .edx = 1U << 10 },
	[RESET] = { .name = "hv-reset", .eax = 1U << 7 },
	[VPINDEX] = { .name = "hv-vpindex", .eax = 1U << 6 },
	[RUNTIME] = { .name = "hv-runtime", .eax = 1U << 0 },
	[SYNIC] = { .name = "hv-synic",
		    .eax = 1U << 2,
		    .ebx = 1U << 4 | 1U << 5,
		    .needs = SET(VPINDEX) },
	[STIMER] = { .name = "hv-stimer", .eax = 1U << 3, .needs = SET(SYNIC) | SET(TIME) },
	[STIMER_DIRECT] = { .name = "hv-stimer-direct", .edx = 1U << 19, .needs = SET(STIMER) },
	[FREQUENCIES] = { .name = "hv-frequencies", .eax = 1U << 11, .edx = 1U << 8 },
	[REENLIGHTENMENT] = { .name = "hv-reenlightenment", .eax = 1U << 13, .needs = SET(TIME) },
	[TSC_INVARIANT] = { .name = "hv-tsc-invariant", .eax = 1U << 15 },
	[TLBFLUSH] = { .name = "hv-tlbflush", .hints = 1U << 2 | 1U << 11, .needs = SET(VPINDEX) },
	[IPI] = { .name = "hv-ipi", .hints = 1U << 10 | 1U << 11, .needs = SET(VPINDEX) },
	[XMM_INPUT] = { .name = "hv-xmm-input", .edx = 1U << 4 },
	[AVIC] = { .name = "hv-avic", .hints = 1U << 9 },
	[CORESHARING] = { .name = "hv-no-nonarch-coresharing", .hints = 1U << 18 },
};

/* The result of a list of words. */
struct choice {
	bool interface;
	uint32_t set;	/* of enlightenments */
	uint32_t named; /* those of the set that KVM must have */
};

static int find_enlightenment(const char *name, size_t len)
{
	for (int i = 0; i < NR_ENLIGHTENMENTS; i++) {
		if (strlen(enlightenments[i].name) == len &&
		    !memcmp(enlightenments[i].name, name, len))
			return i;
	}
	return -1;
}

static bool is_all(const char *name, size_t len)
{
	return len == strlen(WORD_ALL) && !memcmp(name, WORD_ALL, len);
}

bool hyperv_knows(const char *name, size_t len)
{
	return is_all(name, len) || find_enlightenment(name, len) >= 0;
}

const char *hyperv_word(unsigned int n)
{
	if (!n)
		return WORD_ALL;
	return n <= NR_ENLIGHTENMENTS ? enlightenments[n - 1].name : NULL;
}

static uint32_t with_needs(uint32_t set)
{
	uint32_t before;

	do {
		before = set;
		for (int i = 0; i < NR_ENLIGHTENMENTS; i++)
			set |= set & SET(i) ? enlightenments[i].needs : 0;
	} while (set != before);
	return set;
}

/* Removes from @set those that need one that is not in it. */
static uint32_t without_unmet(uint32_t set)
{
	uint32_t before;

	do {
		before = set;
		for (int i = 0; i < NR_ENLIGHTENMENTS; i++)
			set &= enlightenments[i].needs & ~set ? ~SET(i) : UINT32_MAX;
	} while (set != before);
	return set;
}

/* @available: the set that `+hyperv` means. */
static struct choice choose(const char *changes, uint32_t available)
{
	struct choice choice = { 0 };
	struct change c;

	while (next_change(&changes, &c)) {
		const char *name = c.text + 1;
		size_t len = c.len ? (size_t)c.len - 1 : 0;
		int i = find_enlightenment(name, len);

		if (is_all(name, len)) {
			choice = (struct choice){ .interface = *c.text == '+' };
			choice.set = choice.interface ? available : 0;
		} else if (i >= 0 && *c.text == '+') {
			choice.interface = true;
			choice.named = with_needs(choice.named | SET(i));
			choice.set |= choice.named;
		} else if (i >= 0) {
			choice.set = without_unmet(choice.set & ~SET(i));
			choice.named &= choice.set;
		}
	}
	return choice;
}

bool hyperv_wanted(const char *changes)
{
	return choose(changes, 0).interface;
}

static struct kvm_cpuid_entry2 leaf(const struct kvm_cpuid2 *list, uint32_t function)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(list, function, 0);

	return e ? *e : (struct kvm_cpuid_entry2){ .function = function };
}

static uint32_t available(const struct kvm_cpuid2 *offered)
{
	struct kvm_cpuid_entry2 features = leaf(offered, LEAF_FEATURES),
				hints = leaf(offered, LEAF_HINTS);
	uint32_t set = 0;

	for (int i = 0; i < NR_ENLIGHTENMENTS; i++) {
		const struct enlightenment *e = &enlightenments[i];

		if (!(e->eax & ~features.eax) && !(e->ebx & ~features.ebx) &&
		    !(e->edx & ~features.edx) && !(e->hints & ~hints.eax))
			set |= SET(i);
	}
	return without_unmet(set);
}

bool hyperv_wants_synic(const char *changes, const struct kvm_cpuid2 *offered)
{
	return choose(changes, available(offered)).set & SET(SYNIC);
}

/* Returns 0, or -EOPNOTSUPP (reported) if one of @named is missing. */
static int check_named(uint32_t named, uint32_t have)
{
	for (int i = 0; i < NR_ENLIGHTENMENTS; i++) {
		if (!(named & ~have & SET(i)))
			continue;
		pr_err("--cpuid +%s: this host's KVM cannot give it", enlightenments[i].name);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Moves KVM's own leaves to make room for Hyper-V's. */
static void move_kvm_leaves(struct kvm_cpuid2 *cpuid)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if ((e->function & KVM_LEAVES_MASK) != KVM_LEAVES)
			continue;
		/*
		 * EAX is the last leaf. Old kernels leave it 0, which means the leaf after this
		 * one.
		 */
		if (e->function == KVM_LEAVES)
			e->eax = KVM_LEAVES_MOVED + ((e->eax & ~KVM_LEAVES_MASK) ?: 1);
		e->function += KVM_LEAVES_MOVED - KVM_LEAVES;
	}
}

static void fill_features(struct kvm_cpuid_entry2 *features, struct kvm_cpuid_entry2 *hints,
			  uint32_t set)
{
	for (int i = 0; i < NR_ENLIGHTENMENTS; i++) {
		const struct enlightenment *e = &enlightenments[i];

		if (!(set & SET(i)))
			continue;
		features->eax |= e->eax;
		features->ebx |= e->ebx;
		features->edx |= e->edx;
		hints->eax |= e->hints;
	}
}

int hyperv_cpuid(struct kvm_cpuid2 *cpuid, unsigned int cap, const struct kvm_cpuid2 *offered,
		 const char *changes)
{
	uint32_t have = available(offered);
	struct choice choice = choose(changes, have);
	struct kvm_cpuid_entry2 leaves[HYPERV_LEAVES] = {
		{ .function = LEAF_MAX, .eax = LEAF_LIMITS },
		{ .function = LEAF_INTERFACE, .eax = INTERFACE_HV1 },
		leaf(offered, LEAF_VERSION),
		{ .function = LEAF_FEATURES, .eax = HYPERCALL_MSRS },
		{ .function = LEAF_HINTS, .ebx = NEVER_NOTIFY_SPIN },
		leaf(offered, LEAF_LIMITS),
	};
	int err = check_named(choice.named, have);

	if (err)
		return err;
	if (cap < cpuid->nent || cap - cpuid->nent < HYPERV_LEAVES)
		return -ENOSPC;
	memcpy(&leaves[0].ebx, "Micr", 4);
	memcpy(&leaves[0].ecx, "osof", 4);
	memcpy(&leaves[0].edx, "t Hv", 4);
	fill_features(&leaves[3], &leaves[4], choice.set);
	move_kvm_leaves(cpuid);
	memcpy(&cpuid->entries[cpuid->nent], leaves, sizeof(leaves));
	cpuid->nent += HYPERV_LEAVES;
	return 0;
}

struct kvm_cpuid2 *hyperv_supported(int kvm_fd)
{
	void *list;
	int err = kvm_list_read(kvm_fd, KVM_GET_SUPPORTED_HV_CPUID, sizeof(struct kvm_cpuid_entry2),
				ROOM_FIRST, 0, &list);

	if (err)
		pr_err("--cpuid +hyperv: this host's KVM cannot give it (KVM_GET_SUPPORTED_HV_CPUID: %s)",
		       strerror(-err));
	return list;
}

int hyperv_enable_synic(int vcpu_fd)
{
	/*
	 * The first version of the SynIC clears a page when the guest enables it, as Hyper-V does.
	 */
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HYPERV_SYNIC };

	return kvm_ioctl(vcpu_fd, KVM_ENABLE_CAP, &cap);
}
