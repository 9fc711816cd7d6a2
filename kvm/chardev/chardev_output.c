/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the output of a character device without ever blocking in write(2).
 *
 * The callers of chardev_putc() and chardev_write() put bytes into a ring: vCPU threads, and the
 * loop's thread when a tick drains a coalesced ring. The same thread commits them at a newline or
 * after 4 KiB: it shows them to hooks.output and the log, and writes them out. Otherwise a timer
 * commits them a few milliseconds after the first. The timer is armed unless it is already due, so
 * a busy console arms it once in 4 ms, not once per line; it stops when it finds no new bytes.
 *
 * Nothing here waits inside a write(2) on a pipe, terminal or socket. When the other side takes
 * nothing, the ring grows to 64 KiB. Then the writer waits on a condition variable, holding neither
 * this lock nor its device's. The loop's thread continues to write when epoll reports room, and
 * chardev_flush() does the same where no loop runs. So the loop never depends on a vCPU, and
 * chardev_abort() releases all waiting writers. The loop's thread itself never waits: it may exceed
 * the limit by some slack, and while the ring is half full no tick is called for more bytes.
 *
 * Invariant: bytes leave the ring in the order in which they entered it. None is dropped, with
 * three exceptions: the oldest of a socket or pty without a client, all after an output error, and
 * those that have no room after chardev_abort().
 */
#include "chardev_impl.h"

#include "kvm/base/endsignal.h"
#include "kvm/clock.h"
#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FLUSH_BYTES 4096
#define LIMIT_BYTES (64 * KIB)
#define SLACK_LIMIT_BYTES (2 * LIMIT_BYTES)
#define TICK_NS 4000000ULL
#define IDLE_TICK_MAX_NS (256 * TICK_NS)
#define FLUSH_POLL_MS 100 /* the loop may replace the polled descriptor meanwhile: look again */

#define unlikely(x) __builtin_expect(!!(x), 0)

static void arm_soon(struct chardev *cd)
{
	if (atomic_load_explicit(&cd->out.soon, memory_order_relaxed))
		return;
	/* Without a descriptor for the timer, the next bytes try again. */
	atomic_store_explicit(&cd->out.soon, !loop_timer_arm(&cd->out.timer, TICK_NS),
			      memory_order_relaxed);
}

static void out_failed(struct chardev *cd, int err)
{
	cd->out.stalled = false;
	if (cd->backend->returns) {
		cd->out.attached = false;
		cd->out.hangup_due = true;
		/* for the loop's thread to clean up; its input must not be touched here */
		arm_soon(cd);
		return;
	}
	cd->out.swallow = true;
	if (cd->backend->stream) {
		cd->out.gone = cd->out.hangup_due = true;
		arm_soon(cd); /* for the loop's thread to send the event */
		if (err == -EPIPE)
			return;
	}
	cd->out.lost = err != -EPIPE; /* `| head` has all that it wants */
	pr_warn("console %s: %s; further output to it is dropped", cd->spec, strerror(-err));
}

/* Writes as much as possible without waiting. Returns whether anything moved. */
static bool push(struct chardev *cd)
{
	struct chardev_out *o = &cd->out;
	bool moved = false;

	while (o->ring.len && o->attached && !o->swallow) {
		size_t len;
		const uint8_t *bytes = byte_ring_peek(&o->ring, 0, &len);
		ssize_t n = outfd_write(&o->to, bytes, len);

		if (n > 0) {
			if (unlikely(o->to.tty) && cd->is_stdio)
				term_modes_feed(&o->modes, bytes, (size_t)n);
			byte_ring_drop(&o->ring, (size_t)n);
			moved = true;
		} else if (n == -EAGAIN || n == 0) {
			o->stalled = true;
			arm_soon(cd); /* for the loop's thread to wait for EPOLLOUT */
			break;
		} else {
			out_failed(cd, (int)n);
			moved = true;
		}
	}
	if (o->swallow)
		byte_ring_drop(&o->ring, o->ring.len);
	if (o->ending && !o->ring.len && !o->gone)
		cd->backend->end(cd);
	if (!o->ring.len && o->ring.cap > BYTE_RING_MIN_BYTES)
		byte_ring_free(&o->ring);
	if (moved && o->nr_waiters)
		pthread_cond_broadcast(&cd->room);
	if (moved && o->room_wanted)
		arm_soon(cd); /* for the loop's thread to send the event */
	return moved;
}

static void show(struct chardev *cd, const uint8_t *bytes, size_t len)
{
	if (cd->hooks.output)
		cd->hooks.output(cd->hooks.ctx, bytes, len);
	if (cd->logged)
		log_console(bytes, len);
}

static void show_unseen(struct chardev *cd)
{
	struct chardev_out *o = &cd->out;

	while (o->unseen) {
		size_t len;
		const uint8_t *bytes = byte_ring_peek(&o->ring, o->ring.len - o->unseen, &len);

		if (!o->stamps_ns)
			show(cd, bytes, len);
		o->unseen -= len;
	}
}

static void commit(struct chardev *cd)
{
	show_unseen(cd);
	if (!cd->out.stalled)
		push(cd);
}

static bool on_loop_thread(const struct chardev *cd)
{
	return cd->started && pthread_equal(cd->loop_thread, pthread_self());
}

/*
 * Makes room for at least one byte, ideally @want, and waits if necessary. Returns false if the
 * bytes must be dropped.
 */
static bool make_room(struct chardev *cd, size_t want)
{
	struct chardev_out *o = &cd->out;

	for (;;) {
		if (byte_ring_reserve(&o->ring, 1, LIMIT_BYTES))
			return true;
		if (!o->ring.cap)
			return false;
		commit(cd);
		if (byte_ring_room(&o->ring))
			return true;
		if (!o->ring.cap)
			continue;
		if (!o->attached) {
			byte_ring_drop(&o->ring, want);
			return true;
		}
		if (o->aborted)
			return false;
		if (on_loop_thread(cd))
			return byte_ring_reserve(&o->ring, 1, SLACK_LIMIT_BYTES);
		o->nr_waiters++;
		pthread_cond_wait(&cd->room, &cd->lock);
		o->nr_waiters--;
	}
}

void chardev_putc(struct chardev *cd, uint8_t byte)
{
	struct chardev_out *o = &cd->out;

	if (cd->mute)
		return;
	if (unlikely(o->stamps_ns)) {
		chardev_write(cd, &byte, 1);
		return;
	}
	pthread_mutex_lock(&cd->lock);
	if (unlikely(!byte_ring_room(&o->ring)) && !make_room(cd, 1)) {
		pthread_mutex_unlock(&cd->lock);
		return;
	}
	byte_ring_put(&o->ring, byte);
	o->traffic = true;
	if (unlikely(++o->unseen >= FLUSH_BYTES || byte == '\n'))
		commit(cd);
	else if (unlikely(!atomic_load_explicit(&o->soon, memory_order_relaxed)))
		arm_soon(cd);
	pthread_mutex_unlock(&cd->lock);
}

/* Puts bytes into the ring; waits for room if necessary. Locks: the caller has the lock. */
static void queue(struct chardev *cd, const uint8_t *bytes, size_t len)
{
	struct chardev_out *o = &cd->out;

	while (len && (byte_ring_room(&o->ring) || make_room(cd, len))) {
		size_t n = min_u64(len, byte_ring_room(&o->ring));

		byte_ring_write(&o->ring, bytes, n);
		bytes += n;
		len -= n;
		o->unseen += n;
		o->traffic = true;
		if (o->unseen >= FLUSH_BYTES)
			commit(cd);
	}
}

void chardev_write(struct chardev *cd, const void *bytes, size_t len)
{
	bool newline = memchr(bytes, '\n', len);

	if (cd->mute)
		return;
	pthread_mutex_lock(&cd->lock);
	if (cd->out.stamps_ns) {
		show(cd, bytes, len); /* without time stamps */
		chardev_stamp(cd, bytes, len, queue);
	} else {
		queue(cd, bytes, len);
	}
	if (newline)
		commit(cd);
	else
		arm_soon(cd);
	pthread_mutex_unlock(&cd->lock);
}

size_t chardev_room(struct chardev *cd)
{
	struct chardev_out *o = &cd->out;
	size_t room = LIMIT_BYTES;

	pthread_mutex_lock(&cd->lock);
	if (!o->swallow)
		room -= o->attached ? min_u64(o->ring.len, LIMIT_BYTES) : LIMIT_BYTES;
	if (o->stamps_ns)
		room /= CHARDEV_STAMP_BYTES; /* each byte may begin a line */
	o->room_wanted = !room;
	pthread_mutex_unlock(&cd->lock);
	return room;
}

bool chardev_present(struct chardev *cd)
{
	bool present;

	pthread_mutex_lock(&cd->lock);
	present = !cd->out.gone && (cd->out.attached || cd->out.swallow);
	pthread_mutex_unlock(&cd->lock);
	return present;
}

bool chardev_lost(struct chardev *cd)
{
	bool lost;

	pthread_mutex_lock(&cd->lock);
	lost = cd->out.lost;
	pthread_mutex_unlock(&cd->lock);
	return lost;
}

void chardev_push(struct chardev *cd)
{
	pthread_mutex_lock(&cd->lock);
	commit(cd);
	pthread_mutex_unlock(&cd->lock);
}

/*
 * Sends CHARDEV_ROOM when half of the room is free, so that the waiting client continues with more
 * than a few bytes. Thread: loop.
 */
static void tell_room(struct chardev *cd)
{
	struct chardev_out *o = &cd->out;
	bool tell;

	pthread_mutex_lock(&cd->lock);
	tell = o->room_wanted && (o->swallow || (o->attached && o->ring.len <= LIMIT_BYTES / 2));
	if (tell)
		o->room_wanted = false;
	pthread_mutex_unlock(&cd->lock);
	if (tell)
		chardev_event(cd, CHARDEV_ROOM);
}

/* Thread: loop. */
static void tell_hangup(struct chardev *cd)
{
	bool tell;

	pthread_mutex_lock(&cd->lock);
	tell = cd->out.hangup_due;
	cd->out.hangup_due = false;
	pthread_mutex_unlock(&cd->lock);
	if (tell && cd->backend->returns)
		cd->backend->hangup(cd);
	else if (tell)
		chardev_event(cd, CHARDEV_HANGUP);
}

static void on_out_ready(void *ctx, uint32_t events)
{
	struct chardev *cd = ctx;

	(void)events; /* the write reports errors and hang-ups */
	pthread_mutex_lock(&cd->lock);
	cd->out.stalled = false;
	commit(cd);
	if (!cd->out.stalled)
		loop_del(&cd->out.source);
	pthread_mutex_unlock(&cd->lock);
	tell_room(cd);
}

/* Waits for EPOLLOUT while output is stalled; where epoll cannot report it, the timer retries. */
static void watch_out(struct chardev *cd)
{
	struct chardev_out *o = &cd->out;

	if (!o->stalled || o->source.loop)
		return;
	if (loop_add(cd->loop, &o->source, o->to.fd, EPOLLOUT, on_out_ready, cd)) {
		o->stalled = false;
		arm_soon(cd);
	}
}

/* Arms the timer after a tick. */
static void rearm(struct chardev *cd, bool traffic, bool tick_again)
{
	struct chardev_out *o = &cd->out;

	if (traffic) {
		o->tick_ns = TICK_NS;
		arm_soon(cd);
	} else if (tick_again && !atomic_load(&o->soon)) {
		o->tick_ns = min_u64(2 * o->tick_ns, IDLE_TICK_MAX_NS);
		loop_timer_arm(&o->timer, o->tick_ns);
	}
}

static void on_tick(void *ctx)
{
	struct chardev *cd = ctx;
	struct chardev_out *o = &cd->out;
	bool traffic, again = cd->tick, calm;

	pthread_mutex_lock(&cd->lock);
	atomic_store(&o->soon, false);
	commit(cd);
	watch_out(cd);
	traffic = o->traffic;
	o->traffic = false;
	calm = o->ring.len < LIMIT_BYTES / 2 || !o->attached;
	pthread_mutex_unlock(&cd->lock);
	if (cd->tick && calm)
		again = cd->tick(cd->tick_ctx);
	pthread_mutex_lock(&cd->lock);
	rearm(cd, traffic, again);
	pthread_mutex_unlock(&cd->lock);
	tell_hangup(cd);
	tell_room(cd);
}

void chardev_set_tick(struct chardev *cd, bool (*tick)(void *ctx), void *ctx)
{
	cd->tick = tick;
	cd->tick_ctx = ctx;
}

void chardev_tick_soon(struct chardev *cd)
{
	if (atomic_load_explicit(&cd->out.soon, memory_order_relaxed))
		return;
	pthread_mutex_lock(&cd->lock);
	cd->out.tick_ns = TICK_NS;
	arm_soon(cd);
	pthread_mutex_unlock(&cd->lock);
}

void chardev_send_break(struct chardev *cd, bool on)
{
	pthread_mutex_lock(&cd->lock);
	if (cd->restore_termios && cd->out.to.fd >= 0)
		ioctl(cd->out.to.fd, on ? TIOCSBRK : TIOCCBRK);
	pthread_mutex_unlock(&cd->lock);
}

/*
 * Waits until the other side takes bytes, for at most @stall_left_ms (negative: no limit) and
 * FLUSH_POLL_MS. Drops the lock meanwhile. Returns the milliseconds that it took.
 */
static int wait_writable(struct chardev *cd, int stall_left_ms)
{
	struct pollfd p = { .fd = cd->out.to.fd, .events = POLLOUT };
	uint64_t begin_ns = now_ns();
	int wait_ms =
		stall_left_ms >= 0 && stall_left_ms < FLUSH_POLL_MS ? stall_left_ms : FLUSH_POLL_MS;

	pthread_mutex_unlock(&cd->lock);
	poll(&p, 1, wait_ms);
	pthread_mutex_lock(&cd->lock);
	return (int)((now_ns() - begin_ns) / 1000000);
}

bool chardev_flush(struct chardev *cd, int stall_ms)
{
	struct chardev_out *o = &cd->out;
	int waited_ms = 0;
	bool done;

	pthread_mutex_lock(&cd->lock);
	show_unseen(cd);
	for (;;) {
		if (push(cd))
			waited_ms = 0;
		if (!o->ring.len || !o->attached)
			break;
		if (stall_ms < 0 && end_signal_pending())
			stall_ms = OUTFD_STALL_MS;
		if (stall_ms >= 0 && waited_ms >= stall_ms)
			break;
		waited_ms += wait_writable(cd, stall_ms < 0 ? -1 : stall_ms - waited_ms);
		show_unseen(cd);
	}
	done = !o->ring.len || !o->attached;
	pthread_mutex_unlock(&cd->lock);
	return done;
}

void chardev_abort(struct chardev *cd)
{
	pthread_mutex_lock(&cd->lock);
	cd->out.aborted = true;
	pthread_cond_broadcast(&cd->room);
	pthread_mutex_unlock(&cd->lock);
}

void chardev_out_init(struct chardev *cd)
{
	pthread_mutex_init(&cd->lock, NULL);
	pthread_cond_init(&cd->room, NULL);
	cd->out.to.fd = -1;
	cd->out.tick_ns = TICK_NS;
	loop_timer_init(cd->loop, &cd->out.timer, on_tick, cd);
}

void chardev_out_fini(struct chardev *cd)
{
	loop_del(&cd->out.source);
	loop_timer_fini(&cd->out.timer);
	outfd_close(&cd->out.to);
	byte_ring_free(&cd->out.ring);
	pthread_cond_destroy(&cd->room);
	pthread_mutex_destroy(&cd->lock);
}

int chardev_attach(struct chardev *cd, int fd, enum out_kind kind)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	pthread_mutex_lock(&cd->lock);
	cd->out.to = (struct outfd){ .fd = copy, .own = true, .kind = kind };
	cd->out.attached = true;
	cd->out.stalled = false;
	commit(cd);
	pthread_mutex_unlock(&cd->lock);
	chardev_event(cd, CHARDEV_CONNECT);
	return 0;
}

void chardev_detach(struct chardev *cd)
{
	loop_del(&cd->out.source);
	pthread_mutex_lock(&cd->lock);
	cd->out.attached = false;
	cd->out.stalled = false;
	cd->out.hangup_due = false;
	outfd_close(&cd->out.to);
	pthread_cond_broadcast(&cd->room);
	pthread_mutex_unlock(&cd->lock);
	chardev_event(cd, CHARDEV_HANGUP);
}
