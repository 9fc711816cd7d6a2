/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turns the way a machine ended into an exit code and a line of text. kvm.1 documents the exit
 * codes: a promise.
 */
#include "kvm/verdict.h"

#include <stdarg.h>
#include <stdio.h>

void verdict_set(struct verdict *v, enum verdict_kind kind, int value, const char *fmt, ...)
{
	va_list ap;

	v->kind = kind;
	v->value = value;
	va_start(ap, fmt);
	vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
}

int verdict_exit_code(const struct verdict *v)
{
	switch (v->kind) {
	case VERDICT_POWEROFF:
	case VERDICT_REBOOT:
	case VERDICT_HALT:
	case VERDICT_QUIT:
	case VERDICT_MET:
		return 0;
	case VERDICT_COMMAND:
		return v->value;
	case VERDICT_DEBUG_EXIT:
		/* An exit status has eight bits only; QEMU's convention loses the same bits. */
		return (((unsigned int)v->value << 1) | 1) & 0xff;
	case VERDICT_PANIC:
		return EXIT_GUEST_PANIC;
	case VERDICT_CRASH:
		return EXIT_GUEST_CRASH;
	case VERDICT_FAILED:
		return EXIT_FAILED;
	case VERDICT_TIMEOUT:
		return EXIT_TIMEOUT;
	case VERDICT_SIGNAL:
		return 128 + v->value;
	case VERDICT_NONE:
	case VERDICT_LAUNCHER:
		break;
	}
	return EXIT_LAUNCHER;
}
