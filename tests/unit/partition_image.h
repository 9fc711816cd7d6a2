/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes partition tables in memory from the specifications, not with our own code. Tests and the
 * fuzzer damage them.
 */
#ifndef PARTITION_IMAGE_H
#define PARTITION_IMAGE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define SECTOR 512

static inline void put_le32(unsigned char *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put_le64(unsigned char *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

/* Writes entry @index of the MBR or EBR in sector @lba; the numbers are those of the record. */
static inline void put_mbr(unsigned char *image, uint32_t lba, unsigned int index,
			   unsigned char type, uint32_t first, uint32_t sectors)
{
	unsigned char *sector = image + (size_t)lba * SECTOR, *e = sector + 446 + 16 * index;

	e[4] = type;
	put_le32(e + 8, first);
	put_le32(e + 12, sectors);
	sector[510] = 0x55;
	sector[511] = 0xaa;
}

static inline void put_gpt_header(unsigned char *image, uint64_t entries_lba, uint32_t nr)
{
	unsigned char *h = image + SECTOR;

	put_mbr(image, 0, 0, 0xee, 1, 0xffffffff);
	memcpy(h, "EFI PART", 8);
	put_le32(h + 8, 0x10000);
	put_le32(h + 12, 92);
	put_le64(h + 24, 1);
	put_le64(h + 72, entries_lba);
	put_le32(h + 80, nr);
	put_le32(h + 84, 128);
}

/* @guid as text: 8-4-4-4-12 hexadecimal digits. */
static inline void put_guid(unsigned char *p, const char *guid)
{
	static const unsigned char place[16] = { 3, 2, 1,  0,  5,  4,  7,  6,
						 8, 9, 10, 11, 12, 13, 14, 15 };
	static const char digits[] = "0123456789ABCDEF";

	for (unsigned int i = 0; i < 16; i++, guid += 2) {
		if (*guid == '-')
			guid++;
		p[place[i]] = (unsigned char)((strchr(digits, guid[0]) - digits) << 4 |
					      (strchr(digits, guid[1]) - digits));
	}
}

static inline void put_gpt(unsigned char *image, unsigned int index, const char *type,
			   uint64_t first, uint64_t last, const char *name)
{
	unsigned char *e = image + 2 * SECTOR + (size_t)index * 128;

	put_guid(e, type);
	e[16] = (unsigned char)(index + 1);
	put_le64(e + 32, first);
	put_le64(e + 40, last);
	for (unsigned int i = 0; i < 36 && name[i]; i++)
		e[56 + 2 * i] = (unsigned char)name[i];
}

#define GUID_ROOT "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
#define GUID_LINUX "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
#define GUID_ESP "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
#define GUID_SWAP "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"
#define GUID_LVM "E6D6D379-F507-44C2-A23C-238F2A3DF928"
#define GUID_BIOS_BOOT "21686148-6449-6E6F-744E-656564454649"
#define GUID_MS_DATA "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
#define GUID_OTHER "01234567-89AB-CDEF-0123-456789ABCDEF"

#endif
