/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the root file system of a disk: it may be on the whole disk or in a partition.
 *
 * Partition tables are GPT (UEFI 2.10, chapter 5) after a protective MBR, or MBR with logical
 * partitions in a chain of extended ones (ibid. 5.2.1 for the record). The rules follow Linux,
 * because the number goes into root=: what Linux accepts as a partition is one here, with the same
 * number. The root is:
 *
 *   - with a GPT, the partition of the architecture's root type (Discoverable Partitions
 *     Specification);
 *   - without such a partition, and with an MBR, the only partition for Linux data. If two qualify,
 *     the user must choose.
 *
 * A table with partitions outweighs a file system's magic: the superblock of an earlier file system
 * often survives partitioning, whereas programs that make a file system on the whole disk clear the
 * table.
 *
 * The disk's contents are not trusted: every sector number is compared with the disk's size before
 * use, and the number of entries and links is limited as in Linux. Checksums are not verified and
 * the GPT's copy at the end is not used: the guest detects damage itself. Tables count in the
 * disk's sectors, of 512 or 4096 bytes; a GPT that was made for the other size is reported.
 *
 * Thread: main, at set-up. The code knows no image formats: the caller passes a read function.
 */
#include "virtio/rootdev.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECTOR_BYTES 512 /* of which a record is read */
#define LARGE_SECTOR_BYTES 4096
/* the MBR, GPT's header, ext's and XFS' superblocks */
#define HEAD_BYTES (LARGE_SECTOR_BYTES + SECTOR_BYTES)
#define MAX_PARTITIONS 255
#define MAX_LINKS 100 /* extended partitions without a logical one in them */

#define MBR_TABLE 446
#define MBR_SIGNATURE 510
#define MBR_ENTRIES 4
#define MBR_FIRST_LOGICAL 5
#define MBR_LINUX 0x83
#define MBR_GPT 0xee

#define GPT_ENTRY_BYTES 128
#define GPT_NAME_UNITS 36
#define GPT_FIRST_LBA 2
#define TYPE_TEXT_BYTES 48

#define EXT_MAGIC_OFFSET 1080
#define BTRFS_MAGIC_OFFSET 65600

struct mbr_entry {
	uint8_t boot, chs_first[3], type, chs_last[3];
	uint8_t first_lba[4], sectors[4];
};

struct gpt_header {
	char signature[8];
	uint32_t revision, header_bytes, header_crc, reserved;
	uint64_t my_lba, other_lba, first_usable_lba, last_usable_lba;
	uint8_t disk_guid[GUID_BYTES];
	uint64_t entries_lba;
	uint32_t nr_entries, entry_bytes, entries_crc;
};

struct gpt_entry {
	uint8_t type[GUID_BYTES], guid[GUID_BYTES];
	uint64_t first_lba, last_lba, flags;
	uint16_t name[GPT_NAME_UNITS];
};

_Static_assert(sizeof(struct mbr_entry) == 16 && sizeof(struct gpt_entry) == GPT_ENTRY_BYTES,
	       "as they are on disks");

struct search {
	const struct rootdev_disk *disk;
	struct rootdev *root;
	uint64_t sectors;
	size_t choices_len;
	bool choices_cut;
	unsigned int nr_partitions;
	unsigned int nr_roots, root_partition;
	unsigned int nr_linux, linux_partition;
};

/* Reads the part of a range that the disk has; the rest is zeros. */
static int read_at(const struct search *s, uint64_t offset, void *buf, size_t len)
{
	uint64_t size = s->disk->size_bytes;

	memset(buf, 0, len);
	if (offset >= size)
		return 0;
	return s->disk->read(s->disk->ctx, offset, buf, min_u64(len, size - offset));
}

/* Adds a piece of text as a whole. When one does not fit, adds no more. */
static void __attribute__((format(printf, 2, 3))) add_choice(struct search *s, const char *fmt, ...)
{
	static const char dots[] = ", ...";
	char *at = s->root->choices + s->choices_len;
	size_t room = sizeof(s->root->choices) - s->choices_len;
	va_list args;
	int len;

	if (s->choices_cut)
		return;
	va_start(args, fmt);
	len = vsnprintf(at, room, fmt, args);
	va_end(args);
	if (len >= 0 && (size_t)len + sizeof(dots) <= room) {
		s->choices_len += (size_t)len;
		return;
	}
	memcpy(at, dots, sizeof(dots)); /* it fits: each piece that was added left room for it */
	s->choices_cut = true;
}

/* ---- MBR ---- */

static uint32_t le32_bytes(const uint8_t bytes[4])
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

static void mbr_read(const uint8_t *sector, struct mbr_entry entry[MBR_ENTRIES])
{
	memcpy(entry, sector + MBR_TABLE, MBR_ENTRIES * sizeof(entry[0]));
}

static bool mbr_extended(const struct mbr_entry *e)
{
	return e->type == 0x05 || e->type == 0x0f || e->type == 0x85;
}

static bool mbr_signed(const uint8_t *sector)
{
	return sector[MBR_SIGNATURE] == 0x55 && sector[MBR_SIGNATURE + 1] == 0xaa;
}

/* Boot sectors of file systems have the signature too, but have code where the table would be. */
static bool mbr_valid(const uint8_t *sector)
{
	struct mbr_entry entry[MBR_ENTRIES];

	mbr_read(sector, entry);
	for (unsigned int i = 0; i < MBR_ENTRIES; i++) {
		if (entry[i].boot & 0x7f)
			return false;
	}
	return mbr_signed(sector);
}

static const char *mbr_type_name(uint8_t type)
{
	switch (type) {
	case 0x07:
		return "NTFS or exFAT";
	case 0x0b:
	case 0x0c:
		return "FAT";
	case 0x82:
		return "Linux swap";
	case MBR_LINUX:
		return "Linux";
	case 0x8e:
		return "Linux LVM";
	case 0xef:
		return "EFI system";
	default:
		return NULL;
	}
}

/* Adds the partition at @base + the entry's first sector. Returns whether it is inside the disk. */
static bool mbr_partition(struct search *s, const struct mbr_entry *e, uint64_t base,
			  unsigned int number)
{
	uint64_t first = base + le32_bytes(e->first_lba), sectors = le32_bytes(e->sectors);
	const char *name = mbr_type_name(e->type), *comma = s->nr_partitions ? ", " : "";

	if (!e->type || !sectors || !first || first > s->sectors || sectors > s->sectors - first)
		return false;
	s->nr_partitions++;
	if (name)
		add_choice(s, "%svda%u (%s)", comma, number, name);
	else
		add_choice(s, "%svda%u (type 0x%02x)", comma, number, e->type);
	if (e->type == MBR_LINUX) {
		s->nr_linux++;
		s->linux_partition = number;
	}
	return true;
}

/*
 * Adds the logical partitions of one link of the chain. Returns the entry of the next link, or
 * NULL.
 */
static const struct mbr_entry *mbr_link(struct search *s, const struct mbr_entry entry[MBR_ENTRIES],
					uint64_t lba, unsigned int *number)
{
	const struct mbr_entry *next = NULL;

	/* The other two entries are unused. */
	for (unsigned int i = 0; i < 2; i++) {
		if (mbr_extended(&entry[i]))
			next = next ? next : &entry[i];
		else if (*number <= MAX_PARTITIONS && le32_bytes(entry[i].sectors)) {
			/* Linux counts a partition that it cannot use, too. */
			mbr_partition(s, &entry[i], lba, *number);
			++*number;
		}
	}
	return next && le32_bytes(next->sectors) ? next : NULL;
}

/* @first is the extended partition's first sector; the places of the links are relative to it. */
static int mbr_chain(struct search *s, uint64_t first, unsigned int *number)
{
	uint64_t lba = first;

	for (unsigned int links = 0; links < MAX_LINKS && *number <= MAX_PARTITIONS; links++) {
		struct mbr_entry entry[MBR_ENTRIES];
		const struct mbr_entry *next;
		uint8_t sector[SECTOR_BYTES];
		int err;

		if (!lba || lba >= s->sectors)
			return 0;
		err = read_at(s, lba * s->disk->block_bytes, sector, sizeof(sector));
		if (err || !mbr_signed(sector))
			return err;
		mbr_read(sector, entry);
		next = mbr_link(s, entry, lba, number);
		if (!next)
			return 0;
		lba = first + le32_bytes(next->first_lba);
	}
	return 0;
}

static int mbr_scan(struct search *s, const uint8_t *sector)
{
	struct mbr_entry entry[MBR_ENTRIES];
	unsigned int number = MBR_FIRST_LOGICAL;
	int err = 0;

	mbr_read(sector, entry);
	for (unsigned int i = 0; i < MBR_ENTRIES && !err; i++) {
		if (!mbr_extended(&entry[i]))
			mbr_partition(s, &entry[i], 0, i + 1);
		else if (le32_bytes(entry[i].sectors))
			err = mbr_chain(s, le32_bytes(entry[i].first_lba), &number);
	}
	return err;
}

static bool mbr_protective(const uint8_t *sector)
{
	struct mbr_entry entry[MBR_ENTRIES];

	mbr_read(sector, entry);
	for (unsigned int i = 0; i < MBR_ENTRIES; i++) {
		if (entry[i].type == MBR_GPT)
			return true;
	}
	return false;
}

/* ---- GPT ---- */

struct type_name {
	const char *name;
	uint8_t guid[GUID_BYTES];
};

/*
 * For example 0FC63DAF-8483-4772-8E79-3D69D8477DE4: the first three fields are little-endian on a
 * disk.
 */
static const struct type_name type_names[] = {
	{ "Linux",
	  { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47,
	    0x7d, 0xe4 } },
	{ "EFI system",
	  { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e,
	    0xc9, 0x3b } },
	{ "BIOS boot",
	  { 0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e, 0x74, 0x4e, 0x65, 0x65, 0x64, 0x45,
	    0x46, 0x49 } },
	{ "Linux swap",
	  { 0x6d, 0xfd, 0x57, 0x06, 0xab, 0xa4, 0xc4, 0x43, 0x84, 0xe5, 0x09, 0x33, 0xc8, 0x4b,
	    0x4f, 0x4f } },
	{ "Linux LVM",
	  { 0x79, 0xd3, 0xd6, 0xe6, 0x07, 0xf5, 0xc2, 0x44, 0xa2, 0x3c, 0x23, 0x8f, 0x2a, 0x3d,
	    0xf9, 0x28 } },
	{ "Microsoft data",
	  { 0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26,
	    0x99, 0xc7 } },
};

static const char *gpt_type_name(const struct search *s, const uint8_t *guid)
{
	if (memcmp(guid, s->disk->root_type, GUID_BYTES) == 0)
		return "Linux root";
	for (unsigned int i = 0; i < ARRAY_SIZE(type_names); i++) {
		if (memcmp(guid, type_names[i].guid, GUID_BYTES) == 0)
			return type_names[i].name;
	}
	return NULL;
}

static void gpt_type_text(const struct search *s, const uint8_t *g, char text[TYPE_TEXT_BYTES])
{
	const char *name = gpt_type_name(s, g);

	if (name)
		snprintf(text, TYPE_TEXT_BYTES, "%s", name);
	else
		snprintf(
			text, TYPE_TEXT_BYTES,
			"type %02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11],
			g[12], g[13], g[14], g[15]);
}

/* Stores the name for a terminal: characters that are not plain ASCII become '?'. */
static void gpt_name_text(const struct gpt_entry *e, char text[GPT_NAME_UNITS + 1])
{
	unsigned int len = 0;

	for (; len < GPT_NAME_UNITS && e->name[len]; len++) {
		uint16_t unit = le16toh(e->name[len]);

		text[len] = unit >= 0x20 && unit < 0x7f ? (char)unit : '?';
	}
	text[len] = '\0';
}

static void gpt_partition(struct search *s, const struct gpt_entry *e, unsigned int number)
{
	static const uint8_t unused[GUID_BYTES];
	uint64_t first = le64toh(e->first_lba), last = le64toh(e->last_lba);
	char type[TYPE_TEXT_BYTES], name[GPT_NAME_UNITS + 1];
	const char *quote;

	if (!memcmp(e->type, unused, GUID_BYTES) || first < GPT_FIRST_LBA || first > last ||
	    last >= s->sectors)
		return;
	if (!memcmp(e->type, s->disk->root_type, GUID_BYTES)) {
		s->nr_roots++;
		s->root_partition = number;
	} else if (!memcmp(e->type, type_names[0].guid, GUID_BYTES)) {
		s->nr_linux++;
		s->linux_partition = number;
	}
	gpt_type_text(s, e->type, type);
	gpt_name_text(e, name);
	quote = name[0] ? "\"" : "";
	add_choice(s, "%svda%u (%s%s%s%s%s)", s->nr_partitions ? ", " : "", number, type,
		   name[0] ? ", " : "", quote, name, quote);
	s->nr_partitions++;
}

/*
 * Returns where the entries are and how many of them Linux reads; 0 if Linux would reject the
 * header.
 */
static unsigned int gpt_entries(const struct search *s, const uint8_t *sector, uint64_t *lba)
{
	struct gpt_header h;
	uint32_t nr, header_bytes;

	memcpy(&h, sector, sizeof(h));
	header_bytes = le32toh(h.header_bytes);
	nr = le32toh(h.nr_entries);
	*lba = le64toh(h.entries_lba);
	if (memcmp(h.signature, "EFI PART", sizeof(h.signature)) != 0 || header_bytes < 92 ||
	    header_bytes > s->disk->block_bytes || le64toh(h.my_lba) != 1 ||
	    le32toh(h.entry_bytes) != GPT_ENTRY_BYTES)
		return 0;
	if (*lba < GPT_FIRST_LBA || *lba >= s->sectors ||
	    nr > (s->sectors - *lba) * (s->disk->block_bytes / GPT_ENTRY_BYTES))
		return 0;
	return nr < MAX_PARTITIONS ? nr : MAX_PARTITIONS;
}

/* Looks for a GPT where it would be with sectors of the other size. */
static int gpt_of_other_size(struct search *s)
{
	unsigned int other =
		s->disk->block_bytes == SECTOR_BYTES ? LARGE_SECTOR_BYTES : SECTOR_BYTES;
	char signature[8];
	int err = read_at(s, other, signature, sizeof(signature));

	if (!err && !memcmp(signature, "EFI PART", sizeof(signature)))
		s->root->table_block_bytes = other;
	return err;
}

static int gpt_scan(struct search *s, const uint8_t *sector)
{
	enum { AT_ONCE = 32 };
	struct gpt_entry entry[AT_ONCE];
	uint64_t lba;
	unsigned int nr = gpt_entries(s, sector, &lba);

	if (!nr)
		return gpt_of_other_size(s);
	for (unsigned int i = 0; i < nr; i++) {
		int err = 0;

		if (i % AT_ONCE == 0)
			err = read_at(s, lba * s->disk->block_bytes + i * GPT_ENTRY_BYTES, entry,
				      sizeof(entry));
		if (err)
			return err;
		gpt_partition(s, &entry[i % AT_ONCE], i + 1);
	}
	return 0;
}

/* ---- the result ---- */

static void found(struct search *s, unsigned int partition, const char *why)
{
	s->root->found = true;
	s->root->partition = partition;
	s->root->why = why;
}

static int find_file_system(struct search *s, const uint8_t *head)
{
	char btrfs[8];
	int err;

	if (head[EXT_MAGIC_OFFSET] == 0x53 && head[EXT_MAGIC_OFFSET + 1] == 0xef) {
		found(s, 0, "an ext2, ext3 or ext4 file system is on the whole disk");
		return 0;
	}
	if (!memcmp(head, "XFSB", 4)) {
		found(s, 0, "an XFS file system is on the whole disk");
		return 0;
	}
	err = read_at(s, BTRFS_MAGIC_OFFSET, btrfs, sizeof(btrfs));
	if (!err && !memcmp(btrfs, "_BHRfS_M", sizeof(btrfs)))
		found(s, 0, "a btrfs file system is on the whole disk");
	return err;
}

int rootdev_find(const struct rootdev_disk *disk, struct rootdev *root)
{
	struct search s = { .disk = disk,
			    .root = root,
			    .sectors = disk->size_bytes / disk->block_bytes };
	uint8_t head[HEAD_BYTES];
	int err;

	*root = (struct rootdev){ 0 };
	err = read_at(&s, 0, head, sizeof(head));
	if (!err && mbr_valid(head))
		err = mbr_protective(head) ? gpt_scan(&s, head + disk->block_bytes)
					   : mbr_scan(&s, head);
	if (err)
		return err;
	if (!s.nr_partitions)
		return find_file_system(&s, head);
	if (s.nr_roots == 1)
		found(&s, s.root_partition, "its type is the root of this architecture");
	else if (!s.nr_roots && s.nr_linux == 1)
		found(&s, s.linux_partition, "it is the only Linux partition");
	return 0;
}
