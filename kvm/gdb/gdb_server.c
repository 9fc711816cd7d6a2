/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves the debugger's connection on the loop's thread.
 *
 * A packet is served only while the machine is stopped and nothing is on its way to the client.
 * While the machine runs, only 0x03 has a meaning. Neither an unread reply nor a flood of packets
 * takes memory: what cannot be served stays in the socket.
 *
 * When a client disconnects while the machine runs, the server stops the machine, removes the
 * breakpoints, and lets the machine continue.
 */
#include "gdb_impl.h"

#include "gdb_socket.h"
#include "kvm/arch.h"
#include "kvm/log.h"
#include "kvm/vm.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void client_gone(struct gdb *g)
{
	loop_del(&g->client);
	close(g->fd);
	g->fd = -1;
	if (g->is_debugger)
		pr_info("gdb: debugger disconnected");
	if (g->phase == GDB_STOPPED) {
		gdb_release(g);
	} else if (g->phase != GDB_IDLE) {
		g->leaving = true;
		gdb_stop_machine(g);
	}
}

/* Sends what is queued. Returns false if the client has disconnected. */
static bool flush(struct gdb *g)
{
	while (g->out_at < g->out_len) {
		ssize_t n = send(g->fd, g->out + g->out_at, g->out_len - g->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			client_gone(g);
			return false;
		}
		g->out_at += (size_t)n;
	}
	return true;
}

/*
 * Returns the first free byte after what is on its way to the client: an acknowledgement at most.
 */
static char *out_end(struct gdb *g)
{
	if (g->out_at == g->out_len)
		g->out_at = g->out_len = 0;
	assert(g->out_len <= 1);
	return g->out + g->out_len;
}

static void queue_byte(struct gdb *g, char byte)
{
	*out_end(g) = byte;
	g->out_len++;
}

static void queue_reply(struct gdb *g)
{
	char *to = out_end(g);

	g->out_len += gdb_frame(&g->reply, to);
}

/* Serves one packet. Returns false if the client has disconnected. */
static bool serve_packet(struct gdb *g)
{
	if (!g->session.no_ack)
		queue_byte(g, '+');
	g->reply.len = 0;
	if (gdb_session_packet(&g->session, g->parser.body, g->parser.len, &g->reply))
		queue_reply(g);
	if (!flush(g))
		return false;
	if (g->session.leave) {
		g->session.leave = false;
		gdb_release(g);
	}
	return true;
}

/*
 * Requests the packet again after a wrong checksum, or (@ours) sends our last reply again at the
 * client's request. Returns false if the client has disconnected.
 */
static bool repeat(struct gdb *g, bool ours)
{
	if (g->session.no_ack)
		return true;
	if (!ours)
		queue_byte(g, '-');
	else if (g->reply.len)
		queue_reply(g);
	return flush(g);
}

static bool serve_byte(struct gdb *g, uint8_t byte)
{
	switch (gdb_feed(&g->parser, byte)) {
	case GDB_PACKET:
		/* A running machine answers no packet. */
		return g->phase == GDB_STOPPED ? serve_packet(g) : true;
	case GDB_BAD:
		return repeat(g, false);
	case GDB_LOST:
		return repeat(g, true);
	case GDB_INTERRUPT:
		if (g->phase == GDB_RUNNING)
			gdb_stop_machine(g);
		return true;
	default:
		return true;
	}
}

/*
 * Whether bytes from the client can be served: nothing is on its way to the client, and the machine
 * runs or has stopped.
 */
static bool may_serve(const struct gdb *g)
{
	return g->fd >= 0 && g->out_at == g->out_len && g->phase != GDB_STOPPING;
}

static void serve(struct gdb *g)
{
	while (may_serve(g) && g->in_at < g->in_len) {
		if (!serve_byte(g, g->in[g->in_at++]))
			return;
	}
	if (g->fd >= 0)
		loop_mod(&g->client,
			 (g->out_at < g->out_len ? EPOLLOUT : 0) | (may_serve(g) ? EPOLLIN : 0));
}

/*
 * Whether the client is a debugger, by the first byte that it sends. Web pages of this host's
 * browsers reach a port, too.
 */
static bool is_debugger(struct gdb *g)
{
	if (!g->is_debugger && !gdb_may_begin(g->in[0])) {
		pr_guest("gdb: disconnected a client that does not speak GDB's protocol");
		return false;
	}
	if (!g->is_debugger)
		pr_info("gdb: debugger connected");
	g->is_debugger = true;
	return true;
}

static void on_client(void *ctx, uint32_t events)
{
	struct gdb *g = ctx;
	ssize_t n;

	if (events & EPOLLOUT && !flush(g))
		return;
	if (may_serve(g) && g->in_at == g->in_len) {
		n = recv(g->fd, g->in, sizeof(g->in), 0);
		if (!n || (n < 0 && errno != EAGAIN) || (n > 0 && !is_debugger(g))) {
			client_gone(g);
			return;
		}
		g->in_at = 0;
		g->in_len = n > 0 ? (size_t)n : 0;
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		client_gone(g);
		return;
	}
	serve(g);
}

static void on_accepted(void *ctx, int fd)
{
	struct gdb *g = ctx;
	int one = 1;

	if (g->fd >= 0 || loop_add(&g->vm->loop, &g->client, fd, 0, on_client, g)) {
		pr_guest("gdb: refused a second debugger");
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	g->fd = fd;
	g->is_debugger = false;
	g->in_at = g->in_len = g->out_at = g->out_len = 0;
	g->reply.len = 0;
	g->answer_due = false;
	memset(&g->parser, 0, sizeof(g->parser));
	gdb_session_reset(&g->session);
	gdb_stop_machine(g);
}

/* Returns the vCPU whose trap to report, and the trap in @stop. A stop by 0x03 has no trap. */
static unsigned int choose_stop(struct gdb *g, struct gdb_stop *stop)
{
	unsigned int cause;

	pthread_mutex_lock(&g->vm->pause_lock);
	cause = g->cause;
	if (cause != GDB_NO_CAUSE) {
		*stop = g->trap[cause];
		g->trap[cause].signal = 0;
	} else
		*stop = (struct gdb_stop){ .signal = g->answer_due ? GDB_SIGINT : GDB_SIGTRAP };
	pthread_mutex_unlock(&g->vm->pause_lock);
	return cause == GDB_NO_CAUSE ? g->session.current : cause;
}

/*
 * Notes that the machine has stopped. Returns false if it is not stopping: the time limit is that
 * of an earlier stop.
 */
static bool has_stopped(struct gdb *g)
{
	bool now;

	pthread_mutex_lock(&g->vm->pause_lock);
	now = g->phase == GDB_STOPPING;
	if (now)
		g->phase = GDB_STOPPED;
	pthread_mutex_unlock(&g->vm->pause_lock);
	return now;
}

/*
 * Forgets a client that disconnected while the machine ran. Returns true if the machine continues,
 * false if another client has connected since.
 */
static bool forget_client(struct gdb *g)
{
	g->vm->arch->gdb.remove_all(g->vm);
	g->leaving = false;
	if (g->fd < 0)
		gdb_release(g);
	return g->fd < 0;
}

/* The machine has stopped: reports that, or continues after a step over a breakpoint. */
static void on_stopped(void *ctx)
{
	struct gdb *g = ctx;
	bool over = g->over;
	struct gdb_stop stop;
	unsigned int thread;

	if (!has_stopped(g))
		return;
	g->over = false;
	g->vm->arch->gdb.plant(g->vm, false);
	if (g->leaving && forget_client(g))
		return;
	thread = choose_stop(g, &stop);
	if (over && stop.signal == GDB_SIGTRAP && !stop.reason &&
	    g->session.action[thread] == GDB_CONTINUE) {
		gdb_run(g, g->session.action);
	} else if (g->answer_due) {
		g->answer_due = false;
		g->reply.len = 0;
		gdb_session_stopped(&g->session, thread, &stop, &g->reply);
		queue_reply(g);
		if (!flush(g))
			return;
	}
	serve(g);
}

/* ---- life --------------------------------------------------------------------------- */

static bool is_debugged(const void *ctx)
{
	const struct gdb *g = ctx;

	return g->phase != GDB_IDLE || g->vm->vcpu[0].held;
}

/*
 * Holds all vCPUs before their first instruction: the first KVM_RUN of each returns at once, and
 * the vCPU then sees that it is held.
 */
static void hold_first_instruction(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		vm->vcpu[i].held = true;
		vm->vcpu[i].run->immediate_exit = 1;
	}
}

static int gdb_start(struct gdb *g, const char *where)
{
	int err = gdb_session_init(&g->session, &gdb_target_ops, g, g->vm->nr_vcpus);

	g->trap = calloc(g->vm->nr_vcpus, sizeof(*g->trap));
	if (err || !g->trap) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	err = gdb_listen(where, &g->listener);
	if (err)
		return err;
	err = listener_start(&g->listener, &g->vm->loop, on_accepted, g);
	if (err)
		pr_err("--gdb %s: cannot wait for clients: %s", where, strerror(-err));
	return err;
}

int gdb_open(struct gdb **out, struct vm *vm)
{
	const char *where = vm->config->gdb, *path;
	struct gdb *g;
	int err;

	*out = NULL;
	if (!where)
		return 0;
	g = calloc(1, sizeof(*g));
	if (!g) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	*out = g;
	g->vm = vm;
	g->listener.fd = -1;
	g->fd = -1;
	g->cause = GDB_NO_CAUSE;
	loop_timer_init(&vm->loop, &g->stop_timer, on_stopped, g);
	err = gdb_start(g, where);
	if (err)
		return err;
	vm->hooks = (struct vm_hooks){
		.held_waits = gdb_held_waits,
		.debug_exit = gdb_debug_exit,
		.is_debugged = is_debugged,
		.stop = gdb_stop_at_end,
		.ctx = g,
	};
	if (vm->config->gdb_wait)
		hold_first_instruction(vm);
	path = g->listener.path;
	pr_info("gdb: `target remote %s%s`%s", path ? "" : ":", path ? path : where,
		vm->config->gdb_wait ? "; the machine waits for it" : "");
	return 0;
}

/* Tells a client that waits for a stop that the machine has ended. */
static void say_end(struct gdb *g)
{
	if (!g->answer_due)
		return;
	g->reply.len = 0;
	gdb_putf(&g->reply, "W%02x", (unsigned int)verdict_exit_code(&g->vm->verdict));
	queue_reply(g);
	flush(g);
}

void gdb_close(struct gdb *g)
{
	if (!g)
		return;
	if (g->fd >= 0)
		say_end(g);
	if (g->fd >= 0) {
		loop_del(&g->client);
		close(g->fd);
	}
	listener_close(&g->listener);
	loop_timer_fini(&g->stop_timer);
	gdb_session_fini(&g->session);
	free(g->trap);
	free(g);
}
