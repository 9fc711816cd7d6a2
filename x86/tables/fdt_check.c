/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks whether untrusted bytes are a device tree that a guest may get (Devicetree Specification
 * 0.4, chapter 5).
 *
 * Our own check comes first, then libfdt's fdt_check_full(): the one of libfdt 1.6 adds a
 * property's length to its offset without checking the sum, so a length near 2^32 leads it
 * backwards.
 *
 * Our check requires one root; each node, property and name inside its block; and the blocks inside
 * the size that the tree states, since the guest gets no byte beyond it. Pure.
 */
#include "fdt.h"

#include <errno.h>
#include <libfdt.h>
#include <string.h>

/* Linux does not read older versions. */
#define FIRST_VERSION 16
#define LATEST_VERSION 17 /* the first that states the structure's size */

struct block {
	const uint8_t *at;
	uint32_t bytes;
};

/* The structure block during the walk; the first @at bytes are done. */
struct walk {
	struct block structure, strings;
	uint32_t at;
	unsigned int depth;
	bool root_seen;
};

static bool take_block(struct block *b, const void *blob, uint32_t offset, uint32_t bytes)
{
	uint32_t total = fdt_totalsize(blob);

	if (offset > total || bytes > total - offset)
		return false;
	*b = (struct block){ (const uint8_t *)blob + offset, bytes };
	return true;
}

static bool take_blocks(struct walk *w, const void *blob)
{
	uint32_t at = fdt_off_dt_struct(blob), total = fdt_totalsize(blob);
	uint32_t bytes =
		fdt_version(blob) >= LATEST_VERSION ? fdt_size_dt_struct(blob) : total - at;

	return at % FDT_TAGSIZE == 0 && at <= total && take_block(&w->structure, blob, at, bytes) &&
	       take_block(&w->strings, blob, fdt_off_dt_strings(blob), fdt_size_dt_strings(blob));
}

static uint32_t left(const struct walk *w)
{
	return w->structure.bytes - w->at;
}

static bool take_word(struct walk *w, uint32_t *value)
{
	fdt32_t word;

	if (left(w) < sizeof(word))
		return false;
	memcpy(&word, w->structure.at + w->at, sizeof(word));
	w->at += sizeof(word);
	*value = fdt32_to_cpu(word);
	return true;
}

/* Skips @bytes, and up to the next word. */
static bool skip(struct walk *w, uint32_t bytes)
{
	uint32_t padding = -bytes % FDT_TAGSIZE;

	if (bytes > left(w) || padding > left(w) - bytes)
		return false;
	w->at += bytes + padding;
	return true;
}

static bool begin_node(struct walk *w)
{
	const uint8_t *name = w->structure.at + w->at, *end = memchr(name, 0, left(w));

	if (!end || (!w->depth && w->root_seen))
		return false;
	w->root_seen = true;
	w->depth++;
	return skip(w, (uint32_t)(end - name) + 1);
}

static bool property(struct walk *w)
{
	const struct block *strings = &w->strings;
	uint32_t bytes, name;

	if (!w->depth || !take_word(w, &bytes) || !take_word(w, &name))
		return false;
	return name < strings->bytes && memchr(strings->at + name, 0, strings->bytes - name) &&
	       skip(w, bytes);
}

/* Takes one token. Returns whether it is valid at this place. */
static bool step(struct walk *w, uint32_t *token)
{
	if (!take_word(w, token))
		return false;
	switch (*token) {
	case FDT_BEGIN_NODE:
		return begin_node(w);
	case FDT_END_NODE:
		return w->depth-- > 0;
	case FDT_PROP:
		return property(w);
	case FDT_NOP:
		return true;
	case FDT_END:
		return !w->depth && w->root_seen;
	default:
		return false;
	}
}

static bool structure_is_sound(const void *blob)
{
	struct walk w = { .depth = 0 };
	uint32_t token = FDT_NOP;

	if (!take_blocks(&w, blob))
		return false;
	while (token != FDT_END) {
		if (!step(&w, &token))
			return false;
	}
	return true;
}

static const char *check(const void *blob, uint64_t bytes)
{
	int err;

	if (bytes < sizeof(struct fdt_header))
		return "shorter than a device tree's header";
	if (fdt_magic(blob) != FDT_MAGIC)
		return "not a flattened device tree (dtc makes one from a .dts)";
	if (fdt_totalsize(blob) > bytes)
		return "a truncated device tree: its header states a larger size";
	if (fdt_version(blob) < FIRST_VERSION)
		return "a device tree of a version before 16, which Linux does not read (dtc makes version 17)";
	if (!structure_is_sound(blob))
		return "a damaged device tree: its nodes and properties do not lie within their blocks (dtc makes a valid one)";
	err = fdt_check_full(blob, bytes);
	return err ? fdt_strerror(err) : NULL;
}

int fdt_accept(const void *blob, uint64_t bytes, const char **why)
{
	*why = check(blob, bytes);
	return *why ? -EINVAL : (int)fdt_totalsize(blob);
}
