/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The boot processor's state at its first instruction; x86/boot decides it, cpu.c sets it.
 */
#ifndef X86_CPU_BOOT_ENTRY_H
#define X86_CPU_BOOT_ENTRY_H

#include "kvm/types.h"

enum cpu_mode { CPU_REAL16, CPU_PROT32, CPU_LONG64 };

/* State that has no field here is as the protocol requires it. */
struct boot_entry {
	enum cpu_mode mode;
	uint64_t rip;
	uint64_t rsi; /* boot_params for Linux */
	uint64_t rbx; /* start info for PVH, multiboot */
	uint64_t rax; /* multiboot magic */
	uint64_t rsp;
	/* Real mode only; if both are 0, see cpu_set_entry(). */
	uint16_t cs, ds;
};

/*
 * The contents of BOOT_GDT_GPA after boot_load(): flat segments of the entry's mode and a busy TSS
 * (its descriptor takes 16 bytes, base 0, limit BOOT_TSS_LIMIT).
 */
#define BOOT_CS 0x10
#define BOOT_DS 0x18
#define BOOT_TR 0x20
#define BOOT_GDT_BYTES 0x30
#define BOOT_TSS_LIMIT 0x67

#endif
