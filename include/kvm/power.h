/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lets a device end the machine, in one of a few ways. The board gives each device that needs it a
 * struct power; tests give it a recorder. The first request wins. Thread: any.
 */
#ifndef KVM_POWER_H
#define KVM_POWER_H

enum power_request {
	POWER_OFF,	  /* ACPI sleep control, S5 */
	POWER_RESET,	  /* reset by the named means */
	POWER_DEBUG_EXIT, /* debug-exit port: @value as written */
	POWER_COMMAND,	  /* the guest's command has ended: @value as defined by guestjob.h */
};

struct power {
	/* @by: the means, for the verdict's line: "i8042", "port 0xcf9", "ACPI reset register" */
	void (*request)(void *ctx, enum power_request what, unsigned int value, const char *by);
	void *ctx;
};

static inline void power_request(const struct power *p, enum power_request what, unsigned int value,
				 const char *by)
{
	p->request(p->ctx, what, value, by);
}

#endif
