/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a vCPU on its thread: calls KVM_RUN and serves the exit, again and again.
 *
 * The path of a port or MMIO access is short: coalesced ring, bus table, device. It takes no lock
 * except the device's, and does not look for requests or pauses.
 *
 *  - End: vm_end() sets `ended` and kicks every vCPU. The loop checks the flag after each exit, and
 *    immediate_exit closes the gap between that check and the entry into the guest.
 *  - Pause (vm_pause()) and request (vcpu_ask()): they kick the vCPU in the same way. Only an
 *    interrupted vCPU looks for them.
 */
#include "kvm/vcpu.h"

#include "kvm/arch.h"
#include "kvm/ioctl.h"
#include "kvm/vm.h"

#include <stdatomic.h>
#include <string.h>

static uint32_t item_get(const uint8_t *data, unsigned int size)
{
	uint32_t value = 0;

	memcpy(&value, data, size);
	return value;
}

static inline enum event_kind io_kind(const struct kvm_run *run)
{
	_Static_assert(KVM_EXIT_IO_IN == 0 && KVM_EXIT_IO_OUT == 1, "added to the kind of a read");
	return EVENT_PORT_READ + run->io.direction;
}

/* Serves any port access: also a wide one, or all items of a rep ins/outs at once. */
static __attribute__((noinline)) void handle_wide_io(struct vcpu *v, uint64_t ticks)
{
	struct kvm_run *run = v->run;
	struct bus *pio = &v->vm->pio;
	uint64_t offset = run->io.data_offset;
	uint8_t *data = (uint8_t *)run + offset;
	unsigned int size = run->io.size;

	if (size > 4 || offset > v->run_bytes ||
	    (uint64_t)run->io.count * size > v->run_bytes - offset) {
		vm_end(v->vm, VERDICT_LAUNCHER, 0,
		       "KVM reported a port access outside its own page");
		return;
	}
	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		if (run->io.direction == KVM_EXIT_IO_IN) {
			uint32_t value = (uint32_t)bus_read(pio, run->io.port, size);

			memcpy(data, &value, size);
		} else {
			bus_write(pio, run->io.port, size, item_get(data, size));
		}
		record_port(&v->recorder, ticks, io_kind(run), size, run->io.port,
			    item_get(data, size));
	}
}

static inline uint8_t *io_byte(const struct vcpu *v)
{
	return (uint8_t *)v->run + v->run->io.data_offset;
}

/*
 * Serves a port access: one of a single byte, as nearly all are, without a loop. Here and below,
 * the values in kvm_run are read again after the device's call: that is cheaper than keeping them
 * in registers across the call.
 */
static inline void handle_io(struct vcpu *v, uint64_t ticks)
{
	const struct kvm_run *run = v->run;

	if (run->io.size != 1 || run->io.count != 1 || run->io.data_offset >= v->run_bytes) {
		handle_wide_io(v, ticks);
		return;
	}
	if (run->io.direction == KVM_EXIT_IO_IN) {
		uint8_t value = bus_in8(&v->vm->pio, run->io.port);

		*io_byte(v) = value;
	} else {
		bus_out8(&v->vm->pio, run->io.port, *io_byte(v));
	}
	run = v->run;
	record_port(&v->recorder, ticks, io_kind(run), 1, run->io.port, *io_byte(v));
}

static inline void handle_mmio(struct vcpu *v, uint64_t ticks)
{
	struct kvm_run *run = v->run;
	unsigned int size = run->mmio.len;
	uint64_t value;

	_Static_assert(sizeof(run->mmio.data) == sizeof(value),
		       "copied whole; the bus and KVM use the low bytes");
	if (size > sizeof(value))
		return;
	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, sizeof(value));
		if (size < sizeof(value))
			value &= (1ULL << (8 * size)) - 1;
		bus_write(&v->vm->mmio, run->mmio.phys_addr, size, value);
	} else {
		value = bus_read(&v->vm->mmio, run->mmio.phys_addr, size);
		memcpy(v->run->mmio.data, &value, sizeof(value));
	}
	run = v->run;
	record_wide(&v->recorder, ticks, EVENT_MMIO_READ + run->mmio.is_write, run->mmio.len,
		    run->mmio.phys_addr, item_get(run->mmio.data, 4));
}

static __attribute__((noinline)) void handle_rare(struct vcpu *v, uint64_t ticks)
{
	v->rare_ticks = ticks;
	v->vm->arch->record_exit(v, ticks);
	if (v->run->exit_reason == KVM_EXIT_INTR || v->vm->arch->handle_exit(v))
		return;
	vm_end(v->vm, VERDICT_CRASH, 0, "vCPU %u: unsupported KVM exit reason %u", v->index,
	       v->run->exit_reason);
}

void vcpu_handle_exit(struct vcpu *v)
{
	uint64_t ticks = arch_ticks();

	coalesced_drain(&v->vm->coalesced);
	if (__builtin_expect(ticks >= v->sample_due, 0))
		v->vm->arch->sample(v, ticks);
	if (v->run->exit_reason == KVM_EXIT_IO)
		handle_io(v, ticks);
	else if (v->run->exit_reason == KVM_EXIT_MMIO)
		handle_mmio(v, ticks);
	else
		handle_rare(v, ticks);
}

/*
 * Tells the guest's KVM clock, if it has one, that the guest did not run: the guest must not take
 * the time for a lock-up of its own.
 */
static void excuse_stop(const struct vcpu *v)
{
	kvm_ioctl_val(v->fd, KVM_KVMCLOCK_CTRL, 0);
}

/*
 * Serves an interrupted KVM_RUN. Without a vcpu_kick() it was the host's kernel: it stopped the
 * launcher (SIGSTOP, a frozen control group, a suspended host), and now the launcher runs again. A
 * vCPU that served an exit then, or is kicked at once, learns of it by vm_look_for_stop().
 */
static void interrupted(struct vcpu *v, int err)
{
	bool kicked = __atomic_exchange_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	bool stopped = atomic_exchange(&v->stopped, false) || (!kicked && err == -EINTR), paused;

	coalesced_drain(&v->vm->coalesced);
	vcpu_answer(v);
	paused = atomic_load(&v->vm->nr_pauses) || atomic_load(&v->held);
	if (paused || stopped)
		excuse_stop(v);
	if (paused)
		vm_wait_resumed(v);
}

/* Serves a failed KVM_RUN. Returns whether to go on. */
static bool failed(struct vcpu *v, int err)
{
	if (err == -EINTR || err == -EAGAIN) {
		interrupted(v, err);
		return true;
	}
	if (err == -EFAULT && gmem_repair(&v->vm->mem))
		return true;
	vm_end(v->vm, VERDICT_CRASH, 0, "vCPU %u: KVM_RUN: %s", v->index, strerror(-err));
	return false;
}

void vcpu_run(struct vcpu *v)
{
	struct vm *vm = v->vm;

	v->entered_ticks = arch_ticks();
	while (!atomic_load_explicit(&vm->ended, memory_order_acquire)) {
		int r = ioctl(v->fd, KVM_RUN, 0);

		if (__builtin_expect(r < 0, 0)) {
			if (!failed(v, -errno))
				break;
			continue;
		}
		vcpu_handle_exit(v);
	}
	coalesced_drain(&vm->coalesced);
}
