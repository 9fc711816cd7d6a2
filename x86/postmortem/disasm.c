/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disassembles the code at RIP with objdump(1), if it is installed; nothing depends on it.
 *
 * objdump reads the bytes from a file in memory and prints into a pipe. No shell runs, and the only
 * argument that comes from the guest is its address, as a number. The launcher kills a child that
 * takes longer than a second.
 */
#include "page.h"

#include "kvm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_BYTES 8192
#define LIMIT_MS 1000
/* The child's descriptor for the code. */
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

/* Starts objdump. Returns its process ID, or -1. */
static pid_t spawn(int code_fd, int out_fd, uint64_t addr, unsigned int bits)
{
	char vma[40];
	const char *machine = bits == 64 ? "i386:x86-64" : bits == 32 ? "i386" : "i8086";
	char *const argv[] = {
		"/usr/bin/objdump", "-D", "-b", "binary", "-w", "-m", (char *)machine, vma,
		"/proc/self/fd/3",  NULL
	};
	char *const envp[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", NULL };
	struct spawn s = { .argv = argv,
			   .env = envp,
			   .in = SPAWN_NULL,
			   .out = out_fd,
			   .err = SPAWN_NULL,
			   .keep = code_fd,
			   .keep_as = CHILD_FD };
	pid_t pid;

	snprintf(vma, sizeof(vma), "--adjust-vma=0x%" PRIx64, addr);
	return spawn_program(&pid, &s) ? -1 : pid;
}

static int elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int)((now.tv_sec - since->tv_sec) * 1000 +
		     (now.tv_nsec - since->tv_nsec) / 1000000);
}

/*
 * Reads until the end of the output, OUTPUT_BYTES, or the end of the time. Returns the number of
 * bytes.
 */
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

bool disasm_print_lines(FILE *f, char *out, unsigned int max_lines)
{
	unsigned int nr = 0;
	char *save;

	for (char *line = strtok_r(out, "\n", &save); line && nr < max_lines;
	     line = strtok_r(NULL, "\n", &save)) {
		char *colon = strstr(line, ":\t"), *text = colon ? strchr(colon + 2, '\t') : NULL;

		if (!text)
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
		spawn_wait(pid, 0); /* it has ended, or its time is over */
	}
	close(pipe_fd[0]);
	return disasm_print_lines(f, out, max_lines);
}
