/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the watchers of a console's lines with any bytes, cut into pieces of any length; the first
 * byte gives the length.
 *
 * The lines are the same for every cut, bounded and clean; reports and expectations keep the
 * promises of their headers.
 */
#include "kvm/checks/expect.h"
#include "kvm/checks/kernlog.h"
#include "kvm/checks/lines.h"
#include "kvm/console_watch.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct lines lines;
	struct kernlog kernlog;
	struct expect *expect;
	uint64_t nr, hash;
};

static void on_line(void *ctx, const char *text, size_t len)
{
	struct run *r = ctx;

	if (len > LINES_MAX_BYTES || strlen(text) != len)
		abort();
	r->nr++;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)text[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			abort();
		r->hash = (r->hash ^ c) * 0x100000001b3;
	}
	if (r->expect) {
		expect_forbidden(r->expect, text);
		expect_wanted(r->expect, text, r->nr);
	}
	kernlog_line(&r->kernlog, text, r->nr);
}

static void check_reports(const struct kernlog *k)
{
	if (k->nr_reports > KERNLOG_MAX_REPORTS || k->nr_reports > k->nr_seen)
		abort();
	for (unsigned int i = 0; i < k->nr_reports; i++) {
		const struct kernlog_report *r = &k->report[i];

		if (!r->class || !r->title[0] || !r->len || r->len > KERNLOG_REPORT_BYTES ||
		    r->text[r->len - 1] != '\n')
			abort();
	}
}

/* The ends of a machine are found in any pieces, too. */
static void check_watch(const uint8_t *data, size_t size, size_t piece)
{
	struct watch whole = { .whole_boot = true }, cut = { .whole_boot = true };
	unsigned int found = 0;

	for (size_t i = 0; i < size; i += piece)
		found |= watch_feed(&cut, data + i, size - i < piece ? size - i : piece);
	if (watch_feed(&whole, data, size) != found)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const wanted[] = { "a+b|c$", "^[0-9]+ (x|yy)*z", "login: $" };
	static const char *const forbidden[] = { "(a*)*c" };
	struct run *whole = calloc(1, sizeof(*whole)), *cut = calloc(1, sizeof(*cut));
	struct expect expect = { 0 };
	size_t piece;

	if (!size || !whole || !cut || expect_init(&expect, wanted, 3, forbidden, 1, data[0] & 1))
		goto out;
	piece = 1 + data[0] % 16;
	whole->lines = (struct lines){ .line = on_line, .ctx = whole };
	cut->lines = (struct lines){ .line = on_line, .ctx = cut };
	cut->expect = &expect;
	data++;
	size--;
	check_watch(data, size, piece);
	lines_feed(&whole->lines, data, size);
	for (size_t i = 0; i < size; i += piece)
		lines_feed(&cut->lines, data + i, size - i < piece ? size - i : piece);
	lines_end(&whole->lines);
	lines_end(&cut->lines);
	if (whole->nr != cut->nr || whole->hash != cut->hash || expect.nr_met > expect.nr_wanted)
		abort();
	check_reports(&whole->kernlog);
out:
	expect_fini(&expect);
	free(whole);
	free(cut);
	return 0;
}
