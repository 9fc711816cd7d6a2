/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the machine's side of the control socket without a guest: what becomes of clients when a
 * machine restarts, ends or is busy. Each machine has one vCPU, whose thread the test plays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/arch.h"
#include "kvm/cmd/control.h"
#include "kvm/postmortem/postmortem.h"
#include "kvm/vm.h"
#include "unit/messages.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRY_MS 10
#define TRIES 2000

struct machine {
	sem_t searching, found; /* print_log() has begun; and may end */
};

struct rig {
	char run[40], path[64], log[64];
	struct messages messages;
	struct config config;
	struct machine machine;
	struct vm vm;
	struct reports *reports;
	struct control *control;
	pthread_t loop;
};

static int fake_init(struct vm *vm)
{
	(void)vm;
	return 0;
}

static void fake_destroy(struct vm *vm)
{
	(void)vm;
}

static void fake_report(FILE *f, struct vcpu *v, bool brief)
{
	(void)brief;
	fprintf(f, "vCPU %u\n", v->index);
}

static void fake_report_log(FILE *f, struct vm *vm, bool whole)
{
	(void)f;
	(void)vm;
	(void)whole;
}

static int fake_print_log(FILE *f, struct vm *vm)
{
	sem_post(&vm->machine->searching);
	sem_wait(&vm->machine->found);
	fputs("log\n", f);
	return 0;
}

static const char *fake_ask_to_end(struct vm *vm, int signo)
{
	(void)vm;
	(void)signo;
	return "pressed";
}

static const struct arch fake_arch = {
	.init = fake_init,
	.destroy = fake_destroy,
	.report = fake_report,
	.report_log = fake_report_log,
	.print_log = fake_print_log,
	.ask_to_end = fake_ask_to_end,
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->run, "/tmp/control_server.XXXXXX");
	if (!mkdtemp(r->run) || setenv("XDG_RUNTIME_DIR", r->run, 1))
		return -1;
	snprintf(r->path, sizeof(r->path), "%s/kvm/one", r->run);
	snprintf(r->log, sizeof(r->log), "%s/messages", r->run);
	r->config = (struct config){ .name = "one", .nr_cpus = 1, .grace_s = 7 };
	sem_init(&r->machine.searching, 0, 0);
	sem_init(&r->machine.found, 0, 0);
	*state = r;
	return messages_begin(&r->messages, r->log) || control_create(&r->control, &r->config);
}

static int teardown(void **state)
{
	struct rig *r = *state;
	char folder[48];

	control_destroy(r->control);
	messages_end(&r->messages);
	unlink(r->log);
	snprintf(folder, sizeof(folder), "%s/kvm", r->run);
	if (rmdir(folder) || rmdir(r->run)) /* the socket is gone, too */
		return -1;
	free(r);
	return 0;
}

static void *run_loop(void *ctx)
{
	loop_run(ctx);
	return NULL;
}

/* A life begins: clients are served from now on. */
static void begin(struct rig *r)
{
	r->vm = (struct vm){ .machine = &r->machine };
	assert_int_equal(vm_init(&r->vm, &r->config, &fake_arch), 0);
	assert_int_equal(reports_open(&r->reports, &r->vm), 0);
	assert_int_equal(control_attach(r->control, &r->vm, r->reports), 0);
	assert_int_equal(pthread_create(&r->loop, NULL, run_loop, &r->vm.loop), 0);
}

/* Its loop ends, as at a reboot. @last: and there is no next life. */
static void end(struct rig *r, bool last)
{
	loop_stop(&r->vm.loop);
	pthread_join(r->loop, NULL);
	control_detach(r->control);
	if (last)
		control_remove(r->control);
	reports_close(r->reports);
	vm_fini(&r->vm);
}

static int client(const struct rig *r, const char *text)
{
	int fd = unix_connect(r->path, 10);

	assert_true(fd >= 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	return fd;
}

/* Reads all that comes until the server hangs up, while the vCPU answers what it is asked. */
static const char *answer(struct rig *r, int fd, char text[512])
{
	size_t len = 0;
	ssize_t n = 1;

	for (unsigned int i = 0; n > 0 && i < TRIES; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, TRY_MS) > 0) {
			n = recv(fd, text + len, 511 - len, 0);
			len += n > 0 ? (size_t)n : 0;
		} else if (r) {
			vcpu_answer(&r->vm.vcpu[0]);
		}
	}
	text[len] = '\0';
	close(fd);
	return text;
}

/* Waits until the server has read what came before. */
static void sync_server(struct rig *r)
{
	char text[512];

	for (unsigned int i = 0; i < 2; i++)
		assert_non_null(strstr(answer(r, client(r, "info\n"), text), "state running"));
}

static void a_restart_keeps_clients(void **state)
{
	struct rig *r = *state;
	int half, asking, waiting;
	char text[512];

	begin(r);
	half = client(r, "in");
	asking = client(r, "debug\n");
	for (unsigned int i = 0; i < 2; i++) {
		char info[512];
		int fd = client(r, "info\n");

		answer(NULL, fd, info); /* the vCPU does not answer in this life */
	}
	end(r, false);
	waiting = client(r, "info\n");
	begin(r);
	assert_int_equal(send(half, "fo\n", 3, MSG_NOSIGNAL), 3);
	assert_non_null(strstr(answer(r, half, text), "state running"));
	assert_non_null(strstr(answer(r, asking, text), "vCPU 0"));
	assert_non_null(strstr(answer(r, waiting, text), "state running"));
	end(r, true);
}

static void the_end_is_told_to_who_waits(void **state)
{
	struct rig *r = *state;
	int half, asking;
	char text[512];

	begin(r);
	half = client(r, "in");
	asking = client(r, "debug\n");
	for (unsigned int i = 0; i < 2; i++)
		answer(NULL, client(r, "info\n"), text);
	end(r, true);
	assert_string_equal(answer(NULL, half, text), "");
	assert_string_equal(answer(NULL, asking, text), "error the machine has ended\n");
	assert_int_equal(unix_connect(r->path, 0), -ENOENT);
}

static void a_stop_has_its_time_in_the_answer(void **state)
{
	struct rig *r = *state;
	char text[512];

	begin(r);
	assert_string_equal(answer(r, client(r, "stop\n"), text),
			    "ok 10 pressed; the machine ends in 7 s at the latest\ngrace_s 7\n");
	assert_true(r->vm.asked_to_end);
	assert_false(atomic_load(&r->vm.ended));
	end(r, true);
}

static void a_stop_at_once_ends_it_for_good(void **state)
{
	struct rig *r = *state;
	char text[512];

	begin(r);
	assert_string_equal(answer(r, client(r, "stop 0\n"), text), "ok 10\ngrace_s 0\n");
	pthread_join(r->loop, NULL);
	assert_true(r->vm.asked_to_end);
	assert_int_equal(r->vm.verdict.kind, VERDICT_QUIT);
	assert_int_equal(pthread_create(&r->loop, NULL, run_loop, &r->vm.loop), 0);
	end(r, true);
}

/* The client has given up while the launcher hung: it has said that the machine was not ended. */
static void a_request_ends_with_its_client(void **state)
{
	struct rig *r = *state;

	close(client(r, "stop 0\n"));
	begin(r);
	sync_server(r);
	assert_false(atomic_load(&r->vm.ended));
	end(r, true);
}

static void a_search_does_not_hold_up_others(void **state)
{
	struct rig *r = *state;
	char text[512];
	int fd, gone;

	begin(r);
	fd = client(r, "dmesg\n");
	gone = client(r, "dmesg\n");
	sem_wait(&r->machine.searching);
	sem_wait(&r->machine.searching);
	sync_server(r);
	close(gone);
	sem_post(&r->machine.found);
	sem_post(&r->machine.found);
	assert_string_equal(answer(r, fd, text), "ok 4\nlog\n");
	end(r, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_restart_keeps_clients),	      T(the_end_is_told_to_who_waits),
		T(a_stop_has_its_time_in_the_answer), T(a_stop_at_once_ends_it_for_good),
		T(a_request_ends_with_its_client),    T(a_search_does_not_hold_up_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
