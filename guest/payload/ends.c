/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests every way in which a guest can end, or fail to end. */
#include "virtio.h"

#include <linux/virtio_mmio.h>

#include "guest/guestjob.h"

#define COM2 0x2f8
#define NOWHERE_GPA 0xe0000000UL

static volatile uint32_t presses;

static void load_empty_idt(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) empty = { 0, 0 };

	asm volatile("lidt %0" ::"m"(empty));
}

void test_end_reset(void)
{
	outb(ACPI_SLEEP_PORT + 2, 1);
	spin();
}

void test_end_cf9(void)
{
	outb(0xcf9, 0x02);
	outb(0xcf9, 0x06);
	spin();
}

void test_end_i8042(void)
{
	outb(0x64, 0xfe);
	spin();
}

void test_end_port92(void)
{
	outb(0x92, inb(0x92) | 0x01);
	spin();
}

/*
 * Does what Linux does with reboot=t, and prints its line first: on an AMD processor the registers
 * do not show that a triple fault was deliberate.
 */
void test_end_triple(void)
{
	print("[    0.000000] reboot: Restarting system\n");
	test_end_int3();
}

/* The same without a word: what looks like it may be a wild jump into the gap between functions. */
void test_end_int3(void)
{
	load_empty_idt();
	asm volatile("int3");
	spin();
}

void test_end_ud(void)
{
	load_empty_idt();
	asm volatile("ud2");
	spin();
}

void test_end_pf(void)
{
	load_empty_idt();
	read8(1UL << 40);
	spin();
}

/* Arguments: the value, the port, the width in bytes. */
void test_end_debug(void)
{
	uint16_t port = (uint16_t)arg(1, 0xf4);
	uint32_t value = (uint32_t)arg(0, 16);

	switch (arg(2, 1)) {
	case 1:
		outb(port, (uint8_t)value);
		break;
	case 2:
		outw(port, (uint16_t)value);
		break;
	default:
		outl(port, value);
	}
	spin();
}

/* Only an NMI could end this, and none comes. */
static _Noreturn void dead_halt(void)
{
	for (;;)
		asm volatile("cli; hlt");
}

void test_end_halt(void)
{
	dead_halt();
}

void test_end_panic(void)
{
	print("[    0.000000] Kernel panic - not syncing: test\n");
	if (arg(0, 0))
		test_end_i8042();
	spin();
}

/*
 * Panics like a Linux whose drivers have begun (that of the console's port enables its interrupt),
 * with a driver that came as far as the argument's status bits on each virtio device.
 */
void test_end_driverless(void)
{
	uint8_t status = (uint8_t)arg(0, 0);
	struct vdev d;

	for (unsigned int slot = 0; status && virtio_at(&d, slot); slot++)
		virtio_set(&d, VIRTIO_MMIO_STATUS, status);
	outb(0x3f9, 1);
	outb(0x3f9, 0); /* as while a console prints */
	print("[    0.000000] Kernel panic - not syncing: test\n");
	spin();
}

void test_end_halted(void)
{
	print("[    0.000000] reboot: System halted\n");
	dead_halt();
}

/* NMIs wake it again and again: it is as dead as the others, but takes CPU time. */
void test_end_nmi_halt(void)
{
	irq_setup();
	irq_nmi_by_rtc();
	print("[    0.000000] reboot: Power off not available: System halted instead\n");
	dead_halt();
}

/* Sleeps, but an interrupt could wake it: this is not a dead halt. */
void test_end_idle(void)
{
	irq_setup();
	print("idle\n");
	for (;;)
		asm volatile("sti; hlt");
}

static void on_press(void)
{
	presses++;
}

/* Waits for the power button and powers off as a kernel would. */
void test_end_button(void)
{
	irq_setup();
	irq_route(9, arg(0, 0), on_press);
	print("ready\n");
	check("power button", wait_count(&presses, 1, 60000));
}

/* Ends as the init of `kvm run -- CMD` does, with this value. */
void test_end_job(void)
{
	outl(PORT_GUESTJOB, (uint32_t)arg(0, 0));
	spin();
}

/* Jumps to an address where there is no memory. */
void test_end_nowhere(void)
{
	((void (*)(void))NOWHERE_GPA)();
}

/* Longer than the launcher waits for more of a panic, if it takes what it has seen for one. */
void test_pause(void)
{
	delay_us(800000);
}

static void print_initrd(uint16_t port)
{
	const struct setup_header *hdr = &boot_params()->hdr;

	for (uint32_t i = 0; i < hdr->ramdisk_size; i++) {
		while (!(inb(port + 5) & 0x20))
			;
		outb(port, read8(hdr->ramdisk_image + i));
	}
}

void test_print(void)
{
	print_initrd(COM1);
}

void test_print_com2(void)
{
	print_initrd(COM2);
}

/* Prints a last byte; nothing after it causes an exit. */
void test_end_last(void)
{
	static const char text[] = "END";

	for (unsigned int i = 0; i < 3; i++)
		outb(COM1, (uint8_t)text[i]);
	if (arg(0, 0))
		dead_halt();
	spin();
}

void test_end_restart(void)
{
	print("life\n");
	delay_us(arg(0, 0));
	test_end_i8042();
}
