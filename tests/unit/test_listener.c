/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests listening sockets: their mode, their removal, and a launcher without free descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/base/unix_socket.h"
#include "kvm/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUND_NS 20000000ULL /* enough to see the client, and less than until a retry */

struct rig {
	char dir[32], path[48];
	struct loop loop;
	struct listener listener;
	int client;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->dir, "/tmp/listener.XXXXXX");
	if (!mkdtemp(r->dir) || loop_init(&r->loop))
		return -1;
	snprintf(r->path, sizeof(r->path), "%s/socket", r->dir);
	r->listener.fd = r->client = -1;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	listener_close(&r->listener);
	loop_fini(&r->loop);
	if (r->client >= 0)
		close(r->client);
	unlink(r->path);
	rmdir(r->dir);
	free(r);
	return 0;
}

static void a_socket_is_its_owners_whatever_the_umask(void **state)
{
	static const mode_t masks[] = { 0, 002, 022, 077 };
	struct rig *r = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(masks); i++) {
		mode_t was = umask(masks[i]);
		struct stat st;

		assert_int_equal(listener_open(&r->listener, r->path, 1), 0);
		assert_int_equal(umask(was), masks[i]);
		assert_int_equal(lstat(r->path, &st), 0);
		assert_int_equal(st.st_mode, S_IFSOCK | 0600);
		listener_close(&r->listener);
		assert_int_equal(access(r->path, F_OK), -1);
	}
}

static void only_its_own_path_is_removed(void **state)
{
	struct rig *r = *state;
	struct listener other;

	assert_int_equal(listener_open(&r->listener, r->path, 1), 0);
	assert_int_equal(unlink(r->path), 0);
	assert_int_equal(listener_open(&other, r->path, 1), 0);
	listener_close(&r->listener);
	assert_int_equal(access(r->path, F_OK), 0);
	listener_close(&other);
	assert_int_equal(access(r->path, F_OK), -1);
}

static void only_a_stale_socket_is_taken_over(void **state)
{
	struct rig *r = *state;
	struct listener second;
	char name[UNIX_PATH_BYTES + 1];
	struct unix_file file;
	int fd;

	assert_int_equal(listener_open(&r->listener, r->path, 1), 0);
	assert_int_equal(listener_open(&second, r->path, 1), -EADDRINUSE);
	assert_int_equal(second.fd, -1);
	close(r->listener.fd); /* as after a kill */
	r->listener.fd = -1;
	assert_int_equal(access(r->path, F_OK), 0);
	assert_int_equal(unix_connect(r->path, 0), -ECONNREFUSED);
	assert_int_equal(listener_open(&r->listener, r->path, 1), 0);
	listener_close(&r->listener);
	close(creat(r->path, 0600));
	assert_int_equal(listener_open(&second, r->path, 1), -EEXIST);
	assert_int_equal(unix_clear(r->path), -EEXIST);
	assert_int_equal(access(r->path, F_OK), 0);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	fd = unix_listen(name, 1, &file);
	assert_int_equal(fd, -ENAMETOOLONG);
	assert_int_equal(unix_listen("", 1, &file), -EINVAL);
}

static void accepted(void *ctx, int fd)
{
	struct rig *r = ctx;

	close(fd);
	loop_stop(&r->loop);
}

static void on_stop(void *ctx)
{
	struct rig *r = ctx;

	loop_stop(&r->loop);
}

static void one_round(struct loop *loop)
{
	atomic_store(&loop->stop, false);
	loop_run(loop);
}

static void no_descriptor_is_no_endless_loop(void **state)
{
	struct rlimit was, none;
	struct rig *r = *state;
	struct loop_timer stop;

	assert_int_equal(listener_open(&r->listener, r->path, 1), 0);
	assert_int_equal(listener_start(&r->listener, &r->loop, accepted, r), 0);
	loop_timer_init(&r->loop, &stop, on_stop, r);
	assert_int_equal(loop_timer_arm(&stop, ROUND_NS), 0);
	r->client = unix_connect(r->path, 0);
	assert_true(r->client >= 0);
	getrlimit(RLIMIT_NOFILE, &was);
	none = was;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	one_round(&r->loop);
	setrlimit(RLIMIT_NOFILE, &was);
	assert_int_equal(r->listener.source.events, 0);
	one_round(&r->loop); /* ends when the client is accepted after all */
	assert_int_equal(r->listener.source.events, EPOLLIN);
	loop_timer_fini(&stop);
}

static void clients_wait_while_none_is_wanted(void **state)
{
	struct rig *r = *state;
	struct loop_timer stop;

	assert_int_equal(listener_open(&r->listener, r->path, 1), 0);
	assert_int_equal(listener_start(&r->listener, &r->loop, accepted, r), 0);
	listener_want(&r->listener, false);
	r->client = unix_connect(r->path, 0);
	loop_timer_init(&r->loop, &stop, on_stop, r);
	assert_int_equal(loop_timer_arm(&stop, ROUND_NS), 0);
	one_round(&r->loop);
	listener_stop(&r->listener);
	assert_int_equal(listener_start(&r->listener, &r->loop, accepted, r), 0);
	one_round(&r->loop);
	loop_timer_fini(&stop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_socket_is_its_owners_whatever_the_umask), T(only_its_own_path_is_removed),
		T(only_a_stale_socket_is_taken_over),	      T(no_descriptor_is_no_endless_loop),
		T(clients_wait_while_none_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
