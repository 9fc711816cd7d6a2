/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Boots a kernel with a serial console, with the core alone: tiny KERNEL [PARAMETERS].
 *
 * The core, kvm/ itself, runs a machine and calls a struct arch for what differs between machines.
 * This file is a complete one: a CPU, a serial port, and a way to power off. It is linked with the
 * core, kvm/base, kvm/chardev, x86/{boot,cpu,tables} and hw/serial.c, and with nothing else.
 */
#include "hw/serial.h"
#include "kvm/arch.h"
#include "kvm/ioctl.h"
#include "kvm/vm.h"
#include "x86/boot/boot.h"
#include "x86/cpu/cpu.h"
#include "x86/layout.h"
#include "x86/tables/tables.h"

#include <string.h>

static struct x86_cpu_set *cpus;
static struct chardev *console;

static int init(struct vm *vm)
{
	return gmem_add(&vm->mem, 0, 512 * MIB, GMEM_NORMAL);
}

static int setup_vm(struct vm *vm)
{
	return kvm_ioctl_raw(vm->vm_fd, KVM_SET_TSS_ADDR, KVM_TSS_GPA) ?:
	       kvm_ioctl_val(vm->vm_fd, KVM_CREATE_IRQCHIP, 0) ?:
	       cpu_set_create(&cpus, vm->kvm_fd, vm->vm_fd, vm->nr_vcpus, NULL);
}

static int setup_vcpu(struct vcpu *v)
{
	return cpu_setup(cpus, v->fd, v->index);
}

/* A device: ACPI's registers for sleep, its status, and reset. */
static uint64_t power_read(void *vm, uint64_t offset, unsigned int size)
{
	return 0;
}

static void power_write(void *vm, uint64_t offset, unsigned int size, uint64_t value)
{
	if (offset != 1)
		vm_end(vm, VERDICT_POWEROFF, 0, "the guest has ended");
}

static int create(struct vm *vm)
{
	static const struct bus_ops power_ops = { power_read, power_write, .width = 1 };
	static const struct device_list none; /* except COM1, which a kernel finds by itself */
	struct tables_config acpi = { .nr_cpus = 1, .apic_id = &(uint32_t){ 0 }, .devices = &none };
	struct boot_config boot = { .cmdline = vm->config->params };
	struct boot_entry entry = { 0 };
	struct boot_image kernel;
	struct irq_line irq = vm_irq_line(vm, GSI_COM1);
	int err = chardev_open(&console, &vm->loop, "stdio", NULL);
	struct serial *com1 = serial_create(console, &irq, NULL);

	return err ?: bus_insert(&vm->pio, 0x3f8, SERIAL_PORTS, &serial_bus_ops, com1, "COM1") ?:
		      bus_insert(&vm->pio, PORT_ACPI_SLEEP, 3, &power_ops, vm, "ACPI") ?:
		      acpi_write(&vm->mem, &acpi, &boot.rsdp) ?:
		      boot_open(&kernel, vm->config->kernel, NULL) ?:
		      boot_load(&kernel, &vm->mem, &boot, &entry) ?:
		      vm_wait_kvm(vm) ?: /* for setup_vm() and setup_vcpu() */
		      cpu_set_entry(vm->vcpu[0].fd, &entry);
}

static bool handle_exit(struct vcpu *v)
{
	return false; /* ends the machine; ports and memory are the core's own */
}

static void look_away(struct vcpu *v, uint64_t ticks)
{
}

static const struct arch tiny = { .init = init,
				  .setup_vm = setup_vm,
				  .setup_vcpu = setup_vcpu,
				  .create = create,
				  .handle_exit = handle_exit,
				  .record_exit = look_away,
				  .sample = look_away };

int main(int argc, char **argv)
{
	static struct vm vm;
	struct config c = { .kernel = argv[1], .params = argc > 2 ? argv[2] : NULL, .nr_cpus = 1 };
	int err = vcpu_signal_init() ?: vm_init(&vm, &c, &tiny) ?: vm_bring_up(&vm) ?: vm_run(&vm);

	vm_join(&vm);
	chardev_flush(console, -1);
	fprintf(stderr, "tiny: %s\n", err ? strerror(-err) : vm.verdict.text);
	return err ? EXIT_LAUNCHER : verdict_exit_code(&vm.verdict);
}
