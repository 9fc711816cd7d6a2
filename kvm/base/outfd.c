/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes without blocking, see outfd.h. */
#include "outfd.h"

#include "endsignal.h"
#include "kvm/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A terminal that poll() reports as writable has room for some bytes; how many is unknown. */
#define POLLED_TTY_BYTES 64
#define LOOK_MS 100 /* how long a wait does not notice a signal */

/*
 * Writes "/proc/self/fd/N" to @path. Avoids printf(3), whose pages are not otherwise touched while
 * a guest runs well.
 */
static void fd_path(char path[32], int fd)
{
	char digits[12], *first = &digits[11];

	*first = '\0';
	do {
		*--first = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd);
	stpcpy(stpcpy(path, "/proc/self/fd/"), first);
}

int outfd_reopen(int fd, int access)
{
	char path[32];
	int copy;

	fd_path(path, fd);
	copy = open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return copy < 0 ? -errno : copy;
}

int outfd_find_kind(struct outfd *o)
{
	struct stat st;
	int own;

	if (fstat(o->fd, &st) < 0)
		return -errno;
	o->kind = OUT_PLAIN;
	o->tty = S_ISCHR(st.st_mode) && isatty(o->fd);
	if (S_ISSOCK(st.st_mode)) {
		o->kind = OUT_SOCKET;
	} else if (S_ISFIFO(st.st_mode) || o->tty) {
		own = outfd_reopen(o->fd, O_WRONLY);
		o->kind = own < 0 ? OUT_POLLED : OUT_NONBLOCK;
		if (own >= 0) {
			o->fd = own;
			o->own = true;
		}
	}
	return 0;
}

static ssize_t polled_write(int fd, const void *bytes, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	size_t most = isatty(fd) ? POLLED_TTY_BYTES : PIPE_BUF;
	int n = poll(&p, 1, 0);

	if (n <= 0) {
		errno = n < 0 ? errno : EAGAIN;
		return -1;
	}
	return write(fd, bytes, len < most ? len : most);
}

ssize_t outfd_write(struct outfd *o, const void *bytes, size_t len)
{
	ssize_t n;

	if (o->kind == OUT_UNKNOWN) {
		int err = outfd_find_kind(o);

		if (err)
			return err;
	}
	do {
		if (o->kind == OUT_SOCKET)
			n = send(o->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else if (o->kind == OUT_POLLED)
			n = polled_write(o->fd, bytes, len);
		else
			n = write(o->fd, bytes, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Returns whether it is worth another try. */
static bool wait_for_room(struct outfd *o, int limit_ms)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };
	uint64_t now = now_ns(), none = 0, since, stuck_ms;

	atomic_compare_exchange_strong(&o->stuck_ns, &none, now);
	since = none ? none : now;
	stuck_ms = now > since ? (now - since) / 1000000 : 0;
	if (limit_ms < 0 && end_signal_pending())
		limit_ms = OUTFD_STALL_MS;
	if (limit_ms >= 0 && stuck_ms >= (uint64_t)limit_ms)
		return false;
	poll(&p, 1, LOOK_MS);
	return true;
}

ssize_t outfd_put(struct outfd *o, const void *bytes, size_t len, int limit_ms)
{
	const char *at = bytes;

	while (len) {
		ssize_t n = outfd_write(o, at, len);

		if (n > 0) {
			if (atomic_load_explicit(&o->stuck_ns, memory_order_relaxed))
				atomic_store(&o->stuck_ns, 0);
			at += n;
			len -= (size_t)n;
		} else if (n && n != -EAGAIN) {
			return n;
		} else if (!wait_for_room(o, limit_ms)) {
			break;
		}
	}
	return (ssize_t)len;
}

ssize_t outfd_put_to(int fd, const void *bytes, size_t len, int limit_ms)
{
	struct outfd o = { .fd = fd };
	ssize_t left = outfd_put(&o, bytes, len, limit_ms);

	outfd_close(&o);
	return left;
}

void outfd_close(struct outfd *o)
{
	if (o->own)
		close(o->fd);
	o->fd = -1;
	o->own = false;
}
