/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the keyboard controller with a hostile guest.
 *
 * In the first byte, bit 0 says whether there is an AUX port. Pairs follow: an operation and a
 * value. A line may only be up while a byte of its side waits, and the controller never gets stuck.
 */
#include "hw/i8042.h"

#include <stdlib.h>

#define OBF 0x01
#define IBF 0x02
#define AUX 0x20

struct machine {
	struct i8042 *k;
	bool level[16];
	unsigned int resets;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void set_line(void *ctx, unsigned int gsi, bool level)
{
	struct machine *m = ctx;

	check(m->level[gsi] != level);
	m->level[gsi] = level;
}

static void record(void *ctx, enum power_request what, unsigned int value, const char *by)
{
	struct machine *m = ctx;

	(void)value;
	check(what == POWER_RESET && by);
	m->resets++;
}

static uint64_t status(struct machine *m)
{
	return i8042_command_ops.read(m->k, 0, 1);
}

static void check_lines(struct machine *m)
{
	uint64_t st = status(m);

	check(!(st & IBF) && st <= 0xff);
	check(!m->level[1] || ((st & OBF) && !(st & AUX)));
	check(!m->level[12] || ((st & OBF) && (st & AUX)));
}

static void step(struct machine *m, uint8_t op, uint8_t value)
{
	switch (op % 5) {
	case 0:
		i8042_data_ops.write(m->k, 0, 1, value);
		break;
	case 1:
		i8042_command_ops.write(m->k, 0, 1, value);
		break;
	case 2:
		check(i8042_data_ops.read(m->k, 0, 1) <= 0xff);
		break;
	case 3:
		i8042_ctrl_alt_del(m->k);
		break;
	default: /* in the way Linux sends a command: its parameter follows */
		i8042_command_ops.write(m->k, 0, 1, op);
		i8042_data_ops.write(m->k, 0, 1, value);
	}
	check_lines(m);
}

/* Whatever happened before, the controller works for a driver that flushes it. */
static void check_alive(struct machine *m)
{
	unsigned int reads = 0;

	i8042_command_ops.write(m->k, 0, 1, 0xae);
	while (status(m) & OBF) {
		i8042_data_ops.read(m->k, 0, 1);
		check(++reads <= 18);
	}
	i8042_command_ops.write(m->k, 0, 1, 0xaa);
	check(status(m) & OBF);
	check(i8042_data_ops.read(m->k, 0, 1) == 0x55);
	check(!(status(m) & OBF) && !m->level[1] && !m->level[12]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m = { 0 };
	struct irq_line kbd = { .set = set_line, .ctx = &m, .gsi = 1 };
	struct irq_line aux = { .set = set_line, .ctx = &m, .gsi = 12 };
	struct power power = { record, &m };

	if (!size)
		return 0;
	m.k = i8042_create(&kbd, data[0] & 1 ? &aux : NULL, &power);
	check(m.k);
	for (size_t i = 1; i + 1 < size; i += 2)
		step(&m, data[i], data[i + 1]);
	check_alive(&m);
	i8042_destroy(m.k);
	return 0;
}
