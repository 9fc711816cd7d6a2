/* SPDX-License-Identifier: GPL-2.0-only */
/* Starts programs by posix_spawn(3) and waits for them, see kvm/spawn.h. */
#include "kvm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void set_stream(posix_spawn_file_actions_t *files, int fd, int stream)
{
	if (fd == SPAWN_NULL)
		posix_spawn_file_actions_addopen(files, stream, "/dev/null", O_RDWR, 0);
	else
		/* also for the same number: removes CLOEXEC */
		posix_spawn_file_actions_adddup2(files, fd, stream);
}

int spawn_program(pid_t *pid, const struct spawn *s)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						(s->own_group ? POSIX_SPAWN_SETPGROUP : 0));
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_init(&files);
	set_stream(&files, s->in, STDIN_FILENO);
	set_stream(&files, s->out, STDOUT_FILENO);
	set_stream(&files, s->err, STDERR_FILENO);
	if (s->keep != SPAWN_NONE)
		posix_spawn_file_actions_adddup2(&files, s->keep, s->keep_as);
	err = posix_spawnp(pid, s->argv[0], &files, &attr, s->argv, s->env ? s->env : environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -err;
}

/* Whether the process ends within the limit; false also if the kernel lacks pidfd_open(2). */
static bool ends(pid_t pid, int limit_ms)
{
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int n;

	if (ended.fd < 0)
		return false;
	while ((n = poll(&ended, 1, limit_ms)) < 0 && errno == EINTR)
		;
	close(ended.fd);
	return n == 1;
}

bool spawn_wait(pid_t pid, int limit_ms)
{
	int status;

	if (limit_ms != SPAWN_FOREVER && !ends(pid, limit_ms))
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return false;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool spawn_was_ignored(int signo)
{
	struct sigaction now;

	return !sigaction(signo, NULL, &now) && now.sa_handler == SIG_IGN;
}
