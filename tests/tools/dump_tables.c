/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the tables of a described machine into files, for tools that check tables: dump_tables DIR
 * NR_CPUS [DEVICE...].
 *
 *   DEVICE   HID[,uid=N][,io=PORT+COUNT][,mem=ADDRESS+BYTES][,irq=GSI[:level][:shared]], or
 *            button,irq=GSI
 *   in DIR   rsdp.dat xsdt.dat rsdt.dat facp.dat apic.dat dsdt.dat mp.dat, and acpi.bin, which is
 *            the ACPI area up to the end of its last table
 *
 * APIC ids are the CPUs' numbers. It finds the tables through the RSDP, as a guest does. It exits 1
 * with a message if something is not where it should be, 2 on bad usage, 3 if the tables do not
 * fit.
 */
#include "x86/layout.h"
#include "x86/tables/tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 36

static int die(const char *what, const char *arg)
{
	fprintf(stderr, "dump_tables: %s: %s\n", arg, what);
	return -1;
}

static bool parse_range(struct resource *res, enum resource_type type, const char *text)
{
	char *end;

	res->type = type;
	res->base = strtoull(text, &end, 0);
	if (*end != '+')
		return false;
	res->size_bytes = strtoull(end + 1, &end, 0);
	return *end == '\0';
}

static bool parse_irq(struct resource *res, const char *text)
{
	char *end;

	*res = (struct resource){ .type = RES_IRQ, .size_bytes = 1 };
	res->base = strtoull(text, &end, 0);
	res->edge = !strstr(end, ":level");
	res->shared = strstr(end, ":shared") != NULL;
	return *end == '\0' || *end == ':';
}

static bool parse_field(struct device_info *info, unsigned int *nr_res, const char *field)
{
	if (!strncmp(field, "uid=", 4)) {
		info->uid = (unsigned int)strtoul(field + 4, NULL, 0);
		return true;
	}
	if (*nr_res == DEVICE_MAX_RESOURCES)
		return false;
	if (!strncmp(field, "io=", 3))
		return parse_range(&info->res[(*nr_res)++], RES_PIO, field + 3);
	if (!strncmp(field, "mem=", 4))
		return parse_range(&info->res[(*nr_res)++], RES_MMIO, field + 4);
	if (!strncmp(field, "irq=", 4))
		return parse_irq(&info->res[(*nr_res)++], field + 4);
	return false;
}

static int parse_device(struct device_list *list, char *text)
{
	struct device_info *info = &list->dev[list->nr];
	unsigned int nr_res = 0;
	char *save, *field = strtok_r(text, ",", &save);

	if (!field || list->nr == DEVICE_LIST_MAX)
		return die("no device, or too many devices", text);
	info->acpi_hid = field;
	if (!strcmp(field, "button")) {
		info->kind = DEVICE_POWER_BUTTON;
		info->acpi_hid = NULL;
	}
	while ((field = strtok_r(NULL, ",", &save))) {
		if (!parse_field(info, &nr_res, field))
			return die("not a resource", field);
	}
	list->nr++;
	return 0;
}

static uint64_t le(const uint8_t *p, unsigned int nr_bytes)
{
	uint64_t value = 0;

	while (nr_bytes--)
		value = value << 8 | p[nr_bytes];
	return value;
}

static int save(const struct gmem *mem, const char *dir, const char *name, gpa_t gpa, uint64_t len)
{
	const void *bytes = gmem_at(mem, gpa, len);
	char path[4096];
	FILE *f;

	if (!bytes || len == 0)
		return die("not in guest memory", name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f)
		return die(strerror(errno), path);
	if (fwrite(bytes, 1, len, f) != len || fclose(f))
		return die("cannot write", path);
	return 0;
}

static int save_table(const struct gmem *mem, const char *dir, const char *name, gpa_t gpa)
{
	const uint8_t *header = gmem_at(mem, gpa, HEADER_BYTES);

	return header ? save(mem, dir, name, gpa, le(header + 4, 4))
		      : die("not in guest memory", name);
}

static int save_acpi(const struct gmem *mem, const char *dir, gpa_t rsdp)
{
	const uint8_t *r = gmem_at(mem, rsdp, 36);
	gpa_t xsdt = le(r + 24, 8), rsdt = le(r + 16, 4);
	const uint8_t *x = gmem_at(mem, xsdt, HEADER_BYTES + 16);
	gpa_t facp = x ? le(x + HEADER_BYTES, 8) : 0;
	const uint8_t *f = gmem_at(mem, facp, 276);

	if (!x || !f)
		return die("not in guest memory", "XSDT or FADT");
	if (save(mem, dir, "rsdp.dat", rsdp, 36) || save_table(mem, dir, "xsdt.dat", xsdt) ||
	    save_table(mem, dir, "rsdt.dat", rsdt) || save_table(mem, dir, "facp.dat", facp) ||
	    save_table(mem, dir, "dsdt.dat", le(f + 140, 8)) ||
	    save_table(mem, dir, "apic.dat", le(x + HEADER_BYTES + 8, 8)))
		return -1;
	return save(mem, dir, "acpi.bin", ACPI_GPA,
		    rsdt - ACPI_GPA + le((uint8_t *)gmem_at(mem, rsdt, HEADER_BYTES) + 4, 4));
}

static int dump(const char *dir, const struct tables_config *config)
{
	struct gmem mem;
	gpa_t rsdp;
	int err;

	gmem_init(&mem);
	err = gmem_add(&mem, 0, HIGH_RAM_GPA, GMEM_NORMAL);
	if (!err)
		err = acpi_write(&mem, config, &rsdp);
	if (!err)
		err = mptable_write(&mem, config);
	if (err) {
		die(strerror(-err), "tables");
		gmem_fini(&mem);
		return 3;
	}
	err = save_acpi(&mem, dir, rsdp);
	if (!err)
		err = save(&mem, dir, "mp.dat", MPTABLE_GPA, MPTABLE_MAX_BYTES);
	gmem_fini(&mem);
	return err ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct tables_config config = { 0 };
	struct device_list *list = calloc(1, sizeof(*list));
	uint32_t *apic_id = NULL;
	int r = 2;

	if (argc >= 3)
		config.nr_cpus = (unsigned int)strtoul(argv[2], NULL, 0);
	if (config.nr_cpus)
		apic_id = calloc(config.nr_cpus, sizeof(*apic_id));
	if (list && apic_id) {
		for (unsigned int i = 0; i < config.nr_cpus; i++)
			apic_id[i] = i;
		r = 0;
		for (int i = 3; i < argc && !r; i++)
			r = parse_device(list, argv[i]) ? 2 : 0;
		config.apic_id = apic_id;
		config.devices = list;
		if (!r)
			r = dump(argv[1], &config);
	} else {
		fprintf(stderr, "usage: dump_tables DIR NR_CPUS [DEVICE...]\n");
	}
	free(apic_id);
	free(list);
	return r;
}
