/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the readers of a Linux guest's memory with a valid image that the fuzzer patches.
 *
 * The input is a byte that chooses the layouts, then patches: the place in the image (3 bytes), the
 * length (1 byte), the bytes.
 */
#include "unit/linux_image.h"
#include "x86/linux/linux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make(struct linux_image *m, unsigned int choice)
{
	uint32_t next;

	image_init(m);
	image_kallsyms(m, (enum kallsyms_layout)(choice % 3));
	if (choice & 4)
		image_note(
			m,
			"OSRELEASE=6.1\nSYMBOL(prb)=ffffffff80010000\nOFFSET(prb_desc_ring.descs)=8\n"
			"SIZE(printk_info)=88\nNUMBER(phys_base)=0\nSYMBOL(init_top_pgt)=ffffffff80004000\n");
	if (choice & 8) {
		next = image_old_record(m, 0, "of old");
		next = image_old_record(m, next, "and newer");
		image_old_ring(m, 4096, 0, next);
		return;
	}
	image_ring(m, choice & 16);
	for (unsigned int i = 0; i < 20; i++)
		image_record(m, "a message of some length");
}

static void patch(struct linux_image *m, const uint8_t *data, size_t size)
{
	while (size > 4) {
		uint64_t at = (data[0] | (data[1] << 8) | (data[2] << 16)) % IMAGE_BYTES;
		size_t len = min_u64(data[3], size - 4);

		gmem_write(&m->mem, at, data + 4, min_u64(len, IMAGE_BYTES - at));
		data += 4 + len;
		size -= 4 + len;
	}
}

static void look(struct linux_image *m)
{
	const struct linux_cpu cpu = {
		.paging = { .cr0 = 0x80010001, .cr3 = TOP_PGT, .cr4 = 0x20, .efer = 0xd00 },
		.rip = KERNEL_VA + MIB,
		.page_fault = KERNEL_VA + PAGE_FAULT_AT,
	};
	struct symbols *s = symbols_create();
	struct linux_layout layout;
	struct linux_guest g;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	kallsyms_load(s, &m->mem, &(gpa_t){ 0 }); /* as far as the input reaches */
	symbols_finish(s);
	linux_match(s, &m->mem, &cpu);
	linux_guest_open(&g, &m->mem, s, &cpu);
	if (linux_guest_open(&g, &m->mem, s, NULL))
		linux_log_print(f, &g, 0, NULL);
	if (linux_find_layout(&g, &layout) &&
	    (!layout.text_bytes || !gmem_at(&m->mem, layout.text_gpa, layout.text_bytes)))
		abort();
	fclose(f);
	free(text);
	symbols_destroy(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct linux_image m;

	if (size < 1)
		return 0;
	make(&m, data[0]);
	patch(&m, data + 1, size - 1);
	look(&m);
	gmem_fini(&m.mem);
	return 0;
}
