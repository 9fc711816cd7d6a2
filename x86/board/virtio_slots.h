/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plugs virtio devices into the board's slots; private to x86/board/. Thread: main, at set-up and
 * at the end.
 */
#ifndef X86_BOARD_VIRTIO_SLOTS_H
#define X86_BOARD_VIRTIO_SLOTS_H

#include "machine.h"

struct virtio_device;

/*
 * Creates empty slots, m->slots. Returns 0 or -ENOMEM. Call virtio_slots_destroy() in either case.
 */
int virtio_slots_create(struct machine *m);
/* Destroys the slots, after the devices. Also works without slots. */
void virtio_slots_destroy(struct machine *m);

/* Puts @device into the next slot, and publishes the slot for the tables. Returns 0 or -errno. */
int virtio_plug(struct machine *m, struct virtio_device *device);

/*
 * What the guest's driver has told the device in slot @index. Returns false if there is no such
 * slot. Thread: any, as long as the devices exist.
 */
struct virtio_slot_state {
	uint32_t device_id;
	uint8_t status;
};
bool virtio_slot_state(const struct machine *m, unsigned int index, struct virtio_slot_state *s);

/* A row of arch_x86.c, see struct arch. */
bool virtio_has_driver(struct vm *vm);

#endif
