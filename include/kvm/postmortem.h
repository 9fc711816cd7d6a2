/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Post-mortems of all vCPUs, to stderr or to whoever asked: when a machine has come to a bad end, or on request while it goes on.
 *
 * On request each vCPU is interrupted and describes itself on its own thread, where its registers may be read; the loop prints what
 * they have written when all are done, or after a while what there is: it never waits for a vCPU.
 */
#ifndef KVM_POSTMORTEM_H
#define KVM_POSTMORTEM_H

#include <stdbool.h>
#include <stddef.h>

struct vm;
struct vcpu;

/* In the order of the option's words. */
enum post_mortem { POST_MORTEM_SHORT, POST_MORTEM_FULL, POST_MORTEM_OFF };

/* For vm_init() and vm_fini(). */
void report_init(struct vm *vm);
void report_fini(struct vm *vm);

/* The machine has ended and no vCPU runs any more: prints what the verdict calls for. Main's thread. */
void report_at_end(struct vm *vm);

/* Who is given a report: its text, which is ours, on the loop's thread. Not at all when the machine ends before. */
struct report_sink {
	void (*fn)(void *ctx, const char *text, size_t len); /* NULL: stderr */
	void *ctx;
};

/* Asks for a report of the running machine. @sink NULL: to stderr. Returns false while another one is under way. Loop's thread. */
bool report_request(struct vm *vm, const struct report_sink *sink);

/* A vCPU's answer, if it was asked. Its own thread. */
void report_answer(struct vcpu *v);

#endif
