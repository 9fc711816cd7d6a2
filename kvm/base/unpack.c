/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads files, and unpacks compressed ones by the program of their format.
 *
 * That is what the scripts of depmod and of the kernel do, and no library for three formats is
 * needed. The program reads the file itself and writes to a pipe; it ends before the launcher goes
 * on.
 */
#include "unpack.h"

#include "grow.h"

#include "kvm/log.h"
#include "kvm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (256 * KIB)

static const char *const programs[][2] = { { ".gz", "gzip" }, { ".xz", "xz" }, { ".zst", "zstd" } };

static const char *program_for(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		size_t end = strlen(programs[i][0]);

		if (len > end && !strcmp(path + len - end, programs[i][0]))
			return programs[i][1];
	}
	return NULL;
}

static int read_all(int fd, size_t max_bytes, uint8_t **bytes, size_t *len)
{
	size_t room = 0;
	ssize_t n = 1;

	*bytes = NULL;
	*len = 0;
	while (n > 0) {
		uint8_t *more = grow_array(*bytes, &room, *len + READ_BYTES, 1);

		if (!more)
			return -ENOMEM;
		*bytes = more;
		do {
			n = read(fd, *bytes + *len, READ_BYTES);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		*len += (size_t)n;
		if (*len > max_bytes)
			return -EFBIG;
	}
	return 0;
}

/* Runs "PROGRAM -dc", which reads the file and writes to a pipe, and reads the pipe. */
static int run(const char *program, int in, size_t max_bytes, uint8_t **bytes, size_t *len)
{
	char *const argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t) "-dc", NULL };
	int ends[2], err;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	err = spawn_program(&pid, &(struct spawn){ .argv = argv,
						   .in = in,
						   .out = ends[1],
						   .err = STDERR_FILENO,
						   .keep = SPAWN_NONE });
	close(ends[1]);
	if (err) {
		close(ends[0]);
		return err;
	}
	err = read_all(ends[0], max_bytes, bytes, len);
	close(ends[0]);
	return spawn_wait(pid, SPAWN_FOREVER) || err ? err : -EIO;
}

int unpack_file(const char *path, size_t max_bytes, uint8_t **bytes, size_t *len)
{
	const char *program = program_for(path);
	int err, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	*bytes = NULL;
	if (fd < 0)
		err = -errno;
	else
		err = program ? run(program, fd, max_bytes, bytes, len)
			      : read_all(fd, max_bytes, bytes, len);
	if (fd >= 0)
		close(fd);
	if (!err)
		return 0;
	free(*bytes);
	*bytes = NULL;
	if (fd >= 0 && program && err == -ENOENT)
		pr_err("%s: needs %s to be unpacked, which is not on this host; install it, or unpack the file",
		       path, program);
	else if (err == -EFBIG)
		pr_err("%s: larger than %zu MiB%s; is it the right file?", path,
		       max_bytes / (size_t)MIB, program ? " when it is unpacked" : "");
	else
		pr_err("%s: cannot be read%s%s: %s", path, program ? " by " : "",
		       program ? program : "", strerror(-err));
	return err;
}
