/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prepares the 16-bit entries: the setup code of a bzImage, and flat binaries, both with our BIOS.
 *
 * Documentation/arch/x86/boot.rst, "Memory Layout", "Sample Boot Configuration" and "Running the
 * Kernel". Boot sector and setup code lie at REALMODE_GPA, heap and stack after them up to offset
 * 0xe000, then the command line. Execution begins at the second sector, with CS 0x20 above the
 * other segments. The header's fields are set in guest memory, as many as the file's header has.
 *
 * boot.c calls this once a boot, before any vCPU runs.
 */
#include "bios_area.h"
#include "bootparts.h"
#include "x86/layout.h"

#include <assert.h>
#include <string.h>

#define SEGMENT(gpa) ((uint16_t)((gpa) >> 4))
#define SETUP_CS_DISTANCE 0x20
/* heap_end_ptr is this far below the end, which leaves room for the stack (boot.rst) */
#define HEAP_SLACK_BYTES 0x200
#define VIDEO_MODE_NORMAL 0xffff

int realmode_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry)
{
	const struct boot_image *img = facts->img;
	const char *cmdline = boot_facts_cmdline(facts);
	struct setup_header *hdr = gmem_at(mem, REALMODE_GPA + BOOT_HEADER_OFFSET, sizeof(*hdr));
	int err = bootfile_place(mem, REALMODE_GPA, img->fd, 0, img->pm_offset, img->path,
				 BOOTFILE_READ);

	assert(hdr);
	if (err)
		return err;
	/* Bytes of fields that this version does not have are code and stay unchanged. */
	if (img->hdr.version >= 0x209) {
		zeropage_set_header(hdr, facts->layout);
	} else {
		hdr->type_of_loader = LOADER_UNDEFINED;
		hdr->code32_start = (uint32_t)facts->layout->kernel;
		hdr->ramdisk_image = (uint32_t)facts->layout->initrd;
		hdr->ramdisk_size = (uint32_t)facts->layout->initrd_bytes;
	}
	hdr->loadflags |= CAN_USE_HEAP;
	hdr->heap_end_ptr = REALMODE_HEAP_END - HEAP_SLACK_BYTES;
	hdr->vid_mode = VIDEO_MODE_NORMAL;
	hdr->cmd_line_ptr = REALMODE_CMDLINE_GPA;
	err = gmem_write(mem, REALMODE_CMDLINE_GPA, cmdline, strlen(cmdline) + 1);
	assert(!err); /* boot_cmdline_limit() ensures that it fits */
	entry->cs = SEGMENT(REALMODE_GPA) + SETUP_CS_DISTANCE;
	entry->ds = SEGMENT(REALMODE_GPA);
	entry->rip = REALMODE_GPA + (SETUP_CS_DISTANCE << 4);
	entry->rsp = REALMODE_HEAP_END;
	bios_install(mem, entry);
	return err;
}

/*
 * The stack lies below the program, as for a boot sector; above 64 KiB it lies at the end of the
 * program's segment (SP 0 wraps).
 */
int flat16_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry)
{
	bool low = entry->rip <= 0xffff;

	(void)facts;
	entry->cs = low ? 0 : SEGMENT(entry->rip);
	entry->ds = entry->cs;
	entry->rsp = low ? entry->rip : 0;
	bios_install(mem, entry);
	return 0;
}
