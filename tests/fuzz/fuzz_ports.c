/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the small ports with a hostile guest, through a real bus.
 *
 * The input is quadruples: port, kind and width, and two bytes of value. A read fits its width, and
 * only the writes that must end the machine do so.
 */
#include "hw/ports.h"
#include "kvm/log.h"

#include <stdlib.h>

#define SLEEP 0x600

struct machine {
	struct bus bus;
	struct misc_ports ports;
	unsigned int requests[3];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void record(void *ctx, enum power_request what, unsigned int value, const char *by)
{
	struct machine *m = ctx;

	(void)value;
	check(what <= POWER_DEBUG_EXIT && by);
	m->requests[what]++;
}

static void plug(struct machine *m, uint64_t base, uint64_t size_bytes, const struct bus_ops *ops)
{
	check(!bus_insert(&m->bus, base, size_bytes, ops, &m->ports, "port"));
}

static void step(struct machine *m, const uint8_t *op)
{
	static const uint16_t near[] = { 0x80, 0x92, 0xcf8, 0xf4, SLEEP, SLEEP, 0xcf9, 0xf0 };
	uint64_t port = near[op[0] & 7] + (op[0] >> 5) - 2U;
	unsigned int size = 1U << (op[1] % 3);
	uint64_t ones = UINT64_MAX >> (64 - 8 * size);
	unsigned int exits = m->requests[POWER_DEBUG_EXIT];

	if (op[1] & 0x80) {
		check(bus_read(&m->bus, port, size) <= ones);
		return;
	}
	bus_write(&m->bus, port, size,
		  (op[2] | op[3] << 8 | (uint64_t)op[2] << 16 | (uint64_t)op[3] << 24) & ones);
	check(m->requests[POWER_DEBUG_EXIT] == exits || (port + size > 0xf4 && port < 0xf8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m = { 0 };
	struct power power = { record, &m };

	log_set_level(LOG_LEVEL_ERROR);
	m.ports.power = &power;
	check(!bus_init(&m.bus, BUS_PIO));
	plug(&m, 0x80, 1, &post_ops);
	plug(&m, 0x92, 1, &port92_ops);
	plug(&m, RESET_CONTROL_BASE, RESET_CONTROL_PORTS, &reset_control_ops);
	plug(&m, 0xf4, 4, &debug_exit_ops);
	plug(&m, SLEEP, ACPI_SLEEP_PORTS, &acpi_sleep_ops);
	for (size_t i = 0; i + 3 < size; i += 4)
		step(&m, data + i);
	check(!(bus_read(&m.bus, SLEEP, 1) & ACPI_SLP_EN));
	bus_fini(&m.bus);
	return 0;
}
