/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Creates, starts, runs and destroys a machine, see vm.h.
 *
 * vCPU 0's thread sets KVM up before it runs its vCPU: KVM_CREATE_VM and each memory slot wait for
 * a grace period of the host's kernel, and main loads images in that time.
 */
#include "kvm/vm.h"

#include "kvm/arch.h"
#include "kvm/base/endsignal.h"
#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "kvm/pages.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VCPU_STACK_BYTES (256 * KIB)

/* The recorders' rings: one per vCPU, and one for interrupts. */
static size_t rings_bytes(const struct vm *vm)
{
	return (vm->nr_vcpus + 1ULL) * RECORDER_EVENTS * sizeof(struct event);
}

int vm_init(struct vm *vm, const struct config *config, const struct arch *arch)
{
	struct event *rings;
	int err;

	vm->config = config;
	vm->arch = arch;
	vm->kvm_fd = -1;
	vm->vm_fd = -1;
	vm->loop.epoll_fd = -1;
	vm->loop.wake_fd = -1;
	pthread_mutex_init(&vm->verdict_lock, NULL);
	pthread_mutex_init(&vm->pause_lock, NULL);
	pthread_cond_init(&vm->resumed, NULL);
	pthread_mutex_init(&vm->irq_recorder_lock, NULL);
	sem_init(&vm->kvm_ready, 0, 0);
	sem_init(&vm->go, 0, 0);
	gmem_init(&vm->mem);
	coalesced_init(&vm->coalesced, &vm->pio, &vm->mmio);
	vm->nr_vcpus = (unsigned int)config->nr_cpus;
	vm->vcpu = calloc(vm->nr_vcpus, sizeof(*vm->vcpu));
	if (!vm->vcpu) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	rings = pages_alloc(rings_bytes(vm)); /* NULL: nothing is recorded */
	vm->irq_recorder.ring = rings;
	vm->irq_recorder.source = RECORDER_DEVICES;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		vm->vcpu[i].vm = vm;
		vm->vcpu[i].index = i;
		vm->vcpu[i].fd = -1;
		vm->vcpu[i].recorder.source = i;
		vm->vcpu[i].recorder.ring = rings ? rings + (i + 1ULL) * RECORDER_EVENTS : NULL;
	}
	err = bus_init(&vm->mmio, BUS_MMIO);
	if (!err)
		err = bus_init(&vm->pio, BUS_PIO);
	if (!err)
		err = loop_init(&vm->loop);
	if (err)
		pr_err("cannot set up the event loop or the buses: %s", strerror(-err));
	return err ? err : arch->init(vm);
}

void vm_fini(struct vm *vm)
{
	vm_join(vm);
	vm->arch->destroy(vm);
	for (unsigned int i = 0; vm->vcpu && i < vm->nr_vcpus; i++)
		vcpu_destroy(&vm->vcpu[i]);
	pages_free(vm->irq_recorder.ring, rings_bytes(vm));
	vm->irq_recorder.ring = NULL;
	free(vm->vcpu);
	vm->vcpu = NULL;
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	vm->vm_fd = -1;
	vm->kvm_fd = -1;
	loop_fini(&vm->loop);
	bus_fini(&vm->pio);
	bus_fini(&vm->mmio);
	gmem_fini(&vm->mem);
}

static int open_kvm(struct vm *vm)
{
	int version;

	vm->kvm_fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0) {
		vm->kvm_failed_at = VM_KVM_OPEN;
		return -errno;
	}
	version = kvm_ioctl_val(vm->kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		pr_err(KVM_DEVICE ": KVM has API version %d, but kvm needs %d", version,
		       KVM_API_VERSION);
		return -EPROTO;
	}
	vm->vm_fd = kvm_ioctl_val(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->vm_fd < 0) {
		vm->kvm_failed_at = VM_KVM_CREATE;
		return vm->vm_fd;
	}
	return 0;
}

static int set_memory_slots(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->mem.nr_regions; i++) {
		const struct gmem_region *r = &vm->mem.region[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = r->gpa,
			.memory_size = r->size_bytes,
			.userspace_addr = (uintptr_t)r->hva,
		};
		int err = kvm_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot);

		if (err) {
			pr_err("KVM cannot add %lluM of memory at 0x%llx: %s; use a smaller -m",
			       (unsigned long long)(r->size_bytes / MIB),
			       (unsigned long long)r->gpa, strerror(-err));
			return err;
		}
	}
	return 0;
}

static int check_cpu_limit(const struct vm *vm)
{
	int max = kvm_ioctl_val(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

	if (max <= 0 || vm->nr_vcpus <= (unsigned int)max)
		return 0;
	pr_err("-c %u: this host's KVM supports at most %d CPUs per machine", vm->nr_vcpus, max);
	return -EINVAL;
}

static int create_vcpus(struct vm *vm)
{
	int err = 0;

	for (unsigned int i = 0; i < vm->nr_vcpus && !err; i++)
		err = vcpu_create(vm, i);
	if (!err)
		coalesced_attach(&vm->coalesced, vm->kvm_fd, vm->vm_fd, vm->vcpu[0].run,
				 vm->vcpu[0].run_bytes);
	for (unsigned int i = 0; i < vm->nr_vcpus && !err; i++)
		err = vm->arch->setup_vcpu(&vm->vcpu[i]);
	return err;
}

static int set_up_kvm(struct vm *vm)
{
	int err = open_kvm(vm);

	if (!err)
		err = check_cpu_limit(vm);
	if (!err)
		err = vm->arch->setup_vm(vm);
	if (!err)
		err = set_memory_slots(vm);
	return err ? err : create_vcpus(vm);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	struct vm *vm = v->vm;

	if (v->index == 0) {
		vm->kvm_err = set_up_kvm(vm);
		vm->times.kvm_ns = now_ns();
		sem_post(&vm->kvm_ready);
	}
	while (sem_wait(&vm->go) < 0 && errno == EINTR)
		;
	vcpu_run(v);
	return NULL;
}

static int start_thread(struct vcpu *v)
{
	pthread_attr_t attr;
	sigset_t set;
	int err;

	end_signals_handled(&set);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK_BYTES);
	pthread_attr_setsigmask_np(&attr, &set); /* main takes them, at set-up too */
	err = pthread_create(&v->thread, &attr, vcpu_thread, v);
	pthread_attr_destroy(&attr);
	if (err) {
		pr_err("cannot start a thread for vCPU %u: %s", v->index, strerror(err));
		return -err;
	}
	v->started = true;
	return 0;
}

int vm_start_kvm(struct vm *vm)
{
	return start_thread(&vm->vcpu[0]);
}

static int wait_kvm(struct vm *vm)
{
	while (sem_wait(&vm->kvm_ready) < 0 && errno == EINTR)
		;
	sem_post(&vm->kvm_ready); /* for the next caller */
	return vm->kvm_err;
}

int vm_wait_kvm(struct vm *vm)
{
	int err = wait_kvm(vm);

	vm->kvm_step = vm->kvm_failed_at;
	return err;
}

int vm_bring_up(struct vm *vm)
{
	int err = vm_start_kvm(vm);

	if (!err)
		err = vm->arch->create(vm);
	return err ? err : vm_wait_kvm(vm);
}

int vm_run(struct vm *vm)
{
	for (unsigned int i = 1; i < vm->nr_vcpus; i++) {
		int err = start_thread(&vm->vcpu[i]);

		if (err)
			return err;
	}
	vm->times.entry_ns = now_ns();
	vm->looked_ns = vm->times.entry_ns;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		sem_post(&vm->go);
	return loop_run(&vm->loop);
}

void vm_join(struct vm *vm)
{
	if (!vm->vcpu)
		return;
	vm_set_ended(vm);
	if (vm->vcpu[0].started)
		wait_kvm(vm);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		vcpu_kick(&vm->vcpu[i]);
		sem_post(&vm->go); /* for a vCPU that has not run yet */
	}
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		if (vm->vcpu[i].started)
			pthread_join(vm->vcpu[i].thread, NULL);
	}
	/* Only after all joins: a vCPU that was still in vm_end() kicks the others. */
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vm->vcpu[i].started = false;
}

static void kvm_irq_set(void *ctx, unsigned int gsi, bool level)
{
	struct vm *vm = ctx;
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	kvm_ioctl(vm->vm_fd, KVM_IRQ_LINE, &irq);
	pthread_mutex_lock(&vm->irq_recorder_lock);
	record_wide(&vm->irq_recorder, arch_ticks(), EVENT_IRQ, 4, gsi, level);
	pthread_mutex_unlock(&vm->irq_recorder_lock);
}

struct irq_line vm_irq_line(struct vm *vm, unsigned int gsi)
{
	return (struct irq_line){ .set = kvm_irq_set, .ctx = vm, .gsi = gsi };
}

void vm_add_sink(struct vm *vm, struct vm_sink *sink)
{
	sink->next = vm->sinks;
	vm->sinks = sink;
}

void vm_console_output(const struct vm *vm, const uint8_t *bytes, size_t len)
{
	for (const struct vm_sink *s = vm->sinks; s; s = s->next)
		s->output(s->ctx, bytes, len);
}

void vm_port_output(const struct vm *vm)
{
	for (const struct vm_sink *s = vm->sinks; s; s = s->next) {
		if (s->port_output)
			s->port_output(s->ctx);
	}
}
