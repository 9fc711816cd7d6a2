/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The event loop: one epoll thread (main) that owns every device's asynchronous side. Callbacks run
 * on it, one at a time; they must not block. vCPU threads never run callbacks.
 *
 * Sources are embedded in their owner. Adding and removing is for the loop's thread, or for set-up
 * and tear-down when the loop does not run; loop_mod(), loop_timer_arm() and loop_stop() are for
 * any thread. After loop_del() the callback is not called again, not even for an event that epoll
 * has already reported.
 */
#ifndef KVM_LOOP_H
#define KVM_LOOP_H

#include "kvm/clock.h"
#include "kvm/types.h"

#include <sys/epoll.h>

struct loop;

struct loop_source {
	int fd; /* not owned; -1 when not added */
	void (*fn)(void *ctx, uint32_t epoll_events);
	void *ctx;
	struct loop *loop;
	uint32_t events;
};

#define LOOP_BATCH 16

struct loop {
	int epoll_fd;
	int wake_fd; /* eventfd */
	struct loop_source wake;
	_Atomic bool stop;
	struct epoll_event ready[LOOP_BATCH]; /* what the current round still has to call */
	int nr_ready;
};

/* Returns 0 or -errno. loop_fini() also works after a failed init. */
int loop_init(struct loop *l);
void loop_fini(struct loop *l);

/*
 * Calls @fn(@ctx, events) when @fd is ready for @events (EPOLLIN, ...; level-triggered). Returns 0
 * or -errno.
 */
int loop_add(struct loop *l, struct loop_source *s, int fd, uint32_t events,
	     void (*fn)(void *ctx, uint32_t events), void *ctx);
/*
 * Changes what is waited for; 0 waits for errors and hang-ups only. What is ready then is reported,
 * edge-triggered or not. An event of before may still come. Any thread, but calls for one source
 * must be serialised by its owner's lock. Returns 0 or -errno.
 */
int loop_mod(struct loop_source *s, uint32_t events);
/* Does nothing on a source that is not added. The fd stays the caller's to close. */
void loop_del(struct loop_source *s);

/* Runs callbacks until loop_stop(). Returns 0 or -errno. */
int loop_run(struct loop *l);
/* Makes loop_run() return after the current callback. Any thread; async-signal-safe. */
void loop_stop(struct loop *l);

/* A one-shot timer on CLOCK_MONOTONIC: one timerfd, made when it is first armed. */
struct loop_timer {
	struct loop *loop;
	int fd; /* -1 until first armed */
	struct loop_source source;
	void (*fn)(void *ctx);
	void *ctx;
};

void loop_timer_init(struct loop *l, struct loop_timer *t, void (*fn)(void *ctx), void *ctx);
/*
 * Fires once @delay_ns from now (0: at once), replacing what was armed. Any thread, but calls for
 * one timer must be serialised by its owner's lock. Returns 0 or -errno.
 */
int loop_timer_arm(struct loop_timer *t, uint64_t delay_ns);
void loop_timer_disarm(struct loop_timer *t);
/*
 * For the loop's thread or tear-down. Works on a zeroed or never armed timer that was initialised.
 */
void loop_timer_fini(struct loop_timer *t);

#endif
