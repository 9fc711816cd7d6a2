/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the GDB stub with a hostile debugger: any bytes go through the framing into a session over
 * a target with one page of memory, the real register layout and breakpoints.
 *
 * Each reply must be a frame that our own parser accepts, and the guest's memory is as written once
 * the breakpoints are removed.
 */
#include "kvm/gdb/gdb_session.h"
#include "x86/gdb/gdb_breaks.h"
#include "x86/gdb/gdb_regs.h"

#include <stdlib.h>
#include <string.h>

#define NR_THREADS 3
#define RAM_BYTES (64 * KIB)

struct target {
	struct gmem mem;
	struct gdb_breaks breaks;
	struct gdb_regs regs[NR_THREADS];
	unsigned int resumes;
	bool killed;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_thread(unsigned int thread)
{
	if (thread >= NR_THREADS)
		abort();
}

static int read_regs(void *ctx, unsigned int thread, uint8_t *bytes, size_t *len)
{
	check_thread(thread);
	*len = gdb_regs_pack(&((struct target *)ctx)->regs[thread], bytes);
	return 0;
}

static int write_regs(void *ctx, unsigned int thread, const uint8_t *bytes)
{
	check_thread(thread);
	gdb_regs_unpack(&((struct target *)ctx)->regs[thread], bytes);
	return 0;
}

static size_t read_memory(void *ctx, unsigned int thread, uint64_t addr, void *buf, size_t len,
			  bool physical)
{
	check_thread(thread);
	(void)physical;
	return gmem_read(&((struct target *)ctx)->mem, addr, buf, len) ? 0 : len;
}

static size_t write_memory(void *ctx, unsigned int thread, uint64_t addr, const void *buf,
			   size_t len, bool physical)
{
	check_thread(thread);
	(void)physical;
	return gmem_write(&((struct target *)ctx)->mem, addr, buf, len) ? 0 : len;
}

static int insert(void *ctx, unsigned int thread, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	check_thread(thread);
	return gdb_breaks_add(&((struct target *)ctx)->breaks, kind, addr, len, addr);
}

static int remove_break(void *ctx, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	return gdb_breaks_del(&((struct target *)ctx)->breaks, kind, addr, len);
}

static uint64_t sum(struct target *t)
{
	const uint8_t *p = gmem_at(&t->mem, 0, RAM_BYTES);
	uint64_t s = 0;

	for (unsigned int i = 0; i < RAM_BYTES; i++)
		s = s * 31 + p[i];
	return s;
}

static void resume(void *ctx, const enum gdb_action *action)
{
	struct target *t = ctx;
	uint64_t before = sum(t);
	unsigned int any = 0;

	for (unsigned int i = 0; i < NR_THREADS; i++)
		any |= action[i];
	if (!any)
		abort();
	gdb_breaks_plant(&t->breaks, &t->mem, true);
	gdb_breaks_plant(&t->breaks, &t->mem, false);
	if (sum(t) != before)
		abort();
	t->resumes++;
}

static void kill_target(void *ctx)
{
	((struct target *)ctx)->killed = true;
}

static void thread_info(void *ctx, unsigned int thread, char *text, size_t n)
{
	(void)ctx;
	check_thread(thread);
	snprintf(text, n, "thread %u", thread);
}

static void print_registers(void *ctx, unsigned int thread, FILE *f)
{
	(void)ctx;
	check_thread(thread);
	fputs("none\n", f);
}

static void print_info(void *ctx, FILE *f)
{
	(void)ctx;
	fputs("nothing\n", f);
}

static size_t description(void *ctx, char *xml, size_t n)
{
	(void)ctx;
	return gdb_regs_xml(xml, n);
}

static bool reg(void *ctx, unsigned int n, size_t *offset, size_t *bytes)
{
	(void)ctx;
	return gdb_regs_at(n, offset, bytes);
}

static const struct gdb_target_ops ops = {
	.description = description,
	.reg = reg,
	.read_regs = read_regs,
	.write_regs = write_regs,
	.read = read_memory,
	.write = write_memory,
	.insert = insert,
	.remove = remove_break,
	.resume = resume,
	.kill = kill_target,
	.thread_info = thread_info,
	.print_registers = print_registers,
	.print_info = print_info,
};

/* The parser turns the frame back into the body that it was made of. */
static void check_reply(const struct gdb_reply *r, struct gdb_parser *p, char *frame)
{
	size_t n = gdb_frame(r, frame);

	memset(p, 0, offsetof(struct gdb_parser, body));
	if (r->full || n > GDB_FRAME_MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		enum gdb_event event = gdb_feed(p, (uint8_t)frame[i]);

		if (event != (i == n - 1 ? GDB_PACKET : GDB_NOTHING))
			abort();
	}
	if (p->len != r->len || memcmp(p->body, r->body, r->len) != 0)
		abort();
}

static void feed(struct gdb_session *s, struct target *t, const uint8_t *data, size_t size)
{
	static struct gdb_parser in, out;
	static struct gdb_reply reply;
	static char frame[GDB_FRAME_MAX];
	static const struct gdb_stop stop = { .signal = GDB_SIGTRAP, .reason = "swbreak" };

	memset(&in, 0, offsetof(struct gdb_parser, body));
	for (size_t i = 0; i < size && !t->killed && !s->leave; i++) {
		if (gdb_feed(&in, data[i]) != GDB_PACKET)
			continue;
		reply = (struct gdb_reply){ 0 };
		if (!gdb_session_packet(s, in.body, in.len, &reply)) {
			if (reply.len)
				abort();
			gdb_session_stopped(s, t->resumes % NR_THREADS, &stop, &reply);
		}
		check_reply(&reply, &out, frame);
	}
}

/* The fuzzer need not guess checksums: a newline ends a packet, and this adds its sum. */
static size_t frame_lines(const uint8_t *data, size_t size, uint8_t *to)
{
	uint8_t byte_sum = 0;
	size_t n = 0;

	to[n++] = '$';
	for (size_t i = 0; i < size; i++) {
		if (data[i] != '\n') {
			byte_sum += data[i];
			to[n++] = data[i];
			continue;
		}
		n += (size_t)sprintf((char *)to + n, "#%02x$", byte_sum);
		byte_sum = 0;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target *t = calloc(1, sizeof(*t));
	struct gdb_session *s = calloc(1, sizeof(*s));
	uint8_t *framed = malloc(size * 5 + 8);

	gmem_init(&t->mem);
	if (gmem_add(&t->mem, 0, RAM_BYTES, GMEM_NORMAL) ||
	    gdb_session_init(s, &ops, t, NR_THREADS))
		abort();
	feed(s, t, data, size);
	gdb_session_reset(s);
	t->killed = false;
	feed(s, t, framed, frame_lines(data, size, framed));
	gdb_session_fini(s);
	gmem_fini(&t->mem);
	free(framed);
	free(s);
	free(t);
	return 0;
}
