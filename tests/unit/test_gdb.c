/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the GDB stub's framing, escapes and numbers; then a session over a fake target: each packet
 * by its reply and by its request to the target.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/gdb/gdb_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NR_THREADS 3

/* The last request to the target. */
static struct {
	unsigned int thread, kind;
	uint64_t addr, len;
	bool physical, killed;
	enum gdb_action action[NR_THREADS];
	uint8_t regs[12], memory[64];
} target;
static struct gdb_parser parser;
static struct gdb_session session;
static struct gdb_reply reply;
static bool replied;

static size_t description(void *ctx, char *xml, size_t n)
{
	(void)ctx;
	return (size_t)snprintf(xml, n, "<target>#$}*</target>");
}

static bool reg(void *ctx, unsigned int n, size_t *offset, size_t *bytes)
{
	(void)ctx;
	*offset = n ? 8 : 0;
	*bytes = n ? 4 : 8;
	return n < 2;
}

static int read_regs(void *ctx, unsigned int thread, uint8_t *bytes, size_t *len)
{
	(void)ctx;
	target.thread = thread;
	memcpy(bytes, target.regs, sizeof(target.regs));
	*len = sizeof(target.regs);
	return 0;
}

static int write_regs(void *ctx, unsigned int thread, const uint8_t *bytes)
{
	(void)ctx;
	target.thread = thread;
	memcpy(target.regs, bytes, sizeof(target.regs));
	return 0;
}

/* Memory is at 0x1000 and above. */
static size_t reach(uint64_t addr, size_t len, bool physical)
{
	target.physical = physical;
	if (addr < 0x1000 || addr - 0x1000 >= sizeof(target.memory))
		return 0;
	return (size_t)min_u64(len, sizeof(target.memory) - (addr - 0x1000));
}

static size_t read_memory(void *ctx, unsigned int thread, uint64_t addr, void *buf, size_t len,
			  bool physical)
{
	size_t part = reach(addr, len, physical);

	(void)ctx;
	target.thread = thread;
	memcpy(buf, target.memory + (part ? addr - 0x1000 : 0), part);
	return part;
}

static size_t write_memory(void *ctx, unsigned int thread, uint64_t addr, const void *buf,
			   size_t len, bool physical)
{
	size_t part = reach(addr, len, physical);

	(void)ctx;
	target.thread = thread;
	memcpy(target.memory + (part ? addr - 0x1000 : 0), buf, part);
	return part;
}

static int insert(void *ctx, unsigned int thread, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	(void)ctx;
	target.thread = thread;
	target.kind = kind;
	target.addr = addr;
	target.len = len;
	return kind == GDB_WATCH_READ ? -EOPNOTSUPP : 0;
}

static int remove_break(void *ctx, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	(void)ctx;
	(void)kind;
	(void)len;
	return addr == target.addr ? 0 : -ENOENT;
}

static void resume(void *ctx, const enum gdb_action *action)
{
	(void)ctx;
	memcpy(target.action, action, sizeof(target.action));
}

static void kill_target(void *ctx)
{
	(void)ctx;
	target.killed = true;
}

static void thread_info(void *ctx, unsigned int thread, char *text, size_t n)
{
	(void)ctx;
	snprintf(text, n, "t%u", thread);
}

static void print_registers(void *ctx, unsigned int thread, FILE *f)
{
	(void)ctx;
	fprintf(f, "R%u", thread);
}

static void print_info(void *ctx, FILE *f)
{
	(void)ctx;
	fputs("I", f);
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

static int setup(void **state)
{
	(void)state;
	memset(&target, 0, sizeof(target));
	memset(&parser, 0, sizeof(parser));
	for (unsigned int i = 0; i < sizeof(target.memory); i++)
		target.memory[i] = (uint8_t)i;
	for (unsigned int i = 0; i < sizeof(target.regs); i++)
		target.regs[i] = (uint8_t)(0xa0 + i);
	return gdb_session_init(&session, &ops, NULL, NR_THREADS);
}

static int teardown(void **state)
{
	(void)state;
	gdb_session_fini(&session);
	return 0;
}

/* ---- framing ---- */

static enum gdb_event feed(const char *bytes)
{
	enum gdb_event event = GDB_NOTHING;

	while (*bytes) {
		assert_int_equal(event, GDB_NOTHING);
		event = gdb_feed(&parser, (uint8_t)*bytes++);
	}
	return event;
}

static void test_frames(void **state)
{
	(void)state;
	assert_int_equal(feed("+$g#67"), GDB_PACKET);
	assert_string_equal(parser.body, "g");
	assert_int_equal(feed("$#00"), GDB_PACKET);
	assert_int_equal(parser.len, 0);
	assert_int_equal(feed("$g#68"), GDB_BAD);
	assert_int_equal(feed("$g#6x"), GDB_BAD);
	assert_int_equal(feed("$g#x7"), GDB_BAD);
	assert_int_equal(feed("$m0,1$g#67"), GDB_PACKET);
	assert_string_equal(parser.body, "g");
	assert_int_equal(feed("-"), GDB_LOST);
	assert_int_equal(feed("\003"), GDB_INTERRUPT);
	/* Inside a body it is an ordinary byte. */
	assert_int_equal(feed("$\003#03"), GDB_PACKET);
	assert_int_equal(parser.body[0], 3);
	assert_int_equal(feed("noise"), GDB_NOTHING);
}

static void test_first_byte(void **state)
{
	(void)state;
	for (unsigned int byte = 0; byte < 256; byte++)
		assert_int_equal(gdb_may_begin((uint8_t)byte),
				 strchr("+-$\003", (int)byte) && byte);
}

static void test_too_long(void **state)
{
	char end[4];
	uint8_t sum = 0;

	(void)state;
	assert_int_equal(feed("$"), GDB_NOTHING);
	for (unsigned int i = 0; i < GDB_BODY_MAX + 1; i++, sum += 'm')
		assert_int_equal(gdb_feed(&parser, 'm'), GDB_NOTHING);
	snprintf(end, sizeof(end), "#%02x", sum);
	assert_int_equal(feed(end), GDB_PACKET);
	assert_int_equal(parser.len, 0);
	assert_int_equal(feed("$g#67"), GDB_PACKET);
	assert_string_equal(parser.body, "g");
}

static void test_longest(void **state)
{
	uint8_t sum = 0;
	char end[4];

	(void)state;
	feed("$");
	for (unsigned int i = 0; i < GDB_BODY_MAX; i++, sum += 'x')
		gdb_feed(&parser, 'x');
	snprintf(end, sizeof(end), "#%02x", sum);
	assert_int_equal(feed(end), GDB_PACKET);
	assert_int_equal(parser.len, GDB_BODY_MAX);
}

static void test_readers(void **state)
{
	const char *at = "1fG", *none = "", *longest = "ffffffffffffffff,",
		   *longer = "00000000000000001";
	uint64_t value = 0;
	uint8_t bytes[2];

	(void)state;
	assert_true(gdb_take_number(&at, &value));
	assert_int_equal(value, 0x1f);
	assert_false(gdb_take_number(&at, &value));
	assert_true(gdb_take(&at, "G"));
	assert_false(gdb_take_number(&none, &value));
	assert_true(gdb_take_number(&longest, &value));
	assert_true(value == UINT64_MAX);
	assert_string_equal(longest, ",");
	assert_false(gdb_take_number(&longer, &value));
	at = "0aF";
	assert_false(gdb_take_bytes(&at, bytes, 2));
	assert_string_equal(at, "0aF");
	assert_true(gdb_take_bytes(&at, bytes, 1));
	assert_int_equal(bytes[0], 0x0a);
}

static void test_binary(void **state)
{
	static const char bytes[] = "a#$}*\0b";
	uint8_t back[32];

	(void)state;
	reply = (struct gdb_reply){ 0 };
	assert_int_equal(gdb_put_binary(&reply, bytes, 7), 7);
	assert_int_equal(reply.len, 11);
	assert_int_equal(gdb_unescape(reply.body, reply.len, back), 7);
	assert_memory_equal(back, bytes, 7);
	assert_int_equal(gdb_unescape("a}", 2, back), -EINVAL);
}

static void test_full_reply(void **state)
{
	static uint8_t bytes[GDB_BODY_MAX];

	(void)state;
	reply = (struct gdb_reply){ 0 };
	gdb_put_hex(&reply, bytes, GDB_BODY_MAX / 2);
	assert_false(reply.full);
	gdb_put(&reply, "x");
	assert_true(reply.full);
	assert_int_equal(reply.len, GDB_BODY_MAX);
	memset(bytes, '#', sizeof(bytes));
	reply = (struct gdb_reply){ 0 };
	assert_int_equal(gdb_put_binary(&reply, bytes, sizeof(bytes)), GDB_BODY_MAX / 2);
}

/* ---- the session ---- */

static const char *ask(const char *body)
{
	reply = (struct gdb_reply){ 0 };
	replied = gdb_session_packet(&session, body, strlen(body), &reply);
	assert_false(reply.full);
	if (reply.len < sizeof(reply.body))
		reply.body[reply.len] = 0;
	return reply.body;
}

static void test_unknown(void **state)
{
	(void)state;
	assert_string_equal(ask("vMustReplyEmpty"), "");
	assert_string_equal(ask(""), "");
	assert_string_equal(ask("qCRC:0,1"), "");
	assert_string_equal(ask("R00"), "");
	assert_true(replied);
}

static void test_attach(void **state)
{
	(void)state;
	assert_string_equal(ask("?"), "T05thread:1;");
	assert_non_null(strstr(ask("qSupported:swbreak+;hwbreak+"),
			       "PacketSize=8000;qXfer:features:read+"));
	assert_string_equal(ask("qXfer:features:read:target.xml:0,8"), "m<target>");
	assert_string_equal(ask("qXfer:features:read:target.xml:8,4"), "m}\003}\004}]}\n");
	assert_string_equal(ask("qXfer:features:read:target.xml:c,1000"), "l</target>");
	assert_string_equal(ask("qXfer:features:read:target.xml:15,10"), "l");
	assert_string_equal(ask("qXfer:features:read:target.xml:16,10"), "E01");
	assert_string_equal(ask("qXfer:features:read:other.xml:0,8"), "E00");
	assert_string_equal(ask("qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff"),
			    "E01");
	assert_string_equal(ask("qAttached"), "1");
	assert_string_equal(ask("QStartNoAckMode"), "OK");
	assert_true(session.no_ack);
	assert_string_equal(ask("D"), "OK");
	assert_true(session.leave);
}

static void test_threads(void **state)
{
	(void)state;
	assert_string_equal(ask("qfThreadInfo"), "m1,2,3");
	assert_string_equal(ask("qsThreadInfo"), "l");
	assert_string_equal(ask("qC"), "QC1");
	assert_string_equal(ask("Hg3"), "OK");
	assert_string_equal(ask("qC"), "QC3");
	assert_string_equal(ask("Hg4"), "E03");
	assert_string_equal(ask("Hg0"), "OK");
	assert_string_equal(ask("qC"), "QC3");
	assert_string_equal(ask("Hc-1"), "OK");
	assert_string_equal(ask("T3"), "OK");
	assert_string_equal(ask("T4"), "E03");
	assert_string_equal(ask("Tffffffffffffffff"), "E03");
	assert_string_equal(ask("qThreadExtraInfo,2"), "7431");
	ask("g");
	assert_int_equal(target.thread, 2);
}

static void test_registers(void **state)
{
	(void)state;
	assert_string_equal(ask("g"), "a0a1a2a3a4a5a6a7a8a9aaab");
	assert_string_equal(ask("p1"), "a8a9aaab");
	assert_string_equal(ask("p2"), "E16");
	assert_string_equal(ask("pffffffffffffffff"), "E16");
	assert_string_equal(ask("P1=01020304"), "OK");
	assert_string_equal(ask("P1=010203"), "E16");
	assert_string_equal(ask("P0=0000000000000000"), "OK");
	assert_string_equal(ask("g"), "000000000000000001020304");
	assert_string_equal(ask("Gffffffffffffffffffffffff00"), "OK");
	assert_string_equal(ask("g"), "ffffffffffffffffffffffff");
	assert_string_equal(ask("G0000"), "OK");
	assert_string_equal(ask("g"), "0000ffffffffffffffffffff");
}

static void test_memory(void **state)
{
	(void)state;
	assert_string_equal(ask("m1000,4"), "00010203");
	/* The readable part of it. */
	assert_string_equal(ask("m103e,ffffffffffffffff"), "3e3f");
	assert_string_equal(ask("m1040,1"), "E0e");
	assert_string_equal(ask("m0,1"), "E0e");
	assert_string_equal(ask("m1000"), "E16");
	assert_string_equal(ask("M1001,2:ffee"), "OK");
	assert_string_equal(ask("m1000,4"), "00ffee03");
	assert_string_equal(ask("M1001,3:ffee"), "E16");
	assert_string_equal(ask("M103f,2:ffee"), "E0e");
	assert_string_equal(ask("M1000,ffffffffffffffff:00"), "E16");
	assert_string_equal(ask("X1004,2:}\003z"), "OK");
	assert_string_equal(ask("m1004,2"), "237a");
	assert_string_equal(ask("X1004,2:z"), "E16");
	assert_string_equal(ask("X1004,0:"), "OK");
	assert_false(target.physical);
	ask("qRcmd,70687973206f6e"); /* phys on */
	ask("m1000,1");
	assert_true(target.physical);
}

static void test_breakpoints(void **state)
{
	(void)state;
	assert_string_equal(ask("Z0,ffffffff81000000,1"), "OK");
	assert_true(target.addr == 0xffffffff81000000);
	assert_string_equal(ask("Z2,1000,8"), "OK");
	assert_int_equal(target.kind, GDB_WATCH_WRITE);
	assert_int_equal(target.len, 8);
	assert_string_equal(ask("Z3,1000,8"), "");
	assert_string_equal(ask("Z5,1000,8"), "E16");
	assert_string_equal(ask("Z0,1000"), "E16");
	assert_string_equal(ask("z0,1000,1"), "OK");
	assert_string_equal(ask("z0,1001,1"), "E02");
}

static void expect_actions(const char *body, enum gdb_action a, enum gdb_action b,
			   enum gdb_action c)
{
	memset(target.action, 0xff, sizeof(target.action));
	ask(body);
	assert_false(replied);
	assert_int_equal(target.action[0], a);
	assert_int_equal(target.action[1], b);
	assert_int_equal(target.action[2], c);
}

static void test_resume(void **state)
{
	(void)state;
	assert_string_equal(ask("vCont?"), "vCont;c;C;s;S");
	expect_actions("vCont;c", GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE);
	expect_actions("vCont;s:2", GDB_STAY, GDB_STEP, GDB_STAY);
	expect_actions("vCont;s:2;c", GDB_CONTINUE, GDB_STEP, GDB_CONTINUE);
	expect_actions("vCont;S05:1;C05:-1", GDB_STEP, GDB_CONTINUE, GDB_CONTINUE);
	expect_actions("c", GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE);
	ask("Hg2");
	expect_actions("s", GDB_CONTINUE, GDB_STEP, GDB_CONTINUE);
	expect_actions("S05", GDB_CONTINUE, GDB_STEP, GDB_CONTINUE);
	assert_string_equal(ask("vCont"), "E16");
	assert_string_equal(ask("vCont;c:9"), "E16");
	assert_string_equal(ask("vCont;x"), "E16");
	assert_string_equal(ask("vCont;C"), "E16");
	assert_string_equal(ask("vCont;cc"), "E16");
	assert_string_equal(ask("c1000"), "E16");
	assert_true(replied);
	ask("k");
	assert_true(target.killed);
	assert_false(replied);
}

static void test_stops(void **state)
{
	struct gdb_stop stop = { .signal = GDB_SIGTRAP, .reason = "swbreak" };

	(void)state;
	reply = (struct gdb_reply){ 0 };
	gdb_session_stopped(&session, 1, &stop, &reply);
	/* A debugger that did not announce the word does not get it. */
	assert_string_equal(ask("?"), "T05thread:2;");
	ask("qSupported:swbreak+;hwbreak+");
	assert_string_equal(ask("?"), "T05thread:2;swbreak:;");
	assert_string_equal(ask("qC"), "QC2");
	stop = (struct gdb_stop){ .signal = GDB_SIGTRAP,
				  .reason = "watch",
				  .addr = 0xffff888000001000 };
	gdb_session_stopped(&session, 0, &stop, &reply);
	assert_string_equal(ask("?"), "T05thread:1;watch:ffff888000001000;");
}

static void test_monitor(void **state)
{
	(void)state;
	assert_string_equal(ask("qRcmd,696e666f"), "49");
	assert_string_equal(ask("qRcmd,726567697374657273"), "5230");
	assert_non_null(strstr(ask("qRcmd,68656c70"), "70687973"));   /* help: phys */
	assert_non_null(strstr(ask("qRcmd,7878"), "6e6f2073756368")); /* xx: no such */
	assert_string_equal(ask("qRcmd,7"), ask("qRcmd,"));
	assert_string_equal(ask("qRcmd,zz"), "E16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_readers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_binary, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_breakpoints, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resume, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_monitor, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
