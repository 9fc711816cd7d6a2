/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the exception that a vCPU met, and why it was fatal.
 *
 * The evidence, in this order: whether the instruction at RIP can be fetched; what that instruction
 * is and touches; what KVM reports as pending. The code makes no guess that the registers
 * contradict: no name is better than a wrong one.
 *
 * It checks delivery like the processor (Intel SDM vol. 3A, 6.12 and 6.14): the IDT's limit, the
 * gate, its code segment, and the stack that the frame goes to. First it checks the delivery of the
 * exception, and then that of the double fault that follows.
 */
#include "fault.h"
#include "x86/cpu/x86_bits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VECTOR_DE 0
#define VECTOR_BP 3
#define VECTOR_UD 6
#define VECTOR_NM 7
#define VECTOR_DF 8
#define VECTOR_NP 11
#define VECTOR_SS 12
#define VECTOR_GP 13
#define VECTOR_PF 14

/* Bits that no processor defines (SDM vol. 3A, 2.5; KL is bit 19, FRED is bit 32). */
#define CR4_RESERVED 0xfffffffee0008000ULL

struct facts {
	struct fault *fault;
	const struct cpu_state *cpu;
	const struct gmem *mem;
	struct paging paging;
	uint64_t rip;
	struct insn insn;
};

struct paging fault_paging(const struct cpu_state *cpu)
{
	return (struct paging){
		.cr0 = cpu->sregs.cr0,
		.cr3 = cpu->sregs.cr3,
		.cr4 = cpu->sregs.cr4,
		.efer = cpu->sregs.efer,
		.rflags = cpu->regs.rflags,
		.user = cpu->sregs.cr0 & CR0_PE && cpu->sregs.ss.dpl == 3,
	};
}

static void __attribute__((format(printf, 3, 4)))
found(struct facts *f, int vector, const char *fmt, ...)
{
	char name[24];
	size_t at;
	va_list ap;

	f->fault->vector = vector;
	snprintf(f->fault->what, sizeof(f->fault->what), "%s ",
		 cpu_vector_name((unsigned int)vector, name, sizeof(name)));
	at = strlen(f->fault->what);
	va_start(ap, fmt);
	vsnprintf(f->fault->what + at, sizeof(f->fault->what) - at, fmt, ap);
	va_end(ap);
}

/* ---- descriptors --------------------------------------------------------------------------- */

struct descriptor {
	bool present, system, code, is_long;
	unsigned int type;
};

/* Reads the descriptor of @selector in the GDT. Returns NULL, or why it cannot be loaded. */
static const char *read_descriptor(const struct facts *f, uint16_t selector, struct descriptor *d,
				   char *buf, size_t n)
{
	const struct kvm_dtable *gdt = &f->cpu->sregs.gdt;
	uint64_t raw;

	*d = (struct descriptor){ 0 };
	if (!(selector & ~3))
		return "is null";
	if (selector & 4)
		return "is in the LDT, which is not checked";
	if ((selector | 7U) > gdt->limit) {
		snprintf(buf, n, "is beyond the GDT's limit %#x", gdt->limit);
		return buf;
	}
	if (gva_read(f->mem, &f->paging, gdt->base + (selector & ~7ULL), &raw, sizeof(raw)) !=
	    sizeof(raw)) {
		snprintf(buf, n, "cannot be read: the GDT at 0x%" PRIx64 " is not mapped",
			 (uint64_t)gdt->base);
		return buf;
	}
	d->present = raw >> 47 & 1;
	d->system = !(raw >> 44 & 1);
	d->code = !d->system && raw >> 43 & 1;
	d->is_long = raw >> 53 & 1;
	d->type = raw >> 40 & 15;
	if (!raw)
		return "is an empty entry of the GDT";
	return d->present ? NULL : "is not present";
}

/* Returns NULL if @selector can be a code segment, else why it cannot. */
static const char *bad_code_selector(const struct facts *f, uint16_t selector, char *buf, size_t n)
{
	struct descriptor d;
	const char *why = read_descriptor(f, selector, &d, buf, n);

	if (!why && !d.code)
		why = "is no code segment";
	return why;
}

/* ---- the IDT --------------------------------------------------------------------------- */

static void read_real_gate(struct idt_gate *gate, const struct cpu_state *cpu,
			   const struct gmem *mem, unsigned int vector, char *why, size_t n)
{
	uint16_t entry[2];

	if (vector * 4 + 3 > cpu->sregs.idt.limit)
		snprintf(why, n, "the vector table's limit is %#x", cpu->sregs.idt.limit);
	else if (gmem_read(mem, cpu->sregs.idt.base + vector * 4ULL, entry, sizeof(entry)))
		snprintf(why, n, "the vector table lies outside memory");
	else
		*gate = (struct idt_gate){ true, true, entry[1], entry[0], 0 };
}

void idt_read_gate(struct idt_gate *gate, const struct cpu_state *cpu, const struct gmem *mem,
		   unsigned int vector, char *why, size_t n)
{
	struct paging paging = fault_paging(cpu);
	bool wide = cpu->sregs.efer & EFER_LMA;
	unsigned int bytes = wide ? 16 : 8, type;
	const struct kvm_dtable *idt = &cpu->sregs.idt;
	uint64_t raw[2] = { 0, 0 };

	why[0] = '\0';
	*gate = (struct idt_gate){ 0 };
	if (!(cpu->sregs.cr0 & CR0_PE)) {
		read_real_gate(gate, cpu, mem, vector, why, n);
		return;
	}
	if (vector * bytes + bytes - 1 > idt->limit) {
		snprintf(why, n, "IDT limit is %#x", idt->limit);
		return;
	}
	if (gva_read(mem, &paging, idt->base + vector * bytes, raw, bytes) != bytes) {
		snprintf(why, n, "the IDT at 0x%" PRIx64 " is not mapped", (uint64_t)idt->base);
		return;
	}
	type = raw[0] >> 40 & 31;
	gate->present = raw[0] >> 47 & 1;
	gate->valid =
		type == 0xe || type == 0xf || (!wide && (type == 5 || type == 6 || type == 7));
	gate->selector = raw[0] >> 16 & 0xffff;
	gate->offset = (raw[0] & 0xffff) | (raw[0] >> 32 & 0xffff0000);
	if (wide) {
		gate->offset |= raw[1] << 32;
		gate->ist = raw[0] >> 32 & 7;
	}
}

/*
 * Finds the top of the stack that a handler starts on. Returns false if it is not known. In a
 * 64-bit TSS, RSP0 is at 4 and IST1 at 0x24.
 */
static bool handler_stack(const struct facts *f, const struct idt_gate *gate, uint64_t *rsp)
{
	const struct kvm_sregs *s = &f->cpu->sregs;
	uint64_t at = s->tr.base + (gate->ist ? 0x24 + (gate->ist - 1) * 8ULL : 4);

	*rsp = cpu_linear_rsp(f->cpu);
	if (!gate->ist && !f->paging.user)
		return true;
	return s->efer & EFER_LMA &&
	       gva_read(f->mem, &f->paging, at, rsp, sizeof(*rsp)) == sizeof(*rsp);
}

static void check_stack(const struct facts *f, const struct idt_gate *gate, char *why, size_t n)
{
	struct paging kernel = f->paging;
	uint64_t rsp;
	struct pagewalk w;
	char text[96];

	kernel.user = false;
	if (!handler_stack(f, gate, &rsp))
		return;
	pagewalk(&w, f->mem, &kernel, (rsp & ~15ULL) - 8, WALK_WRITE);
	if (w.result == WALK_OK)
		return;
	walk_result_text(&w, text, sizeof(text));
	snprintf(why, n, "no frame can be pushed at %s 0x%" PRIx64 ": %s",
		 gate->ist	  ? "the IST stack"
		 : f->paging.user ? "the TSS's stack"
				  : "RSP",
		 rsp, text);
}

/*
 * Sets @why to the reason why the handler of @vector cannot be entered, or to "" if none is found.
 */
static void check_delivery(const struct facts *f, unsigned int vector, char *why, size_t n)
{
	char buf[96], name[24];
	const char *bad;
	struct idt_gate gate;

	idt_read_gate(&gate, f->cpu, f->mem, vector, why, n);
	if (why[0] || !(f->cpu->sregs.cr0 & CR0_PE))
		return;
	cpu_vector_name(vector, name, sizeof(name));
	if (!gate.present || !gate.valid) {
		snprintf(why, n, "the IDT's gate for %s %s",
			 cpu_vector_name(vector, name, sizeof(name)),
			 gate.present ? "is no interrupt or trap gate" : "is not present");
		return;
	}
	bad = bad_code_selector(f, gate.selector, buf, sizeof(buf));
	if (bad)
		snprintf(why, n, "the code segment 0x%x of the gate for %s %s", gate.selector,
			 cpu_vector_name(vector, name, sizeof(name)), bad);
	else
		check_stack(f, &gate, why, n);
}

static void explain_delivery(struct facts *f)
{
	char second[FAULT_TEXT_BYTES], first[FAULT_TEXT_BYTES];
	char *out = f->fault->delivery;
	size_t n = sizeof(f->fault->delivery);

	check_delivery(f, f->fault->vector < 0 ? VECTOR_DF : (unsigned int)f->fault->vector, first,
		       sizeof(first));
	if (!first[0])
		return;
	check_delivery(f, VECTOR_DF, second, sizeof(second));
	if (f->fault->vector == VECTOR_DF || f->fault->vector < 0 || !strcmp(first, second) ||
	    !second[0])
		snprintf(out, n, "%s", first);
	else
		snprintf(out, n, "%s; for the double fault, %s", first, second);
}

/* ---- the instruction ------------------------------------------------------------------------- */

static bool cannot_fetch(struct facts *f, const uint8_t *code, size_t len)
{
	struct pagewalk w;
	char text[96];

	pagewalk(&w, f->mem, &f->paging, f->rip, WALK_FETCH);
	walk_result_text(&w, text, sizeof(text));
	if (w.result == WALK_NON_CANONICAL)
		found(f, VECTOR_GP,
		      "fetching an instruction at 0x%" PRIx64 ": the address is not canonical",
		      f->rip);
	else if (w.result)
		found(f, VECTOR_PF, "fetching an instruction at 0x%" PRIx64 ": %s", f->rip, text);
	else if (!len)
		found(f, VECTOR_UD,
		      "or an endless loop: RIP 0x%" PRIx64 " is mapped to 0x%" PRIx64
		      ", where there is no memory",
		      f->rip, w.gpa);
	else if (len >= 2 && !code[0] && !code[1])
		return false; /* zeros decode as an access through RAX, which may fault */
	return f->fault->vector >= 0;
}

/* Finds instructions that are not enabled, which counts before the memory that they access. */
static bool not_enabled(struct facts *f)
{
	const struct insn *in = &f->insn;
	const struct kvm_sregs *s = &f->cpu->sregs;

	if (in->map & INSN_VEX && !(s->cr4 & CR4_OSXSAVE))
		found(f, VECTOR_UD, "by an AVX instruction with CR4.OSXSAVE clear");
	else if (in->map == 0 && in->opcode >= 0xd8 && in->opcode <= 0xdf &&
		 s->cr0 & (CR0_EM | CR0_TS))
		found(f, VECTOR_NM, "by an FPU instruction with CR0.%s set",
		      s->cr0 & CR0_EM ? "EM" : "TS");
	else if (in->map == 0x0f && in->opcode >= 0x10 && in->opcode <= 0x17 &&
		 !(s->cr4 & CR4_OSFXSR))
		found(f, VECTOR_UD, "by an SSE instruction with CR4.OSFXSR clear");
	return f->fault->vector >= 0;
}

static bool bad_access(struct facts *f)
{
	for (unsigned int i = 0; i < f->insn.nr_touched; i++) {
		uint64_t gva = f->insn.touched[i].gva;
		bool write = f->insn.touched[i].write;
		struct pagewalk w;
		char text[96];

		pagewalk(&w, f->mem, &f->paging, gva, write ? WALK_WRITE : WALK_READ);
		walk_result_text(&w, text, sizeof(text));
		if (w.result == WALK_NON_CANONICAL)
			found(f, f->insn.touched[i].stack ? VECTOR_SS : VECTOR_GP,
			      "%s 0x%" PRIx64 ": the address is not canonical",
			      write ? "writing" : "reading", gva);
		else if (w.result)
			found(f, VECTOR_PF, "%s 0x%" PRIx64 "%s: %s", write ? "writing" : "reading",
			      gva, f->insn.touched[i].stack && write ? ", on the stack" : "", text);
		if (w.result)
			return true;
	}
	return false;
}

static bool bad_selector(struct facts *f, uint16_t selector, const char *doing, bool code)
{
	struct descriptor d;
	char buf[96];
	const char *why = read_descriptor(f, selector, &d, buf, sizeof(buf));

	if (!why && code && !d.code)
		why = "is no code segment";
	if (!why || (!code && !(selector & ~3)))
		return false;
	found(f,
	      selector & ~3 && (selector | 7U) <= f->cpu->sregs.gdt.limit &&
			      !strcmp(why, "is not present")
		      ? VECTOR_NP
		      : VECTOR_GP,
	      "%s: the selector 0x%x %s", doing, selector, why);
	return true;
}

/* Checks far returns, far jumps and loads of a segment register. */
static bool bad_segment_load(struct facts *f)
{
	const struct insn *in = &f->insn;
	unsigned int bytes = in->bits / 8, reg = insn_modrm_reg(in);
	uint64_t value = 0, rsp = cpu_linear_rsp(f->cpu);

	if (in->map || !(f->cpu->sregs.cr0 & CR0_PE))
		return false;
	if (in->opcode == 0xea || in->opcode == 0x9a)
		return bad_selector(f, (uint16_t)(in->imm_value >> (in->imm == 6 ? 32 : 16)),
				    "by a far jump", true);
	if (in->opcode == 0x8e && in->modrm >> 6 == 3)
		return bad_selector(
			f, (uint16_t)insn_reg(&f->cpu->regs, (in->modrm & 7) | (in->rex & 1) << 3),
			reg == 2 ? "by loading SS" : "by loading a segment register", false);
	if (in->opcode == 0xcb || in->opcode == 0xca || in->opcode == 0xcf) {
		if (in->opcode != 0xcb && in->bits == 64 && !(in->rex & 8))
			bytes = 4;
		else if (in->opcode == 0xcb && in->bits == 64)
			bytes = in->rex & 8 ? 8 : 4;
		if (gva_read(f->mem, &f->paging, rsp + bytes, &value, 2) == 2)
			return bad_selector(f, (uint16_t)value,
					    in->opcode == 0xcf ? "by iret" : "by a far return",
					    true);
	}
	return false;
}

static void bad_cr4(struct facts *f, uint64_t value)
{
	char bits[64] = "";

	for (unsigned int i = 0; i < 64; i++) {
		size_t at = strlen(bits);

		if (value & CR4_RESERVED & 1ULL << i)
			snprintf(bits + at, sizeof(bits) - at, " %u", i);
	}
	if (bits[0])
		found(f, VECTOR_GP, "writing 0x%" PRIx64 " to CR4, in which bit%s%s %s reserved",
		      value, bits[3] ? "s" : "", bits, bits[3] ? "are" : "is");
	else if (f->cpu->sregs.efer & EFER_LMA && !(value & CR4_PAE))
		found(f, VECTOR_GP, "writing 0x%" PRIx64 " to CR4, without PAE, in long mode",
		      value);
	else
		found(f, VECTOR_GP,
		      "writing 0x%" PRIx64 " to CR4 (now 0x%" PRIx64
		      "): most likely a bit that this processor lacks",
		      value, (uint64_t)f->cpu->sregs.cr4);
}

static bool bad_control_write(struct facts *f)
{
	const struct insn *in = &f->insn;
	uint64_t value = insn_reg(&f->cpu->regs, (in->modrm & 7) | (in->rex & 1) << 3);
	const struct kvm_sregs *s = &f->cpu->sregs;
	unsigned int cr = insn_modrm_reg(in) | (in->rex & 4) << 1;

	if (in->map != 0x0f || in->opcode != 0x22)
		return false;
	if (cr == 4) {
		bad_cr4(f, value);
		return true;
	}
	if (cr != 0 || !(value & CR0_PG))
		return false;
	if (!(value & CR0_PE))
		found(f, VECTOR_GP, "setting CR0.PG without CR0.PE");
	else if (s->efer & EFER_LME && !(s->cr4 & CR4_PAE))
		found(f, VECTOR_GP, "setting CR0.PG with EFER.LME but without CR4.PAE");
	return f->fault->vector >= 0;
}

static bool divides_by_zero(struct facts *f)
{
	const struct insn *in = &f->insn;

	if (in->map || (in->opcode != 0xf6 && in->opcode != 0xf7) || insn_modrm_reg(in) < 6 ||
	    in->modrm >> 6 != 3)
		return false;
	if (insn_reg(&f->cpu->regs, (in->modrm & 7) | (in->rex & 1) << 3))
		return false;
	found(f, VECTOR_DE, "dividing by zero");
	return true;
}

/* Finds instructions that raise the exception by definition, or nearly always cause it. */
static bool named_by_opcode(struct facts *f)
{
	const struct insn *in = &f->insn;
	uint32_t ecx = (uint32_t)f->cpu->regs.rcx;

	if (in->map == 0x0f && (in->opcode == 0x0b || in->opcode == 0xb9 || in->opcode == 0xff))
		found(f, VECTOR_UD, "by the instruction ud%c",
		      in->opcode == 0x0b   ? '2'
		      : in->opcode == 0xb9 ? '1'
					   : '0');
	else if (in->map == 0 && in->opcode == 0xcc)
		found(f, VECTOR_BP, "by the instruction int3");
	else if (in->map == 0 && in->opcode == 0xcd)
		found(f, (int)(in->imm_value & 0xff), "by the instruction int 0x%x",
		      (unsigned int)in->imm_value & 0xff);
	else if (in->map == 0x0f && (in->opcode == 0x30 || in->opcode == 0x32))
		found(f, VECTOR_GP,
		      "%s MSR 0x%x, which the guest's processor does not have or does not allow",
		      in->opcode == 0x30 ? "writing" : "reading", ecx);
	return f->fault->vector >= 0;
}

/*
 * Finds an indirect near call or jump, or a return, to an address that is not canonical: on some
 * processors RIP stays at the instruction.
 */
static bool bad_target(struct facts *f)
{
	const struct insn *in = &f->insn;
	unsigned int reg = insn_modrm_reg(in);
	uint64_t target = 0;
	struct pagewalk w;

	if (in->map || in->bits != 64)
		return false;
	if (in->opcode == 0xff && (reg == 2 || reg == 4) && in->modrm >> 6 == 3)
		target = insn_reg(&f->cpu->regs, (in->modrm & 7) | (in->rex & 1) << 3);
	else if (!((in->opcode == 0xff && (reg == 2 || reg == 4)) || in->opcode == 0xc3 ||
		   in->opcode == 0xc2) ||
		 !in->nr_touched ||
		 gva_read(f->mem, &f->paging, in->touched[0].gva, &target, 8) != 8)
		return false;
	pagewalk(&w, f->mem, &f->paging, target, WALK_FETCH);
	if (w.result != WALK_NON_CANONICAL)
		return false;
	found(f, VECTOR_GP, "going to 0x%" PRIx64 ": the address is not canonical", target);
	return true;
}

/* Takes an exception that KVM reports as pending. */
static bool pending(struct facts *f)
{
	const struct kvm_vcpu_events *e = &f->cpu->events;

	if (!e->exception.injected && !e->exception.pending)
		return false;
	if (e->exception.nr == VECTOR_PF)
		found(f, e->exception.nr, "at 0x%" PRIx64 ", error code 0x%x",
		      (uint64_t)f->cpu->sregs.cr2, e->exception.error_code);
	else if (e->exception.has_error_code)
		found(f, e->exception.nr, "with error code 0x%x", e->exception.error_code);
	else
		found(f, e->exception.nr, "pending");
	return true;
}

void fault_explain(struct fault *fault, const struct cpu_state *cpu, const struct gmem *mem)
{
	struct facts f = {
		.fault = fault,
		.cpu = cpu,
		.mem = mem,
		.paging = fault_paging(cpu),
		.rip = cpu_linear_rip(cpu),
	};
	uint8_t code[INSN_MAX_BYTES];
	size_t len = gva_read(mem, &f.paging, f.rip, code, sizeof(code));
	bool known;

	*fault = (struct fault){ .vector = -1 };
	known = cannot_fetch(&f, code, len);
	if (!known && insn_decode(&f.insn, code, len, &cpu->regs, &cpu->sregs))
		known = not_enabled(&f) || bad_access(&f) || bad_segment_load(&f) ||
			bad_control_write(&f) || divides_by_zero(&f) || bad_target(&f) ||
			named_by_opcode(&f);
	if (!known)
		pending(&f);
	explain_delivery(&f);
}
