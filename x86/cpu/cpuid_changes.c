/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes the CPUID that KVM gives by the names of features (--cpuid).
 *
 * The names are Linux's, as in /proc/cpuinfo. The bits are those of the Intel SDM (vol. 2, CPUID)
 * and the AMD APM (vol. 3, appendix E). A guest has everything that KVM offers, so '-' removes a
 * feature. '+' adds what we leave out by default, and refuses the machine if the host's KVM cannot
 * give what a test needs. hyperv_cpuid.c has the words of the Hyper-V interface. The consequences
 * of a missing feature for other leaves (sizes of the XSAVE area, for instance) are not applied.
 *
 * cpuid_check_changes() checks the words alone; the other functions take a text that has passed it.
 * Pure.
 */
#include "cpu.h"
#include "cpuid_words.h"
#include "hyperv.h"
#include "kvm/log.h"

#include <errno.h>

/*
 * The features of one register: names from bit 0 up; "-": no name. A name that occurs more than
 * once stands for all of its bits: Linux shows some features when it finds Intel's bit or AMD's. It
 * does not show the bits of leaf 0x80000021; their names are those of its source.
 */
static const struct word {
	uint32_t function, index;
	enum reg reg;
	const char *names;
} words[] = {
	{ 1, 0, EDX,
	  "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe" },
	{ 1, 0, ECX,
	  "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor" },
	{ 6, 0, EAX,
	  "dtherm ida arat - pln - pts hwp hwp_notify hwp_act_window hwp_epp hwp_pkg_req - - - - - - - hfi" },
	{ 6, 0, ECX, "aperfmperf - - epb" },
	{ 7, 0, EBX,
	  "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl" },
	{ 7, 0, ECX,
	  "- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 user_shstk gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote - movdiri movdir64b enqcmd sgx_lc" },
	{ 7, 0, EDX,
	  "- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - serialize - tsxldtrk - pconfig arch_lbr ibt - amx_bf16 avx512_fp16 amx_tile amx_int8 ibrs stibp flush_l1d arch_capabilities split_lock_detect ssbd" },
	{ 7, 0, EDX, "- - - - - - - - - - - - - - - - - - - - - - - - - - ibpb" },
	{ 7, 1, EAX,
	  "sha512 sm3 sm4 - avx_vnni avx512_bf16 - cmpccxadd - - fzrm fsrs fsrc - - - - fred lkgs wrmsrns - amx_fp16 - avx_ifma - - lam - - - - movrs" },
	{ 0xd, 1, EAX, "xsaveopt xsavec xgetbv1 xsaves" },
	{ 0x80000001, 0, EDX,
	  "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow" },
	{ 0x80000001, 0, ECX,
	  "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc perfctr_llc mwaitx" },
	{ 0x80000007, 0, EBX, "overflow_recov succor - smca" },
	{ 0x80000008, 0, EBX,
	  "clzero irperf xsaveerptr - rdpru - - - - wbnoinvd - - ibpb - ibrs stibp - - - - - - - amd_ppin amd_ssbd virt_ssbd - cppc - - amd_ibpb_ret brs" },
	{ 0x80000008, 0, EBX, "- - - - - - - - - - - - - - - - - - - - - - - - ssbd ssbd" },
	{ 0x8000000a, 0, EDX,
	  "npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists - - pausefilter - pfthreshold avic - v_vmsave_vmload vgif - x2avic - v_spec_ctrl - - - - vnmi" },
	{ 0x8000001f, 0, EAX, "sme sev - sev_es sev_snp" },
	{ 0x80000021, 0, EAX,
	  "no_nested_data_bp - lfence_rdtsc - - verw_clear null_sel_clr_base - autoibrs - - - - - - - - - - - prefetchi - - - - - - sbpb ibpb_brtype srso_no" },
	{ 0x80000022, 0, EAX, "perfmon_v2 amd_lbr_v2 amd_lbr_pmc_freeze" },
};

#define VENDOR "vendor="
#define VENDOR_BYTES 12
#define HELP_COLUMNS 100

/* The register's bits of this name. */
static uint32_t bits_named(const struct word *w, const char *name, size_t len)
{
	const char *p = w->names;
	uint32_t bits = 0;

	for (unsigned int bit = 0; *p; bit++) {
		size_t n = strcspn(p, " ");

		if (n == len && *p != '-' && !memcmp(p, name, n))
			bits |= 1U << bit;
		p += n + strspn(p + n, " ");
	}
	return bits;
}

/* The first word that has the feature, or NULL. */
static const struct word *find_feature(const char *name, size_t len)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		if (bits_named(&words[i], name, len))
			return &words[i];
	}
	return NULL;
}

static bool is_vendor(const struct change *c)
{
	return !strncmp(c->text, VENDOR, strlen(VENDOR));
}

static bool is_hyperv(const struct change *c)
{
	return c->len > 0 && hyperv_knows(c->text + 1, (size_t)c->len - 1);
}

static int check_change(const struct change *c)
{
	if (is_vendor(c)) {
		if (c->len == (int)strlen(VENDOR) + VENDOR_BYTES)
			return 0;
		pr_err("--cpuid %.*s: a vendor must have 12 characters, like GenuineIntel or AuthenticAMD",
		       c->len, c->text);
		return -EINVAL;
	}
	if (*c->text != '+' && *c->text != '-') {
		pr_err("--cpuid %.*s: must be +FEATURE, -FEATURE or vendor=NAME", c->len, c->text);
		return -EINVAL;
	}
	if (find_feature(c->text + 1, (size_t)c->len - 1) || is_hyperv(c))
		return 0;
	pr_err("--cpuid %.*s: no such feature; --cpuid help lists the names, which are those of /proc/cpuinfo",
	       c->len, c->text);
	return -EINVAL;
}

int cpuid_check_changes(const char *changes)
{
	struct change c;
	int err = 0;

	while (!err && next_change(&changes, &c))
		err = check_change(&c);
	return err;
}

static uint32_t *find_register(struct kvm_cpuid2 *cpuid, const struct word *w)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid, w->function, w->index);

	if (!e)
		return NULL;
	return (uint32_t *const[]){ &e->eax, &e->ebx, &e->ecx, &e->edx }[w->reg];
}

void cpuid_change_vendor(struct kvm_cpuid2 *cpuid, const char *changes)
{
	struct change c;

	while (next_change(&changes, &c)) {
		const char *name = c.text + strlen(VENDOR);

		for (uint32_t i = 0; is_vendor(&c) && i < cpuid->nent; i++) {
			struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

			if (e->function != 0 && e->function != 0x80000000)
				continue;
			memcpy(&e->ebx, name, 4);
			memcpy(&e->edx, name + 4, 4);
			memcpy(&e->ecx, name + 8, 4);
		}
	}
}

/* Which of @bits the list has. */
static uint32_t has(struct kvm_cpuid2 *cpuid, const struct word *w, uint32_t bits)
{
	const uint32_t *reg = find_register(cpuid, w);

	return reg ? *reg & bits : 0;
}

static int change_feature(struct kvm_cpuid2 *cpuid, struct kvm_cpuid2 *offered,
			  const struct change *c)
{
	bool adds = *c->text == '+', found = !adds;

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		const struct word *w = &words[i];
		uint32_t bits = bits_named(w, c->text + 1, (size_t)c->len - 1),
			 *reg = bits ? find_register(cpuid, w) : NULL;

		if (!reg)
			continue;
		if (adds)
			*reg |= has(offered, w, bits);
		else
			*reg &= ~bits;
		found = found || *reg & bits;
	}
	if (found)
		return 0;
	pr_err("--cpuid %.*s: this host's KVM cannot give it", c->len, c->text);
	return -EOPNOTSUPP;
}

int cpuid_change_features(struct kvm_cpuid2 *cpuid, struct kvm_cpuid2 *offered, const char *changes)
{
	struct change c;
	int err = 0;

	while (!err && next_change(&changes, &c)) {
		if (!is_vendor(&c) && !is_hyperv(&c))
			err = change_feature(cpuid, offered, &c);
	}
	return err;
}

/*
 * Prints the names of @w, or of Hyper-V if NULL, each where it occurs first, starting at @column.
 * Returns the column where it ends.
 */
static int list_names(FILE *f, const struct word *w, const char *names, int column)
{
	for (const char *p = names; *p; p += strspn(p, " ")) {
		int len = (int)strcspn(p, " ");

		if (*p != '-' && (!w || find_feature(p, (size_t)len) == w)) {
			bool wraps = column + 1 + len > HELP_COLUMNS;

			fprintf(f, "%s%.*s", wraps ? "\n  " : " ", len, p);
			column = (wraps ? 2 : column + 1) + len;
		}
		p += len;
	}
	return column;
}

void cpuid_list_features(FILE *f)
{
	int column = HELP_COLUMNS;

	fprintf(f, "--cpuid +FEATURE, -FEATURE or vendor=NAME, separated by commas. Features:");
	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
		column = list_names(f, &words[i], words[i].names, column);
	for (unsigned int i = 0; hyperv_word(i); i++)
		column = list_names(f, NULL, hyperv_word(i), column);
	fputc('\n', f);
}
