/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does work that takes long on a thread of its own, so that it does not hold up the loop. A job is
 * zeroed before its first use, and can be started again when it has ended.
 */
#ifndef KVM_JOB_H
#define KVM_JOB_H

#include "kvm/loop.h"

#include <pthread.h>

struct job {
	void (*work)(void *ctx); /* on the job's thread */
	void (*done)(void *ctx); /* then on the loop's */
	void *ctx;
	pthread_t thread;
	bool running; /* until @done is called; the loop's thread */
	struct loop_timer ended;
};

/* Starts a job that does not run. Returns 0, or -errno. Thread: loop, here and below. */
int job_start(struct job *job, struct loop *loop, void (*work)(void *ctx), void (*done)(void *ctx),
	      void *ctx);
/* Waits for the end of a job that runs, and calls its @done. */
void job_finish(struct job *job);

#endif
