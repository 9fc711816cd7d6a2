/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests what the event loop's header promises about deletion, timers and stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct fixture {
	struct loop loop;
	struct loop_source a, b;
	struct loop_timer t, guard;
	int fd_a, fd_b;
	unsigned int calls, fired;
};

static void on_guard(void *ctx)
{
	struct fixture *f = ctx;

	loop_stop(&f->loop);
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .fd_a = eventfd(1, EFD_NONBLOCK), .fd_b = eventfd(1, EFD_NONBLOCK) };
	assert_int_equal(loop_init(&f.loop), 0);
	loop_timer_init(&f.loop, &f.guard, on_guard, &f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_timer_fini(&f->guard);
	loop_fini(&f->loop);
	close(f->fd_a);
	close(f->fd_b);
	return 0;
}

/*
 * Both are ready in one round: the first callback deletes the other source, which must not be
 * called.
 */
static void delete_other(void *ctx, uint32_t events)
{
	struct fixture *f = ctx;

	(void)events;
	f->calls++;
	loop_del(&f->a);
	loop_del(&f->b);
}

static void deleted_source_is_not_called(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add(&f->loop, &f->a, f->fd_a, EPOLLIN, delete_other, f), 0);
	assert_int_equal(loop_add(&f->loop, &f->b, f->fd_b, EPOLLIN, delete_other, f), 0);
	loop_timer_arm(&f->guard, 20000000);
	assert_int_equal(loop_run(&f->loop), 0);
	assert_int_equal(f->calls, 1);
	loop_del(&f->a); /* twice does no harm */
}

static void count(void *ctx, uint32_t events)
{
	struct fixture *f = ctx;

	assert_true(events & EPOLLIN);
	if (++f->calls == 3)
		loop_mod(&f->a, 0);
}

static void level_triggered_until_masked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add(&f->loop, &f->a, f->fd_a, EPOLLIN, count, f), 0);
	loop_timer_arm(&f->guard, 20000000);
	assert_int_equal(loop_run(&f->loop), 0);
	assert_int_equal(f->calls, 3);
	loop_del(&f->a);
}

static void on_timer(void *ctx)
{
	struct fixture *f = ctx;

	if (++f->fired < 3)
		loop_timer_arm(&f->t, 1000000);
}

static void timer_fires_once_an_arm(void **state)
{
	struct fixture *f = *state;

	loop_timer_init(&f->loop, &f->t, on_timer, f);
	assert_int_equal(loop_timer_arm(&f->t, 0), 0);
	loop_timer_arm(&f->guard, 50000000);
	assert_int_equal(loop_run(&f->loop), 0);
	assert_int_equal(f->fired, 3);
	loop_timer_fini(&f->t);
	loop_timer_fini(&f->t);
}

static void disarmed_timer_does_not_fire(void **state)
{
	struct fixture *f = *state;

	loop_timer_init(&f->loop, &f->t, on_timer, f);
	assert_int_equal(loop_timer_arm(&f->t, 5000000), 0);
	loop_timer_disarm(&f->t);
	loop_timer_arm(&f->guard, 30000000);
	assert_int_equal(loop_run(&f->loop), 0);
	assert_int_equal(f->fired, 0);
	loop_timer_fini(&f->t);
}

static void *stop_from_thread(void *arg)
{
	struct fixture *f = arg;

	usleep(5000);
	loop_stop(&f->loop);
	return NULL;
}

static void stop_from_another_thread(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, stop_from_thread, f), 0);
	assert_int_equal(loop_run(&f->loop), 0);
	pthread_join(thread, NULL);
}

static void regular_file_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add(&f->loop, &f->a, -1, EPOLLIN, count, f), -EBADF);
	loop_del(&f->a); /* was never added */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(deleted_source_is_not_called), T(level_triggered_until_masked),
		T(timer_fires_once_an_arm),	 T(disarmed_timer_does_not_fire),
		T(stop_from_another_thread),	 T(regular_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
