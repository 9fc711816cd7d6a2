/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decodes one instruction as far as needed to know which memory it accesses.
 *
 * It reads prefixes, opcode, ModRM, SIB, displacement and immediate, and works out the address of
 * the memory operand and the stack and string accesses that the opcode implies. The opcode maps are
 * those of the Intel SDM vol. 2D, appendix A. Operands with 16-bit addresses are not worked out.
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
		else if (byte != 0xf0 && byte != 0xf2 && byte != 0xf3)
			return byte;
	}
}

static void take_opcode(struct decoder *d)
{
	struct insn *in = d->in;
	uint8_t byte = take_prefixes(d);

	if (in->bits == 64 && (byte & 0xf0) == 0x40) {
		in->rex = byte;
		byte = (uint8_t)take(d, 1);
	}
	if (byte == 0x0f) {
		in->map = 0x0f;
		byte = (uint8_t)take(d, 1);
		if (byte == 0x38 || byte == 0x3a) {
			in->map = 0x0f00U | byte;
			byte = (uint8_t)take(d, 1);
		}
	} else if (in->bits == 64 && (byte == 0xc4 || byte == 0xc5 || byte == 0x62)) {
		in->map = 0xc5;
	}
	in->opcode = byte;
	if (in->map == 0)
		in->has_modrm = byte < 0x40
					? (byte & 7) < 4
					: among(byte, modrm_one_byte, ARRAY_SIZE(modrm_one_byte));
	else if (in->map == 0x0f)
		in->has_modrm = !among(byte, no_modrm_0f, ARRAY_SIZE(no_modrm_0f));
	else
		in->has_modrm = in->map != 0xc5;
}

/* The number of bytes in the immediate; one of the operand's size has at most 4. */
static unsigned int immediate_bytes(const struct insn *in)
{
	unsigned int word = in->opsize != (in->bits == 16) ? 2 : 4, op = in->opcode;

	if (in->map == 0x0f3a)
		return 1;
	if (in->map == 0x0f) {
		if (op >= 0x80 && op <= 0x8f)
			return word;
		return (op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac || op == 0xba ||
		       op == 0xc2 || (op >= 0xc4 && op <= 0xc6);
	}
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

static bool writes_operand(const struct insn *in)
{
	unsigned int op = in->opcode, reg = insn_modrm_reg(in);

	if (in->map == 0x0f)
		return op == 0x11 || op == 0x13 || op == 0x17 || op == 0x29 || op == 0x2b ||
		       op == 0x7f || op == 0xab || op == 0xb0 || op == 0xb1 || op == 0xb3 ||
		       op == 0xbb || op == 0xc0 || op == 0xc1 || op == 0xc3 || op == 0xc7 ||
		       op == 0xd6 || op == 0xe7 || (op == 0xae && reg == 0) ||
		       (op == 0x01 && reg < 2);
	if (op < 0x40)
		return (op & 7) < 2 && op < 0x38;
	if (op >= 0x80 && op <= 0x83)
		return reg != 7;
	return op == 0x86 || op == 0x87 || op == 0x88 || op == 0x89 || op == 0x8c || op == 0x8f ||
	       op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xc7 || (op >= 0xd0 && op <= 0xd3) ||
	       ((op == 0xf6 || op == 0xf7) && (reg == 2 || reg == 3)) ||
	       ((op == 0xfe || op == 0xff) && reg < 2);
}

/* lea, nop and invlpg name an address but do not access it. */
static bool only_names_address(const struct insn *in)
{
	if (in->map == 0)
		return in->opcode == 0x8d;
	return in->map == 0x0f &&
	       (in->opcode == 0x18 || (in->opcode >= 0x1a && in->opcode <= 0x1f) ||
		in->opcode == 0x0d || (in->opcode == 0x01 && insn_modrm_reg(in) == 7));
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
	if (!memory || d->bad || only_names_address(in))
		return;
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

/* Notes the stack accesses of push, call, pop, return and similar instructions. */
static void touch_stack(struct decoder *d)
{
	const struct insn *in = d->in;
	unsigned int op = in->opcode, reg = insn_modrm_reg(in);
	unsigned int bytes = in->bits / 8;

	if (in->map == 0x0f && (op == 0xa0 || op == 0xa8))
		touch(d, d->regs->rsp - bytes, &d->sregs->ss, true);
	if (in->map)
		return;
	if ((op >= 0x50 && op <= 0x57) || op == 0x68 || op == 0x6a || op == 0x9c || op == 0xe8 ||
	    op == 0xc8 || (op == 0xff && (reg == 2 || reg == 6)))
		touch(d, d->regs->rsp - bytes, &d->sregs->ss, true);
	else if ((op >= 0x58 && op <= 0x5f) || op == 0x9d || op == 0xc2 || op == 0xc3 ||
		 op == 0xca || op == 0xcb || op == 0xcf || op == 0x8f)
		touch(d, d->regs->rsp, &d->sregs->ss, false);
	else if (op == 0xc9)
		touch(d, d->regs->rbp, &d->sregs->ss, false);
}

/* Notes the accesses of movs, cmps, stos, lods, scas, ins, outs. */
static void touch_strings(struct decoder *d)
{
	unsigned int op = d->in->opcode & ~1U;
	const struct kvm_segment *source = d->segment ? d->segment : &d->sregs->ds;

	if (d->in->map)
		return;
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
	if (d.bad)
		return false;
	touch_strings(&d);
	touch_stack(&d);
	return true;
}
