/* SPDX-License-Identifier: GPL-2.0-only */
/* The board's virtio devices, see virtio.c; private to x86/. */
#ifndef X86_BOARD_BOARD_VIRTIO_H
#define X86_BOARD_BOARD_VIRTIO_H

#include "machine.h"

struct disk;
struct virtio_board;
struct virtio_device;

/* Rows of the device table: all shared folders, disks, all networks, the entropy device, the balloon, the consoles. */
int create_virtio(struct machine *m);
/* The way out: nothing is under way any more, and the disks are closed. Returns as disk_close(), of any. With no vCPU running. */
int settle_virtio(struct machine *m);
/* Tries again what waits for room on the host. Loop's thread. */
void retry_virtio(struct machine *m);
void destroy_virtio(struct machine *m);

/* The first words with each virtiofsd, once the kernel is loaded: they start meanwhile. Returns 0 or -errno having said why. */
int greet_shares(struct machine *m);
/* The way out: no virtiofsd of ours is left. With no vCPU running. */
void hang_up_shares(struct machine *m);

/* Puts @device into the next slot. Returns 0 or -errno. Set-up time. */
int virtio_plug(struct virtio_board *b, struct virtio_device *device);

/* A row of arch_x86.c, see struct arch. */
bool virtio_has_driver(struct vm *vm);

/* The guest's /dev/vda; NULL without disks. Set-up time. */
struct disk *virtio_first_disk(struct machine *m);

#endif
