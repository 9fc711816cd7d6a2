/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decides which vCPUs are reported in full and prints each report in one piece: a vCPU's text is
 * rendered into memory first, so that nothing else comes between its lines.
 */
#include "postmortem.h"

#include "kvm/arch.h"
#include "kvm/job.h"
#include "kvm/log.h"
#include "kvm/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answer {
	struct reports *reports;
	struct vcpu_ask ask;
	bool due;   /* its text belongs to the report under way */
	char *text; /* NULL: not given yet */
};

/* Who gets a report. */
struct takers {
	struct report_sink *first;
	bool to_stderr;
};

struct reports {
	struct vm *vm;
	/* Of the loop's thread: */
	bool under_way;
	struct takers served, waiting; /* of the report under way, and of the next one */
	struct job job;		       /* completes the report */
	char *text;
	size_t len;
	pthread_mutex_t lock; /* protects what follows */
	struct loop_timer timer;
	unsigned int due;	/* answers due, 0: none */
	struct answer answer[]; /* of each vCPU */
};

/*
 * How long the loop gives vCPUs to answer. A vCPU may wait inside a device for a process that takes
 * its output.
 */
#define ANSWER_NS 2000000000ULL

/* Returns a vCPU's report, or NULL: out of memory. The caller frees it. */
static char *render(struct vcpu *v, bool brief)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	v->vm->arch->report(f, v, brief);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static bool full(const struct vm *vm)
{
	return vm->config->post_mortem == POST_MORTEM_FULL || vm->config->verbose;
}

static void print_block(struct vm *vm, void (*write)(FILE *f, struct vm *vm))
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	write(f, vm);
	if (!fclose(f) && len)
		log_block(text, len);
	free(text);
}

/* Prints what the kernel has logged and no console has shown. */
static void write_log(FILE *f, struct vm *vm)
{
	vm->arch->report_log(f, vm, full(vm));
}

static void write_panic(FILE *f, struct vm *vm)
{
	vm->arch->report_panic(f, vm);
}

static bool calls_for_report(const struct vm *vm)
{
	enum verdict_kind kind = vm->verdict.kind;

	return vm->config->post_mortem != POST_MORTEM_OFF &&
	       (kind == VERDICT_CRASH || kind == VERDICT_TIMEOUT || kind == VERDICT_PANIC);
}

void report_at_end(struct vm *vm)
{
	bool panic = vm->verdict.kind == VERDICT_PANIC, any = false;

	if (!calls_for_report(vm))
		return;
	print_block(vm, write_log); /* before our own report */
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		any = any || vm->arch->stopped_by_itself(&vm->vcpu[i]);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpu[i];
		bool to_blame = any ? vm->arch->stopped_by_itself(v) : i == 0;
		char *text;

		/*
		 * A kernel that panicked has described that itself, on the console or in the log.
		 */
		text = v->fd < 0 ? NULL : render(v, !full(vm) && (!to_blame || panic));
		if (text)
			log_block(text, strlen(text));
		free(text);
	}
	if (panic && !full(vm))
		print_block(vm, write_panic); /* one sentence, if only the log has it */
}

static void write_answers(struct reports *r, FILE *f)
{
	for (unsigned int i = 0; i < r->vm->nr_vcpus; i++) {
		struct answer *a = &r->answer[i];

		if (a->text)
			fputs(a->text, f);
		else
			fprintf(f,
				"kvm: vCPU %u: does not answer; it is paused, or waits inside a device\n",
				i);
		free(a->text);
		a->text = NULL;
		a->due = false;
	}
}

/* Completes the text of the report. Thread: the job's. */
static void compose(void *ctx)
{
	struct reports *r = ctx;
	FILE *f = open_memstream(&r->text, &r->len);

	if (f)
		write_log(f, r->vm);
	pthread_mutex_lock(&r->lock);
	if (f)
		write_answers(r, f);
	r->due = 0;
	pthread_mutex_unlock(&r->lock);
	if (f && fclose(f))
		r->len = 0;
}

static void begin(struct reports *r);

static void give_report(void *ctx)
{
	struct reports *r = ctx;
	struct report_sink *next;

	for (struct report_sink *sink = r->served.first; sink; sink = next) {
		next = sink->next;
		sink->fn(sink->ctx, r->text, r->len);
	}
	if (r->served.to_stderr)
		log_block(r->text, r->len);
	free(r->text);
	r->text = NULL;
	r->len = 0;
	r->under_way = false;
	if (r->waiting.first || r->waiting.to_stderr)
		begin(r);
}

/* All answers are there, or the time for them is over. */
static void take_answers(void *ctx)
{
	struct reports *r = ctx;

	if (r->job.running)
		return; /* the last answer came late */
	if (!job_start(&r->job, &r->vm->loop, compose, give_report, r))
		return;
	compose(r);
	give_report(r);
}

/* Writes the vCPU's answer, or nothing if its report was printed before. Thread: vCPU. */
static void on_asked(struct vcpu *v, void *ctx)
{
	struct answer *a = ctx;
	struct reports *r = a->reports;
	char *text;
	bool due;

	pthread_mutex_lock(&r->lock);
	due = a->due;
	a->due = false;
	pthread_mutex_unlock(&r->lock);
	if (!due)
		return;
	text = render(v, !full(v->vm) && v->index != 0);
	pthread_mutex_lock(&r->lock);
	if (r->due && !a->text) {
		a->text = text;
		text = NULL;
		if (--r->due == 0)
			loop_timer_arm(&r->timer, 0);
	}
	pthread_mutex_unlock(&r->lock);
	free(text);
}

/* Begins a report for all that wait for one. */
static void begin(struct reports *r)
{
	r->under_way = true;
	r->served = r->waiting;
	r->waiting = (struct takers){ NULL, false };
	pthread_mutex_lock(&r->lock);
	r->due = r->vm->nr_vcpus;
	loop_timer_arm(&r->timer, ANSWER_NS);
	for (unsigned int i = 0; i < r->vm->nr_vcpus; i++) {
		r->answer[i].due = true;
		vcpu_ask(&r->vm->vcpu[i], &r->answer[i].ask);
	}
	pthread_mutex_unlock(&r->lock);
}

void reports_request(struct reports *r, struct report_sink *sink)
{
	if (sink) {
		sink->next = r->waiting.first;
		r->waiting.first = sink;
	} else {
		r->waiting.to_stderr = true;
	}
	if (!r->under_way)
		begin(r);
}

static void on_key(void *ctx)
{
	reports_request(ctx, NULL);
}

int reports_open(struct reports **out, struct vm *vm)
{
	struct reports *r = calloc(1, sizeof(*r) + vm->nr_vcpus * sizeof(r->answer[0]));

	*out = r;
	if (!r) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	r->vm = vm;
	pthread_mutex_init(&r->lock, NULL);
	loop_timer_init(&vm->loop, &r->timer, take_answers, r);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		r->answer[i].reports = r;
		r->answer[i].ask = (struct vcpu_ask){ .fn = on_asked, .ctx = &r->answer[i] };
	}
	vm->report_key = (struct vm_key){ .pressed = on_key, .ctx = r };
	return 0;
}

void reports_close(struct reports *r)
{
	if (!r)
		return;
	loop_timer_fini(&r->timer);
	r->served = r->waiting = (struct takers){ NULL, false };
	job_finish(&r->job);
	for (unsigned int i = 0; i < r->vm->nr_vcpus; i++)
		free(r->answer[i].text);
	r->vm->report_key = (struct vm_key){ NULL, NULL };
	free(r);
}
