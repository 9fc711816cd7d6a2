/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm run: options -> config -> machine -> verdict.
 *
 * On the way out nothing is taken apart that the host's kernel takes apart anyway: when the guest is done, its
 * consoles are brought out, the terminal restored, the verdict said, and the process ends. Only a restart
 * (--on-reboot restart) goes through the whole tear-down.
 */
#include "control.h"
#include "kvm/arch.h"
#include "kvm/checks.h"
#include "kvm/cmd.h"
#include "kvm/gdb.h"
#include "kvm/guestcmd.h"
#include "kvm/log.h"
#include "kvm/pages.h"
#include "kvm/postmortem/dump.h"
#include "kvm/retrace.h"
#include "kvm/term.h"
#include "kvm/timeline.h"
#include "kvm/trace.h"
#include "kvm/vm.h"
#include "signals.h"

#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
/* How long a console that takes no byte may hold up an end that nobody asked for politely. */
#define STALL_MS 2000

/* For the SIGBUS handler alone: whose guest memory a faulting access may belong to. */
static _Atomic(struct gmem *) sigbus_mem;

static int on_sigbus(void *addr)
{
	struct gmem *mem = atomic_load(&sigbus_mem);

	return mem && gmem_sigbus(mem, addr);
}

static void on_timeout(void *ctx)
{
	struct vm *vm = ctx;

	vm_end(vm, VERDICT_TIMEOUT, 0, "timed out after %llu s", (unsigned long long)vm->config->timeout_s);
}

/* --timeout is for all lives of the machine together. */
static int arm_timeout(struct vm *vm, struct loop_timer *timeout)
{
	uint64_t limit_ns = vm->config->timeout_s * NS_PER_S, run_ns = now_ns() - vm->began_ns;

	return limit_ns ? loop_timer_arm(timeout, limit_ns > run_ns ? limit_ns - run_ns : 1) : 0;
}

static int run_loop(struct vm *vm, struct signals *signals)
{
	struct loop_timer timeout;
	int err = signals_init(signals, vm);

	loop_timer_init(&vm->loop, &timeout, on_timeout, vm);
	if (!err)
		err = checks_attach(vm->checks, vm);
	if (!err)
		err = arm_timeout(vm, &timeout);
	if (!err)
		err = gdb_open(vm);
	if (!err)
		err = arch_machine_start(vm);
	if (!err)
		err = control_attach(vm->control, vm);
	if (!err)
		err = vm_run(vm);
	control_detach(vm->control);
	checks_detach(vm->checks);
	loop_timer_fini(&timeout);
	signals_fini(signals);
	return err;
}

/*
 * Output that nobody takes may hold us up for ever, and the loop that took the signals is over: from here on they have their
 * usual effect. The terminal goes back first; what is still to come looks the same on it.
 */
static void signals_end_us(void)
{
	sigset_t set;

	term_restore();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static bool restarts(const struct vm *vm)
{
	return vm->verdict.kind == VERDICT_REBOOT && vm->config->on_reboot == ON_REBOOT_RESTART &&
	       !vm->asked_to_end;
}

static void say_timeline(const struct vm *vm)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = vm->timeline ? open_memstream(&text, &len) : NULL;

	if (!f)
		return;
	timeline_print(f, vm->timeline);
	if (!fclose(f))
		log_block(text, len);
	free(text);
	trace_timeline(vm->trace, vm->timeline);
}

/* Only an end that somebody asked for says nothing of the command. */
static void judge_command(struct vm *vm)
{
	struct verdict was = vm->verdict;
	bool orderly = was.kind == VERDICT_POWEROFF || was.kind == VERDICT_REBOOT || was.kind == VERDICT_HALT;

	if (vm->config->has_command && orderly && !restarts(vm) && !vm->asked_to_end)
		verdict_set(&vm->verdict, VERDICT_LAUNCHER, 0,
			    "%.100s before its command's exit code was known", was.text);
}

/* What a guest has written and is not where it should be makes a good end a bad one. */
static void close_machine(struct vm *vm)
{
	bool output_lost = arch_output_lost(vm), disk_lost = arch_machine_close(vm) != 0;

	if (verdict_exit_code(&vm->verdict))
		return;
	if (disk_lost)
		verdict_set(&vm->verdict, VERDICT_LAUNCHER, 0, "a disk lacks what the guest wrote last");
	else if (output_lost)
		verdict_set(&vm->verdict, VERDICT_LAUNCHER, 0,
			    "not all that the command wrote could be written");
}

/*
 * The guest is done: nothing it wrote may be lost, and nobody may be left hanging. Between two lives of a machine the
 * signals stay blocked, for the next one's loop to take; so there, too, nobody is waited for without end.
 */
static void settle(struct vm *vm, bool by_signal)
{
	bool patient = !by_signal && vm->verdict.kind != VERDICT_QUIT &&
		       vm->verdict.kind != VERDICT_TIMEOUT && !restarts(vm);
	struct vm *other;

	judge_command(vm);
	if (!restarts(vm)) {
		checks_report(vm->checks, &vm->verdict, true);
		control_remove(vm->control);
		signals_end_us();
	}
	arch_machine_drain(vm, patient ? -1 : STALL_MS);
	vm_join(vm);
	arch_machine_drain(vm, patient ? -1 : STALL_MS);
	close_machine(vm);
	gdb_close(vm);
	other = retrace_at_end(vm, &sigbus_mem);
	report_at_end(other ? other : vm);
	dump_at_end(other ? other : vm);
	retrace_free(other, &sigbus_mem);
	say_timeline(vm);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vm->vcpu[i].recorder.trace = NULL;
	vm->irq_recorder.trace = NULL;
	trace_close(vm->trace);
	vm->trace = NULL;
}

static void say_verdict(const struct verdict *v)
{
	bool good = verdict_exit_code(v) == 0 || v->kind == VERDICT_DEBUG_EXIT;
	enum log_level level = good ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR;

	/* The command has said for itself what there is to say, as far as it could. */
	if (v->kind == VERDICT_COMMAND)
		level = v->value > 128 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
	log_msg(level, "%s", v->text);
}

/* --dump-dtb: the board as it would be, without KVM. */
static int dump_dtb(const struct config *config)
{
	struct vm *vm = pages_alloc(sizeof(*vm));
	int err;

	if (!vm) {
		pr_err("out of memory");
		return EXIT_LAUNCHER;
	}
	err = vm_init(vm, config);
	if (!err)
		err = arch_machine_dump(vm);
	vm_fini(vm);
	pages_free(vm, sizeof(*vm));
	return err ? EXIT_LAUNCHER : 0;
}

/* What the lives of a machine have in common. */
struct lives {
	const struct config *config;
	struct checks *checks;
	struct control *control;
	uint64_t began_ns;
	bool restarted;
};

/* One life of the machine. Returns whether it ended in a verdict (in @v), not in an error of ours. */
static bool run_once(const struct lives *l, struct verdict *v, bool *again)
{
	struct vm *vm = pages_alloc(sizeof(*vm));
	struct signals signals;
	int err;

	*again = false;
	if (!vm) {
		pr_err("out of memory");
		return false;
	}
	vm->began_ns = l->began_ns;
	vm->restarted = l->restarted;
	err = vm_init(vm, l->config);
	vm->checks = l->checks;
	vm->control = l->control;
	atomic_store(&sigbus_mem, &vm->mem);
	if (!err)
		err = vm_bring_up(vm);
	if (!err)
		err = run_loop(vm, &signals);
	if (err) {
		term_restore();
		atomic_store(&sigbus_mem, NULL);
		vm_fini(vm);
		pages_free(vm, sizeof(*vm));
		return false;
	}
	settle(vm, signals.first);
	*v = vm->verdict;
	*again = restarts(vm);
	if (!*again)
		return true; /* the host's kernel takes the rest apart, faster than we could */
	atomic_store(&sigbus_mem, NULL);
	vm_fini(vm);
	pages_free(vm, sizeof(*vm));
	return true;
}

/*
 * SIGTERM when our parent ends, however it does; it may have done so before we asked. (SIGKILL would leave sockets' paths and the guest's disks
 * behind as they are.)
 */
static void die_with_parent(void)
{
	pid_t parent = getppid();

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);
}

/* All lives of the machine, and what they come to. Returns the exit code. */
static int run_and_judge(const struct config *config, struct checks *checks, struct control *control)
{
	struct lives lives = { .config = config, .checks = checks, .control = control, .began_ns = now_ns() };
	struct verdict v = { 0 };
	bool again = false;
	int err;

	do {
		if (!run_once(&lives, &v, &again)) {
			verdict_set(&v, VERDICT_LAUNCHER, 0, "the launcher could not do its part");
			checks_report(checks, &v, false);
			return EXIT_LAUNCHER;
		}
		if (again) {
			say_verdict(&v);
			signals_block();
			lives.restarted = true;
		}
	} while (again);
	checks_judge(checks, &v);
	err = checks_report(checks, &v, false);
	say_verdict(&v);
	return err && !verdict_exit_code(&v) ? EXIT_LAUNCHER : verdict_exit_code(&v);
}

int cmd_run(int argc, char **argv)
{
	struct config config;
	struct control *control;
	struct checks *checks;
	int code;

	if (config_parse(&config, argc, argv))
		return EXIT_LAUNCHER;
	if (config_help(&config))
		return 0;
	if (guestcmd_configure(&config) || config_open_files(&config))
		return EXIT_LAUNCHER;
	if (config.dump_dtb)
		return dump_dtb(&config);
	/* vCPU threads hardly allocate: an arena for each would cost system calls at start-up, and memory. */
	mallopt(M_ARENA_MAX, 1);
	term_catch_crashes(on_sigbus);
	if (vcpu_signal_init())
		return EXIT_LAUNCHER;
	if (config.die_with_parent)
		die_with_parent();
	if (checks_create(&checks, &config, argc, argv))
		return EXIT_LAUNCHER;
	signals_block(); /* no signal ends us with the socket left behind */
	code = control_create(&control, &config) ? EXIT_LAUNCHER : run_and_judge(&config, checks, control);
	control_destroy(control);
	checks_destroy(checks);
	return code;
}
