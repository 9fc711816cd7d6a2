/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the Linux that runs, where memory holds the remains of others.
 *
 * A kexec leaves in memory what it does not overwrite: symbols, VMCOREINFO and log of the kernel
 * before it. What a vCPU's page tables map, and the handlers in its IDT, tell which kernel it runs.
 * Without a vCPU the log decides: the last words of a kernel that is left are about that.
 */
#include "linux.h"

#include <string.h>

#define KERNEL_HALF (1ULL << 63)
/* Linux prints no more than this many messages after the one about its end by kexec. */
#define LAST_RECORDS 8
/* Before trap_init(): up to 13 bytes for each of 32 vectors. */
#define EARLY_HANDLERS_BYTES (32ULL * 13)

static const char banner_text[] = "Linux version ";

static bool has_banner(const struct symbols *s, const struct gmem *mem, const struct paging *paging)
{
	char text[sizeof(banner_text) - 1];
	uint64_t at;

	return symbols_lookup(s, "linux_banner", &at) &&
	       gva_read(mem, paging, at, text, sizeof(text)) == sizeof(text) &&
	       !memcmp(text, banner_text, sizeof(text));
}

static bool has_handler(const struct symbols *s, uint64_t page_fault)
{
	uint64_t at;

	return (symbols_lookup(s, "asm_exc_page_fault", &at) && at == page_fault) ||
	       (symbols_lookup(s, "page_fault", &at) && at == page_fault) ||
	       (symbols_lookup(s, "early_idt_handler_array", &at) &&
		page_fault - at < EARLY_HANDLERS_BYTES);
}

static bool runs_kernel_code(const struct linux_cpu *cpu)
{
	return cpu->rip >= KERNEL_HALF && !cpu->paging.user;
}

enum linux_match linux_match(const struct symbols *symbols, const struct gmem *mem,
			     const struct linux_cpu *cpu)
{
	if (paging_mode(&cpu->paging) < PAGING_4LEVEL)
		return LINUX_UNKNOWN;
	if (has_banner(symbols, mem, &cpu->paging) ||
	    (cpu->page_fault >= KERNEL_HALF && has_handler(symbols, cpu->page_fault)))
		return LINUX_RUNS;
	return cpu->page_fault >= KERNEL_HALF || runs_kernel_code(cpu) ? LINUX_DIFFERS
								       : LINUX_UNKNOWN;
}

/*
 * Whether @cpu does not run this kernel: its page tables do not map the kernel's first page table
 * where that is. In user space they may map nothing of the kernel (page-table isolation).
 */
static bool contradicts(const struct linux_guest *g, const struct linux_cpu *cpu)
{
	struct pagewalk walk;

	if (!cpu || paging_mode(&cpu->paging) < PAGING_4LEVEL)
		return false;
	pagewalk(&walk, g->mem, &cpu->paging, g->top, WALK_READ);
	return walk.mapped ? walk.gpa != g->paging.cr3 : runs_kernel_code(cpu);
}

struct last_words {
	unsigned int nr, kexec_at; /* of the record, from 1; 0: none */
	bool panics;		   /* and has not finished it, as before a crash kernel */
};

static void look_at_record(void *ctx, uint64_t ts_ns, unsigned int level, const char *text,
			   size_t len)
{
	static const char kexec[] = "Starting new kernel", panic[] = "Kernel panic - not syncing",
			  end[] = "---[ end Kernel panic";
	struct last_words *l = ctx;

	(void)ts_ns;
	(void)level;
	l->nr++;
	if (memmem(text, len, kexec, sizeof(kexec) - 1))
		l->kexec_at = l->nr;
	if (memmem(text, len, end, sizeof(end) - 1))
		l->panics = false;
	else if (memmem(text, len, panic, sizeof(panic) - 1))
		l->panics = true;
}

/* Whether another kernel may run instead, by the kernel's own last messages. */
static bool log_ends(const struct linux_guest *g)
{
	struct last_words l = { .nr = 0 };

	linux_log_walk(g, look_at_record, &l);
	return l.panics || (l.kexec_at && l.nr - l.kexec_at < LAST_RECORDS);
}

/* How likely it is that this kernel runs, from 1 to LIKELIEST. */
#define LIKELIEST 4

static uint64_t likelihood(const struct linux_guest *g, const struct linux_cpu *cpu)
{
	return 1 + (contradicts(g, cpu) ? 0 : 1) + (log_ends(g) ? 0 : 2);
}

bool linux_guest_open(struct linux_guest *g, const struct gmem *mem, const struct symbols *symbols,
		      const struct linux_cpu *cpu)
{
	uint64_t best = 0, likely;
	gpa_t at = 0, best_at = 0;
	unsigned int nr = 0;

	*g = (struct linux_guest){ .mem = mem, .symbols = symbols };
	for (; nr < LINUX_MAX_KERNELS && vmcoreinfo_find(&g->info, mem, &at); nr++) {
		likely = linux_guest_enter(g) ? likelihood(g, cpu) : 0;
		if (likely == LIKELIEST)
			return true;
		if (likely > best || !nr)
			best_at = g->info.gpa;
		best = max_u64(best, likely);
	}
	g->info.text[0] = '\0';
	if (symbols && linux_guest_enter(g) && likelihood(g, cpu) > best)
		return true; /* it has no note yet */
	if (nr)
		vmcoreinfo_find(&g->info, mem, &best_at);
	return linux_guest_enter(g);
}
