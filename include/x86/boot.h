/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading a kernel: recognise the file, place it and its initrds, build what its entry point is handed.
 *
 * Linux x86 boot protocol: Documentation/arch/x86/boot.rst in the kernel's tree.
 *
 * A file is opened and checked first (boot_open), without guest memory; then placed (boot_load). Nothing is
 * ever read into a buffer of ours but the header: the kernel is read straight into guest memory, large
 * initrds are mapped privately into it, so that start-up does not grow with their size.
 */
#ifndef X86_BOOT_H
#define X86_BOOT_H

#include "kvm/gmem.h"
#include "kvm/types.h"

#include <asm/bootparam.h>

enum cpu_mode { CPU_REAL16, CPU_PROT32, CPU_LONG64 };

/* The boot processor's state at its first instruction; everything not named is as the protocol wants it. */
struct boot_entry {
	enum cpu_mode mode;
	uint64_t rip;
	uint64_t rsi; /* boot_params for Linux */
	uint64_t rbx; /* start info for PVH, multiboot */
	uint64_t rax; /* multiboot magic */
	uint64_t rsp;
};

/*
 * What boot_load() leaves at BOOT_GDT_GPA: flat segments of the entry's mode and a busy TSS (its descriptor
 * takes 16 bytes, base 0, limit BOOT_TSS_LIMIT).
 */
#define BOOT_CS 0x10
#define BOOT_DS 0x18
#define BOOT_TR 0x20
#define BOOT_GDT_BYTES 0x30
#define BOOT_TSS_LIMIT 0x67

#define BOOT_HEADER_MAX_BYTES (0x290 - 0x1f1) /* what the zero page has room for */
#define BOOT_MAX_INITRDS 16

struct boot_image {
	int fd;
	const char *path; /* the caller's */
	uint64_t file_bytes;
	/* As in the file, checked; bytes past the file's header length are zero. */
	union {
		struct setup_header hdr;
		uint8_t hdr_bytes[BOOT_HEADER_MAX_BYTES];
	};
	unsigned int hdr_len; /* how many of hdr_bytes the file's header has */
	uint64_t pm_offset;   /* protected-mode kernel in the file, bytes */
	uint64_t pm_bytes;
	gpa_t load_gpa;		/* the lowest address it can run at */
	uint64_t runtime_bytes; /* what must be free there */
	bool entry64;
	char version[128]; /* kernel_version string, "" when it has none; printable */
};

/*
 * Opens and checks a kernel. Returns 0, or -errno having said in one line naming the file what is wrong and
 * what to do. boot_close() is needed after success only.
 */
int boot_open(struct boot_image *img, const char *path);
/* The same for a regular file that is open already: takes @fd over, in failure too. */
int boot_open_fd(struct boot_image *img, int fd, const char *path);
void boot_close(struct boot_image *img);

struct boot_config {
	const char *const
		*initrds;	 /* joined in this order, each beginning at a page; paths outlive the gmem */
	unsigned int nr_initrds; /* at most BOOT_MAX_INITRDS */
	const char *cmdline;	 /* complete; NULL: empty */
	gpa_t rsdp;		 /* 0: none */
	const uint8_t *rng_seed; /* for SETUP_RNG_SEED; NULL: none */
	unsigned int rng_seed_bytes;
};

/*
 * Places kernel, initrds, command line, zero page, e820, setup_data, GDT and page tables in @mem, which
 * must be fresh and begin with RAM at 0. Returns 0 and the entry state, or -errno having said why (too
 * large for -m: how much it takes). Set-up time only.
 */
int boot_load(struct boot_image *img, struct gmem *mem, const struct boot_config *config,
	      struct boot_entry *entry);

/* After a boot_load() that made a zero page: where the initrds are. @bytes 0: there are none. */
void boot_initrd(const struct gmem *mem, gpa_t *gpa, uint64_t *bytes);

/*
 * After boot_load(): hands over the device tree of @bytes that lies at DTB_GPA behind a struct setup_data, as SETUP_DTB.
 * Returns 0, or -EOPNOTSUPP when the entry is not Linux's own or its protocol too old (below 2.09).
 */
int boot_add_dtb(struct gmem *mem, const struct boot_entry *entry, uint32_t bytes);

/*
 * "ours user's": ours first, so that the user's wins, and whatever follows a " -- " in the user's part
 * stays last: it goes to init. Allocates; the caller frees. NULL without memory. Either may be NULL or
 * empty.
 */
char *boot_cmdline(const char *ours, const char *users);

/* Whether @params (or NULL) has the parameter "@name=...", before a "--", as the kernel cuts it into words. */
bool boot_cmdline_has(const char *params, const char *name);

#endif
