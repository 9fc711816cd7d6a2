/* SPDX-License-Identifier: GPL-2.0-only */
/* The board's virtio console and ports; private to x86/board. */
#ifndef X86_BOARD_BOARD_CONSOLES_H
#define X86_BOARD_BOARD_CONSOLES_H

#include "machine.h"

/* Whether there are any. */
static inline bool has_consoles(const struct config *config)
{
	return config->console == CONSOLE_VIRTIO || config->nr_ports;
}

/*
 * From virtio's row of the device table, after all other virtio devices. Returns 0 or -errno
 * (reported).
 */
int create_consoles(struct machine *m);
/* All of these work after a partial or no create. */
void destroy_consoles(struct machine *m);

/* Input of the ports begins. Returns 0 or -errno. */
int start_ports(struct machine *m);
/*
 * What was sent before the guest's end comes out, see machine_drain(); the console's own
 * chardev is left to its owner.
 */
void drain_consoles(struct machine *m, int stall_ms);
/* Whether what the guest's command wrote could not be kept. */
bool command_output_lost(const struct machine *m);
/*
 * The guest's command gets the signal @signo, once it is there. False: there is none, or it has too
 * many already.
 */
bool signal_command(struct machine *m, int signo);
/* See machine_winch(). */
void winch_ports(struct machine *m);

#endif
