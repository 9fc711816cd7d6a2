/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Defines the guest-physical memory map and the port map of the machine: every address in one
 * place. board.c checks that no two devices share a port.
 *
 *   0 .. 640 KiB          RAM. Ours during boot: 0x10000 .. 0x30000 and the device tree after it;
 *                         for the 16-bit entries and Multiboot kernels also the first 0x500 bytes,
 *                         for the former everything from 0x90000 on
 *   0xA0000 .. 0xDFFFF    RAM underneath, not in e820 (the VGA hole of a PC without VGA)
 *   0xE0000 .. 0xFFFFF    ACPI tables, RSDP first; MP table; our BIOS, or only a reset vector
 *   1 MiB .. 3 GiB        RAM: kernel, initrd
 *   3 GiB .. 4 GiB        hole: virtio-mmio at 0xD0000000, IOAPIC, LAPIC, KVM's own pages
 *   4 GiB ..              the rest of RAM
 *
 * The first 64 KiB contain none of our data: real-mode payloads and SIPI vectors live there.
 */
#ifndef X86_LAYOUT_H
#define X86_LAYOUT_H

/* memory below the start and from the end on is the guest's, except for the 16-bit entries */
#define BOOT_DATA_GPA 0x10000
#define BOOT_DATA_END 0x30000

#define ZERO_PAGE_GPA 0x10000
#define BOOT_GDT_GPA 0x11000
#define RNG_SEED_GPA 0x12000 /* setup_data nodes */
/* PML4, PDPT, then four page directories: identity map of 4 GiB by 2 MiB pages */
#define BOOT_PML4_GPA 0x14000
#define BOOT_STACK_GPA 0x1c000 /* grows down from here */
#define CMDLINE_GPA 0x20000
#define CMDLINE_MAX_BYTES 0x10000 /* with the final NUL */
/* PVH and Multiboot have all their information here instead, with the command line. */
#define BOOT_INFO_GPA CMDLINE_GPA
#define BOOT_INFO_MAX_BYTES CMDLINE_MAX_BYTES

/*
 * For the 16-bit entries and Multiboot kernels: the interrupt vectors, the BIOS's data, and the
 * BIOS itself at the end of its area. For the 16-bit entry of a bzImage also its setup code, heap
 * and stack, and command line, up to the EBDA.
 */
#define IVT_GPA 0
#define BIOS_DATA_GPA 0x400
#define BIOS_DATA_END 0x500
#define REALMODE_GPA 0x90000
#define REALMODE_HEAP_END 0xe000 /* offset there; the stack grows down from it */
#define REALMODE_CMDLINE_GPA (REALMODE_GPA + REALMODE_HEAP_END)
#define REALMODE_CMDLINE_MAX_BYTES (EBDA_GPA - REALMODE_CMDLINE_GPA)
#define BIOS_GPA 0xff000
#define BIOS_MAX_BYTES (RESET_VECTOR_GPA - BIOS_GPA)

/* a setup_data node with the device tree; the kernel's own trampoline lies below the EBDA */
#define DTB_GPA 0x30000
#define DTB_NODE_MAX_BYTES 0x60000

#define EBDA_GPA 0x9fc00 /* end of conventional memory; all zeros */
#define EBDA_BYTES 0x400
#define VGA_HOLE_GPA 0xa0000
#define BIOS_ROM_GPA 0xe0000
#define ACPI_GPA 0xe0000 /* RSDP first, on a 16-byte border, then the tables */
#define ACPI_MAX_BYTES 0x1d000
#define FACS_GPA (ACPI_GPA + 0x40)		/* with --testdev, between RSDP and tables */
#define MPTABLE_GPA (ACPI_GPA + ACPI_MAX_BYTES) /* the MP floating pointer, then its table */
#define MPTABLE_MAX_BYTES (BIOS_GPA - MPTABLE_GPA)
/* F000:FFF0, where a PC's BIOS begins: our code that resets the machine, see x86/boot/resetvec.c */
#define RESET_VECTOR_GPA 0xffff0
#define HIGH_RAM_GPA 0x100000

#define MMIO_HOLE_GPA 0xc0000000ULL
#define MMIO_HOLE_END 0x100000000ULL
#define TESTDEV_MMIO_GPA 0xff000000ULL /* with --testdev */
#define VIRTIO_MMIO_GPA 0xd0000000ULL  /* 4 KiB a device */
#define IOAPIC_GPA 0xfec00000U
#define LAPIC_GPA 0xfee00000U
#define KVM_IDENTITY_MAP_GPA 0xfffbc000U /* one page, for VMX without unrestricted guest */
#define KVM_TSS_GPA 0xfffbd000U		 /* three pages */

#define PORT_COM1 0x3f8
#define PORT_COM2 0x2f8
#define PORT_COM3 0x3e8
#define PORT_COM4 0x2e8
#define PORT_PIT 0x40
#define PIT_PORTS 4
#define PORT_I8042_DATA 0x60
#define PORT_61 0x61 /* the PIT's channel 2 */
#define PORT_I8042_COMMAND 0x64
#define PORT_RTC 0x70
#define RTC_PORTS 2
#define PORT_POST 0x80
#define PORT_92 0x92
#define PORT_DEBUG_EXIT 0xf4   /* the usual choice */
#define PORT_DEBUG_EXIT2 0x501 /* QEMU's default */
#define PORT_MARK 0x3f0 /* --timeline; Firecracker's is here too, and a PC's floppy controller */
#define PORT_ACPI_SLEEP 0x600
#define PORT_RESET_CONTROL 0xcf9
/* With --testdev, at QEMU's ports; PM1 and the PM timer at ports that are free. */
#define PORT_TESTDEV_SCRATCH 0xe0
#define PORT_TESTDEV_FLUSH 0xe4
#define PORT_TESTDEV_IRQ 0x2000
#define PORT_FW_CFG 0x510
#define PORT_TESTDEV_SYNIC 0x3000 /* also with the Hyper-V interface */
#define PORT_PM1 0x620
#define PORT_PM_TIMER 0x628

#define GSI_KBD 1
#define GSI_COM2 3
#define GSI_COM1 4
#define GSI_RTC 8
#define GSI_POWER_BUTTON 9
#define GSI_AUX 12
#define NR_IOAPIC_PINS 24

#endif
