/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connects the device of --testdev (hw/testdev.c) to the board: its ports, what its hooks do to the
 * machine, and what a test that goes to real mode expects.
 *
 * Such a test expects interrupt vectors, 8259s and a ticking timer as a PC's firmware leaves them
 * (IBM PC/AT technical reference, BIOS listing).
 *
 * S3 pauses all vCPUs. Any thread may wake them. Then the boot processor gets the state that ACPI
 * 6.5, 16.3.1.1 and 5.2.10, requires of firmware (real mode at the FACS's waking vector), and the
 * others wait for INIT and SIPI; memory is as it was.
 */
#include "board_testdev.h"

#include "hw/testdev.h"
#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "x86/boot/bios_area.h"
#include "x86/cpu/x86_bits.h"
#include "x86/layout.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FACS_WAKING_VECTOR (FACS_GPA + 12)

#define PIC_VECTORS 0x08
#define PIC_MASK 0xfa /* all except the timer and the second 8259 */
#define PIC2_VECTORS 0x70
#define PIC2_MASK 0xff
#define PORT_PIT_CONTROL 0x43
#define PIT_CHANNEL0_SQUARE 0x36 /* of 65536 cycles: 18.2 Hz */

struct test_board {
	struct machine *m;
	struct testdev *dev;
	struct irq_line rtc; /* the clock's own line */
};

/*
 * Changes a page's protection, so that KVM forgets the page. The page stays readable and writable
 * all the time, since devices may be using it; no vCPU executes it. If the host refuses, the page
 * just stays mapped.
 */
static void flush_page(void *ctx, uint64_t gpa)
{
	struct test_board *b = ctx;
	void *page = gmem_at(&b->m->vm->mem, align_down(gpa, PAGE_BYTES), PAGE_BYTES);

	if (page && !mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC))
		mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE);
}

static void go_to_sleep(void *ctx)
{
	struct test_board *b = ctx;

	pr_debug("the guest sleeps (S3)");
	vm_pause(b->m->vm);
}

static int reset_cpus(struct vm *vm, uint32_t vector)
{
	const struct boot_entry entry = {
		.mode = CPU_REAL16,
		.rip = vector,
		.cs = (uint16_t)(vector >> 4),
	};
	int err = 0;

	for (unsigned int i = 0; i < vm->nr_vcpus && !err; i++) {
		struct kvm_mp_state state = { i ? KVM_MP_STATE_UNINITIALIZED
						: KVM_MP_STATE_RUNNABLE };

		err = kvm_ioctl(vm->vcpu[i].fd, KVM_SET_MP_STATE, &state);
	}
	return err ? err : cpu_set_entry(vm->vcpu[0].fd, &entry);
}

static void wake_up(void *ctx)
{
	struct test_board *b = ctx;
	struct vm *vm = b->m->vm;
	uint32_t vector = 0;

	/* Without a vector that real mode reaches, firmware resets the machine. */
	if (gmem_read(&vm->mem, FACS_WAKING_VECTOR, &vector, sizeof(vector)) || !vector ||
	    vector >= HIGH_RAM_GPA)
		ends_by_reset(&b->m->ends, "waking without a vector");
	else if (reset_cpus(vm, vector))
		vm_end(vm, VERDICT_LAUNCHER, 0, "KVM refuses the state after S3");
	else
		pr_debug("the guest wakes up at 0x%x", vector);
	vm_resume(vm);
}

static int insert_ports(struct test_board *b)
{
	static const struct {
		uint16_t port, ports;
		const struct bus_ops *ops;
	} ranges[] = {
		{ PORT_TESTDEV_SCRATCH, TESTDEV_SCRATCH_PORTS, &testdev_scratch_ops },
		{ PORT_TESTDEV_FLUSH, TESTDEV_FLUSH_PORTS, &testdev_flush_ops },
		{ PORT_TESTDEV_IRQ, TESTDEV_NR_LINES, &testdev_irq_ops },
		{ PORT_FW_CFG, FW_CFG_PORTS, &fw_cfg_ops },
		{ PORT_PM1, PM1_PORTS, &pm1_ops },
		{ PORT_PM_TIMER, PM_TIMER_PORTS, &pm_timer_ops },
	};
	struct vm *vm = b->m->vm;
	int err = bus_insert(&vm->mmio, TESTDEV_MMIO_GPA, TESTDEV_MMIO_BYTES, &testdev_mmio_ops,
			     b->dev, "test device");

	for (unsigned int i = 0; i < ARRAY_SIZE(ranges) && !err; i++)
		err = bus_insert(&vm->pio, ranges[i].port, ranges[i].ports, ranges[i].ops, b->dev,
				 "test device");
	return err;
}

int create_testdev(struct machine *m)
{
	struct testdev_config config = {
		.nr_cpus = m->vm->nr_vcpus,
		.ram_bytes = gmem_total_bytes(&m->vm->mem),
		.power = &m->ends.power,
		.flush_page = flush_page,
		.sleep = go_to_sleep,
		.wake = wake_up,
	};

	_Static_assert(TESTDEV_NR_LINES == NR_IOAPIC_PINS, "a port for each pin");
	if (!m->vm->config->testdev)
		return 0;
	m->test = calloc(1, sizeof(*m->test));
	if (!m->test)
		return -ENOMEM;
	m->test->m = m;
	config.ctx = m->test;
	for (unsigned int i = 0; i < TESTDEV_NR_LINES; i++)
		config.line[i] = vm_irq_line(m->vm, i);
	m->test->dev = testdev_create(&config);
	if (!m->test->dev)
		return -ENOMEM;
	bios_write(&m->vm->mem);
	return insert_ports(m->test);
}

void destroy_testdev(struct machine *m)
{
	if (!m->test)
		return;
	testdev_destroy(m->test->dev);
	free(m->test);
	m->test = NULL;
}

static void rtc_irq_set(void *ctx, unsigned int gsi, bool level)
{
	struct test_board *b = ctx;

	(void)gsi;
	irq_set(&b->rtc, level);
	if (level)
		testdev_rtc_event(b->dev);
}

void tap_rtc_irq(struct machine *m, struct irq_line *irq)
{
	if (!m->test)
		return;
	m->test->rtc = *irq;
	*irq = (struct irq_line){ .set = rtc_irq_set, .ctx = m->test, .gsi = irq->gsi };
}

static int program_pic(int vm_fd, uint32_t chip_id, uint8_t vectors, uint8_t mask)
{
	struct kvm_irqchip chip = { .chip_id = chip_id };
	int err = kvm_ioctl(vm_fd, KVM_GET_IRQCHIP, &chip);

	chip.chip.pic.irq_base = vectors;
	chip.chip.pic.imr = mask;
	return err ? err : kvm_ioctl(vm_fd, KVM_SET_IRQCHIP, &chip);
}

int program_pic_and_pit(struct machine *m)
{
	int fd = m->vm->vm_fd, err;

	if (!m->test || m->for_linux)
		return 0;
	err = program_pic(fd, KVM_IRQCHIP_PIC_MASTER, PIC_VECTORS, PIC_MASK);
	if (!err)
		err = program_pic(fd, KVM_IRQCHIP_PIC_SLAVE, PIC2_VECTORS, PIC2_MASK);
	if (err)
		pr_err("--testdev: KVM refuses the state of its 8259s: %s", strerror(-err));
	else
		bus_write(&m->vm->pio, PORT_PIT_CONTROL, 1, PIT_CHANNEL0_SQUARE);
	return err;
}
