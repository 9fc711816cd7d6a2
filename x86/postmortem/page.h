/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints the post-mortem of a vCPU: a screen of text that a developer can paste into a mail.
 *
 * It uses only gathered state and guest memory, so it can be tested without KVM. Thread: vCPU, or
 * any while the vCPU does not run.
 */
#ifndef X86_POSTMORTEM_PAGE_H
#define X86_POSTMORTEM_PAGE_H

#include "kvm/bus.h"
#include "kvm/recorder.h"
#include "x86/cpu/cpu.h"
#include "x86/linux/symbols.h"

struct postmortem {
	const struct cpu_state *cpu;
	const struct gmem *mem;
	const struct symbols *symbols; /* NULL: none */
	bool slide_known;	       /* see symbols_find_slide() */
	/* it runs at physical addresses of the kernel's image, for which @symbols has names */
	bool at_image;
	/* the guest kernel's own symbols, at their addresses in this boot; NULL: none */
	const struct symbols *kernel;
	/* Why it stopped, "triple fault" for example; NULL: it did not stop by itself. */
	const char *stopped_by;
	const char *panic, *bug; /* the kernel's log about these; NULL or "": nothing */
	/* the machine started a bzImage, and no unpacked kernel was found */
	bool packed;
	bool early; /* --early: its decompressor prints */
	bool triple_fault;
	bool brief;	  /* print a few lines only */
	bool disassemble; /* with a program, see disassemble() */
	/* The age of the sample if the registers are one, because KVM has lost them; else 0. */
	uint64_t sample_age_us;
	bool sampled, lost; /* KVM has lost the registers; lost: there is no sample either */
	/* KVM has lost the registers, but they are known from right before the last instruction */
	bool retraced;
	/* The recorder's events, NULL for none, and what is needed to print them. */
	const struct recorder *events;
	const struct event_view *irqs; /* oldest first */
	unsigned int nr_irqs;
	const struct bus *pio, *mmio; /* for the devices' names */
	uint64_t now_ticks;
	uint64_t ticks_khz; /* 0: not known, no times */
};

void postmortem_print(FILE *f, const struct postmortem *pm);

/* Prints the sentence about a panic, and about the BUG before it; NULL or "": there was none. */
void postmortem_print_panic(FILE *f, const char *panic, const char *bug);

/*
 * Disassembles @code, which is at @addr, with objdump(1). Returns false, with nothing printed, if
 * objdump is not installed or fails.
 */
bool disassemble(FILE *f, const uint8_t *code, size_t len, uint64_t addr, unsigned int bits,
		 unsigned int max_lines);

/*
 * Prints the lines of code in objdump's output, which are `ADDRESS:\tBYTES\tINSTRUCTION`, and
 * changes @out meanwhile. Returns whether there are any.
 */
bool disasm_print_lines(FILE *f, char *out, unsigned int max_lines);

/* last_events.c: prints the last events, one a line; repeated events share a line. */
void postmortem_print_events(FILE *f, const struct postmortem *pm);

/*
 * backtrace.c: prints the first words on the stack and a backtrace: by ORC, else by frame pointers,
 * else what may be return addresses.
 */
void postmortem_print_stack(FILE *f, const struct postmortem *pm);

/*
 * Finds the caller of the code at RIP, if that is certain, and skips functions that only wait:
 * "panic+0x1c6"; else "". Cuts the text to fit @n, which is not 0. Returns @buf.
 */
const char *postmortem_caller(const struct postmortem *pm, char *buf, size_t n);

#endif
