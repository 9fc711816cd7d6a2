/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests a machine from set-up to end with a fake architecture and without KVM: partial set-ups,
 * sinks, hooks, requests to vCPUs, reports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/arch.h"
#include "kvm/checks/checks.h"
#include "kvm/postmortem/postmortem.h"
#include "kvm/vm.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define NR_CPUS 2

/* What the fake architecture did; its state is in vm->machine. */
struct machine {
	unsigned int inits, destroys, creates;
	pthread_t searcher;
	int err; /* init()'s result */
};

static int fake_init(struct vm *vm)
{
	vm->machine->inits++;
	return vm->machine->err;
}

static void fake_destroy(struct vm *vm)
{
	vm->machine->destroys++;
}

static int fake_create(struct vm *vm)
{
	vm->machine->creates++;
	return vm_wait_kvm(vm);
}

static void fake_report(FILE *f, struct vcpu *v, bool brief)
{
	fprintf(f, "vCPU %u%s\n", v->index, brief ? ", in brief" : "");
}

/* It searches guest memory, for so long that the loop must not wait for it. */
static void fake_report_log(FILE *f, struct vm *vm, bool whole)
{
	vm->machine->searcher = pthread_self();
	fputs(whole ? "whole log\n" : "log\n", f);
}

static const struct arch fake_arch = {
	.init = fake_init,
	.destroy = fake_destroy,
	.create = fake_create,
	.report = fake_report,
	.report_log = fake_report_log,
};

struct rig {
	struct config config;
	struct machine machine;
	struct vm vm;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->config.nr_cpus = NR_CPUS;
	r->vm.machine = &r->machine;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void init(struct rig *r)
{
	assert_int_equal(vm_init(&r->vm, &r->config, &fake_arch), 0);
}

/* ---- set-up and end ---- */

static void a_life_without_kvm_is_undone(void **state)
{
	struct rig *r = *state;

	init(r);
	assert_int_equal(r->machine.inits, 1);
	assert_int_equal(r->vm.nr_vcpus, NR_CPUS);
	assert_true(r->vm.vcpu[1].vm == &r->vm && r->vm.vcpu[1].index == 1);
	vm_fini(&r->vm);
	assert_int_equal(r->machine.destroys, 1);
	assert_null(r->vm.vcpu);
}

static void an_architecture_that_fails_is_undone_too(void **state)
{
	struct rig *r = *state;

	r->machine.err = -ENOMEM;
	assert_int_equal(vm_init(&r->vm, &r->config, &fake_arch), -ENOMEM);
	vm_fini(&r->vm);
	assert_int_equal(r->machine.destroys, 1);
}

static void two_lives_follow_each_other(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < 2; i++) {
		memset(&r->vm, 0, sizeof(r->vm));
		r->vm.machine = &r->machine;
		init(r);
		vm_end(&r->vm, VERDICT_POWEROFF, 0, "off");
		vm_join(&r->vm);
		vm_fini(&r->vm);
	}
	assert_int_equal(r->machine.destroys, 2);
}

/* No descriptor is free, so that /dev/kvm cannot be opened, whether it exists or not. */
static void the_step_is_known_once_somebody_waits(void **state)
{
	struct rig *r = *state;
	struct rlimit was, none;

	init(r);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(vm_start_kvm(&r->vm), 0);
	assert_int_equal(r->vm.kvm_step, VM_KVM_NONE);
	assert_int_equal(vm_wait_kvm(&r->vm), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(r->vm.kvm_step, VM_KVM_OPEN);
	assert_true(r->vm.times.kvm_ns && !r->vm.times.entry_ns);
	vm_fini(&r->vm);
	assert_int_equal(r->machine.destroys, 1);
}

static void an_end_has_its_time_and_its_verdict_once(void **state)
{
	struct rig *r = *state;
	uint64_t ended_ns;

	init(r);
	assert_false(r->vm.times.ended_ns);
	vm_end(&r->vm, VERDICT_REBOOT, 0, "the guest rebooted (%s)", "x");
	ended_ns = r->vm.times.ended_ns;
	assert_true(ended_ns);
	while (now_ns() == ended_ns)
		;
	vm_end(&r->vm, VERDICT_CRASH, 0, "later");
	assert_int_equal(r->vm.verdict.kind, VERDICT_REBOOT);
	assert_string_equal(r->vm.verdict.text, "the guest rebooted (x)");
	assert_true(r->vm.times.ended_ns == ended_ns);
	vm_fini(&r->vm);
}

/* `kvm stop` that comes a moment after the guest's reboot. */
static void who_asks_for_the_end_gets_no_restart(void **state)
{
	static const enum verdict_kind asked[] = { VERDICT_QUIT, VERDICT_SIGNAL };
	struct rig *r = *state;

	for (unsigned int i = 0; i < 2; i++) {
		init(r);
		vm_end(&r->vm, VERDICT_REBOOT, 0, "the guest rebooted");
		vm_end(&r->vm, VERDICT_CRASH, 0, "later");
		assert_false(r->vm.asked_to_end);
		vm_end(&r->vm, asked[i], 0, "ended by the user");
		assert_int_equal(r->vm.verdict.kind, VERDICT_REBOOT);
		assert_true(r->vm.asked_to_end);
		vm_fini(&r->vm);
		r->vm = (struct vm){ .machine = &r->machine };
	}
}

/* ---- sinks and hooks ---- */

struct heard {
	struct vm_sink sink;
	char text[64];
};

static void hear(void *ctx, const uint8_t *bytes, size_t len)
{
	strncat(((struct heard *)ctx)->text, (const char *)bytes, len);
}

static void sinks_hear_the_main_console(void **state)
{
	struct rig *r = *state;
	struct heard a = { .sink = { .output = hear, .ctx = &a } },
		     b = { .sink = { .output = hear, .ctx = &b } };

	init(r);
	vm_console_output(&r->vm, (const uint8_t *)"nobody", 6);
	vm_add_sink(&r->vm, &a.sink);
	vm_console_output(&r->vm, (const uint8_t *)"one ", 4);
	vm_add_sink(&r->vm, &b.sink);
	vm_console_output(&r->vm, (const uint8_t *)"two", 3);
	assert_string_equal(a.text, "one two");
	assert_string_equal(b.text, "two");
	vm_fini(&r->vm);
}

static void note_wait(void *ctx)
{
	struct rig *r = ctx;

	r->vm.vcpu[0].held = false;
	r->machine.creates++;
}

static bool is_debugged(const void *ctx)
{
	return ctx;
}

static void a_held_vcpu_tells_the_debugger(void **state)
{
	struct rig *r = *state;

	init(r);
	assert_false(vm_is_debugged(&r->vm));
	r->vm.hooks =
		(struct vm_hooks){ .held_waits = note_wait, .is_debugged = is_debugged, .ctx = r };
	assert_true(vm_is_debugged(&r->vm));
	vm_wait_resumed(&r->vm.vcpu[0]);
	assert_int_equal(r->machine.creates, 0);
	r->vm.vcpu[0].held = true;
	vm_wait_resumed(&r->vm.vcpu[0]);
	assert_int_equal(r->machine.creates, 1);
	vm_fini(&r->vm);
}

/* ---- requests to vCPUs ---- */

struct question {
	struct vcpu_ask ask;
	bool again; /* requests again from the callback */
	unsigned int nr_answers;
};

static void count_answer(struct vcpu *v, void *ctx)
{
	struct question *q = ctx;

	q->nr_answers++;
	if (q->again) {
		q->again = false;
		vcpu_ask(v, &q->ask);
	}
}

static void an_ask_is_answered_once(void **state)
{
	struct question a = { .ask = { .fn = count_answer, .ctx = &a } };
	struct question b = { .ask = { .fn = count_answer, .ctx = &b } };
	struct rig *r = *state;
	struct vcpu *v;

	init(r);
	v = &r->vm.vcpu[0];
	vcpu_answer(v);
	vcpu_ask(v, &a.ask);
	vcpu_ask(v, &b.ask);
	vcpu_ask(v, &a.ask);
	assert_int_equal(a.nr_answers, 0);
	vcpu_answer(v);
	vcpu_answer(v);
	assert_int_equal(a.nr_answers, 1);
	assert_int_equal(b.nr_answers, 1);
	vcpu_ask(v, &a.ask);
	vcpu_answer(v);
	assert_int_equal(a.nr_answers, 2);
	assert_int_equal(b.nr_answers, 1);
	vm_fini(&r->vm);
}

static void an_answer_may_ask_again(void **state)
{
	struct question q = { .ask = { .fn = count_answer, .ctx = &q }, .again = true };
	struct rig *r = *state;

	init(r);
	vcpu_ask(&r->vm.vcpu[0], &q.ask);
	vcpu_answer(&r->vm.vcpu[0]);
	assert_int_equal(q.nr_answers, 1);
	vcpu_answer(&r->vm.vcpu[0]);
	vcpu_answer(&r->vm.vcpu[0]);
	assert_int_equal(q.nr_answers, 2);
	vm_fini(&r->vm);
}

#define NR_ASKERS 3
#define NR_QUESTIONS 2000

/* Threads publish a number and make a request; the vCPU must have seen the last number of all. */
struct asker {
	struct vcpu *v;
	struct vcpu_ask ask;
	struct vcpu_ask *shared; /* one request that all of them make */
	_Atomic unsigned int told;
	unsigned int seen, nr_answers; /* the vCPU's thread's */
	pthread_t thread;
};

static void see(struct vcpu *v, void *ctx)
{
	struct asker *a = ctx;

	(void)v;
	a->seen = atomic_load(&a->told);
	a->nr_answers++;
}

static void *ask_often(void *ctx)
{
	struct asker *a = ctx;

	for (unsigned int i = 1; i <= NR_QUESTIONS; i++) {
		atomic_store(&a->told, i);
		vcpu_ask(a->v, &a->ask);
		vcpu_ask(a->v, a->shared);
	}
	return NULL;
}

/* Does what vcpu_run() does, without a guest: until the machine has ended, and once more. */
static void *play_vcpu(void *ctx)
{
	struct vcpu *v = ctx;
	bool ended;

	do {
		ended = atomic_load(&v->vm->ended);
		if (__atomic_exchange_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST) || ended)
			vcpu_answer(v);
	} while (!ended);
	return NULL;
}

static void start_vcpu(struct vcpu *v)
{
	v->run = calloc(1, 4096);
	assert_int_equal(pthread_create(&v->thread, NULL, play_vcpu, v), 0);
	v->started = true;
}

static void stop_vcpu(struct vcpu *v)
{
	vm_end(v->vm, VERDICT_QUIT, 0, "enough");
	pthread_join(v->thread, NULL);
	v->started = false;
	free(v->run);
	v->run = NULL;
}

static void no_ask_is_lost(void **state)
{
	struct asker asker[NR_ASKERS], all = { .told = 7 };
	struct rig *r = *state;
	struct vcpu *v;

	init(r);
	v = &r->vm.vcpu[0];
	assert_int_equal(vcpu_signal_init(), 0);
	start_vcpu(v);
	all.ask = (struct vcpu_ask){ .fn = see, .ctx = &all };
	for (unsigned int i = 0; i < NR_ASKERS; i++) {
		asker[i] = (struct asker){ .v = v, .shared = &all.ask };
		asker[i].ask = (struct vcpu_ask){ .fn = see, .ctx = &asker[i] };
		assert_int_equal(pthread_create(&asker[i].thread, NULL, ask_often, &asker[i]), 0);
	}
	for (unsigned int i = 0; i < NR_ASKERS; i++)
		pthread_join(asker[i].thread, NULL);
	stop_vcpu(v);
	for (unsigned int i = 0; i < NR_ASKERS; i++) {
		assert_int_equal(asker[i].seen, NR_QUESTIONS);
		assert_true(asker[i].nr_answers <= NR_QUESTIONS);
	}
	assert_int_equal(all.seen, 7);
	assert_true(all.nr_answers && all.nr_answers <= NR_ASKERS * NR_QUESTIONS);
	vm_fini(&r->vm);
}

/* ---- reports ---- */

struct taken {
	struct vm *vm;
	unsigned int *nr_due;
	char text[256];
};

static void take(void *ctx, const char *text, size_t len)
{
	struct taken *t = ctx;

	snprintf(t->text, sizeof(t->text), "%.*s", (int)len, text);
	if (--*t->nr_due == 0)
		loop_stop(&t->vm->loop);
}

static void each_vcpu_reports_on_its_thread(void **state)
{
	struct rig *r = *state;
	unsigned int nr_due = 3;
	struct taken t[3];
	struct report_sink sink[3];
	struct reports *reports;

	init(r);
	assert_int_equal(reports_open(&reports, &r->vm), 0);
	for (unsigned int i = 0; i < NR_CPUS; i++)
		start_vcpu(&r->vm.vcpu[i]);
	for (unsigned int i = 0; i < 3; i++) {
		t[i] = (struct taken){ .vm = &r->vm, .nr_due = &nr_due };
		sink[i] = (struct report_sink){ .fn = take, .ctx = &t[i] };
		reports_request(reports, &sink[i]); /* the later ones wait for the next report */
	}
	assert_int_equal(loop_run(&r->vm.loop), 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_string_equal(t[i].text, "log\nvCPU 0\nvCPU 1, in brief\n");
	assert_false(pthread_equal(r->machine.searcher, pthread_self()));
	for (unsigned int i = 0; i < NR_CPUS; i++)
		stop_vcpu(&r->vm.vcpu[i]);
	reports_close(reports);
	assert_null(r->vm.report_key.pressed);
	vm_fini(&r->vm);
}

/* The machine ends before the report is complete: nothing leaks, and no callback is called. */
static void a_report_that_is_under_way_is_dropped(void **state)
{
	struct rig *r = *state;
	struct reports *reports;

	init(r);
	assert_int_equal(reports_open(&reports, &r->vm), 0);
	r->vm.report_key.pressed(r->vm.report_key.ctx);
	reports_request(reports, NULL);
	vcpu_answer(&r->vm.vcpu[1]);
	reports_close(reports);
	vm_fini(&r->vm);
	reports_close(NULL);
}

static void a_stop_is_seen_by_the_clock(void **state)
{
	struct rig *r = *state;
	uint64_t now = 5000000000;

	init(r);
	r->vm.looked_ns = now;
	vm_look_for_stop(&r->vm, now += 1000000000);
	vm_look_for_stop(&r->vm, now += 1900000000); /* a busy host */
	assert_false(atomic_load(&r->vm.vcpu[0].stopped));
	vm_look_for_stop(&r->vm, now += 4000000000);
	for (unsigned int i = 0; i < NR_CPUS; i++)
		assert_true(atomic_exchange(&r->vm.vcpu[i].stopped, false));
	vm_look_for_stop(&r->vm, now + 1);
	assert_false(atomic_load(&r->vm.vcpu[0].stopped));
	vm_fini(&r->vm);
}

/* ---- the checks of a console ---- */

#define PORT_NS 300000000ULL
#define PORT_OUTPUTS 8

struct talk {
	struct vm *vm;
	struct loop_timer timer;
	unsigned int nr;
};

static void on_talk(void *ctx)
{
	struct talk *t = ctx;

	if (t->nr == PORT_OUTPUTS)
		return;
	t->nr++;
	vm_port_output(t->vm);
	loop_timer_arm(&t->timer, PORT_NS);
}

/* A machine whose console is silent does not end before its ports are, too. */
static void a_ports_output_is_a_sign_of_life(void **state)
{
	struct rig *r = *state;
	struct talk t = { .vm = &r->vm };
	struct checks *c;

	r->config.idle_timeout_s = 1;
	init(r);
	assert_int_equal(checks_create(&c, &r->config, 0, NULL), 0);
	assert_int_equal(checks_attach(c, &r->vm), 0);
	loop_timer_init(&r->vm.loop, &t.timer, on_talk, &t);
	loop_timer_arm(&t.timer, PORT_NS);
	assert_int_equal(loop_run(&r->vm.loop), 0);
	assert_int_equal(r->vm.verdict.kind, VERDICT_TIMEOUT);
	assert_int_equal(t.nr, PORT_OUTPUTS);
	loop_timer_fini(&t.timer);
	checks_detach(c);
	checks_destroy(c);
	vm_join(&r->vm);
	vm_fini(&r->vm);
}

/* What is expected may come between two lives, when consoles are drained: the next one ends. */
static void an_expectation_between_two_lives_counts(void **state)
{
	struct rig *r = *state;
	struct checks *c;

	r->config.expect[0] = "up";
	r->config.nr_expects = 1;
	init(r);
	assert_int_equal(checks_create(&c, &r->config, 0, NULL), 0);
	assert_int_equal(checks_attach(c, &r->vm), 0);
	checks_detach(c);
	vm_console_output(&r->vm, (const uint8_t *)"up\n", 3);
	assert_int_equal(r->vm.verdict.kind, VERDICT_NONE);
	r->vm.sinks = NULL; /* as in a new life */
	assert_int_equal(checks_attach(c, &r->vm), 0);
	assert_int_equal(r->vm.verdict.kind, VERDICT_MET);
	checks_detach(c);
	checks_destroy(c);
	vm_join(&r->vm);
	vm_fini(&r->vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_life_without_kvm_is_undone),
		T(an_architecture_that_fails_is_undone_too),
		T(two_lives_follow_each_other),
		T(the_step_is_known_once_somebody_waits),
		T(an_end_has_its_time_and_its_verdict_once),
		T(who_asks_for_the_end_gets_no_restart),
		T(sinks_hear_the_main_console),
		T(a_held_vcpu_tells_the_debugger),
		T(a_stop_is_seen_by_the_clock),
		T(an_ask_is_answered_once),
		T(an_answer_may_ask_again),
		T(no_ask_is_lost),
		T(each_vcpu_reports_on_its_thread),
		T(a_report_that_is_under_way_is_dropped),
		T(a_ports_output_is_a_sign_of_life),
		T(an_expectation_between_two_lives_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
