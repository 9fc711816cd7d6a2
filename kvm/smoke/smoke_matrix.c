/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Expands the file's settings to boots: the sections in order, and in each the kernels, CPUs,
 * memory sizes, parameters and rounds, of which the last changes fastest. Only this file makes the
 * arguments of a boot's `kvm run`. @matrix is a hash of them (FNV-1a, 64 bits) over all shards.
 */
#include "smoke.h"

#include "kvm/base/options.h"
#include "kvm/base/pathglob.h"
#include "kvm/base/quote.h"
#include "kvm/checks/expect.h"
#include "kvm/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FNV_BASIS 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL
#define MAX_LABEL 60

struct expansion {
	struct smoke_set *set;
	const struct smoke_file *file;
	const char *path;
	struct smoke_shard shard;
	struct strlist kernels; /* of all sections */
	uint64_t hash;
	/* the boot that is being made */
	unsigned int section;
	const char *kernel, *cpus, *mem, *params;
	unsigned int params_nr; /* from 1; 0: there is only one kind */
};

static const struct smoke_list *get(const struct expansion *x, enum smoke_key key)
{
	return smoke_file_get(x->file, x->section, key);
}

static int complain(const struct expansion *x, const struct smoke_value *v, enum smoke_key key,
		    const char *why)
{
	pr_err("%s:%u: %s: %s: %s", x->path, v->line, smoke_key_name(key), v->text, why);
	return -EINVAL;
}

/* ---- names --------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/*
 * Makes the name of the kernel for boot names: its file's name, or its path if another kernel has a
 * file of the same name. Keeps the end of a long one.
 */
static void make_label(const struct expansion *x, char label[MAX_LABEL + 1])
{
	const char *name = base_name(x->kernel);
	size_t len;

	for (unsigned int i = 0; i < x->kernels.nr; i++) {
		if (strcmp(x->kernels.s[i], x->kernel) != 0 &&
		    !strcmp(base_name(x->kernels.s[i]), name)) {
			name = x->kernel + strspn(x->kernel, "./");
			break;
		}
	}
	len = strlen(name);
	snprintf(label, MAX_LABEL + 1, "%s", name + (len > MAX_LABEL ? len - MAX_LABEL : 0));
}

static void make_safe(char *text)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";

	for (; *text; text++) {
		if (!strchr(letters, *text))
			*text = '_';
	}
}

static char *make_id(const struct expansion *x, uint64_t index, uint64_t round)
{
	const char *section = x->file->section[x->section].name;
	char label[MAX_LABEL + 1], params[24] = "", rounds[24] = "", *id;

	make_label(x, label);
	if (x->params_nr)
		snprintf(params, sizeof(params), "-p%u", x->params_nr);
	if (x->set->rounds > 1)
		snprintf(rounds, sizeof(rounds), "-r%llu", (unsigned long long)round);
	if (asprintf(&id, "%04llu-%s%s%s-c%s-m%s%s%s",
		     (unsigned long long)index / x->set->rounds + 1, section, *section ? "-" : "",
		     label, x->cpus, x->mem, params, rounds) < 0)
		return NULL;
	make_safe(id);
	return id;
}

static char *make_command(const struct strlist *args)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputs("kvm run", f);
	for (unsigned int i = 0; i < args->nr; i++) {
		fputc(' ', f);
		quote_shell(f, args->s[i]);
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- arguments --------------------------------------------------------------------------- */

static int add(struct strlist *l, const char *text)
{
	return strlist_add(l, text, strlen(text));
}

static int add_option(struct strlist *l, const char *option, const char *value)
{
	int err = add(l, option);

	return err ? err : add(l, value);
}

/* Adds @option before each value of @key; NULL: adds only the values. */
static int add_list(const struct expansion *x, struct strlist *l, const char *option,
		    enum smoke_key key)
{
	const struct smoke_list *values = get(x, key);
	int err = 0;

	for (unsigned int i = 0; i < values->nr && !err; i++) {
		if (option)
			err = add(l, option);
		if (!err)
			err = add(l, values->value[i].text);
	}
	return err;
}

static int make_args(const struct expansion *x, struct strlist *l, unsigned int *nr_options)
{
	int err = add_option(l, "-k", x->kernel);

	if (!err)
		err = add_list(x, l, "-i", SMOKE_INITRD);
	if (!err)
		err = add_option(l, "-c", x->cpus);
	if (!err)
		err = add_option(l, "-m", x->mem);
	if (!err && *x->params)
		err = add_option(l, "-p", x->params);
	if (!err)
		err = add_list(x, l, "--timeout", SMOKE_TIMEOUT);
	if (!err)
		err = add_list(x, l, "--expect", SMOKE_EXPECT);
	if (!err)
		err = add_list(x, l, "--fail-on", SMOKE_FAIL_ON);
	if (!err)
		err = add_list(x, l, NULL, SMOKE_OPTIONS);
	*nr_options = l->nr;
	if (!err && get(x, SMOKE_COMMAND)->nr)
		err = add(l, "--");
	return err ? err : add_list(x, l, NULL, SMOKE_COMMAND);
}

static uint64_t hash(uint64_t h, const char *text)
{
	do
		h = (h ^ (unsigned char)*text) * FNV_PRIME;
	while (*text++);
	return h;
}

static int fill_in(const struct expansion *x, struct smoke_boot *b, uint64_t index, uint64_t round)
{
	b->index = index;
	b->round = round;
	b->id = make_id(x, index, round);
	b->section = strdup(x->file->section[x->section].name);
	b->kernel = strdup(x->kernel);
	b->params = strdup(x->params);
	parse_uint(x->cpus, &b->cpus);
	parse_size(x->mem, &b->mem_bytes);
	parse_uint(get(x, SMOKE_TIMEOUT)->value[0].text, &b->timeout_s);
	parse_uint(get(x, SMOKE_EXIT)->value[0].text, &b->expected);
	return b->id && b->section && b->kernel && b->params ? 0 : -ENOMEM;
}

/* Adds one machine, @rounds times; only counts the boots of other shards. */
static int add_machine(struct expansion *x)
{
	struct smoke_set *set = x->set;
	int err = 0;

	for (uint64_t round = 1; round <= set->rounds && !err; round++) {
		struct smoke_boot made = { 0 }, *b;
		uint64_t index = set->total++;

		if (set->total > SMOKE_MAX_BOOTS) {
			pr_err("%s: more than %d boots; split the file", x->path, SMOKE_MAX_BOOTS);
			return -E2BIG;
		}
		err = make_args(x, &made.args, &made.nr_options);
		for (unsigned int i = 0; i < made.args.nr && round == 1; i++)
			x->hash = hash(x->hash, made.args.s[i]);
		if (round == 1)
			x->hash = hash(x->hash, get(x, SMOKE_EXIT)->value[0].text);
		if (!err && index % x->shard.of == x->shard.number - 1) {
			b = smoke_add(set);
			if (!b) {
				strlist_free(&made.args);
				return -ENOMEM;
			}
			*b = made;
			b->command = make_command(&b->args);
			err = b->command ? fill_in(x, b, index, round) : -ENOMEM;
		} else {
			strlist_free(&made.args);
		}
	}
	return err;
}

/* ---- the product --------------------------------------------------------------------------- */

static int each_params(struct expansion *x)
{
	const struct smoke_list *l = get(x, SMOKE_PARAMS);
	int err = 0;

	for (unsigned int i = 0; i < l->nr && !err; i++) {
		x->params = l->value[i].text;
		x->params_nr = l->nr > 1 ? i + 1 : 0;
		err = add_machine(x);
	}
	return err;
}

static int each_machine(struct expansion *x, const struct strlist *kernels)
{
	const struct smoke_list *cpus = get(x, SMOKE_CPUS), *mem = get(x, SMOKE_MEM);
	uint64_t nr = (uint64_t)kernels->nr * cpus->nr * mem->nr;
	int err = 0;

	for (uint64_t i = 0; i < nr && !err; i++) {
		x->mem = mem->value[i % mem->nr].text;
		x->cpus = cpus->value[i / mem->nr % cpus->nr].text;
		x->kernel = kernels->s[i / mem->nr / cpus->nr];
		err = each_params(x);
	}
	return err;
}

/*
 * Finds the section's kernels in the order of its patterns. A file that two patterns match is added
 * once.
 */
static int find_kernels(struct expansion *x, struct strlist *to)
{
	const struct smoke_list *l = get(x, SMOKE_KERNEL);
	int err = 0;

	for (unsigned int i = 0; i < l->nr && !err; i++) {
		struct strlist found = { 0 };

		err = pathglob(&found, l->value[i].text, SMOKE_MAX_VALUES);
		if (err == -E2BIG)
			err = complain(x, &l->value[i], SMOKE_KERNEL, "too many files match");
		else if (!err && !found.nr)
			err = complain(x, &l->value[i], SMOKE_KERNEL, "no file matches");
		for (unsigned int j = 0; j < found.nr && !err; j++) {
			if (access(found.s[j], R_OK))
				err = complain(x, &l->value[i], SMOKE_KERNEL, strerror(errno));
			else if (!strlist_has(to, found.s[j], strlen(found.s[j])))
				err = add(to, found.s[j]);
		}
		strlist_free(&found);
	}
	return err;
}

static int check_files(const struct expansion *x)
{
	const struct smoke_list *initrds = get(x, SMOKE_INITRD);

	for (unsigned int i = 0; i < initrds->nr; i++) {
		if (access(initrds->value[i].text, R_OK))
			return complain(x, &initrds->value[i], SMOKE_INITRD, strerror(errno));
	}
	return 0;
}

/* Whether @option is @name, also abbreviated ("--lo") or with its value ("--log=FILE"). */
static bool is_ours(const char *option, const char *name)
{
	size_t len = strcspn(option, "=");

	return len > strlen("--") && len <= strlen(name) && !strncmp(option, name, len);
}

/* Text is taken as it is: quotation marks around it, as a shell wants them, would match nothing. */
static void warn_of_quotes(const struct expansion *x)
{
	static const enum smoke_key texts[] = { SMOKE_PARAMS, SMOKE_EXPECT, SMOKE_FAIL_ON };

	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		const struct smoke_list *l = get(x, texts[i]);

		for (unsigned int j = 0; j < l->nr; j++) {
			const char *text = l->value[j].text;
			size_t len = strlen(text);

			if (len > 1 && strchr("'\"", *text) && text[len - 1] == *text)
				pr_warn("%s:%u: %s: the quotation marks are part of the value; remove them",
					x->path, l->value[j].line, smoke_key_name(texts[i]));
		}
	}
}

/* Refuses what each `kvm run` would refuse. */
static int check_section(const struct expansion *x)
{
	static const enum smoke_key regexes[] = { SMOKE_EXPECT, SMOKE_FAIL_ON };
	const struct smoke_list *options = get(x, SMOKE_OPTIONS);
	char why[EXPECT_WHY_BYTES];

	for (unsigned int i = 0; i < ARRAY_SIZE(regexes); i++) {
		const struct smoke_list *l = get(x, regexes[i]);

		for (unsigned int j = 0; j < l->nr; j++) {
			if (expect_try(l->value[j].text, why))
				return complain(x, &l->value[j], regexes[i], why);
		}
	}
	for (unsigned int i = 0; i < options->nr; i++) {
		const char *option = options->value[i].text;

		if (!strcmp(option, "--"))
			return complain(x, &options->value[i], SMOKE_OPTIONS,
					"not allowed here; use the setting `command`");
		if (is_ours(option, "--log") || is_ours(option, "--report"))
			return complain(x, &options->value[i], SMOKE_OPTIONS,
					"kvm smoke writes this file itself, see --out and --keep");
	}
	warn_of_quotes(x);
	return check_files(x);
}

static int expand_section(struct expansion *x)
{
	struct strlist kernels = { 0 };
	int err = check_section(x);

	if (!err)
		err = find_kernels(x, &kernels);
	if (!err)
		err = each_machine(x, &kernels);
	strlist_free(&kernels);
	return err;
}

/* Finds all kernels before the first name is made. */
static int gather_kernels(struct expansion *x)
{
	int err = 0;

	for (x->section = smoke_file_first(x->file); x->section < x->file->nr_sections && !err;
	     x->section++)
		err = find_kernels(x, &x->kernels);
	return err;
}

int smoke_expand(struct smoke_set *set, const struct smoke_file *f, const char *path,
		 uint64_t rounds, struct smoke_shard shard)
{
	struct expansion x = {
		.set = set, .file = f, .path = path, .shard = shard, .hash = FNV_BASIS
	};
	int err = gather_kernels(&x);

	set->file = strdup(base_name(path));
	set->rounds = rounds;
	if (!err && !set->file)
		err = -ENOMEM;
	for (x.section = smoke_file_first(f); x.section < f->nr_sections && !err; x.section++)
		err = expand_section(&x);
	snprintf(set->matrix, sizeof(set->matrix), "%016llx", (unsigned long long)x.hash);
	strlist_free(&x.kernels);
	if (err == -ENOMEM)
		pr_err("out of memory");
	return err;
}
