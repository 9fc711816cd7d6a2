/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records what the disk layer does to a file, by defining libc's pwritev(), fallocate() and
 * fdatasync() itself: symbol lookup finds the program's own functions first.
 *
 * One lock puts the records in a total order, so that a sync covers exactly the records before it.
 */
#include "disk_power.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR 512

enum kind { WROTE, SYNCED, MARKED };

struct event {
	enum kind kind;
	uint64_t offset, len;
	unsigned char *data; /* NULL: zeros */
};

static struct {
	pthread_mutex_t lock;
	bool on;
	struct event *events;
	size_t nr, max;
	unsigned char *start;
	size_t start_len;
} rec = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct event *add(enum kind kind, uint64_t offset, uint64_t len, bool data)
{
	struct event *e;

	if (rec.nr == rec.max) {
		rec.max = rec.max ? rec.max * 2 : 1024;
		rec.events = realloc(rec.events, rec.max * sizeof(*rec.events));
	}
	e = &rec.events[rec.nr++];
	*e = (struct event){ kind, offset, len, data ? malloc(len) : NULL };
	return e;
}

ssize_t pwritev(int fd, const struct iovec *iov, int nr, off_t offset)
{
	ssize_t n;

	pthread_mutex_lock(&rec.lock);
	n = syscall(SYS_pwritev, fd, iov, nr, offset, 0);
	if (rec.on && n > 0) {
		struct event *e = add(WROTE, (uint64_t)offset, (uint64_t)n, true);
		size_t at = 0;

		for (int i = 0; i < nr && at < (size_t)n; i++) {
			size_t part =
				iov[i].iov_len < (size_t)n - at ? iov[i].iov_len : (size_t)n - at;

			memcpy(e->data + at, iov[i].iov_base, part);
			at += part;
		}
	}
	pthread_mutex_unlock(&rec.lock);
	return n;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	int rc;

	pthread_mutex_lock(&rec.lock);
	rc = (int)syscall(SYS_fallocate, fd, mode, offset, len);
	if (rec.on && rc == 0)
		add(WROTE, (uint64_t)offset, (uint64_t)len, false);
	pthread_mutex_unlock(&rec.lock);
	return rc;
}

/* Kept in the record only: the test need not wait for a disk. */
int fdatasync(int fd)
{
	(void)fd;
	pthread_mutex_lock(&rec.lock);
	if (rec.on)
		add(SYNCED, 0, 0, false);
	pthread_mutex_unlock(&rec.lock);
	return 0;
}

void power_begin(const char *image)
{
	int fd = open(image, O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	rec.start_len = (size_t)st.st_size;
	rec.start = malloc(rec.start_len);
	rec.on = read(fd, rec.start, rec.start_len) == st.st_size;
	close(fd);
}

void power_mark(const struct journal_block *journal, uint64_t nr_blocks)
{
	struct event *e;

	pthread_mutex_lock(&rec.lock);
	if (rec.on) {
		e = add(MARKED, 0, nr_blocks * sizeof(uint32_t), true);
		for (uint64_t b = 0; b < nr_blocks; b++) {
			uint32_t v = journal[b].flushed;

			memcpy(e->data + b * sizeof(v), &v, sizeof(v));
		}
	}
	pthread_mutex_unlock(&rec.lock);
}

static uint64_t rnd(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x * 0x2545f4914f6cdd1dULL >> 20;
}

struct cut {
	unsigned char *bytes;
	size_t len, max;
};

static void apply(struct cut *c, const struct event *e, uint64_t from, uint64_t to)
{
	uint64_t end = e->offset + to;

	if (end > c->max) {
		c->bytes = realloc(c->bytes, end * 2);
		memset(c->bytes + c->max, 0, end * 2 - c->max);
		c->max = end * 2;
	}
	if (e->data)
		memcpy(c->bytes + e->offset + from, e->data + from, to - from);
	else
		memset(c->bytes + e->offset + from, 0, to - from);
	if (end > c->len)
		c->len = end;
}

/* Applies all, none, or some sectors of a write that was not synced. */
static void apply_part(struct cut *c, const struct event *e, uint64_t *seed, unsigned int mode)
{
	uint64_t at = 0;

	if (mode == 3)
		mode = (unsigned int)(rnd(seed) % 3);
	while (at < e->len) {
		uint64_t step = SECTOR - (e->offset + at) % SECTOR;

		if (step > e->len - at)
			step = e->len - at;
		if (mode == 0 || (mode == 2 && rnd(seed) % 2))
			apply(c, e, at, at + step);
		at += step;
	}
}

static int save(const char *prefix, unsigned int n, const char *what, const void *bytes, size_t len)
{
	char name[256];
	int fd, rc;

	snprintf(name, sizeof(name), "%s.%u.%s", prefix, n, what);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	rc = fd >= 0 && write(fd, bytes, len) == (ssize_t)len ? 0 : -1;
	close(fd);
	return rc;
}

static int cut_at(const char *prefix, unsigned int n, size_t at, uint64_t *seed,
		  struct journal_block *expect, uint64_t nr_blocks)
{
	unsigned int mode = (unsigned int)(rnd(seed) % 4);
	struct cut c = { malloc(rec.start_len), rec.start_len, rec.start_len };
	size_t synced = 0;
	int rc;

	memcpy(c.bytes, rec.start, rec.start_len);
	for (size_t i = 0; i < at; i++) {
		const struct event *e = &rec.events[i];

		if (e->kind == SYNCED)
			synced = i;
		for (uint64_t b = 0; e->kind == MARKED && b < nr_blocks; b++) {
			uint32_t v;

			memcpy(&v, e->data + b * sizeof(v), sizeof(v));
			expect[b].flushed = v;
		}
	}
	for (size_t i = 0; i < at; i++) {
		const struct event *e = &rec.events[i];

		if (e->kind == WROTE && i < synced)
			apply(&c, e, 0, e->len);
		else if (e->kind == WROTE)
			apply_part(&c, e, seed, mode);
	}
	rc = save(prefix, n, "img", c.bytes, c.len) |
	     save(prefix, n, "journal", expect, nr_blocks * sizeof(*expect));
	free(c.bytes);
	return rc;
}

int power_cut(const char *prefix, unsigned int nr_cuts, uint64_t seed,
	      const struct journal_block *journal, uint64_t nr_blocks)
{
	int rc = 0;

	rec.on = false;
	for (unsigned int n = 0; n < nr_cuts && !rc; n++) {
		struct journal_block *expect = calloc(nr_blocks, sizeof(*expect));

		for (uint64_t b = 0; b < nr_blocks; b++)
			expect[b].begun = journal[b].begun;
		rc = cut_at(prefix, n, rnd(&seed) % (rec.nr + 1), &seed, expect, nr_blocks);
		free(expect);
	}
	for (size_t i = 0; i < rec.nr; i++)
		free(rec.events[i].data);
	free(rec.events);
	free(rec.start);
	return rc;
}
