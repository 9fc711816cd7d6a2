/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies files and folders of the host into an initramfs.
 *
 * A path is walked as the kernel walks it, and each link on the way goes into the archive
 * unchanged: /bin/sh becomes bin -> usr/bin, usr/bin/sh -> dash and usr/bin/dash. So every path
 * that leads to the file on the host leads to it in the guest, too. Everything is added once; @seen
 * has the names.
 *
 * Files are read straight to their place in the archive. A file that becomes shorter meanwhile is
 * an error; sockets, devices and pipes in a folder are left out.
 */
#include "guestfiles.h"

#include "kvm/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINKS 40 /* the kernel's limit */

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Returns whether @path is in the archive, and records that it now is. */
static bool seen(struct guest_files *g, const char *path)
{
	char *copy = strdup(path), *const * found;

	found = copy ? tsearch(copy, &g->seen, compare) : NULL;
	if (!found) {
		g->cpio->err = g->cpio->err ? g->cpio->err : -ENOMEM;
		free(copy);
		return true;
	}
	if (*found != copy)
		free(copy);
	return *found != copy;
}

static void put_folder(struct guest_files *g, const char *guest, const struct stat *st)
{
	if (!seen(g, guest))
		cpio_add(g->cpio, guest + 1, S_IFDIR | (st->st_mode & 07777),
			 (uint64_t)st->st_mtime, NULL, 0);
}

/* Adds a link. Returns 0 and the link's target in @target, of PATH_MAX bytes, or -errno. */
static int put_link(struct guest_files *g, const char *host, const char *guest, char *target)
{
	ssize_t len = readlink(host, target, PATH_MAX - 1);

	if (len < 0)
		return -errno;
	target[len] = '\0';
	if (!seen(g, guest))
		cpio_add(g->cpio, guest + 1, S_IFLNK | 0777, 0, target, (uint64_t)len);
	return 0;
}

static int read_exactly(int fd, uint8_t *to, uint64_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, to, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int open_regular(const char *path, struct stat *st)
{
	int err = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	*st = (struct stat){ 0 };
	if (fd < 0)
		return -errno;
	if (fstat(fd, st) < 0)
		err = -errno;
	else if (!S_ISREG(st->st_mode))
		err = -EINVAL;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int guest_read_file(const char *path, uint8_t **bytes, size_t *len)
{
	struct stat st;
	int err, fd = open_regular(path, &st);

	*bytes = NULL;
	if (fd < 0)
		return fd;
	*len = (size_t)st.st_size;
	*bytes = malloc(*len + 1);
	err = *bytes ? read_exactly(fd, *bytes, *len) : -ENOMEM;
	close(fd);
	if (err) {
		free(*bytes);
		*bytes = NULL;
		return err;
	}
	(*bytes)[*len] = '\0';
	return 0;
}

static int put_file(struct guest_files *g, const char *host, const char *guest)
{
	uint8_t *to = NULL;
	struct stat st;
	int err = 0, fd;

	if (seen(g, guest))
		return g->cpio->err;
	fd = open_regular(host, &st);
	if (fd >= 0) {
		to = cpio_reserve(g->cpio, guest + 1, S_IFREG | (st.st_mode & 07777),
				  (uint64_t)st.st_mtime, (uint64_t)st.st_size);
		err = to ? read_exactly(fd, to, (uint64_t)st.st_size) : g->cpio->err;
		close(fd);
	}
	if (err == -EFBIG) {
		pr_err("%s: the files for the guest are larger than its memory or than 4G; use a larger -m, or a disk",
		       host);
		return err;
	}
	if (fd < 0 || err) {
		pr_err("%s: cannot be copied for the guest: %s", host,
		       strerror(fd < 0 ? -fd : -err));
		return fd < 0 ? fd : err;
	}
	return g->found ? g->found(g, host, to, (size_t)st.st_size) : 0;
}

static int put_tree(struct guest_files *g, const char *host, const char *guest);

static int not_copied(const char *host, int err)
{
	pr_err("%s: cannot be copied for the guest: %s", host, strerror(-err));
	return err;
}

static int put_entry(struct guest_files *g, const char *host, const char *guest)
{
	char target[PATH_MAX];
	struct stat st;
	int err;

	if (lstat(host, &st) < 0)
		return errno == ENOENT ? 0 : not_copied(host, -errno); /* removed meanwhile */
	if (S_ISLNK(st.st_mode)) {
		err = put_link(g, host, guest, target);
		return err ? not_copied(host, err) : 0;
	}
	if (S_ISREG(st.st_mode))
		return put_file(g, host, guest);
	if (S_ISDIR(st.st_mode)) {
		put_folder(g, guest, &st);
		return put_tree(g, host, guest);
	}
	pr_debug("%s: left out, because it is not a file, folder or link", host);
	return 0;
}

static int put_tree(struct guest_files *g, const char *host, const char *guest)
{
	DIR *dir = opendir(host);
	const struct dirent *e;
	int err = 0;

	if (!dir)
		return not_copied(host, -errno);
	while (!err && (e = readdir(dir))) {
		char *from, *to = NULL;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (asprintf(&from, "%s/%s", host, e->d_name) < 0 ||
		    asprintf(&to, "%s/%s", strcmp(guest, "/") ? guest : "", e->d_name) < 0)
			err = -ENOMEM;
		else
			err = put_entry(g, from, to);
		free(from);
		free(to);
	}
	closedir(dir);
	return err;
}

/* A walk along a path to a file: the part that is done, and the part still to do. */
struct walk {
	char done[PATH_MAX], todo[PATH_MAX];
	unsigned int links;
};

static void step_up(struct walk *w)
{
	char *slash = strrchr(w->done, '/');

	if (slash)
		*slash = '\0';
}

/* Moves the next component from todo to done. Returns false if there is none, or no room. */
static bool step(struct walk *w)
{
	char *from = w->todo + strspn(w->todo, "/");
	size_t len = strcspn(from, "/");

	if (!len)
		return false;
	if (len == 2 && !memcmp(from, "..", 2)) {
		step_up(w);
	} else if (len != 1 || *from != '.') {
		size_t at = strlen(w->done);

		if (at + len + 2 > sizeof(w->done))
			return false;
		w->done[at] = '/';
		memcpy(w->done + at + 1, from, len);
		w->done[at + 1 + len] = '\0';
	}
	memmove(w->todo, from + len, strlen(from + len) + 1);
	return true;
}

static int follow(struct guest_files *g, struct walk *w)
{
	char target[PATH_MAX], rest[PATH_MAX];
	int err = put_link(g, w->done, w->done, target);

	if (err)
		return err;
	if (++w->links > MAX_LINKS)
		return -ELOOP;
	memcpy(rest, w->todo, sizeof(rest));
	if ((size_t)snprintf(w->todo, sizeof(w->todo), "%s/%s", target, rest) >= sizeof(w->todo))
		return -ENAMETOOLONG;
	if (target[0] == '/')
		w->done[0] = '\0';
	else
		step_up(w);
	return 0;
}

/* Walks to the end of @path, and adds links and folders on the way; @st then is of w->done. */
static int walk_to(struct guest_files *g, struct walk *w, const char *path, struct stat *st)
{
	int err = 0;

	w->done[0] = '\0';
	w->links = 0;
	st->st_mode = S_IFDIR;
	if ((size_t)snprintf(w->todo, sizeof(w->todo), "%s", path) >= sizeof(w->todo))
		return -ENAMETOOLONG;
	while (!err && step(w)) {
		if (!w->done[0])
			continue;
		if (lstat(w->done, st) < 0)
			return -errno;
		if (S_ISLNK(st->st_mode))
			err = follow(g, w);
		else if (S_ISDIR(st->st_mode))
			put_folder(g, w->done, st);
		else if (w->todo[strspn(w->todo, "/")])
			err = -ENOTDIR;
	}
	return err;
}

void guest_files_mirror_links(struct guest_files *g, const char *path)
{
	struct walk w;
	struct stat st;

	walk_to(g, &w, path, &st);
}

int guest_files_mirror(struct guest_files *g, const char *path)
{
	struct walk w;
	struct stat st;
	int err = walk_to(g, &w, path, &st);

	if (!err && S_ISDIR(st.st_mode))
		return put_tree(g, w.done[0] ? w.done : "/", w.done[0] ? w.done : "/");
	if (!err && S_ISREG(st.st_mode))
		return put_file(g, w.done, w.done);
	pr_err("%s: cannot be copied for the guest: %s", path,
	       err ? strerror(-err) : "neither a file nor a folder");
	return err ? err : -EINVAL;
}

/* Adds the folders that lead to @guest. */
static void put_parents(struct guest_files *g, const char *guest)
{
	const struct stat st = { .st_mode = 0755 };

	for (const char *slash = strchr(guest + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		char *parent = strndup(guest, (size_t)(slash - guest));

		if (parent)
			put_folder(g, parent, &st);
		free(parent);
	}
}

int guest_files_copy(struct guest_files *g, const char *host, const char *guest)
{
	struct stat st;

	if (stat(host, &st) < 0)
		return not_copied(host, -errno);
	put_parents(g, guest);
	if (S_ISREG(st.st_mode))
		return put_file(g, host, guest);
	if (S_ISDIR(st.st_mode)) {
		put_folder(g, guest, &st);
		return put_tree(g, host, guest);
	}
	pr_err("%s: cannot be copied for the guest: neither a file nor a folder", host);
	return -EINVAL;
}

void guest_files_fini(struct guest_files *g)
{
	tdestroy(g->seen, free);
	g->seen = NULL;
	free(g->ld_cache);
	g->ld_cache = NULL;
}
