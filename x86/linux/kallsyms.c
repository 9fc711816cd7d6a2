/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the symbol table of the guest's Linux kernel in guest memory, and unpacks it.
 *
 * scripts/kallsyms.c of Linux lays the table out in .rodata. Names are packed: each is a length and
 * that many bytes, and each byte stands for one of 256 tokens. The tables and their order:
 *
 *	before 6.2: offsets, relative_base, num_syms, names, markers, token_table, token_index
 *	since 6.2 (and in stable 6.1): the same, with seqs_of_names (three bytes a symbol) before
 *	  token_table
 *	since 6.4: num_syms, names, markers, token_table, token_index, offsets, relative_base,
 *	  seqs_of_names
 *
 * Nothing points to them, but they are easy to recognise. The tokens are strings in the order of
 * the bytes that they stand for, and digits stand for themselves, so "0" to "9" follow each other.
 * token_index must hold the offset of each string. From there the search goes backward: markers
 * (the place of every 256th name) rise from 0, and the number of symbols before the names must
 * agree with both names and markers.
 *
 * The code reads guest memory through a window on one region (gmem_at() of all of it), each value
 * once, and checks the names' bytes while it unpacks them.
 */
#include "linux.h"

#include <errno.h>
#include <string.h>

#define NR_TOKENS 256
#define TOKEN_MAX_BYTES 64
#define NAMES_A_MARKER 256
#define MAX_MARKERS 8192 /* two million symbols */
#define NAME_MAX_BYTES 512
/* steps of the search: a kernel takes some millions, a hostile guest could make it take years */
#define MAX_STEPS 400000000ULL
#define KERNEL_MAP 0xffffffff80000000ULL

/* One region of guest RAM. */
struct window {
	const uint8_t *bytes;
	uint64_t len;
};

struct tables {
	struct window w;
	uint64_t steps;		      /* left for the search */
	uint64_t tokens, token_index; /* offsets in the window */
	uint64_t markers, names, offsets;
	uint32_t nr_markers, last_marker, nr_symbols;
	uint64_t relative_base;
	uint16_t token_at[NR_TOKENS];
	char token[NR_TOKENS][TOKEN_MAX_BYTES + 1];
};

static bool get(const struct window *w, uint64_t at, void *value, size_t size)
{
	if (at > w->len || w->len - at < size)
		return false;
	memcpy(value, w->bytes + at, size);
	return true;
}

/*
 * Returns the start of the string that ends with the NUL at @nul; 0 if no short string ends there.
 */
static uint64_t string_start(const struct window *w, uint64_t nul)
{
	uint64_t at = nul;

	while (at > 0 && nul - at <= TOKEN_MAX_BYTES && w->bytes[at - 1])
		at--;
	return at > 0 && !w->bytes[at - 1] ? at : 0;
}

/* Takes @nr steps. Returns whether any are left. */
static bool step(struct tables *t, uint64_t nr)
{
	t->steps -= min_u64(t->steps, nr);
	return t->steps > 0;
}

/* Copies the tokens at t->tokens and checks them against the index that follows them. */
static bool read_tokens(struct tables *t)
{
	uint64_t at = t->tokens;
	uint16_t index;

	for (unsigned int i = 0; i < NR_TOKENS; i++) {
		size_t n;

		if (!step(t, 1))
			return false;

		if (t->w.len - at <= TOKEN_MAX_BYTES)
			return false;
		memcpy(t->token[i], t->w.bytes + at, TOKEN_MAX_BYTES);
		n = strnlen(t->token[i], TOKEN_MAX_BYTES);
		if (n == TOKEN_MAX_BYTES)
			return false;
		t->token_at[i] = (uint16_t)(at - t->tokens);
		at += n + 1;
	}
	t->token_index = align_up(at, 8);
	for (unsigned int i = 0; i < NR_TOKENS; i++) {
		if (!get(&t->w, t->token_index + i * sizeof(index), &index, sizeof(index)) ||
		    index != t->token_at[i])
			return false;
	}
	return true;
}

/*
 * Finds the tokens' table around the digits at @digits. The bytes before the first token need not
 * end in a NUL, but the first token is aligned.
 */
static bool find_tokens(struct tables *t, uint64_t digits)
{
	uint64_t at = digits;

	for (unsigned int i = 1; i < '0'; i++) {
		if (at < 2 || !step(t, 1))
			return false;
		at = string_start(&t->w, at - 1);
		if (!at)
			return false;
	}
	for (t->tokens = (at - 1) & ~7ULL; t->tokens && at - t->tokens <= TOKEN_MAX_BYTES;
	     t->tokens -= 8) {
		if (read_tokens(t))
			return true;
	}
	return false;
}

/* Reads the markers, which rise from 0 and end at @end, except for padding. */
static bool read_markers(struct tables *t, uint64_t end)
{
	uint64_t at = end;
	uint32_t value, above;

	if (at < 8 || !get(&t->w, at - 4, &above, sizeof(above)))
		return false;
	at -= above ? 4 : 8;
	if (!get(&t->w, at, &above, sizeof(above)) || !above)
		return false;
	t->last_marker = above;
	for (t->nr_markers = 1; t->nr_markers < MAX_MARKERS; t->nr_markers++) {
		if (!step(t, 1) || at < 4 || !get(&t->w, at - 4, &value, sizeof(value)) ||
		    value >= above)
			return false;
		at -= 4;
		above = value;
		if (!value) {
			t->nr_markers++;
			t->markers = at;
			return is_aligned(at, 8);
		}
	}
	return false;
}

/*
 * Steps over the name at *at. Sets *packed to the start of its packed bytes, *len to their number.
 */
static bool next_name(const struct tables *t, uint64_t *at, uint64_t *packed, unsigned int *len)
{
	uint8_t n[2] = { 0 };

	if (*at >= t->markers || !get(&t->w, *at, n, sizeof(n)))
		return false;
	*len = n[0];
	*packed = *at + 1;
	if (n[0] & 0x80) { /* since 6.1 */
		*len = (n[0] & 0x7fU) | ((unsigned int)n[1] << 7);
		*packed = *at + 2;
	}
	*at = *packed + *len;
	return *len && *at <= t->markers;
}

/* Whether t->nr_symbols names from t->names on agree with the markers. */
static bool names_fit(struct tables *t)
{
	uint64_t at = t->names, packed;
	unsigned int len;
	uint32_t marker;

	for (uint32_t i = 0; i < t->nr_symbols; i++) {
		if (i % NAMES_A_MARKER == 0 &&
		    (!get(&t->w, t->markers + i / NAMES_A_MARKER * 4, &marker, sizeof(marker)) ||
		     marker != at - t->names))
			return false;
		if (!step(t, 1) || !next_name(t, &at, &packed, &len))
			return false;
	}
	return align_up(at, 8) == t->markers;
}

static bool find_names(struct tables *t)
{
	uint64_t longest = (uint64_t)t->last_marker + (uint64_t)NAMES_A_MARKER * NAME_MAX_BYTES;
	uint64_t most = (uint64_t)t->nr_markers * NAMES_A_MARKER;

	for (uint64_t len = align_up(t->last_marker, 8); len <= longest && len + 8 <= t->markers;
	     len += 8) {
		t->names = t->markers - len;
		if (!step(t, 1) || !get(&t->w, t->names - 8, &t->nr_symbols, sizeof(t->nr_symbols)))
			return false;
		if (t->nr_symbols <= most && t->nr_symbols > most - NAMES_A_MARKER && names_fit(t))
			return true;
	}
	return false;
}

/*
 * The markers end right before the tokens, or before seqs_of_names (three bytes a symbol), which is
 * right before the tokens.
 */
static bool find_markers_and_names(struct tables *t)
{
	uint64_t most = 3ULL * NAMES_A_MARKER * MAX_MARKERS;

	for (uint64_t gap = 0; gap <= most && gap < t->tokens && step(t, 1); gap += 8) {
		if (read_markers(t, t->tokens - gap) &&
		    gap <= 3ULL * NAMES_A_MARKER * t->nr_markers + 8 && find_names(t))
			return true;
	}
	return false;
}

static bool is_kernel_base(uint64_t base)
{
	return base >= KERNEL_MAP && is_aligned(base, 4096);
}

static bool find_offsets(struct tables *t)
{
	uint64_t bytes = align_up((uint64_t)t->nr_symbols * 4, 8);

	t->offsets = t->token_index + NR_TOKENS * sizeof(uint16_t);
	if (get(&t->w, t->offsets + bytes, &t->relative_base, 8) &&
	    is_kernel_base(t->relative_base))
		return true;
	if (t->names < 16 + bytes)
		return false;
	t->offsets = t->names - 16 - bytes;
	return get(&t->w, t->names - 16, &t->relative_base, 8) && is_kernel_base(t->relative_base);
}

/* Unpacks a name, whose first character is the symbol's type. Returns its length. */
static size_t unpack(const struct tables *t, uint64_t packed, unsigned int len, char *name)
{
	size_t n = 0;

	for (unsigned int i = 0; i < len; i++) {
		const char *token = t->token[t->w.bytes[packed + i]];

		while (*token && n < NAME_MAX_BYTES)
			name[n++] = *token++;
	}
	return n;
}

/*
 * If percpu variables are absolute (SMP kernels before 6.15), an offset that is not negative is
 * itself an address, and negative offsets count down from the base. Otherwise all offsets count up
 * from the base.
 */
static bool counts_down(const struct tables *t)
{
	uint32_t negative = 0;
	int32_t offset;

	for (uint32_t i = 0; i < t->nr_symbols; i++)
		negative += get(&t->w, t->offsets + (uint64_t)i * 4, &offset, 4) && offset < 0;
	return negative > t->nr_symbols / 2;
}

static int add_all(const struct tables *t, struct symbols *s)
{
	bool down = counts_down(t);
	uint64_t at = t->names, packed;
	char name[NAME_MAX_BYTES];
	unsigned int len;
	int32_t offset;
	int err = 0;

	for (uint32_t i = 0; !err && i < t->nr_symbols; i++) {
		size_t n;

		if (!next_name(t, &at, &packed, &len) ||
		    !get(&t->w, t->offsets + (uint64_t)i * 4, &offset, sizeof(offset)))
			break; /* the guest has changed it */
		n = unpack(t, packed, len, name);
		if (n < 2 || (down && offset >= 0))
			continue;
		err = symbols_add(s,
				  down ? t->relative_base - 1 - (uint64_t)(int64_t)offset
				       : t->relative_base + (uint32_t)offset,
				  name + 1, n - 1);
	}
	return err;
}

/* Opens the window on the region that holds @at. Returns the region's start. */
static gpa_t window_around(struct window *w, const struct gmem *mem, gpa_t at)
{
	const struct gmem_region *r = mem->region;

	while (at - r->gpa >= r->size_bytes)
		r++;
	*w = (struct window){ .bytes = gmem_at(mem, r->gpa, r->size_bytes), .len = r->size_bytes };
	return r->gpa;
}

int kallsyms_load(struct symbols *s, const struct gmem *mem, gpa_t *at)
{
	static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";
	struct tables t;

	for (t.steps = MAX_STEPS; t.steps && gmem_find(mem, at, digits, sizeof(digits)); ++*at) {
		gpa_t region = window_around(&t.w, mem, *at);

		if (find_tokens(&t, *at - region) && find_markers_and_names(&t) &&
		    find_offsets(&t)) {
			++*at;
			return add_all(&t, s);
		}
	}
	return -ENOENT;
}
