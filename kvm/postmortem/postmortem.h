/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints post-mortems of all vCPUs, to stderr or to the client that asked: when a machine has come
 * to a bad end, or on request while it runs.
 *
 * On request (vcpu_ask()) each vCPU describes itself on its own thread, where its registers may be
 * read. When all are done, or after a time limit, a thread searches guest memory for the kernel's
 * log, and then the loop prints all texts that are there: it never waits for a vCPU or a search.
 */
#ifndef KVM_POSTMORTEM_POSTMORTEM_H
#define KVM_POSTMORTEM_POSTMORTEM_H

#include <stdbool.h>
#include <stddef.h>

struct reports;
struct vm;

/*
 * Prepares reports of @vm, and lets the console's key Ctrl-a d request one. Call it after vm_init()
 * and before vCPUs run. Returns 0, or -ENOMEM (reported). Call reports_close() when no vCPU runs
 * any more, and before vm_fini(); NULL is allowed. Thread: main.
 */
int reports_open(struct reports **out, struct vm *vm);
void reports_close(struct reports *r);

/*
 * Receives a report on the loop's thread; the caller of fn owns the text. Is not called if the
 * machine ends first.
 */
struct report_sink {
	void (*fn)(void *ctx, const char *text, size_t len);
	void *ctx;
	struct report_sink *next;
};

/*
 * Requests a report of the running machine, on stderr if @sink is NULL. While one is under way the
 * request waits: the next report then serves all that wait. @sink is the caller's, until its fn is
 * called or reports_close(). Thread: loop.
 */
void reports_request(struct reports *r, struct report_sink *sink);

/*
 * Prints what the verdict calls for. Call it when the machine has ended and no vCPU runs any more.
 * Thread: main.
 */
void report_at_end(struct vm *vm);

#endif
