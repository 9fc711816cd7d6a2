/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * O_TMPFILE and linkat(2) leave nothing behind even when the process is killed. linkat() does not replace, so the last step is a
 * rename(2) all the same.
 */
#include "newfile.h"

#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_BYTES 32 /* what the temporary file's name has more */

/* The folder that @path is in, in @buf. */
static const char *folder_of(const char *path, char buf[PATH_MAX])
{
	snprintf(buf, PATH_MAX, "%s", path);
	return dirname(buf);
}

static int check(const char *path)
{
	char folder[PATH_MAX];
	struct stat st;

	if (!*path)
		return -ENOENT;
	if (strlen(path) >= PATH_MAX - TEMPORARY_BYTES)
		return -ENAMETOOLONG;
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
	return access(folder_of(path, folder), W_OK | X_OK) ? -errno : 0;
}

int newfile_check(const char *what, const char *path)
{
	int err = check(path);

	if (err == -ENOTSUP)
		pr_err("%s %s: exists and is no regular file", what, path);
	else if (err)
		pr_err("%s %s: %s", what, path, strerror(-err));
	return err;
}

int newfile_open(struct newfile *f, const char *path)
{
	char folder[PATH_MAX];
	int err = check(path);

	f->fd = -1;
	f->named = false;
	if (err)
		return err;
	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(f->temporary, sizeof(f->temporary), "%.*s.%d.tmp", PATH_MAX - TEMPORARY_BYTES, path,
		 (int)getpid());
	if (!access("/proc/self/fd", X_OK))
		f->fd = open(folder_of(path, folder), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (f->fd >= 0)
		return 0;
	f->fd = open(f->temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	f->named = f->fd >= 0;
	return f->named ? 0 : -errno;
}

static int give_name(struct newfile *f)
{
	char self[64];

	if (f->named)
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", f->fd);
	unlink(f->temporary); /* of a process before us with our number */
	if (linkat(AT_FDCWD, self, AT_FDCWD, f->temporary, AT_SYMLINK_FOLLOW))
		return -errno;
	f->named = true;
	return 0;
}

int newfile_commit(struct newfile *f)
{
	int err = give_name(f);

	/* Some file systems tell only now that there is no room. */
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
