/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm list: lists this user's running machines that have a name, sorted by name.
 *
 * It queries each machine, and removes the sockets that killed launchers have left. Exit code: 0,
 * even if no machine runs; 125 if the folder of sockets cannot be used. Thread: main.
 */
#include "control.h"
#include "kvm/base/options.h"
#include "kvm/base/quote.h"
#include "kvm/cmd.h"
#include "kvm/config.h"
#include "kvm/log.h"
#include "kvm/verdict.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

static int is_machine(const struct dirent *e)
{
	return config_is_name(e->d_name);
}

/* Fills in @info. Returns false if there is no machine of this name. */
static bool ask(const char *name, struct control_info *info)
{
	int err = control_ask_info(name, info);

	if (err)
		strcpy(info->state, "no answer");
	return err != -ENOENT;
}

static void print_row(const char *name, const struct control_info *info)
{
	uint64_t s = info->uptime_ms / 1000;

	printf("%-20s %7" PRIu64 " %4" PRIu64 " %6" PRIu64 "M %6" PRIu64 ":%02" PRIu64 ":%02" PRIu64
	       " %-9s %s\n",
	       name, info->pid, info->cpus, (uint64_t)(info->memory_bytes / MIB), s / 3600,
	       s / 60 % 60, s % 60, info->state, info->kernel);
}

static void print_object(const char *name, const struct control_info *info, bool first)
{
	printf("%s\n  { \"name\": \"%s\", \"state\": ", first ? "" : ",", name);
	quote_json(stdout, info->state, strlen(info->state));
	printf(", \"pid\": %" PRIu64 ", \"cpus\": %" PRIu64 ", \"memory_bytes\": %" PRIu64
	       ", \"uptime_ms\": %" PRIu64 ", \"kernel\": ",
	       info->pid, info->cpus, info->memory_bytes, info->uptime_ms);
	quote_json(stdout, info->kernel, strlen(info->kernel));
	printf(" }");
}

static unsigned int print_all(struct dirent **entry, int nr, bool json)
{
	struct control_info info;
	unsigned int printed = 0;

	for (int i = 0; i < nr; i++) {
		if (!ask(entry[i]->d_name, &info))
			continue;
		if (!json && !printed)
			printf("%-20s %7s %4s %7s %12s %-9s %s\n", "NAME", "PID", "CPUS", "MEMORY",
			       "UP", "STATE", "KERNEL");
		if (json)
			print_object(entry[i]->d_name, &info, !printed);
		else
			print_row(entry[i]->d_name, &info);
		printed++;
	}
	return printed;
}

int cmd_list(int argc, char **argv, const struct arch *arch)
{
	struct list_options options = { .json = false };
	int first = opt_parse(rows, ARRAY_SIZE(rows), &options, argc, argv), err, nr = 0;
	struct control_folder folder;
	struct dirent **entry = NULL;
	unsigned int printed;

	(void)arch;
	if (first < 0)
		return EXIT_LAUNCHER;
	if (first < argc) {
		pr_err("%s: unexpected argument; kvm list only takes options, see --help",
		       argv[first]);
		return EXIT_LAUNCHER;
	}
	if (options.help)
		return usage();
	err = control_folder_open(&folder, false);
	control_folder_close(&folder);
	if (err && err != -ENOENT)
		return EXIT_LAUNCHER;
	if (!err)
		nr = scandir(folder.path, &entry, is_machine, alphasort);
	printf("%s", options.json ? "[" : "");
	printed = print_all(entry, nr, options.json);
	printf("%s", options.json ? "\n]\n" : "");
	for (int i = 0; i < nr; i++)
		free(entry[i]);
	free(entry);
	if (!printed && !options.json)
		pr_info("no machine with a --name is running");
	return 0;
}
