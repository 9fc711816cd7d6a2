/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guesses the format of a disk image from its first sector. Each supported format recognises its
 * own images; the magic bytes here are those of the formats that QEMU would guess if it opened the
 * same file later, except LUKS: encryption of a whole disk is the guest's business, and its header
 * cannot name another file. The guest writes the contents of a raw disk, so this is only a guess;
 * disk_raw.c prevents the guest from changing it.
 */
#include "disk_impl.h"

#include <string.h>

struct magic {
	const char *name;
	unsigned int offset, len;
	const char *bytes;
};

static const struct magic magics[] = {
	{ "qcow", 0, 4, "QFI\xfb" },
	{ "QED", 0, 4, "QED\0" },
	{ "VMDK", 0, 4, "KDMV" },
	{ "VMDK", 0, 4, "COWD" },
	{ "VMDK", 0, 21, "# Disk DescriptorFile" },
	{ "VDI", 0x40, 4, "\x7f\x10\xda\xbe" },
	{ "VHDX", 0, 8, "vhdxfile" },
	{ "VHD", 0, 8, "conectix" },
	{ "VHD", 0, 8, "cxsparse" },
	{ "Parallels", 0, 16, "WithoutFreeSpace" },
	{ "Parallels", 0, 16, "WithouFreSpacExt" },
	{ "Bochs", 0, 22, "Bochs Virtual HD Image" },
	{ "cloop", 0, 17, "#!/bin/sh\n#V2.0 F" },
};

/*
 * Whether it is a VMDK descriptor, which may have comments and empty lines before its first line,
 * "version=1" or similar.
 */
static bool vmdk_text(const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		const char *q = p;

		while (q < end && *q == ' ')
			q++;
		if (q < end && *q != '#' && *q != '\r' && *q != '\n')
			return end - q >= 9 && !memcmp(q, "version=", 8) && q[8] >= '1' &&
			       q[8] <= '3';
		if (!eol)
			return false;
		p = eol + 1;
	}
	return false;
}

const char *disk_probe_name(const struct disk_format *formats, const void *sector, size_t len)
{
	const char *bytes = sector;

	for (const struct disk_format *format = formats; format->name; format++) {
		if (format->probe && format->probe(sector, len))
			return format->name;
	}
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		const struct magic *m = &magics[i];

		if (len >= m->offset + m->len && !memcmp(bytes + m->offset, m->bytes, m->len))
			return m->name;
	}
	if (vmdk_text(bytes, len))
		return "VMDK";
	return NULL;
}
