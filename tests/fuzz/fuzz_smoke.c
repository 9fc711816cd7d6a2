/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the parser of the `kvm smoke` file: any bytes are settings, or are refused with an
 * existing line's number and a message.
 */
#include "kvm/base/options.h"
#include "kvm/smoke/smoke_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_numbers(const struct smoke_list *l,
			  int (*number)(const char *text, uint64_t *value))
{
	uint64_t value;

	for (unsigned int i = 0; i < l->nr; i++) {
		if (number(l->value[i].text, &value))
			abort();
	}
}

static void check_section(const struct smoke_file *f, unsigned int i)
{
	for (unsigned int key = 0; key < SMOKE_NR_KEYS; key++) {
		const struct smoke_list *l = smoke_file_get(f, i, key);

		if (l->nr > SMOKE_MAX_VALUES)
			abort();
		for (unsigned int k = 0; k < l->nr; k++) {
			if (strpbrk(l->value[k].text, "\n"))
				abort();
		}
	}
	check_numbers(smoke_file_get(f, i, SMOKE_CPUS), parse_uint);
	check_numbers(smoke_file_get(f, i, SMOKE_MEM), parse_size);
	check_numbers(smoke_file_get(f, i, SMOKE_TIMEOUT), parse_uint);
	if (!smoke_file_get(f, i, SMOKE_KERNEL)->nr || !smoke_file_get(f, i, SMOKE_CPUS)->nr ||
	    smoke_file_get(f, i, SMOKE_TIMEOUT)->nr != 1 ||
	    smoke_file_get(f, i, SMOKE_EXIT)->nr != 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smoke_file f;
	int err = smoke_file_parse(&f, (const char *)data, size);

	if (err == -EINVAL && (!f.line || f.line > size + 1 || !f.why[0]))
		abort();
	for (unsigned int i = smoke_file_first(&f); i < f.nr_sections && !err; i++)
		check_section(&f, i);
	smoke_file_free(&f);
	return 0;
}
