/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests that the names, note and log of the kernel that runs are found, where memory holds another
 * one that a kexec has ended.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/linux_image.h"
#include "x86/linux/linux.h"
#include "x86/postmortem/autopsy.h"

#include <errno.h>

#define MEMORY_BYTES (16 * MIB)
#define SECOND_AT (8 * MIB)
#define PLAIN_SYMBOL (0x200000 + 300 * 16)

/* The first kernel, which has started the second. */
struct rig {
	struct linux_image first, second;
	struct autopsy autopsy;
};

static void fill(struct linux_image *m, const char *release)
{
	image_kallsyms(m, KALLSYMS_LATER);
	image_own_note(m, release);
	image_ring(m, true);
	image_record(m, "Linux version 6.1");
}

static int set_up(void **state, uint64_t slide, uint64_t build)
{
	static struct rig rig;

	memset(&rig, 0, sizeof(rig));
	image_init_room(&rig.first, MEMORY_BYTES);
	image_second(&rig.second, &rig.first, SECOND_AT, slide, build);
	fill(&rig.first, "6.1-first");
	fill(&rig.second, "6.1-second");
	autopsy_init(&rig.autopsy, &rig.first.mem);
	*state = &rig;
	return 0;
}

/* Neither kernel has KASLR, and their builds differ. */
static int setup_builds(void **state)
{
	return set_up(state, 0, 1);
}

/* One kernel twice, with KASLR. */
static int setup_slide(void **state)
{
	return set_up(state, 64 * MIB, 0);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	autopsy_fini(&rig->autopsy);
	gmem_fini(&rig->first.mem);
	return 0;
}

/* A vCPU in the code of kernel @m. */
static struct linux_cpu cpu_in(const struct linux_image *m)
{
	return (struct linux_cpu){
		.paging = { .cr0 = 0x80010001,
			    .cr3 = m->base + TOP_PGT,
			    .cr4 = 0x20,
			    .efer = 0xd00 },
		.rip = image_va(m, PLAIN_SYMBOL + 1),
		.page_fault = image_va(m, PAGE_FAULT_AT + m->build * 8),
	};
}

static void assert_names(struct rig *rig, const struct linux_image *m)
{
	const struct linux_cpu cpu = cpu_in(m);
	char text[40];

	autopsy_find_kernel(&rig->autopsy, &cpu);
	symbols_text(rig->autopsy.kernel_symbols, image_va(m, PLAIN_SYMBOL + m->build * 8 + 2),
		     text, sizeof(text));
	assert_string_equal(text, "sym_300+0x2");
}

/* Also back again: a CPU may stand in a kernel that panicked, and another run the crash kernel. */
static void names_are_of_the_kernel_that_runs(void **state)
{
	struct rig *rig = *state;
	const struct symbols *kept;

	autopsy_find_kernel(&rig->autopsy, NULL);
	assert_names(rig, &rig->first);
	kept = rig->autopsy.kernel_symbols;
	assert_names(rig, &rig->first);
	assert_ptr_equal(rig->autopsy.kernel_symbols, kept);
	assert_names(rig, &rig->second);
	assert_names(rig, &rig->first);
}

static struct symbols *load(struct rig *rig, gpa_t *at)
{
	struct symbols *s = symbols_create();

	assert_int_equal(kallsyms_load(s, &rig->first.mem, at), 0);
	symbols_finish(s);
	return s;
}

/* By the banner, or by the handler where user space's page tables map nothing of the kernel. */
static void vcpu_tells_kernels_apart(void **state)
{
	struct rig *rig = *state;
	struct linux_cpu first = cpu_in(&rig->first), second = cpu_in(&rig->second);
	const struct gmem *mem = &rig->first.mem;
	gpa_t at = 0;
	struct symbols *s = load(rig, &at);

	assert_int_equal(linux_match(s, mem, &first), LINUX_RUNS);
	assert_int_equal(linux_match(s, mem, &second), LINUX_DIFFERS);
	first.page_fault = 0;
	assert_int_equal(linux_match(s, mem, &first), LINUX_RUNS);
	first = cpu_in(&rig->first);
	first.paging.cr3 = second.paging.cr3 = 0x7000; /* empty */
	first.paging.user = second.paging.user = true;
	first.rip = second.rip = 0x400000;
	assert_int_equal(linux_match(s, mem, &first), LINUX_RUNS);
	assert_int_equal(linux_match(s, mem, &second), LINUX_DIFFERS);
	first.page_fault = 0;
	assert_int_equal(linux_match(s, mem, &first), LINUX_UNKNOWN);
	symbols_destroy(s);
	s = load(rig, &at);
	assert_int_equal(linux_match(s, mem, &second), LINUX_RUNS);
	symbols_destroy(s);
	s = symbols_create();
	assert_int_equal(kallsyms_load(s, mem, &at), -ENOENT);
	symbols_destroy(s);
}

/* A wild guest shows no kernel: the names that are known stay, and memory is searched once. */
static void unknown_kernel_changes_nothing(void **state)
{
	struct rig *rig = *state;
	struct linux_cpu cpu = cpu_in(&rig->first);
	const struct symbols *kept;

	assert_names(rig, &rig->second);
	kept = rig->autopsy.kernel_symbols;
	cpu.paging.cr3 = 0x7000;
	cpu.page_fault = 0xffffffff80777000;
	autopsy_find_kernel(&rig->autopsy, &cpu);
	assert_ptr_equal(rig->autopsy.kernel_symbols, kept);
	assert_int_equal(rig->autopsy.unknown_handler, cpu.page_fault);
	cpu.paging.cr0 = 0; /* a CPU that was not started */
	cpu.page_fault = 0;
	autopsy_find_kernel(&rig->autopsy, &cpu);
	assert_ptr_equal(rig->autopsy.kernel_symbols, kept);
}

static const char *release(struct rig *rig, const struct symbols *s, const struct linux_cpu *cpu)
{
	static struct linux_guest g;

	assert_true(linux_guest_open(&g, &rig->first.mem, s, cpu));
	g.info.text[strcspn(g.info.text, "\n")] = '\0';
	return g.info.text;
}

static void log_is_of_the_kernel_that_runs(void **state)
{
	struct rig *rig = *state;
	struct linux_cpu first = cpu_in(&rig->first), second = cpu_in(&rig->second);

	assert_string_equal(release(rig, NULL, &first), "OSRELEASE=6.1-first");
	assert_string_equal(release(rig, NULL, &second), "OSRELEASE=6.1-second");
	first.paging.cr3 = 0x7000; /* nothing is mapped: each may run */
	assert_string_equal(release(rig, NULL, &first), "OSRELEASE=6.1-first");
}

/* Without a vCPU the first kernel's last words tell. */
static void log_that_ends_is_not_taken(void **state)
{
	struct rig *rig = *state;
	struct linux_cpu first = cpu_in(&rig->first);

	assert_string_equal(release(rig, NULL, NULL), "OSRELEASE=6.1-first");
	image_record(&rig->first, "kexec_core: Starting new kernel");
	assert_string_equal(release(rig, NULL, NULL), "OSRELEASE=6.1-second");
	for (int i = 0; i < 8; i++) /* it was tried, and failed */
		image_record(&rig->first, "and on");
	assert_string_equal(release(rig, NULL, NULL), "OSRELEASE=6.1-first");
	image_record(&rig->first, "Kernel panic - not syncing: sysrq triggered crash");
	assert_string_equal(release(rig, NULL, NULL), "OSRELEASE=6.1-second");
	assert_string_equal(release(rig, NULL, &first), "OSRELEASE=6.1-second");
	image_record(&rig->first,
		     "---[ end Kernel panic - not syncing: sysrq triggered crash ]---");
	assert_string_equal(release(rig, NULL, NULL), "OSRELEASE=6.1-first");
	image_record(&rig->first, "kexec_core: Starting new kernel");
	image_record(&rig->second, "kexec_core: Starting new kernel");
	assert_string_equal(release(rig, NULL, NULL), "OSRELEASE=6.1-first"); /* some is known */
}

/* The second kernel has not written its note yet. */
static void kernel_without_a_note_is_found(void **state)
{
	struct rig *rig = *state;
	struct linux_cpu second = cpu_in(&rig->second);
	struct linux_guest g;

	memset(rig->second.ram + NOTE_AT, 0, 1024);
	image_record(&rig->first, "kexec_core: Starting new kernel");
	autopsy_find_kernel(&rig->autopsy, &second);
	assert_true(linux_guest_open(&g, &rig->first.mem, rig->autopsy.kernel_symbols, &second));
	assert_int_equal(g.paging.cr3, SECOND_AT + TOP_PGT);
}

/* A hostile guest makes notes without number: the search ends, with the first one. */
static void notes_without_number(void **state)
{
	struct rig *rig = *state;
	struct linux_cpu second = cpu_in(&rig->second);

	for (unsigned int i = 0; i < LINUX_MAX_KERNELS + 4; i++)
		memcpy(rig->first.ram + 5 * MIB + (size_t)i * 1024, rig->first.ram + NOTE_AT, 1024);
	assert_string_equal(release(rig, NULL, &second), "OSRELEASE=6.1-first");
	assert_string_equal(release(rig, NULL, NULL), "OSRELEASE=6.1-first");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_are_of_the_kernel_that_runs, setup_builds,
						teardown),
		cmocka_unit_test_setup_teardown(names_are_of_the_kernel_that_runs, setup_slide,
						teardown),
		cmocka_unit_test_setup_teardown(vcpu_tells_kernels_apart, setup_builds, teardown),
		cmocka_unit_test_setup_teardown(vcpu_tells_kernels_apart, setup_slide, teardown),
		cmocka_unit_test_setup_teardown(unknown_kernel_changes_nothing, setup_builds,
						teardown),
		cmocka_unit_test_setup_teardown(log_is_of_the_kernel_that_runs, setup_builds,
						teardown),
		cmocka_unit_test_setup_teardown(log_is_of_the_kernel_that_runs, setup_slide,
						teardown),
		cmocka_unit_test_setup_teardown(log_that_ends_is_not_taken, setup_builds, teardown),
		cmocka_unit_test_setup_teardown(notes_without_number, setup_builds, teardown),
		cmocka_unit_test_setup_teardown(kernel_without_a_note_is_found, setup_builds,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
