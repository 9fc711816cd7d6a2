/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the tests of tables: a machine of at most MAX_CPUS (the includer's) with devices to
 * describe, and readers of what a guest finds.
 */
#ifndef TABLES_RIG_H
#define TABLES_RIG_H

#include "x86/layout.h"
#include "x86/tables/tables.h"

#include <stdlib.h>

struct board {
	struct gmem mem;
	struct device_list list;
	uint32_t apic_id[MAX_CPUS];
	struct tables_config config;
	gpa_t rsdp;
};

static inline uint64_t le(const uint8_t *p, unsigned int nr_bytes)
{
	uint64_t v = 0;

	while (nr_bytes--)
		v = v << 8 | p[nr_bytes];
	return v;
}

static inline uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *p++);
	return s;
}

static inline int setup(void **state)
{
	struct board *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	gmem_init(&b->mem);
	assert_int_equal(gmem_add(&b->mem, 0, HIGH_RAM_GPA, GMEM_NORMAL), 0);
	for (unsigned int i = 0; i < MAX_CPUS; i++)
		b->apic_id[i] = i;
	b->config =
		(struct tables_config){ .nr_cpus = 1, .apic_id = b->apic_id, .devices = &b->list };
	*state = b;
	return 0;
}

static inline int teardown(void **state)
{
	struct board *b = *state;

	gmem_fini(&b->mem);
	free(b);
	return 0;
}

#endif
