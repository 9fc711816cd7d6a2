/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests starting child processes: signals, streams, descriptors, environment, group and end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 64			       /* a descriptor that nothing else has */
#define STANDARD_SIGNALS 0x7fffffffULL /* not libc's own two above them */

static void read_end(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
}

/*
 * Runs a shell command with the settings in @s. Fills @text with its output. Returns whether it
 * succeeded.
 */
static bool shell(const char *line, struct spawn *s, char *text, size_t size)
{
	char *const argv[] = { "sh", "-c", (char *)(uintptr_t)line, NULL };
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	s->argv = argv;
	s->out = ends[1];
	assert_int_equal(spawn_program(&pid, s), 0);
	close(ends[1]);
	read_end(ends[0], text, size);
	return spawn_wait(pid, SPAWN_FOREVER);
}

static void test_signals_are_as_usual(void **state)
{
	struct spawn s = { .in = SPAWN_NULL, .err = SPAWN_NULL, .keep = SPAWN_NONE };
	unsigned long long blocked, ignored;
	char text[256];
	sigset_t all, before;

	(void)state;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	/* not the shell's own: dash blocks every signal around its vfork() */
	assert_true(
		shell("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", &s, text, sizeof(text)));
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(sscanf(text, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
	assert_int_equal(blocked, 0);
	assert_int_equal(ignored & STANDARD_SIGNALS, 0);
}

static void test_streams_and_descriptors(void **state)
{
	struct spawn s = { .in = SPAWN_NULL, .err = SPAWN_NULL, .keep_as = 9 };
	int other = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, MANY);
	char text[256];

	(void)state;
	s.keep = other;
	assert_true(shell(
		"readlink /proc/$$/fd/0 /proc/$$/fd/2; [ -e /proc/$$/fd/9 ] && [ ! -e /proc/$$/fd/64 ]",
		&s, text, sizeof(text)));
	assert_string_equal(text, "/dev/null\n/dev/null\n");
	s.keep_as = s.keep;
	assert_true(shell("[ -e /proc/$$/fd/64 ]", &s, text, sizeof(text)));
	s.keep = SPAWN_NONE;
	assert_false(shell("[ -e /proc/$$/fd/64 ]", &s, text, sizeof(text)));
	close(other);
}

static void test_environment_and_group(void **state)
{
	char *const env[] = { "ONLY=this", NULL };
	struct spawn s = { .in = SPAWN_NULL, .err = SPAWN_NULL, .keep = SPAWN_NONE };
	char text[256];
	pid_t group;

	(void)state;
	setenv("OURS", "that", 1);
	assert_true(shell("echo $ONLY $OURS", &s, text, sizeof(text)));
	assert_string_equal(text, "that\n");
	s.env = env;
	assert_true(shell("echo $ONLY $OURS", &s, text, sizeof(text)));
	assert_string_equal(text, "this\n");
	s.env = NULL;
	assert_true(shell("cut -d' ' -f5 /proc/$$/stat", &s, text, sizeof(text)));
	assert_int_equal(atoi(text), getpgrp());
	s.own_group = true;
	assert_true(shell("cut -d' ' -f5 /proc/$$/stat; echo $$", &s, text, sizeof(text)));
	group = atoi(text);
	assert_int_not_equal(group, getpgrp());
	assert_int_equal(group, atoi(strchr(text, '\n')));
}

static void test_ends(void **state)
{
	char *const missing[] = { "no-such-program-anywhere", NULL }, *const slow[] = { "sleep",
											"1000",
											NULL };
	struct spawn s = {
		.in = SPAWN_NULL, .out = SPAWN_NULL, .err = SPAWN_NULL, .keep = SPAWN_NONE
	};
	char text[16];
	pid_t pid;

	(void)state;
	assert_false(shell("exit 3", &s, text, sizeof(text)));
	assert_false(shell("kill -9 $$", &s, text, sizeof(text)));
	s.out = SPAWN_NULL;
	s.argv = missing;
	assert_int_equal(spawn_program(&pid, &s), -ENOENT);
	s.argv = slow;
	assert_int_equal(spawn_program(&pid, &s), 0);
	assert_false(spawn_wait(pid, 50));
	assert_int_equal(waitpid(pid, NULL, 0), -1);
	assert_int_equal(errno, ECHILD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals_are_as_usual),
		cmocka_unit_test(test_streams_and_descriptors),
		cmocka_unit_test(test_environment_and_group),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
