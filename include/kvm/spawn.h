/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starts programs of the host (posix_spawn(3)). No signal is blocked or ignored in them, whatever
 * the launcher's threads do, and they get only the descriptors that are named here.
 */
#ifndef KVM_SPAWN_H
#define KVM_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#define SPAWN_NULL (-1) /* as a stream: /dev/null */
#define SPAWN_NONE (-1) /* as @keep: no further descriptor */
#define SPAWN_FOREVER (-1)

struct spawn {
	char *const *argv; /* argv[0] is searched on the launcher's PATH, unless it has a slash */
	char *const *env;  /* NULL: the launcher's */
	int in, out, err;  /* descriptors of the launcher, or SPAWN_NULL */
	int keep, keep_as; /* one more, and its number in the program */
	bool own_group;	   /* Ctrl-C at the launcher's terminal does not reach it */
};

/*
 * Starts a program, for whose end the caller must wait. Returns 0 and the process, or -errno;
 * -ENOENT: no such program. Thread: any.
 */
int spawn_program(pid_t *pid, const struct spawn *s);

/*
 * Waits until @pid has ended. Kills it (-9) if that takes more than @limit_ms, or, if a limit is
 * given, at once on an old kernel that cannot wait for a process with a limit. Returns whether it
 * exited with 0. Thread: any.
 */
bool spawn_wait(pid_t pid, int limit_ms);

/* Whether this process ignores the signal, as its parent may have wanted (nohup). Thread: any. */
bool spawn_was_ignored(int signo);

#endif
