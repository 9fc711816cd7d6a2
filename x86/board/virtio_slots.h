/* SPDX-License-Identifier: GPL-2.0-only */
/* The slots of the board's virtio devices; private to x86/board/. Set-up time and tear-down. */
#ifndef X86_BOARD_VIRTIO_SLOTS_H
#define X86_BOARD_VIRTIO_SLOTS_H

#include "machine.h"

struct virtio_device;

/* Empty slots, m->slots. Returns 0 or -ENOMEM; virtio_slots_destroy() in either case. */
int virtio_slots_create(struct machine *m);
/* When the devices are gone. Works without slots, too. */
void virtio_slots_destroy(struct machine *m);

/* Puts @device into the next slot, which the tables describe. Returns 0 or -errno. */
int virtio_plug(struct machine *m, struct virtio_device *device);

/* A row of arch_x86.c, see struct arch. */
bool virtio_has_driver(struct vm *vm);

#endif
