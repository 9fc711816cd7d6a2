/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measures what a plain host program reaches where the payload's blkrate and netrate go through a
 * machine.
 *
 *	io_floor blk FILE BYTES MS	reads FILE from start to end, again and again, with pread(2)
 *	io_floor net FD BYTES MS	sends frames
 *
 * Prints how many it did in how many TSC ticks, like blkrate and netrate.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define ROOM_BYTES (4U << 20) /* for buffers: uses no more cache than the payload */
#define MAX_BUFFERS 32
#define LINGER_US 20000 /* the test samples our CPU time now */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int main(int argc, char **argv)
{
	bool blk = argc == 5 && !strcmp(argv[1], "blk");
	uint64_t n = 0, start, begin, end;
	size_t bytes, nr, size = 0, at = 0;
	char *buf;
	int fd;

	if (argc != 5)
		errx(1, "usage: io_floor blk FILE BYTES MS | io_floor net FD BYTES MS");
	fd = blk ? open(argv[2], O_RDONLY | O_CLOEXEC) : atoi(argv[2]);
	if (fd < 0)
		err(1, "%s", argv[2]);
	bytes = strtoul(argv[3], NULL, 10);
	if (!bytes || bytes > ROOM_BYTES)
		errx(1, "BYTES must be 1 to %u", ROOM_BYTES);
	nr = ROOM_BYTES / bytes < MAX_BUFFERS ? ROOM_BYTES / bytes : MAX_BUFFERS;
	end = strtoul(argv[4], NULL, 10) * 1000000;
	if (blk)
		size = (size_t)lseek(fd, 0, SEEK_END);
	buf = malloc(nr * bytes);
	if (!buf)
		err(1, "malloc");
	memset(buf, 0xff, nr * bytes);
	printf("rate begins\n");
	fflush(stdout);
	start = now_ns();
	end += start;
	for (begin = __rdtsc(); n % 64 || now_ns() < end; n++) {
		char *to = buf + n % nr * bytes;

		if ((blk ? pread(fd, to, bytes, (off_t)at) : send(fd, to, bytes, 0)) !=
		    (ssize_t)bytes)
			err(1, "%s", argv[2]);
		at = at + 2 * bytes > size ? 0 : at + bytes;
	}
	printf("rate %s: %" PRIu64 " in %" PRIu64 " at 0 khz\n", blk ? "reads" : "frames", n,
	       (uint64_t)__rdtsc() - begin);
	fflush(stdout);
	usleep(LINGER_US);
	return 0;
}
