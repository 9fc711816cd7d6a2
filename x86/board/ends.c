/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the guest ends the machine: by its power and its resets, and by a panic that a console has shown. What KVM tells of a crash is arch.c's,
 * a guest in which nothing can happen any more is idle.c's, one that gets nowhere hang.c's.
 */
#include "machine.h"

#include "kvm/checks.h"
#include "kvm/guestcmd.h"
#include "kvm/postmortem.h"

#include <stdatomic.h>

/*
 * A console that is silent so often, once in so long, has nothing more to say. In rounds, since a host that lets us all stand still for a
 * while silences nobody: it costs one of them.
 */
#define PANIC_ROUND_NS 50000000ULL
#define PANIC_SILENT_ROUNDS 6

void machine_reset_requested(struct machine *m, const char *by)
{
	guestlog_judge_end(&m->autopsy);
	if (atomic_load(&m->autopsy.panicked))
		vm_end(m->vm, VERDICT_PANIC, 0, "the guest kernel panicked (then reset by %s)", by);
	else
		vm_end(m->vm, VERDICT_REBOOT, 0, "the guest rebooted (%s)", by);
}

static void on_power_request(void *ctx, enum power_request what, unsigned int value, const char *by)
{
	struct machine *m = ctx;

	switch (what) {
	case POWER_OFF:
		vm_end(m->vm, VERDICT_POWEROFF, 0, "the guest powered off");
		break;
	case POWER_RESET:
		machine_reset_requested(m, by);
		break;
	case POWER_DEBUG_EXIT:
		vm_end(m->vm, VERDICT_DEBUG_EXIT, (int)value, "the guest wrote 0x%x to the debug-exit port",
		       value);
		break;
	case POWER_COMMAND:
		guestcmd_ended(m->vm, value);
		break;
	}
}

/* A panicked kernel may print for a while (backtraces, other CPUs): its end is when it says so, or falls silent. */
static void on_panic_silence(void *ctx)
{
	struct machine *m = ctx;
	uint64_t bytes = atomic_load(&m->console_bytes);

	if (bytes != m->panic_seen_bytes)
		m->panic_silent_rounds = 0;
	m->panic_seen_bytes = bytes;
	if (!atomic_load(&m->panic_told) && m->panic_silent_rounds++ < PANIC_SILENT_ROUNDS) {
		loop_timer_arm(&m->panic_timer, PANIC_ROUND_NS);
		return;
	}
	vm_end(m->vm, VERDICT_PANIC, 0, "the guest kernel panicked");
}

static void on_console_output(void *ctx, const uint8_t *bytes, size_t len)
{
	struct com_port *com = ctx;
	struct machine *m = com->machine;
	unsigned int found = watch_feed(&com->watch, bytes, len);

	autopsy_console_output(&m->autopsy, (unsigned int)(com - m->com), bytes, len);
	if (com->watch.whole_boot)
		machine_timeline_line(m, found);
	atomic_fetch_add_explicit(&m->console_bytes, len, memory_order_relaxed);
	if (m->vm->checks && com == &m->com[0])
		checks_output(m->vm->checks, bytes, len);
	if (found & (1U << WATCH_HALTED))
		atomic_store(&m->autopsy.halted, true);
	if (found & (1U << WATCH_RESTARTING))
		atomic_store(&m->autopsy.restarting, true);
	if (found & (1U << WATCH_PANIC_END) && atomic_load(&m->autopsy.panicked)) {
		atomic_store(&m->panic_told, true);
		if (m->vm->config->on_panic == ON_PANIC_EXIT)
			loop_timer_arm(&m->panic_timer, 0);
	}
	if (!(found & (1U << WATCH_PANIC)) || atomic_exchange(&m->autopsy.panicked, true))
		return;
	if (m->vm->config->on_panic == ON_PANIC_EXIT)
		loop_timer_arm(&m->panic_timer, PANIC_ROUND_NS);
}

static void on_console_quit(void *ctx)
{
	struct com_port *com = ctx;

	vm_end(com->machine->vm, VERDICT_QUIT, 0, "ended by Ctrl-a x");
}

static void on_console_report(void *ctx)
{
	struct com_port *com = ctx;

	report_request(com->machine->vm, NULL);
}

struct chardev_hooks machine_console_hooks(struct com_port *com)
{
	return (struct chardev_hooks){
		.quit = on_console_quit,
		.report = on_console_report,
		.output = on_console_output,
		.ctx = com,
		.goes_on = com->machine->vm->restarted,
	};
}

void machine_watch_ends(struct machine *m)
{
	m->power = (struct power){ .request = on_power_request, .ctx = m };
	loop_timer_init(&m->vm->loop, &m->panic_timer, on_panic_silence, m);
}
