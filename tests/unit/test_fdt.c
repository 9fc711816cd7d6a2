/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the device tree, read back with libfdt; files that are no device tree; virtio devices as
 * parameters; --machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/board/machine.h"
#include "x86/layout.h"
#include "x86/tables/fdt.h"

#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#define CAP_BYTES 0x10000
#define MAX_CPUS 4096

struct bench {
	_Alignas(8) uint8_t blob[CAP_BYTES];
	struct gmem mem;
	struct device_list list;
	uint32_t apic_id[MAX_CPUS];
	struct tables_config tables;
	struct fdt_config config;
};

static void add(struct bench *b, const char *compatible, enum resource_type type, uint64_t base,
		uint64_t size_bytes, unsigned int gsi, bool edge)
{
	struct device_info *info = &b->list.dev[b->list.nr++];

	info->fdt_compatible = compatible;
	info->res[0] = (struct resource){ .type = type, .base = base, .size_bytes = size_bytes };
	info->res[1] =
		(struct resource){ .type = RES_IRQ, .base = gsi, .size_bytes = 1, .edge = edge };
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	gmem_init(&b->mem);
	b->mem.nr_regions = 2;
	b->mem.region[0] = (struct gmem_region){ .size_bytes = 3 * GIB };
	b->mem.region[1] = (struct gmem_region){ .gpa = 4 * GIB, .size_bytes = 5 * GIB };
	for (unsigned int i = 0; i < MAX_CPUS; i++)
		b->apic_id[i] = 2 * i;
	b->tables =
		(struct tables_config){ .nr_cpus = 3, .apic_id = b->apic_id, .devices = &b->list };
	b->config = (struct fdt_config){ .tables = &b->tables,
					 .mem = &b->mem,
					 .bootargs = "console=ttyS0 a=b" };
	add(b, "ns16550a", RES_PIO, 0x3f8, 8, 4, true);
	add(b, "virtio,mmio", RES_MMIO, VIRTIO_MMIO_GPA, 0x1000, 16, true);
	add(b, NULL, RES_PIO, 0x60, 1, 1, true);
	add(b, "motorola,mc146818", RES_PIO, 0x70, 2, 8, true);
	add(b, "virtio,mmio", RES_MMIO, VIRTIO_MMIO_GPA + 0x1000, 0x1000, 5, false);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void build(struct bench *b)
{
	const char *why = NULL;
	int bytes = fdt_build(b->blob, CAP_BYTES, &b->config);

	assert_true(bytes > 0);
	assert_int_equal(fdt_accept(b->blob, (uint64_t)bytes, &why), bytes);
}

static int node(const struct bench *b, const char *path)
{
	int at = fdt_path_offset(b->blob, path);

	if (at < 0)
		fail_msg("%s: %s", path, fdt_strerror(at));
	return at;
}

/* Checks that @path's property is exactly these cells. */
static void assert_cells(const struct bench *b, const char *path, const char *name, unsigned int nr,
			 ...)
{
	int len;
	const fdt32_t *cell = fdt_getprop(b->blob, node(b, path), name, &len);
	va_list ap;

	if (!cell || len != (int)(4 * nr))
		fail_msg("%s %s: %d bytes", path, name, len);
	va_start(ap, nr);
	for (unsigned int i = 0; i < nr; i++)
		assert_int_equal(fdt32_to_cpu(cell[i]), va_arg(ap, uint32_t));
	va_end(ap);
}

static void assert_string(const struct bench *b, const char *path, const char *name,
			  const char *want)
{
	const char *value = fdt_getprop(b->blob, node(b, path), name, NULL);

	assert_non_null(value);
	assert_string_equal(value, want);
}

static unsigned int nr_children(const struct bench *b, const char *path)
{
	unsigned int nr = 0;
	int child;

	fdt_for_each_subnode(child, b->blob, node(b, path))
	{
		nr++;
	}
	return nr;
}

static void processors_have_their_apic_ids(void **state)
{
	struct bench *b = *state;

	build(b);
	assert_int_equal(nr_children(b, "/cpus"), 3);
	assert_cells(b, "/cpus", "#address-cells", 1, 1);
	assert_cells(b, "/cpus", "#size-cells", 1, 0);
	assert_cells(b, "/cpus/cpu@0", "reg", 1, 0);
	assert_cells(b, "/cpus/cpu@4", "reg", 1, 4);
	assert_string(b, "/cpus/cpu@2", "device_type", "cpu");
}

static void interrupts_go_to_the_ioapic(void **state)
{
	struct bench *b = *state;
	int at;

	build(b);
	at = fdt_node_offset_by_compatible(b->blob, -1, "intel,ce4100-ioapic");
	assert_int_equal(at, node(b, "/soc/interrupt-controller@fec00000"));
	assert_cells(b, "/", "interrupt-parent", 1, fdt_get_phandle(b->blob, at));
	assert_cells(b, "/soc/interrupt-controller@fec00000", "#interrupt-cells", 1, 2);
	assert_cells(b, "/soc/interrupt-controller@fec00000", "reg", 4, 0, 0xfec00000, 0, 0x1000);
	assert_int_equal(fdt_node_offset_by_compatible(b->blob, -1, "intel,ce4100-lapic"),
			 node(b, "/soc/interrupt-controller@fee00000"));
}

static void each_device_is_on_its_bus(void **state)
{
	struct bench *b = *state;

	build(b);
	assert_int_equal(nr_children(b, "/soc"), 5);
	assert_int_equal(nr_children(b, "/soc/isa@0"), 2);
	assert_cells(b, "/soc/isa@0", "ranges", 5, 1, 0, 0, 0, 0x10000);
	assert_string(b, "/soc/isa@0/serial@3f8", "compatible", "ns16550a");
	assert_cells(b, "/soc/isa@0/serial@3f8", "reg", 3, 1, 0x3f8, 8);
	assert_cells(b, "/soc/isa@0/serial@3f8", "interrupts", 2, 4, 3);
	assert_cells(b, "/soc/isa@0/serial@3f8", "clock-frequency", 1, 1843200);
	assert_cells(b, "/soc/isa@0/rtc@70", "reg", 3, 1, 0x70, 2);
	assert_cells(b, "/soc/virtio@d0000000", "reg", 4, 0, 0xd0000000, 0, 0x1000);
	assert_cells(b, "/soc/virtio@d0000000", "interrupts", 2, 16, 3);
	assert_cells(b, "/soc/virtio@d0001000", "interrupts", 2, 5, 1);
	assert_int_equal(fdt_stringlist_search(b->blob, node(b, "/soc"), "compatible",
					       "intel,ce4100-cp"),
			 0);
	assert_int_equal(
		fdt_stringlist_search(b->blob, node(b, "/soc"), "compatible", "simple-bus"), 1);
}

static void memory_and_parameters_are_told(void **state)
{
	struct bench *b = *state;

	build(b);
	assert_cells(b, "/memory@0", "reg", 4, 0, 0, 0, 0xc0000000);
	assert_cells(b, "/memory@100000000", "reg", 4, 1, 0, 1, 0x40000000);
	assert_string(b, "/chosen", "bootargs", "console=ttyS0 a=b");
	assert_null(fdt_getprop(b->blob, node(b, "/chosen"), "linux,initrd-start", NULL));
	b->config.initrd = 0x23456000;
	b->config.initrd_bytes = 0x789;
	build(b);
	assert_cells(b, "/chosen", "linux,initrd-start", 1, 0x23456000);
	assert_cells(b, "/chosen", "linux,initrd-end", 1, 0x23456789);
}

static void no_room_is_an_error_at_every_size(void **state)
{
	struct bench *b = *state;
	int bytes;

	build(b);
	bytes = (int)fdt_totalsize(b->blob);
	for (int cap = 0; cap < bytes; cap++) {
		uint8_t *small = calloc(1, (size_t)cap + 1);

		assert_int_equal(fdt_build(small, (uint32_t)cap, &b->config), -ENOSPC);
		free(small);
	}
	b->tables.nr_cpus = MAX_CPUS;
	assert_int_equal(fdt_build(b->blob, CAP_BYTES, &b->config), -ENOSPC);
}

/* The guest's area for it has room for -c's maximum of CPUs, and for the maximum of devices. */
static void the_largest_machine_fits(void **state)
{
	struct bench *b = *state;
	void *blob = calloc(1, DTB_NODE_MAX_BYTES - 16);

	while (b->list.nr < DEVICE_LIST_MAX)
		add(b, "virtio,mmio", RES_MMIO, VIRTIO_MMIO_GPA + 0x1000 * b->list.nr, 0x1000, 16,
		    true);
	b->tables.nr_cpus = MAX_CPUS;
	assert_true(fdt_build(blob, DTB_NODE_MAX_BYTES - 16, &b->config) > 0);
	free(blob);
}

static void what_is_no_tree_is_refused(void **state)
{
	struct bench *b = *state;
	const char *why;
	uint64_t bytes;

	build(b);
	bytes = fdt_totalsize(b->blob);
	for (uint64_t len = 0; len < bytes; len++) {
		why = NULL;
		assert_int_equal(fdt_accept(b->blob, len, &why), -EINVAL);
		assert_non_null(why);
	}
	assert_int_equal(fdt_accept(b->blob, CAP_BYTES, &why), bytes); /* a file may be longer */
	fdt_set_totalsize(b->blob, UINT32_MAX);
	assert_int_equal(fdt_accept(b->blob, CAP_BYTES, &why), -EINVAL);
	memset(b->blob, 0x20, CAP_BYTES);
	assert_int_equal(fdt_accept(b->blob, CAP_BYTES, &why), -EINVAL);
	assert_non_null(strstr(why, "not a flattened device tree"));
}

/* Finds the first property in the structure, which is the root's. */
static struct fdt_property *first_property(void *blob)
{
	return (struct fdt_property *)((char *)blob + fdt_off_dt_struct(blob) + 8);
}

static void refused(struct bench *b, const char *what)
{
	const char *why = NULL;

	if (fdt_accept(b->blob, CAP_BYTES, &why) != -EINVAL || !why)
		fail_msg("%s", what);
}

/* Trees that libfdt's own check may accept, or never finish: lengths whose sums wrap. */
static void properties_lie_in_their_block(void **state)
{
	static const uint32_t lengths[] = { 0xfffffff4, 0xfffffff8, 0xfffffffc, 0xffffffff,
					    0x80000000, 0x7fffffff, CAP_BYTES };
	struct bench *b = *state;
	struct fdt_property *p;

	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
		build(b);
		first_property(b->blob)->len = cpu_to_fdt32(lengths[i]);
		refused(b, "a length");
	}
	build(b);
	p = first_property(b->blob);
	p->nameoff = cpu_to_fdt32(fdt_size_dt_strings(b->blob));
	refused(b, "a name behind the strings");
	build(b);
	((char *)b->blob)[fdt_off_dt_strings(b->blob) + fdt_size_dt_strings(b->blob) - 1] = 'x';
	refused(b, "a name without an end");
}

static void a_tree_has_one_root(void **state)
{
	struct bench *b = *state;
	fdt32_t *words;
	uint32_t nr;

	build(b);
	words = (fdt32_t *)((char *)b->blob + fdt_off_dt_struct(b->blob));
	nr = fdt_size_dt_struct(b->blob) / 4;
	words[nr - 2] = cpu_to_fdt32(FDT_NOP);
	refused(b, "a root without an end");
	build(b);
	words[nr - 1] = cpu_to_fdt32(FDT_NOP);
	refused(b, "a structure without an end");
	build(b);
	words[0] = cpu_to_fdt32(FDT_END);
	refused(b, "no root");
	build(b);
	words[2] = cpu_to_fdt32(5);
	refused(b, "an unknown token");
	build(b);
	fdt_set_off_dt_struct(b->blob, fdt_off_dt_struct(b->blob) + 2);
	refused(b, "a structure between words");
	build(b);
	fdt_set_version(b->blob, 3);
	fdt_set_last_comp_version(b->blob, 2);
	refused(b, "a version that Linux does not read");
}

static void virtio_devices_as_parameters(void **state)
{
	struct bench *b = *state;
	char params[TABLES_VIRTIO_PARAMS_BYTES];

	tables_virtio_params(&b->list, params);
	assert_string_equal(
		params, "virtio_mmio.device=4K@0xd0000000:16 virtio_mmio.device=4K@0xd0001000:5");
	while (b->list.nr < DEVICE_LIST_MAX)
		add(b, "virtio,mmio", RES_MMIO, 0xfffff000, 0x1000, 23, true);
	tables_virtio_params(&b->list, params);
	assert_string_equal(params + strlen(params) - 36, " virtio_mmio.device=4K@0xfffff000:23");
	b->list.nr = 0;
	tables_virtio_params(&b->list, params);
	assert_string_equal(params, "");
}

static const struct {
	const char *text;
	int tables; /* -1: refused */
} machines[] = {
	{ NULL, TABLES_ACPI | TABLES_MP },
	{ "tables=acpi", TABLES_ACPI },
	{ "tables=mp", TABLES_MP },
	{ "tables=dt", TABLES_DT },
	{ "tables=none", 0 },
	{ "tables=mp+dt", TABLES_MP | TABLES_DT },
	{ "tables=dt+acpi+mp", TABLES_ACPI | TABLES_MP | TABLES_DT },
	{ "tables=dt,tables=mp", TABLES_MP },
	{ "", TABLES_ACPI | TABLES_MP },
	{ "tables=", -1 },
	{ "tables=acpi+", -1 },
	{ "tables=+acpi", -1 },
	{ "tables=acpi+none", -1 },
	{ "tables=none+acpi", -1 },
	{ "tables=acp", -1 },
	{ "tables=acpix", -1 },
	{ "tables", -1 },
	{ "irq=5", -1 },
	{ "tables=dt,x", -1 },
};

static void machine_lists(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(machines); i++) {
		unsigned int tables = 0;
		int err = machine_parse(machines[i].text, &tables);

		if (err ? machines[i].tables != -1 : machines[i].tables != (int)tables)
			fail_msg("%s: %d, %u", machines[i].text, err, tables);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(processors_have_their_apic_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(interrupts_go_to_the_ioapic, setup, teardown),
		cmocka_unit_test_setup_teardown(each_device_is_on_its_bus, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_and_parameters_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_is_an_error_at_every_size, setup, teardown),
		cmocka_unit_test_setup_teardown(the_largest_machine_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_tree_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(properties_lie_in_their_block, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tree_has_one_root, setup, teardown),
		cmocka_unit_test_setup_teardown(virtio_devices_as_parameters, setup, teardown),
		cmocka_unit_test(machine_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
