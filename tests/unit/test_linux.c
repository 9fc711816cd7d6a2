/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the readers of what a Linux guest leaves in memory: its symbols in each layout, its note,
 * and its messages from both kinds of ring.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/linux_image.h"
#include "x86/linux/linux.h"

#include <errno.h>

static int setup(void **state)
{
	static struct linux_image m;

	image_init(&m);
	*state = &m;
	return 0;
}

static int teardown(void **state)
{
	struct linux_image *m = *state;

	gmem_fini(&m->mem);
	return 0;
}

/*--- symbols ---------------------------------------------------------------------------*/

static void assert_symbols(struct linux_image *m)
{
	struct symbols *s = symbols_create();
	char text[64];
	uint64_t at;

	assert_int_equal(kallsyms_load(s, &m->mem, &(gpa_t){ 0 }), 0);
	assert_int_equal(symbols_finish(s), 0);
	assert_true(symbols_lookup(s, "init_top_pgt", &at));
	assert_int_equal(at, KERNEL_VA + TOP_PGT);
	assert_true(symbols_lookup(s, "kallsyms_token_table", &at));
	assert_int_equal(at, KERNEL_VA + m->tokens);
	symbols_text(s, KERNEL_VA + 0x200000 + 300 * 16 + 5, text, sizeof(text));
	assert_string_equal(text, "sym_300+0x5");
	assert_false(symbols_lookup(s, "sym_599", &at)); /* a percpu offset is not an address */
	symbols_destroy(s);
}

static void symbols_in_every_layout(void **state)
{
	struct linux_image *m = *state;

	for (int layout = KALLSYMS_FIRST; layout <= KALLSYMS_LATER; layout++) {
		memset(m->ram + KALLSYMS_AT, 0, IMAGE_BYTES - KALLSYMS_AT);
		image_kallsyms(m, (enum kallsyms_layout)layout);
		assert_symbols(m);
	}
}

static int load(struct linux_image *m)
{
	struct symbols *s = symbols_create();
	int err = kallsyms_load(s, &m->mem, &(gpa_t){ 0 });

	symbols_destroy(s);
	return err;
}

static void damaged_symbols_are_none(void **state)
{
	struct linux_image *m = *state;

	assert_int_equal(load(m), -ENOENT);
	image_kallsyms(m, KALLSYMS_LATER);
	put_u32(m, KALLSYMS_AT, NR_PLAIN_SYMBOLS + 256); /* more than the markers contain */
	assert_int_equal(load(m), -ENOENT);
	put_u32(m, KALLSYMS_AT, NR_PLAIN_SYMBOLS);
	assert_int_equal(load(m), 0);
	m->ram[m->tokens + 41] ^= 1; /* a token's end moves */
	assert_int_equal(load(m), -ENOENT);
}

static void assert_name(const struct symbols *s, uint64_t addr, const char *want)
{
	char text[64];

	assert_string_equal(symbols_text(s, addr, text, sizeof(text)), want);
}

/* A kernel at 2 MiB, linked at 16 MiB in its map, moved or not. */
static void names_where_the_kernel_lies(void **state)
{
	static const char map[] = "ffffffff81000000 T _text\n"
				  "ffffffff81000400 T verify_cpu\n"
				  "ffffffff81020000 R linux_banner\n"
				  "ffffffff81100000 T _etext\n"
				  "ffffffff81100100 B later\n";
	struct linux_image *m = *state;

	for (uint64_t slide = 0; slide <= 64 * MIB; slide += 64 * MIB) {
		struct symbols *s = symbols_create();

		assert_int_equal(symbols_parse(s, (const uint8_t *)map, sizeof(map) - 1), 0);
		symbols_set_slide(s, slide);
		memset(m->ram + 2 * MIB, 0, MIB);
		assert_false(linux_name_image(s, &m->mem));
		assert_name(s, 2 * MIB + 0x404, "");
		put(m, 0x1f008, "Linux version 6.1", 18); /* elsewhere */
		assert_false(linux_name_image(s, &m->mem));
		put(m, 2 * MIB + 0x20000, "Linux version 6.1", 18);
		assert_true(linux_name_image(s, &m->mem));
		assert_name(s, 2 * MIB + 0x404, "verify_cpu+0x4");
		assert_name(s, 0xffffffff81000404 + slide, "verify_cpu+0x4");
		assert_name(s, 2 * MIB - 1, "");
		assert_name(s, 3 * MIB + 0x100, ""); /* no longer code */
		symbols_set_slide(s, 128 * MIB);     /* found later */
		assert_name(s, 2 * MIB + 0x404, "verify_cpu+0x4");
		symbols_set_image(s, 0, 0, 0);
		assert_name(s, 2 * MIB + 0x404, "");
		symbols_destroy(s);
	}
}

/*--- the note ---------------------------------------------------------------------------*/

static void note_has_numbers(void **state)
{
	struct linux_image *m = *state;
	struct vmcoreinfo info;
	uint64_t value;

	assert_false(vmcoreinfo_find(&info, &m->mem, &(gpa_t){ 0 }));
	image_note(
		m,
		"OSRELEASE=6.1\nSYMBOL(prb)=ffffffff80010000\nNUMBER(phys_base)=-16\nSIZE(x)=\nSIZE(y)=88");
	assert_true(vmcoreinfo_find(&info, &m->mem, &(gpa_t){ 0 }));
	assert_int_equal(info.gpa, NOTE_AT);
	assert_true(vmcoreinfo_number(&info, "SYMBOL(prb)", &value));
	assert_int_equal(value, KERNEL_VA + PRB_POINTER);
	assert_true(vmcoreinfo_number(&info, "NUMBER(phys_base)", &value));
	assert_int_equal(value, (uint64_t)-16);
	assert_true(vmcoreinfo_number(&info, "SIZE(y)", &value));
	assert_int_equal(value, 88);
	assert_false(vmcoreinfo_number(&info, "SIZE(x)", &value));
	assert_false(vmcoreinfo_number(&info, "SIZE(z)", &value));
}

static void note_with_bad_header_is_none(void **state)
{
	struct linux_image *m = *state;
	struct vmcoreinfo info;

	image_note(m, "OSRELEASE=6.1\n");
	put_u32(m, NOTE_AT, 12);
	assert_false(vmcoreinfo_find(&info, &m->mem, &(gpa_t){ 0 }));
	put_u32(m, NOTE_AT, 11);
	put_u32(m, NOTE_AT + 4, UINT32_MAX); /* cut to a note's maximum */
	assert_true(vmcoreinfo_find(&info, &m->mem, &(gpa_t){ 0 }));
	assert_int_equal(strlen(info.text), strlen("OSRELEASE=6.1\n"));
}

/* A core file's note says its own length, whatever the guest's header says. */
static void note_in_a_core_is_whole(void **state)
{
	static const char text[] = "OSRELEASE=6.1\nX=y\n";
	struct linux_image *m = *state;
	struct vmcoreinfo info;
	uint8_t note[64];
	uint32_t len;

	assert_false(vmcoreinfo_find(&info, &m->mem, &(gpa_t){ 0 }));
	assert_int_equal(vmcoreinfo_note(&info, note, sizeof(note)), 0);
	image_note(m, text);
	put_u32(m, NOTE_AT + 4, UINT32_MAX);
	put_u32(m, NOTE_AT + 8, 7); /* its type, which is 0 */
	assert_true(vmcoreinfo_find(&info, &m->mem, &(gpa_t){ 0 }));
	assert_int_equal(vmcoreinfo_note(&info, note, sizeof(note)), 44);
	memcpy(&len, note + 4, sizeof(len));
	assert_int_equal(len, strlen(text));
	assert_memory_equal(note + 8, "\0\0\0\0VMCOREINFO\0\0", 16);
	assert_memory_equal(note + 24, text, sizeof(text));
	assert_int_equal(vmcoreinfo_note(&info, note, 43), 0);
}

/*--- the ring ---------------------------------------------------------------------------*/

static char log_text[16384];

/* The log as printed, found without a vCPU's help. */
static enum log_end read_log(struct linux_image *m, unsigned int *nr)
{
	FILE *f = fmemopen(log_text, sizeof(log_text), "w");
	struct symbols *s = symbols_create();
	struct linux_guest g;
	enum log_end end = LOG_NONE;

	*nr = 0;
	kallsyms_load(s, &m->mem, &(gpa_t){ 0 });
	symbols_finish(s);
	if (linux_guest_open(&g, &m->mem, s, NULL))
		*nr = linux_log_print(f, &g, 0, &end);
	fclose(f);
	symbols_destroy(s);
	return end;
}

static void ring_of_both_ages(void **state)
{
	struct linux_image *m = *state;
	unsigned int nr;

	image_kallsyms(m, KALLSYMS_LATER);
	for (int later = 0; later <= 1; later++) {
		memset(m->ram + PRB_POINTER, 0, OLD_LOG_AT - PRB_POINTER);
		m->records = 0;
		m->text_next = 0;
		image_ring(m, later);
		image_record(m, "Linux version 6.1");
		image_record(m, "two\nlines");
		image_record(m, "bell \a");
		assert_int_equal(read_log(m, &nr), LOG_WHOLE);
		assert_int_equal(nr, 3);
		assert_string_equal(log_text,
				    "[    0.000000] Linux version 6.1\n[    0.001001] two\n"
				    "[    0.001001] lines\n[    0.002002] bell \\x07\n");
	}
}

/*
 * A kernel that died before it wrote VMCOREINFO: only its own banner shows its address, not the
 * same words elsewhere.
 */
static void ring_without_a_note(void **state)
{
	struct linux_image *m = *state;
	unsigned int nr;

	image_kallsyms(m, KALLSYMS_SEQS);
	image_ring(m, true);
	put(m, 0x1f008, "Linux version 6.1", 18);
	image_record(m, "early");
	assert_int_equal(read_log(m, &nr), LOG_WHOLE);
	assert_string_equal(log_text, "[    0.000000] early\n");
	put(m, BANNER_AT, "no banner", 10);
	assert_int_equal(read_log(m, &nr), LOG_NONE);
}

static void ring_that_has_gone_round(void **state)
{
	struct linux_image *m = *state;
	char text[40];
	unsigned int nr;

	image_kallsyms(m, KALLSYMS_FIRST);
	image_ring(m, false);
	for (unsigned int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "record %u%.*s", i, (int)(i % 8), ".......");
		image_record(m, text);
	}
	assert_int_equal(read_log(m, &nr), LOG_WHOLE);
	assert_int_equal(nr, 16);
	assert_non_null(strstr(log_text, "] record 84....\n"));
	assert_non_null(strstr(log_text, "] record 99...\n"));
	assert_null(strstr(log_text, "record 83"));
}

static void unfinished_and_reused_records_are_left_out(void **state)
{
	struct linux_image *m = *state;
	unsigned int nr;

	image_kallsyms(m, KALLSYMS_FIRST);
	image_ring(m, false);
	image_record(m, "one");
	image_record(m, "two");
	image_record(m, "three");
	put_u64(m, DESCS_AT + 24, 1);			    /* reserved: being written */
	put_u64(m, DESCS_AT + 48, (2 + 16) | (2ULL << 62)); /* another's already */
	assert_int_equal(read_log(m, &nr), LOG_WHOLE);
	assert_string_equal(log_text, "[    0.000000] one\n");
}

static void damaged_ring_gives_what_is_left(void **state)
{
	struct linux_image *m = *state;
	unsigned int nr;

	image_kallsyms(m, KALLSYMS_FIRST);
	image_ring(m, false);
	image_record(m, "one");
	image_record(m, "two");
	put_u64(m, DESCS_AT + 24 + 8, 0x1f8 + 2); /* begins where a block cannot begin */
	assert_int_equal(read_log(m, &nr), LOG_DAMAGED);
	assert_int_equal(nr, 2);
	assert_string_equal(log_text, "[    0.000000] one\n[    0.001001] \n");
	put_u64(m, RING_AT + 24, 1ULL << 40); /* more records than there is room for */
	assert_int_equal(read_log(m, &nr), LOG_DAMAGED);
	put_u32(m, RING_AT, 60);
	assert_int_equal(read_log(m, &nr), LOG_NONE);
}

static void ring_of_old(void **state)
{
	struct linux_image *m = *state;
	uint32_t at, second;
	unsigned int nr;

	image_kallsyms(m, KALLSYMS_FIRST);
	image_old_ring(m, 4096, 96, 0);
	at = image_old_record(m, 96, "Linux version 4.19");
	put_u64(m, OLD_LOG_AT + at + 8, 0); /* continues at the start */
	second = image_old_record(m, 0, "later");
	put_u32(m, 0x10028, second);
	assert_int_equal(read_log(m, &nr), LOG_WHOLE);
	assert_string_equal(log_text, "[    2.000000] Linux version 4.19\n[    2.000000] later\n");
	put_u32(m, OLD_LOG_AT + 8, 0xffff); /* longer than the ring */
	assert_int_equal(read_log(m, &nr), LOG_DAMAGED);
	assert_int_equal(nr, 1);
}

static void note_alone_will_do(void **state)
{
	struct linux_image *m = *state;
	struct linux_guest g;

	image_ring(m, true);
	image_note(
		m,
		"OSRELEASE=6.1\nSYMBOL(prb)=ffffffff80010000\nSYMBOL(init_top_pgt)=ffffffff80004000\n"
		"OFFSET(printk_ringbuffer.text_data_ring)=48\n");
	assert_false(linux_guest_open(&g, &m->mem, NULL, NULL)); /* where is the image? */
	image_note(
		m,
		"OSRELEASE=6.1\nSYMBOL(prb)=ffffffff80010000\nSYMBOL(init_top_pgt)=ffffffff80004000\n"
		"OFFSET(printk_ringbuffer.text_data_ring)=48\nNUMBER(phys_base)=0\n");
	assert_true(linux_guest_open(&g, &m->mem, NULL, NULL));
	assert_int_equal(g.paging.cr3, TOP_PGT);
}

/* Image and direct map as they are mapped, limited to the size of memory. */
static void layout_of_a_core(void **state)
{
	struct linux_image *m = *state;
	static const char note[] =
		"OSRELEASE=6.1\nSYMBOL(init_top_pgt)=ffffffff80004000\nNUMBER(phys_base)=0\n"
		"SYMBOL(_stext)=ffffffff80100000\nKERNELOFFSET=1a000000\n";
	struct linux_layout l;
	struct linux_guest g;

	image_note(m, "OSRELEASE=6.1\n");
	linux_guest_open(&g, &m->mem, NULL, NULL);
	assert_false(linux_find_layout(&g, &l));
	image_note(m, note);
	assert_false(linux_guest_open(&g, &m->mem, NULL, NULL)); /* no ring */
	assert_true(linux_find_layout(&g, &l));
	assert_int_equal(l.text_vaddr, KERNEL_VA + 0x100000);
	assert_int_equal(l.text_gpa, 0x100000);
	assert_true(l.text_bytes > 0 && l.text_bytes <= IMAGE_BYTES - 0x100000);
	assert_int_equal(l.slide, 0x1a000000);
	assert_false(l.has_direct_map);
	put_u64(m, TOP_PGT + 273 * 8, 0x6003); /* 0xffff888000000000 */
	put_u64(m, 0x6000, 0x3003);
	assert_true(linux_find_layout(&g, &l));
	assert_true(l.has_direct_map);
	assert_int_equal(l.direct_map, 0xffff888000000000ULL);
	put_u64(m, 0x3000, (2 * MIB) | 0x83); /* another page there */
	put_u64(m, TOP_PGT + 273 * 8, 0);
	linux_find_layout(&g, &l);
	assert_false(l.has_direct_map);
}

static void layout_of_nonsense_is_none(void **state)
{
	struct linux_image *m = *state;
	struct linux_layout l;
	struct linux_guest g;

	image_note(
		m,
		"OSRELEASE=6.1\nSYMBOL(init_top_pgt)=ffffffff80004000\nNUMBER(phys_base)=-2147483648\n"
		"SYMBOL(_stext)=ffffffffffffffff\n");
	linux_guest_open(&g, &m->mem, NULL, NULL);
	assert_false(linux_find_layout(&g, &l));
}

static void skips_what_was_seen(void **state)
{
	struct linux_image *m = *state;
	struct symbols *s = symbols_create();
	char text[100] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");
	struct linux_guest g;

	image_kallsyms(m, KALLSYMS_LATER);
	image_ring(m, false);
	image_record(m, "one");
	image_record(m, "two");
	assert_int_equal(kallsyms_load(s, &m->mem, &(gpa_t){ 0 }), 0);
	symbols_finish(s);
	assert_true(linux_guest_open(&g, &m->mem, s, NULL));
	assert_int_equal(linux_log_print(f, &g, 1, NULL), 2);
	fclose(f);
	assert_string_equal(text, "[    0.001001] two\n");
	symbols_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(symbols_in_every_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_symbols_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(names_where_the_kernel_lies, setup, teardown),
		cmocka_unit_test_setup_teardown(note_has_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(note_with_bad_header_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(note_in_a_core_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(ring_of_both_ages, setup, teardown),
		cmocka_unit_test_setup_teardown(ring_without_a_note, setup, teardown),
		cmocka_unit_test_setup_teardown(ring_that_has_gone_round, setup, teardown),
		cmocka_unit_test_setup_teardown(unfinished_and_reused_records_are_left_out, setup,
						teardown),
		cmocka_unit_test_setup_teardown(damaged_ring_gives_what_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(ring_of_old, setup, teardown),
		cmocka_unit_test_setup_teardown(note_alone_will_do, setup, teardown),
		cmocka_unit_test_setup_teardown(layout_of_a_core, setup, teardown),
		cmocka_unit_test_setup_teardown(layout_of_nonsense_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(skips_what_was_seen, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
