/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The board: memory map, THE device table, tables and kernel; and what its power means for the verdict.
 *
 * arch_machine_create() runs on main's thread while vCPU 0's thread sets up KVM; it waits for that only before it writes the
 * boot processor's registers. Devices are created in the table's order and destroyed in reverse.
 */
#include "machine.h"
#include "console.h"
#include "gdb.h"
#include "hyperv_board.h"
#include "pit.h"
#include "testdev.h"
#include "virtio.h"

#include "hw/i8042.h"
#include "hw/rtc.h"
#include "hw/serial.h"
#include "kvm/arch.h"
#include "kvm/checks.h"
#include "kvm/guestcmd.h"
#include "kvm/guestjob.h"
#include "kvm/log.h"
#include "kvm/pages.h"
#include "kvm/report.h"
#include "kvm/share.h"
#include "kvm/timeline.h"
#include "x86/layout.h"
#include "x86/tables.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RNG_SEED_BYTES 32
/*
 * A console that is silent so often, once in so long, has nothing more to say. In rounds, since a host that lets us all stand still for a
 * while silences nobody: it costs one of them.
 */
#define PANIC_ROUND_NS 50000000ULL
#define PANIC_SILENT_ROUNDS 6

static int add_memory(struct vm *vm)
{
	const bool huge = vm->config->hugepages, shared = share_count(vm->config) > 0;
	enum gmem_backing backing = shared ? (huge ? GMEM_SHARED_HUGETLB : GMEM_SHARED)
				    : huge ? GMEM_HUGETLB
					   : GMEM_NORMAL;
	uint64_t mem_bytes = align_down(vm->config->mem_bytes, 4 * KIB);
	uint64_t low = min_u64(mem_bytes, MMIO_HOLE_GPA), high = mem_bytes - low;
	int err = gmem_add(&vm->mem, 0, low, backing);

	if (!err && high)
		err = gmem_add(&vm->mem, MMIO_HOLE_END, high, backing);
	if (err && vm->config->hugepages)
		pr_err("--hugepages: the host's pool has no %llu free pages of 2 MiB; see "
		       "/proc/sys/vm/nr_hugepages",
		       (unsigned long long)((low + high) / GMEM_HUGE_BYTES));
	else if (err)
		pr_err("-m %lluM: the host cannot map this much: %s",
		       (unsigned long long)(vm->config->mem_bytes / MIB), strerror(-err));
	return err;
}

void machine_reset_requested(struct machine *m, const char *by)
{
	guestlog_hear_end(m);
	if (atomic_load(&m->panicked))
		vm_end(m->vm, VERDICT_PANIC, 0, "the guest kernel panicked (then reset by %s)", by);
	else
		vm_end(m->vm, VERDICT_REBOOT, 0, "the guest rebooted (%s)", by);
}

static void on_power_request(void *ctx, enum power_request what, unsigned int value, const char *by)
{
	struct machine *m = ctx;

	switch (what) {
	case POWER_OFF:
		vm_end(m->vm, VERDICT_POWEROFF, 0, "the guest powered off");
		break;
	case POWER_RESET:
		machine_reset_requested(m, by);
		break;
	case POWER_DEBUG_EXIT:
		vm_end(m->vm, VERDICT_DEBUG_EXIT, (int)value, "the guest wrote 0x%x to the debug-exit port",
		       value);
		break;
	case POWER_COMMAND:
		guestcmd_ended(m->vm, value);
		break;
	}
}

/* A panicked kernel may print for a while (backtraces, other CPUs): its end is when it says so, or falls silent. */
static void on_panic_silence(void *ctx)
{
	struct machine *m = ctx;
	uint64_t bytes = atomic_load(&m->console_bytes);

	if (bytes != m->panic_seen_bytes)
		m->panic_silent_rounds = 0;
	m->panic_seen_bytes = bytes;
	if (!atomic_load(&m->panic_told) && m->panic_silent_rounds++ < PANIC_SILENT_ROUNDS) {
		loop_timer_arm(&m->panic_timer, PANIC_ROUND_NS);
		return;
	}
	vm_end(m->vm, VERDICT_PANIC, 0, "the guest kernel panicked");
}

static void on_console_output(void *ctx, const uint8_t *bytes, size_t len)
{
	struct com_port *com = ctx;
	struct machine *m = com->machine;
	unsigned int found = watch_feed(&com->watch, bytes, len);

	pthread_mutex_lock(&m->tail_lock);
	tail_feed(com->tail, bytes, len);
	pthread_mutex_unlock(&m->tail_lock);
	if (com->watch.whole_boot)
		machine_timeline_line(m, found);
	atomic_fetch_add_explicit(&m->console_bytes, len, memory_order_relaxed);
	if (m->vm->checks && com == &m->com[0])
		checks_output(m->vm->checks, bytes, len);
	if (found & (1U << WATCH_HALTED))
		atomic_store(&m->halted, true);
	if (found & (1U << WATCH_RESTARTING))
		atomic_store(&m->restarting, true);
	if (found & (1U << WATCH_PANIC_END) && atomic_load(&m->panicked)) {
		atomic_store(&m->panic_told, true);
		if (m->vm->config->on_panic == ON_PANIC_EXIT)
			loop_timer_arm(&m->panic_timer, 0);
	}
	if (!(found & (1U << WATCH_PANIC)) || atomic_exchange(&m->panicked, true))
		return;
	if (m->vm->config->on_panic == ON_PANIC_EXIT)
		loop_timer_arm(&m->panic_timer, PANIC_ROUND_NS);
}

static void on_console_quit(void *ctx)
{
	struct com_port *com = ctx;

	vm_end(com->machine->vm, VERDICT_QUIT, 0, "ended by Ctrl-a x");
}

static void on_console_report(void *ctx)
{
	struct com_port *com = ctx;

	report_request(com->machine->vm, NULL);
}

int machine_publish(struct machine *m, const struct device_info *info)
{
	if (m->devices.nr == DEVICE_LIST_MAX)
		return -ENOSPC;
	m->devices.dev[m->devices.nr++] = *info;
	return 0;
}

static struct resource res_pio(uint64_t port, uint64_t size_bytes)
{
	return (struct resource){ .type = RES_PIO, .base = port, .size_bytes = size_bytes };
}

static struct resource res_isa_irq(unsigned int gsi)
{
	return (struct resource){ .type = RES_IRQ, .base = gsi, .size_bytes = 1, .edge = true };
}

static void com_coalesce(void *ctx, bool on)
{
	struct com_port *com = ctx;
	struct vm *vm = com->machine->vm;
	static const uint16_t base[CONFIG_NR_SERIAL] = COM_PORTS;

	coalesced_zone(&vm->coalesced, BUS_PIO, base[com - com->machine->com] + SERIAL_REG_THR, 1, on);
}

static void com_drain(void *ctx)
{
	struct com_port *com = ctx;

	coalesced_try_drain(&com->machine->vm->coalesced);
}

static const uint8_t com_gsi[CONFIG_NR_SERIAL] = { GSI_COM1, GSI_COM2, GSI_COM1, GSI_COM2 };

/* COM1 and COM3 share a line, COM2 and COM4 another: it is up while one of them holds it up. @port stands for the GSI. */
static void com_irq_set(void *ctx, unsigned int port, bool level)
{
	struct machine *m = ctx;
	unsigned int pair = port & 1;

	pthread_mutex_lock(&m->com_irq_lock);
	m->com_asserted = level ? m->com_asserted | 1U << port : m->com_asserted & ~(1U << port);
	irq_set(&m->com_irq[pair], m->com_asserted & (5U << pair));
	pthread_mutex_unlock(&m->com_irq_lock);
}

static int create_com(struct machine *m, unsigned int index)
{
	static const uint16_t base[CONFIG_NR_SERIAL] = COM_PORTS;
	struct com_port *com = &m->com[index];
	struct chardev_hooks hooks = {
		.quit = on_console_quit, .report = on_console_report, .output = on_console_output, .ctx = com
	};
	struct irq_line irq = { .set = com_irq_set, .ctx = m, .gsi = index };
	const char *where = m->vm->config->serial[index];
	struct device_info info = {
		.name = "COM",
		.acpi_hid = "PNP0501",
		.fdt_compatible = "ns16550a",
		.uid = index + 1,
		.res = { res_pio(base[index], SERIAL_PORTS), res_isa_irq(com_gsi[index]) },
	};
	int err;

	/* A virtio console shares COM1's chardev, and needs one where there is no such port. */
	if (!index && !where && m->vm->config->virtio_console)
		where = "stdio";
	info.res[1].shared = m->vm->config->serial[index ^ 2] != NULL;
	com->machine = m;
	com->tail = &m->com_tail[index];
	com->watch.whole_boot = m->vm->config->timeline;
	com->coalesce = (struct serial_coalesce){ .enable = com_coalesce, .drain = com_drain, .ctx = com };
	if (!where)
		return 0;
	err = chardev_open(&com->chardev, &m->vm->loop, where, &hooks);
	if (!err && m->vm->config->timestamps && !strcmp(where, "stdio"))
		chardev_stamp_lines(com->chardev, m->vm->config->exec_ns);
	if (err || !m->vm->config->serial[index])
		return err;
	com->serial = serial_create(com->chardev, &irq, &com->coalesce);
	if (!com->serial)
		return -ENOMEM;
	err = bus_insert(&m->vm->pio, base[index], SERIAL_PORTS, &serial_bus_ops, com->serial, "serial");
	return err ? err : machine_publish(m, &info);
}

static int create_coms(struct machine *m)
{
	int err = 0;

	pthread_mutex_init(&m->com_irq_lock, NULL);
	m->com_irq[0] = vm_irq_line(m->vm, GSI_COM1);
	m->com_irq[1] = vm_irq_line(m->vm, GSI_COM2);
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL && !err; i++)
		err = create_com(m, i);
	return err;
}

static void destroy_coms(struct machine *m)
{
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++) {
		serial_destroy(m->com[i].serial);
		chardev_close(m->com[i].chardev);
		m->com[i].serial = NULL;
		m->com[i].chardev = NULL;
	}
}

/*
 * A controller without an AUX port: Linux gives up on it after two commands. The mouse's node is there all the same, for
 * without one Linux warns that the firmware may be wrong about it.
 */
static int create_i8042(struct machine *m)
{
	struct irq_line kbd = vm_irq_line(m->vm, GSI_KBD);
	struct device_info keyboard = {
		.name = "keyboard controller",
		.acpi_hid = "PNP0303",
		.res = { res_pio(0x60, 1), res_pio(0x64, 1), res_isa_irq(GSI_KBD) },
	};
	struct device_info mouse = {
		.name = "mouse",
		.acpi_hid = "PNP0F13",
		.res = { res_isa_irq(GSI_AUX) },
	};
	int err;

	m->i8042 = i8042_create(&kbd, NULL, &m->power);
	if (!m->i8042)
		return -ENOMEM;
	err = bus_insert(&m->vm->pio, 0x60, 1, &i8042_data_ops, m->i8042, "i8042 data");
	if (!err)
		err = bus_insert(&m->vm->pio, 0x64, 1, &i8042_command_ops, m->i8042, "i8042 command");
	if (!err)
		err = machine_publish(m, &keyboard);
	return err ? err : machine_publish(m, &mouse);
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
		.res = { res_pio(PORT_RTC, 2), res_isa_irq(GSI_RTC) },
	};
	int err = rtc_parse(m->vm->config->rtc, &config);

	if (err) {
		pr_err("--rtc %s: utc, local or @SECONDS since 1970", m->vm->config->rtc);
		return err;
	}
	tap_rtc_irq(m, &irq);
	m->rtc = rtc_create(&config, &irq, &m->vm->loop, NULL, NULL);
	if (!m->rtc)
		return -ENOMEM;
	err = bus_insert(&m->vm->pio, PORT_RTC, 2, &rtc_bus_ops, m->rtc, "RTC");
	return err ? err : machine_publish(m, &info);
}

static void destroy_rtc(struct machine *m)
{
	rtc_destroy(m->rtc);
}

static int create_ports(struct machine *m)
{
	struct bus *pio = &m->vm->pio;
	int err;

	m->ports.power = &m->power;
	err = bus_insert(pio, PORT_POST, 1, &post_ops, &m->ports, "POST code");
	if (!err)
		err = bus_insert(pio, PORT_92, 1, &port92_ops, &m->ports, "port 0x92");
	if (!err)
		err = bus_insert(pio, RESET_CONTROL_BASE, RESET_CONTROL_PORTS, &reset_control_ops, &m->ports,
				 "reset control");
	if (!err)
		err = bus_insert(pio, PORT_ACPI_SLEEP, ACPI_SLEEP_PORTS, &acpi_sleep_ops, &m->ports, "ACPI");
	if (!err && (m->vm->config->debug_exit || m->vm->config->testdev))
		err = bus_insert(pio, PORT_DEBUG_EXIT, 4, &debug_exit_ops, &m->ports, "debug exit");
	if (!err && m->vm->config->has_command)
		err = bus_insert(pio, PORT_GUESTJOB, 4, &guestjob_ops, &m->ports, "command");
	return err ? err : machine_create_marks(m);
}

static int create_power_button(struct machine *m)
{
	struct device_info info = {
		.name = "power button",
		.kind = DEVICE_POWER_BUTTON,
		.res = { res_isa_irq(GSI_POWER_BUTTON) },
	};

	m->power_button = vm_irq_line(m->vm, GSI_POWER_BUTTON);
	return machine_publish(m, &info);
}

struct board_device {
	const char *name;
	int (*create)(struct machine *m);
	void (*destroy)(struct machine *m); /* works after a partial or no create; NULL: nothing to undo */
};

/* THE device table. */
static const struct board_device board[] = {
	{ "ports", create_ports, NULL },
	{ "PIT", create_pit, destroy_pit },
	{ "test device", create_testdev, destroy_testdev }, /* hears of the RTC's interrupt */
	{ "Hyper-V", create_hyperv, destroy_hyperv },
	{ "RTC", create_rtc, destroy_rtc },
	{ "serial", create_coms, destroy_coms },
	{ "i8042", create_i8042, destroy_i8042 },
	{ "power button", create_power_button, NULL },
	{ "virtio", create_virtio, destroy_virtio },
};

static int create_devices(struct machine *m)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(board); i++) {
		int err = board[i].create(m);

		if (err) {
			pr_debug("%s: not created: %s", board[i].name, strerror(-err));
			return err;
		}
	}
	return 0;
}

int machine_tables_config(const struct machine *m, struct tables_config *tables)
{
	unsigned int nr = m->vm->nr_vcpus;

	*tables = (struct tables_config){
		.nr_cpus = nr,
		.devices = &m->devices,
		.pm_registers = m->vm->config->testdev,
	};
	tables->apic_id = calloc(nr, sizeof(*tables->apic_id));
	if (!tables->apic_id) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < nr; i++)
		tables->apic_id[i] = cpu_apic_id(i);
	return 0;
}

/* All but the device tree, which says where the initrd is. */
static int write_tables(struct machine *m, gpa_t *rsdp)
{
	struct tables_config tables;
	int err = machine_tables_config(m, &tables);

	if (err)
		return err;
	if (!m->tables && tables.nr_cpus > 1)
		pr_warn("-c %u: without a table the guest knows of one CPU only", tables.nr_cpus);
	if (m->tables & TABLES_ACPI)
		err = acpi_write(&m->vm->mem, &tables, rsdp);
	if (!err && m->tables & TABLES_MP)
		err = mptable_write(&m->vm->mem, &tables);
	if (!err)
		err = reset_vector_write(&m->vm->mem);
	if (err)
		pr_err("cannot write the tables of %u CPUs and %u devices: %s", tables.nr_cpus, m->devices.nr,
		       err == -ENOSPC ? "they do not fit; use fewer CPUs" : strerror(-err));
	free(tables.apic_id);
	return err;
}

/* The files of the command that is to run in the guest, if there is one. */
static int pack_command(const struct config *config, const struct boot_image *img, struct cpio *files)
{
	int err;

	if (!config->has_command)
		return 0;
	if (!boot_takes_linux_params(img)) {
		pr_err("%s: a command in the guest (--) needs a Linux kernel", img->path);
		return -EINVAL;
	}
	err = guestcmd_pack(files, config, img->path, img->version);
	if (err)
		cpio_free(files);
	return err;
}

static int load_kernel(struct machine *m, gpa_t rsdp, struct boot_entry *entry)
{
	const struct config *config = m->vm->config;
	uint8_t seed[RNG_SEED_BYTES];
	struct boot_image img;
	struct boot_config boot = {
		.initrds = config->initrd,
		.nr_initrds = config->nr_initrds,
		.rsdp = rsdp,
	};
	struct cpio files = { 0 };
	char *cmdline;
	int err = machine_open_kernel(m, &img);

	if (err)
		return err;
	m->for_linux = boot_takes_linux_params(&img);
	m->is_packed = img.format == BOOT_BZIMAGE && img.hdr.payload_length;
	err = pack_command(config, &img, &files);
	if (err) {
		boot_close(&img);
		return err;
	}
	boot.archive = files.bytes;
	boot.archive_bytes = files.len;
	cmdline = machine_cmdline(m, &img);
	boot.cmdline = cmdline;
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed)) {
		boot.rng_seed = seed;
		boot.rng_seed_bytes = sizeof(seed);
	}
	if (cmdline) {
		pr_debug("kernel parameters: %s", cmdline);
		err = boot_load(&img, &m->vm->mem, &boot, entry);
	} else {
		err = -ENOMEM;
	}
	if (!err && (m->tables & TABLES_DT || config->dump_dtb))
		err = machine_pass_dtb(m, cmdline, entry);
	explicit_bzero(seed, sizeof(seed));
	free(cmdline);
	cpio_free(&files);
	boot_close(&img);
	return err;
}

static int parse_options(struct machine *m)
{
	const struct config *config = m->vm->config;
	int err = machine_parse(config->machine, &m->tables);

	if (!err)
		err = cpuid_check_changes(config->cpuid);
	if (err || !config->dtb || m->tables & TABLES_DT)
		return err;
	if (config->machine) {
		pr_err("--dtb %s: for a machine with tables=dt; this one has %s", config->dtb,
		       config->machine);
		return -EINVAL;
	}
	m->tables = TABLES_DT;
	return 0;
}

int arch_vm_init(struct vm *vm)
{
	struct machine *m = pages_alloc(sizeof(*m));
	int err;

	if (!m) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	vm->machine = m;
	m->vm = vm;
	m->power = (struct power){ .request = on_power_request, .ctx = m };
	loop_timer_init(&vm->loop, &m->panic_timer, on_panic_silence, m);
	loop_timer_init(&vm->loop, &m->idle_timer, NULL, m);
	loop_timer_init(&vm->loop, &m->hang.timer, NULL, m);
	loop_timer_init(&vm->loop, &m->timeline_timer, NULL, m);
	pthread_mutex_init(&m->report_lock, NULL);
	pthread_mutex_init(&m->tail_lock, NULL);
	err = parse_options(m);
	return err ? err : add_memory(vm);
}

/* All that takes no KVM. */
static int create_board(struct machine *m, struct boot_entry *entry)
{
	gpa_t rsdp = 0;
	int err = create_devices(m);

	if (!err)
		err = write_tables(m, &rsdp);
	return err ? err : load_kernel(m, rsdp, entry);
}

int arch_machine_create(struct vm *vm)
{
	struct boot_entry entry = { 0 };
	int err = create_board(vm->machine, &entry);

	if (!err)
		err = greet_shares(vm->machine);
	timeline_reach(vm->timeline, TIMELINE_LOADED);
	if (!err)
		err = vm_wait_kvm(vm);
	if (!err && vm->config->gdb)
		err = gdb_setup(vm->machine);
	if (!err)
		err = leave_as_firmware(vm->machine);
	return err ? err : cpu_set_entry(vm->vcpu[0].fd, &entry);
}

int arch_machine_dump(struct vm *vm)
{
	struct boot_entry entry = { 0 };
	int err = create_board(vm->machine, &entry);

	return err ? err : machine_save_dtb(vm->machine, vm->config->dump_dtb);
}

void arch_machine_destroy(struct vm *vm)
{
	struct machine *m = vm->machine;

	if (!m)
		return;
	loop_timer_fini(&m->idle_timer);
	loop_timer_fini(&m->hang.timer);
	loop_timer_fini(&m->timeline_timer);
	symbols_destroy(m->symbols);
	symbols_destroy(m->kernel_symbols);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		report_vcpu_destroy(&vm->vcpu[i]);
	loop_timer_fini(&m->panic_timer);
	for (unsigned int i = ARRAY_SIZE(board); i-- > 0;) {
		if (board[i].destroy)
			board[i].destroy(m);
	}
	cpu_set_destroy(m->cpus);
	gdb_destroy(m);
	pages_free(m, sizeof(*m));
	vm->machine = NULL;
}

int arch_machine_start(struct vm *vm)
{
	struct machine *m = vm->machine;

	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++) {
		int err = m->com[i].chardev ? chardev_start(m->com[i].chardev) : 0;

		if (err)
			return err;
	}
	machine_watch_idle(m);
	machine_watch_hang(m);
	machine_watch_timeline(m);
	return start_ports(m);
}

/* What a console has kept for a bad end. */
static void show_kept_logs(struct machine *m)
{
	const struct verdict *v = &m->vm->verdict;

	for (unsigned int i = 0; i < CONFIG_NR_SERIAL && v->kind != VERDICT_COMMAND && verdict_exit_code(v);
	     i++) {
		if (m->com[i].chardev)
			chardev_show_log(m->com[i].chardev);
	}
}

void arch_machine_drain(struct vm *vm, int stall_ms)
{
	struct machine *m = vm->machine;

	coalesced_try_drain(&vm->coalesced);
	drain_consoles(m, stall_ms);
	show_kept_logs(m);
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++) {
		if (!m->com[i].chardev)
			continue;
		if (!chardev_flush(m->com[i].chardev, stall_ms))
			pr_warn("COM%u: nobody takes its output; the end of it is lost", i + 1);
		chardev_abort(m->com[i].chardev);
	}
}

void arch_machine_close(struct vm *vm)
{
	hang_up_shares(vm->machine);
	destroy_consoles(vm->machine);
	destroy_coms(vm->machine);
}

const char *arch_ask_to_end(struct vm *vm, int signo)
{
	if (signal_command(vm->machine, signo))
		return "passed on to the command";
	irq_pulse(&vm->machine->power_button);
	return "pressed the power button";
}

void arch_retry(struct vm *vm)
{
	retry_virtio(vm->machine);
}

void arch_winch(struct vm *vm)
{
	struct machine *m = vm->machine;

	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++) {
		if (m->com[i].chardev)
			chardev_winch(m->com[i].chardev);
	}
	winch_ports(m);
}
