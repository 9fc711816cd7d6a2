/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests what goes into a command's initramfs: the archive's format, the job's records, module
 * order, an ELF file's needs, the library cache, links.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest/guestjob.h"
#include "kvm/guestcmd/elfneeds.h"
#include "kvm/guestcmd/guestcmd.h"
#include "kvm/guestcmd/guestfiles.h"
#include "kvm/guestcmd/moddep.h"
#include "kvm/log.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- cpio ---- */

struct entry {
	const char *name, *content;
	uint32_t mode, mtime, len;
};

static uint32_t field(const char *header, unsigned int i)
{
	char digits[9] = "";

	memcpy(digits, header + 6 + 8 * i, 8);
	return (uint32_t)strtoul(digits, NULL, 16);
}

/* Reads the entry at *@at as the kernel does; false at the trailer. */
static bool next_entry(const struct cpio *c, uint64_t *at, struct entry *e)
{
	const char *header = (const char *)c->bytes + *at;
	uint64_t name_bytes;

	assert_true(*at + 110 <= c->len);
	assert_true(is_aligned(*at, 4));
	assert_memory_equal(header, "070701", 6);
	name_bytes = field(header, 11);
	*e = (struct entry){ header + 110, NULL, field(header, 1), field(header, 5),
			     field(header, 6) };
	assert_int_equal(strlen(e->name) + 1, name_bytes);
	*at = align_up(*at + 110 + name_bytes, 4);
	e->content = (const char *)c->bytes + *at;
	*at = align_up(*at + e->len, 4);
	assert_true(*at <= c->len);
	return strcmp(e->name, "TRAILER!!!") != 0;
}

static bool find_entry(const struct cpio *c, const char *name, struct entry *e)
{
	uint64_t at = 0;
	bool found = false;

	while (next_entry(c, &at, e) && !found) {
		if (!strcmp(e->name, name))
			return true;
	}
	return false;
}

static void archive_is_as_the_kernel_reads_it(void **state)
{
	static const char golden[] =
		"07070100000001000081a40000000000000000000000010000000500000005000000000000000000000000000000000000000400000000abc\0\0\0hello\0\0\0";
	struct cpio c = { 0 };
	struct entry e;
	uint64_t at = 0;

	(void)state;
	cpio_add(&c, "abc", S_IFREG | 0644, 5, "hello", 5);
	assert_int_equal(c.len, 110 + 4 + 2 + 8);
	assert_memory_equal(c.bytes, golden, 110);
	cpio_add(&c, "folder", S_IFDIR | 0755, UINT64_MAX, NULL, 0);
	cpio_add(&c, "folder/link", S_IFLNK | 0777, 0, "../abc", 6);
	assert_int_equal(cpio_finish(&c), 0);
	assert_true(next_entry(&c, &at, &e));
	assert_memory_equal(e.content, "hello", 5);
	assert_true(next_entry(&c, &at, &e));
	assert_int_equal(e.mode, S_IFDIR | 0755);
	assert_int_equal(e.mtime, UINT32_MAX);
	assert_true(next_entry(&c, &at, &e));
	assert_string_equal(e.name, "folder/link");
	assert_memory_equal(e.content, "../abc", 6);
	assert_false(next_entry(&c, &at, &e));
	assert_int_equal(at, c.len);
	cpio_free(&c);
}

static void archive_refuses_what_does_not_fit(void **state)
{
	char name[5000];
	struct cpio c = { 0 };

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_null(cpio_reserve(&c, "large", S_IFREG, 0, 1ULL << 32));
	assert_int_equal(cpio_finish(&c), -EFBIG);
	assert_int_equal(c.len, 0);
	c.err = 0;
	assert_null(cpio_reserve(&c, name, S_IFREG, 0, 1));
	cpio_add(&c, "next", S_IFREG, 0, "x", 1);
	assert_int_equal(cpio_finish(&c), -ENAMETOOLONG);
	cpio_free(&c);
}

/* ---- the job ---- */

static void arguments_arrive_as_they_are(void **state)
{
	static const char *const args[] = {
		"",	    " a  b ", "\"quoted\" 'twice'", "$HOME `x` \\n\n", "gr\xc3\xbcn",
		"\xff\x01", "aeaxd"
	};
	struct guestjob job = { 0 };
	const char *at;

	(void)state;
	for (unsigned int round = 0; round < 1000; round++)
		guestjob_add(&job, JOB_ARG, args[round % ARRAY_SIZE(args)]);
	assert_int_equal(job.err, 0);
	at = job.bytes;
	for (unsigned int round = 0; round < 1000; round++) {
		assert_int_equal(*at, JOB_ARG);
		assert_string_equal(at + 1, args[round % ARRAY_SIZE(args)]);
		at += strlen(at) + 1;
	}
	assert_ptr_equal(at, job.bytes + job.len);
	free(job.bytes);
}

/* ---- modules ---- */

static const char dep[] =
	"kernel/a/virtio.ko.xz: kernel/a/virtio_ring.ko.xz\n"
	"kernel/a/virtio_ring.ko.xz:\n"
	"kernel/b/virtio-rng.ko.xz: kernel/a/virtio.ko.xz kernel/a/virtio_ring.ko.xz\n"
	"no colon here\n"
	"kernel/c/virtio_console.ko: kernel/a/virtio.ko.xz kernel/a/virtio_ring.ko.xz";

static void modules_come_after_what_they_need(void **state)
{
	struct strlist files = { 0 };

	(void)state;
	assert_int_equal(moddep_add(&files, dep, strlen(dep), "virtio_rng"), 0);
	assert_int_equal(files.nr, 3);
	assert_string_equal(files.s[0], "kernel/a/virtio_ring.ko.xz");
	assert_string_equal(files.s[1], "kernel/a/virtio.ko.xz");
	assert_string_equal(files.s[2], "kernel/b/virtio-rng.ko.xz");
	assert_int_equal(moddep_add(&files, dep, strlen(dep), "virtio-console"), 0);
	assert_int_equal(files.nr, 4);
	assert_string_equal(files.s[3], "kernel/c/virtio_console.ko");
	assert_int_equal(moddep_add(&files, dep, strlen(dep), "virtio_con"), -ENOENT);
	assert_int_equal(moddep_add(&files, dep, strlen(dep), "no"), -ENOENT);
	assert_int_equal(moddep_add(&files, "", 0, "virtio"), -ENOENT);
	assert_int_equal(files.nr, 4);
	strlist_free(&files);
}

static void builtin_modules_are_known(void **state)
{
	static const char builtin[] = "kernel/drivers/virtio/virtio_mmio.ko\nkernel/x/last.ko";

	(void)state;
	assert_true(moddep_builtin(builtin, strlen(builtin), "virtio-mmio"));
	assert_true(moddep_builtin(builtin, strlen(builtin), "last"));
	assert_false(moddep_builtin(builtin, strlen(builtin), "virtio"));
}

/* ---- ELF ---- */

struct elf_image {
	Elf64_Ehdr header;
	Elf64_Phdr segment[3];
	Elf64_Dyn dynamic[6];
	char strings[64];
};

#define AT(field) offsetof(struct elf_image, field)
#define BASE 0x400000

/* A program that needs a.so and b.so, with the loader /ld.so. */
static struct elf_image elf_program(void)
{
	struct elf_image e = {
		.header = { .e_machine = EM_X86_64,
			    .e_phoff = AT(segment),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 3 },
		.segment = { { .p_type = PT_INTERP, .p_offset = AT(strings) + 1, .p_filesz = 7 },
			     { .p_type = PT_LOAD, .p_vaddr = BASE, .p_filesz = sizeof(e) },
			     { .p_type = PT_DYNAMIC,
			       .p_offset = AT(dynamic),
			       .p_filesz = sizeof(e.dynamic) } },
		.dynamic = { { DT_NEEDED, { 8 } },
			     { DT_STRTAB, { BASE + AT(strings) } },
			     { DT_NEEDED, { 13 } },
			     { DT_RPATH, { 1 } },
			     { DT_RUNPATH, { 18 } },
			     { DT_NULL, { 0 } } },
		.strings = "\0/ld.so\0a.so\0b.so\0$ORIGIN/x:/y",
	};

	memcpy(e.header.e_ident, ELFMAG, SELFMAG);
	e.header.e_ident[EI_CLASS] = ELFCLASS64;
	e.header.e_ident[EI_DATA] = ELFDATA2LSB;
	return e;
}

static int read_needs(struct elf_needs *needs, const struct elf_image *e)
{
	return elf_needs_read(needs, (const uint8_t *)e, sizeof(*e));
}

static void elf_says_what_it_needs(void **state)
{
	struct elf_image e = elf_program();
	struct elf_needs needs;

	(void)state;
	assert_int_equal(read_needs(&needs, &e), 0);
	assert_int_equal(needs.machine, EM_X86_64);
	assert_string_equal(needs.interp.s[0], "/ld.so");
	assert_int_equal(needs.library.nr, 2);
	assert_string_equal(needs.library.s[0], "a.so");
	assert_string_equal(needs.library.s[1], "b.so");
	assert_string_equal(needs.run_path.s[0], "$ORIGIN/x:/y");
	elf_needs_free(&needs);
	e.header.e_phnum = 0;
	assert_int_equal(read_needs(&needs, &e), 0);
	assert_int_equal(needs.library.nr + needs.interp.nr, 0);
	elf_needs_free(&needs);
}

static void damaged_elf_is_refused(void **state)
{
	struct elf_image e = elf_program();
	struct elf_needs needs;

	(void)state;
	e.dynamic[0].d_un.d_val = UINT64_MAX - 5;
	assert_int_equal(read_needs(&needs, &e), -ENOEXEC);
	elf_needs_free(&needs);
	e = elf_program();
	memset(e.strings, 'x', sizeof(e.strings)); /* no end */
	assert_int_equal(read_needs(&needs, &e), -ENOEXEC);
	elf_needs_free(&needs);
	e = elf_program();
	e.header.e_phoff = UINT64_MAX - 8;
	assert_int_equal(read_needs(&needs, &e), 0);
	assert_int_equal(needs.library.nr, 0);
	elf_needs_free(&needs);
	e = elf_program();
	e.header.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(read_needs(&needs, &e), -ENOEXEC);
	elf_needs_free(&needs);
	assert_int_equal(elf_needs_read(&needs, (const uint8_t *)"\177ELF", 4), -ENOEXEC);
	elf_needs_free(&needs);
}

static void cache_gives_a_librarys_paths(void **state)
{
	struct {
		char magic[20];
		uint32_t nr, strings_bytes, unused[5];
		struct {
			int32_t flags;
			uint32_t name, path, os;
			uint64_t hwcap;
		} entry[3];
		char strings[40];
	} __attribute__((packed)) c = {
		.magic = "glibc-ld.so.cache1.1",
		.nr = 3,
		.strings = "a.so\0/fast/a.so\0/x/a.so\0b.so\0/x/b.so",
	};
	const uint32_t at = offsetof(__typeof__(c), strings);
	const uint8_t *bytes = (const uint8_t *)&c;
	uint32_t pos = 0;

	(void)state;
	c.entry[0] = (__typeof__(c.entry[0])){ 0, at, at + 5, 0, 1ULL << 62 };
	c.entry[1] = (__typeof__(c.entry[0])){ 0, at, at + 16, 0, 0 };
	c.entry[2] = (__typeof__(c.entry[0])){ 0, at + 24, at + 29, 0, 0 };
	assert_string_equal(ldcache_next(bytes, sizeof(c), "a.so", &pos), "/x/a.so");
	assert_null(ldcache_next(bytes, sizeof(c), "a.so", &pos));
	pos = 0;
	assert_string_equal(ldcache_next(bytes, sizeof(c), "b.so", &pos), "/x/b.so");
	c.nr = UINT32_MAX;
	c.entry[2].path = UINT32_MAX;
	pos = 0;
	assert_null(ldcache_next(bytes, sizeof(c), "b.so", &pos));
	pos = 0;
	assert_null(ldcache_next(bytes, 30, "b.so", &pos));
}

/* ---- files ---- */

static void links_on_the_way_come_along(void **state)
{
	char dir[] = "/tmp/test-guestcmd-XXXXXX", path[64], *name = path + 1;
	struct cpio c = { 0 };
	struct guest_files g = { .cpio = &c };
	struct entry e;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("usr", 0755) + mkdir("usr/bin", 0711), 0);
	assert_int_equal(symlink("usr/bin", "bin") + symlink("../bin/./real", "usr/bin/tool"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	fd = open("usr/bin/real", O_CREAT | O_WRONLY, 0755);
	assert_int_equal(write(fd, "data", 4), 4);
	close(fd);

	snprintf(path, sizeof(path), "%s/bin/tool", dir);
	assert_int_equal(guest_files_mirror(&g, path), 0);
	assert_int_equal(guest_files_mirror(&g, path), 0);
	assert_int_equal(guest_files_copy(&g, path, "/opt/new/name"), 0);
	snprintf(path, sizeof(path), "%s/loop", dir);
	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(guest_files_mirror(&g, path), -ELOOP);
	snprintf(path, sizeof(path), "%s/none", dir);
	assert_int_equal(guest_files_mirror(&g, path), -ENOENT);
	assert_int_equal(cpio_finish(&c), 0);

	snprintf(path, sizeof(path), "%s/bin", dir);
	assert_true(find_entry(&c, name, &e));
	assert_int_equal(e.mode, S_IFLNK | 0777);
	assert_memory_equal(e.content, "usr/bin", 7);
	snprintf(path, sizeof(path), "%s/usr/bin", dir);
	assert_true(find_entry(&c, name, &e));
	assert_int_equal(e.mode, S_IFDIR | 0711);
	snprintf(path, sizeof(path), "%s/usr/bin/tool", dir);
	assert_true(find_entry(&c, name, &e));
	assert_int_equal(e.mode, S_IFLNK | 0777);
	snprintf(path, sizeof(path), "%s/usr/bin/real", dir);
	assert_true(find_entry(&c, name, &e));
	assert_memory_equal(e.content, "data", 4);
	assert_true(find_entry(&c, "opt/new", &e));
	assert_true(find_entry(&c, "opt/new/name", &e));
	assert_memory_equal(e.content, "data", 4);
	/* tmp, the folder, bin, usr, usr/bin, tool, real, loop; opt, new, name; the trailer */
	assert_int_equal(c.last_ino, 12);

	guest_files_fini(&g);
	cpio_free(&c);
	assert_int_equal(unlink("usr/bin/real") + unlink("usr/bin/tool") + unlink("bin") +
				 unlink("loop"),
			 0);
	assert_int_equal(rmdir("usr/bin") + rmdir("usr") + chdir("/") + rmdir(dir), 0);
}

/* This program, with libcmocka and libc. */
static void programs_bring_their_libraries(void **state)
{
	struct cpio c = { 0 };
	struct guest_files g = { .cpio = &c, .found = guest_libs_add };
	unsigned int nr_libraries = 0;
	char self[256];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct entry e;
	uint64_t at = 0;

	(void)state;
	assert_true(len > 0);
	self[len] = '\0';
	assert_int_equal(guest_files_mirror(&g, self), 0);
	assert_int_equal(cpio_finish(&c), 0);
	assert_true(find_entry(&c, self + 1, &e));
	while (next_entry(&c, &at, &e)) {
		if (S_ISREG(e.mode) &&
		    (strstr(e.name, "/libcmocka.so") || strstr(e.name, "/libc.so.6") ||
		     strstr(e.name, "/ld-linux")))
			nr_libraries++;
	}
	assert_true(nr_libraries >= 3);
	guest_files_fini(&g);
	cpio_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archive_is_as_the_kernel_reads_it),
		cmocka_unit_test(archive_refuses_what_does_not_fit),
		cmocka_unit_test(arguments_arrive_as_they_are),
		cmocka_unit_test(modules_come_after_what_they_need),
		cmocka_unit_test(builtin_modules_are_known),
		cmocka_unit_test(elf_says_what_it_needs),
		cmocka_unit_test(damaged_elf_is_refused),
		cmocka_unit_test(cache_gives_a_librarys_paths),
		cmocka_unit_test(links_on_the_way_come_along),
		cmocka_unit_test(programs_bring_their_libraries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
