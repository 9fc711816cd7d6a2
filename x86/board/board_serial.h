/* SPDX-License-Identifier: GPL-2.0-only */
/* Creates the board's COM ports and the chardevs that they use; private to x86/board. */
#ifndef X86_BOARD_BOARD_SERIAL_H
#define X86_BOARD_BOARD_SERIAL_H

#include "machine.h"

/* Board table entries; see struct board_device. */
int create_serial(struct machine *m);
/*
 * Also restores terminals and unlinks sockets. This function and those below also work after a
 * create that failed or did not happen.
 */
void destroy_serial(struct machine *m);

/*
 * Returns COM1's chardev, or NULL. A virtio console shares it, and has it even without that port.
 */
struct chardev *serial_main_chardev(const struct machine *m);

/* Whether a driver of the guest has found one of the ports. */
bool serial_any_driver(const struct machine *m);

/* Starts input and makes the terminal raw. Returns 0 or -errno. */
int start_serial(struct machine *m);
/* Writes out what is still held, see machine_drain(). After that no port makes a vCPU wait. */
void drain_serial(struct machine *m, int stall_ms);
/* Whether output of a port is lost, see chardev_lost(). */
bool serial_output_lost(const struct machine *m);
/* See machine_winch(). */
void winch_serial(struct machine *m);

#endif
