/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command's standard streams as three virtio-console ports, through pipes of ours.
 *
 * Pipes, because a port is not what programs expect: it can be opened once only (/dev/stderr would be busy), and nobody who writes to it is told
 * by SIGPIPE that the reader has gone. Each flow is one buffer: read while it is empty, written while it is not. The end of either side is
 * passed on to the other by closing both.
 *
 * A port says by POLLHUP that the launcher's side is closed, and does so too before the launcher's first word about it has come.
 * The launcher speaks of the ports in order, and stdin is the first: once the others are connected, a hang-up of stdin is its end.
 *
 * When the command has ended, what it has left in the pipes is brought out; what its children write later is not waited for.
 */
#include "init.h"
#include "kvm/guestjob.h"

#include <linux/poll.h>
#include <linux/signal.h>
#include <linux/time.h>

#define PORTS_DIR "/sys/class/virtio-ports"
#define WAIT_MS 10000 /* for the ports to come: they do so within milliseconds, or never */
#define MAX_NAME_BYTES 64
#define FLOW_BYTES 65536

enum { IN, OUT, ERR, NR_FLOWS };

struct flow {
	int from, to; /* -1: over */
	size_t start, len;
	char bytes[FLOW_BYTES];
};

struct dirent64 {
	unsigned long long ino, off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static const char *const names[NR_FLOWS] = { GUESTJOB_STDIN, GUESTJOB_STDOUT, GUESTJOB_STDERR };
static struct flow flows[NR_FLOWS];

/* Whether the port @device, as sysfs calls it, has this name. */
static bool is_named(const char *device, const char *name)
{
	char path[sizeof(PORTS_DIR) + 256 + sizeof("/name")], text[MAX_NAME_BYTES + 1];
	long fd, n;

	join(path, PORTS_DIR "/", device);
	join(path, path, "/name");
	fd = sys(open, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = sys(read, fd, text, sizeof(text) - 1);
	sys(close, fd);
	if (n > 0 && text[n - 1] == '\n')
		n--;
	text[n > 0 ? n : 0] = '\0';
	return same(text, name);
}

/* Opens the port of this name, or returns -1: it is not there (yet). */
static int try_port(const char *name)
{
	char entries[4096], path[5 + 256 + 1];
	long dir = sys(open, PORTS_DIR, O_RDONLY | O_CLOEXEC | O_DIRECTORY), n, fd = -1;

	while (fd < 0 && dir >= 0 && (n = sys(getdents64, dir, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n && fd < 0;) {
			const struct dirent64 *e = (const struct dirent64 *)(entries + at);

			at += e->reclen;
			if (!is_named(e->name, name))
				continue;
			join(path, "/dev/", e->name);
			fd = sys(open, path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		}
	}
	if (dir >= 0)
		sys(close, dir);
	return fd < 0 ? -1 : (int)fd;
}

static bool connected(int port)
{
	struct pollfd p = { .fd = port, .events = POLLOUT };

	return sys(poll, &p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

static int open_port(const char *name, bool wait_for_peer)
{
	int port = -1;

	for (long ms = 0; ms < WAIT_MS; ms++) {
		if (port < 0)
			port = try_port(name);
		if (port >= 0 && (!wait_for_peer || connected(port)))
			return port;
		sleep_ms(1);
	}
	complain("no such virtio-console port; the kernel needs virtio_mmio and virtio_console, built in or "
		 "by --modules",
		 name, 0);
	fail();
}

static void end_flow(struct flow *f)
{
	sys(close, f->from);
	sys(close, f->to);
	f->from = f->to = -1;
}

static bool over(const struct flow *f)
{
	return f->to < 0;
}

/* Moves what can be moved now. Returns whether anything did. */
static bool move(struct flow *f)
{
	long n;

	if (!f->len) {
		n = sys(read, f->from, f->bytes, sizeof(f->bytes));
		if (n == -EAGAIN || n == -EINTR)
			return false;
		if (n <= 0) {
			end_flow(f);
			return false;
		}
		f->start = 0;
		f->len = (size_t)n;
	}
	n = sys(write, f->to, f->bytes + f->start, f->len);
	if (n == -EAGAIN || n == -EINTR)
		return false;
	if (n <= 0) {
		end_flow(f);
		return false;
	}
	f->start += (size_t)n;
	f->len -= (size_t)n;
	return true;
}

/* The reader of this flow is gone: a pipe says POLLERR, a port POLLHUP. */
static void look(struct flow *f, const struct pollfd *from, const struct pollfd *to)
{
	if (!over(f) && (to->revents & (POLLERR | POLLHUP)))
		end_flow(f);
	else if (!over(f) && (from->revents || to->revents))
		move(f);
}

/* Waits until a flow can go on, or a child has ended: then returns true. */
static bool wait_and_move(int children)
{
	struct pollfd p[1 + 2 * NR_FLOWS] = { { .fd = children, .events = POLLIN } };

	for (int i = 0; i < NR_FLOWS; i++) {
		struct flow *f = &flows[i];

		/* A side that is not waited for is left out: its hang-up would be told without end. */
		p[1 + 2 * i] = (struct pollfd){ .fd = f->len ? -1 : f->from, .events = POLLIN };
		p[2 + 2 * i] = (struct pollfd){ .fd = f->to, .events = f->len ? POLLOUT : 0 };
	}
	sys(poll, p, 1 + 2 * NR_FLOWS, -1);
	for (int i = 0; i < NR_FLOWS; i++)
		look(&flows[i], &p[1 + 2 * i], &p[2 + 2 * i]);
	return p[0].revents;
}

/* Brings out what is in the pipe and the buffer now. */
static void drain(struct flow *f)
{
	while (!over(f)) {
		struct pollfd p = { .fd = f->to, .events = POLLOUT };

		if (move(f))
			continue;
		if (over(f) || !f->len)
			return;
		sys(poll, &p, 1, -1);
		if (p.revents & (POLLERR | POLLHUP))
			return;
	}
}

static void make_pipe(int ends[2])
{
	long err = sys(pipe2, ends, O_CLOEXEC);

	if (err) {
		complain("cannot be made", "a pipe", err);
		fail();
	}
}

/* Makes our ends not wait, and starts the command with the others. */
static long start(const struct job *job)
{
	int pipes[NR_FLOWS][2];
	long pid;

	for (int i = 0; i < NR_FLOWS; i++) {
		int ours = i == IN;

		make_pipe(pipes[i]);
		sys(fcntl, pipes[i][ours], F_SETFL, O_NONBLOCK);
	}
	flows[IN].to = pipes[IN][1];
	flows[OUT].from = pipes[OUT][0];
	flows[ERR].from = pipes[ERR][0];
	pid = start_command(job, pipes[IN][0], pipes[OUT][1], pipes[ERR][1]);
	sys(close, pipes[IN][0]);
	sys(close, pipes[OUT][1]);
	sys(close, pipes[ERR][1]);
	return pid;
}

int run_on_ports(const struct job *job)
{
	const unsigned long child_ended = 1UL << (SIGCHLD - 1);
	char info[128];
	int status = 0;
	long pid, children;

	flows[OUT].to = open_port(names[OUT], true);
	flows[ERR].to = open_port(names[ERR], true);
	flows[IN].from = open_port(names[IN], false);
	sys(rt_sigprocmask, SIG_BLOCK, &child_ended, 0, sizeof(child_ended));
	children = sys(signalfd4, -1, &child_ended, sizeof(child_ended), O_CLOEXEC | O_NONBLOCK);
	pid = start(job);
	for (;;) {
		if (!wait_and_move((int)children))
			continue;
		sys(read, children, info, sizeof(info));
		if (reap(pid, &status))
			break;
	}
	drain(&flows[OUT]);
	drain(&flows[ERR]);
	return status;
}
