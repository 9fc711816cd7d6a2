/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads a kernel: recognises the file, places it and its initrds, and builds the information for
 * its entry point.
 *
 * boot_open() recognises a file by its content, without guest memory. The result is struct
 * boot_image: its format, the *placements* (which bytes of the file go where), and the ways to
 * start it, one of which is chosen. boot_load() then places it, which gives the *entry state*.
 * Apart from its headers, no file is read into a buffer of ours: it is read straight into guest
 * memory, or mapped privately, so that start-up time does not depend on its size.
 *
 * Linux x86 boot protocol: Documentation/arch/x86/boot.rst in the kernel's tree. PVH:
 * xen/include/public/arch-x86/hvm/start_info.h and docs/misc/pvh.pandoc in Xen's tree. Multiboot
 * 0.6.96 and Multiboot 2.0: their specifications.
 */
#ifndef X86_BOOT_BOOT_H
#define X86_BOOT_BOOT_H

#include "kvm/gmem.h"
#include "kvm/types.h"
#include "x86/cpu/boot_entry.h"

#include <asm/bootparam.h>

#define BOOT_HEADER_OFFSET 0x1f1			   /* of the setup header in a bzImage */
#define BOOT_HEADER_MAX_BYTES (0x290 - BOOT_HEADER_OFFSET) /* what the zero page has room for */
#define BOOT_MAX_INITRDS 16
#define BOOT_MAX_SEGMENTS 32
#define BOOT_REFUSAL_BYTES 320
#define BOOT_LOAD_ANYWHERE UINT64_MAX

enum boot_format { BOOT_UNKNOWN, BOOT_BZIMAGE, BOOT_ELF, BOOT_MULTIBOOT, BOOT_FLAT };

/* The ways to start an image; it may have several. */
enum boot_start {
	BOOT_LINUX64,	 /* 64-bit entry, boot_params in RSI */
	BOOT_LINUX32,	 /* 32-bit entry, boot_params in ESI */
	BOOT_LINUX16,	 /* the setup code of a bzImage, in real mode */
	BOOT_PVH,	 /* 32-bit entry, hvm_start_info in EBX */
	BOOT_MULTIBOOT2, /* 32-bit entry, tags at EBX */
	BOOT_MULTIBOOT1, /* 32-bit entry, multiboot_info at EBX */
	BOOT_FLAT16,	 /* these three: no boot information */
	BOOT_FLAT32,
	BOOT_FLAT64,
	BOOT_NR_STARTS,
};

/*
 * The user's choice of entry (--entry); 16, 32 and 64 are the bits of the processor's first mode.
 */
enum boot_wish { BOOT_WISH_AUTO, BOOT_WISH_16, BOOT_WISH_32, BOOT_WISH_64, BOOT_WISH_PVH };

/* How to take a file. The default, also for NULL in boot_open(), is all zeros except load_gpa. */
struct boot_how {
	enum boot_wish wish;
	gpa_t load_gpa; /* of a flat binary; BOOT_LOAD_ANYWHERE: the usual address of its kind */
	bool dtb;	/* BOOT_WISH_AUTO: prefer an entry that takes a device tree */
};

/* A placement: bytes of the file, then zeros up to mem_bytes. */
struct boot_segment {
	uint64_t offset, file_bytes;
	gpa_t gpa;
	uint64_t mem_bytes;
	bool is_written; /* by the file itself: an ELF segment's PF_W */
};

struct boot_image {
	int fd;
	const char *path; /* the caller's */
	uint64_t file_bytes;
	enum boot_format format;
	unsigned int starts; /* a bit for each enum boot_start that it has */
	enum boot_start start;
	gpa_t start_gpa[BOOT_NR_STARTS]; /* linear entry points */
	unsigned int nr_segments;
	struct boot_segment segment[BOOT_MAX_SEGMENTS]; /* inside the file; below MMIO_HOLE_GPA */
	gpa_t load_gpa;					/* its lowest address */
	uint64_t runtime_bytes; /* this much must be free from load_gpa on */
	char version[256];	/* kernel_version, printable; "": none */

	/*
	 * A bzImage's header as in the file, checked; bytes after the file's header length are
	 * zero.
	 */
	union {
		struct setup_header hdr;
		uint8_t hdr_bytes[BOOT_HEADER_MAX_BYTES];
	};
	unsigned int hdr_len; /* how many of hdr_bytes the file's header has */
	uint64_t pm_offset;   /* protected-mode kernel in the file, bytes */
	uint64_t pm_bytes;

	unsigned int elf_bits; /* 32 or 64; 0: not an ELF file */
	/* Of a Multiboot header: its place in the file, and whether it wants a display. */
	uint64_t multiboot_offset[2]; /* of version 1 and 2; none if 0 and no bit in starts */
	bool wants_video;

	/* why it cannot be started, and what to do; "" if it can */
	char refusal[BOOT_REFUSAL_BYTES];
};

/* Parses --entry's word. Returns 0, or -EINVAL (reported). */
int boot_parse_entry(const char *text, enum boot_wish *wish);

/*
 * Opens and checks a kernel. @how may be NULL. Returns 0, or -errno (reported in one line that
 * names the file and what to do). boot_close() is needed after success only. Thread: main.
 */
int boot_open(struct boot_image *img, const char *path, const struct boot_how *how);
/* Does the same for a regular file that is already open. Takes @fd over, even on failure. */
int boot_open_fd(struct boot_image *img, int fd, const char *path, const struct boot_how *how);
/*
 * Does the same without printing. @img holds what was found out even on failure, with the reason in
 * refusal. boot_close() is needed in either case.
 */
int boot_identify(struct boot_image *img, int fd, const char *path, const struct boot_how *how);
void boot_close(struct boot_image *img);

/* "bzImage", "ELF", ... */
const char *boot_format_name(enum boot_format format);
/* "64-bit entry", ... */
const char *boot_start_name(enum boot_start start);
/*
 * Whether the entry gets a Linux command line: our parameters and the user's, without the kernel's
 * own name.
 */
bool boot_takes_linux_params(const struct boot_image *img);
/* The longest command line that it can take, in characters. */
uint64_t boot_cmdline_limit(const struct boot_image *img);
/* The last address that an initrd may use, by the protocol of the entry. */
uint64_t boot_initrd_addr_max(const struct boot_image *img);

struct boot_config {
	/* joined in this order, each beginning at a page; the paths must outlive the gmem */
	const char *const *initrds;
	unsigned int nr_initrds; /* at most BOOT_MAX_INITRDS */
	const void *archive;	 /* one more after them, in memory; NULL: none */
	uint64_t archive_bytes;
	const char *cmdline;	 /* complete; NULL: empty */
	gpa_t rsdp;		 /* 0: none */
	const uint8_t *rng_seed; /* for SETUP_RNG_SEED; NULL: none */
	unsigned int rng_seed_bytes;
};

/*
 * Places kernel, initrds, command line, zero page, e820, setup_data, GDT and page tables in @mem,
 * which must be fresh and begin with RAM at 0. Returns 0 and the entry state, or -errno (reported;
 * if -m is too small, with the size that is needed). Thread: setup.
 */
int boot_load(struct boot_image *img, struct gmem *mem, const struct boot_config *config,
	      struct boot_entry *entry);

/*
 * After a boot_load() that made a zero page: the place of the initrds. @bytes is 0 if there are
 * none.
 */
void boot_initrd(const struct gmem *mem, gpa_t *gpa, uint64_t *bytes);

/*
 * Checks that the kernel can get a device tree at DTB_GPA: its entry is Linux's own, its protocol
 * 2.09 or later, and it has no segment there. Returns 0, or -EOPNOTSUPP (reported).
 */
int boot_check_dtb(const struct boot_image *img);
/*
 * After boot_check_dtb() and boot_load(): passes the device tree of @bytes, which lies at DTB_GPA
 * after a struct setup_data, as SETUP_DTB.
 */
void boot_add_dtb(struct gmem *mem, uint32_t bytes);

/*
 * Returns "ours user's". Ours come first, so that the user's win; whatever follows " -- " in the
 * user's part stays last and goes to init. Either may be NULL or empty. The caller frees the
 * result. Returns NULL without memory.
 */
char *boot_cmdline(const char *ours, const char *users);

/*
 * Whether @params (or NULL) has the parameter "@name=..." before a "--", split into words as the
 * kernel does.
 */
bool boot_cmdline_has(const char *params, const char *name);
/* Whether @params (or NULL) has the whole word "noapic", for example, before a "--". */
bool boot_cmdline_has_word(const char *params, const char *word);

#endif
