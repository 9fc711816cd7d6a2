/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the parsing of --share and --root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/config.h"
#include "kvm/share.h"
#include "unit/messages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct fix {
	char dir[64]; /* with folders "data" and "a,b:c" */
};

static void make(const struct fix *f, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/test_share.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	make(f, "data");
	make(f, "a,b:c");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	assert_int_equal(chdir(f->dir), 0);
	rmdir("data");
	rmdir("a,b:c");
	rmdir(f->dir);
	assert_int_equal(chdir("/"), 0);
	free(f);
	return 0;
}

/* Parses the folder's path with a slash and @rest after it. */
static int parse(const struct fix *f, struct share *s, const char *rest)
{
	char text[2 * PATH_MAX];

	snprintf(text, sizeof(text), "%s/%s", f->dir, rest);
	return share_parse(s, text);
}

static void a_folder_and_its_name(void **state)
{
	struct fix *f = *state;
	struct share s;
	char want[128];

	snprintf(want, sizeof(want), "%s/data", f->dir);
	assert_int_equal(parse(f, &s, "data"), 0);
	assert_string_equal(s.dir, want);
	assert_string_equal(s.tag, "data");
	assert_string_equal(s.socket, "");
	assert_false(s.read_only);
	assert_int_equal(parse(f, &s, "./data/../data/:tag,ro"), 0);
	assert_string_equal(s.dir, want);
	assert_string_equal(s.tag, "tag");
	assert_true(s.read_only);
	assert_int_equal(share_parse(&s, "/:root"), 0);
	assert_string_equal(s.dir, "/");
	assert_string_equal(s.tag, "root");
}

static void commas_and_colons(void **state)
{
	struct fix *f = *state;
	struct share s;

	/* A colon with a slash after it belongs to the folder's name. */
	assert_int_equal(parse(f, &s, "a,,b:c/,ro"), 0);
	assert_string_equal(s.tag, "a,b:c");
	assert_true(s.read_only);
	assert_int_equal(parse(f, &s, "a,,b:c:t,,u"), 0);
	assert_string_equal(s.tag, "t,u");
	assert_false(s.read_only);
}

static void a_socket(void **state)
{
	struct share s;

	(void)state;
	assert_int_equal(share_parse(&s, ":data,socket=/run/a,,b"), 0);
	assert_string_equal(s.tag, "data");
	assert_string_equal(s.dir, "");
	assert_string_equal(s.socket, "/run/a,b");
}

static void a_root(void **state)
{
	struct share s;

	(void)state;
	assert_int_equal(share_parse_root(&s, "/"), 0);
	assert_string_equal(s.dir, "/");
	assert_string_equal(s.tag, SHARE_ROOT_TAG);
	assert_false(s.read_only || s.overlay);
	assert_int_equal(share_parse_root(&s, "/tmp,ro"), 0);
	assert_true(s.read_only && !s.overlay);
	assert_int_equal(share_parse_root(&s, "/,overlay"), 0);
	assert_true(s.read_only && s.overlay);
}

static void what_is_wrong_is_refused(void **state)
{
	static const char *const bad[] = { "",
					   "data,rw",
					   "data,ro=on",
					   "data,",
					   "data,overlay",
					   "data:",
					   "data:..",
					   "data:kvm-root",
					   "data:0123456789012345678901234567890123456",
					   "data,socket=",
					   "data,socket=/x",
					   "none" };
	static const char *const bad_roots[] = { "", "/,rw", "/,socket=/x", "/no/such",
						 "/etc/hostname" };
	struct fix *f = *state;
	struct messages m;
	struct share s;
	char *text = calloc(1, 2 * PATH_MAX);
	unsigned int accepted = 0;

	assert_int_equal(messages_begin(&m, "/tmp/test_share.messages"), 0);
	for (size_t i = 1; i < ARRAY_SIZE(bad); i++)
		accepted += !parse(f, &s, bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad_roots); i++)
		accepted += !share_parse_root(&s, bad_roots[i]);
	accepted += !share_parse(&s, bad[0]);
	accepted += !share_parse(&s, ":tag");
	accepted += !share_parse(&s, ":tag,ro,socket=/x");
	/* Longer than any of the buffers. */
	memset(text, 'x', 2 * PATH_MAX - 1);
	accepted += !share_parse(&s, text) + !share_parse_root(&s, text);
	memcpy(text, ":t,socket=", 10);
	accepted += !share_parse(&s, text);
	text[10 + SHARE_MAX_SOCKET_BYTES + 1] = '\0';
	accepted += !share_parse(&s, text);
	messages_end(&m);
	unlink("/tmp/test_share.messages");
	assert_int_equal(accepted, 0);
	text[10 + SHARE_MAX_SOCKET_BYTES] = '\0';
	assert_int_equal(share_parse(&s, text), 0);
	free(text);
}

static void roots_come_first(void **state)
{
	struct config c = { .share = { "/tmp:a", "/tmp:b,ro" }, .nr_shares = 2 };
	struct share s;

	(void)state;
	assert_int_equal(share_count(&c), 2);
	assert_int_equal(share_get(&s, &c, 1), 0);
	assert_string_equal(s.tag, "b");
	c.root = "/";
	assert_int_equal(share_count(&c), 3);
	assert_int_equal(share_get(&s, &c, 0), 0);
	assert_string_equal(s.tag, SHARE_ROOT_TAG);
	assert_int_equal(share_get(&s, &c, 2), 0);
	assert_string_equal(s.tag, "b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_folder_and_its_name),    T(commas_and_colons), T(a_socket), T(a_root),
		T(what_is_wrong_is_refused), T(roots_come_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
