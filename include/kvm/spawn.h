/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs of the host's that we start (posix_spawn(3)): with no signal blocked or ignored,
 * whatever our threads do, and of our descriptors with those alone that are named here.
 */
#ifndef KVM_SPAWN_H
#define KVM_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#define SPAWN_NULL (-1) /* as a stream: /dev/null */
#define SPAWN_NONE (-1) /* as @keep: no further descriptor */
#define SPAWN_FOREVER (-1)

struct spawn {
	char *const *argv; /* argv[0] is looked for on our PATH, unless it has a slash */
	char *const *env;  /* NULL: ours */
	int in, out, err;  /* descriptors of ours */
	int keep, keep_as; /* one more, and its number there */
	bool own_group;	   /* Ctrl-C at our terminal is not for it */
};

/*
 * Starts it; whoever does waits for it. Returns 0 and the process, or -errno: -ENOENT when there is
 * no such program. Any thread.
 */
int spawn_program(pid_t *pid, const struct spawn *s);

/*
 * Waits until it has ended; when that takes more than @limit_ms, or cannot be told on an old
 * kernel, it is killed (-9). Returns whether it exited with 0. Any thread.
 */
bool spawn_wait(pid_t pid, int limit_ms);

/*
 * Whether this process ignores the signal, as the one that started it may have wanted (nohup). Any
 * thread.
 */
bool spawn_was_ignored(int signo);

#endif
