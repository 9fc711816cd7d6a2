/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the core writer: what is where, what is a hole, that reading memory does not allocate it;
 * and files that appear only when complete.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/elfcore.h"
#include "kvm/log.h"
#include "kvm/newfile.h"
#include "unit/messages.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOW_BYTES (64 * MIB)
#define HIGH_GPA (4 * GIB)
#define HIGH_BYTES (8 * MIB)
#define PAGE 4096U

struct rig {
	struct gmem mem;
	char folder[32], path[64];
	int fd;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->folder, "/tmp/elfcore.XXXXXX");
	if (!mkdtemp(r->folder))
		return -1;
	snprintf(r->path, sizeof(r->path), "%s/core", r->folder);
	gmem_init(&r->mem);
	if (gmem_add(&r->mem, 0, LOW_BYTES, GMEM_NORMAL) ||
	    gmem_add(&r->mem, HIGH_GPA, HIGH_BYTES, GMEM_NORMAL))
		return -1;
	for (unsigned int i = 0; i < 2; i++) /* so that touched memory can be counted in pages */
		madvise(r->mem.region[i].hva, r->mem.region[i].size_bytes, MADV_NOHUGEPAGE);
	r->fd = open(r->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	*state = r;
	return r->fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	close(r->fd);
	unlink(r->path);
	rmdir(r->folder);
	gmem_fini(&r->mem);
	free(r);
	return 0;
}

static unsigned int resident_pages(const struct gmem *m)
{
	static unsigned char there[LOW_BYTES / PAGE];
	unsigned int nr = 0;

	for (unsigned int i = 0; i < m->nr_regions; i++) {
		assert_int_equal(mincore(m->region[i].hva, m->region[i].size_bytes, there), 0);
		for (unsigned int p = 0; p < m->region[i].size_bytes / PAGE; p++)
			nr += there[p] & 1;
	}
	return nr;
}

static void *read_back(int fd, uint64_t at, size_t len)
{
	static uint8_t bytes[2 * PAGE];

	assert_true(len <= sizeof(bytes));
	assert_int_equal(pread(fd, bytes, len, (off_t)at), len);
	return bytes;
}

static Elf64_Phdr header(int fd, unsigned int i)
{
	Elf64_Phdr ph;

	memcpy(&ph, read_back(fd, sizeof(Elf64_Ehdr) + i * sizeof(ph), sizeof(ph)), sizeof(ph));
	return ph;
}

static void headers_and_bytes(void **state)
{
	struct rig *r = *state;
	const struct elfcore_view view = { .vaddr = 0xffffffff81000000ULL,
					   .gpa = 0x200000,
					   .bytes = 0x3000 };
	const char notes[8] = "no note";
	struct elfcore core = {
		.machine = EM_X86_64,
		.mem = &r->mem,
		.all_vaddr = 0xffff888000000000ULL,
		.view = &view,
		.nr_views = 1,
		.notes = notes,
		.notes_bytes = sizeof(notes),
	};
	uint64_t written;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	memset(gmem_at(&r->mem, 0x201000, 4), 0x11, 4);
	memset(gmem_at(&r->mem, HIGH_GPA + HIGH_BYTES - 4, 4), 0x22, 4);
	assert_int_equal(elfcore_write(r->fd, &core, &written), 0);
	assert_int_equal(written, 2 * PAGE);
	memcpy(&eh, read_back(r->fd, 0, sizeof(eh)), sizeof(eh));
	assert_memory_equal(eh.e_ident, ELFMAG, SELFMAG);
	assert_int_equal(eh.e_type, ET_CORE);
	assert_int_equal(eh.e_machine, EM_X86_64);
	assert_int_equal(eh.e_phnum, 4);
	ph = header(r->fd, 0);
	assert_int_equal(ph.p_type, PT_NOTE);
	assert_memory_equal(read_back(r->fd, ph.p_offset, ph.p_filesz), notes, sizeof(notes));
	ph = header(r->fd, 1);
	assert_int_equal(ph.p_vaddr, view.vaddr);
	assert_int_equal(ph.p_paddr, view.gpa);
	assert_int_equal(ph.p_memsz, view.bytes);
	assert_memory_equal(read_back(r->fd, ph.p_offset + 0x1000, 5), "\x11\x11\x11\x11\0", 5);
	ph = header(r->fd, 2);
	assert_int_equal(ph.p_vaddr, core.all_vaddr);
	assert_int_equal(ph.p_filesz, LOW_BYTES);
	assert_memory_equal(read_back(r->fd, ph.p_offset + 0x201000, 4), "\x11\x11\x11\x11", 4);
	ph = header(r->fd, 3);
	assert_int_equal(ph.p_vaddr, core.all_vaddr + HIGH_GPA);
	assert_int_equal(ph.p_paddr, HIGH_GPA);
	assert_memory_equal(read_back(r->fd, ph.p_offset + HIGH_BYTES - 4, 4), "\x22\x22\x22\x22",
			    4);
}

static void holes_cost_nothing(void **state)
{
	struct rig *r = *state;
	struct elfcore core = { .mem = &r->mem, .notes = "", .notes_bytes = 0 };
	uint64_t written;
	struct stat st;

	memset(gmem_at(&r->mem, 5 * PAGE, 1), 1, 1);
	memset(gmem_at(&r->mem, 9 * PAGE, 1), 0, 1); /* touched, and zero */
	assert_int_equal(resident_pages(&r->mem), 2);
	assert_int_equal(elfcore_write(r->fd, &core, &written), 0);
	assert_int_equal(resident_pages(&r->mem), 2);
	assert_int_equal(written, PAGE);
	assert_int_equal(fstat(r->fd, &st), 0);
	assert_true((uint64_t)st.st_size >= LOW_BYTES + HIGH_BYTES);
	assert_true(st.st_blocks <= 1024); /* of 512 bytes: file systems differ */
}

/* An initrd that the guest has not read yet also counts as memory. */
static void mapped_files_are_in_it(void **state)
{
	struct rig *r = *state;
	struct elfcore core = { .mem = &r->mem, .notes = "", .notes_bytes = 0 };
	char name[64], text[2 * PAGE];
	uint64_t written;
	int fd;

	snprintf(name, sizeof(name), "%s/initrd", r->folder);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	memset(text, 'i', sizeof(text));
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	assert_int_equal(gmem_map_file(&r->mem, 4 * MIB, fd, 0, sizeof(text), name), 0);
	assert_int_equal(elfcore_write(r->fd, &core, &written), 0);
	assert_int_equal(written, sizeof(text));
	assert_memory_equal(read_back(r->fd, header(r->fd, 1).p_offset + 4 * MIB, PAGE), text,
			    PAGE);
	close(fd);
	unlink(name);
}

/* Shared memory that another process has written and this one has never touched. */
static void shared_memory_is_in_it(void **state)
{
	struct rig *r = *state;
	struct elfcore core = { .mem = &r->mem, .notes = "" };
	uint64_t written;

	gmem_fini(&r->mem);
	assert_int_equal(gmem_add(&r->mem, 0, 8 * MIB, GMEM_SHARED), 0);
	assert_int_equal(pwrite(r->mem.region[0].fd, "shared", 6, 5 * MIB), 6);
	assert_int_equal(elfcore_write(r->fd, &core, &written), 0);
	assert_int_equal(written, PAGE);
	assert_memory_equal(read_back(r->fd, header(r->fd, 1).p_offset + 5 * MIB, 6), "shared", 6);
}

static void views_are_checked(void **state)
{
	struct rig *r = *state;
	struct elfcore_view view = { .gpa = LOW_BYTES - PAGE, .bytes = 2 * PAGE };
	struct elfcore core = { .mem = &r->mem, .view = &view, .nr_views = 1, .notes = "" };
	uint64_t written;

	assert_int_equal(elfcore_write(r->fd, &core, &written), -EINVAL);
	view = (struct elfcore_view){ .gpa = UINT64_MAX - 100, .bytes = UINT64_MAX };
	assert_int_equal(elfcore_write(r->fd, &core, &written), -EINVAL);
	core.nr_views = ELFCORE_MAX_VIEWS + 1;
	assert_int_equal(elfcore_write(r->fd, &core, &written), -EINVAL);
}

static void can_be_cancelled(void **state)
{
	struct rig *r = *state;
	_Atomic bool cancel = true;
	struct elfcore core = { .mem = &r->mem, .notes = "", .cancel = &cancel };
	uint64_t written;

	memset(gmem_at(&r->mem, 0, 8 * MIB), 1, 8 * MIB);
	assert_int_equal(elfcore_write(r->fd, &core, &written), -ECANCELED);
	assert_true(written < 8 * MIB);
}

static void no_room_is_told(void **state)
{
	struct rig *r = *state;
	struct elfcore core = { .mem = &r->mem, .notes = "" };
	struct rlimit before, small;
	uint64_t written;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = MIB;
	setrlimit(RLIMIT_FSIZE, &small);
	memset(gmem_at(&r->mem, 2 * MIB, 8), 1, 8);
	assert_int_equal(elfcore_write(r->fd, &core, &written), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
}

/* A search for bytes allocates no memory either; a match may cross a page boundary. */
static void finding_makes_no_pages(void **state)
{
	struct rig *r = *state;
	gpa_t at = 0;

	memset(gmem_at(&r->mem, 16 * MIB - 4, 8), 7, 8); /* where the next query of pages begins */
	memset(gmem_at(&r->mem, 5 * PAGE, 1), 7, 1);
	assert_int_equal(resident_pages(&r->mem), 3);
	assert_false(gmem_find(&r->mem, &at, "\7\7\7\7\7\7\7\7\7", 9));
	assert_int_equal(resident_pages(&r->mem), 3);
	assert_true(gmem_find(&r->mem, &at, "\7\7\7\7\7\7\7\7", 8));
	assert_int_equal(at, 16 * MIB - 4);
	assert_int_equal(resident_pages(&r->mem), 3);
}

/*--- newfile ---------------------------------------------------------------------------*/

static unsigned int count_files(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned int nr = 0;

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;)
		nr += e->d_name[0] != '.';
	closedir(dir);
	return nr;
}

static void a_new_file_is_whole_or_not_there(void **state)
{
	struct rig *r = *state;
	struct newfile f;
	char old[8], other[128];

	assert_int_equal(write(r->fd, "old", 3), 3);
	assert_int_equal(newfile_open(&f, r->path, 0600), 0);
	assert_int_equal(write(f.fd, "new!", 4), 4);
	assert_memory_equal(read_back(r->fd, 0, 3), "old", 3);
	newfile_abandon(&f);
	assert_int_equal(count_files(r->folder), 1);
	/* A name that others can guess is not used: not removed, and not written through. */
	snprintf(other, sizeof(other), "%s.%d.tmp", r->path, (int)getpid());
	assert_int_equal(symlink("victim", other), 0);
	assert_int_equal(newfile_open(&f, r->path, 0600), 0);
	assert_int_equal(write(f.fd, "new!", 4), 4);
	assert_int_equal(newfile_commit(&f), 0);
	assert_int_equal(count_files(r->folder), 2);
	assert_int_equal(unlink(other), 0);
	close(r->fd);
	r->fd = open(r->path, O_RDWR | O_CLOEXEC);
	assert_int_equal(read(r->fd, old, sizeof(old)), 4);
	assert_memory_equal(old, "new!", 4);
}

static void write_text(FILE *f, const void *ctx)
{
	fputs(ctx, f);
}

static void reports_are_whole_or_written_in_place(void **state)
{
	struct rig *r = *state;
	char link[96], folder[96], text[8] = "";
	struct stat st;
	mode_t mask = umask(022);

	snprintf(link, sizeof(link), "%s/link", r->folder);
	snprintf(folder, sizeof(folder), "%s/none/report", r->folder);
	assert_int_equal(write(r->fd, "old", 3), 3);
	assert_int_equal(newfile_check_report("report", r->path), 0);
	assert_int_equal(newfile_write("report", r->path, write_text, "new!", true), 0);
	umask(mask);
	assert_memory_equal(read_back(r->fd, 0, 3), "old", 3); /* another file now has its name */
	assert_int_equal(count_files(r->folder), 1);
	assert_int_equal(stat(r->path, &st), 0);
	assert_true(st.st_size == 4 && (st.st_mode & 07777) == 0644);
	/* A link is written through, but not for a report that another report follows. */
	assert_int_equal(symlink(r->path, link), 0);
	assert_int_equal(newfile_check_report("report", link), 0);
	assert_int_equal(newfile_write("report", link, write_text, "early", true), 0);
	assert_int_equal(newfile_write("report", link, write_text, "last", false), 0);
	assert_int_equal(readlink(link, text, sizeof(text) - 1) > 0, 1);
	assert_int_equal(unlink(link), 0);
	close(r->fd);
	r->fd = open(r->path, O_RDWR | O_CLOEXEC);
	memset(text, 0, sizeof(text));
	assert_int_equal(read(r->fd, text, sizeof(text)), 4);
	assert_string_equal(text, "last");
	assert_int_equal(newfile_check_report("report", "/dev/null"), 0);
	assert_int_equal(newfile_write("report", "/dev/full", write_text, "x", true), 0);
	log_set_level(LOG_LEVEL_NONE);
	assert_int_equal(newfile_write("report", "/dev/full", write_text, "x", false), -ENOSPC);
	assert_int_equal(newfile_write("report", folder, write_text, "x", false), -ENOENT);
	assert_int_equal(newfile_check_report("report", folder), -ENOENT);
	assert_int_equal(newfile_check_report("report", ""), -ENOENT);
	assert_int_equal(newfile_check_report("report", r->folder), -EISDIR);
	log_set_level(LOG_LEVEL_WARN);
}

static void bad_places_are_told_before(void **state)
{
	struct rig *r = *state;
	struct messages messages;
	char path[96];
	struct newfile f;
	int missing, folder, device;

	snprintf(path, sizeof(path), "%s/none/core", r->folder);
	assert_int_equal(messages_begin(&messages, "/tmp/elfcore.messages"), 0);
	missing = newfile_check("dump", path);
	folder = newfile_check("dump", r->folder);
	device = newfile_check("dump", "/dev/null");
	messages_end(&messages);
	unlink("/tmp/elfcore.messages");
	assert_int_equal(missing, -ENOENT);
	assert_int_equal(folder, -EISDIR);
	assert_int_equal(device, -ENOTSUP);
	assert_int_equal(newfile_check("dump", r->path), 0);
	assert_int_equal(newfile_open(&f, path, 0600), -ENOENT);
	assert_int_equal(newfile_open(&f, "/dev/null", 0600), -ENOTSUP);
}

/* If no report can be written, one line says so: that of the last attempt. */
static void an_early_report_fails_in_silence(void **state)
{
	static const char path[] = "/proc/self/no/report";
	struct messages messages;
	struct stat st;

	(void)state;
	assert_int_equal(messages_begin(&messages, "/tmp/elfcore.messages"), 0);
	assert_int_not_equal(newfile_write("report", path, write_text, "x", true), 0);
	assert_int_equal(fstat(messages.file, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_not_equal(newfile_write("report", path, write_text, "x", false), 0);
	assert_int_equal(fstat(messages.file, &st), 0);
	assert_int_not_equal(st.st_size, 0);
	messages_end(&messages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(headers_and_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(reports_are_whole_or_written_in_place, setup,
						teardown),
		cmocka_unit_test_setup_teardown(holes_cost_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(mapped_files_are_in_it, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_memory_is_in_it, setup, teardown),
		cmocka_unit_test_setup_teardown(views_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(can_be_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(finding_makes_no_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_file_is_whole_or_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_places_are_told_before, setup, teardown),
		cmocka_unit_test(an_early_report_fails_in_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
