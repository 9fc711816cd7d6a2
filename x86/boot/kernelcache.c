/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps unpacked kernels in a folder: $XDG_CACHE_HOME/kvm, or ~/.cache/kvm (XDG Base Directory
 * Specification).
 *
 * An entry is a file whose name is its key. It is written without a name (O_TMPFILE), sealed,
 * written to the disk, and then linked. So every file with a name is complete, even after a crash
 * of the host, and a process that dies half-way leaves nothing. Two processes that make the same
 * entry at once make the same bytes; the second one's link fails, and it runs the file that it has.
 * If an entry is removed while machines run from it, it continues to exist until they end.
 *
 * The seal is the time of modification, set to a moment long ago that follows from the key. Every
 * way of writing to a file sets that time to now. So an entry that has this time, the exact length,
 * and our user as its only writer is unchanged; any other is removed and made again. This costs one
 * fstat(), while a checksum would read 50 MB at each start. It does not detect a disk that returns
 * other bytes than were written, but that would damage the bzImage itself just as well.
 *
 * Anyone who can write to the folder can choose what we run, so the folder must belong to us and
 * only we may write to it.
 *
 * The time of last use is the access time, set explicitly: most file systems are mounted so that
 * they do not keep it.
 *
 * Threads share nothing here except the folder.
 */
#include "fastkernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "vmlinux-"
#define OTHERS_MAY_WRITE (S_IWGRP | S_IWOTH)

struct entry_name {
	char text[NAME_MAX + 1];
};

static struct entry_name name_of(const struct kernelcache_key *key)
{
	struct entry_name name;

	snprintf(name.text, sizeof(name.text), PREFIX "%016llx-%llx-%llx",
		 (unsigned long long)key->hash, (unsigned long long)key->packed_bytes,
		 (unsigned long long)key->bytes);
	return name;
}

/* A time before 2004, and even: FAT stores times in units of two seconds. */
static time_t seal_of(const struct kernelcache_key *key)
{
	return (time_t)(key->hash % (1U << 29) * 2);
}

static bool is_ours(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & OTHERS_MAY_WRITE);
}

/* Writes the folder's path, or "" if the environment does not give it. */
static void find_path(char *path, size_t size)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int len = 0;

	if (xdg && xdg[0] == '/')
		len = snprintf(path, size, "%s/kvm", xdg);
	else if (home && home[0] == '/')
		len = snprintf(path, size, "%s/.cache/kvm", home);
	if (len <= 0 || (size_t)len >= size)
		path[0] = '\0';
}

/* Also makes missing parent folders, as the specification requires. */
static void make_folders(char *path)
{
	for (char *end = path; (end = strchr(end + 1, '/'));) {
		*end = '\0';
		mkdir(path, 0700);
		*end = '/';
	}
	mkdir(path, 0700);
}

int kernelcache_open(const char **why)
{
	char path[PATH_MAX];
	struct stat st;
	int dir;

	find_path(path, sizeof(path));
	*why = "neither XDG_CACHE_HOME nor HOME is set to an absolute path";
	if (!path[0])
		return -1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		make_folders(path);
		dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	*why = "the cache's folder cannot be made or opened";
	if (dir < 0)
		return -1;
	*why = "the cache's folder belongs to, or can be written by, another user";
	if (!fstat(dir, &st) && is_ours(&st))
		return dir;
	close(dir);
	return -1;
}

static bool is_whole(const struct stat *st, const struct kernelcache_key *key)
{
	return S_ISREG(st->st_mode) && is_ours(st) && (uint64_t)st->st_size == key->bytes &&
	       st->st_mtim.tv_sec == seal_of(key) && st->st_mtim.tv_nsec == 0;
}

int kernelcache_find(int dir, const struct kernelcache_key *key)
{
	static const struct timespec now[2] = { { .tv_nsec = UTIME_NOW },
						{ .tv_nsec = UTIME_OMIT } };
	struct entry_name name = name_of(key);
	int fd = openat(dir, name.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0) {
		/*
		 * A symbolic link, a socket or an unreadable file would always be in the new
		 * entry's way.
		 */
		if (errno == ELOOP || errno == EACCES || errno == ENXIO)
			unlinkat(dir, name.text, 0);
		return -1;
	}
	if (!fstat(fd, &st) && is_whole(&st, key)) {
		futimens(fd, now); /* fails on a read-only file system, which does no harm */
		return fd;
	}
	close(fd);
	unlinkat(dir, name.text, 0);
	return -1;
}

int kernelcache_new(int dir)
{
	return openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0400);
}

static bool used_before(const struct stat *a, const struct stat *b)
{
	if (a->st_atim.tv_sec != b->st_atim.tv_sec)
		return a->st_atim.tv_sec < b->st_atim.tv_sec;
	return a->st_atim.tv_nsec < b->st_atim.tv_nsec;
}

/* Returns the sum of all entries' bytes, and in @oldest the entry to remove first. */
static uint64_t look_through(DIR *entries, struct entry_name *oldest)
{
	struct stat st, first = { 0 };
	uint64_t total = 0;

	oldest->text[0] = '\0';
	rewinddir(entries);
	for (struct dirent *e; (e = readdir(entries));) {
		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    fstatat(dirfd(entries), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		total += (uint64_t)st.st_size;
		if (oldest->text[0] && !used_before(&st, &first))
			continue;
		first = st;
		snprintf(oldest->text, sizeof(oldest->text), "%s", e->d_name);
	}
	return total;
}

static void evict(int dir, uint64_t max_bytes)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	struct entry_name oldest;

	if (!entries) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while (look_through(entries, &oldest) > max_bytes && !unlinkat(dir, oldest.text, 0))
		;
	closedir(entries);
}

int kernelcache_publish(int dir, int fd, const struct kernelcache_key *key, uint64_t max_bytes)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_sec = seal_of(key) } };
	struct entry_name name = name_of(key);
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (futimens(fd, times) || fsync(fd) ||
	    linkat(AT_FDCWD, self, dir, name.text, AT_SYMLINK_FOLLOW))
		return -errno;
	evict(dir, max_bytes);
	return 0;
}
