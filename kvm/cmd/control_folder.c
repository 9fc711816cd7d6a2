/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the folder of machines' sockets. Anyone who can connect controls the guest, so only the
 * user may enter the folder, and each socket has mode 0600 besides.
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 16
#define LOCK_S 5
#define LOCK_LOOK_NS 20000000L
#define LOCK_LOOKS (LOCK_S * 1000000000L / LOCK_LOOK_NS)

/* Another user's folder, for example after su(1), is not used. */
static bool is_own_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static int choose_path(struct control_folder *f)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	int n;

	if (run && *run == '/' && is_own_folder(run))
		n = snprintf(f->path, sizeof(f->path), "%s/kvm", run);
	else
		n = snprintf(f->path, sizeof(f->path), "/tmp/kvm-%u", (unsigned int)geteuid());
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

int control_folder_open(struct control_folder *f, bool create)
{
	struct stat st;
	int err;

	f->fd = -1;
	err = choose_path(f);
	if (err)
		return err;
	if (create && mkdir(f->path, 0700) && errno != EEXIST) {
		err = errno;
		return refuse(f, strerror(err), -err);
	}
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f->fd < 0) {
		err = errno;
		return err == ENOENT && !create ? -ENOENT : refuse(f, strerror(err), -err);
	}
	if (fstat(f->fd, &st))
		return refuse(f, strerror(errno), -EIO);
	if (st.st_uid != geteuid())
		return refuse(f, "belongs to another user", -EPERM);
	return st.st_mode & 077 ? refuse(f, "others may enter it (chmod 700)", -EPERM) : 0;
}

void control_folder_close(struct control_folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int set_address(const struct control_folder *f, const char *name, struct sockaddr_un *addr)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/%s", f->path, name) <
			       (int)sizeof(addr->sun_path)
		       ? 0
		       : -ENAMETOOLONG;
}

/* Returns a connection, or -errno: -ECONNREFUSED if no process listens. */
static int connect_to(const struct sockaddr_un *addr)
{
	int fd = new_socket(), err;

	if (fd < 0 || !connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

/*
 * Makes the name @name free: removes a socket on which no process listens. Returns 0, or -errno if
 * the name is in use. Locks: the folder's.
 */
static int make_free(struct control_folder *f, const char *name, const struct sockaddr_un *addr)
{
	struct stat st;
	int fd;

	if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = connect_to(addr);
	if (fd == -ECONNREFUSED)
		return unlinkat(f->fd, name, 0) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return -EADDRINUSE;
}

static int bind_and_listen(const struct sockaddr_un *addr)
{
	int fd = new_socket(), err;
	mode_t mask;

	if (fd < 0)
		return fd;
	mask = umask(0177);
	err = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? -errno : 0;
	umask(mask);
	if (!err && listen(fd, BACKLOG)) {
		err = -errno;
		unlink(addr->sun_path);
	}
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Launchers hold the lock for a moment only, but any process of the user can hold it for ever. */
static int lock(struct control_folder *f)
{
	const struct timespec look = { .tv_nsec = LOCK_LOOK_NS };

	for (unsigned int i = 0; flock(f->fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (i == LOCK_LOOKS)
			return -ETXTBSY;
		nanosleep(&look, NULL);
	}
	return 0;
}

int control_folder_listen(struct control_folder *f, const char *name)
{
	struct sockaddr_un addr;
	int fd = set_address(f, name, &addr);

	if (!fd)
		fd = lock(f);
	if (!fd)
		fd = make_free(f, name, &addr);
	if (!fd)
		fd = bind_and_listen(&addr);
	flock(f->fd, LOCK_UN);
	if (fd == -EADDRINUSE)
		pr_err("--name %s: a machine of this name is running; choose another name, or stop it with `kvm stop`",
		       name);
	else if (fd == -ETXTBSY)
		pr_err("--name %s: another process has kept %s locked for %d s", name, f->path,
		       LOCK_S);
	else if (fd < 0)
		pr_err("--name %s: cannot listen on %s/%s: %s", name, f->path, name, strerror(-fd));
	return fd;
}

int control_folder_connect(struct control_folder *f, const char *name)
{
	struct sockaddr_un addr;
	int fd = set_address(f, name, &addr);

	if (!fd)
		fd = connect_to(&addr);
	if (fd != -ECONNREFUSED)
		return fd;
	if (!lock(f)) {
		make_free(f, name, &addr);
		flock(f->fd, LOCK_UN);
	}
	return -ENOENT;
}
