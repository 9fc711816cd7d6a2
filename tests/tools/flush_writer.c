/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes and verifies numbered blocks on a disk, for tests that kill the machine in the middle
 * (tests/disk-nest.sh).
 *
 * flush_writer write DISK ROUND
 *         in the guest: writes blocks without end, flushes after every few, and prints `flushed N`
 *         when N steps are on the disk
 * flush_writer verify DISK N1 N2 ...
 *         afterwards: checks that all blocks are there that round 1, 2, ... flushed, and nothing
 *         that was never written
 *
 * The round and the step determine which block a step writes, and its content.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES 4096
#define STEPS_A_FLUSH 4
#define MAX_BLOCKS 65536

static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ULL;
	v = (v ^ v >> 27) * 0x94d049bb133111ebULL;
	return v ^ v >> 31;
}

/* The content that step @step of @round writes; never 0. */
static uint64_t version_of(uint64_t round, uint64_t step)
{
	return round << 32 | step;
}

static uint64_t block_of(uint64_t version, uint64_t nr_blocks)
{
	return mix(version) % nr_blocks;
}

static void fill(uint64_t *block, uint64_t version)
{
	block[0] = version;
	for (unsigned int i = 1; i < BLOCK_BYTES / 8; i++)
		block[i] = mix(version + i * 0x9e3779b97f4a7c15ULL);
}

static int fail(const char *what, uint64_t block)
{
	printf("%s: block %llu\n", what, (unsigned long long)block);
	return 1;
}

static int write_for_ever(int fd, uint64_t nr_blocks, uint64_t round)
{
	static uint64_t block[BLOCK_BYTES / 8];

	for (uint64_t step = 0;; step++) {
		uint64_t version = version_of(round, step);

		if (step && step % STEPS_A_FLUSH == 0) {
			if (fsync(fd))
				return fail("flush fails", step);
			printf("flushed %llu\n", (unsigned long long)step);
			fflush(stdout);
		}
		fill(block, version);
		if (pwrite(fd, block, BLOCK_BYTES,
			   (off_t)(block_of(version, nr_blocks) * BLOCK_BYTES)) != BLOCK_BYTES)
			return fail("write fails", block_of(version, nr_blocks));
	}
}

static int verify(int fd, uint64_t nr_blocks, const uint64_t *flushed)
{
	static uint64_t block[BLOCK_BYTES / 8], want[BLOCK_BYTES / 8];
	uint64_t there = 0;

	for (uint64_t i = 0; i < nr_blocks; i++) {
		if (pread(fd, block, BLOCK_BYTES, (off_t)(i * BLOCK_BYTES)) != BLOCK_BYTES)
			return fail("cannot be read", i);
		if (block[0] < flushed[i])
			return fail("a flushed block is lost", i);
		memset(want, 0, sizeof(want));
		if (block[0])
			fill(want, block[0]);
		if (memcmp(block, want, BLOCK_BYTES) ||
		    (block[0] && block_of(block[0], nr_blocks) != i))
			return fail("has content that was never written", i);
		there += flushed[i] != 0;
	}
	printf("%llu flushed blocks there\n", (unsigned long long)there);
	return there ? 0 : fail("nothing was flushed", 0);
}

int main(int argc, char **argv)
{
	static uint64_t flushed[MAX_BLOCKS];
	int fd = argc >= 4 ? open(argv[2], strcmp(argv[1], "write") ? O_RDONLY : O_RDWR) : -1;
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	uint64_t nr_blocks = (uint64_t)size / BLOCK_BYTES;

	if (size < BLOCK_BYTES || nr_blocks > MAX_BLOCKS)
		return fail("bad arguments", 0);
	if (!strcmp(argv[1], "write"))
		return write_for_ever(fd, nr_blocks, strtoull(argv[3], NULL, 0));
	for (int i = 3; i < argc; i++) {
		for (uint64_t step = 0; step < strtoull(argv[i], NULL, 0); step++) {
			uint64_t version = version_of((uint64_t)i - 2, step);

			flushed[block_of(version, nr_blocks)] = version;
		}
	}
	return verify(fd, nr_blocks, flushed);
}
