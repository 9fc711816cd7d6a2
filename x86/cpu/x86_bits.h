/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names the bits of x86 registers and page-table entries that more than one file needs, as the
 * Intel SDM vol. 3A does: 2.3 (RFLAGS), 2.5 (CR0, CR4), 2.2.1 (EFER), 4.5 (page tables).
 */
#ifndef X86_CPU_X86_BITS_H
#define X86_CPU_X86_BITS_H

#define PAGE_BYTES 4096ULL

#define CR0_PE (1ULL << 0)
#define CR0_EM (1ULL << 2)
#define CR0_TS (1ULL << 3)
#define CR0_ET (1ULL << 4)
#define CR0_WP (1ULL << 16)
#define CR0_PG (1ULL << 31)

#define CR4_PSE (1ULL << 4)
#define CR4_PAE (1ULL << 5)
#define CR4_OSFXSR (1ULL << 9)
#define CR4_LA57 (1ULL << 12)
#define CR4_OSXSAVE (1ULL << 18)
#define CR4_SMEP (1ULL << 20)
#define CR4_SMAP (1ULL << 21)

#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)
#define EFER_NXE (1ULL << 11)

#define RFLAGS_IF (1ULL << 9)
#define RFLAGS_VM (1ULL << 17)
#define RFLAGS_AC (1ULL << 18)

#define PTE_P (1ULL << 0)
#define PTE_W (1ULL << 1)
#define PTE_U (1ULL << 2)
#define PTE_PS (1ULL << 7)
#define PTE_NX (1ULL << 63)
#define PTE_ADDRESS 0x000ffffffffff000ULL

#define MSR_LSTAR 0xc0000082U
#define MSR_KERNEL_GS_BASE 0xc0000102U

#endif
