/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hyper-V's messages and event flags between a machine's own processors, in the form of QEMU's
 * hyperv-testdev, for kvm-unit-tests: the user-space half of a synthetic interrupt controller
 * (SynIC), whose registers and interrupts are KVM's. Specification: TLFS, "Inter-Partition
 * Communication" and "Virtual Interrupts".
 */
#ifndef HW_SYNIC_H
#define HW_SYNIC_H

#include "kvm/bus.h"
#include "kvm/gmem.h"

#define SYNIC_NR_SINTS 16
#define SYNIC_TEST_PORTS 4

/* The result of a hypercall: HV_STATUS_ of the TLFS. */
enum hv_status {
	HV_SUCCESS = 0,
	HV_INVALID_HYPERCALL_CODE = 2,
	HV_INVALID_HYPERCALL_INPUT = 3,
	HV_INVALID_ALIGNMENT = 4,
	HV_INVALID_PARAMETER = 5,
	HV_INVALID_PORT_ID = 0x11,
	HV_INVALID_CONNECTION_ID = 0x12,
	HV_INSUFFICIENT_BUFFERS = 0x13,
};

/*
 * The configuration, copied. Thread of the hooks: any vCPU's, or the loop's. Locks: the SynIC's is
 * held.
 */
struct synic_config {
	unsigned int nr_vps;	/* virtual processors */
	const struct gmem *mem; /* outlives it */
	/*
	 * Makes it possible to raise @sint of @vp; called once, until disconnect(). Returns 0, or
	 * -errno.
	 */
	int (*connect)(void *ctx, unsigned int vp, unsigned int sint);
	void (*disconnect)(void *ctx, unsigned int vp, unsigned int sint);
	void (*raise)(void *ctx, unsigned int vp, unsigned int sint);
	void *ctx;
};

struct synic;

/* Returns NULL without memory. */
struct synic *synic_create(const struct synic_config *config);
void synic_destroy(struct synic *s); /* NULL is allowed; disconnects nothing */

/* @vp, below nr_vps, has set its SCONTROL, SIEFP and SIMP registers to this. Thread: any. */
void synic_set_pages(struct synic *s, unsigned int vp, uint64_t control, uint64_t event_page,
		     uint64_t message_page);

/*
 * Serves a hypercall that KVM leaves to user space: HvCallPostMessage or HvCallSignalEvent, by its
 * input value and first parameter. Never waits. Thread: any vCPU's.
 */
enum hv_status synic_hypercall(struct synic *s, uint64_t input, uint64_t param);

/*
 * Tries again to deliver messages that had to wait, after a SINT was acknowledged (end of
 * interrupt, or of message). Thread: any.
 */
void synic_acknowledged(struct synic *s);

/*
 * SYNIC_TEST_PORTS: double words (number << 24 | what << 16 | processor << 8 | SINT), see
 * hw/synic.c.
 */
extern const struct bus_ops synic_test_ops;

#endif
