/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the boot path offer to each other: the recognisers (bootopen.c, bzimage.c,
 * elf.c, multiboot.c, filetype.c) and the image that they fill (image.c), what brings files into
 * memory (bootfile.c, initrd.c), and what an entry point is handed (zeropage.c, pvh.c,
 * multiboot_info.c, e820.c, realmode.c, bios_area.c, bootgdt.c).
 */
#ifndef X86_BOOT_BOOTPARTS_H
#define X86_BOOT_BOOTPARTS_H

#include "boot.h"
#include "x86/layout.h"

/*
 * Opens @path for reading; never waits on a pipe. @what is its part in a message: "kernel". Returns
 * the descriptor or -errno having said why.
 */
int bootfile_open(const char *path, const char *what);
/*
 * Refuses what is no regular file with something in it. Returns 0 and its size, or -errno having
 * said why.
 */
int bootfile_check(int fd, const char *path, const char *what, uint64_t *bytes);

enum bootfile_how { BOOTFILE_READ, BOOTFILE_MAP };

/* From this size on, faults in the guest cost less than we would wait for the copy. */
#define BOOTFILE_MAP_MIN_BYTES (1 * MIB)

/*
 * Brings @len bytes of the file from @offset to @gpa: all of them, or -errno having said why.
 * BOOTFILE_MAP is a wish: what cannot be mapped is read.
 */
int bootfile_place(struct gmem *mem, gpa_t gpa, int fd, uint64_t offset, uint64_t len,
		   const char *path, enum bootfile_how how);

/* Reads all of it. Returns 0, -errno, or -ENODATA: the file ends before that. Prints nothing. */
int bootfile_read(int fd, void *to, uint64_t len, uint64_t offset);

#define BOOT_HEAD_BYTES 4096 /* enough for a header and for telling what else a file may be */

/* The first bytes of a file; zeros behind its end. */
struct boot_head {
	uint8_t bytes[BOOT_HEAD_BYTES];
	size_t len;
};

/* By which wish of the user's (--entry) an entry is chosen; the wish's word. */
enum boot_wish boot_start_wish(enum boot_start start);
const char *boot_wish_name(enum boot_wish wish);

/* How the reason ends when the file contradicts itself. */
#define DAMAGED "the file is damaged, copy or build it again"

/* Writes why the image cannot be started, with what to do, and returns -ENOEXEC. */
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
 * Adds a placement whose range in the file was checked. Returns 0, or -ENOEXEC having refused it:
 * it lies on another, or where no RAM of the kernel's is.
 */
int boot_add_segment(struct boot_image *img, const struct boot_segment *segment);

/*
 * Reads @len bytes of the file at @offset. Returns 0, or -ENOEXEC: the file ends before that, or it
 * cannot be read (then it is refused).
 */
int boot_read(struct boot_image *img, void *to, uint64_t len, uint64_t offset);

/* Whether @gpa lies in one of the placements so far. */
bool boot_is_loaded(const struct boot_image *img, uint64_t gpa);

/*
 * The recognisers. Each returns 0 when the file has another format, 1 when it has this one and @img
 * says all about it, or -ENOEXEC having refused it.
 */
int bzimage_recognise(struct boot_image *img, const struct boot_head *head);
int elf_recognise(struct boot_image *img, const struct boot_head *head);
int multiboot_recognise(struct boot_image *img, const struct boot_head *head);

/* Notes, for those who want more of them than the PVH entry. Ends when @each returns true. */
struct elf_note {
	char name[16]; /* cut */
	uint32_t type, desc_bytes;
	uint8_t desc[64]; /* its beginning */
};
typedef bool (*elf_note_fn)(void *ctx, const struct elf_note *note);
void elf_each_note(struct boot_image *img, elf_note_fn each, void *ctx);

/*
 * What a file that is no kernel seems to be, from its first bytes, with what to do about it: "a
 * qcow2 disk image; ...". NULL when they tell nothing. @may_be_flat: it may as well be a program
 * without any header.
 */
const char *filetype_describe(const uint8_t *head, size_t len, bool *may_be_flat);

struct initrd {
	int fd; /* -1: from memory, then @content has it */
	const void *content;
	const char *path;
	uint64_t bytes;
	uint64_t offset; /* from the start of the first */
};

struct initrd_set {
	unsigned int nr;
	uint64_t total_bytes; /* from the first's start to the last's end */
	struct initrd file[BOOT_MAX_INITRDS + 1];
};

/*
 * Opens all and lays them out. Returns 0 or -errno having said why. initrd_close() in either case.
 */
int initrd_open(struct initrd_set *set, const struct boot_config *config);
void initrd_close(struct initrd_set *set);
/* The largest's name, for a message about the room they take; there must be one. */
const char *initrd_largest(const struct initrd_set *set);
/* Places all from @gpa (page aligned) on. Returns 0 or -errno having said why. */
int initrd_place(const struct initrd_set *set, struct gmem *mem, gpa_t gpa);

/* Where boot_load() decided to put things. */
struct boot_layout {
	gpa_t kernel;	  /* load address */
	gpa_t kernel_end; /* of what it runs in, decompressed */
	gpa_t initrd;	  /* 0: none */
	uint64_t initrd_bytes;
};

/* What an entry point is told, gathered for those who write it down. */
struct boot_facts {
	const struct boot_image *img;
	const struct boot_config *config;
	const struct boot_layout *layout;
	const struct initrd_set *set;
};

static inline const char *boot_facts_cmdline(const struct boot_facts *facts)
{
	return facts->config->cmdline ? facts->config->cmdline : "";
}

/* RAM from 1 MiB on, up to the hole. */
static inline uint32_t boot_high_kib(const struct gmem *mem)
{
	return (uint32_t)((mem->region[0].size_bytes - HIGH_RAM_GPA) / KIB);
}

/* The machine's memory map, as e820_build() makes it. */
#define BOOT_E820_ENTRIES (2 * GMEM_MAX_REGIONS + 8)
unsigned int boot_e820(const struct gmem *mem, struct boot_e820_entry table[BOOT_E820_ENTRIES]);

/*
 * A part of guest memory that is filled from its beginning: BOOT_INFO_GPA. @len bytes on the next
 * border of @align (a power of two). Returns where they lie, or 0: there is no room left.
 */
struct guest_info {
	struct gmem *mem;
	uint32_t used;
};
gpa_t guest_info_add(struct guest_info *info, const void *bytes, uint32_t len, uint32_t align);
gpa_t guest_info_string(struct guest_info *info, const char *text);

/*
 * Each writes what its entry point is handed, and adds to @entry where it is. @mem has all of the
 * first MiB. Returns 0, or -E2BIG having said why.
 */
int zeropage_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);
int pvh_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);
int multiboot1_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);
int multiboot2_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);

int realmode_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);
int flat16_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry);

#define LOADER_UNDEFINED 0xff /* we have no number of our own */

/* The real-mode header's fields that a loader fills in, for zero page and setup code alike. */
void zeropage_set_header(struct setup_header *hdr, const struct boot_layout *layout);

/*
 * Writes the GDT for @mode, and for CPU_LONG64 page tables: 4 GiB mapped to themselves. Needs the
 * first MiB.
 */
void bootgdt_write(struct gmem *mem, enum cpu_mode mode);

#endif
