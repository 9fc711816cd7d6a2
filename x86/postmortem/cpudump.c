/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints one vCPU's registers for a post-mortem.
 *
 * cpu_gather() reads from KVM and cpu_print() prints, so the printing can be tested without KVM.
 * cpu_exit_text() explains in one line why KVM_RUN gave up.
 *
 * Bits have the names of the Intel SDM vol. 3, chapters 2.3 and 2.5. All values come from a guest
 * that may have gone wild: none of them is used as an index or a length.
 */
#include "kvm/ioctl.h"
#include "x86/cpu/cpu.h"
#include "x86/cpu/msrs.h"
#include "x86/cpu/x86_bits.h"

#include <inttypes.h>
#include <string.h>

#define INSN_MAX_BYTES 15

/* The local APIC's registers, Intel SDM vol. 3A, table 11-1. */
#define LAPIC_TPR 0x80
#define LAPIC_SVR 0xf0
#define LAPIC_ISR 0x100
#define LAPIC_IRR 0x200
#define LAPIC_LVT_TIMER 0x320
#define NR_VECTOR_WORDS 8

/* Bit 31 of VMX's exit reason: the entry into the guest failed. */
#define EXIT_REASON_ENTRY_FAILED 0x80000000ULL

struct bit_name {
	uint8_t bit;
	char name[11];
};

static const struct bit_name rflags_bits[] = {
	{ 0, "CF" },  { 2, "PF" },   { 4, "AF" },   { 6, "ZF" },  { 7, "SF" },	{ 8, "TF" },
	{ 9, "IF" },  { 10, "DF" },  { 11, "OF" },  { 14, "NT" }, { 16, "RF" }, { 17, "VM" },
	{ 18, "AC" }, { 19, "VIF" }, { 20, "VIP" }, { 21, "ID" },
};

static const struct bit_name cr0_bits[] = {
	{ 0, "PE" },  { 1, "MP" },  { 2, "EM" },  { 3, "TS" },	{ 4, "ET" },  { 5, "NE" },
	{ 16, "WP" }, { 18, "AM" }, { 29, "NW" }, { 30, "CD" }, { 31, "PG" },
};

static const struct bit_name cr4_bits[] = {
	{ 0, "VME" },	    { 1, "PVI" },      { 2, "TSD" },	  { 3, "DE" },	  { 4, "PSE" },
	{ 5, "PAE" },	    { 6, "MCE" },      { 7, "PGE" },	  { 8, "PCE" },	  { 9, "OSFXSR" },
	{ 10, "OSXMMEXC" }, { 11, "UMIP" },    { 12, "LA57" },	  { 13, "VMXE" }, { 14, "SMXE" },
	{ 16, "FSGSBASE" }, { 17, "PCIDE" },   { 18, "OSXSAVE" }, { 19, "KL" },	  { 20, "SMEP" },
	{ 21, "SMAP" },	    { 22, "PKE" },     { 23, "CET" },	  { 24, "PKS" },  { 25, "UINTR" },
	{ 27, "LASS" },	    { 28, "LAM_SUP" }, { 32, "FRED" },
};

static const struct bit_name efer_bits[] = {
	{ 0, "SCE" },	   { 8, "LME" },    { 10, "LMA" },   { 11, "NX" },
	{ 12, "SVME" },	   { 13, "LMSLE" }, { 14, "FFXSR" }, { 15, "TCE" },
	{ 17, "MCOMMIT" }, { 18, "INTWB" }, { 20, "UAIE" },  { 21, "AIBRSE" },
};

/* The mnemonics of the Intel SDM vol. 3A, table 6-1; NULL: none. */
static const char *const vectors[] = {
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", NULL,  "#TS",
	"#NP", "#SS", "#GP", "#PF", NULL,  "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

static void print_bits(FILE *f, const char *name, uint64_t value, const struct bit_name *bits,
		       unsigned int nr)
{
	const char *gap = "";

	fprintf(f, "%s=%08" PRIx64 " [", name, value);
	for (unsigned int i = 0; i < nr; i++) {
		if (!(value >> bits[i].bit & 1))
			continue;
		fprintf(f, "%s%s", gap, bits[i].name);
		gap = " ";
	}
	fputc(']', f);
}

bool cpu_in_64bit(const struct cpu_state *s)
{
	return s->sregs.cr0 & CR0_PE && s->sregs.efer & EFER_LMA && s->sregs.cs.l;
}

const char *cpu_mode_name(const struct cpu_state *s)
{
	if (!(s->sregs.cr0 & CR0_PE))
		return "real mode";
	if (s->regs.rflags & RFLAGS_VM)
		return "virtual-8086 mode";
	if (cpu_in_64bit(s))
		return "64-bit mode";
	if (s->sregs.efer & EFER_LMA)
		return s->sregs.cs.db ? "32-bit compatibility mode" : "16-bit compatibility mode";
	return s->sregs.cs.db ? "32-bit mode" : "16-bit protected mode";
}

/* Outside 64-bit mode linear addresses are 32 bits wide. */
static uint64_t linear(const struct cpu_state *s, const struct kvm_segment *segment,
		       uint64_t offset)
{
	return cpu_in_64bit(s) ? offset : (segment->base + offset) & UINT32_MAX;
}

uint64_t cpu_linear_rip(const struct cpu_state *s)
{
	return linear(s, &s->sregs.cs, s->regs.rip);
}

uint64_t cpu_linear_rsp(const struct cpu_state *s)
{
	return linear(s, &s->sregs.ss, s->regs.rsp);
}

static void print_regs(FILE *f, const struct kvm_regs *r)
{
	const struct {
		const char *name;
		uint64_t value;
	} row[] = {
		{ "RAX", r->rax }, { "RBX", r->rbx }, { "RCX", r->rcx }, { "RDX", r->rdx },
		{ "RSI", r->rsi }, { "RDI", r->rdi }, { "RBP", r->rbp }, { "RSP", r->rsp },
		{ "R8 ", r->r8 },  { "R9 ", r->r9 },  { "R10", r->r10 }, { "R11", r->r11 },
		{ "R12", r->r12 }, { "R13", r->r13 }, { "R14", r->r14 }, { "R15", r->r15 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(row); i++)
		fprintf(f, "%s%s=%016" PRIx64 "%s", i % 4 ? " " : "  ", row[i].name, row[i].value,
			i % 4 == 3 ? "\n" : "");
}

static void print_control(FILE *f, const struct kvm_sregs *s)
{
	print_bits(f, "  CR0", s->cr0, cr0_bits, ARRAY_SIZE(cr0_bits));
	print_bits(f, " EFER", s->efer, efer_bits, ARRAY_SIZE(efer_bits));
	fprintf(f, "\n  CR2=%016" PRIx64 " CR3=%016" PRIx64 " CR8=%" PRIx64 "\n", (uint64_t)s->cr2,
		(uint64_t)s->cr3, (uint64_t)s->cr8);
	print_bits(f, "  CR4", s->cr4, cr4_bits, ARRAY_SIZE(cr4_bits));
	fputc('\n', f);
}

static bool same_segment(const struct kvm_segment *a, const struct kvm_segment *b)
{
	return a->selector == b->selector && a->base == b->base && a->limit == b->limit &&
	       a->type == b->type && a->dpl == b->dpl && a->l == b->l && a->db == b->db &&
	       a->g == b->g && a->present == b->present && a->unusable == b->unusable;
}

static void print_segment(FILE *f, const struct kvm_segment *g)
{
	fprintf(f, "=%04x base=%" PRIx64 " limit=%x", g->selector, (uint64_t)g->base, g->limit);
	if (g->unusable || !g->present)
		fputs(" unusable\n", f);
	else
		fprintf(f, " type=%x dpl=%u%s%s%s%s\n", g->type, g->dpl, g->s ? "" : " system",
			g->l ? " L" : "", g->db ? " D" : "", g->g ? " G" : "");
}

/* Prints segments with the same contents in one line: "SS DS ES=0018 ...". */
static void print_segments(FILE *f, const struct kvm_sregs *s)
{
	const struct {
		const char *name;
		const struct kvm_segment *segment;
	} row[] = {
		{ "CS", &s->cs }, { "SS", &s->ss }, { "DS", &s->ds },	{ "ES", &s->es },
		{ "FS", &s->fs }, { "GS", &s->gs }, { "LDT", &s->ldt }, { "TR", &s->tr },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(row); i++) {
		bool same =
			i + 1 < ARRAY_SIZE(row) && same_segment(row[i].segment, row[i + 1].segment);

		if (i == 0 || !same_segment(row[i].segment, row[i - 1].segment))
			fputs(" ", f);
		fprintf(f, " %s", row[i].name);
		if (!same)
			print_segment(f, row[i].segment);
	}
	fprintf(f, "  GDT=%016" PRIx64 " limit=%04x  IDT=%016" PRIx64 " limit=%04x\n",
		(uint64_t)s->gdt.base, s->gdt.limit, (uint64_t)s->idt.base, s->idt.limit);
}

const char *cpu_vector_name(unsigned int vector, char *buf, size_t n)
{
	if (vector < ARRAY_SIZE(vectors) && vectors[vector])
		return vectors[vector];
	snprintf(buf, n, "vector 0x%x", vector);
	return buf;
}

static void print_events(FILE *f, const struct kvm_vcpu_events *e)
{
	char buf[24];

	if (e->exception.injected || e->exception.pending) {
		fprintf(f, "  pending: exception %s",
			cpu_vector_name(e->exception.nr, buf, sizeof(buf)));
		if (e->exception.has_error_code)
			fprintf(f, " error code 0x%x", e->exception.error_code);
		fputc('\n', f);
	}
	if (e->interrupt.injected)
		fprintf(f, "  pending: interrupt, vector 0x%x\n", e->interrupt.nr);
	if (e->nmi.injected || e->nmi.pending)
		fputs("  pending: NMI\n", f);
}

static uint32_t lapic_reg(const struct cpu_state *s, unsigned int offset)
{
	uint32_t value;

	memcpy(&value, s->lapic.regs + offset, sizeof(value));
	return value;
}

static void print_vectors(FILE *f, const struct cpu_state *s, const char *name, unsigned int offset)
{
	bool any = false;

	fprintf(f, "; %s:", name);
	for (unsigned int i = 0; i < NR_VECTOR_WORDS * 32; i++) {
		if (!(lapic_reg(s, offset + i / 32 * 0x10) >> i % 32 & 1))
			continue;
		fprintf(f, " %02x", i);
		any = true;
	}
	if (!any)
		fputs(" none", f);
}

static void print_lapic(FILE *f, const struct cpu_state *s)
{
	static const char *const modes[] = { "one-shot", "periodic", "TSC-deadline", "?" };
	uint32_t timer = lapic_reg(s, LAPIC_LVT_TIMER);

	if (!s->has_lapic)
		return;
	fprintf(f, "  LAPIC: %s, TPR %02x, timer %s",
		lapic_reg(s, LAPIC_SVR) & 0x100 ? "on" : "off", lapic_reg(s, LAPIC_TPR) & 0xff,
		timer & 1 << 16 ? "masked" : modes[timer >> 17 & 3]);
	if (!(timer & 1 << 16))
		fprintf(f, " vector %02x", timer & 0xff);
	print_vectors(f, s, "in service", LAPIC_ISR);
	print_vectors(f, s, "requested", LAPIC_IRR);
	fputc('\n', f);
}

void cpu_print(FILE *f, const struct cpu_state *s)
{
	fprintf(f, "  RIP=%04x:%016" PRIx64 " ", s->sregs.cs.selector, (uint64_t)s->regs.rip);
	print_bits(f, "RFLAGS", s->regs.rflags, rflags_bits, ARRAY_SIZE(rflags_bits));
	fputc('\n', f);
	print_regs(f, &s->regs);
	print_control(f, &s->sregs);
	print_segments(f, &s->sregs);
	print_lapic(f, s);
	print_events(f, &s->events);
}

uint64_t cpu_read_lstar(int vcpu_fd)
{
	uint64_t lstar;

	msr_read(vcpu_fd, MSR_LSTAR, &lstar);
	return lstar;
}

uint64_t cpu_read_rip(int vcpu_fd)
{
	struct kvm_regs regs;

	return kvm_ioctl(vcpu_fd, KVM_GET_REGS, &regs) ? 0 : regs.rip;
}

int cpu_gather(struct cpu_state *s, int vcpu_fd, unsigned int index, bool lapic)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	int err = kvm_ioctl(vcpu_fd, KVM_GET_REGS, &s->regs);

	if (!err)
		err = kvm_ioctl(vcpu_fd, KVM_GET_SREGS, &s->sregs);
	if (err)
		return err;
	s->index = index;
	if (kvm_ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &s->events))
		memset(&s->events, 0, sizeof(s->events));
	kvm_ioctl(vcpu_fd, KVM_GET_MP_STATE, &mp);
	s->mp_state = mp.mp_state;
	s->lstar = cpu_read_lstar(vcpu_fd);
	s->has_lapic = lapic && !kvm_ioctl(vcpu_fd, KVM_GET_LAPIC, &s->lapic);
	return 0;
}

/*
 * Explains why the processor refused to enter the guest. VMX: with bit 31 the basic exit reason
 * (Intel SDM vol. 3, appendix C), else the VM-instruction error (31.4). SVM: exit code -1, invalid
 * state (AMD APM vol. 2, 15.5.1).
 */
static const char *entry_failure_name(uint64_t reason)
{
	if ((reason & UINT32_MAX) == UINT32_MAX)
		return "invalid guest state in the VMCB";
	if (reason & EXIT_REASON_ENTRY_FAILED) {
		switch (reason & 0xffff) {
		case 33:
			return "invalid guest state";
		case 34:
			return "an MSR cannot be loaded";
		case 41:
			return "machine check at entry";
		default:
			return "entry failed";
		}
	}
	switch (reason) {
	case 7:
		return "invalid control fields in the VMCS";
	case 8:
		return "invalid host state in the VMCS";
	default:
		return "see the processor's manual";
	}
}

/* Numbers that are newer than the header's have no name. */
static const char *internal_error_name(uint32_t suberror)
{
	static const char *const name[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "KVM cannot emulate an instruction",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "KVM met several exceptions at once",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "KVM could not deliver an event",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "KVM met an exit it does not know",
	};

	return suberror < ARRAY_SIZE(name) && name[suberror] ? name[suberror]
							     : "KVM internal error";
}

/* Writes "NAME (suberror 1, bytes 0f 01 d0)": newer KVMs report the instruction that failed. */
static void internal_error_text(const struct kvm_run *run, char *buf, size_t n)
{
	uint32_t suberror = run->internal.suberror;
	unsigned int nr = 0;
	size_t at;

	snprintf(buf, n, "%s (suberror %u", internal_error_name(suberror), suberror);
	if (suberror == KVM_INTERNAL_ERROR_EMULATION && run->emulation_failure.ndata >= 3 &&
	    run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)
		nr = run->emulation_failure.insn_size;
	for (unsigned int i = 0; i < nr && i < INSN_MAX_BYTES; i++) {
		at = strlen(buf);
		snprintf(buf + at, n - at, "%s %02x", i ? "" : ", bytes",
			 run->emulation_failure.insn_bytes[i]);
	}
	at = strlen(buf);
	snprintf(buf + at, n - at, ")");
}

void cpu_exit_text(const struct kvm_run *run, char *buf, size_t n)
{
	uint64_t reason;

	if (!n)
		return;
	switch (run->exit_reason) {
	case KVM_EXIT_FAIL_ENTRY:
		reason = run->fail_entry.hardware_entry_failure_reason;
		snprintf(buf, n,
			 "the processor refuses to enter the guest: %s (reason 0x%" PRIx64 ")",
			 entry_failure_name(reason), reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		internal_error_text(run, buf, n);
		break;
	case KVM_EXIT_SHUTDOWN:
		snprintf(buf, n, "triple fault");
		break;
	case KVM_EXIT_UNKNOWN:
		snprintf(buf, n, "an exit that KVM does not know (hardware reason 0x%" PRIx64 ")",
			 (uint64_t)run->hw.hardware_exit_reason);
		break;
	default:
		snprintf(buf, n, "unexpected KVM exit %u", run->exit_reason);
		break;
	}
}
