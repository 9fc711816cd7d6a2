/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --trace: the flight recorder's events as they happen, in readable lines or as a Chrome trace
 * (JSON, for Perfetto). It slows the guest down, and nothing when it is off: the recorder looks at
 * one pointer.
 */
#ifndef KVM_TRACE_TRACE_H
#define KVM_TRACE_TRACE_H

#include "kvm/bus.h"
#include "kvm/recorder.h"
#include "kvm/timeline.h"

#include <limits.h>
#include <stdio.h>

struct trace;

/*
 * What --trace names, and where to: "pio,mmio,msr,irq,virtio[,FILE]", a list by optlist.h; FILE may
 * have single commas, too.
 */
struct trace_config {
	unsigned int kinds;  /* a bit a kind of event */
	bool virtio_only;    /* of MMIO, virtio's registers alone */
	bool goes_on;	     /* behind what the file has of a life before */
	uint64_t start_ns;   /* what its times are since; 0: since it was opened */
	char path[PATH_MAX]; /* empty: stderr */
};

/* Returns 0 or -EINVAL (reported). */
int trace_parse(struct trace_config *config, const char *text);

/* Returns 0 or -errno having said why. Buses are for devices' names. */
int trace_open(struct trace **out, const struct trace_config *config, const struct bus *pio,
	       const struct bus *mmio);

/* Has @r's events traced from now on; @t NULL: no more. While its writer does not write. */
void trace_attach(struct trace *t, struct recorder *r);

/* Ends the file. No recorder may point to it any more, or no thread record. NULL is fine. */
void trace_close(struct trace *t);

/*
 * A JSON trace gets the timeline's stages as a thread of its own; others have no use for them.
 * Either may be NULL.
 */
void trace_timeline(struct trace *t, const struct timeline *timeline);

#endif
