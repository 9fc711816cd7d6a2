/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Answers GDB's packets, with one function for each; packets[] is THE table of them.
 *
 * A packet that is not in the table gets the empty reply, which means that it is unknown. The
 * readers of gdb_packet.h parse packets; they stop at the body's NUL. Lengths are cut to what a
 * reply holds.
 */
#include "gdb_commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int gdb_session_init(struct gdb_session *s, const struct gdb_target_ops *ops, void *ctx,
		     unsigned int nr_threads)
{
	memset(s, 0, sizeof(*s));
	s->ops = ops;
	s->ctx = ctx;
	s->nr_threads = nr_threads;
	s->action = calloc(nr_threads, sizeof(*s->action));
	gdb_session_reset(s);
	return s->action ? 0 : -ENOMEM;
}

void gdb_session_fini(struct gdb_session *s)
{
	free(s->action);
	s->action = NULL;
}

void gdb_session_reset(struct gdb_session *s)
{
	s->current = 0;
	s->stopped = 0;
	s->stop = (struct gdb_stop){ .signal = GDB_SIGTRAP };
	s->no_ack = false;
	s->knows_reasons = false;
	s->physical = false;
	s->leave = false;
}

/* Reads a thread's number; 0 and -1, "any" and "all", give @otherwise. */
static bool take_thread(const struct gdb_session *s, const char **at, unsigned int otherwise,
			unsigned int *thread)
{
	uint64_t number;

	*thread = otherwise;
	if (gdb_take(at, "-1"))
		return true;
	if (!gdb_take_number(at, &number) || number > s->nr_threads)
		return false;
	if (number)
		*thread = (unsigned int)number - 1;
	return true;
}

static void put_stop(struct gdb_session *s, struct gdb_reply *r)
{
	const struct gdb_stop *stop = &s->stop;
	bool watch = stop->reason && strstr(stop->reason, "watch");

	gdb_putf(r, "T%02xthread:%x;", stop->signal, s->stopped + 1);
	if (watch)
		gdb_putf(r, "%s:%llx;", stop->reason, (unsigned long long)stop->addr);
	else if (stop->reason && s->knows_reasons)
		gdb_putf(r, "%s:;", stop->reason);
}

void gdb_session_stopped(struct gdb_session *s, unsigned int thread, const struct gdb_stop *stop,
			 struct gdb_reply *r)
{
	s->stopped = thread;
	s->current = thread;
	s->stop = *stop;
	put_stop(s, r);
}

static bool on_why(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	(void)at;
	(void)len;
	put_stop(s, r);
	return true;
}

static bool on_supported(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	(void)len;
	s->knows_reasons = strstr(at, "swbreak+") && strstr(at, "hwbreak+");
	gdb_putf(
		r,
		"PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+",
		GDB_BODY_MAX);
	return true;
}

static bool on_description(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	char *xml = (char *)s->buf;
	uint64_t offset, want;
	size_t total, part;

	(void)len;
	_Static_assert(GDB_MAX_DESCRIPTION_BYTES <= sizeof(s->buf),
		       "the description is written there");
	if (!gdb_take(&at, "target.xml:") || !gdb_take_number(&at, &offset) ||
	    !gdb_take(&at, ",") || !gdb_take_number(&at, &want)) {
		gdb_put(r, "E00");
		return true;
	}
	total = s->ops->description(s->ctx, xml, GDB_MAX_DESCRIPTION_BYTES);
	if (offset > total) {
		gdb_put(r, "E01");
		return true;
	}
	/* Only half a reply, because each byte may have to be escaped. */
	part = (size_t)min_u64(min_u64(want, total - offset), GDB_MAX_MEMORY_BYTES - 1);
	gdb_put(r, offset + part < total ? "m" : "l");
	gdb_put_binary(r, xml + offset, part);
	return true;
}

/* One reply has room for all: there are at most 4096 vCPUs, of four digits. */
static bool on_first_threads(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	(void)at;
	(void)len;
	for (unsigned int i = 0; i < s->nr_threads; i++)
		gdb_putf(r, "%c%x", i ? ',' : 'm', i + 1);
	return true;
}

static bool on_more_threads(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	(void)s;
	(void)at;
	(void)len;
	gdb_put(r, "l");
	return true;
}

static bool on_thread_info(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	unsigned int thread;
	char text[128] = "";

	(void)len;
	if (!take_thread(s, &at, s->current, &thread)) {
		gdb_put_result(r, -EINVAL);
		return true;
	}
	s->ops->thread_info(s->ctx, thread, text, sizeof(text));
	gdb_put_hex(r, text, strlen(text));
	return true;
}

static bool on_current_thread(struct gdb_session *s, const char *at, size_t len,
			      struct gdb_reply *r)
{
	(void)len;
	if (!*at)
		gdb_putf(r, "QC%x", s->current + 1);
	return true;
}

/* 1: the machine existed before the debugger, so GDB detaches at its end instead of killing it. */
static bool on_attached(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	(void)s;
	(void)at;
	(void)len;
	gdb_put(r, "1");
	return true;
}

static bool on_thread_alive(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	unsigned int thread;

	(void)len;
	gdb_put_result(r, take_thread(s, &at, 0, &thread) ? 0 : -ESRCH);
	return true;
}

/* Hg chooses whose registers and memory are meant. Hc, which vCont replaces, has no effect. */
static bool on_choose_thread(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	bool general = gdb_take(&at, "g");
	unsigned int thread;

	(void)len;
	if ((!general && !gdb_take(&at, "c")) || !take_thread(s, &at, s->current, &thread)) {
		gdb_put_result(r, -ESRCH);
		return true;
	}
	if (general)
		s->current = thread;
	gdb_put_result(r, 0);
	return true;
}

static bool on_no_ack(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	(void)at;
	(void)len;
	s->no_ack = true;
	gdb_put_result(r, 0);
	return true;
}

static bool on_monitor(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	char line[256] = "", *text = NULL;
	size_t bytes = len / 2, out = 0;
	FILE *f;

	if (bytes >= sizeof(line) || !gdb_take_bytes(&at, line, bytes)) {
		gdb_put_result(r, -EINVAL);
		return true;
	}
	f = open_memstream(&text, &out);
	if (!f) {
		gdb_put_result(r, -ENOMEM);
		return true;
	}
	gdb_monitor(s, line, f);
	fclose(f);
	if (text && out)
		gdb_put_hex(r, text, (size_t)min_u64(out, GDB_MAX_MEMORY_BYTES));
	else
		gdb_put_result(r, 0);
	free(text);
	return true;
}

/* ---- running --------------------------------------------------------------------------- */

static bool on_actions(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	(void)s;
	(void)at;
	(void)len;
	gdb_put(r, "vCont;c;C;s;S");
	return true;
}

/* Reads c or s, or C or S with a signal, which is ignored because guests have none. */
static bool take_action(const char **at, enum gdb_action *action)
{
	char letter = **at;
	uint64_t signal;

	if (!letter || !strchr("csCS", letter))
		return false;
	(*at)++;
	*action = letter == 'c' || letter == 'C' ? GDB_CONTINUE : GDB_STEP;
	return letter == 'c' || letter == 's' || gdb_take_number(at, &signal);
}

/*
 * Gives @action to those of its threads that have none yet: the first action for a thread counts.
 */
static bool take_whom(struct gdb_session *s, const char **at, enum gdb_action action)
{
	unsigned int first = 0, last = s->nr_threads - 1, thread;

	if (gdb_take(at, ":")) {
		if (!take_thread(s, at, s->nr_threads, &thread))
			return false;
		first = thread == s->nr_threads ? 0 : thread;
		last = thread == s->nr_threads ? last : thread;
	}
	for (unsigned int i = first; i <= last; i++) {
		if (s->action[i] == GDB_STAY)
			s->action[i] = action;
	}
	return true;
}

static bool resume(struct gdb_session *s, struct gdb_reply *r)
{
	for (unsigned int i = 0; i < s->nr_threads; i++) {
		if (s->action[i] != GDB_STAY) {
			s->ops->resume(s->ctx, s->action);
			return false;
		}
	}
	gdb_put_result(r, -EINVAL);
	return true;
}

static bool on_continue(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	enum gdb_action action;

	(void)len;
	memset(s->action, 0, s->nr_threads * sizeof(*s->action));
	while (*at) {
		if (!gdb_take(&at, ";") || !take_action(&at, &action) ||
		    !take_whom(s, &at, action)) {
			gdb_put_result(r, -EINVAL);
			return true;
		}
	}
	return resume(s, r);
}

/*
 * Serves the old forms, without vCont: a step is for the current thread, and the others continue.
 * An address is not accepted: GDB writes the register.
 */
static bool on_old_continue(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	enum gdb_action action;

	(void)len;
	at--; /* the letter says which */
	if (!take_action(&at, &action) || *at) {
		gdb_put_result(r, -EINVAL);
		return true;
	}
	for (unsigned int i = 0; i < s->nr_threads; i++)
		s->action[i] = GDB_CONTINUE;
	s->action[s->current] = action;
	return resume(s, r);
}

static bool on_detach(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	(void)at;
	(void)len;
	s->leave = true;
	gdb_put_result(r, 0);
	return true;
}

static bool on_kill(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	(void)at;
	(void)len;
	(void)r;
	s->ops->kill(s->ctx);
	return false;
}

static const struct {
	const char *prefix;
	bool (*run)(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r);
} packets[] = {
	{ "?", on_why },
	{ "g", gdb_on_read_all },
	{ "G", gdb_on_write_all },
	{ "p", gdb_on_read_reg },
	{ "P", gdb_on_write_reg },
	{ "m", gdb_on_read_memory },
	{ "M", gdb_on_write_memory },
	{ "X", gdb_on_write_binary },
	{ "Z", gdb_on_insert },
	{ "z", gdb_on_remove },
	{ "H", on_choose_thread },
	{ "T", on_thread_alive },
	{ "c", on_old_continue },
	{ "s", on_old_continue },
	{ "C", on_old_continue },
	{ "S", on_old_continue },
	{ "D", on_detach },
	{ "k", on_kill },
	{ "vCont?", on_actions },
	{ "vCont", on_continue },
	{ "qSupported", on_supported },
	{ "qXfer:features:read:", on_description },
	{ "qfThreadInfo", on_first_threads },
	{ "qsThreadInfo", on_more_threads },
	{ "qThreadExtraInfo,", on_thread_info },
	{ "qC", on_current_thread },
	{ "qAttached", on_attached },
	{ "qRcmd,", on_monitor },
	{ "QStartNoAckMode", on_no_ack },
};

bool gdb_session_packet(struct gdb_session *s, const char *body, size_t len, struct gdb_reply *r)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(packets); i++) {
		const char *at = body;

		if (gdb_take(&at, packets[i].prefix))
			return packets[i].run(s, at, len - (size_t)(at - body), r);
	}
	return true;
}
