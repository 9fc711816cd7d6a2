/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests reports: each format's quoting and content, and how they are written to files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/base/quote.h"
#include "kvm/checks/outcome.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *quoted(void (*quote)(FILE *f, const char *text, size_t len), const char *text)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	quote(f, text, strlen(text));
	fclose(f);
	return out;
}

#define FFFD "\xef\xbf\xbd"

static void test_quotes(void **state)
{
	static const struct {
		void (*quote)(FILE *f, const char *text, size_t len);
		const char *in, *out;
	} rows[] = {
		{ quote_json, "a\"b\\c\n\t\001\177", "\"a\\\"b\\\\c\\n\\u0009\\u0001\\u007f\"" },
		{ quote_json, "\xc3\xa9 \xf0\x9f\x98\x80", "\"\xc3\xa9 \xf0\x9f\x98\x80\"" },
		{ quote_json, "\xff\xc0\x80\xed\xa0\x80", "\"" FFFD FFFD FFFD FFFD FFFD FFFD "\"" },
		{ quote_json, "\xf4\x90\x80\x80\xe2\x82", "\"" FFFD FFFD FFFD FFFD FFFD FFFD "\"" },
		{ quote_xml, "<a b='c'>\"&\n\t\001",
		  "&lt;a b=&apos;c&apos;&gt;&quot;&amp;\n\t" FFFD },
		{ quote_xml, "]]>\xef\xbf\xbf", "]]&gt;" FFFD FFFD FFFD },
		{ quote_xml_attribute, "a\nb\tc\"", "a&#10;b&#9;c&quot;" },
		{ quote_line, "a\rb\x1b[0m\n", "a b [0m " },
		{ quote_line,
		  "\xc2\x9b"
		  "2J\xff",
		  " 2J\xef\xbf\xbd" },
		{ quote_json, "\xc2\x9b", "\"\\u009b\"" },
		{ quote_xml, "\xc2\x9b\x7f", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ quote_github, "100%\r\n\xe4\x1b\xc3\xa4", "100%25%0D%0A\xef\xbf\xbd \xc3\xa4" },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		char *out = quoted(rows[i].quote, rows[i].in);

		assert_string_equal(out, rows[i].out);
		free(out);
	}
}

static const struct verdict failed = { .kind = VERDICT_FAILED, .text = "it <failed>" };

static char *render(void (*writer)(FILE *f, const struct outcome *o), const struct outcome *o)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	writer(f, o);
	fclose(f);
	return out;
}

static void has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("no %s in %s", what, text);
}

static void test_writers(void **state)
{
	static char *const argv[] = { (char *)"run", (char *)"-p", (char *)"a \"b\"" };
	struct outcome o = { .verdict = &failed, .argc = 3, .argv = argv, .duration_ms = 1234 };
	struct ktap k = { 0 };
	char *text;

	(void)state;
	ktap_line(&k, "TAP version 13", 1);
	ktap_line(&k, "# why <not>", 2);
	ktap_line(&k, "not ok 1 a#b", 3);
	ktap_line(&k, "ok 2 c # SKIP no", 4);
	ktap_end(&k, 4);
	o.ktap = &k;
	o.failure[o.nr_failures++] =
		(struct outcome_failure){ "kernel", "oops", "Oops: <0>", 7, "x\ny\n", 4 };
	text = render(outcome_json, &o);
	has(text, "\"exit_code\": 122");
	has(text, "\"arguments\": [\"-p\", \"a \\\"b\\\"\"]");
	has(text,
	    "\"class\": \"oops\", \"title\": \"Oops: <0>\", \"line\": 7, \"excerpt\": \"x\\ny\\n\"");
	has(text, "\"name\": \"a#b\", \"status\": \"failed\"");
	free(text);
	text = render(outcome_junit, &o);
	has(text, "tests=\"3\" failures=\"2\" errors=\"0\" skipped=\"1\" time=\"1.234\"");
	has(text, "message=\"it &lt;failed&gt;\"");
	has(text, "# why &lt;not&gt;");
	free(text);
	text = render(outcome_tap, &o);
	has(text, "1..3\n# Oops: <0>\n# x\n# y\nnot ok 1 - kvm.end: it <failed>\n");
	has(text, "not ok 2 - a/b\nok 3 - c # SKIP no\n");
	free(text);
	ktap_fini(&k);
}

/* Only after a bad end; and the guest's text cannot act as the launcher's. */
static void test_annotations(void **state)
{
	static const char tail[] = "::error::x\n ##[warning]y\nplain\n";
	struct verdict good = { .kind = VERDICT_POWEROFF };
	struct outcome o = { .verdict = &failed, .tail = tail, .tail_len = sizeof(tail) - 1 };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	outcome_annotate(f, &o, OUTCOME_GITHUB);
	fflush(f);
	assert_string_equal(
		text, "::group::kvm: the failing part\n| ::error::x\n|  ## [warning]y\n| plain\n"
		      "::endgroup::\n::error title=kvm run (failed)::it <failed>\n");
	rewind(f);
	outcome_annotate(f, &o, OUTCOME_GITLAB);
	fflush(f);
	has(text,
	    "section_start:0:kvm_failure[collapsed=true]\r\033[0Kkvm: the failing part\n| ::error::x\n");
	fclose(f);
	free(text);
	o.verdict = &good;
	f = open_memstream(&text, &len);
	outcome_annotate(f, &o, OUTCOME_GITHUB);
	fclose(f);
	assert_int_equal(len, 0);
	free(text);
}

static void write_x(FILE *f, const struct outcome *o)
{
	(void)o;
	fputs("x\n", f);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/kvm-outcome-XXXXXX", path[64], fifo[64];
	struct outcome o = { .verdict = &failed };
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/r", dir);
	snprintf(fifo, sizeof(fifo), "%s/f", dir);
	assert_int_equal(outcome_check_path("report", path), 0);
	assert_int_equal(outcome_write("report", path, &o, write_x, true), 0);
	assert_int_equal(outcome_write("report", path, &o, write_x, false), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 2);
	/* Others are written to, once. */
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(outcome_write("report", fifo, &o, write_x, true), 0);
	assert_int_equal(outcome_write("report", "/dev/full", &o, write_x, false), -ENOSPC);
	assert_int_equal(outcome_check_path("report", "/nowhere/r"), -ENOENT);
	unlink(fifo);
	unlink(path);
	assert_int_equal(rmdir(dir), 0); /* no temporary file remains */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_writers),
		cmocka_unit_test(test_annotations),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
