/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads --machine, which chooses what describes the board to its guest.
 *
 * tables= lists how a guest finds its CPUs and devices: ACPI, the MP table, a device tree, with '+'
 * between them, or none. The default suits every stock kernel, with ACPI and without.
 *
 * virtio devices are on the command line only if neither ACPI nor a device tree names them: Linux
 * would take a second entry for another device.
 */
#include "kvm/log.h"
#include "kvm/optlist.h"
#include "machine.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_TABLES (TABLES_ACPI | TABLES_MP)

static const struct {
	const char *name;
	unsigned int bit;
	const char *what;
} kinds[] = {
	{ "acpi", TABLES_ACPI, "ACPI, without its fixed hardware" },
	{ "mp", TABLES_MP,
	  "the MP table: CPUs and interrupts; virtio devices are on the command line without acpi or dt" },
	{ "dt", TABLES_DT, "a device tree, passed as SETUP_DTB (--dtb: your own)" },
	{ "none", 0, "no table: one CPU, no IOAPIC; virtio devices are on the command line" },
};

void machine_help(FILE *f)
{
	fprintf(f,
		"--machine tables=KIND[+KIND]...: how the guest finds its CPUs and devices (default acpi+mp)\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
		fprintf(f, "  %-5s %s\n", kinds[i].name, kinds[i].what);
}

/* Returns the bit of the name in @text[0 .. len), or -EINVAL. */
static int kind_bit(const char *text, size_t len)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].name) == len && !memcmp(kinds[i].name, text, len))
			return (int)kinds[i].bit;
	}
	return -EINVAL;
}

static int parse_tables(const char *value, size_t len, unsigned int *tables)
{
	const char *end = value + len;

	*tables = 0;
	for (const char *p = value, *next; p <= end; p = next + 1) {
		int bit;

		next = memchr(p, '+', (size_t)(end - p));
		next = next ? next : end;
		bit = kind_bit(p, (size_t)(next - p));
		if (bit < 0 || (bit == 0 && len != strlen("none"))) {
			pr_err("--machine tables=%.*s: must be none, or a list of acpi, mp and dt with + between them",
			       (int)len, value);
			return -EINVAL;
		}
		*tables |= (unsigned int)bit;
	}
	return 0;
}

int machine_parse(const char *text, unsigned int *tables)
{
	static const char key[] = "tables=";
	struct optitem item;
	int err = 0;

	*tables = DEFAULT_TABLES;
	/* An empty text changes nothing, and a comma at the end is ignored. */
	while (!err && text && *text && optlist_next(&text, &item)) {
		if (strncmp(item.text, key, strlen(key)) != 0) {
			pr_err("--machine %.*s: no such key; use tables=, or help for a list",
			       (int)item.len, item.text);
			return -EINVAL;
		}
		err = parse_tables(item.text + strlen(key), item.len - strlen(key), tables);
	}
	return err;
}
