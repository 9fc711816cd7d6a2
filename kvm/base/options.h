/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declares the command-line options once, in a table: the parser, the --help screen and the
 * manual's list come from it.
 */
#ifndef KVM_BASE_OPTIONS_H
#define KVM_BASE_OPTIONS_H

#include "kvm/types.h"

#include <stdio.h>

enum opt_type {
	OPT_FLAG,   /* bool: set to true */
	OPT_COUNT,  /* uint64_t: one more each time */
	OPT_STRING, /* const char *: points into argv */
	OPT_UINT,   /* uint64_t within [min, max] */
	OPT_SIZE,   /* uint64_t bytes, see parse_size(); within [min, max] */
	OPT_CHOICE, /* an enum: which of @arg's words, "on|off" */
	/*
	 * const char *[max]: points into argv; the unsigned int at nr_offset is how many there are
	 */
	OPT_LIST,
	OPT_CALL, /* call() parses it; @max is not 0 if it may be given several times */
};

struct opt {
	char short_name; /* 0: none */
	const char *name;
	enum opt_type type;
	size_t offset; /* in the config struct */
	/*
	 * the argument's name in help; NULL: takes none; in brackets: call() gets NULL for --name
	 * alone
	 */
	const char *arg;
	const char *help; /* one line; '\n' continues on the next */
	uint64_t min, max;
	/*
	 * Returns 0, or -EINVAL (reported). For an OPT_LIST: whether @arg may be in it (NULL: any
	 * may).
	 */
	int (*call)(void *config, const char *name, const char *arg);
	size_t nr_offset;    /* for an OPT_LIST */
	const char *heading; /* in the help, above this row and those after it; NULL: none */
};

#define OPT_MAX_ROWS 64

/*
 * Parses argv[1..argc), and stops at "--". Returns the index of the first argument that is not an
 * option (argc: none), or -EINVAL (reported, in one line). Thread: main (getopt is not
 * thread-safe).
 *
 * An option that is given several times is a list or a count; of any other the last one counts, and
 * one line names what it replaces, unless that is the same.
 */
int opt_parse(const struct opt *rows, unsigned int nr, void *config, int argc, char **argv);

/* Does the same, and sets *@dashes to whether "--" has ended the options. */
int opt_parse_to_dashes(const struct opt *rows, unsigned int nr, void *config, int argc,
			char **argv, bool *dashes);

/*
 * Does the same for a verb that takes exactly one argument, with options on either side of it.
 * @what names the argument in a message ("NAME"). If *@help, a flag of @config, is set, *@arg may
 * be NULL. Returns 0 and *@arg, or -EINVAL (reported).
 */
int opt_parse_one(const struct opt *rows, unsigned int nr, void *config, int argc, char **argv,
		  const char *what, const bool *help, const char **arg);

/*
 * Parses a size: a number of MiB, as for lkvm and QEMU, or a number with a unit: B, or K, M, G or T
 * with an optional B or iB, all of them powers of 1024. Returns 0, -EINVAL (not a size), or -ERANGE
 * (zero, or 2^64 and more).
 */
int parse_size(const char *text, uint64_t *bytes);
/* Formats a size for parse_size(), in the largest unit that is exact. Returns @text. */
const char *format_size(uint64_t bytes, char text[24]);
/*
 * Parses a decimal or 0x hexadecimal number, the whole string. Returns 0, -EINVAL (not a number),
 * or -ERANGE.
 */
int parse_uint(const char *text, uint64_t *value);

/* Prints the list of options. */
void opt_help(FILE *f, const struct opt *rows, unsigned int nr);

#endif
