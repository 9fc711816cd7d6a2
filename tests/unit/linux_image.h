/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes a guest's memory as a Linux kernel leaves it: page tables, a symbol table in each of its
 * layouts, VMCOREINFO, and a ring of messages.
 *
 * The kernel is mapped at KERNEL_VA + its place in the image, plus the slide. A second image in the
 * same memory is what a kexec leaves, or starts.
 */
#ifndef TESTS_LINUX_IMAGE_H
#define TESTS_LINUX_IMAGE_H

#include "kvm/gmem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL_VA 0xffffffff80000000ULL
#define IMAGE_BYTES (4 * MIB)
#define TOP_PGT 0x4000
#define NOTE_AT 0x8000
#define PRB_POINTER 0x10000
#define RING_AT 0x10100
#define DESCS_AT 0x11000
#define INFOS_AT 0x12000
#define TEXT_AT 0x14000
#define OLD_LOG_AT 0x18000
#define BANNER_AT 0x20000
#define PAGE_FAULT_AT 0x30000
#define KALLSYMS_AT 0x100000
#define NR_PLAIN_SYMBOLS 600

enum kallsyms_layout { KALLSYMS_FIRST, KALLSYMS_SEQS, KALLSYMS_LATER };

struct linux_image {
	struct gmem mem;
	uint8_t *ram;
	gpa_t base; /* where the image is in guest memory */
	uint64_t slide;
	uint64_t build;	 /* moves the symbols, by less than 16 bytes times this */
	uint64_t tokens; /* where the table of tokens is */
	uint64_t text_next;
	unsigned int records;
};

static void put(struct linux_image *m, uint64_t at, const void *bytes, size_t len)
{
	memcpy(m->ram + at, bytes, len);
}

static void put_u64(struct linux_image *m, uint64_t at, uint64_t value)
{
	put(m, at, &value, 8);
}

static void put_u32(struct linux_image *m, uint64_t at, uint32_t value)
{
	put(m, at, &value, 4);
}

static inline uint64_t image_va(const struct linux_image *m, uint64_t at)
{
	return KERNEL_VA + m->slide + at;
}

/* Makes the page tables, with pages of 2 MiB. */
static void image_tables(struct linux_image *m)
{
	uint64_t entry = 0x3000 + m->slide / (2 * MIB) * 8;

	put_u64(m, TOP_PGT + 511 * 8, (m->base + 0x2000) | 3);
	put_u64(m, 0x2000 + 510 * 8, (m->base + 0x3000) | 3);
	put_u64(m, entry, m->base | 0x83);
	put_u64(m, entry + 8, (m->base + 2 * MIB) | 0x83);
}

static void image_init_room(struct linux_image *m, uint64_t bytes)
{
	memset(m, 0, sizeof(*m));
	gmem_init(&m->mem);
	if (gmem_add(&m->mem, 0, bytes, GMEM_NORMAL))
		abort();
	m->ram = gmem_at(&m->mem, 0, IMAGE_BYTES);
	image_tables(m);
}

static inline void image_init(struct linux_image *m)
{
	image_init_room(m, IMAGE_BYTES);
}

/* Begins the image of another kernel in the memory of @first. */
static inline void image_second(struct linux_image *m, struct linux_image *first, gpa_t base,
				uint64_t slide, uint64_t build)
{
	*m = (struct linux_image){ .ram = gmem_at(&first->mem, base, IMAGE_BYTES),
				   .base = base,
				   .slide = slide,
				   .build = build };
	image_tables(m);
}

/*--- symbols ---------------------------------------------------------------------------*/

/* Two tokens have several characters; every other printable character is its own token. */
static void image_token(unsigned int i, char text[8])
{
	memset(text, 0, 8);
	if (i == 1)
		strcpy(text, "sym_");
	else if (i == 2)
		strcpy(text, "tok");
	else if (i > ' ' && i <= '~')
		text[0] = (char)i;
}

static void image_symbol(const struct linux_image *m, unsigned int i, char *packed, uint64_t *at)
{
	const struct {
		const char *name;
		uint64_t at;
	} named[] = {
		{ "Dinit_top_pgt", TOP_PGT },
		{ "dprb", PRB_POINTER },
		{ "Dlinux_banner", BANNER_AT + m->build * 8 },
		{ "Tasm_exc_page_fault", PAGE_FAULT_AT + m->build * 8 },
		{ "dlog_buf", 0x10010 },
		{ "dlog_buf_len", 0x10020 },
		{ "dlog_first_idx", 0x10024 },
		{ "dlog_next_idx", 0x10028 },
		{ "Rkallsyms_\x02"
		  "en_table",
		  0 },
	};

	if (i < ARRAY_SIZE(named)) {
		strcpy(packed, named[i].name);
		*at = named[i].at ? named[i].at : m->tokens;
		return;
	}
	sprintf(packed, "T\x01%u", i);
	*at = 0x200000 + (uint64_t)i * 16 + m->build * 8;
}

/* Writes names and markers from @at on. Returns the markers' end. */
static uint64_t image_names(struct linux_image *m, uint64_t at)
{
	uint32_t marker[(NR_PLAIN_SYMBOLS + 255) / 256];
	uint64_t names = at + 8, next = names, addr;
	char packed[64];

	put_u32(m, at, NR_PLAIN_SYMBOLS);
	for (unsigned int i = 0; i < NR_PLAIN_SYMBOLS; i++) {
		if (i % 256 == 0)
			marker[i / 256] = (uint32_t)(next - names);
		image_symbol(m, i, packed, &addr);
		m->ram[next++] = (uint8_t)strlen(packed);
		put(m, next, packed, strlen(packed));
		next += strlen(packed);
	}
	next = align_up(next, 8);
	put(m, next, marker, sizeof(marker));
	return align_up(next + sizeof(marker), 8);
}

static uint64_t image_tokens(struct linux_image *m)
{
	uint16_t index[256];
	uint64_t at = m->tokens;
	char text[8];

	for (unsigned int i = 0; i < 256; i++) {
		image_token(i, text);
		index[i] = (uint16_t)(at - m->tokens);
		put(m, at, text, strlen(text) + 1);
		at += strlen(text) + 1;
	}
	at = align_up(at, 8);
	put(m, at, index, sizeof(index));
	return at + sizeof(index);
}

/* As in SMP kernels: relative to the base, downwards; percpu addresses are absolute. */
static uint64_t image_offsets(struct linux_image *m, uint64_t at)
{
	uint64_t addr;
	char packed[64];

	for (unsigned int i = 0; i < NR_PLAIN_SYMBOLS; i++) {
		image_symbol(m, i, packed, &addr);
		put_u32(m, at + i * 4, (uint32_t)(-1 - (int64_t)addr));
	}
	put_u32(m, at + (NR_PLAIN_SYMBOLS - 1) * 4, 0x1234);
	put_u64(m, at + NR_PLAIN_SYMBOLS * 4, image_va(m, 0));
	return at + NR_PLAIN_SYMBOLS * 4 + 8;
}

static void image_kallsyms(struct linux_image *m, enum kallsyms_layout layout)
{
	uint64_t at = KALLSYMS_AT, offsets = at;

	if (layout != KALLSYMS_LATER)
		at += NR_PLAIN_SYMBOLS * 4 + 8;
	m->tokens = image_names(m, at);
	if (layout == KALLSYMS_SEQS) {
		memset(m->ram + m->tokens, 0x5a, 3 * NR_PLAIN_SYMBOLS);
		m->tokens += align_up(3 * NR_PLAIN_SYMBOLS, 8);
	}
	put(m, BANNER_AT + m->build * 8, "Linux version 6.1", 18);
	at = image_tokens(m);
	image_offsets(m, layout == KALLSYMS_LATER ? at : offsets);
}

/*--- VMCOREINFO ---------------------------------------------------------------------------*/

static inline void image_note(struct linux_image *m, const char *text)
{
	put_u32(m, NOTE_AT, 11);
	put_u32(m, NOTE_AT + 4, (uint32_t)strlen(text));
	put_u32(m, NOTE_AT + 8, 0);
	put(m, NOTE_AT + 12, "VMCOREINFO\0", 12);
	put(m, NOTE_AT + 24, text, strlen(text));
}

/* Writes the note of this kernel. */
static inline void image_own_note(struct linux_image *m, const char *release)
{
	char text[400];

	snprintf(text, sizeof(text),
		 "OSRELEASE=%s\nSYMBOL(prb)=%llx\nSYMBOL(init_top_pgt)=%llx\n"
		 "OFFSET(printk_ringbuffer.text_data_ring)=48\nNUMBER(phys_base)=%lld\n",
		 release, (unsigned long long)image_va(m, PRB_POINTER),
		 (unsigned long long)image_va(m, TOP_PGT), (long long)(m->base - m->slide));
	image_note(m, text);
}

/*--- the ring ---------------------------------------------------------------------------*/

#define RING_COUNT_BITS 4
#define RING_SIZE_BITS 9

/* Makes an empty ring; with @later in the layout since 6.8. */
static void image_ring(struct linux_image *m, bool later)
{
	uint64_t text = RING_AT + (later ? 48 : 40);

	put_u64(m, PRB_POINTER, image_va(m, RING_AT));
	put_u32(m, RING_AT, RING_COUNT_BITS);
	put_u64(m, RING_AT + 8, image_va(m, DESCS_AT));
	put_u64(m, RING_AT + 16, image_va(m, INFOS_AT));
	put_u32(m, text, RING_SIZE_BITS);
	put_u64(m, text + 8, image_va(m, TEXT_AT));
}

/* Adds a record; removes the oldest ones if there is no room. */
/* @facility 0: the kernel; others: by /dev/kmsg */
static void image_record_by(struct linux_image *m, uint8_t facility, const char *text)
{
	uint64_t size = 1ULL << RING_SIZE_BITS, bytes = align_up(8 + strlen(text), 8);
	uint64_t begin = m->text_next, next = begin + bytes, at = begin % size, id = m->records;
	uint64_t index = id % (1U << RING_COUNT_BITS), desc = DESCS_AT + index * 24;
	uint64_t info = INFOS_AT + index * 88;
	uint16_t len = (uint16_t)strlen(text);

	if (begin / size != next / size && next % size) { /* starts again at the beginning */
		next = align_up(begin, size) + bytes;
		at = 0;
	}
	put_u64(m, TEXT_AT + at, id);
	put(m, TEXT_AT + at + 8, text, strlen(text));
	put_u64(m, desc, id | (2ULL << 62));
	put_u64(m, desc + 8, begin);
	put_u64(m, desc + 16, next);
	put_u64(m, info, id);
	put_u64(m, info + 8, id * 1001000ULL);
	put(m, info + 16, &len, 2);
	m->ram[info + 18] = facility;
	m->ram[info + 19] = 6 << 5;
	m->text_next = next;
	put_u64(m, RING_AT + 24, id);
	m->records++;
	if (m->records > 1U << RING_COUNT_BITS)
		put_u64(m, RING_AT + 32, m->records - (1U << RING_COUNT_BITS));
}

static inline void image_record(struct linux_image *m, const char *text)
{
	image_record_by(m, 0, text);
}

/* Writes a record of the ring before 5.10 at offset @at. Returns the next one's offset. */
static inline uint32_t image_old_record(struct linux_image *m, uint32_t at, const char *text)
{
	uint16_t text_len = (uint16_t)strlen(text), len = (uint16_t)align_up(16U + text_len, 8);

	put_u64(m, OLD_LOG_AT + at, 2000000000ULL);
	put(m, OLD_LOG_AT + at + 8, &len, 2);
	put(m, OLD_LOG_AT + at + 10, &text_len, 2);
	m->ram[OLD_LOG_AT + at + 15] = 4 << 5;
	put(m, OLD_LOG_AT + at + 16, text, text_len);
	return at + len;
}

static inline void image_old_ring(struct linux_image *m, uint32_t size, uint32_t first,
				  uint32_t next)
{
	put_u64(m, 0x10010, image_va(m, OLD_LOG_AT));
	put_u32(m, 0x10020, size);
	put_u32(m, 0x10024, first);
	put_u32(m, 0x10028, next);
}

#endif
