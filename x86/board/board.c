/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Creates a PC's devices at their addresses and interrupt lines, by the one device table.
 *
 * Devices are created in the table's order and destroyed in reverse. A device that needs more than
 * a few lines has a file of its own, board_*.c. Thread: main.
 */
#include "board_hyperv.h"
#include "board_pit.h"
#include "board_serial.h"
#include "board_testdev.h"
#include "board_virtio.h"
#include "machine.h"

#include "guest/guestjob.h"
#include "hw/i8042.h"
#include "hw/rtc.h"
#include "hw/serial.h"
#include "hw/synic.h"
#include "hw/testdev.h"
#include "kvm/log.h"
#include "x86/layout.h"

#include <errno.h>
#include <string.h>

/*
 * A controller without an AUX port: Linux gives up on it after two commands. The mouse still has a
 * node, because without one Linux warns that the firmware may be wrong about it.
 */
static int create_i8042(struct machine *m)
{
	struct irq_line kbd = vm_irq_line(m->vm, GSI_KBD);
	struct device_info keyboard = {
		.name = "keyboard controller",
		.acpi_hid = "PNP0303",
		.res = { res_pio(PORT_I8042_DATA, 1), res_pio(PORT_I8042_COMMAND, 1),
			 res_isa_irq(GSI_KBD) },
	};
	struct device_info mouse = {
		.name = "mouse",
		.acpi_hid = "PNP0F13",
		.res = { res_isa_irq(GSI_AUX) },
	};
	int err;

	m->i8042 = i8042_create(&kbd, NULL, &m->ends.power);
	if (!m->i8042)
		return -ENOMEM;
	err = bus_insert(&m->vm->pio, PORT_I8042_DATA, 1, &i8042_data_ops, m->i8042, "i8042 data");
	if (!err)
		err = bus_insert(&m->vm->pio, PORT_I8042_COMMAND, 1, &i8042_command_ops, m->i8042,
				 "i8042 command");
	if (!err)
		err = device_publish(&m->devices, &keyboard);
	return err ? err : device_publish(&m->devices, &mouse);
}

static void destroy_i8042(struct machine *m)
{
	i8042_destroy(m->i8042);
}

static int create_rtc(struct machine *m)
{
	struct irq_line irq = vm_irq_line(m->vm, GSI_RTC);
	const struct gmem *mem = &m->vm->mem;
	struct rtc_config config = {
		.ram_below_4g = mem->region[0].size_bytes,
		.ram_above_4g = gmem_total_bytes(mem) - mem->region[0].size_bytes,
	};
	struct device_info info = {
		.name = "RTC",
		.acpi_hid = "PNP0B00",
		.fdt_compatible = "motorola,mc146818",
		.res = { res_pio(PORT_RTC, RTC_PORTS), res_isa_irq(GSI_RTC) },
	};
	int err = rtc_parse(m->vm->config->rtc, &config);

	if (err) {
		pr_err("--rtc %s: must be utc, local or @SECONDS since 1970", m->vm->config->rtc);
		return err;
	}
	tap_rtc_irq(m, &irq);
	m->rtc = rtc_create(&config, &irq, &m->vm->loop, NULL, NULL);
	if (!m->rtc)
		return -ENOMEM;
	err = bus_insert(&m->vm->pio, PORT_RTC, RTC_PORTS, &rtc_bus_ops, m->rtc, "RTC");
	return err ? err : device_publish(&m->devices, &info);
}

static void destroy_rtc(struct machine *m)
{
	rtc_destroy(m->rtc);
}

/*
 * Never called: the compiler refuses a value that occurs in two cases, so no two devices that one
 * machine may have share a port. Those of the 8259s (with ELCR) are KVM's.
 */
static inline __attribute__((unused)) bool port_is_used(unsigned int port)
{
#define RANGE(first, nr) first... first + (nr)-1
	switch (port) {
	case RANGE(0x20, 2):
	case RANGE(0xa0, 2):
	case RANGE(0x4d0, 2):
	case RANGE(PORT_PIT, PIT_PORTS):
	case PORT_I8042_DATA:
	case PORT_61:
	case PORT_I8042_COMMAND:
	case RANGE(PORT_RTC, RTC_PORTS):
	case PORT_POST:
	case PORT_92:
	case RANGE(PORT_TESTDEV_SCRATCH, TESTDEV_SCRATCH_PORTS):
	case RANGE(PORT_TESTDEV_FLUSH, TESTDEV_FLUSH_PORTS):
	case RANGE(PORT_DEBUG_EXIT, DEBUG_EXIT_PORTS):
	case RANGE(PORT_COM4, SERIAL_PORTS):
	case RANGE(PORT_COM2, SERIAL_PORTS):
	case RANGE(PORT_COM3, SERIAL_PORTS):
	case PORT_MARK:
	case RANGE(PORT_COM1, SERIAL_PORTS):
	case RANGE(PORT_DEBUG_EXIT2, DEBUG_EXIT_PORTS):
	case RANGE(PORT_FW_CFG, FW_CFG_PORTS):
	case RANGE(PORT_ACPI_SLEEP, ACPI_SLEEP_PORTS):
	case RANGE(PORT_GUESTJOB, GUESTJOB_PORTS):
	case RANGE(PORT_PM1, PM1_PORTS):
	case RANGE(PORT_PM_TIMER, PM_TIMER_PORTS):
	case RANGE(RESET_CONTROL_BASE, RESET_CONTROL_PORTS):
	case RANGE(PORT_TESTDEV_IRQ, TESTDEV_NR_LINES):
	case RANGE(PORT_TESTDEV_SYNIC, SYNIC_TEST_PORTS):
		return true;
	default:
		return false;
	}
#undef RANGE
}

static int insert_debug_exit(struct machine *m)
{
	struct bus *pio = &m->vm->pio;
	int err = bus_insert(pio, PORT_DEBUG_EXIT, DEBUG_EXIT_PORTS, &debug_exit_ops, &m->ports,
			     "debug exit");

	return err ? err
		   : bus_insert(pio, PORT_DEBUG_EXIT2, DEBUG_EXIT_PORTS, &debug_exit_ops, &m->ports,
				"debug exit");
}

static int create_ports(struct machine *m)
{
	struct bus *pio = &m->vm->pio;
	int err;

	m->ports.power = &m->ends.power;
	err = bus_insert(pio, PORT_POST, 1, &post_ops, &m->ports, "POST code");
	if (!err)
		err = bus_insert(pio, PORT_92, 1, &port92_ops, &m->ports, "port 0x92");
	if (!err)
		err = bus_insert(pio, RESET_CONTROL_BASE, RESET_CONTROL_PORTS, &reset_control_ops,
				 &m->ports, "reset control");
	if (!err)
		err = bus_insert(pio, PORT_ACPI_SLEEP, ACPI_SLEEP_PORTS, &acpi_sleep_ops, &m->ports,
				 "ACPI");
	if (!err && (m->vm->config->debug_exit || m->vm->config->testdev))
		err = insert_debug_exit(m);
	if (!err && m->vm->config->has_command)
		err = bus_insert(pio, PORT_GUESTJOB, GUESTJOB_PORTS, &guestjob_ops, &m->ports,
				 "command");
	return err ? err : boot_marks_insert_port(&m->marks);
}

static int create_power_button(struct machine *m)
{
	struct device_info info = {
		.name = "power button",
		.kind = DEVICE_POWER_BUTTON,
		.res = { res_isa_irq(GSI_POWER_BUTTON) },
	};

	m->power_button = vm_irq_line(m->vm, GSI_POWER_BUTTON);
	return device_publish(&m->devices, &info);
}

struct board_device {
	const char *name;
	int (*create)(struct machine *m);
	/* also works after a create that failed or did not happen; NULL: nothing to undo */
	void (*destroy)(struct machine *m);
};

/* The device table. */
static const struct board_device board[] = {
	{ "ports", create_ports, NULL },
	{ "PIT", create_pit, destroy_pit },
	{ "test device", create_testdev, destroy_testdev }, /* sees the RTC's interrupt */
	{ "Hyper-V", create_hyperv, destroy_hyperv },
	{ "RTC", create_rtc, destroy_rtc },
	{ "serial", create_serial, destroy_serial },
	{ "i8042", create_i8042, destroy_i8042 },
	{ "power button", create_power_button, NULL },
	{ "virtio", create_virtio, destroy_virtio },
};

int create_devices(struct machine *m)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(board); i++) {
		unsigned int errors = log_errors();
		int err = board[i].create(m);

		/* Out of memory, or a bug: the device itself has not reported it. */
		if (err && log_errors() == errors)
			pr_err("%s: cannot be created: %s", board[i].name, strerror(-err));
		if (err)
			return err;
	}
	return 0;
}

void destroy_devices(struct machine *m)
{
	for (unsigned int i = ARRAY_SIZE(board); i-- > 0;) {
		if (board[i].destroy)
			board[i].destroy(m);
	}
}
