/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the event loop on epoll.
 *
 * One round takes the ready sources in a batch, and calls one after the other. If a callback
 * deletes a source of the same round, loop_del() removes it from the batch, so that it is not
 * called any more.
 */
#include "kvm/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL

static void on_wake(void *ctx, uint32_t events)
{
	struct loop *l = ctx;
	uint64_t count;
	ssize_t n = read(l->wake_fd, &count, sizeof(count));

	(void)events;
	(void)n;
}

int loop_init(struct loop *l)
{
	memset(l, 0, sizeof(*l));
	l->wake_fd = -1;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return -errno;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake_fd < 0) {
		int err = errno;

		loop_fini(l);
		return -err;
	}
	return loop_add(l, &l->wake, l->wake_fd, EPOLLIN, on_wake, l);
}

void loop_fini(struct loop *l)
{
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	l->wake_fd = -1;
	l->epoll_fd = -1;
}

int loop_add(struct loop *l, struct loop_source *s, int fd, uint32_t events,
	     void (*fn)(void *ctx, uint32_t events), void *ctx)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	*s = (struct loop_source){ .fd = fd, .fn = fn, .ctx = ctx, .loop = l, .events = events };
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		int err = errno;

		s->loop = NULL;
		return -err;
	}
	return 0;
}

int loop_mod(struct loop_source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (s->events == events)
		return 0;
	if (epoll_ctl(s->loop->epoll_fd, EPOLL_CTL_MOD, s->fd, &ev) < 0)
		return -errno;
	s->events = events;
	return 0;
}

void loop_del(struct loop_source *s)
{
	struct loop *l = s->loop;

	if (!l)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	for (int i = 0; i < l->nr_ready; i++) {
		if (l->ready[i].data.ptr == s)
			l->ready[i].data.ptr = NULL;
	}
	s->loop = NULL;
}

int loop_run(struct loop *l)
{
	while (!atomic_load(&l->stop)) {
		int n = epoll_wait(l->epoll_fd, l->ready, LOOP_BATCH, -1);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		l->nr_ready = n;
		for (int i = 0; i < n && !atomic_load(&l->stop); i++) {
			struct loop_source *s = l->ready[i].data.ptr;

			if (s)
				s->fn(s->ctx, l->ready[i].events);
		}
		l->nr_ready = 0;
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	uint64_t one = 1;
	ssize_t n;

	atomic_store(&l->stop, true);
	n = write(l->wake_fd, &one, sizeof(one));
	(void)n; /* a full counter has woken the loop already */
}

static void on_timer(void *ctx, uint32_t events)
{
	struct loop_timer *t = ctx;
	uint64_t expirations;

	(void)events;
	/*
	 * If there is nothing to read, another thread has armed or disarmed it since epoll reported
	 * it.
	 */
	if (read(t->fd, &expirations, sizeof(expirations)) == sizeof(expirations))
		t->fn(t->ctx);
}

void loop_timer_init(struct loop *l, struct loop_timer *t, void (*fn)(void *ctx), void *ctx)
{
	*t = (struct loop_timer){ .loop = l, .fd = -1, .fn = fn, .ctx = ctx };
}

static int timer_open(struct loop_timer *t)
{
	int err;

	t->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (t->fd < 0)
		return -errno;
	err = loop_add(t->loop, &t->source, t->fd, EPOLLIN, on_timer, t);
	if (err) {
		close(t->fd);
		t->fd = -1;
	}
	return err;
}

static int timer_set(struct loop_timer *t, uint64_t delay_ns)
{
	struct itimerspec its = { 0 };

	its.it_value.tv_sec = (time_t)(delay_ns / NS_PER_S);
	its.it_value.tv_nsec = (long)(delay_ns % NS_PER_S);
	return timerfd_settime(t->fd, 0, &its, NULL) < 0 ? -errno : 0;
}

int loop_timer_arm(struct loop_timer *t, uint64_t delay_ns)
{
	if (t->fd < 0) {
		int err = timer_open(t);

		if (err)
			return err;
	}
	return timer_set(t, delay_ns ? delay_ns : 1); /* zero would disarm */
}

void loop_timer_disarm(struct loop_timer *t)
{
	if (t->fd >= 0)
		timer_set(t, 0);
}

void loop_timer_fini(struct loop_timer *t)
{
	if (t->fd < 0)
		return;
	loop_del(&t->source);
	close(t->fd);
	t->fd = -1;
}
