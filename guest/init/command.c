/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starts the user's command as a child of the init, like a shell: it searches for the program in
 * $PATH and uses a shell's exit codes if there is none.
 */
#include "init.h"

#include <linux/signal.h>

#define NOT_FOUND 127 /* the exit codes of a shell */
#define NOT_EXECUTABLE 126
#define MAX_PATH_BYTES 4096

/* Tries the program in @dir, of @dir_len bytes. Returns only if that failed, with -errno. */
static long exec_in(const struct job *job, const char *dir, size_t dir_len)
{
	size_t len = length(job->program);
	char path[MAX_PATH_BYTES];

	if (dir_len + len + 2 > sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, dir, dir_len);
	path[dir_len] = '/';
	memcpy(path + dir_len + 1, job->program, len + 1);
	return sys(execve, path, job->argv, job->envp);
}

/*
 * Tries the folders of $PATH in turn. Like a shell, goes on after one that has no such program or
 * cannot be searched, and reports what may not be executed only if no other folder has it.
 */
static long exec_from_path(const struct job *job)
{
	const char *path = NULL;
	bool more;
	long err = -ENOENT;

	for (char **env = job->envp; *env; env++) {
		if ((*env)[0] == 'P' && (*env)[1] == 'A' && (*env)[2] == 'T' && (*env)[3] == 'H' &&
		    (*env)[4] == '=')
			path = *env + 5;
	}
	for (more = path; more;) {
		size_t len = 0;
		long failed;

		while (path[len] && path[len] != ':')
			len++;
		/* An empty one is the current folder. */
		failed = len ? exec_in(job, path, len) : exec_in(job, ".", 1);
		if (failed == -EACCES)
			err = failed;
		else if (failed != -ENOENT && failed != -ENOTDIR)
			return failed;
		more = path[len];
		path += len + 1;
	}
	return err;
}

static bool has_slash(const char *s)
{
	while (*s && *s != '/')
		s++;
	return *s;
}

static __attribute__((noreturn)) void exec_command(const struct job *job)
{
	long err = sys(chdir, job->cwd);

	if (err) {
		complain("cannot be the command's folder (--cwd)", job->cwd, err);
		sys(exit_group, NOT_EXECUTABLE);
	}
	if (has_slash(job->program))
		err = sys(execve, job->program, job->argv, job->envp);
	else
		err = exec_from_path(job);
	complain(err == -ENOENT ? "not found in the guest, or its interpreter is not; use --add"
				: "cannot be executed in the guest",
		 job->argv[0], err == -ENOENT ? 0 : err);
	for (;;)
		sys(exit_group, err == -ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
}

long start_command(const struct job *job, int in, int out, int err)
{
	static const unsigned long no_signals;
	long pid = sys(clone, SIGCHLD);

	if (pid < 0) {
		complain("cannot start a process for it", job->argv[0], pid);
		fail();
	}
	if (pid)
		return pid;
	sys(rt_sigprocmask, SIG_SETMASK, &no_signals, 0, sizeof(no_signals));
	sys(dup2, in, 0);
	sys(dup2, out, 1);
	sys(dup2, err, 2);
	exec_command(job);
}
