/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a file without a name or under a temporary one, and gives it its own by rename(2).
 *
 * So a reader sees the old file or the whole new one. Until then the file has no name (O_TMPFILE),
 * or, where the file system cannot do that, a temporary one beside the real one. linkat(2) does not
 * replace a file, so a file without a name gets a temporary one, too, just before the rename. No
 * user can guess a temporary name, and a file that has it already is neither opened nor removed.
 */
#include "kvm/newfile.h"

#include "kvm/log.h"
#include "outfd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_BYTES 32 /* how much longer the temporary name is */

/* The folder that @path is in, in @buf. */
static const char *folder_of(const char *path, char buf[PATH_MAX])
{
	snprintf(buf, PATH_MAX, "%s", path);
	return dirname(buf);
}

static int check_folder(const char *path)
{
	char folder[PATH_MAX];

	return access(folder_of(path, folder), W_OK | X_OK) ? -errno : 0;
}

static int check_name(const char *path)
{
	struct stat st;

	if (!*path)
		return -ENOENT;
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return -EISDIR;
	return strlen(path) >= PATH_MAX - TEMPORARY_BYTES ? -ENAMETOOLONG : 0;
}

static int check(const char *path)
{
	struct stat st;
	int err = check_name(path);

	if (err)
		return err;
	return !stat(path, &st) && !S_ISREG(st.st_mode) ? -ENOTSUP : check_folder(path);
}

int newfile_check(const char *option, const char *path)
{
	int err = check(path);

	if (err == -ENOTSUP)
		pr_err("--%s %s: exists and is not a regular file; choose another file", option,
		       path);
	else if (err)
		pr_err("--%s %s: %s", option, path, strerror(-err));
	return err;
}

static int make_temporary(struct newfile *f)
{
	uint64_t r;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		return -errno;
	snprintf(f->temporary, sizeof(f->temporary), "%.*s.%016" PRIx64 ".tmp",
		 PATH_MAX - TEMPORARY_BYTES, f->path, r);
	return 0;
}

int newfile_open(struct newfile *f, const char *path, mode_t mode)
{
	char folder[PATH_MAX];
	int err = check(path);

	f->fd = -1;
	f->named = false;
	if (err)
		return err;
	snprintf(f->path, sizeof(f->path), "%s", path);
	if (!access("/proc/self/fd", X_OK))
		f->fd = open(folder_of(path, folder), O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	if (f->fd >= 0)
		return 0;
	err = make_temporary(f);
	if (err)
		return err;
	f->fd = open(f->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	f->named = f->fd >= 0;
	return f->named ? 0 : -errno;
}

static int give_name(struct newfile *f)
{
	char self[64];
	int err;

	if (f->named)
		return 0;
	err = make_temporary(f);
	if (err)
		return err;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", f->fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, f->temporary, AT_SYMLINK_FOLLOW))
		return -errno;
	f->named = true;
	return 0;
}

int newfile_commit(struct newfile *f)
{
	int err = give_name(f);

	/* Some file systems report only now that there is no room. */
	if (close(f->fd) && !err)
		err = -errno;
	f->fd = -1;
	if (!err && rename(f->temporary, f->path))
		err = -errno;
	if (!err)
		f->named = false;
	newfile_abandon(f);
	return err;
}

void newfile_abandon(struct newfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->named)
		unlink(f->temporary);
	f->fd = -1;
	f->named = false;
}

/* A link is written through, not replaced. */
static bool is_replaced(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 || S_ISREG(st.st_mode);
}

int newfile_check_report(const char *option, const char *path)
{
	int err = check_name(path);

	if (!err && is_replaced(path))
		err = check_folder(path);
	else if (!err && access(path, W_OK))
		err = -errno;
	if (err)
		pr_err("--%s %s: %s", option, path, strerror(-err));
	return err;
}

/* Closes @fd. */
static int write_stream(int fd, void (*writer)(FILE *f, const void *ctx), const void *ctx)
{
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int err = 0;

	if (!f) {
		err = -errno;
		if (fd >= 0)
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
	struct newfile file;
	int err = newfile_open(&file, path, 0666);

	if (err)
		return err;
	err = write_stream(fcntl(file.fd, F_DUPFD_CLOEXEC, 0), writer, ctx);
	if (!err)
		return newfile_commit(&file);
	newfile_abandon(&file);
	return err;
}

/* Which of stdout and stderr has the same file as @fd; -1: none. */
static int standard_stream(int fd)
{
	struct stat st, standard;

	if (fstat(fd, &st))
		return -1;
	for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++) {
		if (!fstat(i, &standard) && st.st_dev == standard.st_dev &&
		    st.st_ino == standard.st_ino && st.st_rdev == standard.st_rdev)
			return i;
	}
	return -1;
}

/* Our own stream goes on where it is; any other file begins anew. */
static int put_in_place(const char *path, const char *text, size_t len)
{
	struct outfd o = { .own = true, .kind = OUT_NONBLOCK };
	ssize_t left;
	int stream;

	o.fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (o.fd < 0)
		return -errno;
	stream = standard_stream(o.fd);
	if (stream >= 0) {
		outfd_close(&o);
		o = (struct outfd){ .fd = stream };
	} else if (ftruncate(o.fd, 0) && errno != EINVAL) {
		left = -errno; /* EINVAL: a pipe or device */
		outfd_close(&o);
		return (int)left;
	}
	left = outfd_put(&o, text, len, OUTFD_PATIENT);
	outfd_close(&o);
	return left > 0 ? -EAGAIN : (int)left;
}

static int write_in_place(const char *path, void (*writer)(FILE *f, const void *ctx),
			  const void *ctx)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int err = f ? 0 : -ENOMEM;

	if (f)
		writer(f, ctx);
	if (f && fclose(f))
		err = -ENOMEM;
	if (!err)
		err = put_in_place(path, text, len);
	free(text);
	return err;
}

int newfile_write(const char *option, const char *path, void (*writer)(FILE *f, const void *ctx),
		  const void *ctx, bool early)
{
	int err = 0;

	if (is_replaced(path))
		err = replace(path, writer, ctx);
	else if (!early)
		err = write_in_place(path, writer, ctx);
	if (early)
		return err; /* the later report says the same */
	if (err == -ENXIO)
		pr_err("--%s %s: no process reads this FIFO; start its reader first", option, path);
	else if (err == -EAGAIN)
		pr_err("--%s %s: nothing reads it", option, path);
	else if (err)
		pr_err("--%s %s: %s", option, path, strerror(-err));
	return err;
}
