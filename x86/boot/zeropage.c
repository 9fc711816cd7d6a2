/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the zero page (struct boot_params), with which the loader informs a Linux kernel.
 *
 * Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header" and "struct setup_data";
 * zero-page.rst.
 * - The zero page is all zeros, which means no VGA, no EFI, no EDD, except the header, which is
 *   copied from the file in its own length, the memory map, and a few fields.
 * - A seed for the kernel's random numbers is appended as setup_data, below 640 KiB, where no
 *   kernel decompresses to. A device tree may be appended in the same way, once everything else is
 *   placed.
 * - The real-mode fields (heap_end_ptr, video mode) stay unchanged: that code never runs here.
 * - A vmlinux has no header, so it gets one with what boot.rst requires of every loader, in the
 *   latest version that we know.
 *
 * boot.c calls this once a boot, before any vCPU runs. All addresses are in layout.h.
 */
#include "bootparts.h"
#include "e820.h"
#include "x86/layout.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Appends the seed to the kernel's list. */
static void write_rng_seed(struct boot_params *zp, struct gmem *mem,
			   const struct boot_config *config)
{
	struct setup_data *node;

	if (!config->rng_seed || zp->hdr.version < SETUP_DATA_VERSION)
		return;
	assert(config->rng_seed_bytes <= BOOT_PML4_GPA - RNG_SEED_GPA - sizeof(*node));
	node = gmem_at(mem, RNG_SEED_GPA, sizeof(*node) + config->rng_seed_bytes);
	assert(node);
	node->next = 0;
	node->type = SETUP_RNG_SEED;
	node->len = config->rng_seed_bytes;
	memcpy(node->data, config->rng_seed, config->rng_seed_bytes);
	zp->hdr.setup_data = RNG_SEED_GPA;
}

static void write_e820(struct boot_params *zp, const struct gmem *mem)
{
	struct boot_e820_entry table[BOOT_E820_ENTRIES];
	unsigned int nr = boot_e820(mem, table);

	_Static_assert(BOOT_E820_ENTRIES <= E820_MAX_ENTRIES_ZEROPAGE,
		       "the zero page has room for all");
	memcpy(zp->e820_table, table, nr * sizeof(table[0]));
	zp->e820_entries = (uint8_t)nr;
}

/* Makes the header that the head of a bzImage would have. */
static void make_header(const struct boot_image *img, struct setup_header *hdr)
{
	hdr->boot_flag = 0xaa55;
	hdr->header = 0x53726448; /* "HdrS" */
	hdr->version = 0x20f;
	hdr->loadflags = LOADED_HIGH;
	hdr->initrd_addr_max = (uint32_t)boot_initrd_addr_max(img);
	hdr->cmdline_size = (uint32_t)boot_cmdline_limit(img);
	hdr->pref_address = img->load_gpa;
	hdr->init_size = (uint32_t)img->runtime_bytes;
}

void zeropage_set_header(struct setup_header *hdr, const struct boot_layout *layout)
{
	hdr->type_of_loader = LOADER_UNDEFINED;
	hdr->loadflags &= (uint8_t)~CAN_USE_HEAP;
	hdr->code32_start = (uint32_t)layout->kernel;
	hdr->ramdisk_image = (uint32_t)layout->initrd;
	hdr->ramdisk_size = (uint32_t)layout->initrd_bytes;
	hdr->setup_data = 0;
}

int zeropage_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry)
{
	const struct boot_image *img = facts->img;
	const struct boot_config *config = facts->config;
	struct boot_params *zp = gmem_at(mem, ZERO_PAGE_GPA, sizeof(*zp));
	const char *cmdline = boot_facts_cmdline(facts);
	size_t cmdline_bytes = strlen(cmdline) + 1;
	void *line = gmem_at(mem, CMDLINE_GPA, CMDLINE_MAX_BYTES);

	assert(zp && line && cmdline_bytes <= CMDLINE_MAX_BYTES);
	memset(zp, 0, sizeof(*zp));
	if (img->hdr_len)
		memcpy(&zp->hdr, img->hdr_bytes, img->hdr_len);
	else
		make_header(img, &zp->hdr);
	zeropage_set_header(&zp->hdr, facts->layout);
	zp->hdr.cmd_line_ptr = CMDLINE_GPA;
	zp->ext_ramdisk_image = (uint32_t)(facts->layout->initrd >> 32);
	zp->ext_ramdisk_size = (uint32_t)(facts->layout->initrd_bytes >> 32);
	zp->alt_mem_k = boot_high_kib(mem);
	if (zp->hdr.version >= 0x20e)
		zp->acpi_rsdp_addr = config->rsdp;
	write_e820(zp, mem);
	write_rng_seed(zp, mem, config);
	memcpy(line, cmdline, cmdline_bytes);
	entry->rsi = ZERO_PAGE_GPA;
	return 0;
}

void boot_initrd(const struct gmem *mem, gpa_t *gpa, uint64_t *bytes)
{
	const struct boot_params *zp = gmem_at(mem, ZERO_PAGE_GPA, sizeof(*zp));

	assert(zp);
	*gpa = (gpa_t)zp->ext_ramdisk_image << 32 | zp->hdr.ramdisk_image;
	*bytes = (uint64_t)zp->ext_ramdisk_size << 32 | zp->hdr.ramdisk_size;
}

void boot_add_dtb(struct gmem *mem, uint32_t bytes)
{
	struct boot_params *zp = gmem_at(mem, ZERO_PAGE_GPA, sizeof(*zp));
	struct setup_data *node = gmem_at(mem, DTB_GPA, DTB_NODE_MAX_BYTES);

	assert(zp && node && bytes <= DTB_NODE_MAX_BYTES - sizeof(*node));
	node->next = zp->hdr.setup_data;
	node->type = SETUP_DTB;
	node->len = bytes;
	zp->hdr.setup_data = DTB_GPA;
}
