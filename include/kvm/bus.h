/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address-range dispatch, instantiated twice: port I/O and MMIO.
 *
 * A device sees offsets inside its own range, never its address, and does its own locking:
 * callbacks come from any vCPU thread. The table is fixed before vCPUs start, so that dispatch
 * needs no lock: one table load for ports, a last-hit cache and a binary search for MMIO.
 *
 * Accesses nobody claims read as all ones, are ignored as writes, and are counted.
 *
 * Ports are eight bits wide unless a range says otherwise: a wider access to them is split into
 * accesses of the range's width at successive ports, lowest first, as the ISA bus does it; each
 * part may be another device's.
 */
#ifndef KVM_BUS_H
#define KVM_BUS_H

#include "kvm/types.h"

struct bus_ops {
	/* @size is 1, 2 or 4 (8 on MMIO), at most @width; @offset + @size lies inside the range. */
	uint64_t (*read)(void *dev, uint64_t offset, unsigned int size);
	void (*write)(void *dev, uint64_t offset, unsigned int size, uint64_t value);
	unsigned int width; /* the widest access the device takes: 1, 2, 4 or 8 bytes */
};

enum bus_kind { BUS_PIO, BUS_MMIO };

#define BUS_MAX_RANGES 96
#define BUS_PIO_PORTS 0x10000

struct bus_range {
	uint64_t base;
	uint64_t size_bytes;
	const struct bus_ops *ops;
	void *dev;
	const char *name; /* for messages and traces; not owned */
};

struct bus {
	enum bus_kind kind;
	bool tells; /* of accesses to nobody, one by one: the log's level asks for it */
	unsigned int nr_ranges;
	/* BUS_PIO: port -> index + 1 in range[], 0 for nobody */
	uint8_t *port_range;
	const struct bus_range *_Atomic last_hit; /* BUS_MMIO: a hint only, in range[] */
	uint64_t window_base, window_bytes;	  /* BUS_MMIO: nobody is outside */
	_Atomic uint64_t nr_unclaimed;
	struct bus_range range[BUS_MAX_RANGES]; /* MMIO: sorted by base */
};

/* Returns 0 or -ENOMEM. bus_fini() works on a zeroed or failed bus. */
int bus_init(struct bus *b, enum bus_kind kind);
void bus_fini(struct bus *b);

/*
 * Claims [base, base + size_bytes) for a device. Returns 0, -EEXIST (overlap), -EINVAL (empty,
 * wraps, beyond the last port) or -ENOSPC. Set-up time only.
 */
int bus_insert(struct bus *b, uint64_t base, uint64_t size_bytes, const struct bus_ops *ops,
	       void *dev, const char *name);

/* @size: 1, 2, 4 (8 on MMIO), anything else reads as all ones. Any thread once set up. */
uint64_t bus_read(struct bus *b, uint64_t addr, unsigned int size);
void bus_write(struct bus *b, uint64_t addr, unsigned int size, uint64_t value);

/* The name of the device at @addr; NULL: nobody is there. Any thread once set up. */
const char *bus_name(const struct bus *b, uint64_t addr);

/*
 * One byte of BUS_PIO: what nearly every exit of a booting kernel is, so it is inline and does no
 * more than it must.
 */
static inline uint8_t bus_in8(struct bus *b, uint16_t port)
{
	unsigned int index = b->port_range[port];
	const struct bus_range *r;

	if (!index)
		return (uint8_t)bus_read(b, port, 1);
	r = &b->range[index - 1];
	return (uint8_t)r->ops->read(r->dev, port - r->base, 1);
}

static inline void bus_out8(struct bus *b, uint16_t port, uint8_t value)
{
	unsigned int index = b->port_range[port];
	const struct bus_range *r;

	if (!index) {
		bus_write(b, port, 1, value);
		return;
	}
	r = &b->range[index - 1];
	r->ops->write(r->dev, port - r->base, 1, value);
}

#endif
