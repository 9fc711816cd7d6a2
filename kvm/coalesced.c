/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes coalesced writes out of KVM's ring and dispatches them to their devices.
 *
 * KVM produces under its own lock and moves `last`; this code consumes under the ring's lock and
 * moves `first`:
 *  - It copies an entry before it moves `first` past it, because KVM may overwrite the entry from
 *    then on.
 *  - It also dispatches the entry before that, so that a second thread that finds the ring empty
 *    may rely on the write having reached its device.
 *  - It checks the indices, because a compare costs little, although only KVM writes them, not the
 *    guest.
 */
#include "kvm/coalesced.h"

#include "kvm/ioctl.h"
#include "kvm/types.h"

#include <string.h>
#include <unistd.h>

void coalesced_init(struct coalesced *c, struct bus *pio, struct bus *mmio)
{
	memset(c, 0, sizeof(*c));
	c->vm_fd = -1;
	c->pio = pio;
	c->mmio = mmio;
	pthread_mutex_init(&c->lock, NULL);
}

void coalesced_attach(struct coalesced *c, int kvm_fd, int vm_fd, void *run, size_t run_bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	int page = kvm_ioctl_val(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);

	if (page <= 0 || ((size_t)page + 1) * page_bytes > run_bytes)
		return;
	c->vm_fd = vm_fd;
	c->has_pio = kvm_ioctl_val(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_PIO) > 0;
	c->capacity = (unsigned int)((page_bytes - sizeof(struct kvm_coalesced_mmio_ring)) /
				     sizeof(struct kvm_coalesced_mmio));
	c->ring = (void *)((uint8_t *)run + (size_t)page * page_bytes);
}

int coalesced_zone(struct coalesced *c, enum bus_kind kind, uint64_t addr, uint32_t size_bytes,
		   bool on)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = addr,
						.size = size_bytes,
						.pio = kind == BUS_PIO };

	if (!c->ring || (kind == BUS_PIO && !c->has_pio))
		return -ENOTSUP;
	if (on)
		return kvm_ioctl(c->vm_fd, KVM_REGISTER_COALESCED_MMIO, &zone);
	return kvm_ioctl(c->vm_fd, KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

static void dispatch(struct coalesced *c, const struct kvm_coalesced_mmio *entry)
{
	uint64_t value = 0;

	if (entry->len > sizeof(entry->data))
		return;
	memcpy(&value, entry->data, entry->len);
	bus_write(entry->pio ? c->pio : c->mmio, entry->phys_addr, entry->len, value);
}

void coalesced_drain_slow(struct coalesced *c, bool may_wait)
{
	struct kvm_coalesced_mmio_ring *ring = c->ring;

	if (may_wait)
		pthread_mutex_lock(&c->lock);
	else if (pthread_mutex_trylock(&c->lock))
		return;
	/*
	 * At most one ring: the loop's thread must return, even if the guest fills the ring as
	 * fast.
	 */
	for (unsigned int n = 0; n < c->capacity; n++) {
		uint32_t last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);
		uint32_t first = ring->first;
		struct kvm_coalesced_mmio entry;

		if (first == last || first >= c->capacity)
			break;
		entry = ring->coalesced_mmio[first];
		dispatch(c, &entry);
		__atomic_store_n(&ring->first, (first + 1) % c->capacity, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&c->lock);
}
