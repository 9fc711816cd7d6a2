/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the folders of machines' sockets. Anyone who can connect controls the guest, so only the
 * user may enter a folder, and each socket has mode 0600 besides.
 *
 * A launcher that was killed leaves its socket behind, on which no process listens. A process that
 * finds such a socket removes it under a lock on the folder, so that it cannot remove a new
 * machine's socket of the same name. Binding and listening are one step under the same lock.
 */
#include "control.h"

#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 16
/* How long to wait for the folder's lock. */
#define LOOKS 200
#define LOOK_NS 10000000L

/* A folder that others may write to is not used, because they could replace ours in it. */
static bool is_own_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & 022);
}

static bool same_file(const char *a, const char *b)
{
	struct stat one, other;

	return !stat(a, &one) && !stat(b, &other) && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

static int choose_path(struct control_folder *f, unsigned int index)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	char usual[32];
	int n;

	if (run && (*run != '/' || !is_own_folder(run)))
		run = NULL;
	snprintf(usual, sizeof(usual), "/run/user/%u", (unsigned int)geteuid());
	if (index == 2) {
		snprintf(f->path, sizeof(f->path), "/tmp/kvm-%u", (unsigned int)geteuid());
		return 0;
	}
	if (index == 1)
		run = is_own_folder(usual) && !(run && same_file(run, usual)) ? usual : NULL;
	if (!run)
		return -ENOENT;
	n = snprintf(f->path, sizeof(f->path), "%s/kvm", run);
	if (n < (int)sizeof(f->path))
		return 0;
	pr_err("%s: path too long for the machines' sockets; set XDG_RUNTIME_DIR to a shorter one",
	       run);
	return -ENAMETOOLONG;
}

static int refuse(const struct control_folder *f, const char *why, int err)
{
	pr_err("%s: %s; not used for the machines' sockets", f->path, why);
	return err;
}

int control_folder_open(struct control_folder *f, unsigned int index, bool create)
{
	struct stat st;
	int err;

	f->fd = -1;
	err = choose_path(f, index);
	if (err)
		return err;
	if (create && mkdir(f->path, 0700) && errno != EEXIST) {
		err = errno;
		return refuse(f, strerror(err), -err);
	}
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f->fd < 0) {
		err = errno;
		/* What another user has put there holds no machine of ours. */
		return create || err == EMFILE || err == ENFILE ? refuse(f, strerror(err), -err)
								: -ENOENT;
	}
	if (fstat(f->fd, &st))
		return refuse(f, strerror(errno), -EIO);
	if (st.st_uid != geteuid())
		return create ? refuse(f, "belongs to another user", -EPERM) : -ENOENT;
	return st.st_mode & 077 ? refuse(f, "others may enter it (chmod 700)", -EPERM) : 0;
}

void control_folder_close(struct control_folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

void control_folders_text(char text[CONTROL_FOLDERS_BYTES])
{
	struct control_folder f;
	size_t len = 0;

	for (unsigned int i = 0; i < CONTROL_FOLDERS; i++) {
		if (!choose_path(&f, i))
			len += (size_t)snprintf(text + len, CONTROL_FOLDERS_BYTES - len, "%s%s",
						len ? " or " : "", f.path);
	}
}

static int set_path(const struct control_folder *f, const char *name, char path[UNIX_PATH_BYTES])
{
	return snprintf(path, UNIX_PATH_BYTES, "%s/%s", f->path, name) < UNIX_PATH_BYTES
		       ? 0
		       : -ENAMETOOLONG;
}

/* Whether a machine @name has its socket in another folder than @f. */
static bool runs_elsewhere(const struct control_folder *f, const char *name)
{
	struct control_folder other;
	int fd = -1;

	for (unsigned int i = 0; i < CONTROL_FOLDERS && fd < 0; i++) {
		if (!control_folder_open(&other, i, false) && strcmp(other.path, f->path) != 0)
			fd = control_folder_connect(&other, name, 0);
		control_folder_close(&other);
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Another process holds the lock for a moment only, unless it hangs. */
static int lock_folder(const struct control_folder *f)
{
	struct timespec look = { .tv_nsec = LOOK_NS };

	for (unsigned int i = 0; i < LOOKS; i++) {
		if (!flock(f->fd, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK)
			return -errno;
		nanosleep(&look, NULL);
	}
	return -EBUSY;
}

static int listen_in(struct control_folder *f, const char *name, char path[UNIX_PATH_BYTES],
		     struct listener *l)
{
	int err = set_path(f, name, path);

	if (!err && runs_elsewhere(f, name))
		err = -EADDRINUSE;
	if (!err)
		err = lock_folder(f);
	if (!err)
		err = listener_open(l, path, BACKLOG);
	flock(f->fd, LOCK_UN);
	if (err == -EADDRINUSE)
		pr_err("--name %s: a machine of this name is running; choose another name, or stop it with `kvm stop`",
		       name);
	else if (err == -EBUSY)
		pr_err("--name %s: another process keeps %s locked; `fuser %s` shows it", name,
		       f->path, f->path);
	else if (err)
		pr_err("--name %s: cannot listen on %s/%s: %s", name, f->path, name,
		       strerror(-err));
	return err;
}

int control_folder_listen(struct control_folder *f, const char *name, char path[UNIX_PATH_BYTES],
			  struct listener *l)
{
	int err = -ENOENT;

	l->fd = -1;
	for (unsigned int i = 0; i < CONTROL_FOLDERS && err == -ENOENT; i++)
		err = control_folder_open(f, i, true);
	return err ? err : listen_in(f, name, path, l);
}

int control_folder_connect(struct control_folder *f, const char *name, unsigned int patience_s)
{
	char path[UNIX_PATH_BYTES];
	int fd = set_path(f, name, path);

	if (!fd)
		fd = unix_connect(path, patience_s);
	if (fd != -ECONNREFUSED)
		return fd;
	if (!lock_folder(f)) {
		unix_clear(path);
		flock(f->fd, LOCK_UN);
	}
	return -ENOENT;
}
