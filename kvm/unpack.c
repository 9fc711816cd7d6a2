/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unpacks by running the program that does it, as depmod's and the kernel's own scripts do: no library of ours has to know three formats. The program
 * reads the file itself and writes to a pipe of ours; it ends before we go on.
 */
#include "kvm/unpack.h"

#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

static int read_all(int fd, uint8_t **bytes, size_t *len)
{
	size_t cap = 0;
	ssize_t n = 1;

	*bytes = NULL;
	*len = 0;
	while (n > 0) {
		uint8_t *more =
			cap - *len < READ_BYTES ? realloc(*bytes, cap = *len + 2 * READ_BYTES) : *bytes;

		if (!more)
			return -ENOMEM;
		*bytes = more;
		do {
			n = read(fd, *bytes + *len, READ_BYTES);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		*len += (size_t)n;
	}
	return 0;
}

/* Our blocked and ignored signals are not the program's. */
static void set_signals(posix_spawnattr_t *attr)
{
	sigset_t set;

	sigemptyset(&set);
	posix_spawnattr_setsigmask(attr, &set);
	sigaddset(&set, SIGPIPE);
	posix_spawnattr_setsigdefault(attr, &set);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

/* Starts "PROGRAM -dc" with @in and @out as its streams. Returns 0 or -errno. */
static int start(pid_t *pid, const char *program, int in, int out)
{
	char *argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t) "-dc", NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int err;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	set_signals(&attr);
	err = posix_spawnp(pid, program, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -err;
}

/* Waits for it; -EIO unless it was content. */
static int finish(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

static int run(const char *program, int in, uint8_t **bytes, size_t *len)
{
	int ends[2], err, end_err;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	err = start(&pid, program, in, ends[1]);
	close(ends[1]);
	if (!err) {
		err = read_all(ends[0], bytes, len);
		close(ends[0]);
		end_err = finish(pid);
		return err ? err : end_err;
	}
	close(ends[0]);
	return err;
}

int unpack_file(const char *path, uint8_t **bytes, size_t *len)
{
	const char *program = program_for(path);
	int err, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	*bytes = NULL;
	if (fd < 0)
		err = -errno;
	else
		err = program ? run(program, fd, bytes, len) : read_all(fd, bytes, len);
	if (fd >= 0)
		close(fd);
	if (!err)
		return 0;
	free(*bytes);
	*bytes = NULL;
	if (fd >= 0 && program && err == -ENOENT)
		pr_err("%s: %s is needed to unpack it and is not on this host; install it, or unpack the "
		       "file",
		       path, program);
	else
		pr_err("%s: cannot be read%s%s: %s", path, program ? " by " : "", program ? program : "",
		       strerror(-err));
	return err;
}
