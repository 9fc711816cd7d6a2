/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declares the parts of the init that runs one command (kvm run ... -- CMD), and its system calls.
 *
 * The init has no C library: it is built freestanding, because it must be small and must need
 * nothing in the guest.
 */
#ifndef GUEST_INIT_H
#define GUEST_INIT_H

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/unistd.h>
#include <stdbool.h>
#include <stddef.h>

/* Makes a system call; returns what the kernel returns, a negative errno included. */
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define SYS(nr, a, b, c, d, e, f, ...)                                                             \
	sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define sys(name, ...) SYS(__NR_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

#define MAX_TAG_BYTES 36 /* of a share */

struct job {
	char **argv, **envp;
	const char *program, *cwd;
	const char *root;    /* JOB_ROOT's text; NULL: the initramfs */
	const char **shares; /* JOB_SHARE's texts, and NULL */
	bool terminal;
	unsigned short rows, columns; /* 0: not known */
};

/* lib.c: prints a line on the kernel's console. @err is a negative errno, or 0 for none. */
void complain(const char *what, const char *name, long err);
bool same(const char *a, const char *b);
size_t length(const char *s);
/* Writes @a, @b and a NUL byte to @to. */
void join(char *to, const char *a, const char *b);
void sleep_ms(long ms);
/* The compiler may insert calls of these, too. */
void *memset(void *to, int byte, size_t len);
void *memcpy(void *to, const void *from, size_t len);

/* end.c: ends the machine; the launcher sees this GUESTJOB_ status. */
void end_machine(unsigned int status) __attribute__((noreturn));
/* Ends the machine after complain(): the command cannot be run. */
void fail(void) __attribute__((noreturn));
/* Returns zeroed memory, which is never freed. Ends the machine if there is none. */
void *get_memory(size_t bytes);

/* sync.c: writes out what is in memory, but does not wait for a share that does not answer. */
void sync_files(void);
/* Sets the shares, as in struct job, of which sync_files() checks whether they answer. */
void sync_watch_shares(const char **texts);

/* command.c: starts the command with these as its standard streams. Returns its process. */
long start_command(const struct job *job, int in, int out, int err);

/*
 * ports.c: opens one of the launcher's ports; with @wait_for_peer, only when the launcher has
 * reported that its side is open. Ends the machine if that fails.
 */
int port_open(const char *name, bool wait_for_peer);
/* Does the same, but returns -1 if that takes longer than @wait_ms. */
int port_wait_for(const char *name, bool wait_for_peer, long wait_ms);

/*
 * children.c: returns a descriptor that is readable when a child has ended, or < 0 if this kernel
 * has no such thing. Call it before starting children.
 */
int children_watch(void);
/* Returns how long poll(2) may wait at most before the next check whether a child has ended. */
int children_poll_ms(int children);
/*
 * Collects all children that have ended. Returns whether @pid was one of them; then *@status is its
 * wait status.
 */
bool children_reap(int children, long pid, int *status);
/*
 * Sends the signals that can be read from *@port to @pid. Sets *@port to -1 when the port has been
 * closed.
 */
void signals_pass(int *port, long pid);

/*
 * job.c: reads GUESTJOB_FILE, does what it says about the guest (modules, names, clock), and
 * returns the rest.
 */
void job_load(struct job *job);

/* mounts.c: makes the mounts, links and network interface that programs take for granted. */
void mounts_make(const struct job *job);

/* root.c: makes the host's files the root, if the job says so. */
void root_enter(const struct job *job);
/* Mounts the shares. Call it when the root is there. */
void root_add_shares(const struct job *job);

/* terminal.c, streams.c: run the command and return its wait status. */
int run_on_terminal(const struct job *job);
int run_on_ports(const struct job *job);

#endif
