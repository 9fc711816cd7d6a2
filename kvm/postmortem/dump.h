/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes core files of machines, for gdb and crash(8): after a bad end (--dump), or of a running
 * machine (kvm debug NAME --dump), which is paused while its memory is written.
 */
#ifndef KVM_POSTMORTEM_DUMP_H
#define KVM_POSTMORTEM_DUMP_H

#include "kvm/arch.h"
#include "kvm/job.h"

struct vm;

/*
 * Describes a core in one line, which ends with the command that opens it, without the core's path.
 */
#define DUMP_TEXT_BYTES 256
void dump_text(char *buf, size_t n, const struct dump_result *r);

/*
 * Writes config->dump after a bad end, and prints how that went. Call it when the machine has ended
 * and no vCPU runs any more. Thread: main.
 */
void dump_at_end(struct vm *vm);

/* A dump of a running machine, on a thread of its own. */
struct dump_job {
	struct vm *vm;
	int fd; /* the caller's */
	/* called on the loop's thread, once */
	void (*done)(void *ctx, int err, const struct dump_result *r);
	void *ctx;
	struct job job;
	_Atomic bool cancel;
	int err;
	struct dump_result result;
};

/* Starts a dump. Returns 0, or -errno: nothing was started. Thread: loop, here and below. */
int dump_job_start(struct dump_job *job, struct vm *vm, int fd,
		   void (*done)(void *ctx, int err, const struct dump_result *r), void *ctx);
/*
 * Cancels the dump if it runs; @done is then called, most likely with -ECANCELED. Works on a zeroed
 * job.
 */
void dump_job_stop(struct dump_job *job);

#endif
