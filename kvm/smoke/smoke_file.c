/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parses the file of `kvm smoke`, in which a line is a comment (#), a [section], or NAME = VALUE.
 * One table says what a setting takes: words, split as by a shell, or the whole rest of the line. A
 * setting that is repeated adds to its list. A section's own list replaces the common one, even if
 * it is empty.
 */
#include "smoke_file.h"

#include "kvm/base/grow.h"
#include "kvm/base/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"
#define MAX_NAME 64

static const struct setting {
	const char *name;
	/* NUMBER: a single one; the last line wins */
	enum { WORDS, NUMBERS, SIZES, TEXT, NUMBER } kind;
	bool may_be_empty;
	uint64_t min, max;
	const char *otherwise; /* the default value */
} settings[SMOKE_NR_KEYS] = {
	[SMOKE_KERNEL] = { "kernel", WORDS, false, 0, 0 },
	[SMOKE_CPUS] = { "cpus", NUMBERS, false, 1, 4096, "1" },
	[SMOKE_MEM] = { "mem", SIZES, false, 16 * MIB, 1ULL << 45, "1G" },
	[SMOKE_PARAMS] = { "params", TEXT, true, 0, 0, "" },
	[SMOKE_INITRD] = { "initrd", WORDS, true, 0, 0 },
	[SMOKE_EXPECT] = { "expect", TEXT, true, 0, 0 },
	[SMOKE_FAIL_ON] = { "fail-on", TEXT, true, 0, 0 },
	[SMOKE_OPTIONS] = { "options", WORDS, true, 0, 0 },
	[SMOKE_COMMAND] = { "command", WORDS, true, 0, 0 },
	[SMOKE_TIMEOUT] = { "timeout", NUMBER, false, 1, 1000000, "60" },
	[SMOKE_EXIT] = { "exit", NUMBER, false, 0, 255, "0" },
};

static int fail(struct smoke_file *f, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct smoke_file *f, unsigned int line, const char *fmt, ...)
{
	va_list ap;

	f->line = line;
	va_start(ap, fmt);
	vsnprintf(f->why, sizeof(f->why), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

const char *smoke_key_name(enum smoke_key key)
{
	return settings[key].name;
}

static int add_section(struct smoke_file *f, const char *name, unsigned int line)
{
	struct smoke_section *s;

	if (f->nr_sections == SMOKE_MAX_SECTIONS)
		return fail(f, line, "more than %d sections; split the file", SMOKE_MAX_SECTIONS);
	s = reallocarray(f->section, f->nr_sections + 1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	f->section = s;
	s += f->nr_sections;
	*s = (struct smoke_section){ .name = strdup(name), .line = line };
	if (!s->name)
		return -ENOMEM;
	f->nr_sections++;
	return 0;
}

static struct smoke_section *last(struct smoke_file *f)
{
	return &f->section[f->nr_sections - 1];
}

static int add_value(struct smoke_file *f, struct smoke_section *s, enum smoke_key key,
		     const char *text, size_t len, unsigned int line)
{
	struct smoke_list *l = &s->list[key];
	struct smoke_value *v;

	if (settings[key].kind == NUMBER && l->nr) {
		free(l->value[0].text);
		l->nr = 0;
	}
	if (l->nr == SMOKE_MAX_VALUES)
		return fail(f, line, "%s: more than %d values; split the file", settings[key].name,
			    SMOKE_MAX_VALUES);
	v = grow_array(l->value, &l->room, l->nr + 1U, sizeof(*v));
	if (!v)
		return -ENOMEM;
	l->value = v;
	l->value[l->nr] = (struct smoke_value){ strndup(text, len), line };
	return l->value[l->nr].text ? (int)(l->nr++, 0) : -ENOMEM;
}

static int check_number(struct smoke_file *f, enum smoke_key key, const char *word,
			unsigned int line)
{
	const struct setting *s = &settings[key];
	uint64_t n;

	if (s->kind == SIZES ? parse_size(word, &n) : parse_uint(word, &n))
		return fail(f, line, "%s: %.40s: not a %s", s->name, word,
			    s->kind == SIZES ? "size (such as 512M or 4G)" : "number");
	if (n < s->min || n > s->max)
		return fail(f, line, "%s: %.40s: out of range (%llu to %llu)", s->name, word,
			    (unsigned long long)s->min, (unsigned long long)s->max);
	return 0;
}

/*
 * Copies the next word from *@p to @word, which has room for it, without its quotation marks. As in
 * a shell, a backslash inside of "" is one, unless before ", $, ` or another. Returns its length,
 * or -1 if a mark is not closed.
 */
static ssize_t next_word(const char **p, char *word)
{
	char quote = '\0', *to = word;
	const char *from = *p;

	for (; *from && (quote || !strchr(BLANKS, *from)); from++) {
		if (quote ? *from == quote : *from == '\'' || *from == '"')
			quote = quote ? '\0' : *from;
		else if (*from == '\\' && from[1] &&
			 (!quote || (quote == '"' && strchr("\"$`\\", from[1]))))
			*to++ = *++from;
		else
			*to++ = *from;
	}
	*to = '\0';
	*p = from + strspn(from, BLANKS);
	return quote ? -1 : to - word;
}

static int add_words(struct smoke_file *f, enum smoke_key key, const char *value, unsigned int line)
{
	bool numbers = settings[key].kind != WORDS;
	char *word = malloc(strlen(value) + 1);
	int err = word ? 0 : -ENOMEM;

	while (!err && *value) {
		ssize_t len = next_word(&value, word);

		if (len < 0)
			err = fail(f, line, "%s: a quotation mark is not closed",
				   settings[key].name);
		else if (numbers)
			err = check_number(f, key, word, line);
		else if (!len && key != SMOKE_COMMAND && key != SMOKE_OPTIONS)
			err = fail(f, line, "%s: an empty name is not allowed", settings[key].name);
		if (!err && settings[key].kind == NUMBER && *value)
			err = fail(f, line, "%s: must be one number", settings[key].name);
		if (!err)
			err = add_value(f, last(f), key, word, (size_t)len, line);
	}
	free(word);
	return err;
}

static int add_setting(struct smoke_file *f, enum smoke_key key, const char *value,
		       unsigned int line)
{
	struct smoke_list *l = &last(f)->list[key];

	if (!*value && !settings[key].may_be_empty)
		return fail(f, line, "%s: a value is missing", settings[key].name);
	l->line = l->set ? l->line : line;
	l->set = true;
	if (settings[key].kind != TEXT)
		return add_words(f, key, value, line);
	/* Empty parameters are one of several values; an empty expression is no value. */
	return *value || key == SMOKE_PARAMS
		       ? add_value(f, last(f), key, value, strlen(value), line)
		       : 0;
}

static int parse_setting(struct smoke_file *f, char *line, unsigned int nr)
{
	char *equals = strchr(line, '='), *end;

	if (!equals)
		return fail(f, nr,
			    "\"%.40s\": neither NAME = VALUE nor a [section] nor a # comment",
			    line);
	for (end = equals; end > line && strchr(BLANKS, end[-1]);)
		end--;
	*end = '\0';
	equals++;
	equals += strspn(equals, BLANKS);
	for (unsigned int i = 0; i < SMOKE_NR_KEYS; i++) {
		if (!strcmp(line, settings[i].name))
			return add_setting(f, i, equals, nr);
	}
	return fail(
		f, nr,
		"%.40s: no such setting; use kernel, cpus, mem, params, initrd, expect, fail-on, options, command, timeout or exit",
		line);
}

static int parse_section(struct smoke_file *f, char *line, unsigned int nr)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+- ";
	size_t len = strlen(line);

	if (line[len - 1] != ']')
		return fail(f, nr, "a section must end with ]");
	line[--len] = '\0';
	line++;
	len--;
	if (!len || len > MAX_NAME || strspn(line, letters) != len)
		return fail(f, nr,
			    "a section's name must be 1 to %d letters, digits, spaces or . _ + -",
			    MAX_NAME);
	for (unsigned int i = 1; i < f->nr_sections; i++) {
		if (!strcmp(f->section[i].name, line))
			return fail(f, nr, "[%s]: there is a section of this name in line %u", line,
				    f->section[i].line);
	}
	return add_section(f, line, nr);
}

/* Parses one line, without its newline; changes @line. */
static int parse_line(struct smoke_file *f, char *line, unsigned int nr)
{
	size_t len;

	line += strspn(line, BLANKS);
	for (len = strlen(line); len && strchr(BLANKS "\r", line[len - 1]);)
		line[--len] = '\0';
	if (!len || *line == '#')
		return 0;
	return *line == '[' ? parse_section(f, line, nr) : parse_setting(f, line, nr);
}

static int add_defaults(struct smoke_file *f)
{
	int err = 0;

	for (unsigned int key = 0; key < SMOKE_NR_KEYS && !err; key++) {
		const char *value = settings[key].otherwise;

		if (value && !f->section[0].list[key].set)
			err = add_value(f, &f->section[0], key, value, strlen(value), 0);
	}
	return err;
}

/*
 * With sections, the part before them is not a section: its kernels are for sections that have
 * none. Refuses common kernels that no section uses.
 */
static int check_common_kernels(struct smoke_file *f)
{
	const struct smoke_list *common = &f->section[0].list[SMOKE_KERNEL];

	for (unsigned int i = smoke_file_first(f); i < f->nr_sections; i++) {
		if (!common->set || smoke_file_get(f, i, SMOKE_KERNEL) == common)
			return 0;
	}
	return fail(f, common->line,
		    "kernel: would never be started, as each section has its own; remove it");
}

static int check_sections(struct smoke_file *f)
{
	for (unsigned int i = smoke_file_first(f); i < f->nr_sections; i++) {
		if (smoke_file_get(f, i, SMOKE_KERNEL)->nr)
			continue;
		return i ? fail(f, f->section[i].line,
				"[%s] has no kernel, and there is none before the first section",
				f->section[i].name)
			 : fail(f, 1, "no kernel; add a line such as: kernel = build/bzImage");
	}
	return 0;
}

int smoke_file_parse(struct smoke_file *f, const char *text, size_t len)
{
	char *copy, *line, *rest;
	unsigned int nr = 0;
	int err;

	*f = (struct smoke_file){ 0 };
	if (len > SMOKE_MAX_FILE_BYTES)
		return fail(f, 1, "the file is larger than %llu KiB", SMOKE_MAX_FILE_BYTES / KIB);
	if (memchr(text, '\0', len))
		return fail(f, 1, "not a text file");
	copy = strndup(text, len);
	err = copy ? add_section(f, "", 1) : -ENOMEM;
	for (rest = copy; !err && (line = strsep(&rest, "\n"));)
		err = parse_line(f, line, ++nr);
	free(copy);
	if (!err)
		err = add_defaults(f);
	if (!err)
		err = check_sections(f);
	return err ? err : check_common_kernels(f);
}

void smoke_file_free(struct smoke_file *f)
{
	for (unsigned int i = 0; i < f->nr_sections; i++) {
		struct smoke_section *s = &f->section[i];

		for (unsigned int key = 0; key < SMOKE_NR_KEYS; key++) {
			for (unsigned int v = 0; v < s->list[key].nr; v++)
				free(s->list[key].value[v].text);
			free(s->list[key].value);
		}
		free(s->name);
	}
	free(f->section);
	*f = (struct smoke_file){ 0 };
}

const struct smoke_list *smoke_file_get(const struct smoke_file *f, unsigned int i,
					enum smoke_key key)
{
	return &f->section[f->section[i].list[key].set ? i : 0].list[key];
}

unsigned int smoke_file_first(const struct smoke_file *f)
{
	return f->nr_sections > 1;
}
