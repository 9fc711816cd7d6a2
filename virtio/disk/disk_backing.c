/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens the backing file that an image names, if it may.
 *
 * A stranger may have made the image, and the guest reads whatever file it names. So a backing file
 * must be a regular file below the folder of the disk's own image, also after all symbolic links;
 * the user allows others by backing=any.
 *
 * Thread: main, at set-up.
 */
#include "disk_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Returns the real path of the folder of @path, or NULL. The caller frees it. */
static char *real_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
	char *real = folder ? realpath(folder, NULL) : NULL;

	free(folder);
	return real;
}

/*
 * Looks at the file at @path, below @folder; both are real paths. Nothing that is changed at the
 * same time can lead out of the folder.
 */
static bool stat_below(const char *folder, const char *path, struct stat *st)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	size_t len = strcmp(folder, "/") ? strlen(folder) : 0;
	int dir, fd = -1;
	bool good;

	if (strncmp(path, folder, len) != 0 || path[len] != '/')
		return false;
	dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		fd = (int)syscall(SYS_openat2, dir, path + len + 1, &how, sizeof(how));
	good = fd >= 0 && fstat(fd, st) == 0;
	if (dir >= 0)
		close(dir);
	if (fd >= 0)
		close(fd);
	return good;
}

/*
 * Stores which file @path is. Returns whether it may be used, or does not exist, which opening it
 * will report.
 */
static bool find_place(const char *top, const char *path, struct disk_chain *chain)
{
	char *folder = real_folder(top), *real = realpath(path, NULL);
	bool missing = !real && errno == ENOENT;
	struct stat st;
	bool good = folder && real && stat_below(folder, real, &st) && S_ISREG(st.st_mode);

	if (good) {
		chain->backing_dev = st.st_dev;
		chain->backing_ino = st.st_ino;
	}
	free(folder);
	free(real);
	return good || missing;
}

int disk_backing_open(struct disk_node **out, const char *path, const char *format_name,
		      const struct disk_options *options, const struct disk_chain *above)
{
	struct disk_chain chain = *above;
	int err;

	if (!options->backing_any && !find_place(options->path, path, &chain)) {
		pr_err("%s: its backing file %s is a device or not in the folder of the disk's image; use backing=any if you trust this image",
		       above->file->path, path);
		return -EPERM;
	}
	pr_debug("%s: its backing file is %s", above->file->path, path);
	err = disk_image_open(out, path, format_name, true, options, &chain);
	if (err)
		pr_info("%s: cannot open this image's backing file", above->file->path);
	return err;
}
