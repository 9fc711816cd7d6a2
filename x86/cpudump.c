/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One vCPU's state in print, for the verdicts that a person has to find a cause for: a triple fault, a failed
 * entry, an instruction that KVM cannot emulate. cpu_dump() gathers through KVM and cpu_print() prints, so
 * that the printing can be tested without KVM; cpu_exit_text() says in one line why KVM_RUN gave up.
 *
 * Bits are named as in the Intel SDM vol. 3, chapters 2.3 and 2.5. Code bytes are found by KVM_TRANSLATE,
 * page by page, with the guest's own tables as they are; a byte that leads nowhere prints as "--".
 *
 * Called from any thread while the vCPU does not run. All that is shown comes from a guest that may have gone
 * wild: nothing of it is used as an index or a length. No symbols, no stack, no page walk of our own here.
 */
#include "kvm/ioctl.h"
#include "x86/cpu.h"

#include <inttypes.h>
#include <string.h>

#define PAGE_BYTES 4096ULL
#define CR0_PE 1ULL
#define EFER_LMA (1ULL << 10)
#define RFLAGS_VM (1ULL << 17)
#define INSN_MAX_BYTES 15

/* KVM_EXIT_INTERNAL_ERROR's own numbers; newer ones than the header's print as numbers. */
#define EXIT_REASON_ENTRY_FAILED 0x80000000ULL

struct bit_name {
	unsigned int bit;
	const char *name;
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
	{ 0, "VME" },	    { 1, "PVI" },    { 2, "TSD" },	{ 3, "DE" },	{ 4, "PSE" },
	{ 5, "PAE" },	    { 6, "MCE" },    { 7, "PGE" },	{ 8, "PCE" },	{ 9, "OSFXSR" },
	{ 10, "OSXMMEXC" }, { 11, "UMIP" },  { 12, "LA57" },	{ 13, "VMXE" }, { 14, "SMXE" },
	{ 16, "FSGSBASE" }, { 17, "PCIDE" }, { 18, "OSXSAVE" }, { 20, "SMEP" }, { 21, "SMAP" },
	{ 22, "PKE" },	    { 23, "CET" },   { 24, "PKS" },
};

static const struct bit_name efer_bits[] = {
	{ 0, "SCE" }, { 8, "LME" }, { 10, "LMA" }, { 11, "NX" }, { 12, "SVME" }, { 14, "FFXSR" },
};

static const char *const vectors[] = {
	"divide error",
	"debug",
	"NMI",
	"breakpoint",
	"overflow",
	"bound",
	"invalid opcode",
	"no FPU",
	"double fault",
	"vector 9",
	"invalid TSS",
	"segment not present",
	"stack fault",
	"general protection",
	"page fault",
	"vector 15",
	"FPU error",
	"alignment check",
	"machine check",
	"SIMD error",
	"virtualization",
	"control protection",
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

static const char *mode_name(const struct cpu_state *s)
{
	if (!(s->sregs.cr0 & CR0_PE))
		return "real mode";
	if (s->regs.rflags & RFLAGS_VM)
		return "virtual-8086 mode";
	if (s->sregs.efer & EFER_LMA && s->sregs.cs.l)
		return "64-bit mode";
	return s->sregs.cs.db ? "32-bit mode" : "16-bit protected mode";
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

static void print_segment(FILE *f, const char *name, const struct kvm_segment *g)
{
	fprintf(f, "  %s=%04x base=%016" PRIx64 " limit=%08x", name, g->selector, (uint64_t)g->base,
		g->limit);
	if (g->unusable || !g->present)
		fputs(" unusable\n", f);
	else
		fprintf(f, " type=%x dpl=%u%s%s%s%s\n", g->type, g->dpl, g->s ? "" : " system",
			g->l ? " L" : "", g->db ? " D" : "", g->g ? " G" : "");
}

static void print_segments(FILE *f, const struct kvm_sregs *s)
{
	print_segment(f, "CS", &s->cs);
	print_segment(f, "SS", &s->ss);
	print_segment(f, "DS", &s->ds);
	print_segment(f, "ES", &s->es);
	print_segment(f, "FS", &s->fs);
	print_segment(f, "GS", &s->gs);
	print_segment(f, "TR", &s->tr);
	fprintf(f, "  GDT=%016" PRIx64 " limit=%04x  IDT=%016" PRIx64 " limit=%04x\n", (uint64_t)s->gdt.base,
		s->gdt.limit, (uint64_t)s->idt.base, s->idt.limit);
}

static const char *vector_name(unsigned int vector)
{
	return vector < ARRAY_SIZE(vectors) ? vectors[vector] : "interrupt";
}

static void print_events(FILE *f, const struct kvm_vcpu_events *e)
{
	if (e->exception.injected || e->exception.pending) {
		fprintf(f, "  pending exception %u (%s)", e->exception.nr, vector_name(e->exception.nr));
		if (e->exception.has_error_code)
			fprintf(f, " error code 0x%x", e->exception.error_code);
		fputc('\n', f);
	}
	if (e->interrupt.injected)
		fprintf(f, "  pending interrupt, vector 0x%x\n", e->interrupt.nr);
	if (e->nmi.injected || e->nmi.pending)
		fputs("  pending NMI\n", f);
}

static void print_code(FILE *f, const struct cpu_state *s)
{
	fprintf(f, "  code at %016" PRIx64 ":", s->code_linear);
	for (unsigned int i = 0; i < CPU_CODE_BYTES; i++) {
		bool here = i == CPU_CODE_BEFORE;

		if (s->code[i] < 0)
			fprintf(f, here ? " <-->" : " --");
		else
			fprintf(f, here ? " <%02x>" : " %02x", (unsigned int)s->code[i]);
	}
	fputc('\n', f);
}

void cpu_print(FILE *f, const struct cpu_state *s)
{
	fprintf(f, "vCPU %u: %s, ring %u, %s\n", s->index, mode_name(s),
		s->sregs.cr0 & CR0_PE ? s->sregs.ss.dpl : 0U,
		s->regs.rflags & 1 << 9 ? "interrupts on" : "interrupts off");
	fprintf(f, "  RIP=%04x:%016" PRIx64 " ", s->sregs.cs.selector, (uint64_t)s->regs.rip);
	print_bits(f, "RFLAGS", s->regs.rflags, rflags_bits, ARRAY_SIZE(rflags_bits));
	fputc('\n', f);
	print_regs(f, &s->regs);
	print_control(f, &s->sregs);
	print_segments(f, &s->sregs);
	print_events(f, &s->events);
	print_code(f, s);
}

/* The code bytes around RIP; one translation a page. */
static void gather_code(struct cpu_state *s, int vcpu_fd, const struct gmem *mem)
{
	struct kvm_translation tr = { .valid = 0 };
	uint64_t page = 0;

	s->code_linear = s->sregs.cs.base + s->regs.rip;
	/* Outside 64-bit mode linear addresses are 32 bits wide. */
	if (!(s->sregs.efer & EFER_LMA && s->sregs.cs.l))
		s->code_linear &= 0xffffffff;
	for (unsigned int i = 0; i < CPU_CODE_BYTES; i++) {
		uint64_t linear = s->code_linear - CPU_CODE_BEFORE + i;
		const uint8_t *byte = NULL;

		if (i == 0 || align_down(linear, PAGE_BYTES) != page) {
			page = align_down(linear, PAGE_BYTES);
			tr = (struct kvm_translation){ .linear_address = page };
			if (kvm_ioctl(vcpu_fd, KVM_TRANSLATE, &tr))
				tr.valid = 0;
		}
		if (tr.valid)
			byte = gmem_at(mem, tr.physical_address + (linear - page), 1);
		s->code[i] = byte ? *byte : -1;
	}
}

void cpu_dump(FILE *f, int vcpu_fd, unsigned int index, const struct gmem *mem)
{
	struct cpu_state s = { .index = index };
	int err = kvm_ioctl(vcpu_fd, KVM_GET_REGS, &s.regs);

	if (!err)
		err = kvm_ioctl(vcpu_fd, KVM_GET_SREGS, &s.sregs);
	if (err) {
		fprintf(f, "vCPU %u: KVM does not tell its registers: %s\n", index, strerror(-err));
		return;
	}
	if (kvm_ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &s.events))
		memset(&s.events, 0, sizeof(s.events));
	gather_code(&s, vcpu_fd, mem);
	cpu_print(f, &s);
}

/*
 * What the processor said when it refused the guest. VMX: with bit 31 the basic exit reason (Intel SDM vol.
 * 3, appendix C), else the VM-instruction error (31.4). SVM: exit code -1, invalid state (AMD APM vol. 2,
 * 15.5.1).
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

static const char *internal_error_name(uint32_t suberror)
{
	static const char *const name[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "KVM cannot emulate an instruction",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "KVM met several exceptions at once",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "KVM could not deliver an event",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "KVM met an exit it does not know",
	};

	return suberror < ARRAY_SIZE(name) && name[suberror] ? name[suberror] : "KVM internal error";
}

/* " (suberror 1, bytes 0f 01 d0)": newer KVM hands over the instruction it failed at. */
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
		snprintf(buf, n, "the processor refuses to enter the guest: %s (reason 0x%" PRIx64 ")",
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
