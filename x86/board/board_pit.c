/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Creates KVM's i8254 timer (ports 0x40 to 0x43, and 0x61 with the gate and output of channel 2)
 * when a guest first uses it.
 *
 * A stock kernel on this hardware-reduced ACPI machine never does: it gets the TSC's frequency from
 * CPUID and uses the local APIC's timer. But a PIT costs each machine a thread in the host's kernel
 * and, at its end, more time than the rest of its tear-down. Kernels without ACPI, and early code
 * that waits by port 0x61, still get one.
 *
 * The launcher serves the ports until the first access. That access creates KVM's PIT, which from
 * then on takes the ports before any exit; pit_replay() applies the first access to it. Several
 * vCPUs may access the ports at once: a lock lets one of them create the PIT.
 */
#include "board_pit.h"

#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "x86/layout.h"

#include <stdlib.h>
#include <string.h>

#define PORT_CONTROL 0x43
#define PORT_61_GATE 0x01
#define PORT_61_SPEAKER 0x02
#define PORT_61_REFRESH 0x10 /* toggles with the memory's refresh: some loops wait for that */

struct pit {
	int *vm_fd;
	pthread_mutex_t lock;
	bool made, refused;
	_Atomic uint8_t refresh; /* for a host that refuses a PIT */
};

void pit_replay(struct kvm_pit_state2 *state, uint16_t port, uint8_t value)
{
	struct kvm_pit_channel_state *c;
	unsigned int index = value >> 6, access = (value >> 4) & 3;

	if (port == PORT_61) {
		state->channels[2].gate = value & PORT_61_GATE;
		state->flags = value & PORT_61_SPEAKER ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0;
		return;
	}
	/*
	 * A counter's byte means nothing before its control word; a read-back or latch command
	 * changes nothing in a new PIT.
	 */
	if (port != PORT_CONTROL || index == 3 || access == 0)
		return;
	c = &state->channels[index];
	c->rw_mode = (uint8_t)access;
	c->read_state = (uint8_t)access;
	c->write_state = (uint8_t)access;
	c->mode = (value >> 1) & 7;
	c->bcd = value & 1;
}

static void make(struct pit *p)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int err = kvm_ioctl(*p->vm_fd, KVM_CREATE_PIT2, &config);

	p->made = !err;
	p->refused = err;
	if (err)
		pr_guest("KVM cannot create a timer (PIT): %s; the guest has none", strerror(-err));
	else
		pr_debug("the guest uses the PIT: created one");
}

static void replay(const struct pit *p, uint16_t port, uint8_t value)
{
	struct kvm_pit_state2 state;

	if (kvm_ioctl(*p->vm_fd, KVM_GET_PIT2, &state))
		return;
	pit_replay(&state, port, value);
	kvm_ioctl(*p->vm_fd, KVM_SET_PIT2, &state);
}

/* Handles an access that KVM has not taken. @value: the byte that was written, or -1. */
static void access_port(struct pit *p, uint16_t port, int value)
{
	pthread_mutex_lock(&p->lock);
	if (!p->made && !p->refused)
		make(p);
	if (p->made && value >= 0)
		replay(p, port, (uint8_t)value);
	pthread_mutex_unlock(&p->lock);
}

static uint64_t counter_read(void *dev, uint64_t offset, unsigned int size)
{
	(void)size;
	access_port(dev, (uint16_t)(PORT_PIT + offset), -1);
	return 0;
}

static void counter_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)size;
	access_port(dev, (uint16_t)(PORT_PIT + offset), (uint8_t)value);
}

static uint64_t port61_read(void *dev, uint64_t offset, unsigned int size)
{
	struct pit *p = dev;

	(void)offset;
	(void)size;
	access_port(p, PORT_61, -1);
	p->refresh ^= PORT_61_REFRESH;
	return p->refresh;
}

static void port61_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)offset;
	(void)size;
	access_port(dev, PORT_61, (uint8_t)value);
}

static const struct bus_ops counter_ops = { .read = counter_read,
					    .write = counter_write,
					    .width = 1 };
static const struct bus_ops port61_ops = { .read = port61_read, .write = port61_write, .width = 1 };

int create_pit(struct machine *m)
{
	int err;

	m->pit = calloc(1, sizeof(*m->pit));
	if (!m->pit)
		return -ENOMEM;
	m->pit->vm_fd = &m->vm->vm_fd;
	pthread_mutex_init(&m->pit->lock, NULL);
	err = bus_insert(&m->vm->pio, PORT_PIT, PIT_PORTS, &counter_ops, m->pit, "PIT");
	return err ? err : bus_insert(&m->vm->pio, PORT_61, 1, &port61_ops, m->pit, "port 0x61");
}

void destroy_pit(struct machine *m)
{
	free(m->pit);
	m->pit = NULL;
}
