/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A slip of the hand, as in `-d disk.img --log disk.img`, must not cost a file: what would be written is compared with what is read, before
 * anything is opened.
 */
#include "config_files.h"

#include "kvm/config.h"
#include "kvm/log.h"
#include "kvm/trace/trace.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILES (CONFIG_MAX_INITRDS + CONFIG_MAX_DISKS + CONFIG_NR_SERIAL + CONFIG_MAX_PORTS + 16)

/* Two streams may share a file, each appends to it. Nothing else shares one that is written. */
enum use { READ, STREAM, WRITTEN };

struct files {
	struct {
		enum use use;
		const char *option;
		const char *path;
		int len;
	} file[MAX_FILES];
	unsigned int nr;
	bool any_output;
};

static void add(struct files *f, enum use use, const char *option, const char *path)
{
	if (!path || f->nr == MAX_FILES)
		return;
	f->file[f->nr].use = use;
	f->file[f->nr].option = option;
	f->file[f->nr].path = path;
	f->file[f->nr++].len = (int)(strcmp(option, "-d") ? strlen(path) : strcspn(path, ","));
	f->any_output = f->any_output || use != READ;
}

static void add_console(struct files *f, const char *option, const char *where)
{
	if (where && !strncmp(where, "file:", strlen("file:")))
		add(f, STREAM, option, where + strlen("file:"));
}

static void add_trace(struct files *f, const char *arg)
{
	struct trace_config trace;

	if (arg && !trace_parse(&trace, arg))
		add(f, WRITTEN, "--trace", trace.path);
}

static void collect(struct files *f, const struct config *c)
{
	add(f, READ, "-k", c->kernel);
	for (unsigned int i = 0; i < c->nr_initrds; i++)
		add(f, READ, "-i", c->initrd[i]);
	for (unsigned int i = 0; i < c->nr_disks; i++)
		add(f, READ, "-d", c->disk[i]);
	add(f, READ, "--symbols", c->symbols);
	add(f, READ, "--dtb", c->dtb);
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++)
		add_console(f, "--serial", c->serial[i]);
	for (unsigned int i = 0; i < c->nr_ports; i++) {
		const char *where = strchr(c->port[i], '=');

		add_console(f, "--port", where ? where + 1 : NULL);
	}
	add(f, STREAM, "--log", c->log_path);
	add_trace(f, c->trace);
	add(f, WRITTEN, "--report", c->report_path);
	add(f, WRITTEN, "--junit", c->junit_path);
	add(f, WRITTEN, "--tap", c->tap_path);
	add(f, WRITTEN, "--dump", c->dump);
	add(f, WRITTEN, "--dump-dtb", c->dump_dtb);
}

static int look(const struct files *f, unsigned int i, struct stat *st)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.*s", f->file[i].len, f->file[i].path);
	return stat(path, st);
}

/* Devices like /dev/null and FIFOs may be given as often as one likes. */
static bool is_same(const struct files *f, unsigned int a, unsigned int b)
{
	struct stat of_a, of_b;
	bool there_a = !look(f, a, &of_a), there_b = !look(f, b, &of_b);

	if (there_a && there_b)
		return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino &&
		       (S_ISREG(of_a.st_mode) || S_ISBLK(of_a.st_mode));
	return !there_a && !there_b && f->file[a].len == f->file[b].len &&
	       !strncmp(f->file[a].path, f->file[b].path, (size_t)f->file[a].len);
}

static bool may_share(enum use a, enum use b)
{
	return (a == READ && b == READ) || (a == STREAM && b == STREAM);
}

int config_check_files(const struct config *config)
{
	struct files f = { .nr = 0 };

	collect(&f, config);
	for (unsigned int i = 0; f.any_output && i < f.nr; i++) {
		for (unsigned int j = 0; j < i; j++) {
			if (may_share(f.file[i].use, f.file[j].use) || !is_same(&f, i, j))
				continue;
			pr_err("%s %s: that is the file of %s as well, and would be overwritten; name "
			       "another",
			       f.file[i].option, f.file[i].path, f.file[j].option);
			return -EINVAL;
		}
	}
	return 0;
}
