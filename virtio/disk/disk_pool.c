/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the threads that do blocking I/O for disks. There are none until there is work; then the
 * pool adds one whenever work finds no idle thread, up to a few. They start requests in the order
 * of their arrival, on small stacks, with all signals blocked except those of their own faults
 * (kvm/sigmask.h). If no thread can be made, the caller serves its own request.
 *
 * This file also has the list of requests and the iovec cursor that all parts use.
 */
#include "disk_impl.h"

#include "kvm/sigmask.h"

#include <limits.h>
#include <string.h>

#define STACK_BYTES (256 * 1024) /* only touched pages use memory */

void disk_list_init(struct disk_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

void disk_list_add(struct disk_list *l, struct disk_request *r)
{
	r->next = NULL;
	*l->tail = r;
	l->tail = &r->next;
}

struct disk_request *disk_list_take(struct disk_list *l)
{
	struct disk_request *r = l->head;

	if (r) {
		l->head = r->next;
		if (!l->head)
			l->tail = &l->head;
	}
	return r;
}

void disk_list_move(struct disk_list *to, struct disk_list *from)
{
	disk_list_init(to);
	if (!from->head)
		return;
	*to = *from;
	disk_list_init(from);
}

unsigned int cursor_slice(const struct disk_cursor *c, uint64_t len, struct iovec *out,
			  unsigned int max)
{
	const struct iovec *iov = c->iov;
	size_t skip = c->skip_bytes;
	unsigned int nr = 0;

	while (len > 0 && nr < max) {
		size_t n = iov->iov_len - skip;

		if (n > len)
			n = len;
		if (n > 0)
			out[nr++] = (struct iovec){ (char *)iov->iov_base + skip, n };
		len -= n;
		skip = 0;
		iov++;
	}
	return nr;
}

void cursor_advance(struct disk_cursor *c, uint64_t len)
{
	while (len > 0) {
		size_t left = c->iov->iov_len - c->skip_bytes;

		if (len < left) {
			c->skip_bytes += len;
			return;
		}
		len -= left;
		c->iov++;
		c->skip_bytes = 0;
	}
}

static void cursor_copy(struct disk_cursor *c, char *bytes, uint64_t len, bool in)
{
	while (len > 0) {
		struct iovec part;

		cursor_slice(c, len, &part, 1);
		if (in && bytes)
			memcpy(part.iov_base, bytes, part.iov_len);
		else if (in)
			memset(part.iov_base, 0, part.iov_len);
		else
			memcpy(bytes, part.iov_base, part.iov_len);
		if (bytes)
			bytes += part.iov_len;
		len -= part.iov_len;
		cursor_advance(c, part.iov_len);
	}
}

void cursor_copy_in(struct disk_cursor *c, const void *from, uint64_t len)
{
	cursor_copy(c, (char *)from, len, true);
}

void cursor_copy_out(struct disk_cursor *c, void *to, uint64_t len)
{
	cursor_copy(c, to, len, false);
}

void cursor_zero(struct disk_cursor *c, uint64_t len)
{
	cursor_copy(c, NULL, len, true);
}

static void *pool_thread(void *arg)
{
	struct disk_pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct disk_request *r = disk_list_take(&p->todo);

		if (r) {
			p->nr_todo--;
			pthread_mutex_unlock(&p->lock);
			p->serve(p->ctx, r);
			pthread_mutex_lock(&p->lock);
			continue;
		}
		if (p->stop)
			break;
		p->nr_idle++;
		pthread_cond_wait(&p->work, &p->lock);
		p->nr_idle--;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/*
 * A thread inherits the signal mask: signals are for the loop's signalfd, never for a pool thread.
 */
static int start_thread(struct disk_pool *p)
{
	pthread_attr_t attr;
	sigset_t old;
	int err;

	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigmask_block(&old);
	err = pthread_create(&p->threads[p->nr_threads], &attr, pool_thread, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!err)
		p->nr_threads++;
	return -err;
}

void disk_pool_init(struct disk_pool *p, void (*serve)(void *ctx, struct disk_request *r),
		    void *ctx)
{
	*p = (struct disk_pool){ .serve = serve, .ctx = ctx };
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	disk_list_init(&p->todo);
}

void disk_pool_fini(struct disk_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned int i = 0; i < p->nr_threads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
}

void disk_pool_add(struct disk_pool *p, struct disk_request *r)
{
	pthread_mutex_lock(&p->lock);
	if (p->nr_idle <= p->nr_todo && p->nr_threads < DISK_POOL_THREADS)
		start_thread(p);
	if (!p->nr_threads) {
		pthread_mutex_unlock(&p->lock);
		p->serve(p->ctx, r);
		return;
	}
	disk_list_add(&p->todo, r);
	p->nr_todo++;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}
