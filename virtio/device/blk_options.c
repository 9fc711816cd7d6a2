/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the value of -d, "FILE[,KEY=VALUE]...", into the options of a disk and its device. Cuts the
 * text up in place. Thread: main, at set-up.
 */
#include "disk_formats.h"

#include "kvm/log.h"
#include "kvm/optlist.h"
#include "virtio/blk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct choice {
	const char *word;
	int value;
};

static const struct choice caches[] = { { "writeback", DISK_CACHE_WRITEBACK },
					{ "writethrough", DISK_CACHE_WRITETHROUGH },
					{ "none", DISK_CACHE_NONE },
					{ NULL, 0 } };
static const struct choice aios[] = { { "auto", DISK_AIO_AUTO },
				      { "uring", DISK_AIO_URING },
				      { "threads", DISK_AIO_THREADS },
				      { NULL, 0 } };
static const struct choice werrors[] = { { "report", 0 }, { "stop", 1 }, { NULL, 0 } };
static const struct choice blocks[] = { { "512", 512 }, { "4096", 4096 }, { NULL, 0 } };
static const struct choice backings[] = { { "folder", 0 }, { "any", 1 }, { NULL, 0 } };
static const struct choice on_off[] = { { "on", 1 }, { "off", 0 }, { NULL, 0 } };

static int choose(const char *key, const char *value, const struct choice *choices)
{
	char list[64] = "";
	size_t at = 0;

	for (const struct choice *c = choices; c->word; c++) {
		if (value && !strcmp(value, c->word))
			return c->value;
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", at ? ", " : "",
				       c->word);
	}
	pr_err("-d: %s=%s: must be one of %s", key, value ? value : "", list);
	return -EINVAL;
}

static int set_format(struct disk_options *disk, const char *value)
{
	char list[64] = "auto";
	size_t at = strlen(list);

	for (const struct disk_format *format = disk->formats; format->name; format++) {
		if (value && !strcmp(value, format->name)) {
			disk->format = format->name;
			return 0;
		}
		at += (size_t)snprintf(list + at, sizeof(list) - at, ", %s", format->name);
	}
	disk->format = NULL;
	if (value && !strcmp(value, "auto"))
		return 0;
	pr_err("-d: format=%s: must be one of %s", value ? value : "", list);
	return -EINVAL;
}

static int set_serial(struct blk_options *blk, const char *value)
{
	if (!value || !*value || strlen(value) > BLK_SERIAL_BYTES) {
		pr_err("-d: serial=%s: must have 1 to %d characters", value ? value : "",
		       BLK_SERIAL_BYTES);
		return -EINVAL;
	}
	memcpy(blk->serial, value, strlen(value) + 1);
	return 0;
}

static int set_queues(struct blk_options *blk, const char *value)
{
	char *end = NULL;
	unsigned long n = value && *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;

	if (!end || *end || n < 1 || n > BLK_MAX_QUEUES) {
		pr_err("-d: queues=%s: must be 1 to %d", value ? value : "", BLK_MAX_QUEUES);
		return -EINVAL;
	}
	blk->nr_queues = (unsigned int)n;
	return 0;
}

static int set_flag(const char *key, const char *value, bool *flag)
{
	int on = value ? choose(key, value, on_off) : 1;

	if (on >= 0)
		*flag = on;
	return on < 0 ? on : 0;
}

static int set_key(const char *key, const char *value, struct disk_options *disk,
		   struct blk_options *blk)
{
	int n;

	if (!strcmp(key, "ro"))
		return set_flag(key, value, &disk->read_only);
	if (!strcmp(key, "snapshot"))
		return set_flag(key, value, &disk->snapshot);
	if (!strcmp(key, "discard"))
		return set_flag(key, value, &disk->discard);
	if (!strcmp(key, "serial"))
		return set_serial(blk, value);
	if (!strcmp(key, "queues"))
		return set_queues(blk, value);
	if (!strcmp(key, "format"))
		return set_format(disk, value);
	if (!strcmp(key, "blocksize")) {
		n = choose(key, value, blocks);
		disk->block_bytes = n < 0 ? 0 : (unsigned int)n;
	} else if (!strcmp(key, "cache")) {
		n = choose(key, value, caches);
		disk->cache = n < 0 ? DISK_CACHE_WRITEBACK : (enum disk_cache)n;
	} else if (!strcmp(key, "aio")) {
		n = choose(key, value, aios);
		disk->aio = n < 0 ? DISK_AIO_AUTO : (enum disk_aio)n;
	} else if (!strcmp(key, "werror")) {
		n = choose(key, value, werrors);
		blk->werror_stop = n > 0;
	} else if (!strcmp(key, "backing")) {
		n = choose(key, value, backings);
		disk->backing_any = n > 0;
	} else {
		pr_err("-d %s: %s: no such key; the keys are format, ro, snapshot, serial, cache, discard, aio, queues, werror, blocksize, backing (write ,, for a comma in a file's name)",
		       disk->path, key);
		n = -EINVAL;
	}
	return n < 0 ? n : 0;
}

int blk_parse(char *text, struct disk_options *disk, struct blk_options *blk)
{
	char *key;

	*disk = (struct disk_options){ .formats = disk_formats, .discard = true };
	*blk = (struct blk_options){ .nr_queues = 1 };
	disk->path = optlist_take(&text);
	if (!disk->path || !*disk->path) {
		pr_err("-d: needs a file; use -d FILE[,KEY=VALUE]...");
		return -EINVAL;
	}
	while ((key = optlist_take(&text))) {
		const char *value = optlist_value(key);
		int err = set_key(key, value, disk, blk);

		if (err)
			return err;
	}
	blk->path = disk->path;
	blk->discard = disk->discard;
	blk->writethrough = disk->cache == DISK_CACHE_WRITETHROUGH;
	return 0;
}
