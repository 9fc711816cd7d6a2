/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes Hyper-V's messages and events with a hostile guest: each operation has a kind and eight
 * bytes of value.
 *
 * Its pages and its input are anywhere, and may overlap. A SINT is connected once, and raised only
 * while it is connected and only if it exists.
 */
#include "hw/synic.h"

#include <stdlib.h>
#include <string.h>

#define PORT 0x3000
#define NR_VPS 3
#define MEM_BYTES 0x8000
#define OP_BYTES 9

struct machine {
	struct bus pio;
	struct gmem mem;
	struct synic *synic;
	bool connected[NR_VPS][SYNIC_NR_SINTS];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool *at(void *ctx, unsigned int vp, unsigned int sint)
{
	struct machine *m = ctx;

	check(vp < NR_VPS && sint < SYNIC_NR_SINTS);
	return &m->connected[vp][sint];
}

static int connect_sint(void *ctx, unsigned int vp, unsigned int sint)
{
	check(!*at(ctx, vp, sint));
	if (sint == SYNIC_NR_SINTS - 1)
		return -1;
	*at(ctx, vp, sint) = true;
	return 0;
}

static void disconnect_sint(void *ctx, unsigned int vp, unsigned int sint)
{
	check(*at(ctx, vp, sint));
	*at(ctx, vp, sint) = false;
}

static void raise_sint(void *ctx, unsigned int vp, unsigned int sint)
{
	check(*at(ctx, vp, sint));
}

static void step(struct machine *m, uint8_t what, uint64_t value)
{
	static const uint64_t calls[] = { 0x5c, 0x5d, 0x1005c, 0x1005d };

	switch (what % 8) {
	case 0:
	case 1:
		bus_write(&m->pio, PORT, 4, value & UINT32_MAX);
		break;
	case 2:
		check(bus_read(&m->pio, PORT + value % 4, 1) <= 0xff);
		break;
	case 3:
		synic_set_pages(m->synic, (what >> 3) % NR_VPS, value, value >> 8, value >> 16);
		break;
	case 4:
		synic_acknowledged(m->synic);
		break;
	case 5:
		gmem_write(&m->mem, value & (MEM_BYTES - 1), &value, sizeof(value));
		break;
	default:
		check(synic_hypercall(m->synic, calls[(what >> 3) % 4], value) <=
		      HV_INSUFFICIENT_BUFFERS);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m = { .connected = { { false } } };
	const struct synic_config config = { .nr_vps = NR_VPS,
					     .mem = &m.mem,
					     .connect = connect_sint,
					     .disconnect = disconnect_sint,
					     .raise = raise_sint,
					     .ctx = &m };
	uint64_t value;

	gmem_init(&m.mem);
	check(!gmem_add(&m.mem, 0, MEM_BYTES, GMEM_NORMAL) && !bus_init(&m.pio, BUS_PIO));
	m.synic = synic_create(&config);
	check(m.synic &&
	      !bus_insert(&m.pio, PORT, SYNIC_TEST_PORTS, &synic_test_ops, m.synic, "synic"));
	for (size_t i = 0; i + OP_BYTES <= size; i += OP_BYTES) {
		memcpy(&value, data + i + 1, sizeof(value));
		step(&m, data[i], value);
	}
	synic_destroy(m.synic);
	bus_fini(&m.pio);
	gmem_fini(&m.mem);
	return 0;
}
