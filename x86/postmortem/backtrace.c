/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints the stack of a vCPU: the first words, and a backtrace.
 *
 * - By ORC if the kernel has its tables. This is certain, and the output marks the frames that are
 *   not.
 * - Else by frame pointers. Their chain ends after MAX_FRAMES, or where it does not lead upwards,
 *   so it cannot loop.
 * - If that gives only a frame or two, by the words on the stack that have a name.
 */
#include "fault.h"
#include "page.h"
#include "x86/linux/orc.h"

#include <inttypes.h>
#include <string.h>

#define STACK_WORDS 16
#define WORDS_A_LINE 4
#define NAMED_WORDS 64
#define LOWEST_CODE (64 * KIB) /* a lower word is a number */
#define MAX_FRAMES 8
#define MAX_ORC_FRAMES 24
/* Includes repeated frames, of which only the number is printed. */
#define MAX_WALKED 4096
/* A frame pointer that leads further up than this is not one. */
#define MAX_FRAME_BYTES (64 * KIB)
#define SYMBOL_BYTES 200

static unsigned int word_bytes(const struct cpu_state *s)
{
	return cpu_in_64bit(s) ? 8 : s->sregs.cs.db ? 4 : 2;
}

static void print_words(FILE *f, const struct postmortem *pm)
{
	struct paging paging = fault_paging(pm->cpu);
	unsigned int bytes = word_bytes(pm->cpu), nr;
	uint64_t rsp = cpu_linear_rsp(pm->cpu);
	uint8_t raw[STACK_WORDS * 8];

	nr = (unsigned int)gva_read(pm->mem, &paging, rsp, raw, (size_t)STACK_WORDS * bytes) /
	     bytes;
	if (!nr)
		fputs("  stack: none can be read at RSP\n", f);
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t word = 0;

		memcpy(&word, raw + (size_t)i * bytes, bytes);
		fprintf(f, "%s%0*" PRIx64 "%s",
			i == 0		   ? "  stack: "
			: i % WORDS_A_LINE ? " "
					   : "         ",
			(int)bytes * 2, word,
			i % WORDS_A_LINE == WORDS_A_LINE - 1 || i + 1 == nr ? "\n" : "");
	}
}

static void print_return(FILE *f, const struct postmortem *pm, uint64_t addr)
{
	char name[SYMBOL_BYTES];

	symbols_return_text(pm->symbols, addr, name, sizeof(name));
	fprintf(f, "    %016" PRIx64 "%s%s\n", addr, name[0] ? " " : "", name);
}

/* Prints the words on the stack that have a name, for code without frame pointers. */
static void print_named_words(FILE *f, const struct postmortem *pm)
{
	struct paging paging = fault_paging(pm->cpu);
	unsigned int bytes = word_bytes(pm->cpu), nr, found = 0;
	uint8_t raw[NAMED_WORDS * 8];
	char name[SYMBOL_BYTES];

	nr = (unsigned int)gva_read(pm->mem, &paging, cpu_linear_rsp(pm->cpu), raw,
				    (size_t)NAMED_WORDS * bytes) /
	     bytes;
	for (unsigned int i = 0; i < nr && found < MAX_FRAMES; i++) {
		uint64_t word = 0;

		memcpy(&word, raw + (size_t)i * bytes, bytes);
		if (word < LOWEST_CODE ||
		    !symbols_return_text(pm->symbols, word, name, sizeof(name))[0])
			continue;
		if (!found++)
			fputs("  on the stack, maybe return addresses:\n", f);
		fprintf(f, "    %016" PRIx64 " %s\n", word, name);
	}
}

/* Frames of a function that called itself: printed as a line and a number. */
struct repeats {
	uint64_t addr;
	unsigned int nr;
};

static void end_repeats(FILE *f, struct repeats *r)
{
	if (r->nr)
		fprintf(f, "    (the same %u times more)\n", r->nr);
	r->nr = 0;
}

static bool is_repeated(FILE *f, struct repeats *r, uint64_t addr)
{
	if (addr == r->addr) {
		r->nr++;
		return true;
	}
	end_repeats(f, r);
	r->addr = addr;
	return false;
}

/*
 * Each frame is the caller's frame pointer, then the return address. Returns the number of frames.
 */
static unsigned int print_backtrace(FILE *f, const struct postmortem *pm)
{
	struct paging paging = fault_paging(pm->cpu);
	unsigned int bytes = word_bytes(pm->cpu);
	uint64_t rsp = cpu_linear_rsp(pm->cpu), rbp = pm->cpu->regs.rbp, low = rsp;
	struct repeats repeats = { .addr = 0 };
	unsigned int walked = 0;

	for (unsigned int nr = 0; nr < MAX_FRAMES && walked < MAX_WALKED; walked++) {
		uint64_t caller = 0, addr = 0;
		uint8_t raw[16];

		if (rbp < low || rbp - low > MAX_FRAME_BYTES ||
		    gva_read(pm->mem, &paging, rbp, raw, 2ULL * bytes) != 2ULL * bytes)
			break;
		memcpy(&caller, raw, bytes);
		memcpy(&addr, raw + bytes, bytes);
		if (walked == 0)
			fputs("  called from (by frame pointers):\n", f);
		if (!is_repeated(f, &repeats, addr)) {
			print_return(f, pm, addr);
			nr++;
		}
		low = rbp + 1;
		rbp = caller;
	}
	end_repeats(f, &repeats);
	return walked;
}

static bool open_orc(struct orc *orc, struct paging *paging, const struct postmortem *pm)
{
	*paging = fault_paging(pm->cpu);
	if (!cpu_in_64bit(pm->cpu) || paging->user || pm->at_image)
		return false;
	return orc_open(orc, pm->mem, paging, pm->kernel) ||
	       (pm->slide_known && orc_open(orc, pm->mem, paging, pm->symbols));
}

static const char *frame_name(const struct postmortem *pm, const struct unwind *u, char *buf,
			      size_t n)
{
	return u->interrupted ? symbols_text(pm->symbols, u->ip, buf, n)
			      : symbols_return_text(pm->symbols, u->ip, buf, n);
}

/*
 * Steps to the next frame by ORC or, if ORC has no more, by the words on the stack. Returns false
 * at the end.
 */
static bool next_frame(FILE *f, const struct orc *orc, struct unwind *u, struct repeats *repeats)
{
	bool guessed = u->guessed;

	if (orc_next(orc, u))
		return true;
	if (u->end != UNWIND_LOST || !orc_guess(orc, u))
		return false;
	if (guessed)
		return true;
	end_repeats(f, repeats);
	fputs("    (ORC ends here; lines with a ? were found on the stack)\n", f);
	return true;
}

/* Returns false, with nothing printed, if there is no ORC. */
static bool print_orc_backtrace(FILE *f, const struct postmortem *pm)
{
	char name[SYMBOL_BYTES];
	struct paging paging;
	struct repeats repeats = { .addr = 0 };
	unsigned int nr = 0, walked = 0;
	struct unwind u;
	struct orc orc;

	if (!open_orc(&orc, &paging, pm))
		return false;
	fputs("  called from (by ORC):\n", f);
	for (orc_start(&u, &pm->cpu->regs); next_frame(f, &orc, &u, &repeats); walked++) {
		if (is_repeated(f, &repeats, u.ip) && walked < MAX_WALKED)
			continue;
		if (nr++ == MAX_ORC_FRAMES || walked == MAX_WALKED) {
			fputs("    (and more)\n", f);
			return true;
		}
		fprintf(f, "  %c %016" PRIx64 " %s%s\n", u.guessed ? '?' : ' ', u.ip,
			frame_name(pm, &u, name, sizeof(name)),
			u.interrupted ? " (interrupted here)" : "");
	}
	end_repeats(f, &repeats);
	if (u.end == UNWIND_USER)
		fprintf(f, "    (from user space, RIP=%" PRIx64 ")\n", u.ip);
	else if (!nr)
		fputs(u.end == UNWIND_BOTTOM ? "    no caller: it is the first function\n"
					     : "    no caller found\n",
		      f);
	return true;
}

/* Whether @name is a function that others call to wait, so it is not to blame. */
static bool only_waits(const char *name)
{
	static const char *const begins[] = {
		"delay_",  "__delay", "__const_udelay", "__udelay",
		"native_", "_raw_",   "default_idle",	"queued_",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(begins); i++) {
		if (!strncmp(name, begins[i], strlen(begins[i])))
			return true;
	}
	return false;
}

const char *postmortem_caller(const struct postmortem *pm, char *buf, size_t n)
{
	struct paging paging;
	struct unwind u;
	struct orc orc;

	*buf = '\0';
	if (!open_orc(&orc, &paging, pm))
		return buf;
	orc_start(&u, &pm->cpu->regs);
	for (unsigned int i = 0; i < MAX_FRAMES && orc_next(&orc, &u); i++) {
		if (!only_waits(frame_name(pm, &u, buf, n)))
			return buf;
	}
	*buf = '\0';
	return buf;
}

void postmortem_print_stack(FILE *f, const struct postmortem *pm)
{
	print_words(f, pm);
	if (print_orc_backtrace(f, pm))
		return;
	/* One or two frames may be chance: Linux has no frame pointers by default. */
	if (word_bytes(pm->cpu) > 2 && print_backtrace(f, pm) < 3)
		print_named_words(f, pm);
}
