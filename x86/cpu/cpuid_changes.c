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

/* The features of one register: names from bit 0 up; "-": Linux does not show this bit. */
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
	{ 7, 0, EBX,
	  "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl" },
	{ 7, 0, ECX,
	  "- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote - movdiri movdir64b enqcmd sgx_lc" },
	{ 7, 0, EDX,
	  "- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - serialize - tsxldtrk - pconfig arch_lbr ibt - amx_bf16 avx512_fp16 amx_tile amx_int8 - - flush_l1d arch_capabilities" },
	{ 7, 1, EAX, "- - - - avx_vnni avx512_bf16" },
	{ 0xd, 1, EAX, "xsaveopt xsavec xgetbv1 xsaves" },
	{ 0x80000001, 0, EDX,
	  "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow" },
	{ 0x80000001, 0, ECX,
	  "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc perfctr_llc mwaitx" },
	{ 0x80000007, 0, EBX, "overflow_recov succor - smca" },
	{ 0x80000008, 0, EBX,
	  "clzero irperf xsaveerptr - rdpru - - - - wbnoinvd - - - - - - - - - - - - - amd_ppin - virt_ssbd - cppc - - - brs" },
	{ 0x8000000a, 0, EDX,
	  "npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists - - pausefilter - pfthreshold avic - v_vmsave_vmload vgif - x2avic - v_spec_ctrl" },
	{ 0x8000001f, 0, EAX, "sme sev - sev_es" },
};

#define VENDOR "vendor="
#define VENDOR_BYTES 12
#define HELP_COLUMNS 100

/* Finds the register and bit of a feature. Returns NULL if there is no feature of this name. */
static const struct word *find_feature(const char *name, size_t len, unsigned int *bit)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		const char *p = words[i].names;

		for (*bit = 0; *p; ++*bit) {
			size_t n = strcspn(p, " ");

			if (n == len && *p != '-' && !memcmp(p, name, n))
				return &words[i];
			p += n + strspn(p + n, " ");
		}
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
	unsigned int bit;

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
	if (find_feature(c->text + 1, (size_t)c->len - 1, &bit) || is_hyperv(c))
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

static bool has(struct kvm_cpuid2 *cpuid, const struct word *w, unsigned int bit)
{
	const uint32_t *reg = find_register(cpuid, w);

	return reg && *reg & 1U << bit;
}

static int change_feature(struct kvm_cpuid2 *cpuid, struct kvm_cpuid2 *offered,
			  const struct change *c)
{
	unsigned int bit;
	const struct word *w = find_feature(c->text + 1, (size_t)c->len - 1, &bit);
	uint32_t *reg = find_register(cpuid, w);

	if (*c->text == '-') {
		if (reg)
			*reg &= ~(1U << bit);
		return 0;
	}
	if (!reg || !(has(cpuid, w, bit) || has(offered, w, bit))) {
		pr_err("--cpuid %.*s: this host's KVM cannot give it", c->len, c->text);
		return -EOPNOTSUPP;
	}
	*reg |= 1U << bit;
	return 0;
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

/* Prints @names without the unnamed bits, starting at @column. Returns the column where it ends. */
static int list_names(FILE *f, const char *names, int column)
{
	for (const char *p = names; *p; p += strspn(p, " ")) {
		int len = (int)strcspn(p, " ");

		if (*p != '-') {
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
		column = list_names(f, words[i].names, column);
	for (unsigned int i = 0; hyperv_word(i); i++)
		column = list_names(f, hyperv_word(i), column);
	fputc('\n', f);
}
