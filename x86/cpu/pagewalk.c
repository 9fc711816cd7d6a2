/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks the guest's page tables as the processor does (Intel SDM vol. 3A, 4.3 to 4.7), to explain
 * why an access failed.
 *
 * Each entry is read once, with bounds checks; tables may lie anywhere, contain anything and change
 * during the walk.
 *
 * Not considered: protection keys, shadow stacks, and the TLB (the access may have used a stale
 * translation). PAE's four pointers, which a processor holds since the last write to CR3, are read
 * from memory. Levels are numbered as in the message "not present at level 2": 1 is the table of 4
 * KiB pages. Their names are Linux's.
 */
#include "pagewalk.h"
#include "x86_bits.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* PAE's top entries do not have W, U, A or D (SDM vol. 3A, table 4-8). */
#define PDPTE_RESERVED 0xfff00000000001e6ULL

enum paging_mode paging_mode(const struct paging *p)
{
	if (!(p->cr0 & CR0_PG))
		return PAGING_NONE;
	if (p->efer & EFER_LMA)
		return p->cr4 & CR4_LA57 ? PAGING_5LEVEL : PAGING_4LEVEL;
	return p->cr4 & CR4_PAE ? PAGING_PAE : PAGING_32;
}

const char *paging_mode_name(enum paging_mode mode)
{
	static const char *const name[] = {
		[PAGING_NONE] = "no paging",	    [PAGING_32] = "32-bit paging",
		[PAGING_PAE] = "PAE paging",	    [PAGING_4LEVEL] = "4-level paging",
		[PAGING_5LEVEL] = "5-level paging",
	};

	return name[mode];
}

const char *walk_level_name(enum paging_mode mode, unsigned int level)
{
	static const char *const name[][WALK_MAX_LEVELS] = {
		[PAGING_NONE] = { "", "", "", "", "" },
		[PAGING_32] = { "PTE", "PGD", "", "", "" },
		[PAGING_PAE] = { "PTE", "PMD", "PGD", "", "" },
		[PAGING_4LEVEL] = { "PTE", "PMD", "PUD", "PGD", "" },
		[PAGING_5LEVEL] = { "PTE", "PMD", "PUD", "P4D", "PGD" },
	};

	return level >= 1 && level <= WALK_MAX_LEVELS ? name[mode][level - 1] : "";
}

static unsigned int nr_levels(enum paging_mode mode)
{
	static const unsigned int nr[] = {
		[PAGING_NONE] = 0,   [PAGING_32] = 2,	  [PAGING_PAE] = 3,
		[PAGING_4LEVEL] = 4, [PAGING_5LEVEL] = 5,
	};

	return nr[mode];
}

static bool canonical(enum paging_mode mode, uint64_t gva)
{
	unsigned int bits = mode == PAGING_5LEVEL ? 57 : 48;
	uint64_t high = gva >> (bits - 1);

	return mode < PAGING_4LEVEL || high == 0 || high == UINT64_MAX >> (bits - 1);
}

/* The address bit at which @level's index begins. */
static unsigned int level_shift(enum paging_mode mode, unsigned int level)
{
	return 12 + (level - 1) * (mode == PAGING_32 ? 10 : 9);
}

static gpa_t root_of(const struct paging *p, enum paging_mode mode)
{
	if (mode == PAGING_32)
		return p->cr3 & 0xfffff000;
	return mode == PAGING_PAE ? p->cr3 & 0xffffffe0 : p->cr3 & PTE_ADDRESS;
}

static bool read_entry(const struct gmem *mem, enum paging_mode mode, struct walk_entry *e)
{
	if (mode != PAGING_32)
		return !gmem_read(mem, e->gpa, &e->value, 8);
	return !gmem_read(mem, e->gpa, &e->value, 4);
}

static bool is_leaf(const struct paging *p, enum paging_mode mode, const struct walk_entry *e)
{
	if (e->level == 1)
		return true;
	if (!(e->value & PTE_PS) || (mode == PAGING_32 && !(p->cr4 & CR4_PSE)))
		return false;
	return e->level == 2 || (e->level == 3 && mode >= PAGING_4LEVEL);
}

/* SDM vol. 3A, 4.3 table 4-4: in 32-bit paging only bit 21 is reserved in a 4 MiB page. */
static bool reserved_bits_set(const struct paging *p, enum paging_mode mode,
			      const struct walk_entry *e)
{
	unsigned int phys_bits = p->maxphyaddr ? p->maxphyaddr : 52;
	uint64_t reserved = PTE_ADDRESS & ~((1ULL << min_u64(phys_bits, 52)) - 1);
	bool leaf = is_leaf(p, mode, e);

	if (mode == PAGING_32)
		return leaf && e->level == 2 && e->value & 1ULL << 21;
	if (mode == PAGING_PAE && e->level == 3)
		return e->value & (reserved | PDPTE_RESERVED);
	if (!(p->efer & EFER_NXE))
		reserved |= PTE_NX;
	if (mode == PAGING_PAE)
		reserved |= 0x7ffULL << 52;
	if (leaf && e->level > 1)
		reserved |= ((1ULL << level_shift(mode, e->level)) - 1) & ~0x1fffULL;
	if (!leaf && e->level >= 4)
		reserved |= PTE_PS;
	return e->value & reserved;
}

static void gather_rights(struct pagewalk *w, const struct walk_entry *e)
{
	if (w->mode == PAGING_PAE && e->level == 3)
		return;
	w->writable = w->writable && e->value & PTE_W;
	w->user = w->user && e->value & PTE_U;
	w->executable = w->executable && (w->mode == PAGING_32 || !(e->value & PTE_NX));
}

static void set_page(struct pagewalk *w, const struct walk_entry *e)
{
	uint64_t base = e->value & PTE_ADDRESS;

	w->mapped = true;
	w->page_bytes = 1ULL << level_shift(w->mode, e->level);
	/* PSE-36: bits 13 to 20 are bits 32 to 39 of the address */
	if (w->mode == PAGING_32 && e->level == 2)
		base = (e->value & 0xffc00000) | (e->value >> 13 & 0xff) << 32;
	w->gpa = align_down(base, w->page_bytes) | (w->gva & (w->page_bytes - 1));
}

static enum walk_result access_result(const struct pagewalk *w, const struct paging *p,
				      enum walk_access access)
{
	if (p->user && !w->user)
		return WALK_SUPERVISOR_ONLY;
	if (access == WALK_WRITE && !w->writable && (p->user || p->cr0 & CR0_WP))
		return WALK_READ_ONLY;
	if (access == WALK_FETCH && !w->executable)
		return WALK_NO_EXECUTE;
	if (p->user || !w->user)
		return WALK_OK;
	if (access == WALK_FETCH)
		return p->cr4 & CR4_SMEP ? WALK_SMEP : WALK_OK;
	return p->cr4 & CR4_SMAP && !(p->rflags & RFLAGS_AC) ? WALK_SMAP : WALK_OK;
}

/*
 * Walks one level: reads its entry in *@table, which becomes the next level's table. Returns
 * whether there is a next level.
 */
static bool walk_level(struct pagewalk *w, const struct gmem *mem, const struct paging *p,
		       unsigned int level, gpa_t *table)
{
	struct walk_entry *e = &w->entry[w->nr];
	unsigned int index_mask = w->mode == PAGING_32 ? 1023 : 511;

	assert(level > 0);
	e->level = w->level = level;
	e->index = (unsigned int)(w->gva >> level_shift(w->mode, level)) & index_mask;
	e->gpa = *table + e->index * (w->mode == PAGING_32 ? 4ULL : 8ULL);
	if (!read_entry(mem, w->mode, e)) {
		w->result = WALK_NO_TABLE;
		return false;
	}
	w->nr++;
	if (!(e->value & PTE_P) || reserved_bits_set(p, w->mode, e)) {
		w->result = e->value & PTE_P ? WALK_RESERVED : WALK_NOT_PRESENT;
		return false;
	}
	gather_rights(w, e);
	if (is_leaf(p, w->mode, e)) {
		set_page(w, e);
		return false;
	}
	*table = e->value & (w->mode == PAGING_32 ? 0xfffff000 : PTE_ADDRESS);
	return true;
}

void pagewalk(struct pagewalk *w, const struct gmem *mem, const struct paging *p, uint64_t gva,
	      enum walk_access access)
{
	enum paging_mode mode = paging_mode(p);
	unsigned int level = nr_levels(mode);
	gpa_t table = root_of(p, mode);

	*w = (struct pagewalk){ .mode = mode, .writable = true, .user = true, .executable = true };
	w->gva = mode >= PAGING_4LEVEL ? gva : gva & UINT32_MAX;
	if (mode == PAGING_NONE) {
		w->mapped = true;
		w->gpa = w->gva;
		return;
	}
	if (!canonical(mode, gva)) {
		w->result = WALK_NON_CANONICAL;
		return;
	}
	while (walk_level(w, mem, p, level, &table))
		level--;
	if (w->mapped)
		w->result = access_result(w, p, access);
}

unsigned int walk_error_code(const struct pagewalk *w, const struct paging *p,
			     enum walk_access access)
{
	bool nx_counts = p->efer & EFER_NXE || p->cr4 & CR4_SMEP;

	return (w->mapped || w->result == WALK_RESERVED ? 1U : 0) |
	       (access == WALK_WRITE ? 2U : 0) | (p->user ? 4U : 0) |
	       (w->result == WALK_RESERVED ? 8U : 0) |
	       (access == WALK_FETCH && nx_counts ? 16U : 0);
}

void walk_result_text(const struct pagewalk *w, char *buf, size_t n)
{
	static const char *const text[] = {
		[WALK_OK] = "mapped",
		[WALK_NON_CANONICAL] = "not canonical",
		[WALK_NO_TABLE] = "the table lies outside memory",
		[WALK_NOT_PRESENT] = "not present",
		[WALK_RESERVED] = "a reserved bit is set",
		[WALK_READ_ONLY] = "not writable",
		[WALK_SUPERVISOR_ONLY] = "not for ring 3",
		[WALK_NO_EXECUTE] = "not executable",
		[WALK_SMEP] = "a page of ring 3's, which SMEP keeps from execution",
		[WALK_SMAP] = "a page of ring 3's, which SMAP keeps from access",
	};

	if (w->result == WALK_NO_TABLE || w->result == WALK_NOT_PRESENT ||
	    w->result == WALK_RESERVED)
		snprintf(buf, n, "%s at level %u (%s)", text[w->result], w->level,
			 walk_level_name(w->mode, w->level));
	else
		snprintf(buf, n, "%s", text[w->result]);
}

static void print_entry(FILE *f, const struct pagewalk *w, const struct walk_entry *e)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} bits[] = {
		{ 0, "P" }, { 1, "W" }, { 2, "U" },  { 3, "PWT" }, { 4, "PCD" },
		{ 5, "A" }, { 6, "D" }, { 7, "PS" }, { 8, "G" },   { 63, "NX" },
	};
	const char *gap = "";

	fprintf(f, "    %-3s[%3u] at %" PRIx64 " = %0*" PRIx64 " [",
		walk_level_name(w->mode, e->level), e->index, e->gpa, w->mode == PAGING_32 ? 8 : 16,
		e->value);
	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		if (!(e->value >> bits[i].bit & 1))
			continue;
		fprintf(f, "%s%s", gap, e->level == 1 && bits[i].bit == 7 ? "PAT" : bits[i].name);
		gap = " ";
	}
	fputs("]\n", f);
}

static void print_page(FILE *f, const struct pagewalk *w, const struct gmem *mem)
{
	fprintf(f, "physical %" PRIx64, w->gpa);
	if (!gmem_at(mem, w->gpa, 1))
		fputs(" (no memory there)", f);
	if (w->page_bytes)
		fprintf(f, ", %s page, %s%s%s",
			w->page_bytes == 4 * KIB   ? "4 KiB"
			: w->page_bytes == 2 * MIB ? "2 MiB"
			: w->page_bytes == 4 * MIB ? "4 MiB"
						   : "1 GiB",
			w->writable ? "writable" : "read only", w->user ? ", user" : "",
			w->executable ? "" : ", no execute");
}

/* How many levels of @w are the same as in @like. */
static unsigned int shared_levels(const struct pagewalk *w, const struct pagewalk *like)
{
	unsigned int n = 0;

	while (like && n < w->nr && n < like->nr && w->entry[n].gpa == like->entry[n].gpa &&
	       w->entry[n].value == like->entry[n].value)
		n++;
	return n;
}

void pagewalk_print(FILE *f, const struct pagewalk *w, const struct gmem *mem,
		    const struct pagewalk *like)
{
	unsigned int shared = shared_levels(w, like);
	char text[96];

	if (shared && shared == w->nr)
		fputs("    (the same entries) ", f);
	else if (shared)
		fprintf(f, "    (%s to %s as above)\n", walk_level_name(w->mode, w->entry[0].level),
			walk_level_name(w->mode, w->entry[shared - 1].level));
	for (unsigned int i = shared; i < w->nr; i++)
		print_entry(f, w, &w->entry[i]);
	if (shared < w->nr || !w->nr)
		fputs("    ", f);
	walk_result_text(w, text, sizeof(text));
	if (w->result)
		fprintf(f, "-> %s%s", text, w->mapped ? ": " : "");
	else
		fputs("-> ", f);
	if (w->mapped)
		print_page(f, w, mem);
	fputc('\n', f);
}

size_t gva_read(const struct gmem *mem, const struct paging *p, uint64_t gva, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		struct pagewalk w;
		size_t part;

		pagewalk(&w, mem, p, gva + done, WALK_READ);
		part = (size_t)min_u64(len - done, 4 * KIB - (w.gpa & (4 * KIB - 1)));
		if (!w.mapped || gmem_read(mem, w.gpa, (char *)buf + done, part))
			break;
		done += part;
	}
	return done;
}
