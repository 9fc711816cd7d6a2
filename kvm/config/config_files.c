/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refuses a command line that would overwrite one of its own inputs, such as `-d disk.img --log
 * disk.img`, before anything is opened. optlist splits values that are lists, as in the code that
 * uses them later. All other values are paths, including any commas.
 */
#include "config_files.h"

#include "kvm/config.h"
#include "kvm/log.h"
#include "kvm/newfile.h"
#include "kvm/optlist.h"
#include "kvm/trace/trace.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILES                                                                                  \
	(CONFIG_MAX_INITRDS + CONFIG_MAX_DISKS + CONFIG_MAX_NETS + CONFIG_MAX_ADDS +               \
	 CONFIG_NR_SERIAL + CONFIG_MAX_PORTS + 16)

/*
 * Two streams may share a file, because each appends to it. Any other file that is written has one
 * use.
 */
enum use { READ, STREAM, WRITTEN };

struct files {
	struct {
		enum use use;
		const char *option;
		const char *value; /* of the option, for messages */
		char *path;
	} file[MAX_FILES];
	unsigned int nr;
	int err; /* reported */
	bool any_output;
};

/* Adds @path, the file that @value of @option names, from malloc(); NULL: there was no memory. */
static void add_path(struct files *f, enum use use, const char *option, const char *value,
		     char *path)
{
	if (!path || f->nr == MAX_FILES) {
		if (!f->err)
			pr_err("out of memory");
		f->err = -ENOMEM;
		free(path);
		return;
	}
	f->file[f->nr].use = use;
	f->file[f->nr].option = option;
	f->file[f->nr].value = value;
	f->file[f->nr++].path = path;
	f->any_output = f->any_output || use != READ;
}

/* Adds @path, the whole value of @option; NULL: none. */
static void add(struct files *f, enum use use, const char *option, const char *path)
{
	if (path)
		add_path(f, use, option, path, strdup(path));
}

/* Adds the first item of -d's list. */
static void add_disk(struct files *f, const char *value)
{
	const char *rest = value;
	struct optitem item;

	if (optlist_next(&rest, &item))
		add_path(f, READ, "-d", value, optitem_dup(&item));
}

/* Adds the script of -n's list; if there are several, the last. */
static void add_network(struct files *f, const char *value)
{
	static const char key[] = "script=";
	const char *rest = value;
	struct optitem item, path = { .len = 0 };

	while (optlist_next(&rest, &item)) {
		if (item.len < strlen(key) || memcmp(item.text, key, strlen(key)) != 0)
			continue;
		path.text = item.text + strlen(key);
		path.len = item.len - strlen(key);
	}
	if (path.len)
		add_path(f, READ, "-n", value, optitem_dup(&path));
}

const char *config_add_colon(const char *value)
{
	return strstr(value, ":/");
}

static void add_guest_file(struct files *f, const char *value)
{
	const char *colon = config_add_colon(value);

	add_path(f, READ, "--add", value,
		 colon ? strndup(value, (size_t)(colon - value)) : strdup(value));
}

static void add_console(struct files *f, const char *option, const char *where)
{
	if (where && !strncmp(where, "file:", strlen("file:")))
		add(f, STREAM, option, where + strlen("file:"));
}

static void add_trace(struct files *f, const char *arg)
{
	struct trace_config trace;
	int err = arg ? trace_parse(&trace, arg) : 0;

	if (err)
		f->err = err;
	else if (arg && trace.path)
		add_path(f, WRITTEN, "--trace", arg, trace.path);
}

static void collect(struct files *f, const struct config *c)
{
	add(f, READ, "-k", c->kernel);
	for (unsigned int i = 0; i < c->nr_initrds; i++)
		add(f, READ, "-i", c->initrd[i]);
	for (unsigned int i = 0; i < c->nr_disks; i++)
		add_disk(f, c->disk[i]);
	for (unsigned int i = 0; i < c->nr_nets; i++)
		add_network(f, c->net[i]);
	for (unsigned int i = 0; i < c->nr_adds; i++)
		add_guest_file(f, c->add[i]);
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

/* Returns the last part of @path, and @st of the folder that it is in; NULL: there is none. */
static const char *find_folder(const char *path, struct stat *st)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
		 slash ? path : ".");
	if (stat(folder, st))
		return NULL;
	return slash ? slash + 1 : path;
}

/*
 * Returns whether two options name the same file. Devices like /dev/null and FIFOs may have any
 * number of uses.
 */
static bool is_same(const struct files *f, unsigned int a, unsigned int b)
{
	struct stat of_a, of_b;
	const char *name_a, *name_b;
	bool there_a = !stat(f->file[a].path, &of_a), there_b = !stat(f->file[b].path, &of_b);

	if (there_a && there_b)
		return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino &&
		       (S_ISREG(of_a.st_mode) || S_ISBLK(of_a.st_mode));
	if (there_a || there_b)
		return false;
	/* New files are the same if they have one name in one folder. */
	name_a = find_folder(f->file[a].path, &of_a);
	name_b = find_folder(f->file[b].path, &of_b);
	return name_a && name_b && !strcmp(name_a, name_b) && of_a.st_dev == of_b.st_dev &&
	       of_a.st_ino == of_b.st_ino;
}

static bool may_share(enum use a, enum use b)
{
	return (a == READ && b == READ) || (a == STREAM && b == STREAM);
}

static int compare(const struct files *f)
{
	for (unsigned int i = 0; f->any_output && i < f->nr; i++) {
		for (unsigned int j = 0; j < i; j++) {
			if (may_share(f->file[i].use, f->file[j].use) || !is_same(f, i, j))
				continue;
			pr_err("%s %s: is also the file of %s and would be overwritten; choose another file",
			       f->file[i].option, f->file[i].value, f->file[j].option);
			return -EINVAL;
		}
	}
	return 0;
}

/*
 * Checks what is opened only when the guest is about to start. Looks as little as possible: open(2)
 * has the last word.
 */
static int check_late(const char *option, const char *path)
{
	struct stat st;
	int err = 0;

	if (!stat(path, &st))
		err = S_ISDIR(st.st_mode) ? EISDIR : access(path, W_OK) ? errno : 0;
	else if (errno == ENOENT)
		return newfile_check_report(option + strlen("--"), path);
	else
		err = errno;
	if (err)
		pr_err("%s %s: %s", option, path, strerror(err));
	return -err;
}

static int check_outputs(const struct files *f)
{
	int err = 0;

	for (unsigned int i = 0; i < f->nr && !err; i++) {
		const char *option = f->file[i].option;

		if (!strcmp(option, "--log") || !strcmp(option, "--trace"))
			err = check_late(option, f->file[i].path);
	}
	return err;
}

int config_check_files(const struct config *config)
{
	struct files f = { .nr = 0 };
	int err;

	collect(&f, config);
	err = f.err ? f.err : compare(&f);
	if (!err)
		err = check_outputs(&f);
	for (unsigned int i = 0; i < f.nr; i++)
		free(f.file[i].path);
	return err;
}
