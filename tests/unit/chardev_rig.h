/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the tests of character devices: a real loop on its own thread, a client that records
 * and has adjustable room, and replaced and restored stdin and stdout.
 */
#ifndef TESTS_CHARDEV_RIG_H
#define TESTS_CHARDEV_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/chardev.h"
#include "kvm/loop.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 20000 /* how long a test waits for something that must come */

struct rig {
	struct loop loop;
	struct chardev *cd;
	pthread_t thread;
	sem_t started;
	bool running;
	int saved_in, saved_out;

	pthread_mutex_t lock;
	uint8_t *got; /* what the client received; BREAK_MARK for a break */
	size_t got_len, got_cap;
	size_t room; /* what rx_room() returns, counted down */
	unsigned int connects, hangups, resizes;
	unsigned int quits;
	uint8_t *seen; /* what hooks.output received */
	size_t seen_len, seen_cap;
};

#define BREAK_MARK 0xfe

static void append(uint8_t **to, size_t *len, size_t *cap, const uint8_t *bytes, size_t n)
{
	if (*len + n > *cap) {
		*cap = 2 * (*len + n);
		*to = realloc(*to, *cap);
		assert_non_null(*to);
	}
	memcpy(*to + *len, bytes, n);
	*len += n;
}

static size_t rig_room(void *ctx)
{
	struct rig *r = ctx;
	size_t room;

	pthread_mutex_lock(&r->lock);
	room = r->room;
	pthread_mutex_unlock(&r->lock);
	return room;
}

static void rig_receive(void *ctx, const uint8_t *bytes, size_t len)
{
	struct rig *r = ctx;

	pthread_mutex_lock(&r->lock);
	if (len > r->room)
		abort();
	append(&r->got, &r->got_len, &r->got_cap, bytes, len);
	r->room -= len;
	pthread_mutex_unlock(&r->lock);
}

static void rig_event(void *ctx, enum chardev_event event)
{
	static const uint8_t mark = BREAK_MARK;
	struct rig *r = ctx;

	pthread_mutex_lock(&r->lock);
	if (event == CHARDEV_BREAK)
		append(&r->got, &r->got_len, &r->got_cap, &mark, 1);
	r->connects += event == CHARDEV_CONNECT;
	r->hangups += event == CHARDEV_HANGUP;
	r->resizes += event == CHARDEV_RESIZE;
	pthread_mutex_unlock(&r->lock);
}

static void rig_quit(void *ctx)
{
	struct rig *r = ctx;

	pthread_mutex_lock(&r->lock);
	r->quits++;
	pthread_mutex_unlock(&r->lock);
}

static void rig_output(void *ctx, const uint8_t *bytes, size_t len)
{
	struct rig *r = ctx;

	append(&r->seen, &r->seen_len, &r->seen_cap, bytes, len);
}

static void *rig_thread(void *ctx)
{
	struct rig *r = ctx;

	if (chardev_start(r->cd))
		abort();
	sem_post(&r->started);
	if (loop_run(&r->loop))
		abort();
	return NULL;
}

/* Sets up; stdin and stdout may be replaced before rig_open(). */
static inline int rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	signal(SIGPIPE, SIG_IGN);
	if (!r || loop_init(&r->loop))
		return -1;
	pthread_mutex_init(&r->lock, NULL);
	sem_init(&r->started, 0, 0);
	r->saved_in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);
	r->saved_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
	*state = r;
	return 0;
}

static inline void rig_open(struct rig *r, const char *spec)
{
	struct chardev_client client = { rig_room, rig_receive, rig_event, r };
	struct chardev_hooks hooks = { .quit = rig_quit, .output = rig_output, .ctx = r };

	assert_int_equal(chardev_open(&r->cd, &r->loop, spec, &hooks), 0);
	chardev_set_client(r->cd, &client);
}

/* As in a machine: vCPU threads write only after chardev_start(). */
static inline void rig_run(struct rig *r)
{
	assert_int_equal(pthread_create(&r->thread, NULL, rig_thread, r), 0);
	while (sem_wait(&r->started))
		;
	r->running = true;
}

static inline void rig_stop(struct rig *r)
{
	if (!r->running)
		return;
	loop_stop(&r->loop);
	pthread_join(r->thread, NULL);
	r->running = false;
}

static inline void rig_close(struct rig *r)
{
	rig_stop(r);
	chardev_close(r->cd);
	r->cd = NULL;
}

static inline int rig_teardown(void **state)
{
	struct rig *r = *state;

	if (r->cd)
		chardev_abort(r->cd);
	rig_close(r);
	loop_fini(&r->loop);
	dup2(r->saved_in, STDIN_FILENO);
	dup2(r->saved_out, STDOUT_FILENO);
	close(r->saved_in);
	close(r->saved_out);
	free(r->got);
	free(r->seen);
	free(r);
	return 0;
}

static inline void rig_set_room(struct rig *r, size_t room)
{
	pthread_mutex_lock(&r->lock);
	r->room = room;
	pthread_mutex_unlock(&r->lock);
}

/* Waits until *@what, guarded by the rig's lock, is at least @least. */
#define rig_wait(r, what, least)                                                                   \
	do {                                                                                       \
		uint64_t end_ = now_ns() + WAIT_MS * 1000000ULL;                                   \
		bool there_ = false;                                                               \
		while (!there_ && now_ns() < end_) {                                               \
			pthread_mutex_lock(&(r)->lock);                                            \
			there_ = (what) >= (least);                                                \
			pthread_mutex_unlock(&(r)->lock);                                          \
			if (!there_)                                                               \
				usleep(1000);                                                      \
		}                                                                                  \
		assert_true(there_);                                                               \
	} while (0)

static inline bool readable_within(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && p.revents & POLLIN;
}

/* Reads exactly @len bytes, waiting for them. */
static inline void read_exactly(int fd, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len) {
		ssize_t n;

		assert_true(readable_within(fd, WAIT_MS));
		n = read(fd, to, len);
		assert_true(n > 0);
		to += n;
		len -= (size_t)n;
	}
}

static inline void assert_reads(int fd, const char *text)
{
	char buf[256];

	assert_true(strlen(text) < sizeof(buf));
	read_exactly(fd, buf, strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

/* The @i-th byte of a stream that does not repeat soon and holds newlines. */
static inline uint8_t pattern(size_t i)
{
	return i % 61 == 60 ? '\n' : (uint8_t)(i * 7 + i / 251);
}

static inline void put_pattern(struct chardev *cd, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		chardev_putc(cd, pattern(i));
}

static inline void assert_pattern(const uint8_t *bytes, size_t from, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != pattern(from + i))
			fail_msg("byte %zu is %u, not %u", from + i, bytes[i], pattern(from + i));
	}
}

static inline void replace_stdin(int fd)
{
	assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	close(fd);
}

static inline void replace_stdout(int fd)
{
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	close(fd);
}

/* Makes stdin empty. */
static inline void null_stdin(void)
{
	replace_stdin(open("/dev/null", O_RDONLY));
}

/* Makes stdout a pipe; returns the end to read. */
static inline int pipe_stdout(void)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	replace_stdout(fds[1]);
	return fds[0];
}

static inline int pipe_stdin(void)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	replace_stdin(fds[0]);
	return fds[1];
}

#define rig_test(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

#endif
