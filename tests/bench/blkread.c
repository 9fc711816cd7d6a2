/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads a file at a given queue depth for tests/bench: blkread FILE MARK DEPTH COUNT [BYTES].
 *
 * It makes COUNT direct reads of BYTES (4096) each, sequentially through FILE, DEPTH at a time:
 * with io_submit(2), each batch after the one before has ended; at depth 1 with pread(2). It prints
 * "MARK-begin" before them and "MARK-end" after them; tests/bench measures what happens in between.
 * One batch before that warms up.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_DEPTH 128

struct reader {
	int fd;
	aio_context_t aio;
	unsigned int depth;
	size_t bytes;
	off_t at, size;
	char *buf;
};

static off_t next(struct reader *r)
{
	off_t at = r->at;

	r->at += (off_t)r->bytes;
	if (r->at + (off_t)r->bytes > r->size)
		r->at = 0;
	return at;
}

static void read_one(struct reader *r)
{
	if (pread(r->fd, r->buf, r->bytes, next(r)) != (ssize_t)r->bytes)
		err(1, "pread");
}

static void read_batch(struct reader *r)
{
	struct iocb cb[MAX_DEPTH], *list[MAX_DEPTH];
	struct io_event done[MAX_DEPTH];

	for (unsigned int i = 0; i < r->depth; i++) {
		cb[i] = (struct iocb){ .aio_lio_opcode = IOCB_CMD_PREAD,
				       .aio_fildes = (uint32_t)r->fd,
				       .aio_buf = (uintptr_t)(r->buf + i * r->bytes),
				       .aio_nbytes = r->bytes,
				       .aio_offset = next(r) };
		list[i] = &cb[i];
	}
	if (syscall(SYS_io_submit, r->aio, (long)r->depth, list) != (long)r->depth)
		err(1, "io_submit");
	if (syscall(SYS_io_getevents, r->aio, (long)r->depth, (long)r->depth, done, NULL) !=
	    (long)r->depth)
		err(1, "io_getevents");
	for (unsigned int i = 0; i < r->depth; i++) {
		if (done[i].res != (int64_t)r->bytes)
			errx(1, "a read returned %lld", (long long)done[i].res);
	}
}

static void read_all(struct reader *r, unsigned long count)
{
	for (unsigned long done = 0; done < count; done += r->depth) {
		if (r->depth == 1)
			read_one(r);
		else
			read_batch(r);
	}
}

static void say(const char *mark, const char *what)
{
	printf("%s-%s\n", mark, what);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct reader r = { .bytes = argc > 5 ? strtoul(argv[5], NULL, 0) : 4096 };

	if (argc < 5)
		errx(1, "usage: blkread FILE MARK DEPTH COUNT [BYTES]");
	r.depth = (unsigned int)strtoul(argv[3], NULL, 0);
	if (!r.depth || r.depth > MAX_DEPTH)
		errx(1, "DEPTH must be 1 to %d", MAX_DEPTH);
	r.fd = open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (r.fd < 0)
		err(1, "%s", argv[1]);
	r.size = lseek(r.fd, 0, SEEK_END);
	r.buf = aligned_alloc(4096, r.depth * r.bytes);
	if (!r.buf || syscall(SYS_io_setup, (long)r.depth, &r.aio))
		err(1, "io_setup");
	read_all(&r, 4 * r.depth);
	say(argv[2], "begin");
	read_all(&r, strtoul(argv[4], NULL, 0));
	say(argv[2], "end");
	return 0;
}
