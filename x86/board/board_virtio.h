/* SPDX-License-Identifier: GPL-2.0-only */
/* The board's virtio devices; private to x86/board/. Main's thread, unless another one is named. */
#ifndef X86_BOARD_BOARD_VIRTIO_H
#define X86_BOARD_BOARD_VIRTIO_H

#include "machine.h"

struct disk;

/* A row of the board's device table: all virtio devices that the configuration asks for. */
int create_virtio(struct machine *m);
void destroy_virtio(struct machine *m);

/* The guest's /dev/vda; NULL without disks. Set-up time. */
struct disk *virtio_first_disk(struct machine *m);

/*
 * Negotiates with each virtiofsd, once the kernel is loaded: they start meanwhile. Returns 0 or
 * -errno (reported).
 */
int shares_connect(struct machine *m);
/* Tries again what waits for room on the host. Loop's thread. */
void retry_virtio(struct machine *m);
/*
 * On the way out: waits until nothing is under way any more, and closes the disks. Returns as
 * disk_close(), for any of them. With no vCPU running.
 */
int settle_virtio(struct machine *m);
/* On the way out: ends each virtiofsd of ours. With no vCPU running. */
void shares_disconnect(struct machine *m);

#endif
