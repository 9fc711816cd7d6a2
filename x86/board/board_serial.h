/* SPDX-License-Identifier: GPL-2.0-only */
/* The board's COM ports and the chardevs that they use; private to x86/board. */
#ifndef X86_BOARD_BOARD_SERIAL_H
#define X86_BOARD_BOARD_SERIAL_H

#include "machine.h"

/* Board table entries; see struct board_device. */
int create_serial(struct machine *m);
/* Restores terminals and unlinks sockets, too. All below work after a partial or no create. */
void destroy_serial(struct machine *m);

/* COM1's, which a virtio console shares, and has even without that port. NULL: none. */
struct chardev *serial_main_chardev(const struct machine *m);

/* Input begins, the terminal goes raw. Returns 0 or -errno. */
int start_serial(struct machine *m);
/* Brings out what is still held, see machine_drain(); no port holds a vCPU after that. */
void drain_serial(struct machine *m, int stall_ms);
/* See machine_winch(). */
void winch_serial(struct machine *m);

#endif
