/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ends the machine when the guest powers off, resets or panics.
 *
 * Devices report power-off and resets through struct power; consoles show panics. exits.c handles
 * crashes that KVM reports, idle.c a guest in which nothing can happen any more, and hang.c one
 * that makes no progress.
 */
#include "ends.h"

#include "boot_marks.h"
#include "guest/guestjob.h"
#include "kvm/vm.h"
#include "x86/postmortem/guestlog.h"

#include <stdatomic.h>
#include <string.h>

/*
 * After a panic, a console that is silent for this many rounds has nothing more to print. The time
 * is in rounds because a host may stop the launcher for a while: this costs one round, and does not
 * count as a long silence.
 */
#define PANIC_ROUND_NS 50000000ULL
#define PANIC_SILENT_ROUNDS 6

void ends_by_reset(struct vm *vm, const char *by)
{
	guestlog_judge_end(vm->autopsy);
	if (atomic_load(&vm->autopsy->panicked))
		vm_end(vm, VERDICT_PANIC, 0, "the guest kernel panicked (then reset by %s)", by);
	else
		vm_end(vm, VERDICT_REBOOT, 0, "the guest rebooted (%s)", by);
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
		vm_end(e->vm, VERDICT_POWEROFF, 0, "the guest powered off");
		break;
	case POWER_RESET:
		ends_by_reset(e->vm, by);
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

/*
 * A panicked kernel may print for a while (backtraces, other CPUs). It is done when it prints its
 * last line, or is silent.
 */
static void on_panic_silence(void *ctx)
{
	struct ends *e = ctx;
	uint64_t bytes = atomic_load(&e->console_bytes);

	if (bytes != e->panic_seen_bytes)
		e->panic_silent_rounds = 0;
	e->panic_seen_bytes = bytes;
	if (!atomic_load(&e->panic_printed) && e->panic_silent_rounds++ < PANIC_SILENT_ROUNDS) {
		loop_timer_arm(&e->panic_timer, PANIC_ROUND_NS);
		return;
	}
	vm_end(e->vm, VERDICT_PANIC, 0, "the guest kernel panicked");
}

static void on_console_output(void *ctx, const uint8_t *bytes, size_t len)
{
	struct ends_console *console = ctx;
	struct ends *e = console->ends;
	struct autopsy *a = e->vm->autopsy;
	unsigned int found = watch_feed(&console->watch, bytes, len);

	autopsy_console_output(a, console->index, bytes, len);
	if (console->watch.whole_boot)
		boot_marks_line(e->vm, found);
	atomic_fetch_add_explicit(&e->console_bytes, len, memory_order_relaxed);
	if (!console->index)
		vm_console_output(e->vm, bytes, len);
	if (found & (1U << WATCH_HALTED))
		atomic_store(&a->halted, true);
	if (found & (1U << WATCH_RESTARTING))
		atomic_store(&a->restarting, true);
	if (found & (1U << WATCH_PANIC_END) && atomic_load(&a->panicked)) {
		atomic_store(&e->panic_printed, true);
		if (e->vm->config->on_panic == ON_PANIC_EXIT)
			loop_timer_arm(&e->panic_timer, 0);
	}
	if (!(found & (1U << WATCH_PANIC)) || atomic_exchange(&a->panicked, true))
		return;
	if (e->vm->config->on_panic == ON_PANIC_EXIT)
		loop_timer_arm(&e->panic_timer, PANIC_ROUND_NS);
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

void ends_init(struct ends *e, struct vm *vm)
{
	e->vm = vm;
	e->power = (struct power){ .request = on_power_request, .ctx = e };
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++)
		e->console[i] = (struct ends_console){
			.ends = e,
			.index = i,
			.watch.whole_boot = vm->config->timeline,
		};
	loop_timer_init(&vm->loop, &e->panic_timer, on_panic_silence, e);
}

void ends_fini(struct ends *e)
{
	loop_timer_fini(&e->panic_timer);
}
