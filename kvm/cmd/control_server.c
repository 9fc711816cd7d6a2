/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves a machine's control socket on the loop's thread.
 *
 * A few clients have a seat at a time; the others wait in the backlog. A client that sends no
 * request, or does not read its answer, is disconnected. The server builds each answer in memory
 * and sends it as the client reads it, so that no client blocks the loop.
 *
 * Long work runs elsewhere: the vCPUs write a report, a thread writes a core. If a client
 * disconnects meanwhile, its seat stays taken, without a descriptor, until the work is done. The
 * socket outlives a restart of the machine; clients that connect in between wait in the backlog.
 */
#include "control.h"

#include "kvm/arch.h"
#include "kvm/base/leftover.h"
#include "kvm/config.h"
#include "kvm/log.h"
#include "kvm/postmortem/dump.h"
#include "kvm/postmortem/postmortem.h"
#include "kvm/vm.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NR_SEATS 4
#define NS_PER_S 1000000000ULL
/* How long a client may take to send its request, and to read the next bytes of an answer. */
#define PATIENCE_NS (10 * NS_PER_S)
#define MAX_PASSED_FDS 4

enum seat_state { SEAT_FREE, SEAT_READING, SEAT_WORKING, SEAT_WRITING };

struct seat {
	struct control *control;
	enum seat_state state;
	int fd; /* -1: the client has disconnected */
	struct loop_source source;
	struct loop_timer patience;
	char line[CONTROL_LINE_BYTES];
	size_t len;
	int passed_fd; /* received with the line; -1: none */
	char *out;
	size_t out_len, out_at;
};

struct control {
	const char *name;
	const struct config *config;
	struct control_folder folder;
	int listen_fd;
	dev_t dev; /* of the socket's file, to recognise it */
	ino_t ino;
	char path[108]; /* sun_path's length */
	uint64_t since_ns;
	struct vm *vm; /* NULL: between two lives */
	struct reports *reports;
	struct loop_source listening;
	struct seat seat[NR_SEATS];
	struct dump_job dump;
	struct loop_timer grace;
};

static void look_for_clients(struct control *c)
{
	bool room = false;

	for (unsigned int i = 0; i < NR_SEATS; i++)
		room = room || c->seat[i].state == SEAT_FREE;
	loop_mod(&c->listening, room ? EPOLLIN : 0);
}

/* Ends the connection: the client has disconnected, does not answer in time, or has its answer. */
static void hang_up(struct seat *s)
{
	loop_timer_fini(&s->patience);
	loop_del(&s->source);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->state == SEAT_WORKING)
		return; /* work for it is still under way */
	if (s->passed_fd >= 0)
		close(s->passed_fd);
	free(s->out);
	s->out = NULL;
	s->passed_fd = -1;
	s->state = SEAT_FREE;
	look_for_clients(s->control);
}

static void on_patience_over(void *ctx)
{
	hang_up(ctx);
}

/*--- answers ---------------------------------------------------------------------------*/

static void send_out(struct seat *s)
{
	while (s->out_at < s->out_len) {
		ssize_t n = send(s->fd, s->out + s->out_at, s->out_len - s->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_timer_arm(&s->patience, PATIENCE_NS);
			loop_mod(&s->source, EPOLLOUT);
			return;
		}
		if (n < 0)
			break;
		s->out_at += (size_t)n;
	}
	hang_up(s);
}

/* Sends @text and frees it. NULL (out of memory): hangs up without an answer. */
static void send_text(struct seat *s, char *text, size_t len)
{
	s->state = SEAT_WRITING;
	s->out = text;
	s->out_len = text ? len : 0;
	s->out_at = 0;
	if (s->fd < 0)
		hang_up(s);
	else
		send_out(s);
}

static void answer(struct seat *s, const char *body, size_t body_len, const char *note)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f) {
		fprintf(f, "ok %zu%s%s\n", body_len, note ? " " : "", note ? note : "");
		fwrite(body, 1, body_len, f);
	}
	if (f && fclose(f)) {
		free(text);
		text = NULL;
	}
	send_text(s, text, len);
}

static __attribute__((format(printf, 2, 3))) void refuse(struct seat *s, const char *fmt, ...)
{
	char *text = NULL, why[CONTROL_LINE_BYTES - 16];
	va_list ap;
	int len;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	len = asprintf(&text, "error %s\n", why);
	send_text(s, len < 0 ? NULL : text, len < 0 ? 0 : (size_t)len);
}

static void answer_info(struct seat *s)
{
	struct control *c = s->control;
	struct control_info info = {
		.pid = (uint64_t)getpid(),
		.cpus = c->vm->nr_vcpus,
		.memory_bytes = gmem_total_bytes(&c->vm->mem),
		.uptime_ms = (now_ns() - c->since_ns) / 1000000,
		.grace_s = c->config->grace_s,
	};
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	snprintf(info.state, sizeof(info.state), "%s",
		 atomic_load(&c->vm->nr_pauses) ? "paused" : "running");
	snprintf(info.kernel, sizeof(info.kernel), "%s",
		 c->config->kernel ? c->config->kernel : "this host's own");
	if (f)
		control_print_info(f, &info);
	if (!f || fclose(f))
		refuse(s, "out of memory");
	else
		answer(s, text, len, NULL);
	free(text);
}

static void answer_dmesg(struct seat *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int err = f ? s->control->vm->arch->print_log(f, s->control->vm) : -ENOMEM;

	if (f && fclose(f))
		err = -ENOMEM;
	if (err == -ENOENT)
		refuse(s,
		       "no log of a Linux kernel found in its memory; it must be 64-bit, unpacked, with kallsyms or VMCOREINFO");
	else if (err && err != -EIO)
		refuse(s, "%s", strerror(-err));
	else
		answer(s, text, len,
		       err ? "the log is damaged: some of it could not be read" : NULL);
	free(text);
}

static void on_report(void *ctx, const char *text, size_t len)
{
	answer(ctx, text, len, NULL);
}

static void start_report(struct seat *s)
{
	struct report_sink sink = { .fn = on_report, .ctx = s };

	if (!reports_request(s->control->reports, &sink))
		refuse(s, "another report is under way; try again");
}

static void on_dumped(void *ctx, int err, const struct dump_result *r)
{
	char text[DUMP_TEXT_BYTES];
	struct seat *s = ctx;

	dump_text(text, sizeof(text), r);
	if (err == -ECANCELED)
		refuse(s, "the machine ended before its core was complete");
	else if (err)
		refuse(s, "the core could not be written: %s", strerror(-err));
	else
		answer(s, NULL, 0, text);
}

static void start_dump(struct seat *s)
{
	struct stat st;
	int err;

	if (s->passed_fd < 0 || fstat(s->passed_fd, &st) || !S_ISREG(st.st_mode)) {
		refuse(s, "dump needs the descriptor of a regular file");
		return;
	}
	err = dump_job_start(&s->control->dump, s->control->vm, s->passed_fd, on_dumped, s);
	if (err == -EBUSY)
		refuse(s, "another core is being written; try again");
	else if (err)
		refuse(s, "%s", strerror(-err));
}

static void end_machine(void *ctx)
{
	struct control *c = ctx;

	vm_end(c->vm, VERDICT_QUIT, 0, "ended by `kvm stop`");
}

static void answer_stop(struct seat *s, const struct control_request *request)
{
	struct control *c = s->control;
	uint64_t seconds = request->has_seconds ? request->seconds : c->config->grace_s;
	char note[96];

	if (!seconds) {
		answer(s, NULL, 0, NULL);
		end_machine(c);
		return;
	}
	c->vm->asked_to_end = true;
	loop_timer_arm(&c->grace, seconds * NS_PER_S);
	snprintf(note, sizeof(note), "%s; the machine ends in %llu s at the latest",
		 c->vm->arch->ask_to_end(c->vm, SIGTERM), (unsigned long long)seconds);
	pr_info("kvm stop: %s", note);
	answer(s, NULL, 0, note);
}

static void serve(struct seat *s, size_t line_len)
{
	struct control_request request;

	s->state = SEAT_WORKING;
	loop_timer_disarm(&s->patience);
	loop_mod(&s->source, 0);
	if (control_parse_request(s->line, line_len, &request)) {
		refuse(s, "no such request");
		return;
	}
	switch (request.verb) {
	case CONTROL_INFO:
		answer_info(s);
		break;
	case CONTROL_DEBUG:
		start_report(s);
		break;
	case CONTROL_DMESG:
		answer_dmesg(s);
		break;
	case CONTROL_DUMP:
		start_dump(s);
		break;
	case CONTROL_STOP:
		answer_stop(s, &request);
		break;
	}
}

/*--- clients ---------------------------------------------------------------------------*/

/* Keeps the first descriptor that came with the line, and closes all others. */
static void take_fds(struct seat *s, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t nr = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
				    ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int)
				    : 0;

		for (size_t i = 0; i < nr; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (s->passed_fd < 0)
				s->passed_fd = fd;
			else
				close(fd);
		}
	}
}

static ssize_t receive(struct seat *s)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MAX_PASSED_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = s->line + s->len, .iov_len = sizeof(s->line) - s->len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC);

	if (n >= 0)
		take_fds(s, &msg);
	return n < 0 ? -errno : n;
}

static void read_request(struct seat *s)
{
	ssize_t n = receive(s);
	char *end;

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0) {
		hang_up(s);
		return;
	}
	s->len += (size_t)n;
	end = memchr(s->line, '\n', s->len);
	if (end)
		serve(s, (size_t)(end - s->line));
	else if (s->len == sizeof(s->line))
		refuse(s, "request too long");
}

static void on_client(void *ctx, uint32_t events)
{
	struct seat *s = ctx;

	if (s->state == SEAT_READING && events & EPOLLIN)
		read_request(s);
	else if (s->state == SEAT_WRITING && events & EPOLLOUT)
		send_out(s);
	else if (events & (EPOLLHUP | EPOLLERR)) {
		if (s->control->dump.running && s->control->dump.ctx == s)
			atomic_store(&s->control->dump.cancel, true);
		hang_up(s);
	}
}

static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static void on_connection(void *ctx, uint32_t events)
{
	struct control *c = ctx;
	struct seat *s = c->seat;
	int fd;

	(void)events;
	while (s < c->seat + NR_SEATS && s->state != SEAT_FREE)
		s++;
	if (s == c->seat + NR_SEATS)
		return; /* an event from before the last seat was taken */
	fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return; /* disconnected already */
	if (!is_ours(fd)) {
		close(fd);
		return;
	}
	*s = (struct seat){ .control = c, .fd = fd, .passed_fd = -1, .source = { .fd = -1 } };
	loop_timer_init(&c->vm->loop, &s->patience, on_patience_over, s);
	if (loop_add(&c->vm->loop, &s->source, fd, EPOLLIN, on_client, s)) {
		close(fd);
		return;
	}
	s->state = SEAT_READING;
	loop_timer_arm(&s->patience, PATIENCE_NS);
	look_for_clients(c);
}

/*--- life ---------------------------------------------------------------------------*/

int control_create(struct control **out, const struct config *config)
{
	struct control *c;
	struct stat st;
	int err;

	*out = NULL;
	if (!config->name)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	c->name = config->name;
	c->config = config;
	c->since_ns = now_ns();
	err = control_folder_open(&c->folder, true);
	c->listen_fd = err ? err : control_folder_listen(&c->folder, c->name);
	if (c->listen_fd < 0) {
		err = c->listen_fd;
		control_folder_close(&c->folder);
		free(c);
		return err;
	}
	if (!fstatat(c->folder.fd, c->name, &st, AT_SYMLINK_NOFOLLOW)) {
		c->dev = st.st_dev;
		c->ino = st.st_ino;
		snprintf(c->path, sizeof(c->path), "%s/%s", c->folder.path, c->name);
		leftover_add(c->path, &st);
	}
	*out = c;
	return 0;
}

int control_attach(struct control *c, struct vm *vm, struct reports *reports)
{
	int err;

	if (!c)
		return 0;
	assert(!c->vm);
	c->vm = vm;
	c->reports = reports;
	loop_timer_init(&vm->loop, &c->grace, end_machine, c);
	err = loop_add(&vm->loop, &c->listening, c->listen_fd, EPOLLIN, on_connection, c);
	if (err)
		pr_err("--name %s: cannot wait for clients: %s", c->name, strerror(-err));
	return err;
}

void control_detach(struct control *c)
{
	if (!c || !c->vm)
		return;
	dump_job_stop(&c->dump);
	for (unsigned int i = 0; i < NR_SEATS; i++) {
		struct seat *s = &c->seat[i];

		if (s->state == SEAT_WORKING)
			refuse(s, "the machine has ended");
		if (s->state != SEAT_FREE)
			hang_up(s);
	}
	loop_timer_fini(&c->grace);
	loop_del(&c->listening);
	c->vm = NULL;
}

void control_remove(struct control *c)
{
	struct stat st;

	if (!c || c->listen_fd < 0)
		return;
	leftover_drop(c->path);
	if (!fstatat(c->folder.fd, c->name, &st, AT_SYMLINK_NOFOLLOW) && st.st_dev == c->dev &&
	    st.st_ino == c->ino)
		unlinkat(c->folder.fd, c->name, 0);
	close(c->listen_fd);
	c->listen_fd = -1;
}

void control_destroy(struct control *c)
{
	if (!c)
		return;
	control_detach(c);
	control_remove(c);
	control_folder_close(&c->folder);
	free(c);
}
