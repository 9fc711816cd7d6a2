/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints a post-mortem in the order in which a developer looks for a cause.
 *
 * The order is: where and in which state the processor is; how RIP, RSP and CR2 are mapped; the
 * code; the stack; the IDT gate; the last events; and at the end the sentence that the facts allow.
 *
 * At most 60 lines for one vCPU, two for those that are not to blame. All data comes from a guest
 * that may have gone wild: it is read by checked accessors and printed as numbers, our own names,
 * or symbols.
 */
#include "page.h"

#include "fault.h"
#include "x86/cpu/x86_bits.h"
#include "x86/linux/linux.h"

#include <inttypes.h>
#include <string.h>

#define CODE_BYTES 48
#define CODE_BEFORE 16
#define MAX_DISASSEMBLY 6
#define SYMBOL_BYTES 200

/* Writes "in NAME+0x1f", or the bare address. */
static const char *place(const struct postmortem *pm, uint64_t addr, char *buf, size_t n)
{
	char name[SYMBOL_BYTES];

	if (symbols_text(pm->symbols, addr, name, sizeof(name))[0])
		snprintf(buf, n, "in %.*s", (int)(n > 16 ? n - 16 : 0), name);
	else
		snprintf(buf, n, "%sat RIP 0x%" PRIx64,
			 pm->cpu->sregs.cr0 & CR0_PE && pm->cpu->sregs.ss.dpl == 3
				 ? "in user space, "
				 : "",
			 addr);
	return buf;
}

static const char *activity(const struct postmortem *pm)
{
	bool interrupts = pm->cpu->regs.rflags & RFLAGS_IF;

	switch (pm->cpu->mp_state) {
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
		return "not started";
	case KVM_MP_STATE_SIPI_RECEIVED:
		return "starting";
	case KVM_MP_STATE_HALTED:
		return interrupts ? "halted, waiting for an interrupt"
				  : "halted with interrupts off: nothing wakes it";
	default:
		return pm->stopped_by ? pm->stopped_by
		       : interrupts   ? "running"
				      : "running with interrupts off";
	}
}

static void print_head(FILE *f, const struct postmortem *pm)
{
	const struct cpu_state *s = pm->cpu;
	char where[SYMBOL_BYTES];
	struct paging paging = fault_paging(s);

	fprintf(f, "vCPU %u: %s", s->index, activity(pm));
	if (!pm->lost)
		fprintf(f, "; %s, ring %u, interrupts %s, %s; %s", cpu_mode_name(s),
			s->sregs.cr0 & CR0_PE ? s->sregs.ss.dpl : 0U,
			s->regs.rflags & RFLAGS_IF ? "on" : "off",
			paging_mode_name(paging_mode(&paging)),
			place(pm, cpu_linear_rip(s), where, sizeof(where)));
	fputc('\n', f);
	if (pm->lost)
		fputs("  KVM on this CPU resets a vCPU's registers at a triple fault, and no earlier exit\n"
		      "  had saved them. Memory is as the guest left it.\n",
		      f);
	else if (pm->sampled)
		fprintf(f,
			"  KVM on this CPU resets a vCPU's registers at a triple fault. These are from an exit %" PRIu64
			" us before it.\n",
			pm->sample_age_us);
	else if (pm->retraced)
		fputs("  KVM on this CPU resets a vCPU's registers at a triple fault. The guest was run again, its end step by step:\n"
		      "  these are from before the last instruction.\n",
		      f);
	if (!pm->lost && pm->at_image)
		fputs("  (at physical addresses, before the kernel's own page tables are on: names are those of the code there)\n",
		      f);
	else if (!pm->lost && pm->symbols && !pm->slide_known && s->sregs.efer & EFER_LMA)
		fputs("  (KASLR's offset is not known: symbols are at their linked addresses)\n",
		      f);
}

static void print_walks(FILE *f, const struct postmortem *pm)
{
	const struct cpu_state *s = pm->cpu;
	struct paging paging = fault_paging(s);
	const struct {
		const char *name;
		uint64_t gva;
		enum walk_access access;
	} row[] = {
		{ "RIP", cpu_linear_rip(s), WALK_FETCH },
		{ "RSP", cpu_linear_rsp(s), WALK_WRITE },
		{ "CR2", s->sregs.cr2, WALK_READ },
	};
	struct pagewalk walk[ARRAY_SIZE(row)];

	if (paging_mode(&paging) == PAGING_NONE)
		return;
	fprintf(f, "  page tables, CR3=%" PRIx64 ":\n", (uint64_t)s->sregs.cr3);
	for (unsigned int i = 0; i < ARRAY_SIZE(row); i++) {
		if (row[i].access == WALK_READ && !row[i].gva)
			continue; /* no page fault yet, most likely */
		pagewalk(&walk[i], pm->mem, &paging, row[i].gva, row[i].access);
		fprintf(f, "   %s %016" PRIx64 "\n", row[i].name, row[i].gva);
		pagewalk_print(f, &walk[i], pm->mem, i ? &walk[0] : NULL);
	}
}

static void print_code(FILE *f, const struct postmortem *pm)
{
	struct paging paging = fault_paging(pm->cpu);
	uint64_t rip = cpu_linear_rip(pm->cpu);
	bool wide = cpu_in_64bit(pm->cpu);
	uint8_t before[CODE_BEFORE], code[CODE_BYTES - CODE_BEFORE];
	size_t nr = gva_read(pm->mem, &paging, rip, code, sizeof(code));
	bool has_before =
		gva_read(pm->mem, &paging, rip - CODE_BEFORE, before, CODE_BEFORE) == CODE_BEFORE;

	fputs("  code:", f);
	for (unsigned int i = 0; has_before && i < CODE_BEFORE; i++)
		fprintf(f, " %02x", before[i]);
	for (size_t i = 0; i < nr; i++)
		fprintf(f, i ? " %02x" : " <%02x>", code[i]);
	fputs(nr ? "\n" : " none can be read at RIP\n", f);
	if (nr && pm->disassemble)
		disassemble(f, code, nr, rip,
			    wide		   ? 64
			    : pm->cpu->sregs.cs.db ? 32
						   : 16,
			    MAX_DISASSEMBLY);
}

static void print_gate(FILE *f, const struct postmortem *pm, unsigned int vector)
{
	char why[FAULT_TEXT_BYTES], name[24], symbol[SYMBOL_BYTES];
	struct idt_gate gate;

	fprintf(f, "  IDT gate for %s: ", cpu_vector_name(vector, name, sizeof(name)));
	idt_read_gate(&gate, pm->cpu, pm->mem, vector, why, sizeof(why));
	if (why[0])
		fprintf(f, "%s\n", why);
	else if (!gate.present)
		fputs("not present\n", f);
	else
		fprintf(f, "%04x:%016" PRIx64 " %s, stack %s%.0u%s\n", gate.selector, gate.offset,
			symbols_text(pm->symbols, gate.offset, symbol, sizeof(symbol)),
			gate.ist ? "IST" : "as it is", gate.ist,
			gate.valid ? "" : ", no interrupt or trap gate");
}

/* What a vCPU that did not fault is doing; NULL: nothing special. */
static const char *loop_text(const struct postmortem *pm)
{
	struct paging paging = fault_paging(pm->cpu);
	bool interrupts = pm->cpu->regs.rflags & RFLAGS_IF;
	uint8_t code[4] = { 0 };
	size_t len = gva_read(pm->mem, &paging, cpu_linear_rip(pm->cpu), code, sizeof(code));

	if (pm->cpu->mp_state == KVM_MP_STATE_HALTED)
		return interrupts ? "is halted and waits for an interrupt"
				  : "is halted with interrupts off";
	if (pm->cpu->mp_state != KVM_MP_STATE_RUNNABLE || len < 2)
		return NULL;
	if (code[0] == 0xeb && code[1] == 0xfe)
		return interrupts ? "jumps to itself for ever"
				  : "jumps to itself for ever, with interrupts off";
	if (code[0] == 0xf3 && code[1] == 0x90)
		return interrupts ? "waits in a pause loop"
				  : "waits in a pause loop, with interrupts off";
	return interrupts ? "runs" : "runs with interrupts off";
}

/* Prints how the vCPU ended, or what it is doing. */
static void print_sentence(FILE *f, const struct postmortem *pm, const struct fault *fault)
{
	char where[SYMBOL_BYTES], caller[SYMBOL_BYTES];
	const char *loop;

	place(pm, cpu_linear_rip(pm->cpu), where, sizeof(where));
	if (pm->lost) {
		fprintf(f,
			"=> %s; its RIP is not known: it came before the first exit, or KVM has lost the registers\n",
			pm->stopped_by);
		return;
	}
	if (pm->sampled) {
		fprintf(f, "=> %s; %" PRIu64 " us before it, vCPU %u was %s\n", pm->stopped_by,
			pm->sample_age_us, pm->cpu->index, where);
		return;
	}
	if (pm->stopped_by) {
		fprintf(f, "=> %s %s%s%s", pm->stopped_by, where, fault->what[0] ? ": " : "",
			fault->what);
		if (pm->triple_fault && fault->delivery[0])
			fprintf(f, "; %s, so the fault could not be delivered", fault->delivery);
		fputc('\n', f);
		return;
	}
	loop = loop_text(pm);
	if (loop)
		fprintf(f, "=> vCPU %u %s, %s%s%s\n", pm->cpu->index, loop, where,
			postmortem_caller(pm, caller, sizeof(caller))[0] ? ", called from " : "",
			caller);
}

/*
 * Reports that no unpacked kernel was found. A decompressor runs in low memory, but Linux does not:
 * without kallsyms only RIP shows that a kernel is unpacked.
 */
static void print_packed(FILE *f, const struct postmortem *pm)
{
	if (pm->packed && !pm->at_image && !pm->lost && !pm->sampled &&
	    cpu_linear_rip(pm->cpu) < LINUX_LOWEST)
		fprintf(f,
			"=> no unpacked kernel is in memory: this is the bzImage's own code, most likely its decompressor%s\n",
			pm->early ? "" : "; --early makes it print what is wrong");
}

void postmortem_print_panic(FILE *f, const char *panic, const char *bug)
{
	if (panic && panic[0])
		fprintf(f, "=> the kernel has panicked: %s%s%s\n", panic,
			bug && bug[0] ? "; before that, BUG: " : "", bug ? bug : "");
}

void postmortem_print(FILE *f, const struct postmortem *pm)
{
	struct fault fault = { .vector = -1 };
	bool seen = !pm->lost && !pm->sampled;

	print_head(f, pm);
	if (pm->brief)
		return;
	if (seen && pm->stopped_by)
		fault_explain(&fault, pm->cpu, pm->mem);
	if (!pm->lost) {
		cpu_print(f, pm->cpu);
		print_walks(f, pm);
		print_code(f, pm);
		postmortem_print_stack(f, pm);
	}
	if (fault.vector >= 0)
		print_gate(f, pm, (unsigned int)fault.vector);
	postmortem_print_events(f, pm);
	print_sentence(f, pm, &fault);
	print_packed(f, pm);
	postmortem_print_panic(f, pm->panic, pm->bug);
}
