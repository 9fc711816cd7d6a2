/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the input of a character device for its client. All of it runs on the loop's thread, except
 * that any thread may call chardev_rx_ready(), which only arms a timer.
 *
 * What the client has room for is read and delivered at once. The rest stays with the host, and the
 * descriptor is not watched until the client has room again. Two kinds of device read ahead into a
 * ring nevertheless: a terminal, so that Ctrl-a x works while the guest does not read, and sockets
 * and ptys, so that a hang-up is noticed.
 *
 * epoll refuses regular files and devices without poll. These are always readable, and a timer of
 * zero pumps them while the client has room. A descriptor that may block is reopened as
 * non-blocking at the first byte; where that is not possible, it is polled first.
 *
 * Invariant: the client gets bytes and breaks in the order in which they were typed, and never more
 * than its rx_room().
 */
#include "chardev_impl.h"

#include "kvm/log.h"
#include "kvm/term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 4096
#define LOOK_NS 250000000ULL
#define GIVEN_BYTES (64 * KIB)
/* Reads in one call from the loop, so that endless input does not starve other sources. */
#define READS_A_TURN 16

static void on_readable(void *ctx, uint32_t events);
static void pump(void *ctx);

static size_t client_room(struct chardev *cd)
{
	bool to_front = cd->front_wants && cd->front_wants(cd->front.ctx);
	const struct chardev_client *taker = to_front ? &cd->front : &cd->client;

	cd->in.taker = taker;
	return taker->rx_room ? taker->rx_room(taker->ctx) : 0;
}

static void pump_soon(struct chardev *cd)
{
	pthread_mutex_lock(&cd->lock);
	loop_timer_arm(&cd->in.timer, 0);
	pthread_mutex_unlock(&cd->lock);
}

void chardev_rx_ready(struct chardev *cd)
{
	pump_soon(cd);
}

/* Returns how many bytes may be delivered before the next break; 0 if a break is due. */
static size_t until_break(const struct chardev_in *in)
{
	return in->nr_breaks ? (size_t)(in->break_at[0] - in->given) : SIZE_MAX;
}

static void give_break(struct chardev *cd)
{
	struct chardev_in *in = &cd->in;

	in->nr_breaks--;
	memmove(in->break_at, in->break_at + 1, in->nr_breaks * sizeof(in->break_at[0]));
	chardev_event(cd, CHARDEV_BREAK);
}

/* Delivers as much of what was read as the client takes. */
static void deliver(struct chardev *cd)
{
	struct chardev_in *in = &cd->in;

	while (in->ring.len || in->nr_breaks) {
		size_t room = client_room(cd), len;
		const uint8_t *bytes = byte_ring_peek(&in->ring, 0, &len);

		if (!room)
			return;
		if (!until_break(in)) {
			give_break(cd);
			continue;
		}
		len = min_u64(min_u64(len, room), until_break(in));
		in->taker->receive(in->taker->ctx, bytes, len);
		byte_ring_drop(&in->ring, len);
		in->given += len;
	}
	if (in->ring.cap > BYTE_RING_MIN_BYTES)
		byte_ring_free(&in->ring);
}

int chardev_give(struct chardev *cd, const uint8_t *bytes, size_t len)
{
	if (!byte_ring_reserve(&cd->in.ring, len, GIVEN_BYTES))
		return -ENOBUFS;
	byte_ring_write(&cd->in.ring, bytes, len);
	cd->in.put += len;
	deliver(cd);
	return 0;
}

static void act(struct chardev *cd, enum escape_action action)
{
	struct chardev_in *in = &cd->in;

	if (action == ESCAPE_QUIT && cd->hooks.quit)
		cd->hooks.quit(cd->hooks.ctx);
	else if (action == ESCAPE_REPORT && cd->hooks.report)
		cd->hooks.report(cd->hooks.ctx);
	else if (action == ESCAPE_BREAK && in->nr_breaks < CHARDEV_MAX_BREAKS)
		in->break_at[in->nr_breaks++] = in->put;
	else if (action == ESCAPE_HELP)
		/* the user asked for it, so -q does not hide it */
		log_msg(LOG_LEVEL_ERROR, "%s", escape_help());
}

/* Takes @bytes, for all of which the ring has room. */
static void take(struct chardev *cd, const uint8_t *bytes, size_t len)
{
	struct chardev_in *in = &cd->in;

	if (!in->terminal) {
		byte_ring_write(&in->ring, bytes, len);
		in->put += len;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = bytes[i];
		enum escape_action action = escape_feed(&in->escape, &byte);

		if (action == ESCAPE_PASS) {
			byte_ring_put(&in->ring, byte);
			in->put++;
		} else {
			act(cd, action);
		}
	}
}

static void prepare(struct chardev_in *in)
{
	struct stat st;
	int own = -1;

	in->prepared = true;
	if (fstat(in->fd, &st) < 0)
		return;
	in->socket = S_ISSOCK(st.st_mode);
	if (in->socket || in->pumped || (fcntl(in->fd, F_GETFL) & O_NONBLOCK))
		return;
	own = outfd_reopen(in->fd, O_RDONLY);
	in->guarded = own < 0;
	if (own >= 0)
		in->read_fd = own;
}

/* Returns the number of bytes read, 0 at the end, or -errno (-EAGAIN: nothing now). */
static ssize_t read_some(struct chardev_in *in, uint8_t *bytes, size_t len)
{
	struct pollfd p = { .fd = in->read_fd, .events = POLLIN };
	ssize_t n;

	if (!in->prepared)
		prepare(in);
	if (in->guarded && poll(&p, 1, 0) <= 0)
		return -EAGAIN;
	do {
		n = in->socket ? recv(in->read_fd, bytes, len, MSG_DONTWAIT)
			       : read(in->read_fd, bytes, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void pause_input(struct chardev *cd)
{
	struct chardev_in *in = &cd->in;

	if (in->mode == IN_NONE)
		return;
	in->mode = IN_PAUSED;
	/* A client's hang-up must be noticed; for others epoll would report it continuously. */
	if (in->source.loop && cd->backend->returns && !in->hung_up)
		loop_mod(&in->source, 0);
	else
		loop_del(&in->source);
}

static void poll_input(struct chardev *cd)
{
	struct chardev_in *in = &cd->in;
	int err;

	if (in->mode == IN_NONE || in->mode == IN_POLLED)
		return;
	if (in->pumped) {
		in->mode = IN_PUMPED;
		pump_soon(cd);
		return;
	}
	if (in->source.loop)
		err = loop_mod(&in->source, EPOLLIN);
	else
		err = loop_add(cd->loop, &in->source, in->fd, EPOLLIN, on_readable, cd);
	if (!err) {
		in->mode = IN_POLLED;
	} else if (err == -EPERM) {
		in->pumped = true;
		/* A guest that has no room yet calls chardev_rx_ready() when it has. */
		in->mode = client_room(cd) ? IN_PUMPED : IN_PAUSED;
		if (in->mode == IN_PUMPED)
			pump_soon(cd);
	} else {
		in->mode = IN_NONE; /* closed: there is no input */
	}
}

static void input_over(struct chardev *cd)
{
	loop_del(&cd->in.source);
	cd->in.mode = IN_NONE;
}

/* End of file, or an error. A client may connect again; every other source has no more input. */
static void ended(struct chardev *cd, bool half_closed)
{
	if (cd->backend->hangup && !half_closed) {
		input_over(cd);
		cd->backend->hangup(cd);
	} else if (cd->backend->hangup) {
		/* it sends no more but may still read: its hang-up is reported separately */
		pause_input(cd);
	} else {
		input_over(cd);
	}
}

/*
 * A shell sends SIGCONT when it brings a stopped job to the foreground. Some shells (bash before
 * 5.3) send nothing to a job that kept running in the background, so we check.
 */
void chardev_wait_foreground(struct chardev *cd)
{
	loop_timer_arm(&cd->in.look, LOOK_NS);
}

int chardev_take_terminal(struct chardev *cd)
{
	int err = term_raw(STDIN_FILENO);

	if (err == -EAGAIN)
		chardev_wait_foreground(cd);
	else if (err == -EIO)
		return 0; /* it has hung up; the end of input says so */
	else if (err)
		pr_err("console stdio: cannot set raw mode: %s", strerror(-err));
	return err == -EAGAIN ? 0 : err;
}

void chardev_winch(struct chardev *cd)
{
	if (!cd->is_stdio)
		return;
	if (cd->in.terminal && !term_in_background(STDIN_FILENO) && !chardev_take_terminal(cd))
		chardev_rx_ready(cd);
	chardev_event(cd, CHARDEV_RESIZE);
}

static void look_for_foreground(void *ctx)
{
	struct chardev *cd = ctx;

	if (term_in_background(STDIN_FILENO))
		chardev_wait_foreground(cd);
	else
		chardev_winch(cd);
}

/* Returns how many bytes to read now. */
static size_t wanted(struct chardev *cd)
{
	struct chardev_in *in = &cd->in;
	uint64_t most = client_room(cd) + in->read_ahead_bytes;

	return most > in->ring.len ? min_u64(most - in->ring.len, READ_BYTES) : 0;
}

enum turn { TURN_MORE, TURN_EMPTY, TURN_STOP };

static enum turn read_once(struct chardev *cd)
{
	struct chardev_in *in = &cd->in;
	uint8_t bytes[READ_BYTES];
	size_t want;
	ssize_t n;

	deliver(cd);
	want = wanted(cd);
	if (in->terminal && term_in_background(in->fd)) {
		chardev_wait_foreground(cd);
		want = 0;
	}
	if (!want || !byte_ring_reserve(&in->ring, want, 4 * MIB)) {
		pause_input(cd);
		return TURN_STOP;
	}
	n = read_some(in, bytes, want);
	if (n == -EAGAIN)
		return TURN_EMPTY;
	if (n <= 0) {
		ended(cd, n == 0 && in->socket && !in->hung_up && !cd->backend->stream);
		return TURN_STOP;
	}
	take(cd, bytes, (size_t)n);
	deliver(cd);
	return TURN_MORE;
}

/* Reads while there is input and the client takes it. */
static void pump(void *ctx)
{
	struct chardev *cd = ctx;

	if (cd->in.mode == IN_NONE) {
		deliver(cd); /* what was read before the end */
		return;
	}
	for (int i = 0; i < READS_A_TURN; i++) {
		enum turn turn = read_once(cd);

		if (turn == TURN_EMPTY)
			poll_input(cd);
		if (turn != TURN_MORE)
			return;
	}
	if (cd->in.mode == IN_PAUSED || cd->in.mode == IN_PUMPED)
		pump_soon(cd);
}

static void on_readable(void *ctx, uint32_t events)
{
	struct chardev *cd = ctx;

	if (events & (EPOLLHUP | EPOLLERR))
		cd->in.hung_up = true;
	pump(cd);
}

void chardev_in_init(struct chardev *cd)
{
	cd->in.fd = -1;
	cd->in.read_fd = -1;
	loop_timer_init(cd->loop, &cd->in.timer, pump, cd);
	loop_timer_init(cd->loop, &cd->in.look, look_for_foreground, cd);
}

void chardev_in_begin(struct chardev *cd, int fd)
{
	struct chardev_in *in = &cd->in;

	in->fd = fd;
	in->read_fd = fd;
	in->mode = IN_PAUSED;
	in->prepared = in->socket = in->guarded = in->pumped = in->hung_up = false;
	poll_input(cd);
}

void chardev_in_end(struct chardev *cd)
{
	struct chardev_in *in = &cd->in;

	input_over(cd);
	if (in->read_fd != in->fd)
		close(in->read_fd);
	in->fd = -1;
	in->read_fd = -1;
}

void chardev_in_fini(struct chardev *cd)
{
	chardev_in_end(cd);
	loop_timer_fini(&cd->in.timer);
	loop_timer_fini(&cd->in.look);
	byte_ring_free(&cd->in.ring);
}
