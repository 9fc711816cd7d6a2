/* SPDX-License-Identifier: GPL-2.0-only */
/* Creates the board's virtio console and ports; private to x86/board. */
#ifndef X86_BOARD_BOARD_CONSOLES_H
#define X86_BOARD_BOARD_CONSOLES_H

#include "machine.h"

/* Whether the machine has any. */
static inline bool has_consoles(const struct config *config)
{
	return config->console == CONSOLE_VIRTIO || config->nr_ports;
}

/*
 * Creates them. Called by virtio's row of the device table, after all other virtio devices. Returns
 * 0 or -errno (reported).
 */
int create_consoles(struct machine *m);
/* This function and those below also work after a create that failed or did not happen. */
void destroy_consoles(struct machine *m);

/* Starts the ports' input. Returns 0 or -errno. */
int start_ports(struct machine *m);
/*
 * Writes out what the guest sent before its end, see machine_drain(); the owner of the console's
 * chardev flushes that.
 */
void drain_consoles(struct machine *m, int stall_ms);
/* Whether output of a port, or of the guest's command by its ports, is lost; see chardev_lost(). */
bool port_output_lost(const struct machine *m);
/*
 * Sends the signal @signo to the guest's command, as soon as the command runs. Returns false if
 * there is no command, or it has too many signals already.
 */
bool signal_command(struct machine *m, int signo);
/* See machine_winch(). */
void winch_ports(struct machine *m);

#endif
