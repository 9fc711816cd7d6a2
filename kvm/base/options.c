/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parses the command line by a table of options.
 *
 * It uses getopt_long(), for what users expect: clustered short options, --name=value, unique
 * abbreviations. Its messages are off, because those here say what to do.
 */
#include "options.h"

#include "kvm/log.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define LONG_BASE 0x1000 /* getopt's value of row i is LONG_BASE + i */

int parse_uint(const char *text, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, strncmp(text, "0x", 2) ? 10 : 16);
	return *end ? -EINVAL : -errno;
}

int parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "BKMGT";
	unsigned int shift = 20;
	const char *unit;
	uint64_t n;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	unit = isalpha((unsigned char)*end) ? strchr(units, *end & ~0x20) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units);
		end++;
	}
	if (*end &&
	    (!unit || unit == units || (strcasecmp(end, "B") != 0 && strcasecmp(end, "iB") != 0)))
		return -EINVAL;
	if (errno || !n || n > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes = n << shift;
	return 0;
}

const char *format_size(uint64_t bytes, char text[24])
{
	unsigned int unit = 0;

	while (unit < 4 && bytes && bytes % KIB == 0) {
		bytes /= KIB;
		unit++;
	}
	snprintf(text, 24, "%llu%c", (unsigned long long)bytes, "BKMGT"[unit]);
	return text;
}

static int bad_range(const struct opt *row, const char *arg)
{
	char min[24], max[24];

	if (row->type == OPT_SIZE)
		pr_err("--%s %s: out of range (%s to %s; a number without a unit is MiB)",
		       row->name, arg, format_size(row->min, min), format_size(row->max, max));
	else
		pr_err("--%s %s: out of range (%llu to %llu)", row->name, arg,
		       (unsigned long long)row->min, (unsigned long long)row->max);
	return -EINVAL;
}

static int apply_number(const struct opt *row, uint64_t *at, const char *arg)
{
	int err = row->type == OPT_SIZE ? parse_size(arg, at) : parse_uint(arg, at);

	if (err == -EINVAL) {
		pr_err("--%s %s: not a %s (like %s)", row->name, arg,
		       row->type == OPT_SIZE ? "size" : "number",
		       row->type == OPT_SIZE ? "512M or 4G" : "4");
		return err;
	}
	return err || *at < row->min || *at > row->max ? bad_range(row, arg) : 0;
}

static int apply_choice(const struct opt *row, unsigned int *at, const char *arg)
{
	const char *word = row->arg;

	for (unsigned int i = 0;; i++) {
		size_t len = strcspn(word, "|");

		if (strlen(arg) == len && !memcmp(arg, word, len)) {
			*at = i;
			return 0;
		}
		if (!word[len])
			break;
		word += len + 1;
	}
	pr_err("--%s %s: not one of %s", row->name, arg, row->arg);
	return -EINVAL;
}

static int apply_list(const struct opt *row, void *config, const char *arg)
{
	const char **list = (const char **)((char *)config + row->offset);
	unsigned int *nr = (unsigned int *)((char *)config + row->nr_offset);

	if (*nr == row->max) {
		pr_err("--%s %s: at most %llu of these are possible", row->name, arg,
		       (unsigned long long)row->max);
		return -EINVAL;
	}
	if (row->call && row->call(config, row->name, arg))
		return -EINVAL;
	list[(*nr)++] = arg;
	return 0;
}

static int apply(const struct opt *row, void *config, const char *arg)
{
	void *at = (char *)config + row->offset;

	switch (row->type) {
	case OPT_FLAG:
		*(bool *)at = true;
		return 0;
	case OPT_COUNT:
		++*(uint64_t *)at;
		return 0;
	case OPT_STRING:
		*(const char **)at = arg;
		return 0;
	case OPT_UINT:
	case OPT_SIZE:
		return apply_number(row, at, arg);
	case OPT_CHOICE:
		return apply_choice(row, at, arg);
	case OPT_LIST:
		return apply_list(row, config, arg);
	case OPT_CALL:
		return row->call(config, row->name, arg);
	}
	return -EINVAL;
}

static void getopt_tables(const struct opt *rows, unsigned int nr, struct option *longs,
			  char *shorts)
{
	*shorts++ = '+'; /* stop at the first argument that is not an option */
	*shorts++ = ':'; /* tell a missing argument from an unknown option */
	for (unsigned int i = 0; i < nr; i++) {
		longs[i] = (struct option){
			.name = rows[i].name,
			.has_arg = !rows[i].arg		 ? no_argument
				   : *rows[i].arg == '[' ? optional_argument
							 : required_argument,
			.val = LONG_BASE + (int)i,
		};
		if (!rows[i].short_name)
			continue;
		*shorts++ = rows[i].short_name;
		if (rows[i].arg)
			*shorts++ = ':';
	}
	longs[nr] = (struct option){ 0 };
	*shorts = '\0';
}

static const struct opt *row_of(const struct opt *rows, unsigned int nr, int c)
{
	if (c >= LONG_BASE)
		return &rows[c - LONG_BASE];
	for (unsigned int i = 0; i < nr; i++) {
		if (rows[i].short_name == c)
			return &rows[i];
	}
	return NULL;
}

static void report_bad_option(const char *word, int c)
{
	if (c == ':')
		pr_err("%s: needs an argument; see --help", word);
	else if (optopt && optopt < LONG_BASE)
		pr_err("-%c: no such option; see --help", optopt);
	else
		pr_err("%s: %s; see --help", word,
		       optopt ? "takes no argument"
			      : "no such option, or an ambiguous abbreviation");
}

/* The arguments of an option that is given several times: the last, and one that it replaces. */
struct given {
	const char *last, *replaced;
};

static void note_given(struct given *g, const struct opt *row, const char *arg)
{
	bool single = row->type == OPT_STRING || row->type == OPT_UINT || row->type == OPT_SIZE ||
		      row->type == OPT_CHOICE || (row->type == OPT_CALL && !row->max);

	if (!single || !arg)
		return;
	if (g->last && strcmp(g->last, arg) != 0)
		g->replaced = g->last;
	g->last = arg;
}

/* Called when all options are parsed, since a later one may have made us quiet. */
static void report_replaced(const struct opt *rows, unsigned int nr, const struct given *given)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (given[i].replaced)
			pr_info("--%s %s: replaces --%s %s, which was given before", rows[i].name,
				given[i].last, rows[i].name, given[i].replaced);
	}
}

int opt_parse_to_dashes(const struct opt *rows, unsigned int nr, void *config, int argc,
			char **argv, bool *dashes)
{
	struct option longs[OPT_MAX_ROWS + 1];
	struct given given[OPT_MAX_ROWS] = { { NULL, NULL } };
	char shorts[2 * OPT_MAX_ROWS + 3];
	int c, end = 1;

	assert(nr <= OPT_MAX_ROWS);
	getopt_tables(rows, nr, longs, shorts);
	optind = 0; /* glibc: start anew */
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct opt *row = row_of(rows, nr, c);

		if (c == ':' || c == '?' || !row) {
			report_bad_option(argv[optind - 1], c);
			return -EINVAL;
		}
		if (apply(row, config, optarg))
			return -EINVAL;
		note_given(&given[row - rows], row, optarg);
		end = optind;
	}
	*dashes = optind != end; /* the options themselves end before them */
	report_replaced(rows, nr, given);
	return optind;
}

int opt_parse(const struct opt *rows, unsigned int nr, void *config, int argc, char **argv)
{
	bool dashes;

	return opt_parse_to_dashes(rows, nr, config, argc, argv, &dashes);
}

int opt_parse_one(const struct opt *rows, unsigned int nr, void *config, int argc, char **argv,
		  const char *what, const bool *help, const char **arg)
{
	int first = opt_parse(rows, nr, config, argc, argv), rest = argc;

	*arg = first >= 0 && first < argc ? argv[first] : NULL;
	if (*arg)
		rest = first + opt_parse(rows, nr, config, argc - first, argv + first);
	if (first < 0 || rest < first)
		return -EINVAL;
	if (*help)
		return 0;
	if (!*arg) {
		pr_err("kvm %s takes one %s; see --help", argv[0], what);
		return -EINVAL;
	}
	if (rest < argc) {
		pr_err("%s: kvm %s takes one %s; see --help", argv[rest], argv[0], what);
		return -EINVAL;
	}
	return 0;
}

#define HELP_COLUMN 30

void opt_help(FILE *f, const struct opt *rows, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		const struct opt *row = &rows[i];
		const char *help = row->help;
		int width = 0;

		if (row->heading)
			fprintf(f, "%s%s:\n", i ? "\n" : "", row->heading);
		if (row->short_name)
			width = fprintf(f, "  -%c, --%s", row->short_name, row->name);
		else
			width = fprintf(f, "      --%s", row->name);
		if (row->arg)
			width += fprintf(f, *row->arg == '[' ? "%s" : " %s", row->arg);
		if (width >= HELP_COLUMN)
			width = fprintf(f, "\n") - 1;
		for (;;) {
			int len = (int)strcspn(help, "\n");

			fprintf(f, "%*s%.*s\n", HELP_COLUMN - width, "", len, help);
			if (!help[len])
				break;
			help += len + 1;
			width = 0;
		}
	}
}
