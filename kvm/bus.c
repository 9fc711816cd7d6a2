/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dispatches port and MMIO accesses of the guest to devices.
 *
 * vCPU threads call bus_read() and bus_write() without a lock, because the tables do not change
 * once vCPUs run. Dispatch must be cheap compared with an exit: a port costs one load from a table
 * of 64 Ki bytes (anonymous memory, so pages of unused ports are never touched); MMIO compares with
 * the last hit before it searches.
 */
#include "kvm/bus.h"

#include "kvm/log.h"
#include "kvm/pages.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

int bus_init(struct bus *b, enum bus_kind kind)
{
	b->kind = kind;
	b->nr_ranges = 0;
	/* last_hit points to it; the others are kilobytes that need no clearing */
	b->range[0] = (struct bus_range){ 0 };
	atomic_init(&b->last_hit, b->range);
	atomic_init(&b->nr_unclaimed, 0);
	b->window_base = b->window_bytes = 0;
	b->tells = log_get_level() >= LOG_LEVEL_DEBUG;
	b->port_range = NULL;
	if (kind == BUS_MMIO)
		return 0;
	b->port_range = pages_alloc(BUS_PIO_PORTS);
	return b->port_range ? 0 : -ENOMEM;
}

void bus_fini(struct bus *b)
{
	pages_free(b->port_range, BUS_PIO_PORTS);
	memset(b, 0, sizeof(*b));
}

static bool overlaps(const struct bus *b, uint64_t base, uint64_t size_bytes)
{
	for (unsigned int i = 0; i < b->nr_ranges; i++) {
		const struct bus_range *r = &b->range[i];

		if (base < r->base ? r->base - base < size_bytes : base - r->base < r->size_bytes)
			return true;
	}
	return false;
}

/*
 * The window holds all ranges: most accesses that no device claims lie outside, and need no search.
 */
static void measure_window(struct bus *b)
{
	const struct bus_range *first = &b->range[0], *last = &b->range[b->nr_ranges - 1];

	b->window_base = first->base;
	b->window_bytes = last->base - first->base + last->size_bytes;
}

int bus_insert(struct bus *b, uint64_t base, uint64_t size_bytes, const struct bus_ops *ops,
	       void *dev, const char *name)
{
	uint64_t limit = b->kind == BUS_PIO ? BUS_PIO_PORTS : UINT64_MAX;
	unsigned int at = b->nr_ranges;

	_Static_assert(BUS_MAX_RANGES < UINT8_MAX, "port_range holds index + 1 in a byte");
	if (!size_bytes || base > limit || size_bytes > limit - base)
		return -EINVAL;
	if (overlaps(b, base, size_bytes))
		return -EEXIST;
	if (b->nr_ranges == BUS_MAX_RANGES)
		return -ENOSPC;
	if (b->kind == BUS_MMIO) {
		while (at > 0 && b->range[at - 1].base > base)
			at--;
		memmove(&b->range[at + 1], &b->range[at],
			(b->nr_ranges - at) * sizeof(b->range[0]));
	} else {
		memset(b->port_range + base, (int)at + 1, size_bytes);
	}
	b->range[at] = (struct bus_range){ base, size_bytes, ops, dev, name };
	b->nr_ranges++;
	if (b->kind == BUS_MMIO)
		measure_window(b);
	return 0;
}

static __attribute__((noinline)) const struct bus_range *search_mmio(struct bus *b, uint64_t addr)
{
	unsigned int low = 0, high = b->nr_ranges;

	while (low < high) {
		unsigned int mid = (low + high) / 2;
		const struct bus_range *r = &b->range[mid];

		if (addr < r->base) {
			high = mid;
		} else if (addr - r->base >= r->size_bytes) {
			low = mid + 1;
		} else {
			atomic_store_explicit(&b->last_hit, r, memory_order_relaxed);
			return r;
		}
	}
	return NULL;
}

static inline const struct bus_range *find_mmio(struct bus *b, uint64_t addr)
{
	const struct bus_range *r = atomic_load_explicit(&b->last_hit, memory_order_relaxed);

	/* Below its base the difference wraps to more than any size. */
	if (addr - r->base < r->size_bytes)
		return r;
	return addr - b->window_base < b->window_bytes ? search_mmio(b, addr) : NULL;
}

static inline const struct bus_range *find_port(const struct bus *b, uint64_t port)
{
	unsigned int index = port < BUS_PIO_PORTS ? b->port_range[port] : 0;

	return index ? &b->range[index - 1] : NULL;
}

static uint64_t ones(unsigned int size)
{
	return UINT64_MAX >> (64 - 8 * size) % 64;
}

/* Whether @r takes this access in one piece. */
static inline bool fits(const struct bus_range *r, uint64_t addr, unsigned int size)
{
	return size <= r->ops->width && r->size_bytes - (addr - r->base) >= size;
}

/*
 * The size in bytes of the next part of a split access, of which @len are left. @r is NULL, or the
 * range that holds @addr.
 */
static unsigned int part_bytes(const struct bus_range *r, uint64_t addr, unsigned int len)
{
	unsigned int part = 1;

	while (r && part * 2 <= len && fits(r, addr, part * 2) && is_aligned(addr, part * 2))
		part *= 2;
	return part;
}

static __attribute__((noinline)) void tell_unclaimed(const struct bus *b, uint64_t addr,
						     unsigned int size, const char *what)
{
	pr_guest("%u-byte %s at %s 0x%llx: no device takes it", size, what,
		 b->kind == BUS_PIO ? "port" : "address", (unsigned long long)addr);
}

static inline void count_unclaimed(struct bus *b, uint64_t addr, unsigned int size,
				   const char *what)
{
	atomic_fetch_add_explicit(&b->nr_unclaimed, 1, memory_order_relaxed);
	if (__builtin_expect(b->tells, 0))
		tell_unclaimed(b, addr, size, what);
}

static __attribute__((noinline)) uint64_t read_split(struct bus *b, uint64_t addr,
						     unsigned int size)
{
	uint64_t value = 0;
	unsigned int done = 0;

	while (done < size) {
		const struct bus_range *r = find_port(b, addr + done);
		unsigned int part = part_bytes(r, addr + done, size - done);
		uint64_t got = ones(part);

		if (r)
			got &= r->ops->read(r->dev, addr + done - r->base, part);
		else
			count_unclaimed(b, addr + done, part, "read");
		value |= got << (done * 8);
		done += part;
	}
	return value;
}

/* MMIO accesses are never split: one that does not fit its device is the driver's mistake. */
static uint64_t read_mmio(struct bus *b, uint64_t addr, unsigned int size)
{
	const struct bus_range *r = find_mmio(b, addr);

	if (r && fits(r, addr, size))
		return r->ops->read(r->dev, addr - r->base, size);
	count_unclaimed(b, addr, size, "read");
	return ones(size);
}

uint64_t bus_read(struct bus *b, uint64_t addr, unsigned int size)
{
	const struct bus_range *r;

	if (b->kind == BUS_MMIO)
		return read_mmio(b, addr, size);
	r = find_port(b, addr);
	return r && fits(r, addr, size) ? r->ops->read(r->dev, addr - r->base, size)
					: read_split(b, addr, size);
}

static __attribute__((noinline)) void write_split(struct bus *b, uint64_t addr, unsigned int size,
						  uint64_t value)
{
	unsigned int done = 0;

	assert(size <= sizeof(value));
	while (done < size) {
		const struct bus_range *r = find_port(b, addr + done);
		unsigned int part = part_bytes(r, addr + done, size - done);

		if (r)
			r->ops->write(r->dev, addr + done - r->base, part,
				      (value >> (done * 8)) & ones(part));
		else
			count_unclaimed(b, addr + done, part, "write");
		done += part;
	}
}

void bus_write(struct bus *b, uint64_t addr, unsigned int size, uint64_t value)
{
	const struct bus_range *r = b->kind == BUS_MMIO ? find_mmio(b, addr) : find_port(b, addr);

	if (r && fits(r, addr, size))
		r->ops->write(r->dev, addr - r->base, size, value);
	else if (b->kind == BUS_PIO)
		write_split(b, addr, size, value);
	else
		count_unclaimed(b, addr, size, "write");
}

const char *bus_name(const struct bus *b, uint64_t addr)
{
	for (unsigned int i = 0; i < b->nr_ranges; i++) {
		if (addr - b->range[i].base < b->range[i].size_bytes)
			return b->range[i].name;
	}
	return NULL;
}
