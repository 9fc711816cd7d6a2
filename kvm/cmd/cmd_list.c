/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm list: lists this user's running machines that have a name, sorted by name.
 *
 * It queries all machines at the same time, and removes the sockets of killed launchers. Exit code:
 * 0, even if no machine runs; 125 if a folder of sockets cannot be read. Thread: main.
 */
#include "control.h"
#include "kvm/base/grow.h"
#include "kvm/base/options.h"
#include "kvm/base/quote.h"
#include "kvm/clock.h"
#include "kvm/cmd.h"
#include "kvm/config.h"
#include "kvm/log.h"
#include "kvm/verdict.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS 5000000000ULL
#define INFO_BYTES 1024
#define NO_ANSWER "no answer"

struct list_options {
	bool json;
	bool help;
};

static const struct opt rows[] = {
	{ 0, "json", OPT_FLAG, offsetof(struct list_options, json), NULL, "print one JSON array", 0,
	  0, NULL },
	{ 'h', "help", OPT_FLAG, offsetof(struct list_options, help), NULL, "list the options", 0,
	  0, NULL },
};

static int usage(void)
{
	printf("usage: kvm list [--json]\n\n"
	       "Lists your running machines that have a name (kvm run --name NAME).\n\n");
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	return 0;
}

struct machine {
	char name[CONFIG_NAME_LENGTH + 1];
	struct control_question q;
	int err; /* 0: it has answered, or will */
	char text[INFO_BYTES];
	struct control_info info;
};

struct list {
	struct machine *machine;
	size_t nr, room;
};

static int is_machine(const struct dirent *e)
{
	return config_is_name(e->d_name);
}

/* Sends the machine its request; the answer is read later. Returns 0, or -ENOMEM (reported). */
static int begin_to_ask(struct list *list, struct control_folder *f, const char *name)
{
	struct machine *m = grow_array(list->machine, &list->room, list->nr + 1, sizeof(*m));

	if (!m) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	list->machine = m;
	m += list->nr;
	*m = (struct machine){ .q = { .name = name, .request = "info", .pass_fd = -1 } };
	m->err = control_send(&m->q, f);
	snprintf(m->name, sizeof(m->name), "%.*s", CONFIG_NAME_LENGTH, name);
	list->nr += m->err != -ENOENT;
	return 0;
}

/* Asks all machines of a folder. Returns 0, or -errno (reported). */
static int ask_folder(struct list *list, unsigned int index)
{
	struct dirent **entry = NULL;
	struct control_folder f;
	int err = control_folder_open(&f, index, false), nr;

	if (err) {
		control_folder_close(&f);
		return err == -ENOENT ? 0 : err;
	}
	nr = scandir(f.path, &entry, is_machine, alphasort);
	if (nr < 0) {
		err = -errno;
		pr_err("%s: %s", f.path, strerror(-err));
	}
	for (int i = 0; i < nr; i++) {
		if (!err)
			err = begin_to_ask(list, &f, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	control_folder_close(&f);
	return err;
}

/* Reads the answers; all machines together have PATIENCE_NS for that. */
static void read_answers(struct list *list)
{
	uint64_t until_ns = now_ns() + PATIENCE_NS;

	for (size_t i = 0; i < list->nr; i++) {
		struct machine *m = &list->machine[i];
		long len = 0;

		m->q.name = m->name;
		m->q.until_ns = until_ns;
		if (!m->err) {
			m->q.body = fmemopen(m->text, sizeof(m->text), "w");
			m->err = control_receive(&m->q);
		}
		if (m->q.body) {
			len = ftell(m->q.body);
			fclose(m->q.body);
		}
		control_parse_info(m->text, m->err || len < 0 ? 0 : (size_t)len, &m->info);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct machine *)a)->name, ((const struct machine *)b)->name);
}

static void print_row(const struct machine *m)
{
	const struct control_info *info = &m->info;
	uint64_t s = info->uptime_ms / 1000;

	if (m->err)
		printf("%-20s %7s %4s %7s %12s %-9s %s\n", m->name, "-", "-", "-", "-", NO_ANSWER,
		       "-");
	else
		printf("%-20s %7" PRIu64 " %4" PRIu64 " %6" PRIu64 "M %6" PRIu64 ":%02" PRIu64
		       ":%02" PRIu64 " %-9s %s\n",
		       m->name, info->pid, info->cpus, (uint64_t)(info->memory_bytes / MIB),
		       s / 3600, s / 60 % 60, s % 60, info->state, info->kernel);
}

static void print_object(const struct machine *m)
{
	const struct control_info *info = &m->info;

	printf("  { \"name\": \"%s\", \"state\": ", m->name);
	if (m->err) {
		printf("\"" NO_ANSWER "\", \"pid\": null, \"cpus\": null, "
		       "\"memory_bytes\": null, \"uptime_ms\": null, \"kernel\": null }");
		return;
	}
	quote_json(stdout, info->state, strlen(info->state));
	printf(", \"pid\": %" PRIu64 ", \"cpus\": %" PRIu64 ", \"memory_bytes\": %" PRIu64
	       ", \"uptime_ms\": %" PRIu64 ", \"kernel\": ",
	       info->pid, info->cpus, info->memory_bytes, info->uptime_ms);
	quote_json(stdout, info->kernel, strlen(info->kernel));
	printf(" }");
}

static void print_all(const struct list *list, bool json)
{
	if (json)
		printf("[");
	else if (list->nr)
		printf("%-20s %7s %4s %7s %12s %-9s %s\n", "NAME", "PID", "CPUS", "MEMORY", "UP",
		       "STATE", "KERNEL");
	for (size_t i = 0; i < list->nr; i++) {
		if (json)
			printf("%s\n", i ? "," : "");
		(json ? print_object : print_row)(&list->machine[i]);
	}
	if (json)
		printf("\n]\n");
}

static int list_all(bool json)
{
	char folders[CONTROL_FOLDERS_BYTES];
	struct list list = { NULL, 0, 0 };
	int err = 0;

	for (unsigned int i = 0; i < CONTROL_FOLDERS && !err; i++)
		err = ask_folder(&list, i);
	read_answers(&list);
	if (list.nr)
		qsort(list.machine, list.nr, sizeof(*list.machine), by_name);
	if (!err)
		print_all(&list, json);
	if (!err && !list.nr && !json) {
		control_folders_text(folders);
		pr_info("no machine with a --name is running in %s", folders);
	}
	free(list.machine);
	return err ? EXIT_LAUNCHER : 0;
}

int cmd_list(int argc, char **argv, const struct arch *arch)
{
	struct list_options options = { .json = false };
	int first = opt_parse(rows, ARRAY_SIZE(rows), &options, argc, argv);

	(void)arch;
	if (first < 0)
		return EXIT_LAUNCHER;
	if (first < argc) {
		pr_err("%s: unexpected argument; kvm list only takes options, see --help",
		       argv[first]);
		return EXIT_LAUNCHER;
	}
	return options.help ? usage() : list_all(options.json);
}
