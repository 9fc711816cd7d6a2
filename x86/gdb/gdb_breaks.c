/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the debugger's breakpoints in a list; see gdb_breaks.h.
 *
 * Debug registers and planted bytes are made from the list each time.
 */
#include "gdb_breaks.h"

#include <errno.h>
#include <string.h>

#define INT3 0xcc

/* Bit 10, which reads as one; GE and LE, which old processors need for exact data breakpoints. */
#define DR7_FIXED 0x700
#define DR7_GLOBAL(n) (2ULL << (2 * (n)))
#define DR7_TYPE_SHIFT(n) (16 + 4 * (n))
#define TYPE_EXECUTE 0ULL
#define TYPE_WRITE 1ULL
#define TYPE_ACCESS 3ULL

static struct gdb_break_entry *find(struct gdb_breaks *b, enum gdb_break kind, uint64_t addr,
				    uint64_t len)
{
	bool watch = kind > GDB_BREAK_HARD;

	for (unsigned int i = 0; i < b->nr; i++) {
		struct gdb_break_entry *e = &b->at[i];

		if (e->kind == kind && e->addr == addr && (!watch || e->len == len))
			return e;
	}
	return NULL;
}

int gdb_breaks_add(struct gdb_breaks *b, enum gdb_break kind, uint64_t addr, uint64_t len,
		   gpa_t gpa)
{
	struct gdb_debug_regs d;

	if (kind == GDB_WATCH_READ)
		return -EOPNOTSUPP;
	if (kind > GDB_BREAK_HARD && !len)
		return -EINVAL;
	if (find(b, kind, addr, len))
		return 0;
	if (b->nr == GDB_MAX_BREAKS)
		return -ENOSPC;
	b->at[b->nr++] =
		(struct gdb_break_entry){ .kind = kind, .addr = addr, .len = len, .gpa = gpa };
	if (gdb_breaks_debug_regs(b, &d))
		return 0;
	b->nr--;
	return -ENOSPC;
}

int gdb_breaks_del(struct gdb_breaks *b, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	struct gdb_break_entry *e = find(b, kind, addr, len);

	if (!e)
		return -ENOENT;
	b->nr--;
	memmove(e, e + 1, (size_t)(b->at + b->nr - e) * sizeof(*e));
	return 0;
}

static void plant(struct gdb_break_entry *e, struct gmem *mem)
{
	static const uint8_t int3 = INT3;

	e->planted = !gmem_read(mem, e->gpa, &e->saved, 1) && !gmem_write(mem, e->gpa, &int3, 1);
}

static void lift(struct gdb_break_entry *e, struct gmem *mem)
{
	uint8_t now;

	if (e->planted && !gmem_read(mem, e->gpa, &now, 1) && now == INT3)
		gmem_write(mem, e->gpa, &e->saved, 1);
	e->planted = false;
}

/* Removes them in reverse order: of two at one place, the later has saved the earlier's int3. */
void gdb_breaks_plant(struct gdb_breaks *b, struct gmem *mem, bool on)
{
	for (unsigned int i = 0; i < b->nr; i++) {
		struct gdb_break_entry *e = &b->at[on ? i : b->nr - 1 - i];

		if (e->kind == GDB_BREAK_SOFT && on && !e->planted)
			plant(e, mem);
		else if (e->kind == GDB_BREAK_SOFT && !on)
			lift(e, mem);
	}
}

const struct gdb_break_entry *gdb_breaks_soft_at(const struct gdb_breaks *b, gpa_t gpa)
{
	for (unsigned int i = 0; i < b->nr; i++) {
		if (b->at[i].kind == GDB_BREAK_SOFT && b->at[i].gpa == gpa)
			return &b->at[i];
	}
	return NULL;
}

bool gdb_breaks_any_soft(const struct gdb_breaks *b)
{
	for (unsigned int i = 0; i < b->nr; i++) {
		if (b->at[i].kind == GDB_BREAK_SOFT)
			return true;
	}
	return false;
}

/* LEN of DR7: 0, 1, 3, 2 for 1, 2, 4, 8 bytes. */
static uint64_t length_bits(uint64_t bytes)
{
	return bytes == 8 ? 2 : bytes - 1;
}

static bool take_reg(struct gdb_debug_regs *d, const struct gdb_break_entry *e, uint64_t addr,
		     uint64_t bytes, uint64_t type)
{
	unsigned int n = d->nr;

	if (n == NR_DEBUG_ADDRS)
		return false;
	d->addr[n] = addr;
	d->owner[n] = e;
	d->dr7 |= DR7_GLOBAL(n) | (length_bits(bytes) << 2 | type) << DR7_TYPE_SHIFT(n);
	d->nr++;
	return true;
}

static bool watch(struct gdb_debug_regs *d, const struct gdb_break_entry *e)
{
	uint64_t type = e->kind == GDB_WATCH_WRITE ? TYPE_WRITE : TYPE_ACCESS;

	for (uint64_t done = 0, part; done < e->len; done += part) {
		uint64_t addr = e->addr + done;

		part = 8;
		while (addr & (part - 1) || part > e->len - done)
			part /= 2;
		if (!take_reg(d, e, addr, part, type))
			return false;
	}
	return true;
}

bool gdb_breaks_debug_regs(const struct gdb_breaks *b, struct gdb_debug_regs *d)
{
	bool fits = true;

	memset(d, 0, sizeof(*d));
	d->dr7 = DR7_FIXED;
	for (unsigned int i = 0; i < b->nr && fits; i++) {
		const struct gdb_break_entry *e = &b->at[i];

		if (e->kind == GDB_BREAK_HARD)
			fits = take_reg(d, e, e->addr, 1, TYPE_EXECUTE);
		else if (e->kind != GDB_BREAK_SOFT)
			fits = watch(d, e);
	}
	return fits;
}
