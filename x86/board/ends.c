/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ends the machine when the guest powers off, resets or panics.
 *
 * Devices report power-off and resets through struct power; consoles show panics, and endlog.c
 * tells which of them are real. exits.c handles crashes that KVM reports, idle.c a guest in which
 * nothing can happen any more, and hang.c one that makes no progress.
 */
#include "ends.h"

#include "boot_marks.h"
#include "guest/guestjob.h"
#include "kvm/arch.h"
#include "kvm/log.h"
#include "kvm/vm.h"
#include "x86/postmortem/endlog.h"

#include <stdatomic.h>
#include <string.h>

/*
 * After a panic, a console that is silent for this many rounds has nothing more to print. The time
 * is in rounds because a host may stop the launcher for a while: this costs one round, and does not
 * count as a long silence. A kernel with memory for a capture kernel (kdump) may have started that
 * one, which is silent until its own console is up.
 */
#define PANIC_ROUND_NS 50000000ULL
#define PANIC_SILENT_ROUNDS 6
#define KDUMP_SILENT_ROUNDS 1200
/* Each text that was no panic doubles the time before the next one is looked into, up to this. */
#define MAX_DOUBTS 6

/* Passes on what the guest has printed but no newline or time has committed yet. */
static void show_consoles(struct ends *e)
{
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++) {
		if (e->console[i].chardev)
			chardev_push(e->console[i].chardev);
	}
}

/*
 * Whether the guest has done anything that can be seen: printed a byte, written to its log or used
 * a device.
 */
static bool has_lived(struct ends *e, bool has_log)
{
	return has_log || atomic_load(&e->console_bytes) || e->vm->arch->has_driver(e->vm);
}

void ends_by_reset(struct ends *e, const char *by)
{
	struct autopsy *a = e->vm->autopsy;
	bool has_log = false;
	unsigned int said;

	show_consoles(e);
	said = atomic_load(&a->said);
	if (!(said & 1U << WATCH_RESTARTING) || said & 1U << WATCH_PANIC_TEXT)
		has_log = endlog_judge(a);
	if (atomic_load(&a->panicked))
		vm_end(e->vm, VERDICT_PANIC, 0, "the guest kernel panicked (then reset by %s)", by);
	else if (has_lived(e, has_log))
		vm_end(e->vm, VERDICT_REBOOT, 0, "the guest rebooted (%s)", by);
	else
		vm_end(e->vm, VERDICT_CRASH, 0, "the guest reset (%s) before it said anything", by);
}

static void end_by_power_off(struct vm *vm)
{
	struct autopsy *a = vm->autopsy;

	if (atomic_load(&a->said) & 1U << WATCH_PANIC_TEXT)
		endlog_judge(a);
	if (atomic_load(&a->panicked)) /* a capture kernel is done */
		vm_end(vm, VERDICT_PANIC, 0, "the guest kernel panicked (then powered off)");
	else
		vm_end(vm, VERDICT_POWEROFF, 0, "the guest powered off");
}

/* Ends the machine after the guest's init wrote @status to its port. */
static void end_by_command(struct vm *vm, unsigned int status)
{
	int number = status & 0xff;

	switch (status & ~0xffU) {
	case GUESTJOB_EXITED:
		vm_end(vm, VERDICT_COMMAND, number, "the command exited with code %d", number);
		break;
	case GUESTJOB_KILLED:
		vm_end(vm, VERDICT_COMMAND, (128 + number) & 0xff,
		       "the command was killed by signal %d (%s)", number,
		       sigdescr_np(number) ? sigdescr_np(number) : "unknown");
		break;
	default:
		vm_end(vm, VERDICT_LAUNCHER, 0,
		       "the guest could not run the command; see its console");
		break;
	}
}

static void on_power_request(void *ctx, enum power_request what, unsigned int value, const char *by)
{
	struct ends *e = ctx;

	switch (what) {
	case POWER_OFF:
		end_by_power_off(e->vm);
		break;
	case POWER_RESET:
		ends_by_reset(e, by);
		break;
	case POWER_DEBUG_EXIT:
		vm_end(e->vm, VERDICT_DEBUG_EXIT, (int)value,
		       "the guest wrote 0x%x to the debug-exit port", value);
		break;
	case POWER_COMMAND:
		end_by_command(e->vm, value);
		break;
	}
}

/* How long a text must have been on a console before the kernel's memory is asked. */
static uint64_t doubt_ns(const struct ends *e)
{
	return PANIC_ROUND_NS << min_u64(atomic_load(&e->doubts), MAX_DOUBTS);
}

/* Whether the kernel has panicked. The text may also be a program's, or a user's. */
static bool confirm_panic(struct ends *e)
{
	if (endlog_confirm_panic(e->vm->autopsy))
		return true;
	pr_debug("a console shows the text of a panic, which the kernel's log does not have");
	atomic_fetch_add(&e->doubts, 1);
	atomic_store(&e->panic_printed, false);
	return false;
}

/*
 * A panicked kernel may print for a while (backtraces, other CPUs). It is done when it prints its
 * last line, or is silent.
 */
static void on_panic_timer(void *ctx)
{
	struct ends *e = ctx;
	uint64_t bytes = atomic_load(&e->console_bytes);
	unsigned int rounds = e->has_kdump ? KDUMP_SILENT_ROUNDS : PANIC_SILENT_ROUNDS;

	atomic_store(&e->suspected, false);
	if (!atomic_load(&e->vm->autopsy->panicked) && !confirm_panic(e))
		return;
	if (e->vm->config->on_panic != ON_PANIC_EXIT || atomic_load(&e->captures))
		return;
	if (bytes != e->panic_seen_bytes || vm_is_debugged(e->vm))
		e->panic_silent_rounds = 0;
	e->panic_seen_bytes = bytes;
	if (vm_is_debugged(e->vm) ||
	    (!atomic_load(&e->panic_printed) && e->panic_silent_rounds++ < rounds)) {
		loop_timer_arm(&e->panic_timer, PANIC_ROUND_NS);
		return;
	}
	vm_end(e->vm, VERDICT_PANIC, 0, "the guest kernel panicked");
}

/* A kernel begins. After a panic it is the capture kernel, which takes as long as it takes. */
static void on_version(struct ends_console *console)
{
	struct ends *e = console->ends;

	console->nr_versions++;
	if (atomic_load(&e->vm->autopsy->panicked))
		atomic_store(&e->captures, true);
}

/*
 * Acts on what a console has shown. A port that is not the kernel's console can only show the text
 * of a panic, and the kernel's log may confirm it.
 */
static void on_lines(struct ends_console *console, unsigned int found)
{
	struct ends *e = console->ends;
	struct autopsy *a = e->vm->autopsy;
	bool panic = found & (1U << WATCH_PANIC_TEXT);

	atomic_fetch_or(&a->said, console->is_kernels ? found : found & 1U << WATCH_PANIC_TEXT);
	if (found & 1U << WATCH_VERSION && console->is_kernels)
		on_version(console);
	if (found & 1U << WATCH_CAPTURE && console->nr_versions > 1 && e->has_kdump)
		atomic_store(&a->panicked, true); /* after an Oops; only a panic says so */
	if (!panic)
		return;
	atomic_store(&e->captures, false); /* the capture kernel has panicked, too */
	if (!atomic_exchange(&e->suspected, true))
		loop_timer_arm(&e->panic_timer, doubt_ns(e));
}

static void on_console_output(void *ctx, const uint8_t *bytes, size_t len)
{
	struct ends_console *console = ctx;
	struct ends *e = console->ends;
	unsigned int found = watch_feed(&console->watch, bytes, len);

	autopsy_console_output(e->vm->autopsy, console->index, bytes, len);
	if (console->watch.whole_boot)
		boot_marks_line(e->vm, found);
	atomic_fetch_add_explicit(&e->console_bytes, len, memory_order_relaxed);
	if (!console->index)
		vm_console_output(e->vm, bytes, len);
	if (found)
		on_lines(console, found);
	if (found & 1U << WATCH_PANIC_END) {
		atomic_store(&e->panic_printed, true);
		if (!atomic_load(&e->doubts))
			loop_timer_arm(&e->panic_timer, 0);
	}
}

static void on_console_quit(void *ctx)
{
	struct ends_console *console = ctx;

	vm_end(console->ends->vm, VERDICT_QUIT, 0, "ended by Ctrl-a x");
}

static void on_console_report(void *ctx)
{
	const struct ends_console *console = ctx;
	const struct vm_key *key = &console->ends->vm->report_key;

	if (key->pressed)
		key->pressed(key->ctx);
}

struct chardev_hooks ends_console_hooks(struct ends *e, unsigned int index)
{
	return (struct chardev_hooks){
		.quit = on_console_quit,
		.report = on_console_report,
		.output = on_console_output,
		.ctx = &e->console[index],
		.goes_on = e->vm->restarted,
	};
}

/* Whether a Linux prints on COM port @index, as far as its parameters tell. */
static bool is_kernels_console(const struct config *config, unsigned int index)
{
	char name[] = "ttyS0";

	name[4] = (char)('0' + index);
	return !index || (config->params && strstr(config->params, name));
}

void ends_init(struct ends *e, struct vm *vm)
{
	const struct config *config = vm->config;

	e->vm = vm;
	e->has_kdump = config->params && strstr(config->params, "crashkernel=");
	e->power = (struct power){ .request = on_power_request, .ctx = e };
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++)
		e->console[i] = (struct ends_console){
			.ends = e,
			.index = i,
			.is_kernels = is_kernels_console(config, i),
			.watch.whole_boot = config->timeline,
		};
	loop_timer_init(&vm->loop, &e->panic_timer, on_panic_timer, e);
}

void ends_fini(struct ends *e)
{
	loop_timer_fini(&e->panic_timer);
}
