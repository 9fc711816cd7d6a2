/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Core files of machines, for gdb and crash(8): of one that has come to a bad end (--dump), or of
 * one that goes on (kvm debug NAME --dump), which stands still while its memory is written.
 */
#ifndef KVM_POSTMORTEM_DUMP_H
#define KVM_POSTMORTEM_DUMP_H

#include "kvm/arch.h"
#include "kvm/loop.h"

#include <pthread.h>

struct vm;

/*
 * What there is to say of a core, in one line that ends with the command that opens it, but for the
 * core's path.
 */
#define DUMP_TEXT_BYTES 256
void dump_text(char *buf, size_t n, const struct dump_result *r);

/*
 * config->dump, once the machine has ended and no vCPU runs any more: after a bad end, writes it.
 * Says how it went. Main's thread.
 */
void dump_at_end(struct vm *vm);

/* A dump of a running machine, on a thread of its own. */
struct dump_job {
	struct vm *vm;
	int fd; /* the caller's */
	/* on the loop's thread, once */
	void (*done)(void *ctx, int err, const struct dump_result *r);
	void *ctx;
	pthread_t thread;
	bool running; /* the thread is to be joined */
	_Atomic bool cancel;
	struct loop_timer ended;
	int err;
	struct dump_result result;
};

/* Loop's thread, as the next. Returns 0, or -errno: nothing was begun. */
int dump_job_start(struct dump_job *job, struct vm *vm, int fd,
		   void (*done)(void *ctx, int err, const struct dump_result *r), void *ctx);
/* Ends it if it runs; then @done is called, with -ECANCELED most likely. Works on a zeroed job. */
void dump_job_stop(struct dump_job *job);

#endif
