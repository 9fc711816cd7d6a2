/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Creates the board's virtio devices; private to x86/board/. Thread: main, unless a function names
 * another.
 */
#ifndef X86_BOARD_BOARD_VIRTIO_H
#define X86_BOARD_BOARD_VIRTIO_H

#include "machine.h"

struct disk;

/* A row of the board's device table: creates all virtio devices of the configuration. */
int create_virtio(struct machine *m);
void destroy_virtio(struct machine *m);

/* Returns the guest's /dev/vda; NULL without disks. Thread: setup. */
struct disk *virtio_first_disk(struct machine *m);

/*
 * Negotiates with each virtiofsd, and waits for each passt. Call it when the kernel is loaded,
 * since they start during that time. Returns 0 or -errno (reported).
 */
int shares_connect(struct machine *m);
/* Retries requests that wait for space on the host. Thread: loop. */
void retry_virtio(struct machine *m);
/*
 * Waits until all requests are done, and closes the disks. Call it at the end, when no vCPU runs.
 * Returns 0, or the error of a disk_close().
 */
int settle_virtio(struct machine *m);
/* Ends each virtiofsd that the launcher has started. Call it at the end, when no vCPU runs. */
void shares_disconnect(struct machine *m);

#endif
