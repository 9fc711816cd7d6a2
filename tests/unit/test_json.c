/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the JSON parser: valid and invalid texts, and the values read from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/base/json.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *text;
	unsigned int line; /* 0: valid */
} rows[] = {
	{ "null", 0 },
	{ " true ", 0 },
	{ "[]", 0 },
	{ "{}", 0 },
	{ "[1, -2, 0.5, 1e9, 2E-3, 18446744073709551616]", 0 },
	{ "{\"a\":{\"b\":[{}]}}", 0 },
	{ "\"\\u00e9\\ud83d\\ude00\\ud800\\n\\/\"", 0 },
	{ "", 1 },
	{ "nul", 1 },
	{ "tru", 1 },
	{ "\n\n[1 2]", 3 },
	{ "[1,]", 1 },
	{ "[,1]", 1 },
	{ "[1", 1 },
	{ "{\"a\" 1}", 1 },
	{ "{\"a\":}", 1 },
	{ "{a:1}", 1 },
	{ "{\"a\":1,}", 1 },
	{ "{\"a\":1\n", 2 },
	{ "\"a", 1 },
	{ "\"a\\\"", 1 },
	{ "\"\\x\"", 1 },
	{ "\"\\u12g4\"", 1 },
	{ "\"\\u12", 1 },
	{ "\"a\nb\"", 1 },
	{ "01", 1 },
	{ "-", 1 },
	{ "1.", 1 },
	{ "1e", 1 },
	{ "1e+", 1 },
	{ ".5", 1 },
	{ "+1", 1 },
	{ "1 1", 1 },
	{ "]", 1 },
};

static void test_grammar(void **state)
{
	struct json j;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		int err = json_parse(&j, rows[i].text, strlen(rows[i].text));

		if (err != (rows[i].line ? -EINVAL : 0) || j.line != rows[i].line)
			fail_msg("%s: %d, line %u: %s", rows[i].text, err, j.line,
				 j.why ? j.why : "");
		json_free(&j);
	}
}

static void test_values(void **state)
{
	static const char text[] =
		"{ \"s\": \"a\\u0000\\ud83d\\ude00\\udc00\\tz\", \"n\": 18446744073709551615, \"m\": 18446744073709551616, \"o\": -1, \"b\": true, \"l\": [1, [2, 3], \"x\"], \"s\": 5, \"e\": \"\" }";
	const struct json_node *n;
	uint64_t value = 7;
	bool flag = false;
	struct json j;

	(void)state;
	assert_int_equal(json_parse(&j, text, strlen(text)), 0);
	assert_string_equal(json_string(&j, j.node, "s"),
			    "a\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd\tz");
	assert_string_equal(json_string(&j, j.node, "e"), "");
	assert_null(json_string(&j, j.node, "n"));
	assert_null(json_string(&j, j.node, "none"));
	assert_true(json_uint(&j, j.node, "n", &value));
	assert_true(value == UINT64_MAX);
	assert_false(json_uint(&j, j.node, "m", &value));
	assert_false(json_uint(&j, j.node, "o", &value));
	assert_false(json_uint(&j, j.node, "s", &value));
	assert_true(json_bool(&j, j.node, "b", &flag));
	assert_true(flag);
	assert_false(json_bool(&j, j.node, "n", &flag));
	n = json_first(&j, json_member(&j, j.node, "l"));
	assert_int_equal(n->number, 1);
	n = json_next(&j, n);
	assert_int_equal(n->type, JSON_ARRAY);
	assert_int_equal(json_next(&j, json_first(&j, n))->number, 3);
	n = json_next(&j, n);
	assert_string_equal(n->text, "x");
	assert_null(json_next(&j, n));
	assert_null(json_member(&j, n, "x"));
	assert_null(json_first(&j, NULL));
	json_free(&j);
}

static void test_bounds(void **state)
{
	char text[2 * JSON_MAX_DEPTH + 3];
	struct json j;

	(void)state;
	memset(text, '[', JSON_MAX_DEPTH);
	memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	assert_int_equal(json_parse(&j, text, 2 * JSON_MAX_DEPTH), 0);
	json_free(&j);
	memset(text, '[', JSON_MAX_DEPTH + 1);
	memset(text + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
	assert_int_equal(json_parse(&j, text, 2 * JSON_MAX_DEPTH + 2), -EINVAL);
	json_free(&j);
	assert_int_equal(json_parse(&j, "1\0", 2), -EINVAL);
	json_free(&j);
	assert_int_equal(json_parse(&j, "\"a\0b\"", 5), -EINVAL);
	json_free(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
