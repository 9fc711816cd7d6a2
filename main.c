/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the verb that the command line names, by a table of verbs. Only this file names an
 * architecture or ends the process.
 */
#include "kvm/cmd.h"
#include "kvm/log.h"
#include "kvm/term.h"
#include "kvm/types.h"
#include "kvm/verdict.h"
#include "x86/arch_x86.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef KVM_VERSION
#define KVM_VERSION "0.1"
#endif

struct verb {
	const char *name;
	int (*run)(int argc, char **argv, const struct arch *arch);
	const char *help;
};

static int cmd_help(int argc, char **argv, const struct arch *arch);
static int cmd_version(int argc, char **argv, const struct arch *arch);

static const struct verb verbs[] = {
	{ "run", cmd_run, "start a machine: kvm run -k bzImage -i initrd" },
	{ "list", cmd_list, "list running machines that have a --name" },
	{ "debug", cmd_debug,
	  "show what a running machine's CPUs are doing, or write a core file" },
	{ "dmesg", cmd_dmesg, "print a running machine's kernel log" },
	{ "stop", cmd_stop, "shut down a running machine by its power button" },
	{ "host", cmd_host, "check whether this host can run machines, and how well" },
	{ "inspect", cmd_inspect, "describe a kernel file and how kvm run would start it" },
	{ "smoke", cmd_smoke, "boot many kernels on many machines, for CI: kvm smoke FILE" },
	{ "report", cmd_report, "merge reports of kvm smoke: kvm report merge FILE..." },
	{ "help", cmd_help, "list the verbs, or the options of one: kvm help run" },
	{ "version", cmd_version, "print the version" },
};

static const struct verb *find_verb(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

static int list_verbs(FILE *f)
{
	fprintf(f, "usage: kvm VERB [OPTION...]\n\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(f, "  %-10s%s\n", verbs[i].name, verbs[i].help);
	fprintf(f, "\n`kvm VERB --help` lists a verb's options. The manual is kvm(1).\n");
	return 0;
}

static int unknown_verb(const char *name)
{
	pr_err("%s: no such verb; `kvm help` lists the verbs", name);
	return EXIT_LAUNCHER;
}

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

static int cmd_help(int argc, char **argv, const struct arch *arch)
{
	char *verb_argv[] = { argv[1], (char *)"--help", NULL };
	const struct verb *verb;

	if (argc < 2 || is_help(argv[1]))
		return list_verbs(stdout);
	verb = find_verb(argv[1]);
	if (!verb)
		return unknown_verb(argv[1]);
	if (verb->run == cmd_help || verb->run == cmd_version)
		return list_verbs(stdout);
	return verb->run(2, verb_argv, arch);
}

static int cmd_version(int argc, char **argv, const struct arch *arch)
{
	(void)arch;
	if (argc > 1 && is_help(argv[1]))
		return list_verbs(stdout);
	if (argc > 1) {
		pr_err("%s: unexpected argument; kvm version takes none", argv[1]);
		return EXIT_LAUNCHER;
	}
	printf("kvm %s\n", KVM_VERSION);
	return 0;
}

/*
 * Reports an error if a verb's output could not be written, for example to a full disk. Returns the
 * exit code.
 */
static int printed(int code)
{
	int err = ferror(stdout) ? EIO : 0;

	if (fflush(stdout))
		err = errno;
	if (!err || code)
		return code;
	pr_err("cannot write to standard output: %s", strerror(err));
	return EXIT_LAUNCHER;
}

int main(int argc, char **argv)
{
	const struct verb *verb;
	const char *name = argc < 2 ? NULL : argv[1];

	if (!term_guard_stdio()) {
		pr_err("/dev/null: %s; needed where stdin, stdout or stderr is closed",
		       strerror(errno));
		return EXIT_LAUNCHER;
	}
	/* A parent may have ignored it; then we would not learn how our own children end. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGXFSZ, SIG_IGN); /* a file at its size limit is an error like any other */
	if (!name) {
		list_verbs(stderr);
		return EXIT_LAUNCHER;
	}
	if (is_help(name))
		return printed(list_verbs(stdout));
	if (!strcmp(name, "--version"))
		return printed(cmd_version(argc - 1, argv + 1, &arch_x86));
	verb = find_verb(name);
	return verb ? printed(verb->run(argc - 1, argv + 1, &arch_x86)) : unknown_verb(name);
}
