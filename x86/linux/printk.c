/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the guest kernel's messages from the kernel's ring in guest memory: what dmesg would print,
 * even if there never was a console.
 *
 * - Since Linux 5.10 (kernel/printk/printk_ringbuffer.h) there are three rings: descriptors, each
 *   with a state and the place of its text; infos (time, level, length), one for each descriptor;
 *   and the bytes of the texts.
 * - Before 5.10 there is one ring of bytes; each record is a header and a text.
 * - VMCOREINFO has the offsets. If a kernel died before it wrote that, the code uses the offsets
 *   that all 64-bit kernels have had so far.
 *
 * The kernel may be writing at the same time: a descriptor counts only if its state marks the
 * record as complete and contains the number that the ring expects there.
 */
#include "linux.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COUNT_BITS 24
#define MIN_SIZE_BITS 8
#define MAX_SIZE_BITS 30
#define MAX_TEXT_BYTES 4096
#define STATE_SHIFT 62
#define STATE_COMMITTED 1
#define STATE_FINALIZED 2
#define MAX_OLD_LOG_BYTES (64 * MIB)
/* Limits, since a guest can make all its records share one text, and one text a million lines. */
#define MAX_WALKED_BYTES (128 * MIB)
#define MAX_PRINTED_BYTES (64 * MIB)
#define KERNEL_HALF (1ULL << 63) /* the kernel's pointers are above */
#define NS_PER_US 1000U
#define US_PER_S 1000000U

/* Offsets and sizes in bytes, by their names in VMCOREINFO. */
struct ring_layout {
	uint64_t desc_ring, text_data_ring;
	uint64_t count_bits, descs, infos, head_id, tail_id;
	uint64_t desc_size, state_var, text_blk_lpos;
	uint64_t lpos_begin, lpos_next;
	uint64_t info_size, ts_nsec, text_len, facility; /* the level follows the facility */
	uint64_t size_bits, data;
};

static const struct ring_layout usual = {
	.text_data_ring = 40,
	.descs = 8,
	.infos = 16,
	.head_id = 24,
	.tail_id = 32,
	.desc_size = 24,
	.text_blk_lpos = 8,
	.lpos_next = 8,
	.info_size = 88,
	.ts_nsec = 8,
	.text_len = 16,
	.facility = 18,
	.data = 8,
};

/* Since 6.8 the descriptors' ring has one more field. */
#define LATER_TEXT_DATA_RING 48

struct ring {
	const struct linux_guest *g;
	struct ring_layout at;
	unsigned int count_bits, size_bits;
	uint64_t descs, infos, data; /* guest virtual */
	uint64_t head_id, tail_id;
	uint64_t walked_bytes;
	bool damaged;
};

static bool get(const struct linux_guest *g, uint64_t gva, void *value, size_t size)
{
	return gva_read(g->mem, &g->paging, gva, value, size) == size;
}

static void layout_from_note(struct ring_layout *at, const struct vmcoreinfo *info)
{
	const struct {
		const char *key;
		uint64_t *value;
	} rows[] = {
		{ "OFFSET(printk_ringbuffer.desc_ring)", &at->desc_ring },
		{ "OFFSET(printk_ringbuffer.text_data_ring)", &at->text_data_ring },
		{ "OFFSET(prb_desc_ring.count_bits)", &at->count_bits },
		{ "OFFSET(prb_desc_ring.descs)", &at->descs },
		{ "OFFSET(prb_desc_ring.infos)", &at->infos },
		{ "OFFSET(prb_desc_ring.head_id)", &at->head_id },
		{ "OFFSET(prb_desc_ring.tail_id)", &at->tail_id },
		{ "SIZE(prb_desc)", &at->desc_size },
		{ "OFFSET(prb_desc.state_var)", &at->state_var },
		{ "OFFSET(prb_desc.text_blk_lpos)", &at->text_blk_lpos },
		{ "OFFSET(prb_data_blk_lpos.begin)", &at->lpos_begin },
		{ "OFFSET(prb_data_blk_lpos.next)", &at->lpos_next },
		{ "SIZE(printk_info)", &at->info_size },
		{ "OFFSET(printk_info.ts_nsec)", &at->ts_nsec },
		{ "OFFSET(printk_info.text_len)", &at->text_len },
		{ "OFFSET(prb_data_ring.size_bits)", &at->size_bits },
		{ "OFFSET(prb_data_ring.data)", &at->data },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		vmcoreinfo_number(info, rows[i].key, rows[i].value);
	at->facility = at->text_len + 2; /* VMCOREINFO has no bit fields, and not this byte */
}

/* Reads the ring's head. Returns false if it makes no sense. */
static bool read_head(struct ring *r, uint64_t prb)
{
	uint64_t desc = prb + r->at.desc_ring, text = prb + r->at.text_data_ring;
	uint32_t count_bits, size_bits;

	if (!get(r->g, desc + r->at.count_bits, &count_bits, sizeof(count_bits)) ||
	    !get(r->g, desc + r->at.descs, &r->descs, 8) ||
	    !get(r->g, desc + r->at.infos, &r->infos, 8) ||
	    !get(r->g, desc + r->at.head_id, &r->head_id, 8) ||
	    !get(r->g, desc + r->at.tail_id, &r->tail_id, 8) ||
	    !get(r->g, text + r->at.size_bits, &size_bits, sizeof(size_bits)) ||
	    !get(r->g, text + r->at.data, &r->data, 8))
		return false;
	r->count_bits = count_bits;
	r->size_bits = size_bits;
	return count_bits && count_bits <= MAX_COUNT_BITS && size_bits >= MIN_SIZE_BITS &&
	       size_bits <= MAX_SIZE_BITS && r->descs >= KERNEL_HALF && r->infos >= KERNEL_HALF &&
	       r->data >= KERNEL_HALF;
}

static bool find_pointer(const struct linux_guest *g, const char *name, uint64_t *value)
{
	char key[64];
	uint64_t at;

	snprintf(key, sizeof(key), "SYMBOL(%s)", name);
	return (vmcoreinfo_number(&g->info, key, &at) ||
		(g->symbols && symbols_lookup(g->symbols, name, &at))) &&
	       get(g, at, value, sizeof(*value)) && *value;
}

static bool ring_open(struct ring *r, const struct linux_guest *g)
{
	uint64_t prb;

	*r = (struct ring){ .g = g, .at = usual };
	if (!find_pointer(g, "prb", &prb))
		return false;
	layout_from_note(&r->at, &g->info);
	if (read_head(r, prb))
		return true;
	r->at.text_data_ring = LATER_TEXT_DATA_RING;
	return read_head(r, prb);
}

/*
 * Reads the text at [begin, next) of the ring of bytes, after the number at the start of its block.
 */
static size_t read_text(struct ring *r, uint64_t begin, uint64_t next, char *text, size_t len)
{
	uint64_t size = 1ULL << r->size_bits, from = begin & (size - 1), room;

	if (begin & 1) /* no text */
		return 0;
	if ((begin >> r->size_bits) != (next >> r->size_bits) && (next & (size - 1)))
		from = 0; /* it did not fit before the ring's end, and is at the start */
	room = (next & (size - 1) ? next & (size - 1) : size) - from;
	if (from + 8 > size || room <= 8 || room > size) {
		r->damaged = true;
		return 0;
	}
	len = min_u64(len, min_u64(room - 8, MAX_TEXT_BYTES));
	if (!get(r->g, r->data + from + 8, text, len)) {
		r->damaged = true;
		return 0;
	}
	return len;
}

static void give_record(struct ring *r, uint64_t id, char *text, log_record_fn fn, void *ctx)
{
	uint64_t index = id & ((1ULL << r->count_bits) - 1), state, begin, next, ts_ns;
	uint64_t desc = r->descs + index * r->at.desc_size,
		 info = r->infos + index * r->at.info_size;
	uint8_t flags[2];
	uint16_t len;

	if (!get(r->g, desc + r->at.state_var, &state, 8) ||
	    !get(r->g, desc + r->at.text_blk_lpos + r->at.lpos_begin, &begin, 8) ||
	    !get(r->g, desc + r->at.text_blk_lpos + r->at.lpos_next, &next, 8) ||
	    !get(r->g, info + r->at.ts_nsec, &ts_ns, 8) ||
	    !get(r->g, info + r->at.text_len, &len, 2) ||
	    !get(r->g, info + r->at.facility, flags, sizeof(flags))) {
		r->damaged = true;
		return;
	}
	if ((state & ~(3ULL << STATE_SHIFT)) != (id & ~(3ULL << STATE_SHIFT)))
		return; /* the kernel is reusing it */
	if (state >> STATE_SHIFT != STATE_COMMITTED && state >> STATE_SHIFT != STATE_FINALIZED)
		return;
	len = (uint16_t)read_text(r, begin, next, text, len);
	r->walked_bytes += len + 8U;
	fn(ctx, ts_ns, flags[0] * 8U + (flags[1] >> 5), text, len);
}

static enum log_end walk_ring(struct ring *r, log_record_fn fn, void *ctx)
{
	uint64_t nr = r->head_id - r->tail_id + 1, most = 1ULL << r->count_bits;
	char *text = malloc(MAX_TEXT_BYTES);

	if (!text)
		return LOG_NONE;
	if (nr > most) {
		r->damaged = true;
		nr = most;
	}
	for (uint64_t i = 0; i < nr && r->walked_bytes <= MAX_WALKED_BYTES; i++)
		give_record(r, r->head_id - (nr - 1) + i, text, fn, ctx);
	r->damaged = r->damaged || r->walked_bytes > MAX_WALKED_BYTES;
	free(text);
	return r->damaged ? LOG_DAMAGED : LOG_WHOLE;
}

/*--- before 5.10 ---------------------------------------------------------------------------*/

struct old_layout {
	uint64_t size, ts_nsec, len, text_len, facility;
};

static bool find_word(const struct linux_guest *g, const char *name, uint32_t *value)
{
	char key[64];
	uint64_t at;

	snprintf(key, sizeof(key), "SYMBOL(%s)", name);
	return (vmcoreinfo_number(&g->info, key, &at) ||
		(g->symbols && symbols_lookup(g->symbols, name, &at))) &&
	       get(g, at, value, sizeof(*value));
}

static void old_layout(struct old_layout *at, const struct vmcoreinfo *info)
{
	*at = (struct old_layout){ .size = 16, .ts_nsec = 0, .len = 8, .text_len = 10 };
	vmcoreinfo_number(info, "SIZE(printk_log)", &at->size);
	vmcoreinfo_number(info, "OFFSET(printk_log.ts_nsec)", &at->ts_nsec);
	vmcoreinfo_number(info, "OFFSET(printk_log.len)", &at->len);
	vmcoreinfo_number(info, "OFFSET(printk_log.text_len)", &at->text_len);
	at->facility = at->text_len + 4; /* after dict_len */
}

/* A record with length 0 means that the next one is at the start of the ring. */
static enum log_end walk_old(const struct linux_guest *g, log_record_fn fn, void *ctx)
{
	uint64_t buf, at, done = 0;
	char text[MAX_TEXT_BYTES];
	uint32_t size, first, next;
	struct old_layout l;

	if (!find_pointer(g, "log_buf", &buf) || !find_word(g, "log_buf_len", &size) ||
	    !find_word(g, "log_first_idx", &first) || !find_word(g, "log_next_idx", &next) ||
	    !size || size > MAX_OLD_LOG_BYTES || first >= size || next >= size)
		return LOG_NONE;
	old_layout(&l, &g->info);
	for (at = first; at != next && done <= size;) {
		uint64_t ts_ns;
		uint16_t len, text_len;
		uint8_t flags[2];

		if (at + l.size > size || !get(g, buf + at + l.len, &len, 2))
			return LOG_DAMAGED;
		if (!len) {
			if (at <= next)
				return LOG_DAMAGED;
			at = 0;
			continue;
		}
		if (!get(g, buf + at + l.ts_nsec, &ts_ns, 8) ||
		    !get(g, buf + at + l.text_len, &text_len, 2) ||
		    !get(g, buf + at + l.facility, flags, sizeof(flags)) || len < l.size ||
		    len > size - at || text_len > len - l.size || text_len > sizeof(text) ||
		    !get(g, buf + at + l.size, text, text_len))
			return LOG_DAMAGED;
		fn(ctx, ts_ns, flags[0] * 8U + (flags[1] >> 5), text, text_len);
		at += len;
		done += len;
	}
	return at == next ? LOG_WHOLE : LOG_DAMAGED;
}

enum log_end linux_log_walk(const struct linux_guest *g, log_record_fn fn, void *ctx)
{
	struct ring r;

	return ring_open(&r, g) ? walk_ring(&r, fn, ctx) : walk_old(g, fn, ctx);
}

/*--- as text ---------------------------------------------------------------------------*/

struct printer {
	FILE *f;
	unsigned int nr, skip;
	uint64_t bytes;
};

static void put(struct printer *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct printer *p, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (p->bytes > MAX_PRINTED_BYTES)
		return;
	va_start(ap, fmt);
	n = vfprintf(p->f, fmt, ap);
	va_end(ap);
	p->bytes += n > 0 ? (unsigned int)n : 0;
}

static void print_record(void *ctx, uint64_t ts_ns, unsigned int priority, const char *text,
			 size_t len)
{
	uint64_t us = ts_ns / NS_PER_US;
	struct printer *p = ctx;

	(void)priority;
	for (size_t i = 0; p->nr >= p->skip && i <= len; i++) {
		if (i == 0 || text[i - 1] == '\n')
			put(p, "[%5llu.%06llu] ", (unsigned long long)(us / US_PER_S),
			    (unsigned long long)(us % US_PER_S));
		if (i == len || text[i] == '\n')
			put(p, "\n");
		else if (text[i] == '\t' || (text[i] >= ' ' && text[i] <= '~'))
			put(p, "%c", text[i]);
		else
			put(p, "\\x%02x", (uint8_t)text[i]);
	}
	p->nr++;
}

unsigned int linux_log_print(FILE *f, const struct linux_guest *g, unsigned int skip,
			     enum log_end *end)
{
	struct printer p = { .f = f, .skip = skip };
	enum log_end how = linux_log_walk(g, print_record, &p);

	if (end)
		*end = p.bytes > MAX_PRINTED_BYTES ? LOG_DAMAGED : how;
	return p.nr;
}
