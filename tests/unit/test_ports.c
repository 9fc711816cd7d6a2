/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the small ports on a real bus, where the board puts them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hw/ports.h"
#include "kvm/log.h"

#include <string.h>

#define SLEEP 0x600

struct fixture {
	struct bus bus;
	struct misc_ports ports;
	struct power power;
	unsigned int requests, value;
	enum power_request what;
	const char *by;
};

static void record(void *ctx, enum power_request what, unsigned int value, const char *by)
{
	struct fixture *f = ctx;

	f->requests++;
	f->what = what;
	f->value = value;
	f->by = by;
}

static int setup(void **state)
{
	static struct fixture f;
	struct misc_ports *p = &f.ports;

	f = (struct fixture){ .power = { record, &f } };
	p->power = &f.power;
	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(bus_init(&f.bus, BUS_PIO), 0);
	assert_int_equal(bus_insert(&f.bus, 0x80, 1, &post_ops, p, "post"), 0);
	assert_int_equal(bus_insert(&f.bus, 0x92, 1, &port92_ops, p, "port92"), 0);
	assert_int_equal(bus_insert(&f.bus, RESET_CONTROL_BASE, RESET_CONTROL_PORTS,
				    &reset_control_ops, p, "reset"),
			 0);
	assert_int_equal(bus_insert(&f.bus, 0xf4, 4, &debug_exit_ops, p, "debug-exit"), 0);
	assert_int_equal(bus_insert(&f.bus, 0x610, 4, &guestjob_ops, p, "command"), 0);
	assert_int_equal(bus_insert(&f.bus, SLEEP, ACPI_SLEEP_PORTS, &acpi_sleep_ops, p, "acpi"),
			 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bus_fini(&f->bus);
	return 0;
}

static void assert_request(const struct fixture *f, enum power_request what, const char *by)
{
	assert_int_equal(f->requests, 1);
	assert_int_equal(f->what, what);
	assert_string_equal(f->by, by);
}

static void post_code_is_remembered(void **state)
{
	struct fixture *f = *state;

	assert_false(f->ports.post_seen);
	bus_write(&f->bus, 0x80, 1, 0xa5);
	assert_true(f->ports.post_seen);
	assert_int_equal(f->ports.post_code, 0xa5);
	assert_int_equal(bus_read(&f->bus, 0x80, 1), 0xa5);
}

static void a20_is_on_at_first_and_reads_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bus_read(&f->bus, 0x92, 1), 0x02);
	bus_write(&f->bus, 0x92, 1, 0x00);
	assert_int_equal(bus_read(&f->bus, 0x92, 1), 0x00);
	bus_write(&f->bus, 0x92, 1, 0xc2);
	assert_int_equal(bus_read(&f->bus, 0x92, 1), 0xc2);
	assert_int_equal(f->requests, 0);
}

static void port_92_bit_0_resets(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->bus, 0x92, 1, 0x03);
	assert_request(f, POWER_RESET, "port 0x92");
	assert_int_equal(bus_read(&f->bus, 0x92, 1), 0x02);
}

static void reset_control_wants_an_edge(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->bus, 0xcf9, 1, 0x02);
	assert_int_equal(f->requests, 0);
	assert_int_equal(bus_read(&f->bus, 0xcf9, 1), 0x02);
	bus_write(&f->bus, 0xcf9, 1, 0x06);
	assert_request(f, POWER_RESET, "port 0xcf9");
	bus_write(&f->bus, 0xcf9, 1, 0x0e);
	assert_int_equal(f->requests, 1);
	bus_write(&f->bus, 0xcf9, 1, 0x00);
	bus_write(&f->bus, 0xcf9, 1, 0x04);
	assert_int_equal(f->requests, 2);
}

/* A PCI configuration address whose second byte has bit 2 set (function 4) is no reset. */
static void pci_address_is_no_reset(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->bus, 0xcf8, 4, 0x80000400);
	bus_write(&f->bus, 0xcf8, 2, 0x0400);
	bus_write(&f->bus, 0xcf9, 2, 0x0004);
	bus_write(&f->bus, 0xcf8, 1, 0x04);
	bus_write(&f->bus, 0xcfb, 1, 0x04);
	assert_int_equal(f->requests, 0);
	assert_int_equal(bus_read(&f->bus, 0xcf8, 4), 0xffffffff);
	assert_int_equal(bus_read(&f->bus, 0xcf8, 2), 0xffff);
	assert_int_equal(bus_read(&f->bus, 0xcf8, 1), 0xff);
	assert_int_equal(bus_read(&f->bus, 0xcf9, 1), 0);
}

static void a_commands_end_is_one_double_word(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->bus, 0x610, 1, 0x2a);
	bus_write(&f->bus, 0x611, 1, 0x01);
	bus_write(&f->bus, 0x612, 2, 0x01);
	assert_int_equal(f->requests, 0);
	bus_write(&f->bus, 0x610, 4, 0x12a);
	assert_request(f, POWER_COMMAND, "command");
	assert_int_equal(f->value, 0x12a);
}

static void debug_exit_takes_every_width(void **state)
{
	static const struct {
		unsigned int size;
		uint32_t value;
	} rows[] = { { 1, 0x7f }, { 2, 0x1234 }, { 4, 0x89abcdef } };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		f->requests = 0;
		bus_write(&f->bus, 0xf4, rows[i].size, rows[i].value);
		assert_request(f, POWER_DEBUG_EXIT, "debug exit");
		assert_int_equal(f->value, rows[i].value);
	}
	assert_int_equal(bus_read(&f->bus, 0xf4, 4), 0);
}

static void s5_powers_off(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->bus, SLEEP, 1, ACPI_SLP_TYP_S5 << ACPI_SLP_TYP_SHIFT);
	assert_int_equal(f->requests, 0);
	bus_write(&f->bus, SLEEP, 1, ACPI_SLP_EN | ACPI_SLP_TYP_S5 << ACPI_SLP_TYP_SHIFT);
	assert_request(f, POWER_OFF, "ACPI");
}

static void sleep_enable_reads_as_zero(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->bus, SLEEP, 1, 0xff);
	assert_int_equal(bus_read(&f->bus, SLEEP, 1), 7 << ACPI_SLP_TYP_SHIFT);
}

static void other_sleeps_wake_at_once(void **state)
{
	struct fixture *f = *state;

	for (unsigned int type = 0; type < 8; type++) {
		if (type == ACPI_SLP_TYP_S5)
			continue;
		assert_int_equal(bus_read(&f->bus, SLEEP + 1, 1), 0);
		bus_write(&f->bus, SLEEP, 1, ACPI_SLP_EN | type << ACPI_SLP_TYP_SHIFT);
		assert_int_equal(bus_read(&f->bus, SLEEP + 1, 1), ACPI_WAK_STS);
		bus_write(&f->bus, SLEEP + 1, 1, 0x7f);
		assert_int_equal(bus_read(&f->bus, SLEEP + 1, 1), ACPI_WAK_STS);
		bus_write(&f->bus, SLEEP + 1, 1, ACPI_WAK_STS);
	}
	assert_int_equal(f->requests, 0);
}

static void reset_register_takes_its_value_only(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->bus, SLEEP + 2, 1, 0);
	bus_write(&f->bus, SLEEP + 2, 1, 0xff);
	assert_int_equal(f->requests, 0);
	bus_write(&f->bus, SLEEP + 2, 1, ACPI_RESET_VALUE);
	assert_request(f, POWER_RESET, "ACPI reset register");
	assert_int_equal(bus_read(&f->bus, SLEEP + 2, 1), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(post_code_is_remembered),
		TEST(a20_is_on_at_first_and_reads_back),
		TEST(port_92_bit_0_resets),
		TEST(reset_control_wants_an_edge),
		TEST(pci_address_is_no_reset),
		TEST(a_commands_end_is_one_double_word),
		TEST(debug_exit_takes_every_width),
		TEST(s5_powers_off),
		TEST(sleep_enable_reads_as_zero),
		TEST(other_sleeps_wake_at_once),
		TEST(reset_register_takes_its_value_only),
	};

	return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
