/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decodes one instruction as far as needed to know which memory it accesses.
 *
 * It reads prefixes, opcode, ModRM, SIB, displacement and immediate, and works out the address of
 * the memory operand and the stack and string accesses that the opcode implies. The opcode maps are
 * those of the Intel SDM vol. 2D, appendix A. ModRM's operands with 16-bit addresses are not worked
 * out.
 */
#include "insn.h"
#include "x86_bits.h"

#include <string.h>

struct decoder {
	struct insn *in;
	const uint8_t *code;
	size_t len;
	const struct kvm_regs *regs;
	const struct kvm_sregs *sregs;
	const struct kvm_segment *segment; /* NULL: no prefix */
	bool address_size;		   /* prefix 0x67 */
	bool evex;
	bool bad;
};

struct range {
	uint8_t first, last;
};

static const struct range modrm_one_byte[] = {
	{ 0x62, 0x63 }, { 0x69, 0x69 }, { 0x6b, 0x6b }, { 0x80, 0x8f }, { 0xc0, 0xc1 },
	{ 0xc4, 0xc7 }, { 0xd0, 0xd3 }, { 0xd8, 0xdf }, { 0xf6, 0xf7 }, { 0xfe, 0xff },
};

static const struct range no_modrm_0f[] = {
	{ 0x04, 0x0c }, { 0x0e, 0x0e }, { 0x30, 0x37 }, { 0x77, 0x77 },
	{ 0x80, 0x8f }, { 0xa0, 0xa2 }, { 0xa8, 0xaa }, { 0xc8, 0xcf },
};

/* Stores to ModRM's operand, of the two-byte opcodes that do nothing else. */
static const struct range stores_0f[] = {
	{ 0x11, 0x11 }, { 0x13, 0x13 }, { 0x17, 0x17 }, { 0x29, 0x29 }, { 0x2b, 0x2b },
	{ 0x78, 0x78 }, { 0x7f, 0x7f }, { 0x90, 0x9f }, { 0xa4, 0xa5 }, { 0xab, 0xad },
	{ 0xb0, 0xb1 }, { 0xb3, 0xb3 }, { 0xbb, 0xbb }, { 0xc0, 0xc1 }, { 0xc3, 0xc3 },
	{ 0xd6, 0xd6 }, { 0xe7, 0xe7 },
};

static bool among(uint8_t opcode, const struct range *r, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (opcode >= r[i].first && opcode <= r[i].last)
			return true;
	}
	return false;
}

uint64_t insn_reg(const struct kvm_regs *r, unsigned int nr)
{
	const uint64_t value[16] = {
		r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
		r->r8,	r->r9,	r->r10, r->r11, r->r12, r->r13, r->r14, r->r15
	};

	return value[nr & 15];
}

/*
 * Takes the next @size bytes, sign-extended. After the end it returns 0 and marks the instruction
 * bad.
 */
static uint64_t take(struct decoder *d, unsigned int size)
{
	uint64_t value = 0;

	if (size > d->len - d->in->len || d->in->len + size > INSN_MAX_BYTES) {
		d->bad = true;
		return 0;
	}
	memcpy(&value, d->code + d->in->len, size);
	d->in->len += size;
	if (size && size < 8 && value >> (size * 8 - 1) & 1)
		value |= UINT64_MAX << (size * 8);
	return value;
}

static const struct kvm_segment *segment_of(const struct kvm_sregs *s, uint8_t prefix)
{
	switch (prefix) {
	case 0x26:
		return &s->es;
	case 0x2e:
		return &s->cs;
	case 0x36:
		return &s->ss;
	case 0x3e:
		return &s->ds;
	case 0x64:
		return &s->fs;
	case 0x65:
		return &s->gs;
	default:
		return NULL;
	}
}

/* Returns the first byte that is not a prefix. */
static uint8_t take_prefixes(struct decoder *d)
{
	for (;;) {
		uint8_t byte = (uint8_t)take(d, 1);
		const struct kvm_segment *s = segment_of(d->sregs, byte);

		if (d->bad)
			return 0;
		if (s)
			d->segment = s;
		else if (byte == 0x66)
			d->in->opsize = true;
		else if (byte == 0x67)
			d->address_size = true;
		else if (byte == 0xf2 || byte == 0xf3)
			d->in->rep = byte;
		else if (byte != 0xf0)
			return byte;
	}
}

/*
 * Whether @byte begins a VEX or EVEX prefix. Outside 64-bit mode it is les, lds or bound if what
 * follows is their ModRM with an operand in memory.
 */
static bool begins_vex(const struct decoder *d, uint8_t byte)
{
	return (byte == 0xc4 || byte == 0xc5 || byte == 0x62) &&
	       (d->in->bits == 64 || (d->in->len < d->len && (d->code[d->in->len] & 0xc0) == 0xc0));
}

/*
 * Takes the rest of a VEX or EVEX prefix (SDM vol. 2A, 2.3.5 and 2.7.1) as the REX, mandatory and
 * escape prefixes that it stands for. Its R, X and B are inverted.
 */
static void take_vex(struct decoder *d, uint8_t byte)
{
	static const uint8_t rep[4] = { 0, 0, 0xf3, 0xf2 };
	struct insn *in = d->in;
	uint8_t first = (uint8_t)take(d, 1), last = first;
	unsigned int map = 1;

	if (byte != 0xc5) {
		map = first & (byte == 0x62 ? 7 : 31);
		last = (uint8_t)take(d, 1);
		in->rex = 0x40 | (uint8_t)(~first >> 5 & 7) | (last >> 4 & 8);
	} else {
		in->rex = 0x40 | (~first >> 5 & 4);
	}
	d->evex = byte == 0x62;
	if (d->evex)
		take(d, 1);
	in->opsize = (last & 3) == 1;
	in->rep = rep[last & 3];
	in->map = INSN_VEX | (map == 1 ? 0x0fU : map == 2 ? 0x0f38U : 0x0f3aU);
	d->bad |= map < 1 || map > 3;
	in->opcode = (uint8_t)take(d, 1);
	in->has_modrm = map != 1 || in->opcode != 0x77;
}

static void take_opcode(struct decoder *d)
{
	struct insn *in = d->in;
	uint8_t byte = take_prefixes(d);

	if (in->bits == 64 && (byte & 0xf0) == 0x40) {
		in->rex = byte;
		byte = (uint8_t)take(d, 1);
	}
	if (begins_vex(d, byte)) {
		take_vex(d, byte);
		return;
	}
	if (byte == 0x0f) {
		in->map = 0x0f;
		byte = (uint8_t)take(d, 1);
		if (byte == 0x38 || byte == 0x3a) {
			in->map = 0x0f00U | byte;
			byte = (uint8_t)take(d, 1);
		}
	}
	in->opcode = byte;
	if (in->map == 0)
		in->has_modrm = byte < 0x40
					? (byte & 7) < 4
					: among(byte, modrm_one_byte, ARRAY_SIZE(modrm_one_byte));
	else
		in->has_modrm =
			in->map != 0x0f || !among(byte, no_modrm_0f, ARRAY_SIZE(no_modrm_0f));
}

/* The number of bytes in the immediate; one of the operand's size has at most 4. */
static unsigned int immediate_bytes(const struct insn *in)
{
	unsigned int word = in->opsize != (in->bits == 16) && !(in->rex & 8) ? 2 : 4,
		     op = in->opcode, map = in->map & ~INSN_VEX;

	if (map == 0x0f3a)
		return 1;
	if (in->map == 0x0f && op >= 0x80 && op <= 0x8f)
		return word;
	if (map == 0x0f)
		return (op >= 0x70 && op <= 0x73) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6) ||
		       (in->map == map && (op == 0x0f || op == 0xa4 || op == 0xac || op == 0xba));
	if (in->map)
		return 0;
	if (op < 0x40)
		return (op & 7) == 4 ? 1 : (op & 7) == 5 ? word : 0;
	if (op >= 0xb8 && op <= 0xbf)
		return in->rex & 8 ? 8 : word;
	if (op == 0x68 || op == 0x69 || op == 0x81 || op == 0xa9 || op == 0xc7 || op == 0xe8 ||
	    op == 0xe9 || (op == 0xf7 && insn_modrm_reg(in) < 2))
		return word;
	if (op == 0x9a || op == 0xea)
		return word + 2;
	if (op == 0xc8) /* enter */
		return 3;
	if (op == 0xc2 || op == 0xca)
		return 2;
	return op == 0x6a || op == 0x6b || (op >= 0x70 && op <= 0x80) || op == 0x82 || op == 0x83 ||
	       op == 0xa8 || (op >= 0xb0 && op <= 0xb7) || op == 0xc0 || op == 0xc1 || op == 0xc6 ||
	       op == 0xcd || (op >= 0xd4 && op <= 0xd5) || (op >= 0xe0 && op <= 0xe7) ||
	       op == 0xeb || (op == 0xf6 && insn_modrm_reg(in) < 2);
}

static void touch(struct decoder *d, uint64_t address, const struct kvm_segment *s, bool write)
{
	struct insn *in = d->in;

	if (in->nr_touched == INSN_MAX_TOUCHED)
		return;
	if (in->bits == 64 && s != &d->sregs->fs && s != &d->sregs->gs)
		in->touched[in->nr_touched].gva = address;
	else
		in->touched[in->nr_touched].gva = address + s->base;
	if (in->bits != 64)
		in->touched[in->nr_touched].gva &= UINT32_MAX;
	in->touched[in->nr_touched].write = write;
	in->touched[in->nr_touched].stack = s == &d->sregs->ss;
	in->nr_touched++;
}

/*
 * Takes ModRM's operand in memory: base + index * scale + displacement. *@rip_relative: the address
 * is relative to the next instruction.
 */
static uint64_t take_address(struct decoder *d, bool *rip_relative, bool *stack)
{
	unsigned int mod = d->in->modrm >> 6, rm = d->in->modrm & 7,
		     base = rm | (d->in->rex & 1) << 3;
	uint64_t address = 0;

	*rip_relative = d->in->bits == 64 && mod == 0 && rm == 5;
	if (rm == 4) {
		uint8_t sib = (uint8_t)take(d, 1);
		unsigned int index = (sib >> 3 & 7) | (d->in->rex & 2) << 2;

		base = (sib & 7) | (d->in->rex & 1) << 3;
		if (index != 4)
			address = insn_reg(d->regs, index) << (sib >> 6);
	}
	if (mod == 0 && (base & 7) == 5)
		return address + take(d, 4);
	*stack = base == 4 || base == 5;
	address += insn_reg(d->regs, base);
	return mod == 1 ? address + take(d, 1) : mod == 2 ? address + take(d, 4) : address;
}

static bool writes_0f(const struct insn *in)
{
	unsigned int op = in->opcode, reg = insn_modrm_reg(in);

	switch (op) {
	case 0x00: /* sldt, str */
		return reg < 2;
	case 0x01: /* sgdt, sidt, smsw */
		return reg < 2 || reg == 4;
	case 0x7e: /* movd, movq; with 0xf3 a load */
		return in->rep != 0xf3;
	case 0xae: /* fxsave, stmxcsr, xsave, xsaveopt */
		return !in->rep && (reg == 0 || reg == 3 || reg == 4 || (reg == 6 && !in->opsize));
	case 0xba: /* bts, btr, btc */
		return reg > 4;
	case 0xc7: /* cmpxchg8b, xsavec, xsaves, vmptrst; not xrstors, vmptrld */
		return reg != 3 && reg != 6;
	default:
		if (in->map & INSN_VEX && op >= 0x90 && op <= 0x9f) /* kmov */
			return op == 0x91;
		return among((uint8_t)op, stores_0f, ARRAY_SIZE(stores_0f));
	}
}

static bool writes_0f38(const struct insn *in)
{
	unsigned int op = in->opcode;

	if (in->map & INSN_VEX)
		return op == 0x2e || op == 0x2f || op == 0x8e; /* vmaskmov, vpmaskmov */
	/* movbe, but crc32 with 0xf2; wrss, but adcx and adox with a prefix; wruss; movdiri */
	return (op == 0xf1 && in->rep != 0xf2) || (op == 0xf6 && !in->rep && !in->opsize) ||
	       op == 0xf5 || op == 0xf9;
}

/* pextr, extractps, vextract, vcvtps2ph */
static bool writes_0f3a(const struct insn *in)
{
	unsigned int op = in->opcode;

	return (op >= 0x14 && op <= 0x17) || op == 0x19 || op == 0x1d || op == 0x39;
}

/* Whether an x87 instruction is one of fst, fstp, fist, fisttp, fbstp, fnstenv, fnsave, fnst. */
static bool x87_writes(const struct insn *in)
{
	static const uint8_t regs[8] = { 0, 0xcc, 0, 0x8e, 0, 0xce, 0, 0xce };

	return regs[in->opcode & 7] >> insn_modrm_reg(in) & 1;
}

static bool writes_operand(const struct insn *in)
{
	unsigned int op = in->opcode, reg = insn_modrm_reg(in), map = in->map & ~INSN_VEX;

	if (map == 0x0f)
		return writes_0f(in);
	if (map)
		return map == 0x0f38 ? writes_0f38(in) : writes_0f3a(in);
	if (op < 0x40)
		return (op & 7) < 2 && op < 0x38;
	if (op >= 0x80 && op <= 0x83)
		return reg != 7;
	if (op >= 0xd8 && op <= 0xdf)
		return x87_writes(in);
	return op == 0x86 || op == 0x87 || op == 0x88 || op == 0x89 || op == 0x8c || op == 0x8f ||
	       op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xc7 || (op >= 0xd0 && op <= 0xd3) ||
	       ((op == 0xf6 || op == 0xf7) && (reg == 2 || reg == 3)) ||
	       ((op == 0xfe || op == 0xff) && reg < 2);
}

/*
 * lea, nop and invlpg name an address but do not access it. A gather's addresses are in a vector's
 * register, which is not known.
 */
static bool only_names_address(const struct insn *in)
{
	if (in->map == 0)
		return in->opcode == 0x8d;
	if (in->map == (INSN_VEX | 0x0f38))
		return in->opcode >= 0x90 && in->opcode <= 0x93;
	return in->map == 0x0f &&
	       (in->opcode == 0x18 || (in->opcode >= 0x1a && in->opcode <= 0x1f) ||
		in->opcode == 0x0d || (in->opcode == 0x01 && insn_modrm_reg(in) == 7));
}

/* bt, bts, btr and btc with a bit's number in a register reach beyond their operand. */
static int64_t bit_offset(const struct decoder *d)
{
	const struct insn *in = d->in;
	unsigned int op = in->opcode;
	uint64_t bit = insn_reg(d->regs, insn_modrm_reg(in) | (in->rex & 4U) << 1);

	if (in->map != 0x0f || (op != 0xa3 && op != 0xab && op != 0xb3 && op != 0xbb))
		return 0;
	if (in->rex & 8)
		return ((int64_t)bit >> 6) * 8;
	return in->opsize != (in->bits == 16) ? ((int16_t)bit >> 4) * 2 : ((int32_t)bit >> 5) * 4;
}

static void take_operands(struct decoder *d)
{
	struct insn *in = d->in;
	bool rip_relative = false, stack = false, memory = false;
	uint64_t address = 0;

	if (in->has_modrm) {
		in->modrm = (uint8_t)take(d, 1);
		/*
		 * Moves to and from control and debug registers have no operand in memory, whatever
		 * ModRM contains.
		 */
		memory = in->modrm >> 6 != 3 &&
			 !(in->map == 0x0f && in->opcode >= 0x20 && in->opcode <= 0x23);
		if (memory && (in->bits == 16) != d->address_size)
			d->bad = true;
		if (memory)
			address = take_address(d, &rip_relative, &stack);
	}
	in->imm = immediate_bytes(in);
	in->imm_value = take(d, in->imm);
	if (!memory || d->bad || d->evex || only_names_address(in))
		return;
	address += (uint64_t)bit_offset(d);
	if (rip_relative)
		address += d->regs->rip + in->len;
	if (in->bits == 64 && d->address_size)
		address &= UINT32_MAX;
	touch(d, address,
	      d->segment ? d->segment
	      : stack	 ? &d->sregs->ss
			 : &d->sregs->ds,
	      writes_operand(in));
}

/* Takes the address in the instruction itself, of mov between it and the accumulator. */
static void take_moffs(struct decoder *d)
{
	struct insn *in = d->in;
	unsigned int bytes = in->bits / 8;
	uint64_t address;

	if (in->map || in->opcode < 0xa0 || in->opcode > 0xa3)
		return;
	if (d->address_size)
		bytes = in->bits == 32 ? 2 : 4;
	address = take(d, bytes);
	if (bytes < 8)
		address &= (1ULL << (8 * bytes)) - 1;
	if (!d->bad)
		touch(d, address, d->segment ? d->segment : &d->sregs->ds, in->opcode >= 0xa2);
}

/* Notes the stack accesses of push, call, pop, return and similar instructions. */
static void touch_stack(struct decoder *d)
{
	const struct insn *in = d->in;
	unsigned int op = in->opcode, reg = insn_modrm_reg(in);
	unsigned int bytes = in->bits / 8;

	if (in->map == 0x0f && (op == 0xa0 || op == 0xa8))
		touch(d, d->regs->rsp - bytes, &d->sregs->ss, true);
	if (in->map == 0x0f && (op == 0xa1 || op == 0xa9))
		touch(d, d->regs->rsp, &d->sregs->ss, false);
	if (in->map)
		return;
	if (op == 0x60 || op == 0x06 || op == 0x0e || op == 0x16 || op == 0x1e ||
	    (op >= 0x50 && op <= 0x57) || op == 0x68 || op == 0x6a || op == 0x9c || op == 0xe8 ||
	    op == 0xc8 || (op == 0xff && (reg == 2 || reg == 6)))
		touch(d, d->regs->rsp - bytes, &d->sregs->ss, true);
	else if (op == 0x61 || op == 0x07 || op == 0x17 || op == 0x1f ||
		 (op >= 0x58 && op <= 0x5f) || op == 0x9d || op == 0xc2 || op == 0xc3 ||
		 op == 0xca || op == 0xcb || op == 0xcf || op == 0x8f)
		touch(d, d->regs->rsp, &d->sregs->ss, false);
	else if (op == 0xc9)
		touch(d, d->regs->rbp, &d->sregs->ss, false);
}

/* Notes the accesses of movs, cmps, stos, lods, scas, ins, outs, xlat. */
static void touch_strings(struct decoder *d)
{
	unsigned int op = d->in->opcode & ~1U;
	const struct kvm_segment *source = d->segment ? d->segment : &d->sregs->ds;

	if (d->in->map)
		return;
	if (d->in->opcode == 0xd7)
		touch(d, d->regs->rbx + (d->regs->rax & 0xff), source, false);
	if (op == 0xa4 || op == 0xa6 || op == 0xac || op == 0x6e)
		touch(d, d->regs->rsi, source, false);
	if (op == 0xa4 || op == 0xa6 || op == 0xaa || op == 0xae || op == 0x6c)
		touch(d, d->regs->rdi, &d->sregs->es, op == 0xa4 || op == 0xaa || op == 0x6c);
}

static unsigned int mode_bits(const struct kvm_sregs *s)
{
	if (s->cr0 & CR0_PE && s->efer & EFER_LMA && s->cs.l)
		return 64;
	return s->cs.db ? 32 : 16;
}

bool insn_decode(struct insn *in, const uint8_t *code, size_t len, const struct kvm_regs *regs,
		 const struct kvm_sregs *sregs)
{
	struct decoder d = { .in = in, .code = code, .len = len, .regs = regs, .sregs = sregs };

	*in = (struct insn){ .bits = mode_bits(sregs) };
	take_opcode(&d);
	if (d.bad)
		return false;
	take_operands(&d);
	take_moffs(&d);
	if (d.bad)
		return false;
	touch_strings(&d);
	touch_stack(&d);
	return true;
}
