/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lays out a vCPU's registers for GDB, by the one table of registers, in GDB's order.
 *
 * Features, names and order of the first three groups are GDB's ("Debugging with GDB", appendix
 * G.5.9, and what its x86 target expects). The last group is our own, and GDB accepts it.
 */
#include "gdb_regs.h"

#include "kvm/gdb_target.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * The tables contain the names themselves: pointers would have to be relocated at each start, even
 * without --gdb.
 */
struct gdb_reg {
	char name[10];
	char type[10];
	uint8_t bytes; /* in a packet; little-endian, with zeros above what we have */
	uint8_t have;
	uint16_t offset; /* in struct gdb_regs */
};

#define IN(member) offsetof(struct gdb_regs, member)
#define GPR(reg)                                                                                   \
	{                                                                                          \
#reg, "int64", 8, 8, IN(regs.reg)                                                  \
	}
#define SEGMENT(reg)                                                                               \
	{                                                                                          \
#reg, "int32", 4, 2, IN(sregs.reg.selector)                                        \
	}
#define ST(i)                                                                                      \
	{                                                                                          \
		"st" #i, "i387_ext", 10, 10, IN(fpu.fpr[i])                                        \
	}
#define X87(reg, from, size)                                                                       \
	{                                                                                          \
#reg, "int", 4, size, from                                                         \
	}
#define XMM(i)                                                                                     \
	{                                                                                          \
		"xmm" #i, "vec128", 16, 16, IN(fpu.xmm[i])                                         \
	}

static const struct gdb_reg table[] = {
	GPR(rax),
	GPR(rbx),
	GPR(rcx),
	GPR(rdx),
	GPR(rsi),
	GPR(rdi),
	{ "rbp", "data_ptr", 8, 8, IN(regs.rbp) },
	{ "rsp", "data_ptr", 8, 8, IN(regs.rsp) },
	GPR(r8),
	GPR(r9),
	GPR(r10),
	GPR(r11),
	GPR(r12),
	GPR(r13),
	GPR(r14),
	GPR(r15),
	{ "rip", "code_ptr", 8, 8, IN(regs.rip) },
	{ "eflags", "eflags", 4, 4, IN(regs.rflags) },
	SEGMENT(cs),
	SEGMENT(ss),
	SEGMENT(ds),
	SEGMENT(es),
	SEGMENT(fs),
	SEGMENT(gs),
	ST(0),
	ST(1),
	ST(2),
	ST(3),
	ST(4),
	ST(5),
	ST(6),
	ST(7),
	X87(fctrl, IN(fpu.fcw), 2),
	X87(fstat, IN(fpu.fsw), 2),
	X87(ftag, IN(ftag), 2),
	X87(fiseg, IN(fpu.last_ip) + 4, 2),
	X87(fioff, IN(fpu.last_ip), 4),
	X87(foseg, IN(fpu.last_dp) + 4, 2),
	X87(fooff, IN(fpu.last_dp), 4),
	X87(fop, IN(fpu.last_opcode), 2),
	XMM(0),
	XMM(1),
	XMM(2),
	XMM(3),
	XMM(4),
	XMM(5),
	XMM(6),
	XMM(7),
	XMM(8),
	XMM(9),
	XMM(10),
	XMM(11),
	XMM(12),
	XMM(13),
	XMM(14),
	XMM(15),
	{ "mxcsr", "mxcsr", 4, 4, IN(fpu.mxcsr) },
	{ "fs_base", "int64", 8, 8, IN(sregs.fs.base) },
	{ "gs_base", "int64", 8, 8, IN(sregs.gs.base) },
	{ "k_gs_base", "int64", 8, 8, IN(kernel_gs_base) },
	{ "cr0", "cr0", 8, 8, IN(sregs.cr0) },
	{ "cr2", "int64", 8, 8, IN(sregs.cr2) },
	{ "cr3", "int64", 8, 8, IN(sregs.cr3) },
	{ "cr4", "cr4", 8, 8, IN(sregs.cr4) },
	{ "cr8", "int64", 8, 8, IN(sregs.cr8) },
	{ "efer", "efer", 8, 8, IN(sregs.efer) },
};

struct flag {
	char name[11];
	uint8_t bit;
};

struct flags_type {
	char id[8];
	unsigned int bytes;
	struct flag flag[28];
};

static const struct flags_type flags_types[] = {
	{ "eflags",
	  4,
	  { { "CF", 0 },
	    { "PF", 2 },
	    { "AF", 4 },
	    { "ZF", 6 },
	    { "SF", 7 },
	    { "TF", 8 },
	    { "IF", 9 },
	    { "DF", 10 },
	    { "OF", 11 },
	    { "NT", 14 },
	    { "RF", 16 },
	    { "VM", 17 },
	    { "AC", 18 },
	    { "VIF", 19 },
	    { "VIP", 20 },
	    { "ID", 21 } } },
	{ "mxcsr",
	  4,
	  { { "IE", 0 },
	    { "DE", 1 },
	    { "ZE", 2 },
	    { "OE", 3 },
	    { "UE", 4 },
	    { "PE", 5 },
	    { "DAZ", 6 },
	    { "IM", 7 },
	    { "DM", 8 },
	    { "ZM", 9 },
	    { "OM", 10 },
	    { "UM", 11 },
	    { "PM", 12 },
	    { "FZ", 15 } } },
	{ "cr0",
	  8,
	  { { "PE", 0 },
	    { "MP", 1 },
	    { "EM", 2 },
	    { "TS", 3 },
	    { "ET", 4 },
	    { "NE", 5 },
	    { "WP", 16 },
	    { "AM", 18 },
	    { "NW", 29 },
	    { "CD", 30 },
	    { "PG", 31 } } },
	{ "cr4", 8, { { "VME", 0 },    { "PVI", 1 },	  { "TSD", 2 },		{ "DE", 3 },
		      { "PSE", 4 },    { "PAE", 5 },	  { "MCE", 6 },		{ "PGE", 7 },
		      { "PCE", 8 },    { "OSFXSR", 9 },	  { "OSXMMEXCPT", 10 }, { "UMIP", 11 },
		      { "LA57", 12 },  { "VMXE", 13 },	  { "SMXE", 14 },	{ "FSGSBASE", 16 },
		      { "PCIDE", 17 }, { "OSXSAVE", 18 }, { "KL", 19 },		{ "SMEP", 20 },
		      { "SMAP", 21 },  { "PKE", 22 },	  { "CET", 23 },	{ "PKS", 24 },
		      { "UINTR", 25 }, { "LASS", 27 },	  { "LAM_SUP", 28 },	{ "FRED", 32 } } },
	{ "efer",
	  8,
	  { { "SCE", 0 },
	    { "LME", 8 },
	    { "LMA", 10 },
	    { "NXE", 11 },
	    { "SVME", 12 },
	    { "LMSLE", 13 },
	    { "FFXSR", 14 },
	    { "TCE", 15 },
	    { "MCOMMIT", 17 },
	    { "INTWB", 18 },
	    { "UAIE", 20 },
	    { "AIBRSE", 21 } } },
};

/* The first register of each feature. */
static const struct {
	const char *name, *first;
} features[] = {
	{ "org.gnu.gdb.i386.core", "rax" },
	{ "org.gnu.gdb.i386.sse", "xmm0" },
	{ "org.gnu.gdb.i386.segments", "fs_base" },
	{ "kvm.x86.system", "k_gs_base" },
};

static const char vec128[] =
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/><vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/><vector id=\"v16b\" type=\"int8\" count=\"16\"/><vector id=\"v8w\" type=\"int16\" count=\"8\"/><vector id=\"v4d\" type=\"int32\" count=\"4\"/><vector id=\"v2q\" type=\"int64\" count=\"2\"/><union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16b\"/><field name=\"v8_int16\" type=\"v8w\"/><field name=\"v4_int32\" type=\"v4d\"/><field name=\"v2_int64\" type=\"v2q\"/><field name=\"uint128\" type=\"uint128\"/></union>";

struct text {
	char *at;
	size_t len, room;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...)
{
	size_t left = t->room - min_u64(t->len, t->room);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(left ? t->at + t->len : NULL, left, fmt, ap);
	va_end(ap);
	t->len += n > 0 ? (size_t)n : 0;
}

/*
 * Prints a type's description just before the first register that uses it, since a type is known
 * only in its feature.
 */
static void put_type(struct text *t, const char *id)
{
	if (!strcmp(id, "vec128"))
		put(t, "%s", vec128);
	for (unsigned int i = 0; i < ARRAY_SIZE(flags_types); i++) {
		const struct flags_type *type = &flags_types[i];

		if (strcmp(id, type->id) != 0)
			continue;
		put(t, "<flags id=\"%s\" size=\"%u\">", id, type->bytes);
		for (const struct flag *f = type->flag;
		     f < type->flag + ARRAY_SIZE(type->flag) && f->name[0]; f++)
			put(t, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", f->name, f->bit,
			    f->bit);
		put(t, "</flags>");
	}
}

static void put_feature(struct text *t, const char *first)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(features); i++) {
		if (!strcmp(features[i].first, first))
			put(t, "%s<feature name=\"%s\">", i ? "</feature>" : "", features[i].name);
	}
}

/* Returns the group in which GDB's `info` shows the register: x87 and SSE are separate. */
static const char *group_of(const struct gdb_reg *r)
{
	if (!strcmp(r->type, "int") || !strcmp(r->type, "i387_ext"))
		return " group=\"float\"";
	return strcmp(r->name, "mxcsr") != 0 ? "" : " group=\"vector\"";
}

size_t gdb_regs_xml(char *xml, size_t n)
{
	struct text t = { .at = xml, .room = n };

	put(&t,
	    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target><architecture>i386:x86-64</architecture>");
	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
		const struct gdb_reg *r = &table[i];

		put_feature(&t, r->name);
		if (!i || strcmp(r->type, table[i - 1].type) != 0)
			put_type(&t, r->type);
		put(&t, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"%s/>", r->name, r->bytes * 8,
		    r->type, group_of(r));
	}
	put(&t, "</feature></target>");
	return t.len < n ? t.len : 0;
}

bool gdb_regs_at(unsigned int index, size_t *offset, size_t *bytes)
{
	if (index >= ARRAY_SIZE(table))
		return false;
	*offset = 0;
	for (unsigned int i = 0; i < index; i++)
		*offset += table[i].bytes;
	*bytes = table[index].bytes;
	return true;
}

size_t gdb_regs_pack(const struct gdb_regs *r, uint8_t *bytes)
{
	uint8_t *at = bytes;

	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
		memset(at, 0, table[i].bytes);
		memcpy(at, (const uint8_t *)r + table[i].offset, table[i].have);
		at += table[i].bytes;
	}
	assert(at - bytes <= GDB_MAX_REGISTER_BYTES);
	return (size_t)(at - bytes);
}

void gdb_regs_unpack(struct gdb_regs *r, const uint8_t *bytes)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
		memcpy((uint8_t *)r + table[i].offset, bytes, table[i].have);
		bytes += table[i].bytes;
	}
}

void gdb_regs_tags(struct gdb_regs *r)
{
	r->ftag = 0;
	for (unsigned int i = 0; i < 8; i++) {
		if (!(r->fpu.ftwx & (1U << i)))
			r->ftag |= (uint16_t)(3U << (2 * i));
	}
}

void gdb_regs_untags(struct gdb_regs *r)
{
	r->fpu.ftwx = 0;
	for (unsigned int i = 0; i < 8; i++) {
		if ((r->ftag >> (2 * i) & 3) != 3)
			r->fpu.ftwx |= (uint8_t)(1U << i);
	}
}
