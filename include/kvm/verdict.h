/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a machine ended. Every machine ends in exactly one verdict, which gives the exit code and the
 * last line on stderr. The table of exit codes in kvm.1 is a promise.
 */
#ifndef KVM_VERDICT_H
#define KVM_VERDICT_H

enum verdict_kind {
	VERDICT_NONE,	    /* still running */
	VERDICT_POWEROFF,   /* ACPI S5 */
	VERDICT_REBOOT,	    /* the guest asked for a reset, by whatever means */
	VERDICT_HALT,	    /* the guest halted in an orderly way */
	VERDICT_DEBUG_EXIT, /* a write to the debug-exit port; @value as written */
	/* the guest's command ended; @value is its exit code, as in a shell */
	VERDICT_COMMAND,
	VERDICT_QUIT, /* the user left with Ctrl-a x */
	VERDICT_MET,  /* the console has shown all that was expected */
	/* an expectation was not met, a forbidden line was seen, or a test failed */
	VERDICT_FAILED,
	VERDICT_PANIC, /* the guest kernel panicked */
	VERDICT_CRASH, /* triple fault, KVM internal error, failed entry, dead halt */
	VERDICT_TIMEOUT,
	VERDICT_SIGNAL,	  /* the launcher got signal @value */
	VERDICT_LAUNCHER, /* the launcher failed */
};

struct verdict {
	enum verdict_kind kind;
	int value;
	char text[200]; /* one line for the user */
	char hint[200]; /* another: what the guest seems to have lacked; "": no sign of that */
};

#define EXIT_GUEST_PANIC 120
#define EXIT_GUEST_CRASH 121
#define EXIT_FAILED 122
#define EXIT_TIMEOUT 124
#define EXIT_LAUNCHER 125

/* Fills in @v; cuts the text to fit. */
void verdict_set(struct verdict *v, enum verdict_kind kind, int value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Returns the exit code, 0..255; see kvm.1. */
int verdict_exit_code(const struct verdict *v);

#endif
