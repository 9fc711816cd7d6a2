/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs GDB's `monitor` commands: our own, for what the protocol has no packet for. */
#include "gdb_session.h"
#include "kvm/base/options.h"

#include <inttypes.h>
#include <string.h>

#define DUMP_BYTES_DEFAULT 64
#define DUMP_BYTES_MAX 1024
#define DUMP_ROW_BYTES 16

static void dump_row(FILE *f, uint64_t gpa, const uint8_t *bytes, size_t len)
{
	fprintf(f, "%#" PRIx64 ":", gpa);
	for (size_t i = 0; i < len; i++)
		fprintf(f, "%s%02x", i % 8 ? " " : "  ", bytes[i]);
	fputs("  ", f);
	for (size_t i = 0; i < len; i++)
		fputc(bytes[i] >= ' ' && bytes[i] < 0x7f ? bytes[i] : '.', f);
	fputc('\n', f);
}

static void dump(struct gdb_session *s, uint64_t gpa, uint64_t bytes, FILE *f)
{
	uint8_t buf[DUMP_BYTES_MAX];
	size_t done = s->ops->read(s->ctx, s->current, gpa, buf,
				   (size_t)min_u64(bytes, sizeof(buf)), true);

	for (size_t at = 0; at < done; at += DUMP_ROW_BYTES)
		dump_row(f, gpa + at, buf + at, (size_t)min_u64(DUMP_ROW_BYTES, done - at));
	if (done < bytes && done < sizeof(buf))
		fprintf(f, "%#" PRIx64 ": no memory\n", gpa + done);
}

static void on_phys(struct gdb_session *s, char *rest, FILE *f)
{
	char *save, *first = strtok_r(rest, " ", &save), *second = strtok_r(NULL, " ", &save);
	uint64_t gpa, bytes = DUMP_BYTES_DEFAULT;

	if (first && (!strcmp(first, "on") || !strcmp(first, "off")))
		s->physical = first[1] == 'n';
	else if (first && !parse_uint(first, &gpa) && (!second || !parse_uint(second, &bytes)))
		dump(s, gpa, bytes, f);
	else
		fputs("phys ADDRESS [BYTES], or phys on|off\n", f);
}

static void on_registers(struct gdb_session *s, char *rest, FILE *f)
{
	(void)rest;
	s->ops->print_registers(s->ctx, s->current, f);
}

static void on_info(struct gdb_session *s, char *rest, FILE *f)
{
	(void)rest;
	s->ops->print_info(s->ctx, f);
}

static void on_help(struct gdb_session *s, char *rest, FILE *f);

static const struct {
	const char *name, *help;
	void (*run)(struct gdb_session *s, char *rest, FILE *f);
} commands[] = {
	{ "help", "list these commands", on_help },
	{ "info", "describe the machine: vCPUs, memory", on_info },
	{ "registers", "decode the current vCPU's, with segments and local APIC", on_registers },
	{ "phys",
	  "ADDRESS [BYTES]: print physical memory; on|off: let GDB's x, find, set access it",
	  on_phys },
};

static void on_help(struct gdb_session *s, char *rest, FILE *f)
{
	(void)s;
	(void)rest;
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "%-10s %s\n", commands[i].name, commands[i].help);
}

void gdb_monitor(struct gdb_session *s, const char *line, FILE *f)
{
	size_t len = strcspn(line, " ");
	char rest[256];

	snprintf(rest, sizeof(rest), "%s", line + len);
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
		if (len == strlen(commands[i].name) && !strncmp(line, commands[i].name, len)) {
			commands[i].run(s, rest, f);
			return;
		}
	}
	fprintf(f, "%s: no such command; these exist:\n", line);
	on_help(s, rest, f);
}
