/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starts the programs that network backends need: passt(1), and a tap interface's script. Thread:
 * setup.
 */
#include "netdev_impl.h"

#include "kvm/spawn.h"

#include <unistd.h>

int netdev_spawn(pid_t *pid, char *const *argv, int keep)
{
	return spawn_program(pid, &(struct spawn){ .argv = argv,
						   .in = SPAWN_NULL,
						   .out = STDERR_FILENO,
						   .err = STDERR_FILENO,
						   .keep = keep,
						   .keep_as = keep,
						   .own_group = true });
}
