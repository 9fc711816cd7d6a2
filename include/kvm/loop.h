/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the asynchronous side of every device: one thread (main) waits on epoll and calls one
 * callback after the other. Callbacks must not block, and work for a few milliseconds at most:
 * signals, timers and the terminal wait meanwhile. vCPU threads never run them.
 *
 * Sources are embedded in their owner. Only the loop's thread adds and removes them, or set-up and
 * tear-down while the loop does not run. Any thread may call loop_mod(), loop_timer_arm() and
 * loop_stop(). After loop_del() the callback is not called again, not even for an event that epoll
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

/* Returns 0, or -errno. loop_fini() also works after a failed loop_init(). */
int loop_init(struct loop *l);
void loop_fini(struct loop *l);

/*
 * Calls @fn(@ctx, events) when @fd is ready for @events (EPOLLIN, ...; level-triggered). Returns 0,
 * or -errno.
 */
int loop_add(struct loop *l, struct loop_source *s, int fd, uint32_t events,
	     void (*fn)(void *ctx, uint32_t events), void *ctx);
/*
 * Changes the events that @s waits for; 0 waits for errors and hang-ups only. Reports what is ready
 * then, edge-triggered or not. An earlier event may still arrive. Returns 0, or -errno.
 * Thread: any. Locks: its owner's lock serialises calls for one source.
 */
int loop_mod(struct loop_source *s, uint32_t events);
/* Removes a source; does nothing if it was not added. The caller keeps the fd, and closes it. */
void loop_del(struct loop_source *s);

/* Runs callbacks until loop_stop(). Returns 0, or -errno. */
int loop_run(struct loop *l);
/* Makes loop_run() return after the current callback. Async-signal-safe. Thread: any. */
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
 * Fires once @delay_ns from now (0: at once), and replaces what was armed. Returns 0, or -errno.
 * Thread: any. Locks: its owner's lock serialises calls for one timer.
 */
int loop_timer_arm(struct loop_timer *t, uint64_t delay_ns);
void loop_timer_disarm(struct loop_timer *t);
/* Works on a zeroed timer, or one that was never armed. Thread: loop, or tear-down. */
void loop_timer_fini(struct loop_timer *t);

#endif
