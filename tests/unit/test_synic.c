/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests Hyper-V's messages and events through a real port, with guest memory and SINTs that record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hw/synic.h"

#include <stdlib.h>
#include <string.h>

#define PORT 0x3000
#define NR_VPS 2
#define MEM_BYTES 0x100000
#define MESSAGES(vp) (0x10000 + 0x2000ULL * (vp))
#define EVENTS(vp) (0x11000 + 0x2000ULL * (vp))
#define POST 0x20000
#define POST_MESSAGE 0x5c
#define SIGNAL_EVENT 0x1005d /* fast */
#define ON 1
#define PENDING 1

enum { ADD = 1, DEL, RAISE, MESSAGES_ADD, MESSAGES_DEL, EVENTS_ADD, EVENTS_DEL };

struct bench {
	struct bus pio;
	struct gmem mem;
	struct synic *synic;
	int connected[NR_VPS][SYNIC_NR_SINTS], raised[NR_VPS][SYNIC_NR_SINTS];
	bool refuse;
};

static int connect_hook(void *ctx, unsigned int vp, unsigned int sint)
{
	struct bench *b = ctx;

	if (b->refuse)
		return -1;
	assert_int_equal(b->connected[vp][sint]++, 0);
	return 0;
}

static void disconnect_hook(void *ctx, unsigned int vp, unsigned int sint)
{
	struct bench *b = ctx;

	assert_int_equal(b->connected[vp][sint]--, 1);
}

static void raise_hook(void *ctx, unsigned int vp, unsigned int sint)
{
	struct bench *b = ctx;

	assert_int_equal(b->connected[vp][sint], 1);
	b->raised[vp][sint]++;
}

static void set_up_vp(struct bench *b, unsigned int vp)
{
	synic_set_pages(b->synic, vp, ON, EVENTS(vp) | ON, MESSAGES(vp) | ON);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct synic_config config = { .nr_vps = NR_VPS,
				       .mem = &b->mem,
				       .connect = connect_hook,
				       .disconnect = disconnect_hook,
				       .raise = raise_hook,
				       .ctx = b };

	gmem_init(&b->mem);
	assert_int_equal(gmem_add(&b->mem, 0, MEM_BYTES, GMEM_NORMAL), 0);
	assert_int_equal(bus_init(&b->pio, BUS_PIO), 0);
	b->synic = synic_create(&config);
	assert_non_null(b->synic);
	assert_int_equal(
		bus_insert(&b->pio, PORT, SYNIC_TEST_PORTS, &synic_test_ops, b->synic, "test"), 0);
	for (unsigned int vp = 0; vp < NR_VPS; vp++)
		set_up_vp(b, vp);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	synic_destroy(b->synic);
	bus_fini(&b->pio);
	gmem_fini(&b->mem);
	free(b);
	return 0;
}

static void ask(struct bench *b, unsigned int what, unsigned int vp, unsigned int sint,
		unsigned int nr)
{
	bus_write(&b->pio, PORT, 4, nr << 24 | what << 16 | vp << 8 | sint);
}

/* Posts a message of @len bytes of @fill. */
static enum hv_status post(struct bench *b, uint32_t connection, uint32_t type, uint32_t len,
			   uint8_t fill)
{
	uint32_t head[] = { connection, 0, type, len };
	uint8_t payload[240];

	memset(payload, fill, sizeof(payload));
	assert_int_equal(gmem_write(&b->mem, POST, head, sizeof(head)), 0);
	assert_int_equal(gmem_write(&b->mem, POST + sizeof(head), payload, sizeof(payload)), 0);
	return synic_hypercall(b->synic, POST_MESSAGE, POST);
}

static uint8_t *slot(struct bench *b, unsigned int vp, unsigned int sint)
{
	return gmem_at(&b->mem, MESSAGES(vp) + 256 * sint, 256);
}

static void expect_message(const uint8_t *slot, uint32_t type, uint8_t len, uint8_t fill)
{
	const uint8_t head[] = { (uint8_t)type, (uint8_t)(type >> 8), 0, 0, len, 0, 0, 0 };

	assert_memory_equal(slot, head, sizeof(head));
	for (unsigned int i = 16; i < 256; i++)
		assert_int_equal(slot[i], i < 16U + len ? fill : 0);
}

static void the_port_connects_and_raises(void **state)
{
	struct bench *b = *state;

	ask(b, RAISE, 1, 3, 0);
	ask(b, ADD, 1, 3, 0);
	ask(b, ADD, 1, 3, 0);
	ask(b, RAISE, 1, 3, 0);
	assert_int_equal(b->raised[1][3], 1);
	ask(b, DEL, 1, 3, 0);
	assert_int_equal(b->connected[1][3], 1);
	ask(b, DEL, 1, 3, 0);
	ask(b, DEL, 1, 3, 0);
	assert_int_equal(b->connected[1][3], 0);
	b->refuse = true;
	ask(b, ADD, 0, 0, 0);
	ask(b, RAISE, 0, 0, 0);
	ask(b, MESSAGES_ADD, 0, 0, 9);
	assert_int_equal(post(b, 9, 1, 0, 0), HV_INVALID_CONNECTION_ID);
}

static void what_the_port_does_not_know_is_ignored(void **state)
{
	struct bench *b = *state;

	ask(b, ADD, NR_VPS, 0, 0);
	ask(b, ADD, 0xff, 0, 0);
	ask(b, ADD, 0, SYNIC_NR_SINTS, 0);
	ask(b, 0, 0, 0, 0);
	ask(b, 0xff, 0, 0, 0);
	bus_write(&b->pio, PORT, 2, ADD);
	bus_write(&b->pio, PORT + 2, 1, ADD);
	assert_int_equal(bus_read(&b->pio, PORT, 4), 0);
	assert_int_equal(b->connected[0][0], 0);
}

static void a_message_comes_into_its_slot(void **state)
{
	struct bench *b = *state;

	ask(b, MESSAGES_ADD, 1, 8, 0x10);
	assert_int_equal(post(b, 0x10, 0x1234, 7, 0xab), HV_SUCCESS);
	expect_message(slot(b, 1, 8), 0x1234, 7, 0xab);
	assert_int_equal(b->raised[1][8], 1);
	ask(b, MESSAGES_DEL, 0, 0, 0x10);
	assert_int_equal(b->connected[1][8], 0);
	assert_int_equal(post(b, 0x10, 0x1234, 7, 0xab), HV_INVALID_CONNECTION_ID);
}

static void a_full_slot_is_waited_for(void **state)
{
	struct bench *b = *state;
	uint8_t *s = slot(b, 0, 2);

	ask(b, MESSAGES_ADD, 0, 2, 1);
	assert_int_equal(post(b, 1, 0x11, 1, 1), HV_SUCCESS);
	assert_int_equal(post(b, 1, 0x22, 2, 2), HV_SUCCESS);
	assert_int_equal(s[5], PENDING);
	assert_int_equal(s[0], 0x11);
	assert_int_equal(post(b, 1, 0x33, 3, 3), HV_INSUFFICIENT_BUFFERS);
	synic_acknowledged(b->synic); /* of something else */
	assert_int_equal(b->raised[0][2], 1);
	memset(s, 0, 4);
	synic_acknowledged(b->synic);
	expect_message(s, 0x22, 2, 2);
	assert_int_equal(b->raised[0][2], 2);
	synic_acknowledged(b->synic);
	assert_int_equal(b->raised[0][2], 2);
}

static void an_event_sets_its_flag_once(void **state)
{
	struct bench *b = *state;
	uint8_t *flags = gmem_at(&b->mem, EVENTS(1) + 9 * 256, 256);

	ask(b, EVENTS_ADD, 1, 9, 0x21);
	assert_int_equal(synic_hypercall(b->synic, SIGNAL_EVENT, 0x21), HV_SUCCESS);
	assert_int_equal(synic_hypercall(b->synic, SIGNAL_EVENT, 0x21), HV_SUCCESS);
	assert_int_equal(flags[4], 2);
	assert_int_equal(b->raised[1][9], 1);
	flags[4] = 0;
	assert_int_equal(synic_hypercall(b->synic, SIGNAL_EVENT, 0x21), HV_SUCCESS);
	assert_int_equal(b->raised[1][9], 2);
	ask(b, EVENTS_DEL, 0, 0, 0x21);
	assert_int_equal(synic_hypercall(b->synic, SIGNAL_EVENT, 0x21), HV_INVALID_CONNECTION_ID);
}

static void nothing_comes_while_the_synic_is_off(void **state)
{
	static const uint64_t pages[][3] = {
		{ 0, EVENTS(0) | ON, MESSAGES(0) | ON }, /* all of it */
		{ ON, EVENTS(0), MESSAGES(0) },		 /* the pages */
		{ ON, MEM_BYTES | ON, MEM_BYTES | ON },	 /* outside memory */
		{ ON, UINT64_MAX, UINT64_MAX },
	};
	struct bench *b = *state;

	ask(b, EVENTS_ADD, 0, 1, 5);
	ask(b, MESSAGES_ADD, 0, 1, 5);
	for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
		synic_set_pages(b->synic, 0, pages[i][0], pages[i][1], pages[i][2]);
		assert_int_equal(synic_hypercall(b->synic, SIGNAL_EVENT, 5), HV_SUCCESS);
		assert_int_equal(post(b, 5, 1, 1, 1), HV_SUCCESS);
	}
	assert_int_equal(b->raised[0][1], 0);
	set_up_vp(b, 0);
	assert_int_equal(slot(b, 0, 1)[0], 0);
}

static void bad_calls_are_told_apart(void **state)
{
	struct bench *b = *state;

	ask(b, MESSAGES_ADD, 0, 0, 0);
	assert_int_equal(post(b, 0, 0, 1, 0), HV_INVALID_PARAMETER);
	assert_int_equal(post(b, 0, 0x80000001, 1, 0), HV_INVALID_PARAMETER);
	assert_int_equal(post(b, 0, 1, 241, 0), HV_INVALID_PARAMETER);
	assert_int_equal(post(b, 0x100, 1, 1, 0), HV_INVALID_CONNECTION_ID);
	assert_int_equal(synic_hypercall(b->synic, POST_MESSAGE, POST + 4), HV_INVALID_ALIGNMENT);
	assert_int_equal(synic_hypercall(b->synic, POST_MESSAGE, POST + 0xf08),
			 HV_INVALID_ALIGNMENT);
	assert_int_equal(synic_hypercall(b->synic, POST_MESSAGE, MEM_BYTES), HV_INVALID_PARAMETER);
	assert_int_equal(synic_hypercall(b->synic, POST_MESSAGE | 0x10000, POST),
			 HV_INVALID_HYPERCALL_CODE);
	assert_int_equal(synic_hypercall(b->synic, 0x5d, POST), HV_INVALID_HYPERCALL_INPUT);
	assert_int_equal(synic_hypercall(b->synic, SIGNAL_EVENT, 1ULL << 32), HV_INVALID_PORT_ID);
	assert_int_equal(synic_hypercall(b->synic, SIGNAL_EVENT, 1ULL << 24),
			 HV_INVALID_HYPERCALL_INPUT);
	assert_int_equal(synic_hypercall(b->synic, SIGNAL_EVENT, 0x100), HV_INVALID_CONNECTION_ID);
	assert_int_equal(synic_hypercall(b->synic, 0x8001, 0), HV_INVALID_HYPERCALL_CODE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_port_connects_and_raises, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_port_does_not_know_is_ignored, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_message_comes_into_its_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_slot_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(an_event_sets_its_flag_once, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_comes_while_the_synic_is_off, setup,
						teardown),
		cmocka_unit_test_setup_teardown(bad_calls_are_told_apart, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
