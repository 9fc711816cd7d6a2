/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints the flight recorder's events as they happen, for --trace: as readable lines, or as a
 * Chrome trace (JSON, for Perfetto). This slows the guest down; when it is off it costs nothing,
 * because the recorder looks at one pointer.
 */
#ifndef KVM_TRACE_TRACE_H
#define KVM_TRACE_TRACE_H

#include "kvm/bus.h"
#include "kvm/recorder.h"
#include "kvm/timeline.h"

#include <stdio.h>

struct trace;

/*
 * The value of --trace: "pio,mmio,msr,irq,virtio[,FILE]", a list by optlist.h; FILE may have single
 * commas, too.
 */
struct trace_config {
	unsigned int kinds; /* one bit per kind of event */
	bool virtio_only;   /* of MMIO, only virtio's registers */
	bool goes_on;	    /* append to what an earlier run has written */
	uint64_t start_ns;  /* the origin of its times; 0: when it was opened */
	char *path;	    /* for the caller to free; NULL: stderr */
};

/* Returns 0, or -errno (reported), without a path. */
int trace_parse(struct trace_config *config, const char *text);

/* Opens a trace. The buses give the devices' names. Returns 0, or -errno (reported). */
int trace_open(struct trace **out, const struct trace_config *config, const struct bus *pio,
	       const struct bus *mmio);

/* Traces @r's events from now on; @t NULL: no more. Call it while @r's writer does not write. */
void trace_attach(struct trace *t, struct recorder *r);

/*
 * Ends the file and frees @t, which may be NULL. No recorder may point to it any more, or no thread
 * may record.
 */
void trace_close(struct trace *t);

/*
 * Adds the timeline's stages to a JSON trace, as a thread of its own; does nothing for other
 * traces. Either may be NULL.
 */
void trace_timeline(struct trace *t, const struct timeline *timeline);

#endif
