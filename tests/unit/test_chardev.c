/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests character devices: batching, waiting, input that stops and goes on, with any kind of stdin
 * and stdout.
 */
#include "chardev_rig.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#define MANY_BYTES (1 << 20)

static void test_specs(void **state)
{
	static const char *const bad[] = { "",	    "stdinx", "stdio:", "file",	 "file:",
					   "unix:", "tty:",   "pty:x",	"nullx", "vc:80x24" };
	struct rig *r = *state;
	struct chardev *cd;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(chardev_open(&cd, &r->loop, bad[i], NULL), -EINVAL);
		assert_null(cd);
	}
	assert_int_equal(chardev_open(&cd, &r->loop, "file:/nowhere/at/all", NULL), -ENOENT);
	assert_int_equal(chardev_open(&cd, &r->loop, "tty:/dev/null", NULL), -ENOTTY);
}

static void test_one_stdio(void **state)
{
	struct rig *r = *state;
	struct chardev *other;

	rig_open(r, "stdio");
	assert_int_equal(chardev_open(&other, &r->loop, "stdio", NULL), -EBUSY);
	rig_close(r);
	rig_open(r, "stdio");
}

static void test_newline_flushes(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();

	rig_open(r, "stdio");
	chardev_write(r->cd, "ab", 2);
	assert_false(readable_within(from, 20));
	chardev_putc(r->cd, '\n');
	assert_true(readable_within(from, 0));
	assert_reads(from, "ab\n");
	close(from);
}

/*
 * Replaces each stamp in @text by "@", after checking that the stamps are in order and none is less
 * than one second.
 */
static void cut_stamps(char *text)
{
	double last = 1.0;
	char *to = text;

	for (char *p = text; *p;) {
		double s;
		int len = 0;

		if (*p != '[' || sscanf(p, "[%lf]%n", &s, &len) != 1 || !len || p[len] != ' ') {
			*to++ = *p++;
			continue;
		}
		assert_true(s >= last && s < 1.0 + WAIT_MS / 1000);
		last = s;
		*to++ = '@';
		p += len + 1;
	}
	*to = '\0';
}

static void test_stamps(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();
	char text[512] = "";

	rig_open(r, "stdio");
	chardev_stamp_lines(r->cd, now_ns() - 1000000000);
	chardev_write(r->cd, "one\r\ntwo\r\n\nthr", 14);
	chardev_putc(r->cd, 'e');
	chardev_putc(r->cd, 'e');
	chardev_putc(r->cd, '\n');
	chardev_putc(r->cd, '\r');
	chardev_write(r->cd, "\rfour\rfive\n", 11);
	assert_true(read(from, text, sizeof(text) - 1) > 0);
	cut_stamps(text);
	assert_string_equal(text, "@one\r\n@two\r\n@\n@three\n\r\r@four\rfive\n");
	/* Only the reader gets the stamps. */
	assert_int_equal(r->seen_len, 29);
	assert_memory_equal(r->seen, "one\r\ntwo\r\n\nthree\n\r\rfour\rfive\n", 29);
	close(from);
}

/* Each byte is a line: the promised room must allow for the stamps. */
static void test_stamps_take_room(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();
	size_t room;

	rig_open(r, "stdio");
	room = chardev_room(r->cd);
	chardev_stamp_lines(r->cd, now_ns());
	assert_true(chardev_room(r->cd) < room / 12);
	assert_true(chardev_room(r->cd) > 0);
	close(from);
}

static void test_4k_flushes(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();
	char buf[4096];

	rig_open(r, "stdio");
	for (int i = 0; i < 4095; i++)
		chardev_putc(r->cd, 'x');
	assert_false(readable_within(from, 0));
	chardev_putc(r->cd, 'x');
	assert_int_equal(read(from, buf, sizeof(buf)), 4096);
	close(from);
}

static void test_timer_flushes(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();

	null_stdin();
	rig_open(r, "stdio");
	rig_run(r);
	for (int i = 0; i < 3; i++) {
		chardev_write(r->cd, "login: ", 7);
		assert_reads(from, "login: ");
		usleep(20000); /* the timer has stopped: it must be armed anew */
	}
	close(from);
}

/* Each write is one packet. */
static void test_writes_are_batched(void **state)
{
	struct rig *r = *state;
	size_t total = 0, packets = 0;
	int fds[2];
	char buf[8192];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	replace_stdout(fds[1]);
	rig_open(r, "stdio");
	for (int line = 0; line < 100; line++) {
		for (int i = 0; i < 79; i++)
			chardev_putc(r->cd, 'x');
		chardev_putc(r->cd, '\n');
	}
	while (readable_within(fds[0], 0)) {
		total += (size_t)read(fds[0], buf, sizeof(buf));
		packets++;
	}
	assert_int_equal(total, 8000);
	assert_int_equal(packets, 100);
	close(fds[0]);
}

static void test_file(void **state)
{
	struct rig *r = *state;
	char path[] = "/tmp/chardev-test-XXXXXX", spec[64];
	uint8_t *buf = malloc(MANY_BYTES);
	int fd = mkstemp(path);

	assert_int_equal(write(fd, "old", 3), 3);
	snprintf(spec, sizeof(spec), "file:%s", path);
	rig_open(r, spec);
	assert_int_equal(pread(fd, buf, MANY_BYTES, 0), 3); /* the start may still fail */
	assert_int_equal(chardev_start(r->cd), 0);
	assert_int_equal(pread(fd, buf, MANY_BYTES, 0), 0);
	put_pattern(r->cd, 0, 100000);
	chardev_write(r->cd, "", 0);
	assert_true(chardev_flush(r->cd, 0));
	assert_int_equal(pread(fd, buf, MANY_BYTES, 0), 100000);
	assert_pattern(buf, 0, 100000);
	assert_int_equal(r->seen_len, 100000);
	assert_pattern(r->seen, 0, 100000);
	unlink(path);
	close(fd);
	free(buf);
}

static void test_null_shows_hooks(void **state)
{
	struct rig *r = *state;
	struct chardev *cd;

	rig_open(r, "null");
	put_pattern(r->cd, 0, 100000);
	assert_true(chardev_flush(r->cd, -1));
	assert_int_equal(r->seen_len, 100000);
	assert_pattern(r->seen, 0, 100000);
	assert_int_equal(chardev_open(&cd, &r->loop, "null", NULL), 0);
	put_pattern(cd, 0, 100000);
	chardev_close(cd);
}

struct writer {
	struct chardev *cd;
	size_t len;
	bool bulk;
	_Atomic bool done;
};

static void *write_many(void *ctx)
{
	struct writer *w = ctx;
	uint8_t chunk[1000];

	if (!w->bulk)
		put_pattern(w->cd, 0, w->len);
	for (size_t at = 0; w->bulk && at < w->len; at += sizeof(chunk)) {
		size_t n = w->len - at < sizeof(chunk) ? w->len - at : sizeof(chunk);

		for (size_t i = 0; i < n; i++)
			chunk[i] = pattern(at + i);
		chardev_write(w->cd, chunk, n);
	}
	atomic_store(&w->done, true);
	return NULL;
}

/*
 * The other side reads nothing for a while, then everything: the writer waits, and no byte is lost.
 */
static void check_blocked(struct rig *r, int from, bool bulk)
{
	struct writer w = { .cd = r->cd, .len = MANY_BYTES, .bulk = bulk };
	uint8_t *buf = malloc(MANY_BYTES);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, write_many, &w), 0);
	usleep(100000);
	assert_false(atomic_load(&w.done));
	read_exactly(from, buf, MANY_BYTES / 2);
	usleep(20000);
	read_exactly(from, buf + MANY_BYTES / 2, MANY_BYTES - MANY_BYTES / 2 - 10);
	pthread_join(thread, NULL);
	read_exactly(from, buf + MANY_BYTES - 10, 10); /* by the timer */
	rig_stop(r);
	assert_pattern(buf, 0, MANY_BYTES);
	assert_int_equal(r->seen_len, MANY_BYTES);
	assert_pattern(r->seen, 0, MANY_BYTES);
	free(buf);
	close(from);
}

static void test_blocked_pipe(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();

	null_stdin();
	rig_open(r, "stdio");
	rig_run(r);
	check_blocked(r, from, false);
	assert_int_equal(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
}

static void test_blocked_pipe_bulk(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();

	null_stdin();
	rig_open(r, "stdio");
	rig_run(r);
	check_blocked(r, from, true);
}

static void test_blocked_socket(void **state)
{
	struct rig *r = *state;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	replace_stdout(fds[1]);
	null_stdin();
	rig_open(r, "stdio");
	rig_run(r);
	check_blocked(r, fds[0], false);
	assert_int_equal(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
}

static void test_abort_frees_writer(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();
	struct writer w = { .len = MANY_BYTES };
	pthread_t thread;

	null_stdin();
	rig_open(r, "stdio");
	rig_run(r);
	w.cd = r->cd;
	assert_int_equal(pthread_create(&thread, NULL, write_many, &w), 0);
	usleep(50000);
	assert_false(atomic_load(&w.done));
	chardev_abort(r->cd);
	pthread_join(thread, NULL);
	close(from);
}

struct drainer {
	int fd;
	uint8_t *buf;
	size_t len;
};

static void *drain_slowly(void *ctx)
{
	struct drainer *d = ctx;

	for (size_t at = 0; at < d->len;) {
		ssize_t n = read(d->fd, d->buf + at, 8192);

		if (n <= 0)
			break;
		at += (size_t)n;
		usleep(5000);
	}
	return NULL;
}

/* No loop runs: on the way out. */
static void test_flush_alone(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();
	/* more than a pipe holds, less than makes the writer wait */
	const size_t len = 64 * 1024 + 50000;
	struct drainer d = { .fd = from, .buf = malloc(len + 8192), .len = len };
	pthread_t thread;

	rig_open(r, "stdio");
	put_pattern(r->cd, 0, len);
	assert_false(chardev_flush(r->cd, 30));
	assert_int_equal(r->seen_len, len);
	assert_int_equal(pthread_create(&thread, NULL, drain_slowly, &d), 0);
	assert_true(chardev_flush(r->cd, -1));
	pthread_join(thread, NULL);
	assert_pattern(d.buf, 0, len);
	free(d.buf);
	close(from);
}

static void test_reader_gone(void **state)
{
	struct rig *r = *state;

	close(pipe_stdout());
	null_stdin();
	rig_open(r, "stdio");
	rig_run(r);
	put_pattern(r->cd, 0, MANY_BYTES);
	assert_true(chardev_flush(r->cd, -1));
	assert_int_equal(r->seen_len, MANY_BYTES);
}

static void test_full_disk(void **state)
{
	struct rig *r = *state;

	rig_open(r, "file:/dev/full");
	assert_false(chardev_lost(r->cd));
	put_pattern(r->cd, 0, MANY_BYTES);
	assert_true(chardev_flush(r->cd, -1));
	assert_true(chardev_lost(r->cd));
}

static void test_closed_stdio(void **state)
{
	struct rig *r = *state;

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	/* term_guard_stdio() would fill these numbers; here they stay free. */
	rig_open(r, "stdio");
	rig_set_room(r, 16);
	rig_run(r);
	put_pattern(r->cd, 0, 200000);
	assert_true(chardev_flush(r->cd, -1));
	chardev_rx_ready(r->cd);
	usleep(20000);
	assert_int_equal(r->got_len, 0);
}

/* Takes input 16 bytes at a time until @len bytes have come. */
static void take_all(struct rig *r, size_t len)
{
	uint64_t end_ns = now_ns() + WAIT_MS * 1000000ULL;

	for (size_t got = 0; got < len;) {
		bool empty;

		pthread_mutex_lock(&r->lock);
		got = r->got_len;
		empty = !r->room;
		if (empty)
			r->room = 16;
		pthread_mutex_unlock(&r->lock);
		if (empty)
			chardev_rx_ready(r->cd);
		else
			usleep(10);
		assert_true(now_ns() < end_ns);
	}
}

struct feeder {
	int fd;
	size_t len;
};

static void *feed(void *ctx)
{
	struct feeder *f = ctx;

	for (size_t at = 0; at < f->len;) {
		uint8_t chunk[4096];
		size_t n = f->len - at < sizeof(chunk) ? f->len - at : sizeof(chunk);
		ssize_t done;

		for (size_t i = 0; i < n; i++)
			chunk[i] = pattern(at + i);
		done = write(f->fd, chunk, n);
		if (done <= 0)
			break;
		at += (size_t)done;
	}
	close(f->fd);
	return NULL;
}

static void test_pipe_input(void **state)
{
	struct rig *r = *state;
	struct feeder f = { .fd = pipe_stdin(), .len = MANY_BYTES / 2 };
	pthread_t thread;

	rig_open(r, "stdio");
	rig_run(r);
	assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
	take_all(r, f.len);
	pthread_join(thread, NULL);
	assert_int_equal(r->got_len, f.len);
	assert_pattern(r->got, 0, f.len);
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK, 0);
}

static void test_socket_input(void **state)
{
	struct rig *r = *state;
	struct feeder f = { .len = 100000 };
	pthread_t thread;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	replace_stdin(fds[0]);
	f.fd = fds[1];
	rig_open(r, "stdio");
	rig_run(r);
	assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
	take_all(r, f.len);
	pthread_join(thread, NULL);
	assert_pattern(r->got, 0, f.len);
}

static void test_file_input(void **state)
{
	struct rig *r = *state;
	char path[] = "/tmp/chardev-test-XXXXXX";
	struct feeder f = { .fd = mkstemp(path), .len = 100000 };

	replace_stdin(open(path, O_RDONLY));
	unlink(path);
	feed(&f);
	rig_open(r, "stdio");
	rig_run(r);
	usleep(20000);
	assert_int_equal(lseek(STDIN_FILENO, 0, SEEK_CUR), 0);
	take_all(r, f.len);
	assert_int_equal(r->got_len, f.len);
	assert_pattern(r->got, 0, f.len);
}

/* Bytes for which the client has no room stay in the pipe. */
static void test_no_room_no_read(void **state)
{
	struct rig *r = *state;
	int to = pipe_stdin();
	char buf[16];

	rig_open(r, "stdio");
	rig_set_room(r, 3);
	rig_run(r);
	assert_int_equal(write(to, "abcdef", 6), 6);
	rig_wait(r, r->got_len, 3);
	usleep(20000);
	assert_int_equal(r->got_len, 3);
	assert_int_equal(read(STDIN_FILENO, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "def", 3);
	close(to);
}

static uint64_t cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000ULL +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* Nothing spins, and output still works. */
static void check_quiet(struct rig *r, int from)
{
	uint64_t before = cpu_ns();

	usleep(200000);
	assert_true(cpu_ns() - before < 100000000);
	chardev_write(r->cd, "on\n", 3);
	assert_reads(from, "on\n");
	close(from);
}

static void test_end_of_input(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout(), to = pipe_stdin();

	rig_open(r, "stdio");
	rig_set_room(r, 16);
	rig_run(r);
	assert_int_equal(write(to, "last", 4), 4);
	close(to);
	rig_wait(r, r->got_len, 4);
	check_quiet(r, from);
	assert_int_equal(r->quits, 0);
}

static void test_end_of_input_without_room(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout(), to = pipe_stdin();

	rig_open(r, "stdio");
	rig_run(r);
	assert_int_equal(write(to, "last", 4), 4);
	close(to);
	usleep(20000);
	check_quiet(r, from);
	rig_set_room(r, 16);
	chardev_rx_ready(r->cd);
	rig_wait(r, r->got_len, 4);
}

static void test_null_input(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();

	null_stdin();
	rig_open(r, "stdio");
	rig_set_room(r, 16);
	rig_run(r);
	check_quiet(r, from);
	assert_int_equal(r->got_len, 0);
}

struct ticker {
	struct chardev *cd;
	_Atomic unsigned int ticks;
	_Atomic bool more;
	size_t burst;
};

static bool on_tick(void *ctx)
{
	struct ticker *t = ctx;

	atomic_fetch_add(&t->ticks, 1);
	for (size_t i = 0; i < t->burst; i++)
		chardev_putc(t->cd, pattern(i));
	t->burst = 0;
	return atomic_load(&t->more);
}

static void test_tick(void **state)
{
	struct rig *r = *state;
	struct ticker t = { .more = true };
	unsigned int before, idle;

	null_stdin();
	replace_stdout(open("/dev/null", O_WRONLY));
	rig_open(r, "stdio");
	chardev_set_tick(r->cd, on_tick, &t);
	rig_run(r);
	usleep(30000);
	/* no output yet: an unused port costs nothing */
	assert_int_equal(atomic_load(&t.ticks), 0);
	chardev_putc(r->cd, 'x');
	usleep(400000);
	idle = atomic_load(&t.ticks);
	assert_in_range(idle, 3, 9); /* at 4, 8, 16, 32, ... ms */
	chardev_tick_soon(r->cd);
	rig_wait(r, atomic_load(&t.ticks), idle + 1);
	before = atomic_load(&t.ticks);
	atomic_store(&t.more, false);
	chardev_tick_soon(r->cd);
	rig_wait(r, atomic_load(&t.ticks), before + 1);
	usleep(50000); /* one may have been in progress */
	before = atomic_load(&t.ticks);
	usleep(300000);
	rig_stop(r);
	assert_int_equal(atomic_load(&t.ticks), before);
}

/* A tick's output on the loop's thread must not make it wait, however slow the other side is. */
static void test_loop_thread_never_waits(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();
	struct ticker t = { .more = true, .burst = 150000 };
	uint8_t *buf = malloc(150000);

	null_stdin();
	rig_open(r, "stdio");
	t.cd = r->cd;
	chardev_set_tick(r->cd, on_tick, &t);
	rig_run(r);
	chardev_tick_soon(r->cd);
	rig_wait(r, atomic_load(&t.ticks), 1);
	usleep(50000);
	read_exactly(from, buf, 150000);
	rig_stop(r);
	assert_pattern(buf, 0, 150000);
	free(buf);
	close(from);
}

/* The client sees the end of stdin, but not before the last byte. */
static void test_stdin_ends(void **state)
{
	struct rig *r = *state;
	int to = pipe_stdin();

	rig_open(r, "stdin");
	rig_run(r);
	assert_int_equal(write(to, "abc", 3), 3);
	close(to);
	usleep(20000);
	assert_true(chardev_present(r->cd)); /* the client has not taken the bytes */
	rig_set_room(r, 100);
	chardev_rx_ready(r->cd);
	rig_wait(r, r->hangups, 1);
	assert_false(chardev_present(r->cd));
	rig_stop(r);
	assert_int_equal(r->got_len, 3);
	assert_int_equal(r->hangups, 1);
}

/*
 * Bytes are kept until the device takes them; a device that never does cannot make the buffer
 * large.
 */
static void test_signals_are_given(void **state)
{
	static const uint8_t bytes[] = { 15, 1 };
	struct rig *r = *state;
	unsigned int given = 1;

	rig_open(r, "signals");
	assert_true(chardev_present(r->cd));
	assert_int_equal(chardev_give(r->cd, bytes, 2), 0);
	assert_int_equal(r->got_len, 0);
	rig_set_room(r, 100);
	assert_int_equal(chardev_give(r->cd, bytes, 1), 0);
	assert_int_equal(r->got_len, 3);
	assert_memory_equal(r->got, "\x0f\x01\x0f", 3);
	rig_set_room(r, 0);
	while (given < MANY_BYTES && !chardev_give(r->cd, bytes, 2))
		given++;
	assert_true(given < MANY_BYTES);
	rig_set_room(r, 1);
	chardev_rx_ready(r->cd);
	rig_run(r);
	rig_wait(r, r->got_len, 4);
	rig_stop(r);
}

static void test_stdout_reader_gone(void **state)
{
	struct rig *r = *state;
	int from = pipe_stdout();

	rig_open(r, "stdout");
	rig_run(r);
	chardev_write(r->cd, "abc\n", 4);
	assert_reads(from, "abc\n");
	assert_true(chardev_present(r->cd));
	close(from);
	chardev_write(r->cd, "def\n", 4);
	rig_wait(r, r->hangups, 1);
	assert_false(chardev_present(r->cd));
	assert_true(chardev_room(r->cd) > 0); /* and does not block writers */
	put_pattern(r->cd, 0, 200000);
	rig_stop(r);
	assert_int_equal(r->hangups, 1);
}

/* When the device ends a stream, its readers and writers see the end, and no byte is lost. */
static void test_streams_are_closed(void **state)
{
	struct rig *r = *state;
	int to = pipe_stdin(), from = pipe_stdout();
	char byte;

	rig_open(r, "stdout");
	for (size_t i = 0; i < 60000; i++)
		chardev_putc(r->cd, 'x');
	chardev_write(r->cd, "abc", 3);
	chardev_end(r->cd);
	for (size_t i = 0; i < 60000; i++)
		read_exactly(from, &byte, 1);
	assert_reads(from, "abc");
	assert_int_equal(read(from, &byte, 1), 0);
	chardev_write(r->cd, "to nobody\n", 10);
	assert_true(chardev_flush(r->cd, 0));
	rig_close(r);
	rig_open(r, "stdin");
	chardev_end(r->cd);
	assert_int_equal(write(to, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(to);
	close(from);
}

/* A log shows nothing until it is requested, and then only the latest output. */
static void test_log_is_kept(void **state)
{
	struct rig *r = *state;
	int fds[2], saved = dup(STDERR_FILENO);
	char got[8] = "";

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	rig_open(r, "log");
	put_pattern(r->cd, 0, 200000);
	chardev_write(r->cd, "the end\n", 8);
	assert_false(readable_within(fds[0], 20));
	assert_true(chardev_flush(r->cd, 0));
	chardev_show_log(r->cd);
	read_exactly(fds[0], got, 1);
	for (size_t len = 1; memcmp(got, "the end\n", 8) != 0; len++) {
		assert_true(len <= 65536);
		chardev_flush(r->cd, 0);
		memmove(got, got + 1, 7);
		read_exactly(fds[0], got + 7, 1);
	}
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_specs),
		rig_test(test_one_stdio),
		rig_test(test_newline_flushes),
		rig_test(test_stamps),
		rig_test(test_stamps_take_room),
		rig_test(test_4k_flushes),
		rig_test(test_timer_flushes),
		rig_test(test_writes_are_batched),
		rig_test(test_file),
		rig_test(test_null_shows_hooks),
		rig_test(test_blocked_pipe),
		rig_test(test_blocked_pipe_bulk),
		rig_test(test_blocked_socket),
		rig_test(test_abort_frees_writer),
		rig_test(test_flush_alone),
		rig_test(test_reader_gone),
		rig_test(test_full_disk),
		rig_test(test_closed_stdio),
		rig_test(test_pipe_input),
		rig_test(test_socket_input),
		rig_test(test_file_input),
		rig_test(test_no_room_no_read),
		rig_test(test_end_of_input),
		rig_test(test_end_of_input_without_room),
		rig_test(test_null_input),
		rig_test(test_tick),
		rig_test(test_loop_thread_never_waits),
		rig_test(test_stdin_ends),
		rig_test(test_signals_are_given),
		rig_test(test_stdout_reader_gone),
		rig_test(test_streams_are_closed),
		rig_test(test_log_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
