/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The post-mortem: a vCPU's story in a screen of text that a developer can paste into a mail.
 * Printed of gathered state and guest memory, so that it can be tested without KVM. On the vCPU's
 * own thread, or when it does not run.
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
	/* it runs by the physical addresses of the kernel's image, which @symbols have names for */
	bool at_image;
	/* the guest kernel's own, by the addresses of this boot; NULL: none */
	const struct symbols *kernel;
	/* Why it stopped: "triple fault"; NULL: it did not by itself. */
	const char *stopped_by;
	const char *panic, *bug; /* what the kernel's log says of these; NULL or "": nothing */
	/* it was started as a bzImage, and no kernel is to be found that is unpacked */
	bool packed;
	bool early; /* its decompressor prints */
	bool triple_fault;
	bool brief;	  /* a few lines only */
	bool disassemble; /* by a program, see disassemble() */
	/*
	 * What the registers are a sample from, when KVM has lost them; 0: they are the present
	 * ones.
	 */
	uint64_t sample_age_us;
	bool sampled, lost; /* lost: there is not even a sample */
	/* KVM has lost them, but they are from right before the last instruction */
	bool retraced;
	/* The recorder's events, NULL for none; what they are shown with. */
	const struct recorder *events;
	const struct event_view *irqs; /* oldest first */
	unsigned int nr_irqs;
	const struct bus *pio, *mmio; /* for the devices' names */
	uint64_t now_ticks;
	uint64_t ticks_khz; /* 0: not known, no times */
};

void postmortem_print(FILE *f, const struct postmortem *pm);

/* The sentence about a panic, and about the BUG before it; NULL or "": nothing. */
void postmortem_print_panic(FILE *f, const char *panic, const char *bug);

/*
 * Disassembles @code, which lies at @addr, by objdump(1). False: not installed, or it failed;
 * nothing was printed.
 */
bool disassemble(FILE *f, const uint8_t *code, size_t len, uint64_t addr, unsigned int bits,
		 unsigned int max_lines);

/* last_events.c: the last events, one a line, repeated ones in one. */
void postmortem_print_events(FILE *f, const struct postmortem *pm);

/*
 * backtrace.c: the first words on the stack, and a backtrace: by ORC, else by frame pointers, else
 * what may be return addresses.
 */
void postmortem_print_stack(FILE *f, const struct postmortem *pm);

/*
 * Who called the code at RIP, if that is certain, but for functions that only wait: "panic+0x1c6";
 * "" else. Cut to fit @n, which is not 0; returns @buf.
 */
const char *postmortem_caller(const struct postmortem *pm, char *buf, size_t n);

#endif
