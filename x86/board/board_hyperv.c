/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves the parts of the Hyper-V interface (--cpuid +hyperv) that KVM leaves to its user: a few
 * exits and, with --testdev, a way from a port and hypercalls (hw/synic.c) to a SINT.
 *
 * x86/cpu/hyperv_cpuid.c has what the guest sees of the interface; KVM serves nearly all of it by
 * itself.
 *
 * An irqfd raises a SINT, on a GSI of its own after the IOAPIC's; KVM's routing table connects the
 * GSI to the SINT. The irqfd is one with resampling, so that KVM reports when the guest
 * acknowledges: all irqfds share one eventfd for that, on the loop. A routing table can only be
 * replaced as a whole, so each of ours contains KVM's default routes.
 *
 * Thread: vCPU for exits. Locks: hw/synic.c calls its hooks under its lock.
 */
#include "board_hyperv.h"

#include "hw/synic.h"
#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "x86/cpu/hyperv.h"
#include "x86/cpu/msrs.h"
#include "x86/layout.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NR_PIC_PINS 8
#define NR_PIC_GSIS 16
#define NR_DEFAULT_ROUTES (NR_PIC_GSIS + NR_IOAPIC_PINS)
#define MAX_GSI 4096 /* KVM_MAX_IRQ_ROUTES */

#define MSR_CRASH_P0 0x40000100U
#define NR_CRASH_PARAMS 5
_Static_assert(NR_CRASH_PARAMS <= MSRS_MAX, "they are read at once");

struct hyperv_board {
	struct machine *m;
	struct synic *synic;
	unsigned int nr_sints; /* of all vCPUs */
	int *fd; /* by [vp * SYNIC_NR_SINTS + sint]; -1: not connected. Under the synic's lock */
	int acked_fd;
	struct loop_source acked;
};

/* ---- SINTs ---- */

static uint32_t sint_gsi(unsigned int index)
{
	return NR_IOAPIC_PINS + index;
}

static void route_to_chip(struct kvm_irq_routing *table, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* Adds KVM's own routes, as KVM_CREATE_IRQCHIP makes them. */
static void add_default_routes(struct kvm_irq_routing *table)
{
	for (uint32_t gsi = 0; gsi < NR_IOAPIC_PINS; gsi++) {
		route_to_chip(table, gsi, KVM_IRQCHIP_IOAPIC, gsi);
		if (gsi < NR_PIC_GSIS)
			route_to_chip(table, gsi,
				      gsi < NR_PIC_PINS ? KVM_IRQCHIP_PIC_MASTER
							: KVM_IRQCHIP_PIC_SLAVE,
				      gsi % NR_PIC_PINS);
	}
}

/* Gives KVM the routes of all connected SINTs. */
static int set_routes(struct hyperv_board *b)
{
	struct kvm_irq_routing *table = calloc(
		1, sizeof(*table) + (NR_DEFAULT_ROUTES + b->nr_sints) * sizeof(table->entries[0]));
	int err;

	if (!table)
		return -ENOMEM;
	add_default_routes(table);
	for (unsigned int i = 0; i < b->nr_sints; i++) {
		if (b->fd[i] >= 0)
			table->entries[table->nr++] = (struct kvm_irq_routing_entry){
				.gsi = sint_gsi(i),
				.type = KVM_IRQ_ROUTING_HV_SINT,
				.u.hv_sint = { .vcpu = i / SYNIC_NR_SINTS,
					       .sint = i % SYNIC_NR_SINTS },
			};
	}
	err = kvm_ioctl(b->m->vm->vm_fd, KVM_SET_GSI_ROUTING, table);
	free(table);
	return err;
}

static int set_irqfd(struct hyperv_board *b, unsigned int index, uint32_t flags)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)b->fd[index],
		.gsi = sint_gsi(index),
		.flags = flags,
		.resamplefd = (uint32_t)b->acked_fd,
	};

	return kvm_ioctl(b->m->vm->vm_fd, KVM_IRQFD, &irqfd);
}

static void close_sint(struct hyperv_board *b, unsigned int index)
{
	close(b->fd[index]);
	b->fd[index] = -1;
	set_routes(b);
}

static int connect_sint(void *ctx, unsigned int vp, unsigned int sint)
{
	unsigned int index = vp * SYNIC_NR_SINTS + sint;
	struct hyperv_board *b = ctx;
	int err;

	if (sint_gsi(index) >= MAX_GSI)
		return -ENOSPC;
	b->fd[index] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->fd[index] < 0)
		return -errno;
	err = set_routes(b);
	if (!err)
		err = set_irqfd(b, index, KVM_IRQFD_FLAG_RESAMPLE);
	if (!err)
		return 0;
	pr_debug("SINT %u of vCPU %u: not connected: %s", sint, vp, strerror(-err));
	close_sint(b, index);
	return err;
}

static void disconnect_sint(void *ctx, unsigned int vp, unsigned int sint)
{
	unsigned int index = vp * SYNIC_NR_SINTS + sint;
	struct hyperv_board *b = ctx;

	set_irqfd(b, index, KVM_IRQFD_FLAG_DEASSIGN);
	close_sint(b, index);
}

static void raise_sint(void *ctx, unsigned int vp, unsigned int sint)
{
	struct hyperv_board *b = ctx;

	eventfd_write(b->fd[vp * SYNIC_NR_SINTS + sint], 1); /* KVM empties it at once */
}

static void on_acked(void *ctx, uint32_t events)
{
	struct hyperv_board *b = ctx;
	eventfd_t value;

	(void)events;
	if (!eventfd_read(b->acked_fd, &value))
		synic_acknowledged(b->synic);
}

/* ---- the board ---- */

static int create_synic(struct hyperv_board *b)
{
	struct vm *vm = b->m->vm;
	const struct synic_config config = {
		.nr_vps = vm->nr_vcpus,
		.mem = &vm->mem,
		.connect = connect_sint,
		.disconnect = disconnect_sint,
		.raise = raise_sint,
		.ctx = b,
	};

	b->nr_sints = vm->nr_vcpus * SYNIC_NR_SINTS;
	b->fd = malloc(b->nr_sints * sizeof(*b->fd));
	b->synic = synic_create(&config);
	if (!b->fd || !b->synic)
		return -ENOMEM;
	for (unsigned int i = 0; i < b->nr_sints; i++)
		b->fd[i] = -1;
	b->acked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->acked_fd < 0)
		return -errno;
	return loop_add(&vm->loop, &b->acked, b->acked_fd, EPOLLIN, on_acked, b);
}

int create_hyperv(struct machine *m)
{
	const struct config *config = m->vm->config;
	int err;

	if (!hyperv_wanted(config->cpuid))
		return 0;
	m->hyperv = calloc(1, sizeof(*m->hyperv));
	if (!m->hyperv)
		return -ENOMEM;
	*m->hyperv = (struct hyperv_board){ .m = m, .acked_fd = -1, .acked.fd = -1 };
	if (!config->testdev)
		return 0;
	err = create_synic(m->hyperv);
	return err ? err
		   : bus_insert(&m->vm->pio, PORT_TESTDEV_SYNIC, SYNIC_TEST_PORTS, &synic_test_ops,
				m->hyperv->synic, "Hyper-V test device");
}

void destroy_hyperv(struct machine *m)
{
	struct hyperv_board *b = m->hyperv;

	if (!b)
		return;
	loop_del(&b->acked);
	for (unsigned int i = 0; b->fd && i < b->nr_sints; i++) {
		if (b->fd[i] >= 0)
			close(b->fd[i]);
	}
	if (b->acked_fd >= 0)
		close(b->acked_fd);
	synic_destroy(b->synic);
	free(b->fd);
	free(b);
	m->hyperv = NULL;
}

/* ---- exits ---- */

bool hyperv_exit(struct vcpu *v)
{
	struct hyperv_board *b = v->vm->machine->hyperv;
	struct kvm_hyperv_exit *exit = &v->run->hyperv;

	if (!b)
		return false;
	switch (exit->type) {
	case KVM_EXIT_HYPERV_SYNIC:
		if (b->synic)
			synic_set_pages(b->synic, v->index, exit->u.synic.control,
					exit->u.synic.evt_page, exit->u.synic.msg_page);
		return true;
	case KVM_EXIT_HYPERV_HCALL:
		exit->u.hcall.result = b->synic ? synic_hypercall(b->synic, exit->u.hcall.input,
								  exit->u.hcall.params[0])
						: HV_INVALID_HYPERCALL_CODE;
		return true;
	default:
		return false;
	}
}

static void on_crash(struct vcpu *v)
{
	struct machine *m = v->vm->machine;
	struct msrs msrs = { .nr = NR_CRASH_PARAMS };
	uint64_t p[NR_CRASH_PARAMS] = { 0 };

	for (uint32_t i = 0; i < NR_CRASH_PARAMS; i++)
		msrs.entry[i].index = MSR_CRASH_P0 + i;
	if (msrs_get(v->fd, &msrs) == NR_CRASH_PARAMS) {
		for (unsigned int i = 0; i < NR_CRASH_PARAMS; i++)
			p[i] = msrs.entry[i].data;
	}
	atomic_store(&m->autopsy.panicked, true);
	pr_info("vCPU %u: the guest reports a crash to Hyper-V: 0x%" PRIx64 " 0x%" PRIx64
		" 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64,
		v->index, p[0], p[1], p[2], p[3], p[4]);
	if (v->vm->config->on_panic == ON_PANIC_EXIT)
		vm_end(v->vm, VERDICT_PANIC, 0,
		       "the guest kernel panicked (reported by Hyper-V's crash registers)");
}

bool hyperv_system_event(struct vcpu *v)
{
	switch (v->run->system_event.type) {
	case KVM_SYSTEM_EVENT_RESET:
		ends_by_reset(&v->vm->machine->ends, "Hyper-V's reset register");
		return true;
	case KVM_SYSTEM_EVENT_CRASH:
		on_crash(v);
		return true;
	default:
		return false;
	}
}
