/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the flight recorder's packing and ring, the words for its events, and --trace's option and
 * file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/trace/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct event ring[RECORDER_EVENTS];

static void events_keep_what_they_say(void **state)
{
	struct recorder r = { .ring = ring };
	struct event_view v;

	(void)state;
	assert_false(recorder_back(&r, 0, &v));
	record_port(&r, 0x123456789a00, EVENT_PORT_WRITE, 4, 0xffff, 0xdeadbeef);
	record_wide(&r, 0x200, EVENT_MMIO_READ, 8, 0xabcd12345678, 0x1122334455667788);
	record_wide(&r, 0x300, EVENT_MSR_WRITE, 8, 0xc0000080, 7);
	assert_true(recorder_back(&r, 2, &v));
	assert_true(v.ticks == 0x123456789a00 && v.kind == EVENT_PORT_WRITE && v.size == 4);
	assert_true(v.addr == 0xffff && v.value == 0xdeadbeef);
	assert_true(recorder_back(&r, 1, &v));
	assert_true(v.addr == 0xabcd12345678 && v.value == 0x55667788 && v.size == 8 &&
		    v.kind == EVENT_MMIO_READ);
	assert_true(recorder_back(&r, 0, &v) && v.addr == 0xc0000080 && v.value == 7);
	assert_true(recorder_now(&r) == 0x300);
	assert_false(recorder_back(&r, 3, &v));
	/* a word of which one byte counts */
	record_wide(&r, 0x400, EVENT_MMIO_WRITE, 1, 0xd0000070, 0x55667788);
	assert_true(recorder_back(&r, 0, &v) && v.value == 0x88 && v.size == 1);
}

static void the_ring_keeps_the_last(void **state)
{
	struct recorder r = { .ring = ring };
	struct event_view v;

	(void)state;
	for (unsigned int i = 0; i < RECORDER_EVENTS + 10; i++)
		record_port(&r, i, EVENT_PORT_READ, 4, 0x3fd, i);
	assert_true(recorder_back(&r, 0, &v) && v.value == RECORDER_EVENTS + 9);
	assert_true(recorder_back(&r, RECORDER_EVENTS - 1, &v) && v.value == 10);
	assert_false(recorder_back(&r, RECORDER_EVENTS, &v));
	r.ring = NULL;
	record_port(&r, 0, EVENT_PORT_READ, 1, 0, 0); /* does nothing */
	assert_true(r.nr == RECORDER_EVENTS + 10);
}

static void options(void **state)
{
	struct trace_config c;

	(void)state;
	assert_int_equal(trace_parse(&c, "pio"), 0);
	assert_true(c.kinds == (1U << EVENT_PORT_READ | 1U << EVENT_PORT_WRITE | 1U << EVENT_EXIT));
	assert_null(c.path);
	assert_int_equal(trace_parse(&c, "virtio,msr,a,b.json"), 0);
	assert_true(c.virtio_only && c.kinds & 1U << EVENT_MSR_READ &&
		    c.kinds & 1U << EVENT_MMIO_WRITE);
	assert_string_equal(c.path, "a,b.json");
	free(c.path);
	assert_int_equal(trace_parse(&c, "irq,a,,b.json"), 0);
	assert_string_equal(c.path, "a,b.json");
	free(c.path);
	assert_int_equal(trace_parse(&c, "irq,"), 0);
	assert_null(c.path);
	assert_int_equal(trace_parse(&c, "virtio,mmio"), 0);
	assert_false(c.virtio_only);
	assert_int_equal(trace_parse(&c, ""), -EINVAL);
	assert_int_equal(trace_parse(&c, "file"), -EINVAL);
	assert_int_equal(trace_parse(&c, "pio,,"), -EINVAL);
	assert_int_equal(trace_parse(&c, "pio,,a"), -EINVAL);
	assert_int_equal(trace_parse(&c, ",pio"), -EINVAL);
}

static uint64_t no_read(void *dev, uint64_t offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0;
}

static void no_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)dev;
	(void)offset;
	(void)size;
	(void)value;
}

static const struct bus_ops ops = { no_read, no_write, 4 };

/* Opens a trace of @spec to a file, records three events, and returns the file's text. */
static char *trace_of(const char *spec, const char *suffix)
{
	static char text[1024];
	char path[64], arg[128];
	struct recorder r = { .ring = ring };
	struct trace_config c;
	struct trace *trace;
	struct bus pio, mmio;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/test_recorder.%d%s", (int)getpid(), suffix);
	snprintf(arg, sizeof(arg), "%s,%s", spec, path);
	bus_init(&pio, BUS_PIO);
	bus_init(&mmio, BUS_MMIO);
	bus_insert(&pio, 0x3f8, 8, &ops, NULL, "serial");
	bus_insert(&mmio, 0xd0000000, 0x1000, &ops, NULL, "virtio disk");
	assert_int_equal(trace_parse(&c, arg), 0);
	assert_int_equal(trace_open(&trace, &c, &pio, &mmio), 0);
	free(c.path);
	trace_attach(trace, &r);
	record_port(&r, 1, EVENT_PORT_READ, 1, 0x3fd, 0x60);
	record_wide(&r, 2, EVENT_MMIO_WRITE, 4, 0xd0000070, 3);
	record_wide(&r, 3, EVENT_MMIO_WRITE, 4, 0xe0000000, 3);
	trace_attach(NULL, &r);
	record_port(&r, 4, EVENT_PORT_READ, 1, 0x3fe, 0x61);
	trace_close(trace);
	bus_fini(&pio);
	bus_fini(&mmio);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	unlink(path);
	return text;
}

static void lines(void **state)
{
	char *text = trace_of("pio", ".txt");

	(void)state;
	assert_non_null(strstr(text, " vcpu0   in    port 0x3fd = 60  serial\n"));
	assert_null(strstr(text, "MMIO"));
	text = trace_of("virtio", ".txt");
	assert_non_null(strstr(text, "write MMIO 0xd0000070 = 00000003  virtio disk\n"));
	assert_null(strstr(text, "0xe0000000"));
	text = trace_of("mmio", ".txt");
	assert_non_null(strstr(text, "write MMIO 0xe0000000 = 00000003  nobody\n"));
}

static void json(void **state)
{
	char *text = trace_of("pio,mmio", ".json");

	(void)state;
	assert_int_equal(strncmp(text,
				 "{\"traceEvents\":[\n{\"name\":\"in    port 0x3fd = 60  serial\"",
				 55),
			 0);
	assert_int_equal(strcmp(text + strlen(text) - 4, "\n]}\n"), 0);
	assert_null(strstr(text, ",\n]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_keep_what_they_say),
		cmocka_unit_test(the_ring_keeps_the_last),
		cmocka_unit_test(options),
		cmocka_unit_test(lines),
		cmocka_unit_test(json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
