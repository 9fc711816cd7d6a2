/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the command line, whatever the entry, and in it the test's name and arguments.
 *
 * The Linux boot protocol passes it in the zero page; PVH and both versions of Multiboot pass it in
 * structures of their own, whose other parts handover.c checks.
 */
#include "payload.h"

#define PVH_MAGIC 0x336ec578

#define MB2_CMDLINE 1

uint64_t info_word(unsigned int offset)
{
	return read32(entry_state.rbx + offset);
}

uintptr_t mb2_tag(uint32_t type, unsigned int index)
{
	uintptr_t end = entry_state.rbx + read32(entry_state.rbx);

	for (uintptr_t tag = entry_state.rbx + 8; tag < end; tag += (read32(tag + 4) + 7) & ~7UL) {
		if (read32(tag) == type && index-- == 0)
			return tag;
	}
	return 0;
}

bool is_pvh(void)
{
	return entry_state.mode == 32 && entry_state.rbx && info_word(0) == PVH_MAGIC;
}

const char *handover_cmdline(void)
{
	if (entry_state.rax == MB1_MAGIC)
		return (const char *)info_word(16);
	if (entry_state.rax == MB2_MAGIC)
		return (const char *)(mb2_tag(MB2_CMDLINE, 0) + 8);
	return is_pvh() ? (const char *)(uintptr_t)read64(entry_state.rbx + 24) : NULL;
}

const struct boot_params *boot_params(void)
{
	return (const struct boot_params *)entry_state.rsi;
}

const char *command_line(void)
{
	const char *line = handover_cmdline();

	return line ? line : (const char *)(uintptr_t)boot_params()->hdr.cmd_line_ptr;
}

const char *test_word(void)
{
	static const char key[] = "test=";
	const char *found = "", *p = command_line();

	for (bool start = true; *p; start = *p++ == ' ') {
		if (start && !memcmp(p, key, sizeof(key) - 1))
			found = p + sizeof(key) - 1;
	}
	return found;
}

size_t name_len(const char *word)
{
	size_t n = 0;

	while (word[n] && word[n] != ' ' && word[n] != ',' && word[n] != '+')
		n++;
	return n;
}

static uint64_t number(const char *p)
{
	uint64_t value = 0, base = 10;

	if (p[0] == '0' && p[1] == 'x') {
		base = 16;
		p += 2;
	}
	for (;; p++) {
		if (*p >= '0' && *p <= '9')
			value = value * base + (uint64_t)(*p - '0');
		else if (base == 16 && *p >= 'a' && *p <= 'f')
			value = value * base + (uint64_t)(*p - 'a' + 10);
		else
			return value;
	}
}

uint64_t arg(unsigned int index, uint64_t otherwise)
{
	const char *p = test_word();

	while (p[name_len(p)] == '+')
		p += name_len(p) + 1;
	for (unsigned int i = 0;; i++) {
		p += name_len(p);
		if (*p != ',')
			return otherwise;
		p++;
		if (i == index)
			return number(p);
	}
}
