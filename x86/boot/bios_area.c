/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Installs our BIOS for the 16-bit entries and Multiboot kernels: the code at the end of its area,
 * the interrupt vectors, and the data area at 0x400.
 *
 * Interrupt numbers and the data area follow the IBM PC/AT's technical reference. All vectors point
 * into the BIOS. Hardware interrupts have the vectors 8 to 15 and 0x70 to 0x77, to which the BIOS
 * programs the 8259s at its start. The BIOS is written only for these entries and for --testdev,
 * whose guests, like Multiboot kernels, may return to real mode on their own; the memory of other
 * machines holds no part of it.
 *
 * boot.c or testdev.c calls this once a boot. Thread: setup.
 */
#include "bios_area.h"
#include "bootparts.h"
#include "x86/layout.h"

#include <assert.h>
#include <string.h>

#define BIOS_SEGMENT (BIOS_GPA >> 4)
#define NR_VECTORS 256
#define PARAGRAPH 16

/* The fields of the data area that are not zero, from 0x400 on. */
struct bios_data {
	uint16_t com[4], lpt[3], ebda_segment;
	uint16_t equipment;
	uint8_t post_flag;
	uint16_t base_kib;
	uint8_t keyboard[0x49 - 0x15];
	uint8_t video_mode;
	uint16_t columns, page_bytes;
	uint8_t cursor[0x84 - 0x4e];
	uint8_t last_row;
	uint16_t char_height;
} __attribute__((packed));
_Static_assert(offsetof(struct bios_data, base_kib) == 0x13, "as a PC's");
_Static_assert(offsetof(struct bios_data, video_mode) == 0x49, "as a PC's");
_Static_assert(offsetof(struct bios_data, last_row) == 0x84, "as a PC's");

#define EQUIPMENT_80X25 0x0020
#define EQUIPMENT_ONE_COM 0x0200

static const struct bios_data data = {
	.com = { PORT_COM1 },
	.ebda_segment = EBDA_GPA / PARAGRAPH,
	.equipment = EQUIPMENT_80X25 | EQUIPMENT_ONE_COM,
	.base_kib = EBDA_GPA / KIB,
	.video_mode = 3,
	.columns = 80,
	.page_bytes = 4096,
	.last_row = 24,
	.char_height = 16,
};

static void set_vector(uint8_t *ivt, unsigned int vector, uint16_t offset)
{
	const uint16_t far[2] = { offset, BIOS_SEGMENT };

	memcpy(ivt + vector * sizeof(far), far, sizeof(far));
}

static void write_vectors(uint8_t *ivt, const struct bios_head *head)
{
	const uint16_t reset[2] = { RESET_VECTOR_GPA & 0xffff, RESET_VECTOR_GPA >> 4 & 0xf000 };

	for (unsigned int i = 0; i < NR_VECTORS; i++)
		set_vector(ivt, i, head->ignore);
	set_vector(ivt, 0x08, head->tick);
	for (unsigned int i = 1; i < 8; i++)
		set_vector(ivt, 0x08 + i, head->irq);
	for (unsigned int i = 0; i < 8; i++)
		set_vector(ivt, 0x70 + i, head->irq_slave);
	set_vector(ivt, 0x10, head->int10);
	set_vector(ivt, 0x11, head->int11);
	set_vector(ivt, 0x12, head->int12);
	set_vector(ivt, 0x13, head->int13);
	set_vector(ivt, 0x15, head->int15);
	set_vector(ivt, 0x16, head->int16);
	set_vector(ivt, 0x1a, head->int1a);
	/* "No boot device" and "boot again": neither can continue, so both reset the machine. */
	memcpy(ivt + 0x18 * sizeof(reset), reset, sizeof(reset));
	memcpy(ivt + 0x19 * sizeof(reset), reset, sizeof(reset));
}

static void write_memory_map(struct bios_head *head, const struct gmem *mem)
{
	struct boot_e820_entry e820[BOOT_E820_ENTRIES];

	_Static_assert(BOOT_E820_ENTRIES <= BIOS_E820_ENTRIES, "the BIOS has room for all entries");
	head->low_kib = boot_high_kib(mem);
	head->nr_e820 = (uint16_t)boot_e820(mem, e820);
	for (unsigned int i = 0; i < head->nr_e820; i++) {
		head->e820[i].gpa = e820[i].addr;
		head->e820[i].bytes = e820[i].size;
		head->e820[i].type = e820[i].type;
	}
}

struct bios_head *bios_write(struct gmem *mem)
{
	struct bios_head *head = gmem_at(mem, BIOS_GPA, BIOS_MAX_BYTES);
	uint8_t *ivt = gmem_at(mem, IVT_GPA, NR_VECTORS * 4),
		*area = gmem_at(mem, BIOS_DATA_GPA, sizeof(data));

	assert(head && ivt && area && bios_bytes <= BIOS_MAX_BYTES);
	memcpy(head, bios_start, bios_bytes);
	memcpy(area, &data, sizeof(data));
	write_vectors(ivt, head);
	write_memory_map(head, mem);
	return head;
}

void bios_install(struct gmem *mem, struct boot_entry *entry)
{
	struct bios_head *head = bios_write(mem);

	head->go_cs = entry->cs;
	head->go_ip = (uint16_t)(entry->rip - ((uint32_t)entry->cs << 4));
	head->go_ds = entry->ds;
	head->go_sp = (uint16_t)entry->rsp;
	*entry = (struct boot_entry){
		.mode = CPU_REAL16,
		.rip = BIOS_GPA + head->post,
		.cs = BIOS_SEGMENT,
		.ds = BIOS_SEGMENT,
	};
}
