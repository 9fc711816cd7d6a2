/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dispatches accesses to address ranges. There are two buses: port I/O and MMIO.
 *
 *  - A device sees offsets inside its own range, never its address. It does its own locking,
 *    because any vCPU thread may call it.
 *  - The table is fixed before vCPUs start, so dispatch needs no lock: one table load for ports, a
 *    last-hit cache and a binary search for MMIO.
 *  - If no device claims an access, it is counted; a read returns all ones, and a write is ignored.
 *  - Ports are eight bits wide unless a range says otherwise. A wider access is split into accesses
 *    of the range's width at successive ports, lowest first, as on the ISA bus; each part may
 *    belong to another device.
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
	bool tells; /* prints each unclaimed access, because the log's level is debug */
	unsigned int nr_ranges;
	/* BUS_PIO: port -> index + 1 in range[]; 0: no device */
	uint8_t *port_range;
	const struct bus_range *_Atomic last_hit; /* BUS_MMIO: a hint only, in range[] */
	uint64_t window_base, window_bytes;	  /* BUS_MMIO: holds all ranges */
	_Atomic uint64_t nr_unclaimed;
	struct bus_range range[BUS_MAX_RANGES]; /* MMIO: sorted by base */
};

/* Returns 0, or -ENOMEM. bus_fini() works on a zeroed or failed bus. */
int bus_init(struct bus *b, enum bus_kind kind);
void bus_fini(struct bus *b);

/*
 * Claims [base, base + size_bytes) for a device. Returns 0, -EEXIST (overlap), -EINVAL (empty,
 * wraps, beyond the last port) or -ENOSPC. Thread: setup.
 */
int bus_insert(struct bus *b, uint64_t base, uint64_t size_bytes, const struct bus_ops *ops,
	       void *dev, const char *name);

/*
 * Read or write @size bytes: 1, 2, 4 (8 on MMIO); any other size reads as all ones. Thread: any,
 * after set-up.
 */
uint64_t bus_read(struct bus *b, uint64_t addr, unsigned int size);
void bus_write(struct bus *b, uint64_t addr, unsigned int size, uint64_t value);

/* Returns the name of the device at @addr, or NULL if there is none. Thread: any, after set-up. */
const char *bus_name(const struct bus *b, uint64_t addr);

/*
 * One byte of BUS_PIO. Nearly every exit of a booting kernel is such an access, so these are inline
 * and do no more than they must.
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
