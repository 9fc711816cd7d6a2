/* SPDX-License-Identifier: GPL-2.0-only */
/* Does work on a thread of its own, see job.h. */
#include "job.h"

static void *run(void *ctx)
{
	struct job *job = ctx;

	job->work(job->ctx);
	loop_timer_arm(&job->ended, 0); /* cannot fail: it was armed before */
	return NULL;
}

void job_finish(struct job *job)
{
	if (!job->running)
		return;
	pthread_join(job->thread, NULL);
	loop_timer_fini(&job->ended);
	job->running = false;
	job->done(job->ctx);
}

static void on_ended(void *ctx)
{
	job_finish(ctx);
}

int job_start(struct job *job, struct loop *loop, void (*work)(void *ctx), void (*done)(void *ctx),
	      void *ctx)
{
	int err;

	*job = (struct job){ .work = work, .done = done, .ctx = ctx };
	loop_timer_init(loop, &job->ended, on_ended, job);
	err = loop_timer_arm(&job->ended, UINT32_MAX); /* makes the timer's descriptor */
	if (!err) {
		loop_timer_disarm(&job->ended);
		err = -pthread_create(&job->thread, NULL, run, job);
	}
	if (err)
		loop_timer_fini(&job->ended);
	job->running = !err;
	return err;
}
