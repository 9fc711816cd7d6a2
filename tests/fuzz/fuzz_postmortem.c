/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the post-mortem with an invented guest.
 *
 * The input is registers and control registers (in the layout of KVM's structures), a System.map
 * between two NULs, then the guest's memory from 0. The report ends, and is text.
 */
#include "x86/postmortem/page.h"

#include <stdlib.h>
#include <string.h>

#define RAM_BYTES (64 * KIB)
#define MAX_LINES 90

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, size_t len)
{
	unsigned int lines = 0;

	for (size_t i = 0; i < len; i++) {
		lines += text[i] == '\n';
		if (text[i] != '\n' && text[i] != '\t' && (text[i] < ' ' || text[i] > '~'))
			abort();
	}
	if (lines > MAX_LINES)
		abort();
}

static void take(void *to, size_t n, const uint8_t **data, size_t *size)
{
	size_t part = min_u64(n, *size);

	memset(to, 0, n);
	memcpy(to, *data, part);
	*data += part;
	*size -= part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event ring[RECORDER_EVENTS];
	struct recorder events = { .ring = ring };
	struct cpu_state cpu = { 0 };
	struct gmem mem;
	uint8_t flags;
	char *text = NULL;
	size_t len = 0, map_bytes;
	FILE *f;
	struct postmortem pm = { .cpu = &cpu, .mem = &mem, .events = &events, .ticks_khz = 1000 };

	take(&flags, 1, &data, &size);
	take(&cpu.regs, sizeof(cpu.regs), &data, &size);
	take(&cpu.sregs, sizeof(cpu.sregs), &data, &size);
	take(&cpu.events, sizeof(cpu.events), &data, &size);
	pm.stopped_by = flags & 1 ? "triple fault" : NULL;
	pm.triple_fault = flags & 2;
	pm.brief = flags & 4;
	pm.sampled = flags & 8;
	cpu.mp_state = flags >> 4;
	map_bytes = strnlen((const char *)data, size);
	struct symbols *symbols = symbols_create();

	if (!symbols_parse(symbols, data, map_bytes))
		pm.symbols = symbols;
	data += map_bytes;
	size -= map_bytes;
	gmem_init(&mem);
	if (gmem_add(&mem, 0, RAM_BYTES, GMEM_NORMAL))
		abort();
	gmem_write(&mem, 0, data, min_u64(size, RAM_BYTES));
	f = open_memstream(&text, &len);
	postmortem_print(f, &pm);
	fclose(f);
	check(text, len);
	free(text);
	symbols_destroy(symbols);
	gmem_fini(&mem);
	return 0;
}
