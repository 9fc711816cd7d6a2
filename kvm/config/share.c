/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parses the values of --share and --root, for the command's init, which needs the tags, and for
 * the device, which needs the folders. See share.h. Thread: main, at set-up.
 */
#include "kvm/share.h"

#include "kvm/config.h"
#include "kvm/log.h"
#include "kvm/optlist.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int find_folder(struct share *s, const char *text, const char *dir)
{
	struct stat st;

	if (!realpath(dir, s->dir) || stat(s->dir, &st) < 0) {
		int err = -errno;

		pr_err("%s %s: %s: %s", s->option, text, dir, strerror(-err));
		return err;
	}
	if (S_ISDIR(st.st_mode))
		return 0;
	pr_err("%s %s: %s is not a folder", s->option, text, dir);
	return -ENOTDIR;
}

/* Sets the tag to a word that can be a mount's source and a folder's name. */
static int set_tag(struct share *s, const char *text, const char *tag)
{
	size_t len = strlen(tag);

	if (len > 0 && len <= SHARE_MAX_TAG_BYTES && !strchr(tag, '/') && strcmp(tag, ".") != 0 &&
	    strcmp(tag, "..") != 0 && strcmp(tag, SHARE_ROOT_TAG) != 0) {
		memcpy(s->tag, tag, len + 1);
		return 0;
	}
	pr_err("%s %s: the tag \"%s\" must have 1 to %d bytes, no slash, and must not be " SHARE_ROOT_TAG
	       "; choose one with DIR:TAG",
	       s->option, text, tag, SHARE_MAX_TAG_BYTES);
	return -EINVAL;
}

/*
 * Returns what follows the colon in @word, and cuts @word there; NULL if there is no colon, or only
 * one in a path.
 */
static const char *find_tag(char *word)
{
	char *colon = strrchr(word, ':');

	if (!colon || strchr(colon, '/'))
		return NULL;
	*colon = '\0';
	return colon + 1;
}

static int set_place(struct share *s, const char *text, char *word)
{
	const char *tag = find_tag(word);
	int err;

	if (s->socket[0] && (*word || s->read_only)) {
		pr_err("%s %s: the virtiofsd at that socket chooses the folder and whether it is read-only; use %s :TAG,socket=PATH",
		       s->option, text, s->option);
		return -EINVAL;
	}
	err = s->socket[0] ? 0 : find_folder(s, text, word);
	if (err)
		return err;
	/* Without a tag, the folder's name. */
	return set_tag(s, text, tag ? tag : s->dir[0] ? strrchr(s->dir, '/') + 1 : "");
}

static int set_socket(struct share *s, const char *text, const char *path)
{
	size_t len = strlen(path);

	if (len > 0 && len <= SHARE_MAX_SOCKET_BYTES) {
		memcpy(s->socket, path, len + 1);
		return 0;
	}
	pr_err("%s %s: a socket's path must have 1 to %d bytes", s->option, text,
	       SHARE_MAX_SOCKET_BYTES);
	return -EINVAL;
}

static int set_key(struct share *s, const char *text, const char *key)
{
	bool root = !strcmp(s->tag, SHARE_ROOT_TAG);

	if (!strncmp(key, "socket=", 7) && !root)
		return set_socket(s, text, key + 7);
	if (!strcmp(key, "ro")) {
		s->read_only = true;
		return 0;
	}
	if (!strcmp(key, "overlay") && root) {
		s->overlay = s->read_only = true;
		return 0;
	}
	pr_err("%s %s: %s: not one of %s", s->option, text, key,
	       root ? "ro, overlay" : "ro, socket=PATH");
	return -EINVAL;
}

/* Parses what both options have: a word, which goes to @first, and then keys. */
static int parse_words(struct share *s, const char *text, char first[PATH_MAX])
{
	char word[PATH_MAX], *to = first;
	const char *rest = text;
	struct optitem item;
	int err = 0;

	for (; !err && optlist_next(&rest, &item); to = word) {
		if (optitem_copy(&item, to, PATH_MAX)) {
			pr_err("%s: a path must have at most %d bytes", s->option, PATH_MAX - 1);
			return -EINVAL;
		}
		err = to == first ? 0 : set_key(s, text, word);
	}
	return err;
}

int share_parse(struct share *s, const char *text)
{
	char first[PATH_MAX];
	int err;

	s->option = "--share";
	s->dir[0] = s->socket[0] = s->tag[0] = '\0';
	s->read_only = s->overlay = false;
	err = parse_words(s, text, first);
	return err ? err : set_place(s, text, first);
}

int share_parse_root(struct share *s, const char *text)
{
	char first[PATH_MAX];
	int err;

	s->option = "--root";
	s->dir[0] = s->socket[0] = '\0';
	s->read_only = s->overlay = false;
	memcpy(s->tag, SHARE_ROOT_TAG, sizeof(SHARE_ROOT_TAG));
	err = parse_words(s, text, first);
	return err ? err : find_folder(s, text, first);
}

unsigned int share_count(const struct config *c)
{
	return (c->root ? 1 : 0) + c->nr_shares;
}

int share_get(struct share *s, const struct config *c, unsigned int index)
{
	if (c->root && !index)
		return share_parse_root(s, c->root);
	return share_parse(s, c->share[index - (c->root ? 1 : 0)]);
}

bool share_by_root(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return !syscall(SYS_capget, &header, data) && data[0].effective & 1U << CAP_SYS_ADMIN;
}
