/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a machine, `kvm run`: options -> config -> machine -> verdict.
 *
 * The machine (vm.h) knows nothing of the ones who watch it: trace, timeline, reports, gdb, checks
 * and the control socket are made here, attached, and closed again.
 *
 * On the way out nothing is taken apart that the host's kernel takes apart anyway: when the guest
 * is done, its consoles are brought out, the terminal restored, the verdict said, and the process
 * ends. Only a restart (--on-reboot restart) goes through the whole tear-down.
 */
#include "control.h"
#include "host_access.h"
#include "kvm/arch.h"
#include "kvm/checks/checks.h"
#include "kvm/cmd.h"
#include "kvm/gdb/gdb_server.h"
#include "kvm/guestcmd/guestcmd.h"
#include "kvm/log.h"
#include "kvm/pages.h"
#include "kvm/postmortem/dump.h"
#include "kvm/postmortem/postmortem.h"
#include "kvm/postmortem/retrace.h"
#include "kvm/term.h"
#include "kvm/timeline.h"
#include "kvm/trace/trace.h"
#include "kvm/vm.h"
#include "signals.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
/* How long a console that takes no byte may hold up an end that nobody asked for politely. */
#define STALL_MS 2000

/* What the lives of a machine have in common. */
struct lives {
	const struct config *config;
	const struct arch *arch;
	struct checks *checks;	 /* NULL: none */
	struct control *control; /* NULL: no --name */
	uint64_t began_ns;
	bool restarted;
};

/* One life: the machine, and what was made to watch it. */
struct life {
	struct vm *vm;
	struct timeline *timeline; /* NULL: no --timeline */
	struct trace *trace;	   /* NULL: no --trace */
	struct reports *reports;
	struct gdb *gdb; /* NULL: no --gdb */
	struct signals signals;
};

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

	vm_end(vm, VERDICT_TIMEOUT, 0, "timed out after %llu s",
	       (unsigned long long)vm->config->timeout_s);
}

/* --timeout is for all lives of the machine together. */
static int arm_timeout(struct vm *vm, struct loop_timer *timeout)
{
	uint64_t limit_ns = vm->config->timeout_s * NS_PER_S, run_ns = now_ns() - vm->began_ns;

	return limit_ns ? loop_timer_arm(timeout, limit_ns > run_ns ? limit_ns - run_ns : 1) : 0;
}

static int run_loop(struct life *l, const struct lives *lives)
{
	struct vm *vm = l->vm;
	struct loop_timer timeout;
	int err = signals_init(&l->signals, vm, l->reports);

	loop_timer_init(&vm->loop, &timeout, on_timeout, vm);
	if (!err)
		err = checks_attach(lives->checks, vm);
	if (!err)
		err = arm_timeout(vm, &timeout);
	if (!err)
		err = gdb_open(&l->gdb, vm);
	if (!err)
		err = vm->arch->start(vm);
	if (!err)
		err = control_attach(lives->control, vm, l->reports);
	if (!err)
		err = vm_run(vm);
	control_detach(lives->control);
	checks_detach(lives->checks);
	loop_timer_fini(&timeout);
	signals_fini(&l->signals);
	return err;
}

/*
 * Output that nobody takes may hold us up for ever, and the loop that took the signals is over:
 * from here on they have their usual effect. The terminal goes back first; what is still to come
 * looks the same on it.
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

/* @options_ns: when the options were parsed. */
static int start_timeline(struct life *l, uint64_t options_ns)
{
	l->timeline = calloc(1, sizeof(*l->timeline));
	if (!l->timeline) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	l->timeline->exec_ns = l->vm->config->exec_ns;
	l->timeline->stage_ns[TIMELINE_OPTIONS] = options_ns;
	l->vm->timeline = l->timeline;
	return 0;
}

static void attach_trace(struct vm *vm, struct trace *t)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		trace_attach(t, &vm->vcpu[i].recorder);
	trace_attach(t, &vm->irq_recorder);
}

static int start_trace(struct life *l)
{
	struct vm *vm = l->vm;
	struct trace_config config;
	int err = trace_parse(&config, vm->config->trace);

	config.start_ns = vm->config->exec_ns ? vm->config->exec_ns : vm->began_ns;
	config.goes_on = vm->restarted;
	if (!err)
		err = trace_open(&l->trace, &config, &vm->pio, &vm->mmio);
	if (!err)
		attach_trace(vm, l->trace);
	return err;
}

static void stop_trace(struct life *l)
{
	attach_trace(l->vm, NULL);
	trace_close(l->trace);
	l->trace = NULL;
}

static void say_timeline(const struct life *l)
{
	const struct vm_times *times = &l->vm->times;
	struct timeline *t = l->timeline;
	char *text = NULL;
	size_t len = 0;
	FILE *f = t ? open_memstream(&text, &len) : NULL;

	if (!f)
		return;
	t->stage_ns[TIMELINE_KVM] = times->kvm_ns;
	t->stage_ns[TIMELINE_LOADED] = times->created_ns;
	t->stage_ns[TIMELINE_ENTRY] = times->entry_ns;
	t->stage_ns[TIMELINE_END] = times->ended_ns;
	timeline_print(f, t);
	if (!fclose(f))
		log_block(text, len);
	free(text);
	trace_timeline(l->trace, t);
}

/* Only an end that somebody asked for says nothing of the command. */
static void judge_command(struct vm *vm)
{
	struct verdict was = vm->verdict;
	bool orderly = was.kind == VERDICT_POWEROFF || was.kind == VERDICT_REBOOT ||
		       was.kind == VERDICT_HALT;

	if (vm->config->has_command && orderly && !restarts(vm) && !vm->asked_to_end)
		verdict_set(&vm->verdict, VERDICT_LAUNCHER, 0,
			    "%.100s before its command's exit code was known", was.text);
}

/* What a guest has written and is not where it should be makes a good end a bad one. */
static void close_machine(struct vm *vm)
{
	bool output_lost = vm->arch->output_lost(vm), disk_lost = vm->arch->close(vm) != 0;

	if (verdict_exit_code(&vm->verdict))
		return;
	if (disk_lost)
		verdict_set(&vm->verdict, VERDICT_LAUNCHER, 0,
			    "a disk lacks what the guest wrote last");
	else if (output_lost)
		verdict_set(&vm->verdict, VERDICT_LAUNCHER, 0,
			    "not all that the command wrote could be written");
}

/* What is to be told of a bad end, by a re-run where that knows more. */
static void report_end(struct vm *vm)
{
	struct retrace *again = retrace_at_end(vm, &sigbus_mem);
	struct vm *seen = again ? retrace_vm(again) : vm;

	report_at_end(seen);
	dump_at_end(seen);
	retrace_free(again, &sigbus_mem);
}

/*
 * The guest is done: nothing it wrote may be lost, and nobody may be left hanging. Between two
 * lives of a machine the signals stay blocked, for the next one's loop to take; so there, too,
 * nobody is waited for without end.
 */
static void settle(struct life *l, const struct lives *lives)
{
	struct vm *vm = l->vm;
	bool patient = !l->signals.first && vm->verdict.kind != VERDICT_QUIT &&
		       vm->verdict.kind != VERDICT_TIMEOUT && !restarts(vm);

	judge_command(vm);
	if (!restarts(vm)) {
		checks_report(lives->checks, &vm->verdict, true);
		control_remove(lives->control);
		signals_end_us();
	}
	vm->arch->drain(vm, patient ? -1 : STALL_MS);
	vm_join(vm);
	vm->arch->drain(vm, patient ? -1 : STALL_MS);
	close_machine(vm);
	gdb_close(l->gdb);
	l->gdb = NULL;
	report_end(vm);
	say_timeline(l);
	stop_trace(l);
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
static int dump_dtb(const struct config *config, const struct arch *arch)
{
	struct vm *vm = pages_alloc(sizeof(*vm));
	int err;

	if (!vm) {
		pr_err("out of memory");
		return EXIT_LAUNCHER;
	}
	err = vm_init(vm, config, arch);
	vm->pack = guestcmd_archive;
	if (!err)
		err = arch->dump_dtb(vm);
	vm_fini(vm);
	pages_free(vm, sizeof(*vm));
	return err ? EXIT_LAUNCHER : 0;
}

/* Says why there is no KVM. */
static void explain_kvm(const struct vm *vm)
{
	char why[256];

	if (vm->kvm_step == VM_KVM_OPEN)
		host_explain_open(&vm->arch->host, -vm->kvm_err, why, sizeof(why));
	else if (vm->kvm_step == VM_KVM_CREATE)
		host_explain_create(-vm->kvm_err, why, sizeof(why));
	else
		return; /* it was reported */
	pr_err("%s", why);
}

/* The machine as far as it goes without KVM, and who watches it. Returns 0 or -errno (reported). */
static int begin_life(struct life *l, const struct lives *lives)
{
	uint64_t options_ns = now_ns(); /* they were parsed a moment ago */
	struct vm *vm = l->vm;
	int err;

	vm->began_ns = lives->began_ns;
	vm->restarted = lives->restarted;
	err = vm_init(vm, lives->config, lives->arch);
	vm->pack = guestcmd_archive;
	atomic_store(&sigbus_mem, &vm->mem);
	if (!err && lives->config->timeline)
		err = start_timeline(l, options_ns);
	if (!err && lives->config->trace)
		err = start_trace(l);
	return err ? err : reports_open(&l->reports, vm);
}

/* Takes all of it apart, however far it has come. */
static void end_life(struct life *l)
{
	atomic_store(&sigbus_mem, NULL);
	vm_join(l->vm);
	reports_close(l->reports);
	gdb_close(l->gdb);
	vm_fini(l->vm);
	trace_close(l->trace);
	free(l->timeline);
	pages_free(l->vm, sizeof(*l->vm));
}

/*
 * One life of the machine. Returns whether it ended in a verdict (in @v), not in an error of ours.
 */
static bool run_once(const struct lives *lives, struct verdict *v, bool *again)
{
	struct life l = { .vm = pages_alloc(sizeof(*l.vm)) };
	int err;

	*again = false;
	if (!l.vm) {
		pr_err("out of memory");
		return false;
	}
	err = begin_life(&l, lives);
	if (!err) {
		err = vm_bring_up(l.vm);
		if (err)
			explain_kvm(l.vm);
	}
	if (!err)
		err = run_loop(&l, lives);
	if (err) {
		term_restore();
		end_life(&l);
		return false;
	}
	settle(&l, lives);
	*v = l.vm->verdict;
	*again = restarts(l.vm);
	if (*again)
		end_life(&l);
	/* the last life: the host's kernel takes the rest apart, faster than we could */
	return true;
}

/*
 * SIGTERM when our parent ends, however it does; it may have done so before we asked. (SIGKILL
 * would leave sockets' paths and the guest's disks behind as they are.)
 */
static void die_with_parent(void)
{
	pid_t parent = getppid();

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);
}

/* All lives of the machine, and what they come to. Returns the exit code. */
static int run_and_judge(struct lives *lives)
{
	struct verdict v = { 0 };
	bool again = false;
	int err;

	lives->began_ns = now_ns();
	do {
		if (!run_once(lives, &v, &again)) {
			verdict_set(&v, VERDICT_LAUNCHER, 0, "the launcher could not do its part");
			checks_report(lives->checks, &v, false);
			return EXIT_LAUNCHER;
		}
		if (again) {
			say_verdict(&v);
			signals_block();
			lives->restarted = true;
		}
	} while (again);
	checks_judge(lives->checks, &v);
	err = checks_report(lives->checks, &v, false);
	say_verdict(&v);
	return err && !verdict_exit_code(&v) ? EXIT_LAUNCHER : verdict_exit_code(&v);
}

int cmd_run(int argc, char **argv, const struct arch *arch)
{
	struct config config;
	struct lives lives = { .config = &config, .arch = arch };
	int code;

	if (config_parse(&config, argc, argv))
		return EXIT_LAUNCHER;
	if (config_help(&config, arch))
		return 0;
	if (guestcmd_configure(&config) || config_open_files(&config))
		return EXIT_LAUNCHER;
	if (config.dump_dtb)
		return dump_dtb(&config, arch);
	/*
	 * vCPU threads hardly allocate: an arena for each would cost system calls at start-up, and
	 * memory.
	 */
	mallopt(M_ARENA_MAX, 1);
	term_catch_crashes(on_sigbus);
	if (vcpu_signal_init())
		return EXIT_LAUNCHER;
	if (config.die_with_parent)
		die_with_parent();
	if (checks_create(&lives.checks, &config, argc, argv))
		return EXIT_LAUNCHER;
	signals_block(); /* no signal ends us with the socket left behind */
	code = control_create(&lives.control, &config) ? EXIT_LAUNCHER : run_and_judge(&lives);
	control_destroy(lives.control);
	checks_destroy(lives.checks);
	return code;
}
