/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes ORC backtraces with invented tables.
 *
 * The input is registers (in the layout of KVM's structure), then the guest's memory from 0, which
 * is mapped at 0 and again at the top of the address space. The tables begin at 0x100 and 0x800. A
 * step that fails changes nothing, and a guessed frame never leads to a certain one.
 */
#include "x86/linux/orc.h"

#include <stdlib.h>
#include <string.h>

#define RAM_BYTES (64 * KIB)
#define TABLES_AT (RAM_BYTES - 16 * KIB)
#define MAX_STEPS 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put64(struct gmem *mem, gpa_t gpa, uint64_t value)
{
	if (gmem_write(mem, gpa, &value, 8))
		abort();
}

static void map_low_gib(struct gmem *mem)
{
	put64(mem, TABLES_AT, (TABLES_AT + 4096) | 3);
	put64(mem, TABLES_AT + 511 * 8, (TABLES_AT + 4096) | 3);
	put64(mem, TABLES_AT + 4096, 0x83);
	put64(mem, TABLES_AT + 4096 + 511 * 8, 0x83);
}

static void walk(const struct orc *orc, struct unwind *u)
{
	for (unsigned int i = 0; i < MAX_STEPS; i++) {
		struct unwind before = *u;

		if (orc_next(orc, u)) {
			if (u->guessed != before.guessed)
				abort();
		} else if (u->end == UNWIND_USER || u->end == UNWIND_BOTTOM) {
			return;
		} else if (u->end != UNWIND_LOST || u->ip != before.ip || u->sp != before.sp) {
			abort();
		} else if (!orc_guess(orc, u)) {
			return;
		} else if (!u->guessed || u->sp <= before.sp) {
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct paging paging = {
		.cr0 = 0x80010001, .cr3 = TABLES_AT, .cr4 = 0x20, .efer = 0x500
	};
	struct orc orc = { .paging = &paging, .ips = 0x100, .entries = 0x800, .nr = 64 };
	struct kvm_regs regs = { 0 };
	struct unwind u;
	struct gmem mem;

	memcpy(&regs, data, min_u64(size, sizeof(regs)));
	data += min_u64(size, sizeof(regs));
	size -= min_u64(size, sizeof(regs));
	gmem_init(&mem);
	if (gmem_add(&mem, 0, RAM_BYTES, GMEM_NORMAL))
		abort();
	gmem_write(&mem, 0, data, min_u64(size, TABLES_AT));
	map_low_gib(&mem);
	orc.mem = &mem;
	for (unsigned int typed = 0; typed < 2; typed++) {
		orc.typed = typed;
		orc_start(&u, &regs);
		walk(&orc, &u);
	}
	gmem_fini(&mem);
	return 0;
}
