/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disassembly by objdump(1) where it is installed; never needed. The bytes go to it in a file in memory, what it says comes by a pipe; no
 * shell, nothing of the guest's in an argument but its address as a number. A child that takes longer than a second is killed.
 */
#include "x86/postmortem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_BYTES 8192
#define LIMIT_MS 1000
/* The child's own descriptor of the code. */
#define CHILD_FD 3

static int code_file(const uint8_t *code, size_t len)
{
	int fd = memfd_create("code", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, code, len) != (ssize_t)len) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Returns the child, or -1. Its signals are as a program expects them, not as our threads block them. */
static pid_t spawn(int code_fd, int out_fd, uint64_t addr, unsigned int bits)
{
	char vma[40];
	const char *machine = bits == 64 ? "i386:x86-64" : bits == 32 ? "i386" : "i8086";
	char *const argv[] = { "objdump",	  "-D", "-b", "binary", "-w", "-m", (char *)machine, vma,
			       "/proc/self/fd/3", NULL };
	char *const envp[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid = -1;

	snprintf(vma, sizeof(vma), "--adjust-vma=0x%" PRIx64, addr);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
	posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1, 0);
	posix_spawn_file_actions_adddup2(&actions, code_fd, CHILD_FD);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	if (posix_spawn(&pid, "/usr/bin/objdump", &actions, &attr, argv, envp))
		pid = -1;
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static int elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int)((now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000);
}

/* Reads until the end, OUTPUT_BYTES, or the time is over. Returns how much. */
static size_t read_output(int fd, char *out)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec start;
	size_t len = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (len < OUTPUT_BYTES - 1) {
		int left = LIMIT_MS - elapsed_ms(&start);
		ssize_t n;

		if (left <= 0)
			break;
		if (poll(&p, 1, left) < 0 && errno == EINTR)
			continue;
		n = p.revents ? read(fd, out + len, OUTPUT_BYTES - 1 - len) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	return len;
}

/* objdump's lines of code are `ADDRESS:\tBYTES\tINSTRUCTION`. */
static bool print_lines(FILE *f, char *out, unsigned int max_lines)
{
	unsigned int nr = 0;
	char *save;

	for (char *line = strtok_r(out, "\n", &save); line && nr < max_lines;
	     line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':'), *text = colon ? strchr(colon + 2, '\t') : NULL;

		if (!colon || colon[1] != '\t' || !text)
			continue;
		*colon = '\0';
		fprintf(f, "   %c%16s  %s\n", nr ? ' ' : '>', line + strspn(line, " "), text + 1);
		nr++;
	}
	return nr > 0;
}

bool disassemble(FILE *f, const uint8_t *code, size_t len, uint64_t addr, unsigned int bits,
		 unsigned int max_lines)
{
	char out[OUTPUT_BYTES];
	int pipe_fd[2], code_fd = code_file(code, len);
	pid_t pid;

	if (code_fd < 0)
		return false;
	if (pipe2(pipe_fd, O_CLOEXEC) < 0) {
		close(code_fd);
		return false;
	}
	pid = spawn(code_fd, pipe_fd[1], addr, bits);
	close(pipe_fd[1]);
	close(code_fd);
	out[0] = '\0';
	if (pid > 0) {
		read_output(pipe_fd[0], out);
		kill(pid, SIGKILL); /* it has ended, or has had its time */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(pipe_fd[0]);
	return print_lines(f, out, max_lines);
}
