/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests kvm smoke: its file, the matrix and its parts, reports written and read back, and how they
 * are merged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/base/json.h"
#include "kvm/base/pathglob.h"
#include "kvm/smoke/smoke.h"
#include "messages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the file --------------------------------------------------------------------------- */

static int parse(struct smoke_file *f, const char *text)
{
	return smoke_file_parse(f, text, strlen(text));
}

static void assert_list(const struct smoke_list *l, const char *joined)
{
	char text[400] = "";

	for (unsigned int i = 0; i < l->nr; i++) {
		strcat(text, i ? "|" : "");
		strcat(text, l->value[i].text);
	}
	assert_string_equal(text, joined);
}

static void test_file(void **state)
{
	struct smoke_file f;

	(void)state;
	assert_int_equal(
		parse(&f,
		      "# comment\n\n kernel = a 'b c' \"d\\\"e\" f\\ g \"x\\.y\\\\z\"\r\ncpus=1 0x4\nparams = quiet # no comment\n"
		      "params =\nkernel = h\ncommand = sh -c '' \"it's\"\nexpect = a = b\ntimeout = 5\ntimeout = 6"),
		0);
	assert_int_equal(f.nr_sections, 1);
	assert_int_equal(smoke_file_first(&f), 0);
	assert_list(smoke_file_get(&f, 0, SMOKE_KERNEL), "a|b c|d\"e|f g|x\\.y\\z|h");
	assert_list(smoke_file_get(&f, 0, SMOKE_CPUS), "1|0x4");
	assert_list(smoke_file_get(&f, 0, SMOKE_MEM), "1G");
	assert_list(smoke_file_get(&f, 0, SMOKE_PARAMS), "quiet # no comment|");
	assert_list(smoke_file_get(&f, 0, SMOKE_COMMAND), "sh|-c||it's");
	assert_list(smoke_file_get(&f, 0, SMOKE_EXPECT), "a = b");
	assert_list(smoke_file_get(&f, 0, SMOKE_TIMEOUT), "6");
	assert_list(smoke_file_get(&f, 0, SMOKE_EXIT), "0");
	assert_int_equal(smoke_file_get(&f, 0, SMOKE_KERNEL)->value[5].line, 7);
	smoke_file_free(&f);
}

static void test_sections(void **state)
{
	struct smoke_file f;

	(void)state;
	assert_int_equal(
		parse(&f,
		      "kernel = a\ninitrd = i\nexpect = up\n[one]\nkernel = b\n[two 2]\ninitrd =\nexpect =\ncpus = 2\n"),
		0);
	assert_int_equal(f.nr_sections, 3);
	assert_int_equal(smoke_file_first(&f), 1);
	assert_list(smoke_file_get(&f, 1, SMOKE_KERNEL), "b");
	assert_list(smoke_file_get(&f, 1, SMOKE_INITRD), "i");
	assert_list(smoke_file_get(&f, 1, SMOKE_CPUS), "1");
	assert_list(smoke_file_get(&f, 2, SMOKE_KERNEL), "a");
	assert_list(smoke_file_get(&f, 2, SMOKE_INITRD), "");
	assert_list(smoke_file_get(&f, 2, SMOKE_EXPECT), "");
	assert_list(smoke_file_get(&f, 2, SMOKE_CPUS), "2");
	assert_string_equal(f.section[2].name, "two 2");
	smoke_file_free(&f);
}

static const struct {
	const char *text;
	unsigned int line;
	const char *why; /* a part of it */
} bad_files[] = {
	{ "", 1, "no kernel" },
	{ "kernel a\n", 1, "neither NAME = VALUE" },
	{ "kernel = a\n\nkernels = b\n", 3, "no such setting" },
	{ "kernel =\n", 1, "a value is missing" },
	{ "kernel = 'a\n", 1, "quotation mark" },
	{ "kernel = ''\n", 1, "empty name" },
	{ "kernel = a\ncpus = 0\n", 2, "out of range" },
	{ "kernel = a\ncpus = two\n", 2, "not a number" },
	{ "kernel = a\nmem = 1\n", 2, "out of range" },
	{ "kernel = a\nmem = 1Q\n", 2, "not a size" },
	{ "kernel = a\ntimeout = 1 2\n", 2, "one number" },
	{ "kernel = a\nexit = 256\n", 2, "out of range" },
	{ "kernel = a\n[b\n", 2, "end with ]" },
	{ "kernel = a\n[]\n", 2, "1 to 64" },
	{ "kernel = a\n[b/c]\n", 2, "1 to 64" },
	{ "kernel = a\n[b]\n[c]\n[b]\n", 4, "in line 2" },
	{ "mem = 1G\n[b]\nkernel = a\n[c]\ncpus = 1\n", 4, "[c] has no kernel" },
	{ "kernel = a\n[b]\nkernel = c\n", 1, "never be started" },
};

static void test_bad_files(void **state)
{
	struct smoke_file f;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad_files); i++) {
		int err = parse(&f, bad_files[i].text);

		if (err != -EINVAL || f.line != bad_files[i].line ||
		    !strstr(f.why, bad_files[i].why))
			fail_msg("%s: %d, line %u: %s", bad_files[i].text, err, f.line, f.why);
		smoke_file_free(&f);
	}
	assert_int_equal(smoke_file_parse(&f, "kernel = a\0", 11), -EINVAL);
	smoke_file_free(&f);
}

/* ---- patterns --------------------------------------------------------------------------- */

static void make_tree(void)
{
	static const char *const names[] = { "b/Image", "a/Image", ".hidden/Image", "c/other" };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		char dir[32];

		snprintf(dir, sizeof(dir), "%.*s", (int)strcspn(names[i], "/"), names[i]);
		mkdir(dir, 0777);
		fclose(fopen(names[i], "w"));
	}
}

static int enter(void **state)
{
	static char dir[] = "/tmp/test_smoke.XXXXXX";

	*state = dir;
	if (!mkdtemp(dir) || chdir(dir))
		return -1;
	make_tree();
	return 0;
}

static int leave(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", (char *)*state);
	return chdir("/") || system(command);
}

static void assert_glob(const char *pattern, const char *joined)
{
	struct strlist l = { 0 };
	char text[400] = "";

	assert_int_equal(pathglob(&l, pattern, 10), 0);
	for (unsigned int i = 0; i < l.nr; i++) {
		strcat(text, i ? " " : "");
		strcat(text, l.s[i]);
	}
	assert_string_equal(text, joined);
	strlist_free(&l);
}

static void test_glob(void **state)
{
	struct strlist l = { 0 };
	char absolute[100], joined[200];

	assert_glob("*/Image", "a/Image b/Image");
	assert_glob("[ac]/*", "a/Image c/other");
	assert_glob("./?//Image", "./a/Image ./b/Image");
	assert_glob(".*/Im*", ".hidden/Image");
	assert_glob("nothing/Image", "nothing/Image");
	assert_glob("*/nothing", "");
	assert_glob("c/other/*", "");
	snprintf(absolute, sizeof(absolute), "%s/*/I*", (char *)*state);
	snprintf(joined, sizeof(joined), "%s/a/Image %s/b/Image", (char *)*state, (char *)*state);
	assert_glob(absolute, joined);
	assert_int_equal(pathglob(&l, "*", 1), -E2BIG);
	strlist_free(&l);
}

/* ---- the matrix --------------------------------------------------------------------------- */

static int expand(struct smoke_set *set, const char *text, uint64_t rounds, uint64_t number,
		  uint64_t of)
{
	struct smoke_file f;
	int err = parse(&f, text);

	*set = (struct smoke_set){ 0 };
	assert_int_equal(err, 0);
	err = smoke_expand(set, &f, "dir/name.smoke", rounds, (struct smoke_shard){ number, of });
	smoke_file_free(&f);
	return err;
}

static const char matrix[] =
	"kernel = */Image\ncpus = 1 2\nmem = 64M 1G\nparams =\nparams = a 'b\noptions = --rng off\n"
	"[first]\nexpect = x y\n[second]\nkernel = c/other\ncpus = 4\nmem = 1G\nparams = c\ncommand = uname -a\n";

static void test_matrix(void **state)
{
	struct smoke_set set;

	(void)state;
	assert_int_equal(expand(&set, matrix, 1, 1, 1), 0);
	assert_int_equal(set.nr, 17);
	assert_int_equal(set.total, 17);
	assert_string_equal(set.file, "name.smoke");
	assert_string_equal(set.boot[0].id, "0001-first-a_Image-c1-m64M-p1");
	assert_string_equal(set.boot[0].command,
			    "kvm run -k a/Image -c 1 -m 64M --timeout 60 --expect 'x y' --rng off");
	assert_string_equal(set.boot[15].id, "0016-first-b_Image-c2-m1G-p2");
	assert_string_equal(
		set.boot[15].command,
		"kvm run -k b/Image -c 2 -m 1G -p 'a '\\''b' --timeout 60 --expect 'x y' --rng off");
	assert_string_equal(set.boot[16].id, "0017-second-other-c4-m1G");
	assert_string_equal(
		set.boot[16].command,
		"kvm run -k c/other -c 4 -m 1G -p c --timeout 60 --rng off -- uname -a");
	assert_int_equal(set.boot[16].cpus, 4);
	assert_int_equal(set.boot[16].mem_bytes, GIB);
	assert_string_equal(set.boot[16].args.s[set.boot[16].nr_options], "--");
	smoke_set_free(&set);
}

/* Each boot is in one part, with its name in the whole matrix. */
static void test_shards(void **state)
{
	struct smoke_set whole, part;
	unsigned int seen = 0;

	(void)state;
	assert_int_equal(expand(&whole, matrix, 3, 1, 1), 0);
	assert_int_equal(whole.nr, 51);
	for (uint64_t i = 1; i <= 4; i++) {
		assert_int_equal(expand(&part, matrix, 3, i, 4), 0);
		assert_int_equal(part.total, 51);
		assert_string_equal(part.matrix, whole.matrix);
		for (unsigned int k = 0; k < part.nr; k++) {
			assert_string_equal(part.boot[k].id, whole.boot[part.boot[k].index].id);
			assert_string_equal(part.boot[k].command,
					    whole.boot[part.boot[k].index].command);
			assert_int_equal(part.boot[k].index % 4, i - 1);
		}
		seen += part.nr;
		smoke_set_free(&part);
	}
	assert_int_equal(seen, 51);
	smoke_set_free(&whole);
}

/* Parts that expect different exit codes must not be merged. */
static void test_expected_codes(void **state)
{
	struct smoke_set good, bad;

	(void)state;
	assert_int_equal(expand(&good, "kernel = a/Image\n", 1, 1, 1), 0);
	assert_int_equal(expand(&bad, "kernel = a/Image\nexit = 120\n", 1, 1, 1), 0);
	assert_string_not_equal(good.matrix, bad.matrix);
	smoke_set_free(&good);
	smoke_set_free(&bad);
}

/* Quotation marks around a text are kept, with a warning: no shell removes them. */
static void test_quoted_text(void **state)
{
	char path[64], text[256];
	struct messages m;
	struct smoke_set set;

	snprintf(path, sizeof(path), "%s/messages", (char *)*state);
	assert_int_equal(messages_begin(&m, path), 0);
	assert_int_equal(
		expand(&set, "kernel = a/Image\nexpect = \"up\"\nparams = a=\"b\"\n", 1, 1, 1), 0);
	memset(text, 0, sizeof(text));
	assert_true(pread(m.file, text, sizeof(text) - 1, 0) > 0);
	messages_end(&m);
	assert_non_null(strstr(text, ":2: expect: the quotation marks are part of the value"));
	assert_null(strstr(text, "params"));
	smoke_set_free(&set);
}

static void test_bad_matrix(void **state)
{
	static const char *const texts[] = {
		"kernel = nothing\n",
		"kernel = *nothing\n",
		"kernel = a/Image\ninitrd = nothing\n",
		"kernel = a/Image\nexpect = (\n",
		"kernel = a/Image\nfail-on = \\1\n",
		"kernel = a/Image\noptions = -- true\n",
		"kernel = a/Image\noptions = --log mine\n",
		"kernel = a/Image\noptions = --report=mine\n",
		"kernel = a/Image\noptions = --lo mine\n",
	};
	char path[64];
	struct messages m;
	struct smoke_set set;

	snprintf(path, sizeof(path), "%s/messages", (char *)*state);
	assert_int_equal(messages_begin(&m, path), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_not_equal(expand(&set, texts[i], 1, 1, 1), 0);
		smoke_set_free(&set);
	}
	assert_int_equal(expand(&set, "kernel = a/Image\nmem = 64M 65M\n", 15000, 1, 1), -E2BIG);
	smoke_set_free(&set);
	messages_end(&m);
}

/* ---- reports --------------------------------------------------------------------------- */

static void finish(struct smoke_set *set, bool passed)
{
	for (unsigned int i = 0; i < set->nr; i++) {
		struct smoke_result *r = &set->boot[i].result;

		r->done = true;
		r->passed = passed || i % 3;
		r->verdict = strdup(r->passed ? "met" : "panic");
		r->text = strdup("a \"text\"\n\033[1m<b>&\xff");
		r->exit_code = r->passed ? 0 : 120;
		r->duration_ms = 100 + 37 * set->boot[i].index;
		r->excerpt = r->passed ? NULL : strdup("Oops: ]]>\n");
		r->tail = r->passed ? NULL : strdup("last\n");
	}
}

static __attribute__((noinline)) char *render(const struct smoke_set *set,
					      void (*writer)(FILE *f, const void *ctx))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	writer(f, set);
	fclose(f);
	return text;
}

/* Parts read back from their reports, in any order, give the whole. */
static void test_merge(void **state)
{
	struct smoke_set whole, part, merged = { 0 };
	char *text, *again, why[200];

	(void)state;
	assert_int_equal(expand(&whole, matrix, 2, 1, 1), 0);
	finish(&whole, true);
	text = render(&whole, smoke_json);
	for (uint64_t i = 3; i >= 1; i--) {
		char *report;

		assert_int_equal(expand(&part, matrix, 2, i, 3), 0);
		finish(&part, true);
		report = render(&part, smoke_json);
		smoke_set_free(&part);
		assert_int_equal(smoke_read(&part, report, strlen(report), why), 0);
		free(report);
		assert_int_equal(smoke_merge(&merged, &part, why), 0);
		smoke_set_free(&part);
		assert_int_equal(smoke_count(&merged).missing, i == 3 ? 23 : i == 2 ? 12 : 0);
	}
	again = render(&merged, smoke_json);
	assert_string_equal(text, again);
	assert_int_equal(smoke_read(&part, text, strlen(text), why), 0);
	assert_int_equal(smoke_merge(&merged, &part, why), -EINVAL);
	assert_non_null(strstr(why, "0001-first-a_Image-c1-m64M-p1-r1"));
	smoke_set_free(&part);
	assert_int_equal(expand(&part, matrix, 1, 1, 1), 0);
	assert_int_equal(smoke_merge(&merged, &part, why), -EINVAL);
	smoke_set_free(&part);
	smoke_set_free(&merged);
	smoke_set_free(&whole);
	free(text);
	free(again);
}

static void test_read(void **state)
{
	/* A change to a valid report (from, to), after which it must be refused. */
	static const char *const changes[][2] = {
		{ "kvm-smoke-report/1", "kvm-smoke-report/2" },
		{ "\"total\": 17", "\"total\": 0" },
		{ "\"total\": 17", "\"total\": 16" },
		{ "\"total\": 17", "\"total\": 99999999" },
		{ "\"rounds\": 1", "\"rounds\": 0" },
		{ "\"index\": 3", "\"index\": 2" },
		{ "\"index\": 16", "\"index\": 17" },
		{ "\"round\": 1", "\"round\": 2" },
		{ "\"passed\": true", "\"passed\": 1" },
		{ "\"exit_code\": 120", "\"exit_code\": 256" },
		{ "\"duration_ms\": 100", "\"duration_ms\": -1" },
		{ "\"duration_ms\": 100", "\"duration_ms\": 1e5" },
		{ "\"text\": ", "\"test\": " },
		{ "\"matrix\": \"", "\"matrix\": \"Z" },
		{ "\"boots\": [", "\"boots\": [0, " },
		{ "\"boots\": [", "\"boots\": [" },
	};
	struct smoke_set set, back;
	char *text, why[200];

	(void)state;
	assert_int_equal(expand(&set, matrix, 1, 1, 1), 0);
	finish(&set, false);
	text = render(&set, smoke_json);
	for (unsigned int i = 0; i < ARRAY_SIZE(changes); i++) {
		const char *at = strstr(text, changes[i][0]);
		char *changed;
		int err;

		assert_non_null(at);
		assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, changes[i][1],
				     at + strlen(changes[i][0])) > 0);
		back = (struct smoke_set){ 0 };
		err = smoke_read(&back, changed, strlen(changed), why);
		if (err != (i == ARRAY_SIZE(changes) - 1 ? 0 : -EINVAL))
			fail_msg("%s: %d", changes[i][1], err);
		smoke_set_free(&back);
		free(changed);
	}
	for (size_t len = 0; len < strlen(text) - 2; len += 7) {
		back = (struct smoke_set){ 0 };
		assert_int_equal(smoke_read(&back, text, len, why), -EINVAL);
		smoke_set_free(&back);
	}
	free(text);
	smoke_set_free(&set);
}

static void test_read_run(void **state)
{
	static const char report[] =
		"{ \"schema\": \"kvm-run-report/1\", \"verdict\": \"panic\", \"text\": \"it panicked\", \"failures\": [ { \"title\": \"Oops\", \"excerpt\": \"line\\n\" } ], \"tests\": { \"passed\": 3, \"failed\": 1, \"skipped\": 0, \"results\": [ { \"name\": \"s.a\", \"status\": \"passed\" }, { \"name\": \"s.b\", \"status\": \"failed\", \"diagnostic\": \"why\" } ] }, \"console_tail\": \"end\\n\" }";
	struct smoke_result r = { .exit_code = 120 };

	(void)state;
	assert_int_equal(smoke_read_run(&r, report, strlen(report), 124), 0);
	assert_string_equal(r.verdict, "panic");
	assert_string_equal(r.text, "it panicked; exit code 120 instead of 124");
	assert_string_equal(r.excerpt, "Oops\nline\ns.b\nwhy\n");
	assert_string_equal(r.tail, "end\n");
	assert_int_equal(r.tests_passed, 3);
	free(r.verdict);
	free(r.text);
	free(r.excerpt);
	free(r.tail);
	r = (struct smoke_result){ 0 };
	assert_int_equal(smoke_read_run(&r, "{}", 2, 0), -EINVAL);
	assert_int_equal(smoke_read_run(&r, "{", 1, 0), -EINVAL);
}

static void table(FILE *f, const void *ctx)
{
	smoke_table(f, ctx);
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int nr = 0;

	for (; (text = strstr(text, what)); text++)
		nr++;
	return nr;
}

static void test_for_people(void **state)
{
	struct smoke_set set;
	char *text;

	(void)state;
	assert_int_equal(expand(&set, "kernel = a/Image\nmem = 64M\n", 50, 1, 1), 0);
	finish(&set, false);
	text = render(&set, table);
	assert_non_null(strstr(
		text,
		"\n0001-Image-c1-m64M     1     64M      33      17     0.100     1.025     1.913\n"));
	assert_non_null(strstr(
		text,
		"\n0001-Image-c1-m64M: 50 boots, 17 failed\n     0.000 ..     0.200 s  ##x 3\n     0.200 .."));
	assert_non_null(strstr(text, "\n50 boots: 33 passed, 17 failed\n"));
	free(text);
	text = render(&set, smoke_junit);
	assert_int_equal(count(text, "<testcase "), 50);
	assert_int_equal(count(text, "<failure "), 17);
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "]]>"));
	free(text);
	smoke_set_free(&set);
	assert_int_equal(expand(&set, matrix, 1, 2, 2), 0);
	finish(&set, false);
	set.whole = true;
	text = render(&set, table);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "17 boots: 5 passed, 3 failed, 9 missing\n"));
	free(text);
	text = render(&set, smoke_junit);
	assert_non_null(strstr(text, "tests=\"9\" failures=\"4\""));
	free(text);
	smoke_set_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),	       cmocka_unit_test(test_sections),
		cmocka_unit_test(test_bad_files),      cmocka_unit_test(test_glob),
		cmocka_unit_test(test_matrix),	       cmocka_unit_test(test_shards),
		cmocka_unit_test(test_expected_codes), cmocka_unit_test(test_quoted_text),
		cmocka_unit_test(test_bad_matrix),     cmocka_unit_test(test_merge),
		cmocka_unit_test(test_read),	       cmocka_unit_test(test_read_run),
		cmocka_unit_test(test_for_people),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
