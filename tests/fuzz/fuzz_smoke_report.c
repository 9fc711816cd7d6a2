/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the reader of report files, of `kvm smoke` and of one run.
 *
 * A file is refused, or is a set that is written as it was read and whose other reports have no
 * control character.
 */
#include "kvm/smoke/smoke.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *render(const struct smoke_set *set, void (*writer)(FILE *f, const void *ctx),
		    size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		abort();
	writer(f, set);
	if (fclose(f))
		abort();
	return text;
}

static void table(FILE *f, const void *ctx)
{
	smoke_table(f, ctx);
}

static void check_clean(const struct smoke_set *set, void (*writer)(FILE *f, const void *ctx))
{
	size_t len;
	char *text = render(set, writer, &len);

	for (size_t i = 0; i < len; i++) {
		if ((uint8_t)text[i] < ' ' && text[i] != '\n' && text[i] != '\t')
			abort();
	}
	free(text);
}

static void check_set(struct smoke_set *set)
{
	struct smoke_set back = { 0 }, merged = { 0 };
	char why[200], *text, *again;
	size_t len, again_len;

	text = render(set, smoke_json, &len);
	if (smoke_read(&back, text, len, why) || smoke_merge(&merged, &back, why))
		abort();
	again = render(&merged, smoke_json, &again_len);
	if (len != again_len || memcmp(text, again, len))
		abort();
	if (set->nr && smoke_merge(&merged, set, why) != -EINVAL)
		abort();
	free(text);
	free(again);
	check_clean(&merged, table);
	check_clean(&merged, smoke_junit);
	smoke_set_free(&back);
	smoke_set_free(&merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smoke_set set = { 0 };
	struct smoke_result run = { 0 };
	char why[200] = "";
	int err = smoke_read(&set, (const char *)data, size, why);

	if (err == -EINVAL && !why[0])
		abort();
	if (!err)
		check_set(&set);
	smoke_set_free(&set);
	err = smoke_read_run(&run, (const char *)data, size, 0);
	if (!err && (!run.verdict || !run.text))
		abort();
	free(run.verdict);
	free(run.text);
	free(run.excerpt);
	free(run.tail);
	return 0;
}
