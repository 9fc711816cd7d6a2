/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Creates a vCPU, interrupts it, and runs requests on its thread: all that other threads do to one.
 * vcpu_run.c has the vCPU's own loop.
 *
 * Requests (struct vcpu_ask) are in a list without a lock: any thread adds one, and the vCPU takes
 * the whole list. One that is in the list, or taken but not yet begun, is not added again: its
 * function runs once for all calls until then.
 */
#include "kvm/vcpu.h"

#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "kvm/vm.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KICK_SIGNAL SIGUSR1

static void on_kick(int signo)
{
	(void)signo; /* its only work is to interrupt KVM_RUN */
}

int vcpu_signal_init(void)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigemptyset(&sa.sa_mask);
	return sigaction(KICK_SIGNAL, &sa, NULL) < 0 ? -errno : 0;
}

int vcpu_create(struct vm *vm, unsigned int index)
{
	struct vcpu *v = &vm->vcpu[index];
	int size = kvm_ioctl_val(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *run;

	if (size < (int)sizeof(struct kvm_run)) {
		pr_err("KVM_GET_VCPU_MMAP_SIZE: %s", size < 0 ? strerror(-size) : "too small");
		return size < 0 ? size : -EINVAL;
	}
	v->fd = kvm_ioctl_val(vm->vm_fd, KVM_CREATE_VCPU, index);
	if (v->fd < 0) {
		pr_err("cannot create vCPU %u: %s", index, strerror(-v->fd));
		return v->fd;
	}
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (run == MAP_FAILED) {
		int err = errno;

		pr_err("cannot map the state of vCPU %u: %s", index, strerror(err));
		return -err;
	}
	v->run = run;
	v->run_bytes = (size_t)size;
	return 0;
}

void vcpu_destroy(struct vcpu *v)
{
	if (v->run)
		munmap(v->run, v->run_bytes);
	if (v->fd >= 0)
		close(v->fd);
	v->run = NULL;
	v->fd = -1;
}

void vcpu_kick(struct vcpu *v)
{
	if (!v->started || !v->run)
		return;
	__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	/*
	 * A vCPU's own thread is not in the guest: it finds the flag when it next enters the guest.
	 */
	if (!pthread_equal(v->thread, pthread_self()))
		pthread_kill(v->thread, KICK_SIGNAL);
}

void vcpu_ask(struct vcpu *v, struct vcpu_ask *ask)
{
	struct vcpu_ask *first = atomic_load_explicit(&v->asks, memory_order_relaxed);

	if (!atomic_exchange(&ask->due, true)) {
		do
			ask->next = first;
		while (!atomic_compare_exchange_weak(&v->asks, &first, ask));
	}
	vcpu_kick(v);
}

void vcpu_answer(struct vcpu *v)
{
	struct vcpu_ask *ask = atomic_exchange(&v->asks, NULL), *next;

	for (; ask; ask = next) {
		next = ask->next;
		atomic_store(&ask->due, false); /* from here on it may be added again */
		ask->fn(v, ask->ctx);
	}
}
