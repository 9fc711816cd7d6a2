/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ends, pauses and resumes a machine: what any thread, also a vCPU's, may do to all vCPUs. See
 * vm.h.
 */
#include "kvm/vm.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#define STOP_NS (2 * 1000000000ULL)

void vm_set_ended(struct vm *vm)
{
	atomic_store(&vm->ended, true);
	pthread_mutex_lock(&vm->pause_lock);
	pthread_cond_broadcast(&vm->resumed);
	pthread_mutex_unlock(&vm->pause_lock);
}

void vm_end(struct vm *vm, enum verdict_kind kind, int value, const char *fmt, ...)
{
	char text[sizeof(vm->verdict.text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&vm->verdict_lock);
	if (!vm->times.ended_ns)
		vm->times.ended_ns = now_ns();
	if (kind == VERDICT_QUIT || kind == VERDICT_SIGNAL)
		vm->asked_to_end = true; /* also if the guest has rebooted a moment before */
	if (vm->verdict.kind == VERDICT_NONE)
		verdict_set(&vm->verdict, kind, value, "%s", text);
	pthread_mutex_unlock(&vm->verdict_lock);
	vm_set_ended(vm);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vcpu_kick(&vm->vcpu[i]);
	loop_stop(&vm->loop);
}

void vm_pause(struct vm *vm)
{
	bool first;

	pthread_mutex_lock(&vm->pause_lock);
	first = vm->nr_pauses++ == 0;
	pthread_mutex_unlock(&vm->pause_lock);
	for (unsigned int i = 0; i < vm->nr_vcpus && first; i++)
		vcpu_kick(&vm->vcpu[i]);
}

void vm_resume(struct vm *vm)
{
	pthread_mutex_lock(&vm->pause_lock);
	if (--vm->nr_pauses == 0)
		pthread_cond_broadcast(&vm->resumed);
	pthread_mutex_unlock(&vm->pause_lock);
}

void vm_look_for_stop(struct vm *vm, uint64_t now)
{
	bool stopped = now - vm->looked_ns >= STOP_NS;

	vm->looked_ns = now;
	for (unsigned int i = 0; i < vm->nr_vcpus && stopped; i++) {
		atomic_store(&vm->vcpu[i].stopped, true);
		vcpu_kick(&vm->vcpu[i]);
	}
}

bool vm_vcpu_stands(struct vcpu *v)
{
	struct vm *vm = v->vm;
	bool stands;

	pthread_mutex_lock(&vm->pause_lock);
	stands = !v->started || v->waits;
	pthread_mutex_unlock(&vm->pause_lock);
	return stands;
}

void vm_wait_resumed(struct vcpu *v)
{
	struct vm *vm = v->vm;

	pthread_mutex_lock(&vm->pause_lock);
	v->waits = true;
	if (v->held && vm->hooks.held_waits)
		vm->hooks.held_waits(vm->hooks.ctx);
	while ((vm->nr_pauses || v->held) && !atomic_load(&vm->ended))
		pthread_cond_wait(&vm->resumed, &vm->pause_lock);
	v->waits = false;
	pthread_mutex_unlock(&vm->pause_lock);
}
