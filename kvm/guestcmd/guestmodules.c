/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Adds the kernel modules that a command's guest needs for our devices: stock kernels have virtio's
 * drivers as modules.
 *
 * It searches a folder of the kernel's own version beside the kernel's file, where distributions,
 * their unpacked packages and build trees have it, and in /lib/modules of this host. It skips
 * modules that are built in, and those that the kernel lacks, unless the command cannot run without
 * them. The program of its format (gzip, xz, zstd) unpacks a compressed module, because not every
 * kernel can.
 */
#include "guestfiles.h"

#include "kvm/base/unpack.h"
#include "kvm/config.h"
#include "kvm/log.h"
#include "kvm/share.h"
#include "moddep.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GUEST_FOLDER ".kvm/modules"
#define MAX_MODULE_BYTES (256 * MIB)

struct depot {
	char folder[PATH_MAX];
	uint8_t *dep, *builtin; /* modules.dep, modules.builtin (or NULL) */
	size_t dep_bytes, builtin_bytes;
};

struct driver {
	const char *name;
	bool wanted, needed; /* @needed: the command cannot run without it */
};

static bool try_folder(struct depot *d, const char *root, const char *sub, const char *version)
{
	int len = snprintf(d->folder, sizeof(d->folder), "%s%s%s", root, sub, version);
	char file[PATH_MAX + 32];

	if (len < 0 || (size_t)len >= sizeof(d->folder))
		return false;
	snprintf(file, sizeof(file), "%s/modules.dep", d->folder);
	return !access(file, R_OK);
}

/* Searches the places that belong to the kernel's file at @path. */
static bool find_beside(struct depot *d, const char *path, const char *version)
{
	static const char *const subs[] = { "/../lib/modules/", "/lib/modules/", "/modules/",
					    "/../" };
	char real[PATH_MAX], *slash = realpath(path, real) ? strrchr(real, '/') : NULL;

	if (!slash)
		return false;
	*slash = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(subs); i++) {
		if (try_folder(d, real, subs[i], version))
			return true;
	}
	return false;
}

static bool find_in(struct depot *d, const char *folder, const char *version)
{
	return try_folder(d, folder, "", "") || try_folder(d, folder, "/", version) ||
	       try_folder(d, folder, "/lib/modules/", version);
}

/* Returns 0, or -ENOENT (reported if --modules asked for them). */
static int find(struct depot *d, const char *where, const char *kernel, const char *version)
{
	bool any = !where || !strcmp(where, "auto");

	if (!any && find_in(d, where, version))
		return 0;
	if (any && (find_beside(d, kernel, version) || try_folder(d, "/lib/modules/", "", version)))
		return 0;
	if (!any)
		pr_err("--modules %s: no modules for %s in this folder (no modules.dep; depmod creates it)",
		       where, version);
	else if (where)
		pr_err("--modules auto: no modules for %s beside %s or in /lib/modules; use --modules DIR",
		       version, kernel);
	return -ENOENT;
}

static int read_lists(struct depot *d)
{
	char file[PATH_MAX + 32];
	int err;

	snprintf(file, sizeof(file), "%s/modules.builtin", d->folder);
	guest_read_file(file, &d->builtin, &d->builtin_bytes);
	snprintf(file, sizeof(file), "%s/modules.dep", d->folder);
	err = guest_read_file(file, &d->dep, &d->dep_bytes);
	if (err)
		pr_err("%s: %s", file, strerror(-err));
	return err;
}

static bool wants_overlay(const struct config *config)
{
	struct share root;

	return config->root && !share_parse_root(&root, config->root) && root.overlay;
}

/* Adds the modules that the devices need to @files, in the order to insert them in. */
static int choose(const struct depot *d, const struct config *config, const char *version,
		  struct strlist *files)
{
	const bool shares = share_count(config) > 0;
	const struct driver drivers[] = {
		{ "virtio_mmio", true, config->console == CONSOLE_SERIAL || shares },
		{ "virtio_console", true, config->console == CONSOLE_SERIAL },
		{ "virtio_blk", config->nr_disks, false },
		{ "virtio_net", config->nr_nets, false },
		{ "virtio_rng", config->rng == RNG_ON, false },
		{ "virtio_balloon", config->balloon, false },
		{ "virtiofs", shares, shares },
		{ "overlay", wants_overlay(config), false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		const char *name = drivers[i].name;
		int err = 0;

		if (drivers[i].wanted &&
		    !(d->builtin && moddep_builtin((char *)d->builtin, d->builtin_bytes, name)))
			err = moddep_add(files, (char *)d->dep, d->dep_bytes, name);
		if (err == -ENOENT && !drivers[i].needed) {
			pr_debug("%s: no module %s", d->folder, name);
		} else if (err) {
			pr_err("%s: %s has no module %s, which %s", d->folder, version, name,
			       strcmp(name, "virtiofs") ? "a command's streams go through"
							: "--share and --root need");
			return err;
		}
	}
	return 0;
}

/* Returns the length of "virtio.ko" in a name like "virtio.ko.xz". */
static int base_len(const char *base)
{
	const char *end = strstr(base, ".ko");

	return end ? (int)(end - base) + 3 : (int)strlen(base);
}

static int pack(struct guest_files *g, const struct depot *d, const char *file,
		struct strlist *names)
{
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
	char path[2 * PATH_MAX], name[NAME_MAX + sizeof(GUEST_FOLDER) + 2];
	uint8_t *bytes;
	size_t len;
	int err;

	if (file[0] == '/')
		snprintf(path, sizeof(path), "%s", file);
	else
		snprintf(path, sizeof(path), "%s/%s", d->folder, file);
	snprintf(name, sizeof(name), "/" GUEST_FOLDER "/%.*s", base_len(base), base);
	err = unpack_file(path, MAX_MODULE_BYTES, &bytes, &len);
	if (err)
		return err;
	cpio_add(g->cpio, name + 1, S_IFREG | 0644, 0, bytes, len);
	free(bytes);
	return strlist_add(names, name, strlen(name));
}

int guest_modules_add(struct guest_files *g, const struct config *config, const char *kernel,
		      const char *version, struct strlist *names)
{
	struct depot d = { .dep = NULL };
	struct strlist files = { 0 };
	int err = find(&d, config->modules, kernel, version);

	if (err) {
		pr_debug("%s: no modules found for %s", kernel, version);
		return config->modules ? err : 0;
	}
	pr_debug("modules of %s: %s", version, d.folder);
	err = read_lists(&d);
	if (!err)
		err = choose(&d, config, version, &files);
	if (!err && files.nr)
		cpio_add(g->cpio, GUEST_FOLDER, S_IFDIR | 0755, 0, NULL, 0);
	for (unsigned int i = 0; i < files.nr && !err; i++)
		err = pack(g, &d, files.s[i], names);
	strlist_free(&files);
	free(d.dep);
	free(d.builtin);
	return err;
}
