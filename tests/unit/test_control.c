/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the lines of the control protocol, and the folder of its sockets. tests/control.sh tests
 * the rest with machines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/cmd/control.h"
#include "kvm/config.h"
#include "unit/messages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int parse_request(const char *line, struct control_request *r)
{
	return control_parse_request(line, strlen(line), r);
}

static void requests(void **state)
{
	static const char *const bad[] = { "",
					   " ",
					   "inf",
					   "infos",
					   "info 1",
					   "debug ",
					   "stop ",
					   "stop -1",
					   "stop 1 2",
					   "stop 1x",
					   "Stop",
					   "dump /etc/passwd",
					   "stop 18446744073709551616",
					   "stop 1000000001" };
	struct control_request r;

	(void)state;
	assert_int_equal(parse_request("info", &r), 0);
	assert_int_equal(r.verb, CONTROL_INFO);
	assert_int_equal(parse_request("dump", &r), 0);
	assert_int_equal(r.verb, CONTROL_DUMP);
	assert_int_equal(parse_request("stop", &r), 0);
	assert_int_equal(r.verb, CONTROL_STOP);
	assert_false(r.has_seconds);
	assert_int_equal(parse_request("stop 0", &r), 0);
	assert_true(r.has_seconds);
	assert_int_equal(r.seconds, 0);
	assert_int_equal(parse_request("stop 1000000000", &r), 0);
	assert_int_equal(r.seconds, 1000000000);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_request(bad[i], &r), -EINVAL);
	assert_int_equal(control_parse_request("info\0", 5, &r), -EINVAL);
}

static int parse_reply(const char *line, struct control_reply *r)
{
	return control_parse_reply(line, strlen(line), r);
}

static void replies(void **state)
{
	static const char *const bad[] = { "",	    "ok",     "ok ",
					   "ok x",  "ok -1",  "ok 99999999999999999999",
					   "error", "error ", "okay 1" };
	char line[2 * CONTROL_LINE_BYTES];
	struct control_reply r;

	(void)state;
	assert_int_equal(parse_reply("ok 12", &r), 0);
	assert_true(r.ok);
	assert_int_equal(r.body_bytes, 12);
	assert_string_equal(r.text, "");
	assert_int_equal(parse_reply("ok 0 all \x1b[31mred", &r), 0);
	assert_string_equal(r.text, "all ?[31mred");
	assert_int_equal(parse_reply("error no such request", &r), 0);
	assert_false(r.ok);
	assert_string_equal(r.text, "no such request");
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_reply(bad[i], &r), -EINVAL);
	memset(line, 'x', sizeof(line));
	memcpy(line, "error ", 6);
	assert_int_equal(control_parse_reply(line, sizeof(line), &r), 0);
	assert_int_equal(strlen(r.text), CONTROL_LINE_BYTES - 1);
}

static void infos(void **state)
{
	struct control_info in = { .pid = 7,
				   .cpus = 2,
				   .memory_bytes = 1ULL << 40,
				   .uptime_ms = 1500,
				   .grace_s = 5 },
			    out;
	char text[1024] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	strcpy(in.state, "running");
	strcpy(in.kernel, "/boot/a\nstate forged");
	control_print_info(f, &in);
	fclose(f);
	control_parse_info(text, strlen(text), &out);
	assert_int_equal(out.pid, 7);
	assert_int_equal(out.cpus, 2);
	assert_int_equal(out.memory_bytes, 1ULL << 40);
	assert_int_equal(out.uptime_ms, 1500);
	assert_int_equal(out.grace_s, 5);
	assert_string_equal(out.state, "running");
	assert_string_equal(out.kernel, "/boot/a?state forged");
	strcpy(text,
	       "pid 99999999999999999999\ncpus\nstate a very long state indeed\nnew thing\nuptime_ms 3");
	control_parse_info(text, strlen(text), &out);
	assert_int_equal(out.pid, 0);
	assert_int_equal(out.cpus, 0);
	assert_string_equal(out.state, "a very long sta");
	assert_int_equal(out.uptime_ms, 3);
}

static void names(void **state)
{
	char name[80];

	(void)state;
	assert_true(config_is_name("a"));
	assert_true(config_is_name("web-1.test_x"));
	assert_false(config_is_name(""));
	assert_false(config_is_name("."));
	assert_false(config_is_name("../x"));
	assert_false(config_is_name("a/b"));
	assert_false(config_is_name("a\n"));
	memset(name, 'n', sizeof(name));
	name[CONFIG_NAME_LENGTH] = '\0';
	assert_true(config_is_name(name));
	name[CONFIG_NAME_LENGTH] = 'n';
	name[CONFIG_NAME_LENGTH + 1] = '\0';
	assert_false(config_is_name(name));
}

/*--- the folder ---------------------------------------------------------------------------*/

struct rig {
	char run[32], folder[48], path[64];
	struct messages messages;
	struct control_folder f;
	char socket[UNIX_PATH_BYTES];
	struct listener l;
};

/* Opens the folder that $XDG_RUNTIME_DIR names. */
static int open_folder(struct rig *r, bool create)
{
	control_folder_close(&r->f);
	return control_folder_open(&r->f, 0, create);
}

static int listen_as(struct rig *r, const char *name)
{
	control_folder_close(&r->f);
	return control_folder_listen(&r->f, name, r->socket, &r->l);
}

static int connect_as(struct rig *r, const char *name)
{
	return control_folder_connect(&r->f, name, 0);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->run, "/tmp/control.XXXXXX");
	if (!mkdtemp(r->run) || setenv("XDG_RUNTIME_DIR", r->run, 1))
		return -1;
	snprintf(r->folder, sizeof(r->folder), "%s/kvm", r->run);
	snprintf(r->path, sizeof(r->path), "%s/one", r->folder);
	r->f.fd = r->l.fd = -1;
	*state = r;
	return messages_begin(&r->messages, "/tmp/control.messages");
}

static int teardown(void **state)
{
	struct rig *r = *state;

	messages_end(&r->messages);
	unlink("/tmp/control.messages");
	control_folder_close(&r->f);
	listener_close(&r->l);
	unlink(r->path);
	rmdir(r->folder);
	rmdir(r->run);
	free(r);
	return 0;
}

static void folder_is_the_users_alone(void **state)
{
	struct rig *r = *state;
	struct stat st;

	assert_int_equal(open_folder(r, false), -ENOENT);
	assert_int_equal(open_folder(r, true), 0);
	assert_string_equal(r->f.path, r->folder);
	assert_int_equal(stat(r->folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	chmod(r->folder, 0750);
	assert_int_equal(open_folder(r, true), -EPERM);
	chmod(r->folder, 0700);
	rmdir(r->folder);
	assert_int_equal(symlink("/tmp", r->folder), 0);
	assert_true(open_folder(r, true) < 0);
	unlink(r->folder);
}

/* Nobody else may be able to replace what is in the folder's parent. */
static void others_may_not_write_to_its_parent(void **state)
{
	struct rig *r = *state;

	assert_int_equal(open_folder(r, true), 0);
	chmod(r->run, 0777);
	assert_int_equal(open_folder(r, true), -ENOENT);
	chmod(r->run, 0720);
	assert_int_equal(open_folder(r, true), -ENOENT);
	chmod(r->run, 0755);
	assert_int_equal(open_folder(r, true), 0);
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	assert_int_equal(open_folder(r, true), -ENOENT);
}

static void the_folders_do_not_depend_on_the_environment_alone(void **state)
{
	char want[32], usual[32], text[CONTROL_FOLDERS_BYTES];
	struct rig *r = *state;
	struct stat st;

	snprintf(want, sizeof(want), "/tmp/kvm-%u", (unsigned int)geteuid());
	snprintf(usual, sizeof(usual), "/run/user/%u", (unsigned int)geteuid());
	control_folder_open(&r->f, 2, false);
	assert_string_equal(r->f.path, want);
	control_folders_text(text);
	assert_ptr_equal(strstr(text, r->folder), text);
	assert_non_null(strstr(text, want));
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(open_folder(r, true), -ENOENT);
	control_folders_text(text);
	assert_null(strstr(text, r->folder));
	if (stat(usual, &st) || st.st_uid != geteuid() || st.st_mode & 022)
		return;
	assert_ptr_equal(strstr(text, usual), text);
	setenv("XDG_RUNTIME_DIR", usual, 1); /* the same: it is looked at once */
	assert_int_equal(control_folder_open(&r->f, 1, false), -ENOENT);
}

static void a_name_is_taken_once(void **state)
{
	struct rig *r = *state;
	struct listener second;
	struct stat st;
	int client;

	assert_int_equal(open_folder(r, true), 0);
	assert_int_equal(connect_as(r, "one"), -ENOENT);
	assert_int_equal(listen_as(r, "one"), 0);
	assert_string_equal(r->socket, r->path);
	assert_int_equal(lstat(r->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	control_folder_close(&r->f);
	assert_int_equal(control_folder_listen(&r->f, "one", r->socket, &second), -EADDRINUSE);
	client = connect_as(r, "one");
	assert_true(client >= 0);
	close(client);
	close(r->l.fd); /* as after a kill */
	assert_int_equal(lstat(r->path, &st), 0);
	assert_int_equal(listen_as(r, "one"), 0);
	close(r->l.fd);
	r->l.fd = -1;
	assert_int_equal(connect_as(r, "one"), -ENOENT);
	assert_int_equal(lstat(r->path, &st), -1);
}

/* A machine that cron has started has its socket in /tmp. */
static void a_name_is_taken_once_in_all_folders(void **state)
{
	struct rig *r = *state;
	char name[32], path[UNIX_PATH_BYTES];
	struct listener second;

	snprintf(name, sizeof(name), "unit-test-%d", getpid());
	setenv("XDG_RUNTIME_DIR", "/nothing/here", 1);
	assert_int_equal(listen_as(r, name), 0);
	setenv("XDG_RUNTIME_DIR", r->run, 1);
	control_folder_close(&r->f);
	assert_int_equal(control_folder_listen(&r->f, name, path, &second), -EADDRINUSE);
	assert_string_equal(r->f.path, r->folder);
	listener_close(&r->l);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct rig *r = *state;
	FILE *f;

	assert_int_equal(open_folder(r, true), 0);
	f = fopen(r->path, "w");
	fclose(f);
	assert_int_equal(listen_as(r, "one"), -EEXIST);
	assert_int_equal(connect_as(r, "one"), -ENOENT);
	assert_int_equal(access(r->path, F_OK), 0);
}

/*
 * --- the client against a machine with false answers -------------------------------------------
 */

/* Returns control_ask()'s result for @answer, and the body in @body. */
static int ask(struct rig *r, const char *answer, size_t len, char *body, size_t room)
{
	struct control_question q = {
		.name = "one", .request = "info", .pass_fd = -1, .patience_s = 5
	};
	pid_t child;
	int err;

	assert_int_equal(listen_as(r, "one"), 0);
	child = fork();
	if (!child) {
		char line[64];
		int fd;

		while ((fd = accept(r->l.fd, NULL, NULL)) < 0)
			usleep(1000);
		if (read(fd, line, sizeof(line)) != 5 || write(fd, answer, len) < 0)
			_exit(1);
		_exit(0);
	}
	close(r->l.fd);
	r->l.fd = -1;
	q.body = fmemopen(body, room, "w");
	err = control_send(&q, NULL);
	if (!err)
		err = control_receive(&q);
	fclose(q.body);
	waitpid(child, NULL, 0);
	return err;
}

static void answers_are_read_as_a_strangers(void **state)
{
	struct rig *r = *state;
	char body[64] = "", flood[CONTROL_LINE_BYTES + 64];

	assert_int_equal(ask(r, "ok 5\nhello", 10, body, sizeof(body)), 0);
	assert_string_equal(body, "hello");
	assert_int_equal(ask(r, "ok 5\nhello and more", 19, body, sizeof(body)), 0);
	assert_string_equal(body, "hello");
	assert_int_equal(ask(r, "ok 50\nhello", 11, body, sizeof(body)), -ECONNRESET);
	assert_int_equal(ask(r, "error none\n", 11, body, sizeof(body)), -EREMOTEIO);
	assert_int_equal(ask(r, "what\n", 5, body, sizeof(body)), -EPROTO);
	assert_int_equal(ask(r, "ok 5", 4, body, sizeof(body)), -ECONNRESET);
	memset(flood, 'o', sizeof(flood));
	assert_int_equal(ask(r, flood, sizeof(flood), body, sizeof(body)), -EPROTO);
}

static void a_launcher_that_hangs_is_not_waited_for(void **state)
{
	struct control_question q = { .name = "one", .request = "info", .pass_fd = -1 };
	struct rig *r = *state;
	int pidfd;

	assert_int_equal(listen_as(r, "one"), 0); /* and nobody accepts */
	assert_int_equal(control_send(&q, NULL), 0);
	pidfd = control_pidfd(&q);
	assert_true(pidfd >= 0);
	close(pidfd);
	q.until_ns = 1;
	assert_int_equal(control_receive(&q), -ETIMEDOUT);
	q.name = "../one";
	assert_int_equal(control_send(&q, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(replies),
		cmocka_unit_test(infos),
		cmocka_unit_test(names),
		cmocka_unit_test_setup_teardown(folder_is_the_users_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(others_may_not_write_to_its_parent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_folders_do_not_depend_on_the_environment_alone,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_is_taken_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_is_taken_once_in_all_folders, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_no_socket_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_are_read_as_a_strangers, setup, teardown),
		cmocka_unit_test_setup_teardown(a_launcher_that_hangs_is_not_waited_for, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
