/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests character devices on a terminal, a pty, or a socket whose clients connect and disconnect;
 * and the terminal itself.
 */
#include "chardev_rig.h"

#include "kvm/base/fatal.h"
#include "kvm/base/leftover.h"
#include "kvm/chardev/chardev_impl.h"
#include "kvm/log.h"
#include "kvm/term.h"
#include "unit/messages.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#define KEPT_BYTES 65536

struct pty {
	int master, slave;
	char name[64];
};

static struct pty make_pty(void)
{
	struct pty p = { .master = posix_openpt(O_RDWR | O_NOCTTY) };

	assert_true(p.master >= 0);
	assert_int_equal(grantpt(p.master), 0);
	assert_int_equal(unlockpt(p.master), 0);
	assert_int_equal(ptsname_r(p.master, p.name, sizeof(p.name)), 0);
	p.slave = open(p.name, O_RDWR | O_NOCTTY);
	assert_true(p.slave >= 0);
	return p;
}

static void close_pty(struct pty *p)
{
	close(p->slave);
	close(p->master);
}

static bool is_raw(int fd)
{
	struct termios t;

	assert_int_equal(tcgetattr(fd, &t), 0);
	return !(t.c_lflag & (ICANON | ECHO | ISIG)) && !(t.c_oflag & OPOST);
}

static void type(const struct pty *p, const char *text)
{
	assert_int_equal(write(p->master, text, strlen(text)), strlen(text));
}

/* stdin is a terminal, stdout a pipe: `kvm run | tee log`. */
static int start_at_terminal(struct rig *r, struct pty *p)
{
	int from = pipe_stdout();

	*p = make_pty();
	replace_stdin(dup(p->slave));
	rig_open(r, "stdio");
	assert_false(is_raw(p->slave));
	rig_run(r);
	while (!is_raw(p->slave))
		usleep(1000);
	return from;
}

static void test_terminal_input(void **state)
{
	struct rig *r = *state;
	struct pty p;
	int from;

	rig_set_room(r, 100);
	from = start_at_terminal(r, &p);
	type(&p, "\x01"
		 "hls\r\x03\x1a\x01\x01.");
	rig_wait(r, r->got_len, 7);
	assert_true(is_raw(p.slave));
	rig_close(r);
	assert_memory_equal(r->got, "ls\r\x03\x1a\x01.", 7);
	assert_false(is_raw(p.slave));
	assert_int_equal(fcntl(p.slave, F_GETFL) & O_NONBLOCK, 0);
	close_pty(&p);
	close(from);
}

static void test_quit_while_guest_is_deaf(void **state)
{
	struct rig *r = *state;
	struct pty p;
	int from = start_at_terminal(r, &p);
	char line[1000];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 100; i++)
		type(&p, line);
	type(&p, "\x01x");
	rig_wait(r, r->quits, 1);
	rig_set_room(r, 1000000);
	chardev_rx_ready(r->cd);
	rig_wait(r, r->got_len, 99900);
	rig_stop(r);
	assert_int_equal(r->got_len, 99900);
	close_pty(&p);
	close(from);
}

static void test_break_keeps_its_place(void **state)
{
	struct rig *r = *state;
	struct pty p;
	int from = start_at_terminal(r, &p);

	type(&p, "ab\x01"
		 "bc\x01"
		 "b\x01"
		 "bd");
	usleep(20000);
	for (int i = 0; i < 10; i++) {
		rig_set_room(r, 1);
		chardev_rx_ready(r->cd);
		usleep(3000);
	}
	rig_wait(r, r->got_len, 7);
	rig_stop(r);
	assert_memory_equal(r->got,
			    "ab\xfe"
			    "c\xfe\xfe"
			    "d",
			    7);
	close_pty(&p);
	close(from);
}

static void *paste(void *ctx)
{
	const struct pty *p = ctx;
	uint8_t chunk[500];

	for (size_t at = 0; at < 500000; at += sizeof(chunk)) {
		for (size_t i = 0; i < sizeof(chunk); i++)
			chunk[i] = (uint8_t)('0' + (at + i) % 71);
		for (size_t done = 0; done < sizeof(chunk);) {
			ssize_t n = write(p->master, chunk + done, sizeof(chunk) - done);

			if (n <= 0)
				return NULL;
			done += (size_t)n;
		}
	}
	return NULL;
}

/*
 * Half a megabyte is pasted and taken 16 bytes at a time; on a slow host this test takes longest.
 */
static void test_paste(void **state)
{
	struct rig *r = *state;
	uint64_t end_ns = now_ns() + 4 * WAIT_MS * 1000000ULL;
	struct pty p;
	int from = start_at_terminal(r, &p);
	pthread_t thread;
	size_t got = 0;

	assert_int_equal(pthread_create(&thread, NULL, paste, &p), 0);
	while (got < 500000 && now_ns() < end_ns) {
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
			sched_yield(); /* to the threads that send and receive the bytes */
	}
	pthread_join(thread, NULL);
	rig_stop(r);
	assert_int_equal(r->got_len, 500000);
	for (size_t i = 0; i < 500000; i++) {
		if (r->got[i] != '0' + i % 71)
			fail_msg("byte %zu", i);
	}
	close_pty(&p);
	close(from);
}

static void test_window_size(void **state)
{
	struct rig *r = *state;
	struct winsize w = { .ws_row = 33, .ws_col = 99 };
	struct pty p = make_pty();
	unsigned int columns = 0, rows = 0;

	replace_stdin(dup(p.slave));
	replace_stdout(dup(p.slave));
	assert_int_equal(ioctl(p.master, TIOCSWINSZ, &w), 0);
	rig_open(r, "stdio");
	assert_true(chardev_size(r->cd, &columns, &rows));
	assert_int_equal(columns, 99);
	assert_int_equal(rows, 33);
	chardev_winch(r->cd);
	assert_int_equal(r->resizes, 1);
	close_pty(&p);
}

/* Output to a terminal that no process reads, then one does. */
static void test_slow_terminal(void **state)
{
	struct rig *r = *state;
	struct pty p = make_pty();
	size_t len = 50000;
	uint8_t *buf = malloc(len);

	term_release();
	replace_stdin(dup(p.slave));
	replace_stdout(dup(p.slave));
	rig_open(r, "stdio");
	rig_run(r);
	while (!is_raw(p.slave))
		usleep(1000);
	put_pattern(r->cd, 0, len);
	read_exactly(p.master, buf, len);
	assert_pattern(buf, 0, len);
	assert_int_equal(fcntl(p.slave, F_GETFL) & O_NONBLOCK, 0);
	free(buf);
	close_pty(&p);
}

/* What the guest has switched is switched back, on a terminal only. */
static void test_modes_put_back(void **state)
{
	static const char modes[] = "\033[?25l\033[?1049h";
	static const char all[] = "\033[?25l\033[?1049h\033[?25h\033[?1049l";
	struct rig *r = *state;
	uint8_t buf[sizeof(all)];
	struct pty p = make_pty();
	int ends[2];

	term_release();
	replace_stdin(dup(p.slave));
	replace_stdout(dup(p.slave));
	rig_open(r, "stdio");
	chardev_write(r->cd, modes, strlen(modes));
	assert_true(chardev_flush(r->cd, 1000));
	rig_close(r);
	read_exactly(p.master, buf, strlen(all));
	assert_memory_equal(buf, all, strlen(all));
	close_pty(&p);
	assert_int_equal(pipe(ends), 0);
	replace_stdout(ends[1]);
	rig_open(r, "stdio");
	chardev_write(r->cd, modes, strlen(modes));
	assert_true(chardev_flush(r->cd, 1000));
	rig_close(r);
	assert_int_equal(read(ends[0], buf, sizeof(buf)), strlen(modes));
	close(ends[0]);
}

static void check(bool good, int code)
{
	if (!good)
		_exit(code);
}

/*
 * Runs as a background job of the session whose terminal is @p. The exit code shows which step
 * failed.
 */
static void background_job(struct rig *r, struct pty *p, int tell, int told)
{
	char c;

	setpgid(0, 0);
	rig_open(r, "stdio");
	rig_set_room(r, 10);
	rig_run(r);
	usleep(300000); /* it has checked, and is not in the foreground */
	check(!is_raw(p->slave), 3);
	check(write(tell, "b", 1) == 1, 4);
	check(read(told, &c, 1) == 1, 5); /* now in the foreground, without a signal */
	for (int i = 0; i < 1000 && !is_raw(p->slave); i++)
		usleep(10000);
	rig_stop(r);
	check(is_raw(p->slave), 6);
	check(r->resizes == 1, 7);
	chardev_close(r->cd);
	check(!is_raw(p->slave), 8);
	_exit(0);
}

static void session(struct rig *r)
{
	struct pty p = make_pty();
	int up[2], down[2], status = 0;
	pid_t job;
	char c;

	setsid();
	signal(SIGTTOU, SIG_IGN);
	check(ioctl(p.slave, TIOCSCTTY, 0) == 0, 20);
	check(pipe(up) == 0 && pipe(down) == 0, 21);
	dup2(p.slave, STDIN_FILENO);
	job = fork();
	if (!job) {
		signal(SIGTTOU, SIG_DFL);
		background_job(r, &p, up[1], down[0]);
	}
	check(read(up[0], &c, 1) == 1, 22);
	check(tcsetpgrp(p.slave, job) == 0, 23);
	check(write(down[1], "f", 1) == 1, 24);
	check(waitpid(job, &status, WUNTRACED) == job, 25);
	check(WIFEXITED(status), 26);
	_exit(WEXITSTATUS(status));
}

static int exit_status(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_background_job(void **state)
{
	pid_t pid = fork();

	if (!pid)
		session(*state);
	assert_int_equal(exit_status(pid), 0);
}

static void test_crash_restores(void **state)
{
	static const int fatal[] = { SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGBUS };
	struct pty p = make_pty();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		pid_t pid = fork();

		if (!pid) {
			fatal_catch_sigbus(NULL);
			check(term_raw(p.slave) == 0, 1);
			check(is_raw(p.slave), 2);
			raise(fatal[i]);
			_exit(3);
		}
		assert_int_equal(exit_status(pid) & 0x7f, fatal[i]);
		assert_false(is_raw(p.slave));
	}
	close_pty(&p);
}

static int mend(void *addr)
{
	return addr != NULL;
}

static void test_sigbus_mended(void **state)
{
	pid_t pid = fork();
	union sigval value = { .sival_ptr = NULL };

	(void)state;
	(void)value;
	if (!pid) {
		fatal_catch_sigbus(mend);
		raise(SIGBUS); /* si_addr holds the sender's ids, which are not 0 */
		_exit(7);
	}
	assert_int_equal(exit_status(pid), 7 << 8);
}

static void test_raw_twice(void **state)
{
	struct pty p = make_pty();

	(void)state;
	assert_int_equal(term_raw(p.slave), 0);
	assert_int_equal(term_raw(p.slave), 0);
	term_restore();
	assert_false(is_raw(p.slave));
	term_restore();
	assert_int_equal(term_raw(open("/dev/null", O_RDONLY)), -ENOTTY);
	close_pty(&p);
}

static void test_guard_stdio(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		check(term_guard_stdio(), 3);
		check(read(STDIN_FILENO, &pid, 1) == 0, 1);
		check(write(STDOUT_FILENO, "x", 1) == 1, 2);
		/* Where there is no /dev/null, the next file that is opened would be stdout. */
		if (chroot("/proc/self/fdinfo"))
			_exit(0); /* only root may */
		close(STDOUT_FILENO);
		check(!term_guard_stdio() && errno == ENOENT, 4);
		_exit(0);
	}
	assert_int_equal(exit_status(pid), 0);
}

/* A signal removes the sockets' paths that are still ours, and no others. */
static void test_leftovers(void **state)
{
	char ours[64], others[64], dropped[64];
	struct stat st;
	pid_t pid;

	(void)state;
	snprintf(ours, sizeof(ours), "/tmp/leftover-%d-1", (int)getpid());
	snprintf(others, sizeof(others), "/tmp/leftover-%d-2", (int)getpid());
	snprintf(dropped, sizeof(dropped), "/tmp/leftover-%d-3", (int)getpid());
	close(creat(ours, 0600));
	close(creat(others, 0600));
	close(creat(dropped, 0600));
	pid = fork();
	if (!pid) {
		signal(SIGUSR2, SIG_IGN);
		check(!stat(ours, &st), 1);
		leftover_add(others, &st);
		leftover_add(ours, &st);
		leftover_add(dropped, &st);
		leftover_drop(dropped);
		check(!stat(dropped, &st), 2);
		leftover_add(dropped, &st);
		leftover_drop(dropped);
		raise(SIGUSR2);
		check(!stat(ours, &st), 3);
		raise(SIGTERM);
		_exit(4);
	}
	assert_int_equal(exit_status(pid), SIGTERM);
	assert_int_equal(stat(ours, &st), -1);
	assert_int_equal(unlink(others), 0);
	assert_int_equal(unlink(dropped), 0);
}

static void socket_path(char *spec, size_t size, const char **path)
{
	snprintf(spec, size, "unix:/tmp/chardev-test-%d.sock", getpid());
	*path = spec + strlen("unix:");
	unlink(*path);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void test_unix_late_client(void **state)
{
	struct rig *r = *state;
	char spec[64];
	const char *path;
	uint8_t *buf = malloc(KEPT_BYTES);
	int fd;

	socket_path(spec, sizeof(spec), &path);
	rig_open(r, spec);
	rig_set_room(r, 1000);
	rig_run(r);
	put_pattern(r->cd, 0, 200000);
	fd = connect_to(path);
	read_exactly(fd, buf, KEPT_BYTES);
	assert_pattern(buf, 200000 - KEPT_BYTES, KEPT_BYTES);
	chardev_write(r->cd, "live", 4);
	assert_reads(fd, "live");
	assert_int_equal(write(fd, "in", 2), 2);
	rig_wait(r, r->got_len, 2);
	/* Kept for the next client. */
	close(fd);
	rig_wait(r, r->hangups, 1);
	chardev_write(r->cd, "while away\n", 11);
	assert_true(chardev_flush(r->cd, -1));
	fd = connect_to(path);
	assert_reads(fd, "while away\n");
	rig_wait(r, r->connects, 2);
	rig_close(r);
	assert_int_equal(access(path, F_OK), -1);
	close(fd);
	free(buf);
}

static void test_unix_hangup_frees_writer(void **state)
{
	struct rig *r = *state;
	char spec[64];
	const char *path;
	int fd;

	socket_path(spec, sizeof(spec), &path);
	rig_open(r, spec);
	rig_run(r);
	fd = connect_to(path);
	rig_wait(r, r->connects, 1);
	close(fd);
	put_pattern(r->cd, 0, 1000000);
	fd = connect_to(path);
	rig_wait(r, r->connects, 2);
	usleep(20000);
	close(fd);
	put_pattern(r->cd, 0, 1000000);
	rig_wait(r, r->hangups, 2);
}

static void *write_a_million(void *ctx)
{
	put_pattern(ctx, 0, 1000000);
	return NULL;
}

/* A client that reads nothing blocks the writer; its end does not. */
static void test_unix_blocked_client_leaves(void **state)
{
	struct rig *r = *state;
	char spec[64];
	const char *path;
	pthread_t thread;
	int fd;

	socket_path(spec, sizeof(spec), &path);
	rig_open(r, spec);
	rig_run(r);
	fd = connect_to(path);
	rig_wait(r, r->connects, 1);
	assert_int_equal(pthread_create(&thread, NULL, write_a_million, r->cd), 0);
	usleep(50000);
	assert_int_equal(pthread_tryjoin_np(thread, NULL), EBUSY);
	close(fd);
	pthread_join(thread, NULL);
	rig_wait(r, r->hangups, 1);
}

/* The client sends, shuts down its sending side, and still reads. */
static void test_unix_half_close(void **state)
{
	struct rig *r = *state;
	char spec[64];
	const char *path;
	int fd;

	socket_path(spec, sizeof(spec), &path);
	rig_open(r, spec);
	rig_set_room(r, 100);
	rig_run(r);
	fd = connect_to(path);
	assert_int_equal(write(fd, "ls\n", 3), 3);
	shutdown(fd, SHUT_WR);
	rig_wait(r, r->got_len, 3);
	usleep(20000);
	chardev_write(r->cd, "files\n", 6);
	assert_reads(fd, "files\n");
	assert_int_equal(r->hangups, 0);
	close(fd);
	rig_wait(r, r->hangups, 1);
}

/*
 * The guest does not read and the client disconnects: its bytes are kept, and the next client is
 * served.
 */
static void test_unix_hangup_while_deaf(void **state)
{
	struct rig *r = *state;
	char spec[64];
	const char *path;
	int fd;

	socket_path(spec, sizeof(spec), &path);
	rig_open(r, spec);
	rig_run(r);
	fd = connect_to(path);
	assert_int_equal(write(fd, "first", 5), 5);
	close(fd);
	rig_wait(r, r->hangups, 1);
	fd = connect_to(path);
	rig_wait(r, r->connects, 2);
	assert_int_equal(write(fd, "second", 6), 6);
	rig_set_room(r, 100);
	chardev_rx_ready(r->cd);
	rig_wait(r, r->got_len, 11);
	rig_stop(r);
	assert_memory_equal(r->got, "firstsecond", 11);
	close(fd);
}

static void test_unix_paths(void **state)
{
	struct rig *r = *state;
	struct chardev *cd;
	char spec[200];
	const char *path;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	socket_path(spec, sizeof(spec), &path);
	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(chardev_open(&cd, &r->loop, spec, NULL), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	close(fd); /* now stale */
	assert_int_equal(chardev_open(&cd, &r->loop, spec, NULL), 0);
	chardev_close(cd);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(chardev_open(&cd, &r->loop, spec, NULL), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	/* At the end it belongs to another process. */
	assert_int_equal(chardev_open(&cd, &r->loop, spec, NULL), 0);
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	chardev_close(cd);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	memset(spec + 5, 'x', 150);
	spec[155] = '\0';
	assert_int_equal(chardev_open(&cd, &r->loop, spec, NULL), -ENAMETOOLONG);
}

static void test_pty_comes_and_goes(void **state)
{
	struct rig *r = *state;
	char name[64];
	int fd;

	rig_open(r, "pty");
	assert_int_equal(ptsname_r(r->cd->io_fd, name, sizeof(name)), 0);
	rig_set_room(r, 100);
	chardev_write(r->cd, "early\n", 6);
	rig_run(r);
	for (unsigned int round = 1; round <= 2; round++) {
		fd = open(name, O_RDWR | O_NOCTTY);
		assert_true(fd >= 0);
		assert_true(is_raw(fd));
		assert_reads(fd, round == 1 ? "early\n" : "away\n");
		assert_int_equal(write(fd, "key", 3), 3);
		rig_wait(r, r->got_len, 3 * round);
		close(fd);
		rig_wait(r, r->hangups, round);
		chardev_write(r->cd, "away\n", 5);
	}
	rig_stop(r);
	assert_memory_equal(r->got, "keykey", 6);
}

/* Nothing else tells the user where to connect. */
static void test_pty_is_named_with_quiet(void **state)
{
	char name[64], text[128] = "", path[] = "/tmp/chardev.messages";
	struct rig *r = *state;
	struct messages m;
	int err;

	log_set_level(LOG_LEVEL_ERROR); /* -q */
	assert_int_equal(messages_begin(&m, path), 0);
	err = chardev_open(&r->cd, &r->loop, "pty", NULL);
	assert_true(pread(m.file, text, sizeof(text) - 1, 0) >= 0);
	messages_end(&m);
	unlink(path);
	log_set_level(LOG_LEVEL_INFO);
	assert_int_equal(err, 0);
	assert_int_equal(ptsname_r(r->cd->io_fd, name, sizeof(name)), 0);
	assert_non_null(strstr(text, name));
}

/* Output that came when no descriptor was left for the timer is not forgotten. */
static void test_no_descriptor_for_the_timer(void **state)
{
	struct rig *r = *state;
	struct rlimit was, none;

	rig_open(r, "pty");
	getrlimit(RLIMIT_NOFILE, &was);
	none = was;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	chardev_write(r->cd, "a", 1);
	setrlimit(RLIMIT_NOFILE, &was);
	assert_false(r->cd->out.soon);
	chardev_write(r->cd, "b", 1);
	assert_true(r->cd->out.soon);
	rig_close(r);
}

static void test_tty(void **state)
{
	struct rig *r = *state;
	struct pty p = make_pty();
	char spec[80];

	snprintf(spec, sizeof(spec), "tty:%s", p.name);
	rig_open(r, spec);
	assert_true(is_raw(p.slave));
	rig_set_room(r, 100);
	rig_run(r);
	chardev_write(r->cd, "out\r\n", 5);
	assert_reads(p.master, "out\r\n");
	type(&p, "\x01x\x03");
	rig_wait(r, r->got_len, 3);
	chardev_send_break(r->cd, true);
	chardev_send_break(r->cd, false);
	rig_close(r);
	assert_memory_equal(r->got, "\x01x\x03", 3);
	assert_int_equal(r->quits, 0);
	assert_false(is_raw(p.slave));
	close_pty(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/*
		 * First: cmocka takes these signals for itself in each test, the program takes them
		 * once a process.
		 */
		rig_test(test_crash_restores),
		rig_test(test_terminal_input),
		rig_test(test_quit_while_guest_is_deaf),
		rig_test(test_break_keeps_its_place),
		rig_test(test_paste),
		rig_test(test_window_size),
		rig_test(test_slow_terminal),
		rig_test(test_background_job),
		rig_test(test_sigbus_mended),
		rig_test(test_raw_twice),
		rig_test(test_modes_put_back),
		rig_test(test_guard_stdio),
		rig_test(test_leftovers),
		rig_test(test_unix_late_client),
		rig_test(test_unix_hangup_frees_writer),
		rig_test(test_unix_blocked_client_leaves),
		rig_test(test_unix_half_close),
		rig_test(test_unix_hangup_while_deaf),
		rig_test(test_unix_paths),
		rig_test(test_pty_comes_and_goes),
		rig_test(test_pty_is_named_with_quiet),
		rig_test(test_no_descriptor_for_the_timer),
		rig_test(test_tty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
