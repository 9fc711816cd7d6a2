/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Post-mortems of all vCPUs, to stderr or to the one who asked: when a machine has come to a bad
 * end, or on request while it goes on.
 *
 * On request each vCPU is asked (vcpu_ask()) and describes itself on its own thread, where its
 * registers may be read; the loop prints what they have written when all are done, or after a while
 * what there is: it never waits for a vCPU.
 */
#ifndef KVM_POSTMORTEM_POSTMORTEM_H
#define KVM_POSTMORTEM_POSTMORTEM_H

#include <stdbool.h>
#include <stddef.h>

struct reports;
struct vm;

/*
 * After vm_init() and before vCPUs run: also lets the console's key Ctrl-a d ask. Returns 0 or
 * -ENOMEM (reported). Close once no vCPU runs any more, and before vm_fini(); NULL is fine. Thread:
 * main.
 */
int reports_open(struct reports **out, struct vm *vm);
void reports_close(struct reports *r);

/*
 * Who is given a report: its text, which is ours, on the loop's thread. Not at all when the machine
 * ends before.
 */
struct report_sink {
	void (*fn)(void *ctx, const char *text, size_t len); /* NULL: stderr */
	void *ctx;
};

/*
 * Asks for a report of the running machine. @sink NULL: to stderr. Returns false while another one
 * is under way. Thread: loop.
 */
bool reports_request(struct reports *r, const struct report_sink *sink);

/*
 * The machine has ended and no vCPU runs any more: prints what the verdict calls for. Thread: main.
 */
void report_at_end(struct vm *vm);

#endif
