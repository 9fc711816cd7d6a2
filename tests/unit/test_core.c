/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the verdict's exit codes, the console watcher, and the exit handler with made-up kvm_run
 * pages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/arch.h"
#include "kvm/console_watch.h"
#include "kvm/vm.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void exit_codes_are_as_documented(void **state)
{
	static const struct {
		enum verdict_kind kind;
		int value, code;
	} rows[] = {
		{ VERDICT_POWEROFF, 0, 0 },	 { VERDICT_REBOOT, 0, 0 },
		{ VERDICT_HALT, 0, 0 },		 { VERDICT_QUIT, 0, 0 },
		{ VERDICT_DEBUG_EXIT, 0, 1 },	 { VERDICT_DEBUG_EXIT, 16, 33 },
		{ VERDICT_PANIC, 0, 120 },	 { VERDICT_CRASH, 0, 121 },
		{ VERDICT_TIMEOUT, 0, 124 },	 { VERDICT_SIGNAL, 15, 143 },
		{ VERDICT_LAUNCHER, 0, 125 },	 { VERDICT_NONE, 0, 125 },
		{ VERDICT_DEBUG_EXIT, -1, 255 },
	};
	struct verdict v;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		verdict_set(&v, rows[i].kind, rows[i].value, "text %d", i);
		assert_int_equal(verdict_exit_code(&v), rows[i].code);
	}
}

static unsigned int feed(struct watch *w, const char *text)
{
	return watch_feed(w, (const uint8_t *)text, strlen(text));
}

#define PANIC_TEXT (1U << WATCH_PANIC_TEXT)
#define PANIC (PANIC_TEXT | 1U << WATCH_PANIC)

static void watcher_finds_lines_in_any_slices(void **state)
{
	const char *panic =
		"x Kernel KKernel panic - not syncing: VFS\nreboot: reboot: Power off not "
		"available: System halted instead\nreboot: Restarting system\n";
	struct watch w = { 0 };
	unsigned int found = 0;

	(void)state;
	assert_int_equal(feed(&w, panic), PANIC_TEXT | 1U << WATCH_RESTARTING);
	for (const char *c = panic; *c; c++)
		found |= watch_feed(&w, (const uint8_t *)c, 1);
	assert_int_equal(found, PANIC_TEXT | 1U << WATCH_RESTARTING);
	assert_int_equal(feed(&w, "reboot: System hal"), 0);
	assert_int_equal(feed(&w, "ted\n"), 1U << WATCH_HALTED);
	assert_int_equal(feed(&w, "reboot: Power off not available: System halted instead\n"),
			 1U << WATCH_NO_POWER);
	assert_int_equal(feed(&w, "Kernel panic - not sync ing reboot: System  halted"), 0);
}

static void watcher_knows_a_message_by_its_form(void **state)
{
	static const struct {
		const char *text;
		unsigned int found;
	} rows[] = {
		{ "\nKernel panic - not syncing", PANIC },
		{ "\r\nKernel panic - not syncing", PANIC },
		{ "\n[    1.234567] Kernel panic - not syncing", PANIC },
		{ "\n[    1.234567][    T1] Kernel panic - not syncing", PANIC },
		{ "login: [    1.234567] Kernel panic - not syncing", PANIC },
		{ "\n<0>Kernel panic - not syncing", PANIC },
		{ "\n# echo Kernel panic - not syncing", PANIC_TEXT },
		{ "\n<p>Kernel panic - not syncing", PANIC_TEXT },
		{ "\nx: Kernel panic - not syncing", PANIC_TEXT },
		{ "\nx: System halted", 0 },
		{ "\nfoo reboot: System halted", 0 },
		{ "\nreboot: System halted", 1U << WATCH_HALTED },
		{ "\n[    9.876543] reboot: Restarting system", 1U << WATCH_RESTARTING },
		{ "\ndocker: Restarting system", 0 },
		{ "\n[    0.000000] Command line: x elfcorehdr=0x1", 1U << WATCH_CAPTURE },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct watch whole = { 0 }, sliced = { 0 };
		unsigned int found = 0;

		assert_int_equal(feed(&whole, rows[i].text), rows[i].found);
		for (const char *c = rows[i].text; *c; c++)
			found |= watch_feed(&sliced, (const uint8_t *)c, 1);
		assert_int_equal(found, rows[i].found);
	}
}

/* A kernel that prints time stamps does so before its panic, too; a program need not. */
static void watcher_wants_time_stamps_once_there_are_some(void **state)
{
	struct watch w = { 0 };

	(void)state;
	assert_int_equal(feed(&w, "[    0.000000] Linux version 6.1\n"), 1U << WATCH_VERSION);
	assert_int_equal(feed(&w, "Kernel panic - not syncing\n"), PANIC_TEXT);
	assert_int_equal(feed(&w, "reboot: System halted\n"), 0);
	assert_int_equal(feed(&w, "Linux version 6.1\n"), 0);
	assert_int_equal(feed(&w, "[   12.345678] Kernel panic - not syncing: x\n"), PANIC);
	w = (struct watch){ 0 };
	assert_int_equal(feed(&w, "Linux version 6.1\n"), 1U << WATCH_VERSION);
	assert_int_equal(feed(&w, "Kernel panic - not syncing\n"), PANIC);
}

/* The machine ends as soon as the watcher finds the end, so it must wait for the line's end. */
static void watcher_waits_for_the_last_line_s_end(void **state)
{
	struct watch w = { 0 };

	(void)state;
	assert_int_equal(feed(&w, "---[ end Kernel panic - not syncing"), PANIC_TEXT);
	assert_int_equal(feed(&w, ": VFS: Unable to [ mount"), 0);
	assert_int_equal(feed(&w, " root fs ]---\r"), 0);
	assert_int_equal(feed(&w, "\n"), 1U << WATCH_PANIC_END);
	assert_int_equal(feed(&w, "x\n"), 0);
	assert_int_equal(feed(&w, "[ end Kernel panic\n - not syncing\n"), 0);
	assert_int_equal(feed(&w, "[ end Kernel panic - not syncing: x\ny"),
			 PANIC_TEXT | 1U << WATCH_PANIC_END);
}

static void watcher_sees_a_boot_when_asked(void **state)
{
	const char *boot = "Linux version 6.1\nsmp: Brought up 1 node\nRun /init as init process\n";
	struct watch w = { 0 };

	(void)state;
	assert_int_equal(feed(&w, boot), 1U << WATCH_VERSION);
	w = (struct watch){ .whole_boot = true };
	assert_int_equal(feed(&w, "[    0.000000] LLinux version 6"), 0);
	assert_int_equal(feed(&w, "[    0.000000] Linux version 6"), 1U << WATCH_VERSION);
	assert_int_equal(feed(&w, "smp: smp: Brought up"), 1U << WATCH_SMP);
	assert_int_equal(feed(&w, "Run /bin/bas as init process"), 1U << WATCH_INIT);
	assert_int_equal(feed(&w, "Kernel panic - not syncing"), PANIC_TEXT);
}

/* A machine without KVM: buses, and one vCPU with a fake kvm_run page. */
struct fake {
	struct vm vm;
	struct vcpu vcpu;
	union {
		struct kvm_run run;
		uint8_t bytes[2 * 4096];
	} page;
	uint8_t port[8];
	unsigned int writes;
};

static uint64_t port_read(void *dev, uint64_t offset, unsigned int size)
{
	struct fake *f = dev;
	uint64_t value = 0;

	memcpy(&value, f->port + offset, size);
	return value;
}

static void port_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct fake *f = dev;

	memcpy(f->port + offset, &value, size);
	f->writes++;
}

static const struct bus_ops ops = { port_read, port_write, 4 };

static bool serve_nothing(struct vcpu *v)
{
	(void)v;
	return false;
}

static void record_nothing(struct vcpu *v, uint64_t ticks)
{
	(void)v;
	(void)ticks;
}

static void sample_nothing(struct vcpu *v, uint64_t ticks)
{
	(void)ticks;
	v->sample_due = UINT64_MAX;
}

static const struct arch fake_arch = {
	.handle_exit = serve_nothing,
	.record_exit = record_nothing,
	.sample = sample_nothing,
};

static int setup(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));

	f->vm.arch = &fake_arch;
	f->vm.vcpu = &f->vcpu;
	f->vm.nr_vcpus = 1;
	f->vm.loop.wake_fd = -1;
	pthread_mutex_init(&f->vm.verdict_lock, NULL);
	pthread_mutex_init(&f->vm.pause_lock, NULL);
	pthread_cond_init(&f->vm.resumed, NULL);
	bus_init(&f->vm.pio, BUS_PIO);
	bus_init(&f->vm.mmio, BUS_MMIO);
	coalesced_init(&f->vm.coalesced, &f->vm.pio, &f->vm.mmio);
	bus_insert(&f->vm.pio, 0x100, 8, &ops, f, "test");
	bus_insert(&f->vm.mmio, 0xd0000000, 8, &ops, f, "test");
	f->vcpu = (struct vcpu){
		.vm = &f->vm, .fd = -1, .run = &f->page.run, .run_bytes = sizeof(f->page)
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fake *f = *state;

	bus_fini(&f->vm.pio);
	bus_fini(&f->vm.mmio);
	free(f);
	return 0;
}

static void set_io(struct fake *f, bool in, unsigned int size, uint16_t port, uint32_t count)
{
	f->page.run.exit_reason = KVM_EXIT_IO;
	f->page.run.io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	f->page.run.io.size = (uint8_t)size;
	f->page.run.io.port = port;
	f->page.run.io.count = count;
	f->page.run.io.data_offset = 4096;
}

static void io_exit_moves_data_both_ways(void **state)
{
	struct fake *f = *state;

	set_io(f, false, 4, 0x100, 1);
	memcpy(f->page.bytes + 4096, "\x11\x22\x33\x44", 4);
	vcpu_handle_exit(&f->vcpu);
	assert_memory_equal(f->port, "\x11\x22\x33\x44", 4);
	set_io(f, true, 2, 0x102, 1);
	vcpu_handle_exit(&f->vcpu);
	assert_memory_equal(f->page.bytes + 4096, "\x33\x44", 2);
	set_io(f, true, 1, 0x9999, 1);
	vcpu_handle_exit(&f->vcpu);
	assert_int_equal(f->page.bytes[4096], 0xff);
	assert_false(f->vm.ended);
}

static void string_io_is_served_at_once(void **state)
{
	struct fake *f = *state;

	set_io(f, false, 1, 0x100, 3);
	memcpy(f->page.bytes + 4096, "abc", 3);
	vcpu_handle_exit(&f->vcpu);
	assert_int_equal(f->writes, 3);
	assert_int_equal(f->port[0], 'c');
	set_io(f, true, 2, 0x100, 2048);
	vcpu_handle_exit(&f->vcpu);
	assert_int_equal(f->page.bytes[8190], 'c');
	assert_false(f->vm.ended);
}

static void io_beyond_the_run_page_is_our_error(void **state)
{
	struct fake *f = *state;

	set_io(f, true, 4, 0x100, 1025);
	vcpu_handle_exit(&f->vcpu);
	assert_true(f->vm.ended);
	assert_int_equal(f->vm.verdict.kind, VERDICT_LAUNCHER);
}

static void mmio_exit_moves_data_both_ways(void **state)
{
	struct fake *f = *state;

	f->page.run.exit_reason = KVM_EXIT_MMIO;
	f->page.run.mmio.phys_addr = 0xd0000004;
	f->page.run.mmio.len = 4;
	f->page.run.mmio.is_write = 1;
	memcpy(f->page.run.mmio.data, "wxyz", 4);
	vcpu_handle_exit(&f->vcpu);
	assert_memory_equal(f->port + 4, "wxyz", 4);
	f->page.run.mmio.is_write = 0;
	f->page.run.mmio.len = 1;
	memset(f->page.run.mmio.data, 0, 8);
	vcpu_handle_exit(&f->vcpu);
	assert_int_equal(f->page.run.mmio.data[0], 'w');
	f->page.run.mmio.len = 200; /* KVM would not do this */
	vcpu_handle_exit(&f->vcpu);
	assert_false(f->vm.ended);
}

static void unknown_exit_is_a_verdict(void **state)
{
	struct fake *f = *state;

	f->page.run.exit_reason = KVM_EXIT_NMI;
	vcpu_handle_exit(&f->vcpu);
	assert_true(f->vm.ended);
	assert_int_equal(f->vm.verdict.kind, VERDICT_CRASH);
	/* the first verdict stays */
	vm_end(&f->vm, VERDICT_POWEROFF, 0, "later");
	assert_int_equal(f->vm.verdict.kind, VERDICT_CRASH);
}

/* Coalesced writes reach their device before the access that follows them. */
static void coalesced_writes_come_first_and_in_order(void **state)
{
	struct fake *f = *state;
	struct coalesced *c = &f->vm.coalesced;
	struct kvm_coalesced_mmio_ring *ring = calloc(1, 4096);

	c->ring = ring;
	c->capacity = (4096 - sizeof(*ring)) / sizeof(struct kvm_coalesced_mmio);
	ring->first = c->capacity - 1; /* across the ring's end */
	ring->coalesced_mmio[c->capacity - 1] = (struct kvm_coalesced_mmio){
		.phys_addr = 0x100, .len = 1, .pio = 1, .data = { 'a' }
	};
	ring->coalesced_mmio[0] = (struct kvm_coalesced_mmio){
		.phys_addr = 0x100, .len = 1, .pio = 1, .data = { 'b' }
	};
	ring->coalesced_mmio[1] = (struct kvm_coalesced_mmio){ .phys_addr = 0xd0000004,
							       .len = 4,
							       .data = { 'w', 'x', 'y', 'z' } };
	ring->coalesced_mmio[2] = (struct kvm_coalesced_mmio){ .phys_addr = 0x100, .len = 99 };
	ring->last = 3;
	set_io(f, true, 1, 0x100, 1);
	vcpu_handle_exit(&f->vcpu);
	assert_int_equal(f->page.bytes[4096], 'b');
	assert_int_equal(f->writes, 3);
	assert_memory_equal(f->port + 4, "wxyz", 4);
	assert_int_equal(ring->first, 3);
	ring->first = 5000; /* a broken index ends the drain */
	coalesced_drain(c);
	c->ring = NULL;
	free(ring);
}

static void *waiter(void *vcpu)
{
	vm_wait_resumed(vcpu);
	return NULL;
}

static bool waits(pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 50000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return pthread_timedjoin_np(thread, NULL, &until) == ETIMEDOUT;
}

static void pauses_add_up(void **state)
{
	struct fake *f = *state;
	pthread_t thread;

	vm_wait_resumed(&f->vcpu);
	vm_pause(&f->vm);
	vm_pause(&f->vm);
	assert_int_equal(pthread_create(&thread, NULL, waiter, &f->vcpu), 0);
	vm_resume(&f->vm);
	assert_true(waits(thread));
	vm_resume(&f->vm);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void an_end_ends_the_pause(void **state)
{
	struct fake *f = *state;
	pthread_t thread;

	vm_pause(&f->vm);
	assert_int_equal(pthread_create(&thread, NULL, waiter, &f->vcpu), 0);
	assert_true(waits(thread));
	vm_end(&f->vm, VERDICT_SIGNAL, 15, "ended by SIGTERM");
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes_are_as_documented),
		cmocka_unit_test(watcher_finds_lines_in_any_slices),
		cmocka_unit_test(watcher_knows_a_message_by_its_form),
		cmocka_unit_test(watcher_wants_time_stamps_once_there_are_some),
		cmocka_unit_test(watcher_waits_for_the_last_line_s_end),
		cmocka_unit_test(watcher_sees_a_boot_when_asked),
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(io_exit_moves_data_both_ways),
		T(string_io_is_served_at_once),
		T(io_beyond_the_run_page_is_our_error),
		T(mmio_exit_moves_data_both_ways),
		T(unknown_exit_is_a_verdict),
		T(coalesced_writes_come_first_and_in_order),
		T(pauses_add_up),
		T(an_end_ends_the_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
