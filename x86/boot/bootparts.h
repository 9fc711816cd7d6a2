/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declares what the files of the boot path share.
 * - Recognisers: bootopen.c, bzimage.c, elf.c, multiboot.c, filetype.c; image.c has the image that
 *   they fill.
 * - Files into memory: bootfile.c, initrd.c.
 * - Information for an entry point: zeropage.c, pvh.c, multiboot_info.c, e820.c, realmode.c,
 *   bios_area.c, bootgdt.c.
 */
#ifndef X86_BOOT_BOOTPARTS_H
#define X86_BOOT_BOOTPARTS_H

#include "boot.h"
#include "x86/layout.h"

/*
 * Opens @path for reading; never waits on a pipe. @what names the file in a message: "kernel".
 * Returns the descriptor, or -errno (reported).
 */
int bootfile_open(const char *path, const char *what);
/*
 * Refuses anything but a regular file that is not empty. Returns 0 and its size, or -errno
 * (reported).
 */
int bootfile_check(int fd, const char *path, const char *what, uint64_t *bytes);

enum bootfile_how { BOOTFILE_READ, BOOTFILE_MAP };

/* From this size on, the guest's page faults cost less than waiting for the copy. */
#define BOOTFILE_MAP_MIN_BYTES (1 * MIB)

/*
 * Brings @len bytes of the file from @offset to @gpa. BOOTFILE_MAP is a wish: a part that cannot be
 * mapped is read. Returns 0, or -errno (reported).
 */
int bootfile_place(struct gmem *mem, gpa_t gpa, int fd, uint64_t offset, uint64_t len,
		   const char *path, enum bootfile_how how);

/* Reads all @len bytes. Returns 0, -errno, or -ENODATA if the file ends early. Prints nothing. */
int bootfile_read(int fd, void *to, uint64_t len, uint64_t offset);

#define BOOT_HEAD_BYTES 4096 /* enough for a header, and to recognise other kinds of files */

/* The first bytes of a file; zeros after its end. */
struct boot_head {
	uint8_t bytes[BOOT_HEAD_BYTES];
	size_t len;
};

/* The wish (--entry) that selects an entry; the word for a wish. */
enum boot_wish boot_start_wish(enum boot_start start);
const char *boot_wish_name(enum boot_wish wish);

/* The end of the reason if the file contradicts itself. */
#define DAMAGED "the file is damaged, copy or build it again"

/* Writes into the image why it cannot be started, and what to do. Returns -ENOEXEC. */
int boot_refuse(struct boot_image *img, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline bool boot_has(const struct boot_image *img, enum boot_start start)
{
	return img->starts & (1U << start);
}

static inline void boot_add_start(struct boot_image *img, enum boot_start start, gpa_t gpa)
{
	img->starts |= 1U << start;
	img->start_gpa[start] = gpa;
}

/*
 * Adds a placement whose range in the file has been checked. Returns 0, or -ENOEXEC after
 * boot_refuse(): it overlaps another, or lies where the kernel has no RAM.
 */
int boot_add_segment(struct boot_image *img, const struct boot_segment *segment);

/*
 * Reads @len bytes of the file at @offset. Returns 0, or -ENOEXEC: the file ends early, or it
 * cannot be read (then after boot_refuse()).
 */
int boot_read(struct boot_image *img, void *to, uint64_t len, uint64_t offset);

/* Whether @gpa lies in one of the placements so far. */
bool boot_is_loaded(const struct boot_image *img, uint64_t gpa);

/*
 * The recognisers. Each returns 0 if the file has another format, 1 if it has this one and @img is
 * complete, or -ENOEXEC after boot_refuse().
 */
int bzimage_recognise(struct boot_image *img, const struct boot_head *head);
int elf_recognise(struct boot_image *img, const struct boot_head *head);
int multiboot_recognise(struct boot_image *img, const struct boot_head *head);

/* Calls @each with every note, until it returns true. */
struct elf_note {
	char name[16]; /* cut to fit */
	uint32_t type, desc_bytes;
	uint8_t desc[64]; /* its beginning */
};
typedef bool (*elf_note_fn)(void *ctx, const struct elf_note *note);
void elf_each_note(struct boot_image *img, elf_note_fn each, void *ctx);
/* Whether the notes are those of a Linux kernel. */
bool elf_is_linux(struct boot_image *img);

/*
 * Describes what a file that is not a kernel seems to be, by its first bytes, and what to do about
 * it: "a qcow2 disk image; ...". Returns NULL if it recognises nothing. @may_be_flat: the file may
 * also be a program without a header.
 */
const char *filetype_describe(const uint8_t *head, size_t len, bool *may_be_flat);

struct initrd {
	int fd; /* -1: it is in memory, at @content */
	const void *content;
	const char *path;
	uint64_t bytes;
	uint64_t offset; /* from the start of the first */
};

#define INITRD_SET_MAX (BOOT_MAX_INITRDS + 1) /* with the archive */
struct initrd_set {
	unsigned int nr;
	uint64_t total_bytes; /* from the first's start to the last's end */
	struct initrd file[INITRD_SET_MAX];
};

/*
 * Opens all initrds and lays them out. Returns 0, or -errno (reported). Call initrd_close() in
 * either case.
 */
int initrd_open(struct initrd_set *set, const struct boot_config *config);
void initrd_close(struct initrd_set *set);
/* The name of the largest, for a message about their size. There must be one. */
const char *initrd_largest(const struct initrd_set *set);
/* Places all from @gpa (page aligned) on. Returns 0, or -errno (reported). */
int initrd_place(const struct initrd_set *set, struct gmem *mem, gpa_t gpa);

/* The places that boot_load() has chosen. */
struct boot_layout {
	gpa_t kernel;	  /* load address */
	gpa_t kernel_end; /* the end of the memory it runs in, decompressed */
	gpa_t initrd;	  /* 0: none */
	uint64_t initrd_bytes;
};

/* The facts from which the writers below make an entry point's information. */
struct boot_facts {
	struct boot_image *img;
	const struct boot_config *config;
	const struct boot_layout *layout;
	const struct initrd_set *set;
};

static inline const char *boot_facts_cmdline(const struct boot_facts *facts)
{
	return facts->config->cmdline ? facts->config->cmdline : "";
}

/* The RAM from 1 MiB to the hole, in KiB. */
static inline uint32_t boot_high_kib(const struct gmem *mem)
{
	return (uint32_t)((mem->region[0].size_bytes - HIGH_RAM_GPA) / KIB);
}

/* Writes the machine's memory map, as made by e820_build(). */
#define BOOT_E820_ENTRIES (2 * GMEM_MAX_REGIONS + 8)
unsigned int boot_e820(const struct gmem *mem, struct boot_e820_entry table[BOOT_E820_ENTRIES]);

/*
 * A range of guest memory that is filled from its beginning, BOOT_INFO_GPA. guest_info_add() adds
 * @len bytes at the next multiple of @align (a power of two). Returns their address, or 0 if there
 * is no room left.
 */
struct guest_info {
	struct gmem *mem;
	uint32_t used;
};
gpa_t guest_info_add(struct guest_info *info, const void *bytes, uint32_t len, uint32_t align);
gpa_t guest_info_string(struct guest_info *info, const char *text);
/* Reports that there was no room. Returns -E2BIG. */
int guest_info_full(const struct boot_facts *facts);

/*
 * Each writes the information for its entry point, and adds the information's address to @entry.
 * @mem has all of the first MiB. Returns 0, or -errno (reported).
 */
int zeropage_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);
int pvh_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);
int multiboot1_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);
int multiboot2_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);

int realmode_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);
int flat16_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);

#define SETUP_DATA_VERSION 0x209 /* the first protocol with the list */
#define LOADER_UNDEFINED 0xff	 /* we have no number of our own */

/*
 * Sets the fields of the real-mode header that a loader fills in, for the zero page and for setup
 * code.
 */
void zeropage_set_header(struct setup_header *hdr, const struct boot_layout *layout);

/*
 * Writes the GDT for @mode, and for CPU_LONG64 page tables that map 4 GiB to themselves. @mem has
 * all of the first MiB.
 */
void bootgdt_write(struct gmem *mem, enum cpu_mode mode);

#endif
