/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests names for addresses: System.map, ELF, damaged files, and where KASLR has put the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/linux/symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char map[] = "0000000000000000 A fixed_percpu_data\n"
			  "ffffffff81000000 T _text\n"
			  "ffffffff81000000 T startup_64\n"
			  "ffffffff81000200 T _stext\n"
			  "ffffffff81c00000 T entry_SYSCALL_64\n"
			  "ffffffff81c00800 T asm_exc_page_fault\n"
			  "ffffffff82f00000 T early_idt_handler_array\n";

static int setup(void **state)
{
	*state = symbols_create();
	return *state == NULL;
}

static int teardown(void **state)
{
	symbols_destroy(*state);
	return 0;
}

static int parse(struct symbols *s, const char *text)
{
	return symbols_parse(s, (const uint8_t *)text, strlen(text));
}

static void assert_text(const struct symbols *s, uint64_t addr, const char *want)
{
	char buf[64];

	assert_string_equal(symbols_text(s, addr, buf, sizeof(buf)), want);
}

static void system_map(void **state)
{
	struct symbols *s = *state;
	char buf[8];

	assert_int_equal(parse(s, map), 0);
	assert_text(s, 0xffffffff81000000, "_text"); /* the first of several aliases */
	assert_text(s, 0xffffffff8100001f, "_text+0x1f");
	assert_text(s, 0xffffffff81c00800, "asm_exc_page_fault");
	assert_text(s, 0xffffffff80ffffff, ""); /* below all */
	assert_text(s, 0xffffffff81200200, ""); /* far from any */
	assert_text(NULL, 0xffffffff81000000, "");
	assert_string_equal(symbols_text(s, 0xffffffff81c00801, buf, sizeof(buf)), "asm_exc");
	assert_string_equal(symbols_return_text(s, 0xffffffff81c00800, buf, sizeof(buf)),
			    "entry_S");
}

static void damaged_maps(void **state)
{
	static const char *const bad[] = { "",
					   "\n",
					   "hello",
					   "ffffffff81000000",
					   "ffffffff81000000 T ",
					   "ffffffff81000000 T a\nxyz\n",
					   "1234567 T a\n",
					   "ffffffff81000000-T-a\n" };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct symbols *s = symbols_create();

		assert_int_equal(parse(s, bad[i]), -EINVAL);
		symbols_destroy(s);
	}
}

struct elf {
	Elf64_Ehdr ehdr;
	Elf64_Shdr section[3];
	Elf64_Sym symbol[4];
	char strings[32];
};

static struct elf make_elf(void)
{
	struct elf e = {
		.ehdr = { .e_ident = ELFMAG,
			  .e_shoff = offsetof(struct elf, section),
			  .e_shentsize = sizeof(Elf64_Shdr),
			  .e_shnum = 3 },
		.section = { { 0 },
			     { .sh_type = SHT_SYMTAB,
			       .sh_offset = offsetof(struct elf, symbol),
			       .sh_size = sizeof(e.symbol),
			       .sh_link = 2 },
			     { .sh_type = SHT_STRTAB,
			       .sh_offset = offsetof(struct elf, strings),
			       .sh_size = sizeof(e.strings) } },
		.symbol = { { 0 },
			    { .st_name = 1,
			      .st_info = STT_FUNC,
			      .st_shndx = 1,
			      .st_value = 0x1000 },
			    { .st_name = 6,
			      .st_info = STT_NOTYPE,
			      .st_shndx = 1,
			      .st_value = 0x2000 },
			    { .st_name = 1, .st_info = STT_FUNC, .st_shndx = SHN_UNDEF } },
		.strings = "\0main\0data",
	};

	e.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	e.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	return e;
}

static void elf(void **state)
{
	struct elf e = make_elf();
	struct symbols *s = *state;

	assert_int_equal(symbols_parse(s, (const uint8_t *)&e, sizeof(e)), 0);
	assert_text(s, 0x1004, "main+0x4");
	assert_text(s, 0x2000, "data");
	assert_text(s, 0x10, ""); /* the undefined one is missing */
}

static void elf_of_32_bits(void **state)
{
	struct {
		Elf32_Ehdr ehdr;
		Elf32_Shdr section[3];
		Elf32_Sym symbol[2];
		char strings[16];
	} e = {
		.ehdr = { .e_ident = ELFMAG,
			  .e_shoff = sizeof(e.ehdr),
			  .e_shentsize = sizeof(Elf32_Shdr),
			  .e_shnum = 3 },
		.section = { { 0 },
			     { .sh_type = SHT_SYMTAB,
			       .sh_offset = offsetof(typeof(e), symbol),
			       .sh_size = sizeof(e.symbol),
			       .sh_link = 2 },
			     { .sh_type = SHT_STRTAB,
			       .sh_offset = offsetof(typeof(e), strings),
			       .sh_size = sizeof(e.strings) } },
		.symbol = { { 0 },
			    { .st_name = 1,
			      .st_info = STT_FUNC,
			      .st_shndx = 1,
			      .st_value = 0x1000 } },
		.strings = "\0main",
	};
	struct symbols *s = *state;

	e.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
	e.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	assert_int_equal(symbols_parse(s, (const uint8_t *)&e, sizeof(e)), 0);
	assert_text(s, 0x1004, "main+0x4");
	for (size_t len = 0; len < offsetof(typeof(e), strings); len++)
		assert_int_equal(symbols_parse(s, (const uint8_t *)&e, len), -EINVAL);
	e.ehdr.e_shentsize = sizeof(Elf64_Shdr);
	assert_int_equal(symbols_parse(s, (const uint8_t *)&e, sizeof(e)), -EINVAL);
}

static void a_kernel_that_is_no_elf_is_passed_over(void **state)
{
	struct elf e = make_elf();
	char path[] = "/tmp/test_symbols.XXXXXX";
	int fd = mkstemp(path);
	struct symbols *s = *state;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, map, sizeof(map) - 1), sizeof(map) - 1);
	assert_int_equal(symbols_load_elf(s, path), -EINVAL);
	assert_text(s, 0xffffffff81000000, "");
	assert_int_equal(pwrite(fd, &e, sizeof(e), 0), sizeof(e));
	assert_int_equal(symbols_load_elf(s, path), 0);
	assert_text(s, 0x1004, "main+0x4");
	close(fd);
	unlink(path);
	assert_int_equal(symbols_load_elf(s, path), -ENOENT);
}

static void damaged_elf(void **state)
{
	struct elf e = make_elf();
	const uint8_t *bytes = (const uint8_t *)&e;
	struct symbols *s = *state;

	for (size_t len = 0; len < offsetof(struct elf, strings); len++)
		assert_int_equal(symbols_parse(s, bytes, len), -EINVAL);
	e.section[1].sh_link = 3;
	assert_int_equal(symbols_parse(s, bytes, sizeof(e)), -EINVAL);
	e = make_elf();
	e.section[1].sh_offset = UINT64_MAX;
	assert_int_equal(symbols_parse(s, bytes, sizeof(e)), -EINVAL);
	e = make_elf();
	e.ehdr.e_shoff = UINT64_MAX - 8;
	assert_int_equal(symbols_parse(s, bytes, sizeof(e)), -EINVAL);
	e = make_elf();
	e.symbol[1].st_name = 1000; /* left out */
	assert_int_equal(symbols_parse(s, bytes, sizeof(e)), 0);
	assert_text(s, 0x1004, "");
}

static void kaslr_is_worked_out(void **state)
{
	struct symbols *s = *state;
	struct symbols_anchors none = { 0 }, a = { .lstar = 0xffffffff81c00000 + 0x1fe00000 };
	uint64_t addr;

	assert_int_equal(parse(s, map), 0);
	assert_false(symbols_find_slide(s, &none));
	assert_true(symbols_find_slide(s, &a));
	assert_text(s, 0xffffffff8100001f + 0x1fe00000, "_text+0x1f");
	assert_true(symbols_lookup(s, "startup_64", &addr) &&
		    addr == 0xffffffff81000000 + 0x1fe00000);
	a.lstar = 0xffffffff81c00123; /* not a multiple of 2 MiB: not KASLR's slide */
	assert_false(symbols_find_slide(s, &a));
	a = (struct symbols_anchors){ .page_fault = 0xffffffff81c00800 + 0x200000 };
	assert_true(symbols_find_slide(s, &a));
	assert_text(s, 0xffffffff81200000, "_text");
	a.stext = 0xffffffff81000200 + 0x1200000; /* the guest's own value, if it has one */
	assert_true(symbols_find_slide(s, &a));
	assert_text(s, 0xffffffff82200000, "_text");
	a.stext = 0;
	a.page_fault = 0xffffffff82f00000 + 14 * 13 + 0x400000; /* before trap_init() */
	assert_true(symbols_find_slide(s, &a));
	assert_text(s, 0xffffffff81400000, "_text");
	assert_false(symbols_find_slide(s, &none)); /* a CPU that was not started */
	assert_text(s, 0xffffffff81400000, "_text");
}

/* The user's file is of the kernel that runs, unless an entry point is elsewhere. */
static void kernels_are_compared(void **state)
{
	struct symbols *s = *state, *other = symbols_create();

	assert_int_equal(parse(s, map), 0);
	assert_int_equal(parse(other, "ffffffff81c00000 T entry_SYSCALL_64\n"), 0);
	assert_true(symbols_agree(s, other));
	symbols_set_slide(other, 0x200000);
	assert_false(symbols_agree(s, other));
	symbols_destroy(other);
}

static void what_is_not_linux_does_not_move(void **state)
{
	struct symbols *s = *state;
	struct symbols_anchors none = { 0 };

	assert_int_equal(parse(s, "0000000000100000 T start\n"), 0);
	assert_true(symbols_find_slide(s, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(system_map, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_maps, setup, teardown),
		cmocka_unit_test_setup_teardown(elf, setup, teardown),
		cmocka_unit_test_setup_teardown(elf_of_32_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kernel_that_is_no_elf_is_passed_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(damaged_elf, setup, teardown),
		cmocka_unit_test_setup_teardown(kaslr_is_worked_out, setup, teardown),
		cmocka_unit_test_setup_teardown(kernels_are_compared, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_linux_does_not_move, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
