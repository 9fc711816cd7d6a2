/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests what sandbox_hint() makes of a host's settings, by a /proc of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/sandbox_hint.h"
#include "kvm/types.h"
#include "unit/tree_rig.h"

#include <stdlib.h>
#include <string.h>

#define MAX "/proc/sys/user/max_user_namespaces"
#define CLONE "/proc/sys/kernel/unprivileged_userns_clone"
#define APPARMOR "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
#define STATUS "/proc/self/status"

static const struct {
	const char *file[2], *text[2];
	const char *hint; /* "": none */
} hosts[] = {
	{ { NULL }, { NULL }, "" },
	{ { MAX, STATUS }, { "63382\n", "Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t2\n" }, "" },
	{ { MAX }, { "0\n" }, "user.max_user_namespaces=15000" },
	{ { MAX, CLONE }, { "63382\n", "1\n" }, "" },
	{ { MAX, CLONE }, { "63382\n", "0\n" }, "kernel.unprivileged_userns_clone=1" },
	{ { APPARMOR }, { "0\n" }, "" },
	{ { APPARMOR }, { "1\n" }, "apparmor_restrict_unprivileged_userns=0" },
	{ { MAX, APPARMOR }, { "0\n", "1\n" }, "user.max_user_namespaces=15000" },
	{ { STATUS }, { "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n" }, "seccomp=unconfined" },
	{ { MAX }, { "" }, "" },
};

static void hints(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(hosts); i++) {
		char root[] = "/tmp/test-hint-XXXXXX";
		const char *hint;

		assert_non_null(mkdtemp(root));
		for (unsigned int k = 0; k < 2 && hosts[i].file[k]; k++)
			tree_write(root, hosts[i].file[k], hosts[i].text[k]);
		hint = sandbox_hint(root);
		if (*hosts[i].hint ? !strstr(hint, hosts[i].hint) || strncmp(hint, "; ", 2) : *hint)
			fail_msg("%u: %s", i, hint);
		tree_remove(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hints) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
