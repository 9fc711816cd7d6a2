/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests messages: what of them goes to stderr, their quoting, and a stderr that nothing reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_BYTES 4096 /* the smallest pipe of Linux */
#define LINES 3000

/* stderr is a small pipe meanwhile. */
struct rig {
	int saved, in, out;
};

static void begin(struct rig *r, int flags)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	r->in = ends[0];
	r->out = ends[1];
	assert_int_equal(fcntl(r->out, F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
	fcntl(r->out, F_SETFL, flags);
	fcntl(r->in, F_SETFL, O_NONBLOCK);
	r->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
	assert_int_equal(dup2(r->out, STDERR_FILENO), STDERR_FILENO);
	log_own_stderr();
}

static void end(struct rig *r)
{
	dup2(r->saved, STDERR_FILENO);
	log_set_patient(true);
	log_own_stderr();
	close(r->saved);
	close(r->in);
	close(r->out);
}

/* Returns what stderr has by now. */
static const char *said(struct rig *r)
{
	static char text[2 * PIPE_BYTES];
	ssize_t n = read(r->in, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void fill(struct rig *r)
{
	static char bytes[PIPE_BYTES];

	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(write(r->out, bytes, sizeof(bytes)), PIPE_BYTES);
}

static void test_messages_are_quoted(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, 0);
	pr_err("%s: no", "a\033]0;pwned\a\nkvm: b\xc2\x9b"
			 "2J \xc3\xa4\xff\x7f\tc");
	assert_string_equal(
		said(&r),
		"kvm: a\\x1b]0;pwned\\x07\\x0akvm: b\\xc2\\x9b2J \xc3\xa4\\xff\\x7f\tc: no\n");
	log_set_raw(1);
	pr_err("\033");
	assert_string_equal(said(&r), "kvm: \\x1b\r\n");
	log_set_raw(0);
	log_block("one\ttwo\033[2J\r\nthree\n", 19);
	assert_string_equal(said(&r), "one\ttwo\\x1b[2J\\x0d\nthree\n");
	log_verbatim("\rfour\033", 6);
	assert_string_equal(said(&r), "\rfour\033");
	end(&r);
}

static void test_long_messages_are_cut(void **state)
{
	char text[5000];
	struct rig r;

	(void)state;
	begin(&r, 0);
	memset(text, 1, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	pr_err("%s", text);
	assert_int_equal(strlen(said(&r)), 1023);
	memset(text, 'a', sizeof(text) - 1);
	pr_err("%s", text);
	assert_in_range(strlen(said(&r)), 1000, 1024);
	end(&r);
}

/* Nothing waits for longer than the limit, and the flags that other processes share stay. */
static void test_a_stderr_that_nothing_reads(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, 0);
	log_set_patient(false);
	fill(&r);
	for (int i = 0; i < LINES; i++)
		pr_err("line %d", i);
	log_block("1\n2\n", 4);
	assert_int_equal(fcntl(r.out, F_GETFL) & O_NONBLOCK, 0);
	said(&r);
	pr_err("again");
	assert_string_equal(
		said(&r), "kvm: 3002 lines of messages are lost: nothing read them\nkvm: again\n");
	pr_err("and again");
	assert_string_equal(said(&r), "kvm: and again\n");
	end(&r);
}

static void test_a_block_that_is_cut(void **state)
{
	static char text[3 * PIPE_BYTES];
	struct rig r;

	(void)state;
	memset(text, 'y', sizeof(text));
	for (size_t i = 99; i < sizeof(text); i += 100)
		text[i] = '\n';
	text[sizeof(text) - 1] = '\n';
	begin(&r, 0);
	log_set_patient(false);
	log_block(text, sizeof(text));
	assert_int_equal(strlen(said(&r)), PIPE_BYTES);
	pr_err("again");
	assert_string_equal(
		said(&r), "\nkvm: 83 lines of messages are lost: nothing read them\nkvm: again\n");
	end(&r);
}

static void *read_slowly(void *ctx)
{
	struct rig *r = ctx;
	size_t *got = calloc(1, sizeof(*got));
	char bytes[512];
	ssize_t n;

	fcntl(r->in, F_SETFL, 0);
	while (got && (n = read(r->in, bytes, sizeof(bytes))) > 0) {
		*got += (size_t)n;
		if (memchr(bytes, '!', (size_t)n))
			break;
		usleep(200);
	}
	return got;
}

/* ssh(1) and others make their children's stderr non-blocking. */
static void test_a_stderr_that_does_not_block(void **state)
{
	static char text[50000];
	pthread_t thread;
	struct rig r;
	void *got;

	(void)state;
	memset(text, 'z', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	begin(&r, O_NONBLOCK);
	assert_int_equal(pthread_create(&thread, NULL, read_slowly, &r), 0);
	log_block(text, sizeof(text));
	pr_err("the verdict!");
	pthread_join(thread, &got);
	assert_int_equal(*(size_t *)got, sizeof(text) + strlen("kvm: the verdict!\n"));
	free(got);
	end(&r);
}

/* After the end a signal only cuts the wait short, to what it is while a machine runs. */
static void test_a_signal_ends_patience(void **state)
{
	sigset_t term, before;
	struct rig r;
	int signo;

	(void)state;
	begin(&r, 0);
	log_set_patient(true);
	fill(&r);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	raise(SIGTERM);
	pr_err("lost");
	sigwait(&term, &signo);
	sigprocmask(SIG_SETMASK, &before, NULL);
	said(&r);
	pr_err("again");
	assert_non_null(strstr(said(&r), "kvm: 1 line of messages is lost"));
	end(&r);
}

static void test_a_log_that_nothing_reads(void **state)
{
	static char bytes[3 * PIPE_BYTES];
	char path[64];
	struct rig r;
	int reader;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_log.%d", (int)getpid());
	assert_int_equal(mkfifo(path, 0600), 0);
	begin(&r, 0);
	assert_int_equal(log_open_file(path), -ENXIO);
	assert_non_null(strstr(said(&r), "start its reader first"));
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	fcntl(reader, F_SETPIPE_SZ, PIPE_BYTES);
	assert_int_equal(log_open_file(path), 0);
	log_set_patient(false);
	for (int i = 0; i < 100; i++)
		log_console(bytes, sizeof(bytes));
	assert_string_equal(said(&r),
			    "kvm: --log: nothing reads it; what it does not take is lost\n");
	assert_int_equal(read(reader, bytes, sizeof(bytes)), PIPE_BYTES);
	log_console("back", 4);
	assert_int_equal(read(reader, bytes, sizeof(bytes)), 4);
	close(reader);
	signal(SIGPIPE, SIG_IGN);
	log_console("gone", 4);
	assert_non_null(strstr(said(&r), "the rest of the log is lost"));
	unlink(path);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_are_quoted),
		cmocka_unit_test(test_long_messages_are_cut),
		cmocka_unit_test(test_a_stderr_that_nothing_reads),
		cmocka_unit_test(test_a_block_that_is_cut),
		cmocka_unit_test(test_a_stderr_that_does_not_block),
		cmocka_unit_test(test_a_signal_ends_patience),
		cmocka_unit_test(test_a_log_that_nothing_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
