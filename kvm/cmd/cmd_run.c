/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm run: parses the options, sets up a machine, runs it, and turns its end into an exit code.
 *
 * The machine (vm.h) does not know what watches it: this file creates, attaches and closes trace,
 * timeline, reports, gdb, checks and the control socket.
 *
 * At the end, kvm run skips the clean-up that the host's kernel does anyway: when the guest is
 * done, it writes out the consoles, restores the terminal, prints the verdict, and exits. Only a
 * restart (--on-reboot restart) takes everything apart.
 */
#include "control.h"
#include "host_access.h"
#include "host_memory.h"
#include "kvm/arch.h"
#include "kvm/base/fatal.h"
#include "kvm/base/options.h"
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
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
/* How long a console that accepts no output may delay a forced end or a restart. */
#define STALL_MS 2000

/*
 * What all lives of a machine share. A life is one run of the machine, up to its end or its
 * restart.
 */
struct lives {
	const struct config *config;
	const struct arch *arch;
	struct checks *checks;	 /* NULL: none */
	struct control *control; /* NULL: no --name */
	uint64_t began_ns;
	bool restarted;
};

/* One life: the machine, and what watches it. */
struct life {
	struct vm *vm;
	struct timeline *timeline; /* NULL: no --timeline */
	struct trace *trace;	   /* NULL: no --trace */
	struct reports *reports;
	struct gdb *gdb; /* NULL: no --gdb */
	struct signals signals;
};

/* The guest memory that a faulting access may belong to; only for the SIGBUS handler. */
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

/* --timeout limits all lives of the machine together. */
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

static bool restarts(const struct vm *vm)
{
	return vm->verdict.kind == VERDICT_REBOOT && vm->config->on_reboot == ON_REBOOT_RESTART &&
	       !vm->asked_to_end;
}

/* @options_ns: the time when the options had been parsed. */
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
	free(config.path);
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

/*
 * Turns an orderly end before the command's exit code is known into an error, unless someone has
 * asked the machine to end.
 */
static void judge_command(struct vm *vm)
{
	struct verdict was = vm->verdict;
	bool orderly = was.kind == VERDICT_POWEROFF || was.kind == VERDICT_REBOOT ||
		       was.kind == VERDICT_HALT;

	if (vm->config->has_command && orderly && !restarts(vm) && !vm->asked_to_end)
		verdict_set(&vm->verdict, VERDICT_LAUNCHER, 0,
			    "%.100s before its command's exit code was known", was.text);
}

/* Turns a good end into an error if output or disk writes of the guest are lost. */
static void close_machine(struct vm *vm)
{
	bool output_lost = vm->arch->output_lost(vm), disk_lost = vm->arch->close(vm) != 0;

	if (verdict_exit_code(&vm->verdict))
		return;
	if (disk_lost)
		verdict_set(&vm->verdict, VERDICT_LAUNCHER, 0,
			    "the guest's last writes could not be written to a disk");
	else if (output_lost)
		verdict_set(&vm->verdict, VERDICT_LAUNCHER, 0,
			    "not all of the %s's output could be written",
			    vm->config->has_command ? "command" : "guest");
	else if (vm->config->log_path && !log_file_is_whole())
		verdict_set(&vm->verdict, VERDICT_LAUNCHER, 0,
			    "not all of the --log could be written");
}

/* A guest that was ended from outside, or asked for it, has lacked nothing. */
static void find_hint(struct vm *vm)
{
	struct verdict *v = &vm->verdict;

	if (v->kind == VERDICT_PANIC || v->kind == VERDICT_CRASH || v->kind == VERDICT_TIMEOUT ||
	    (v->kind == VERDICT_LAUNCHER && vm->config->has_command))
		if (!vm->arch->find_hint(vm, v->hint, sizeof(v->hint)))
			v->hint[0] = '\0';
}

/* Prints the report of a bad end and writes its core; both are of a re-run if that knows more. */
static void report_end(struct vm *vm)
{
	struct retrace *again = retrace_at_end(vm, &sigbus_mem);
	struct vm *seen = again ? retrace_vm(again) : vm;

	report_at_end(seen);
	dump_at_end(seen);
	retrace_free(again, &sigbus_mem);
}

/*
 * Completes a life after the guest has ended: writes out all that it wrote. An output that accepts
 * nothing must not block the launcher for ever: after the last life a signal ends the wait, and
 * only the wait; the disks are closed and the reports are written all the same. Between two lives,
 * and when a signal has come already, the wait has a limit. Restores the terminal first; later
 * output looks the same on it.
 */
static void settle(struct life *l, const struct lives *lives)
{
	struct vm *vm = l->vm;
	bool patient = !l->signals.first && vm->verdict.kind != VERDICT_QUIT &&
		       vm->verdict.kind != VERDICT_TIMEOUT && !restarts(vm);

	judge_command(vm);
	find_hint(vm);
	if (!restarts(vm)) {
		checks_report(lives->checks, &vm->verdict, true);
		control_remove(lives->control);
		term_restore();
		log_set_patient(patient);
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

	/* The command has printed its own errors, unless a signal has killed it. */
	if (v->kind == VERDICT_COMMAND)
		level = v->value > 128 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
	if (v->hint[0])
		pr_warn("%s", v->hint);
	log_msg(level, "%s", v->text);
}

/* --dump-dtb: writes the device tree that the machine would have, without KVM. */
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

/* Prints why KVM cannot be used. */
static void explain_kvm(const struct vm *vm)
{
	char why[256];

	if (vm->kvm_step == VM_KVM_OPEN)
		host_explain_open(&vm->arch->host, -vm->kvm_err, why, sizeof(why));
	else if (vm->kvm_step == VM_KVM_CREATE)
		host_explain_create(-vm->kvm_err, why, sizeof(why));
	else
		return; /* already reported */
	pr_err("%s", why);
}

/*
 * Sets up the machine as far as possible without KVM, and what watches it. Returns 0, or -errno
 * (reported).
 */
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
	return err ? err : reports_open(&l->reports, vm);
}

/*
 * Opens the files that the machine writes from its start on. Called when the set-up has succeeded,
 * since it empties them: a typo in another option must not cost an old log.
 */
static int open_outputs(struct life *l, const struct lives *lives)
{
	const struct config *config = lives->config;
	int err = config->trace ? start_trace(l) : 0;

	if (!err && config->log_path && !lives->restarted)
		err = log_open_file(config->log_path);
	return err;
}

/* Takes a life apart, however far its set-up has come. */
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
 * Explains a set-up that has failed with @err, unless that was reported, as it should be where more
 * is known. @errors_before: log_errors() at the start.
 */
static void explain_failure(int err, unsigned int errors_before)
{
	if (log_errors() != errors_before)
		return;
	pr_err("cannot set up the machine: %s%s", strerror(-err),
	       err == -EMFILE ? "; raise the limit of open files (`ulimit -n`)" : "");
}

/*
 * Runs one life of the machine. Returns true if it ended in a verdict (in @v), false after an error
 * of the launcher.
 */
static bool run_once(const struct lives *lives, struct verdict *v, bool *again)
{
	struct life l = { .vm = pages_alloc(sizeof(*l.vm)) };
	unsigned int errors = log_errors();
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
		err = open_outputs(&l, lives);
	if (!err)
		err = run_loop(&l, lives);
	if (err) {
		term_restore();
		end_life(&l);
		explain_failure(err, errors);
		return false;
	}
	settle(&l, lives);
	*v = l.vm->verdict;
	*again = restarts(l.vm);
	if (*again)
		end_life(&l);
	/* after the last life the host's kernel frees the rest, faster than we could */
	return true;
}

/*
 * Requests SIGTERM for us when our parent process ends, and raises it if the parent ended before
 * the request. (SIGKILL would leave sockets' paths behind, and the guest's disks as they are.)
 */
static void die_with_parent(void)
{
	pid_t parent = getppid();

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);
}

/* Runs the machine, as often as it is restarted, and judges its end. Returns the exit code. */
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
			lives->restarted = true;
		}
	} while (again);
	checks_judge(lives->checks, &v);
	err = checks_report(lives->checks, &v, false);
	say_verdict(&v);
	return err && !verdict_exit_code(&v) ? EXIT_LAUNCHER : verdict_exit_code(&v);
}

/* The host's kernel kills the launcher when the guest uses more than its control group allows. */
static void check_memory_limit(const struct config *config)
{
	uint64_t limit_bytes = host_memory_limit_here("");
	char size[24], limit[24];

	if (config->mem_bytes > limit_bytes)
		pr_warn("-m %s: this control group may only use %s; if the guest uses more, the host kills kvm",
			format_size(config->mem_bytes, size), format_size(limit_bytes, limit));
}

static int run_config(struct config *config, int argc, char **argv, const struct arch *arch)
{
	struct lives lives = { .config = config, .arch = arch };
	int code;

	if (config_parse(config, argc, argv))
		return EXIT_LAUNCHER;
	if (config_help(config, arch))
		return 0;
	if (guestcmd_configure(config) || config_check_paths(config))
		return EXIT_LAUNCHER;
	if (config->dump_dtb)
		return dump_dtb(config, arch);
	check_memory_limit(config);
	/*
	 * vCPU threads hardly allocate: an arena for each would cost memory, and system calls at
	 * start-up.
	 */
	mallopt(M_ARENA_MAX, 1);
	signal(SIGPIPE, SIG_IGN);
	log_own_stderr();
	fatal_catch_sigbus(on_sigbus);
	if (vcpu_signal_init())
		return EXIT_LAUNCHER;
	if (config->die_with_parent)
		die_with_parent();
	if (checks_create(&lives.checks, config, argc, argv))
		return EXIT_LAUNCHER;
	code = control_create(&lives.control, config) ? EXIT_LAUNCHER : run_and_judge(&lives);
	control_destroy(lives.control);
	checks_destroy(lives.checks);
	return code;
}

int cmd_run(int argc, char **argv, const struct arch *arch)
{
	struct config config;
	int code = run_config(&config, argc, argv, arch);

	config_free(&config);
	return code;
}
