/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks a kernel's stack by ORC's two tables, which are sorted in the same order.
 *
 * For each range of instructions, the first table has the range's start, as a distance from the
 * entry itself. The second has an entry of six bytes: two distances, the registers that they count
 * from, and bits. The meaning of the bits has changed:
 *
 *	up to 6.3: type in two bits (0 call, 1 registers, 2 part of the registers), then `end`, or
 *	  `signal` and `end`
 *	since 6.4: type in three bits (0 unknown, 1 end of stack, 2 call, 3 registers, 4 part of the
 *	  registers), then `signal`
 *
 * Nearly all entries are calls, so the most frequent type shows which layout it is. `signal` is not
 * needed: it means that the frame above was interrupted, and entries of the type "registers" show
 * the same.
 *
 * The tables cover only the kernel's own code. A module has tables of its own, in structures whose
 * layout is not known: the chain is lost there, and orc_guess() finds the next caller on the stack.
 */
#include "orc.h"

#include <stddef.h>
#include <string.h>

#define ENTRY_BYTES 6
#define MAX_ENTRIES (1U << 24)
#define NR_SAMPLES 256
/* On one stack frames lead upwards; a step down of this much or more leads to another stack. */
#define STACK_BYTES (16 * KIB)
#define GUESS_WORDS 256
#define CALL_BYTES 7 /* the longest call instruction, except with prefixes that are not used */

enum orc_reg {
	REG_UNDEFINED,
	REG_PREV_SP,
	REG_DX,
	REG_DI,
	REG_BP,
	REG_SP,
	REG_R10,
	REG_R13,
	REG_BP_INDIRECT,
	REG_SP_INDIRECT,
};

enum orc_type { TYPE_UNKNOWN, TYPE_END, TYPE_CALL, TYPE_REGS, TYPE_PARTIAL };

struct entry {
	int16_t sp_offset, bp_offset;
	unsigned int sp_reg, bp_reg;
	enum orc_type type;
};

/* Offsets in struct pt_regs, which the kernel's entry code pushes. */
#define PT_R13 16
#define PT_BP 32
#define PT_R10 56
#define PT_DX 96
#define PT_DI 112
#define PT_FRAME 128 /* struct hw_frame, which the processor pushes */

struct hw_frame {
	uint64_t ip, cs, flags, sp, ss;
};

static bool get(const struct orc *o, uint64_t gva, void *value, size_t size)
{
	return gva_read(o->mem, o->paging, gva, value, size) == size;
}

/* Reads the start of the range of entry @index. */
static bool read_ip(const struct orc *o, uint32_t index, uint64_t *ip)
{
	uint64_t at = o->ips + 4ULL * index;
	int32_t distance;

	if (!get(o, at, &distance, sizeof(distance)))
		return false;
	*ip = at + (uint64_t)(int64_t)distance;
	return true;
}

static enum orc_type type_of(bool typed, unsigned int sp_reg, unsigned int bits)
{
	static const enum orc_type old[] = { TYPE_CALL, TYPE_REGS, TYPE_PARTIAL, TYPE_UNKNOWN };

	if (typed)
		return (bits & 7) <= TYPE_PARTIAL ? (enum orc_type)(bits & 7) : TYPE_UNKNOWN;
	if (sp_reg == REG_UNDEFINED)
		return bits & 0xc ? TYPE_END : TYPE_UNKNOWN;
	return old[bits & 3];
}

static bool read_entry(const struct orc *o, uint32_t index, struct entry *e)
{
	uint8_t raw[ENTRY_BYTES];

	if (!get(o, o->entries + (uint64_t)ENTRY_BYTES * index, raw, sizeof(raw)))
		return false;
	memcpy(&e->sp_offset, raw, 2);
	memcpy(&e->bp_offset, raw + 2, 2);
	e->sp_reg = raw[4] & 15;
	e->bp_reg = raw[4] >> 4;
	e->type = type_of(o->typed, e->sp_reg, raw[5]);
	return true;
}

/*
 * Finds the layout by the type of entries whose caller's frame is relative to RSP: they are mostly
 * calls. Returns false if no entry is a call in either layout, as in a table that is not ORC's.
 */
static bool find_layout(struct orc *o)
{
	unsigned int calls[3] = { 0 };

	for (uint32_t i = 0; i < NR_SAMPLES; i++) {
		uint8_t raw[ENTRY_BYTES];
		uint64_t index = (uint64_t)o->nr * i / NR_SAMPLES;

		if (get(o, o->entries + ENTRY_BYTES * index, raw, sizeof(raw)) &&
		    (raw[4] & 15) == REG_SP && (raw[5] & 7) <= 2)
			calls[raw[5] & 7]++;
	}
	o->typed = calls[2] > calls[0];
	return calls[0] || calls[2];
}

bool orc_open(struct orc *o, const struct gmem *mem, const struct paging *paging,
	      const struct symbols *symbols)
{
	uint64_t ips_end, entries_end, bytes;

	*o = (struct orc){ .mem = mem, .paging = paging };
	if (!symbols || !symbols_lookup(symbols, "__start_orc_unwind_ip", &o->ips) ||
	    !symbols_lookup(symbols, "__stop_orc_unwind_ip", &ips_end) ||
	    !symbols_lookup(symbols, "__start_orc_unwind", &o->entries) ||
	    !symbols_lookup(symbols, "__stop_orc_unwind", &entries_end))
		return false;
	bytes = ips_end - o->ips;
	if (ips_end < o->ips || entries_end < o->entries || bytes < 8 || bytes / 4 > MAX_ENTRIES ||
	    (entries_end - o->entries) / ENTRY_BYTES != bytes / 4)
		return false;
	o->nr = (uint32_t)(bytes / 4);
	return find_layout(o);
}

/* Finds the entry for the instruction at @ip. The last entry only ends the one before it. */
static bool find(const struct orc *o, uint64_t ip, struct entry *e)
{
	uint32_t low = 0, high = o->nr - 1;
	uint64_t begin, end;

	if (!read_ip(o, 0, &begin) || !read_ip(o, high, &end) || ip < begin || ip >= end)
		return false;
	while (high - low > 1) { /* low begins at or below ip, high above it */
		uint32_t mid = low + (high - low) / 2;

		if (!read_ip(o, mid, &begin))
			return false;
		if (begin <= ip)
			low = mid;
		else
			high = mid;
	}
	return read_entry(o, low, e);
}

void orc_start(struct unwind *u, const struct kvm_regs *regs)
{
	*u = (struct unwind){
		.ip = regs->rip,
		.sp = regs->rsp,
		.bp = regs->rbp,
		.r10 = regs->r10,
		.r13 = regs->r13,
		.rdx = regs->rdx,
		.rdi = regs->rdi,
		.all_known = true,
		.interrupted = true,
	};
}

/* Finds the stack pointer before the call, or the place of the saved registers. */
static bool find_frame(const struct orc *o, const struct unwind *u, const struct entry *e,
		       uint64_t *frame)
{
	uint64_t offset = (uint64_t)(int64_t)e->sp_offset;

	switch (e->sp_reg) {
	case REG_SP:
		*frame = u->sp + offset;
		return true;
	case REG_BP:
		*frame = u->bp + offset;
		return true;
	case REG_SP_INDIRECT:
		if (!get(o, u->sp, frame, 8))
			return false;
		*frame += offset;
		return true;
	case REG_BP_INDIRECT:
		return get(o, u->bp + offset, frame, 8);
	case REG_R10:
		*frame = u->r10;
		return u->all_known;
	case REG_R13:
		*frame = u->r13;
		return u->all_known;
	case REG_DX:
		*frame = u->rdx;
		return u->all_known;
	case REG_DI:
		*frame = u->rdi;
		return u->all_known;
	default:
		return false;
	}
}

/* Finds the caller's frame pointer; *bp stays if the function has not saved it. */
static bool find_bp(const struct orc *o, const struct entry *e, uint64_t frame, uint64_t *bp)
{
	uint64_t offset = (uint64_t)(int64_t)e->bp_offset;

	switch (e->bp_reg) {
	case REG_UNDEFINED:
		return true;
	case REG_PREV_SP:
		return get(o, frame + offset, bp, 8);
	case REG_BP:
		return get(o, *bp + offset, bp, 8);
	default:
		return false;
	}
}

static bool to_caller(const struct orc *o, struct unwind *u, uint64_t frame)
{
	uint64_t ip;

	if (!get(o, frame - 8, &ip, 8))
		return false;
	u->ip = ip;
	u->sp = frame;
	u->all_known = false;
	u->interrupted = false;
	return true;
}

/* Steps to the code that an interrupt, an exception or a system call has interrupted. */
static bool to_interrupted(const struct orc *o, struct unwind *u, uint64_t frame, bool all)
{
	struct hw_frame hw;

	if (!get(o, frame + (all ? PT_FRAME : 0), &hw, sizeof(hw)))
		return false;
	if (all && (!get(o, frame + PT_BP, &u->bp, 8) || !get(o, frame + PT_R10, &u->r10, 8) ||
		    !get(o, frame + PT_R13, &u->r13, 8) || !get(o, frame + PT_DX, &u->rdx, 8) ||
		    !get(o, frame + PT_DI, &u->rdi, 8)))
		return false;
	u->all_known = u->all_known || all;
	u->ip = hw.ip;
	u->sp = hw.sp;
	u->interrupted = true;
	if (hw.cs & 3)
		u->end = UNWIND_USER;
	return true;
}

static bool goes_back(uint64_t from, uint64_t to)
{
	return to <= from && from - to < STACK_BYTES;
}

static enum unwind_end step(const struct orc *o, struct unwind *u)
{
	uint64_t frame, bp = u->bp, from = u->sp;
	struct entry e;

	if (!find(o, u->interrupted ? u->ip : u->ip - 1, &e) || e.type == TYPE_UNKNOWN)
		return UNWIND_LOST;
	if (e.type == TYPE_END)
		return UNWIND_BOTTOM;
	if (!find_frame(o, u, &e, &frame) || !find_bp(o, &e, frame, &bp))
		return UNWIND_LOST;
	if (e.type == TYPE_CALL) {
		if (!to_caller(o, u, frame))
			return UNWIND_LOST;
		u->bp = bp;
	} else if (!to_interrupted(o, u, frame, e.type == TYPE_REGS)) {
		return UNWIND_LOST;
	}
	if (u->end == UNWIND_GOES_ON && goes_back(from, u->sp))
		return UNWIND_LOST;
	return u->end;
}

bool orc_next(const struct orc *o, struct unwind *u)
{
	struct unwind next = *u;

	next.end = UNWIND_GOES_ON;
	next.end = step(o, &next);
	if (next.end == UNWIND_GOES_ON || next.end == UNWIND_USER)
		*u = next;
	u->end = next.end;
	return u->end == UNWIND_GOES_ON;
}

/*
 * Whether the instruction before @ip is a call: E8 with a displacement, or FF /2 of any length
 * (Intel SDM vol. 2A).
 */
static bool is_after_call(const struct orc *o, uint64_t ip)
{
	uint8_t code[CALL_BYTES];

	if (!get(o, ip - CALL_BYTES, code, sizeof(code)))
		return false;
	if (code[CALL_BYTES - 5] == 0xe8)
		return true;
	for (unsigned int len = 2; len <= CALL_BYTES; len++) {
		const uint8_t *insn = code + CALL_BYTES - len;

		if (insn[0] == 0xff && (insn[1] >> 3 & 7) == 2)
			return true;
	}
	return false;
}

bool orc_guess(const struct orc *o, struct unwind *u)
{
	uint64_t at = align_up(u->sp, 8);
	struct entry e;
	uint64_t word;

	for (unsigned int i = 0; i < GUESS_WORDS; i++, at += 8) {
		if (!get(o, at, &word, sizeof(word)))
			return false;
		if (!find(o, word - 1, &e) || e.type == TYPE_UNKNOWN || !is_after_call(o, word))
			continue;
		*u = (struct unwind){ .ip = word, .sp = at + 8, .guessed = true };
		return true;
	}
	return false;
}
