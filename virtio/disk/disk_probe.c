/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a disk image's first sector says its format is: the magic bytes of each format that we, or a QEMU that
 * opens the same file later without being told its format, would take it for. A raw disk has whatever its
 * guest wrote there, so the answer is a guess; disk_raw.c keeps guests from turning it.
 */
#include "disk_impl.h"

#include <string.h>

struct magic {
	const char *name;
	unsigned int offset, len;
	const char *bytes;
};

static const struct magic magics[] = {
	{ DISK_PROBE_QCOW2, 0, 8, "QFI\xfb\0\0\0\2" },
	{ DISK_PROBE_QCOW2, 0, 8, "QFI\xfb\0\0\0\3" },
	{ "qcow", 0, 4, "QFI\xfb" },
	{ "QED", 0, 4, "QED\0" },
	{ "VMDK", 0, 4, "KDMV" },
	{ "VMDK", 0, 4, "COWD" },
	{ "VMDK", 0, 21, "# Disk DescriptorFile" },
	{ "VDI", 0x40, 4, "\x7f\x10\xda\xbe" },
	{ "VHDX", 0, 8, "vhdxfile" },
	{ "VHD", 0, 8, "conectix" },
	{ "VHD", 0, 8, "cxsparse" },
	{ "LUKS", 0, 6, "LUKS\xba\xbe" },
	{ "Parallels", 0, 16, "WithoutFreeSpace" },
	{ "Parallels", 0, 16, "WithouFreSpacExt" },
	{ "Bochs", 0, 22, "Bochs Virtual HD Image" },
	{ "cloop", 0, 17, "#!/bin/sh\n#V2.0 F" },
};

/* A VMDK descriptor may have comments and empty lines before its first line, which is "version=1" or the like. */
static bool vmdk_text(const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		const char *q = p;

		while (q < end && *q == ' ')
			q++;
		if (q < end && *q != '#' && *q != '\r' && *q != '\n')
			return end - q >= 9 && !memcmp(q, "version=", 8) && q[8] >= '1' && q[8] <= '3';
		if (!eol)
			return false;
		p = eol + 1;
	}
	return false;
}

const char *disk_probe_name(const void *sector, size_t len)
{
	const char *bytes = sector;

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		const struct magic *m = &magics[i];

		if (len >= m->offset + m->len && !memcmp(bytes + m->offset, m->bytes, m->len))
			return m->name;
	}
	if (vmdk_text(bytes, len))
		return "VMDK";
	return NULL;
}
