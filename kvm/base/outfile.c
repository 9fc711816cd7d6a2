/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports into files. A regular file is replaced by rename(2), so that who waits for it sees all of it or the one before; the temporary file is
 * beside it and has our process's number in its name. Main's thread, with the signals that end us blocked by the caller.
 */
#include "kvm/outfile.h"

#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_BYTES 32 /* what the temporary file's name has more */

static bool is_replaced(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 || S_ISREG(st.st_mode);
}

int outfile_check(const char *option, const char *path)
{
	char copy[PATH_MAX];
	struct stat st;
	int err = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	if (!*path)
		err = ENOENT;
	else if (!stat(path, &st) && S_ISDIR(st.st_mode))
		err = EISDIR;
	else if (strlen(path) >= sizeof(copy) - TEMPORARY_BYTES)
		err = ENAMETOOLONG;
	else if (!is_replaced(path))
		err = access(path, W_OK) ? errno : 0;
	else if (access(dirname(copy), W_OK | X_OK))
		err = errno;
	if (err)
		pr_err("--%s %s: %s", option, path, strerror(err));
	return -err;
}

static int write_stream(int fd, void (*writer)(FILE *f, const void *ctx), const void *ctx)
{
	FILE *f = fdopen(fd, "w");
	int err = 0;

	if (!f) {
		err = -errno;
		close(fd);
		return err;
	}
	errno = 0;
	writer(f, ctx);
	if (ferror(f))
		err = errno ? -errno : -EIO;
	if (fclose(f) && !err)
		err = -errno;
	return err;
}

static int replace(const char *path, void (*writer)(FILE *f, const void *ctx), const void *ctx)
{
	char temporary[PATH_MAX];
	int fd, err;

	snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, (int)getpid());
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	err = write_stream(fd, writer, ctx);
	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		unlink(temporary);
	return err;
}

int outfile_write(const char *option, const char *path, void (*writer)(FILE *f, const void *ctx),
		  const void *ctx, bool early)
{
	int fd, err = 0;

	if (is_replaced(path)) {
		err = replace(path, writer, ctx);
	} else if (!early) {
		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		err = fd < 0 ? -errno : write_stream(fd, writer, ctx);
	}
	if (err)
		pr_err("--%s %s: %s", option, path, strerror(-err));
	return err;
}
