/* SPDX-License-Identifier: GPL-2.0-only */
/* Accepts clients of a listening socket on the loop, see listener.h. */
#include "listener.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define RETRY_NS 100000000ULL

int listener_open(struct listener *l, const char *path, int backlog)
{
	int fd;

	*l = (struct listener){ .fd = -1 };
	fd = unix_listen(path, backlog, &l->file);
	if (fd < 0)
		return fd;
	l->fd = fd;
	l->path = path;
	return 0;
}

void listener_close(struct listener *l)
{
	if (l->fd < 0)
		return;
	listener_stop(l);
	close(l->fd);
	l->fd = -1;
	if (l->path)
		unix_remove(l->path, &l->file);
}

static void on_client(void *ctx, uint32_t events)
{
	struct listener *l = ctx;
	int fd;

	(void)events;
	if (!l->wanted)
		return; /* an event from before listener_want() */
	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		l->accepted(l->ctx, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		/* The client stays in the backlog: epoll would report it without end. */
		loop_mod(&l->source, 0);
		loop_timer_arm(&l->retry, RETRY_NS);
	}
}

static void on_retry(void *ctx)
{
	struct listener *l = ctx;

	loop_mod(&l->source, l->wanted ? EPOLLIN : 0);
}

int listener_start(struct listener *l, struct loop *loop, void (*accepted)(void *ctx, int fd),
		   void *ctx)
{
	int err;

	l->accepted = accepted;
	l->ctx = ctx;
	l->wanted = true;
	loop_timer_init(loop, &l->retry, on_retry, l);
	err = loop_add(loop, &l->source, l->fd, EPOLLIN, on_client, l);
	/* The timer's descriptor is made now: later there might be none left. */
	return err ? err : loop_timer_arm(&l->retry, RETRY_NS);
}

void listener_want(struct listener *l, bool wanted)
{
	l->wanted = wanted;
	if (l->source.loop)
		loop_mod(&l->source, wanted ? EPOLLIN : 0);
}

void listener_stop(struct listener *l)
{
	loop_timer_fini(&l->retry);
	loop_del(&l->source);
}
