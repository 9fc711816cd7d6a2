/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who describes itself in how many words, and how the texts come together. A vCPU's text is rendered into memory and printed in one piece, so
 * that nothing else comes between its lines.
 */
#include "kvm/postmortem.h"

#include "kvm/arch.h"
#include "kvm/log.h"
#include "kvm/vm.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long the loop gives vCPUs to answer. One may wait inside a device for somebody to take its output. */
#define ANSWER_NS 2000000000ULL

/* NULL: out of memory. The caller frees. */
static char *render(struct vcpu *v, bool brief)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	arch_report(f, v, brief);
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

/* What the kernel has said and nobody has seen. */
static void write_log(FILE *f, struct vm *vm)
{
	arch_report_log(f, vm, full(vm));
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
	print_block(vm, write_log); /* before what we say */
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		any = any || arch_stopped_by_itself(&vm->vcpu[i]);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpu[i];
		bool to_blame = any ? arch_stopped_by_itself(v) : i == 0;
		char *text;

		/* A kernel that panicked has told its story, on the console or in the log. */
		text = v->fd < 0 ? NULL : render(v, !full(vm) && (!to_blame || panic));
		if (text)
			log_block(text, strlen(text));
		free(text);
	}
	if (panic && !full(vm))
		print_block(vm, arch_report_panic); /* in a sentence, when it has come with the log */
}

static void write_answers(FILE *f, struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpu[i];

		if (v->report_text)
			fputs(v->report_text, f);
		else
			fprintf(f,
				"kvm: vCPU %u: does not answer; it is paused, or inside a device of ours\n",
				i);
		free(v->report_text);
		v->report_text = NULL;
		atomic_store(&v->report_asked, false);
	}
}

static void give_answers(void *ctx)
{
	struct vm *vm = ctx;
	struct report_sink sink;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f)
		arch_report_log(f, vm, full(vm));
	pthread_mutex_lock(&vm->report_lock);
	if (f)
		write_answers(f, vm);
	vm->reports_due = 0;
	sink = vm->report_sink;
	pthread_mutex_unlock(&vm->report_lock);
	if (f && fclose(f))
		len = 0;
	if (sink.fn)
		sink.fn(sink.ctx, text, len);
	else
		log_block(text, len);
	free(text);
}

static void on_key(void *ctx)
{
	report_request(ctx, NULL);
}

void report_init(struct vm *vm)
{
	vm->report_key = (struct vm_key){ .pressed = on_key, .ctx = vm };
	pthread_mutex_init(&vm->report_lock, NULL);
	loop_timer_init(&vm->loop, &vm->report_timer, give_answers, vm);
}

void report_fini(struct vm *vm)
{
	loop_timer_fini(&vm->report_timer);
	for (unsigned int i = 0; vm->vcpu && i < vm->nr_vcpus; i++) {
		free(vm->vcpu[i].report_text);
		vm->vcpu[i].report_text = NULL;
	}
}

bool report_request(struct vm *vm, const struct report_sink *sink)
{
	bool begun;

	pthread_mutex_lock(&vm->report_lock);
	begun = !vm->reports_due;
	if (begun) {
		vm->reports_due = vm->nr_vcpus;
		vm->report_sink = sink ? *sink : (struct report_sink){ NULL, NULL };
		loop_timer_arm(&vm->report_timer, ANSWER_NS);
		for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
			atomic_store(&vm->vcpu[i].report_asked, true);
			vcpu_kick(&vm->vcpu[i]);
		}
	}
	pthread_mutex_unlock(&vm->report_lock);
	return begun;
}

void report_answer(struct vcpu *v)
{
	struct vm *vm = v->vm;
	char *text;

	if (!atomic_exchange(&v->report_asked, false))
		return;
	text = render(v, !full(vm) && v->index != 0);
	pthread_mutex_lock(&vm->report_lock);
	if (vm->reports_due && !v->report_text) {
		v->report_text = text;
		text = NULL;
		if (--vm->reports_due == 0) {
			vm->reports_due = vm->nr_vcpus; /* until they are printed */
			loop_timer_arm(&vm->report_timer, 0);
		}
	}
	pthread_mutex_unlock(&vm->report_lock);
	free(text);
}
