/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connects the command's standard streams to three virtio-console ports, through pipes.
 *
 * The command gets pipes because a port is not what programs expect: it can be opened only once
 * (/dev/stderr would be busy), and a writer gets no SIGPIPE when the reader has gone. Each flow is
 * one buffer: it is filled while it is empty, and written while it is not. When either side ends,
 * closing both passes that on to the other.
 *
 * The launcher announces the ports in order, and stdin is the first: once the others are connected,
 * a hang-up of stdin is its end.
 *
 * When the command has ended, what it has left in the pipes is written out; the init does not wait
 * for what the command's children write later.
 */
#include "guest/guestjob.h"
#include "init.h"

#include <linux/poll.h>
#include <linux/signal.h>

#define FLOW_BYTES 65536

enum { IN, OUT, ERR, NR_FLOWS };

struct flow {
	int from, to; /* -1: ended */
	size_t start, len;
	char bytes[FLOW_BYTES];
};

static const char *const names[NR_FLOWS] = { GUESTJOB_STDIN, GUESTJOB_STDOUT, GUESTJOB_STDERR };
static struct flow flows[NR_FLOWS];

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

/*
 * Ends a flow whose reader has gone: a pipe reports POLLERR, a port POLLHUP. Moves data otherwise.
 */
static void look(struct flow *f, const struct pollfd *from, const struct pollfd *to)
{
	if (!over(f) && (to->revents & (POLLERR | POLLHUP)))
		end_flow(f);
	else if (!over(f) && (from->revents || to->revents))
		move(f);
}

/*
 * Waits until a flow can continue, a signal can be passed on, or a child has ended. Returns true if
 * a child may have ended.
 */
static bool wait_and_move(int children, int *signals, long pid)
{
	struct pollfd p[2 + 2 * NR_FLOWS] = { { .fd = children, .events = POLLIN } };

	for (int i = 0; i < NR_FLOWS; i++) {
		struct flow *f = &flows[i];

		/*
		 * Leave out a side that is not waited for: poll() would report its hang-up for
		 * ever.
		 */
		p[1 + 2 * i] = (struct pollfd){ .fd = f->len ? -1 : f->from, .events = POLLIN };
		p[2 + 2 * i] = (struct pollfd){ .fd = f->to, .events = f->len ? POLLOUT : 0 };
	}
	p[1 + 2 * NR_FLOWS] = (struct pollfd){ .fd = *signals, .events = POLLIN };
	sys(poll, p, 2 + 2 * NR_FLOWS, children_poll_ms(children));
	for (int i = 0; i < NR_FLOWS; i++)
		look(&flows[i], &p[1 + 2 * i], &p[2 + 2 * i]);
	if (p[1 + 2 * NR_FLOWS].revents)
		signals_pass(signals, pid);
	return children < 0 || p[0].revents;
}

/* Writes out what is in the pipe and the buffer now. */
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
		complain("cannot be created", "a pipe", err);
		fail();
	}
}

/* Makes our ends of the pipes non-blocking, and starts the command with the other ends. */
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
	int status = 0, signals, children;
	long pid;

	flows[OUT].to = port_open(names[OUT], true);
	flows[ERR].to = port_open(names[ERR], true);
	flows[IN].from = port_open(names[IN], false);
	signals = port_open(GUESTJOB_SIGNALS, true);
	children = children_watch();
	pid = start(job);
	while (!wait_and_move(children, &signals, pid) || !children_reap(children, pid, &status))
		;
	drain(&flows[OUT]);
	drain(&flows[ERR]);
	return status;
}
