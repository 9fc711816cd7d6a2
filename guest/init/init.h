/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The init that runs one command (kvm run ... -- CMD): its parts, and the system calls it needs. No
 * C library: it is built freestanding, for it has to be small and to need nothing in the guest.
 */
#ifndef GUEST_INIT_H
#define GUEST_INIT_H

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/unistd.h>
#include <stdbool.h>
#include <stddef.h>

/* A system call; returns what the kernel returns, a negative errno included. */
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
	const char **shares; /* JOB_SHARE's texts, NULL behind the last */
	bool terminal;
	unsigned short rows, columns; /* 0: not known */
};

/* lib.c: prints a line on the kernel's console. @err is a negative errno, or 0 for none. */
void complain(const char *what, const char *name, long err);
bool same(const char *a, const char *b);
size_t length(const char *s);
/* Writes both, and a NUL byte, to @to. */
void join(char *to, const char *a, const char *b);
void sleep_ms(long ms);
/* The compiler calls these by itself, too. */
void *memset(void *to, int byte, size_t len);
void *memcpy(void *to, const void *from, size_t len);

/* end.c: ends the machine, which the launcher sees end with this GUESTJOB_ status. */
void end_machine(unsigned int status) __attribute__((noreturn));
/* Ends the machine after complain(): the command cannot be run. */
void fail(void) __attribute__((noreturn));
/* Memory that is never given back; it is zero. Ends the machine when there is none. */
void *get_memory(size_t bytes);

/* sync.c: writes out what is in memory, but does not wait for a share that does not answer. */
void sync_files(void);
/* Names the shares, as in struct job, that sync_files() then asks whether they answer. */
void sync_watch_shares(const char **texts);

/* command.c: starts the command with these as its standard streams. Returns its process. */
long start_command(const struct job *job, int in, int out, int err);

/*
 * ports.c: opens one of the launcher's ports; with @wait_for_peer once the launcher has said that
 * it is there.
 */
int port_open(const char *name, bool wait_for_peer);
/* The same, but -1 when it has not come in this time. */
int port_wait_for(const char *name, bool wait_for_peer, long wait_ms);

/*
 * children.c: a descriptor, made before children are started, that is readable when one has ended;
 * < 0: this kernel has no such thing.
 */
int children_watch(void);
/* For poll(2): how long to wait at most before it is looked whether a child has ended. */
int children_poll_ms(int children);
/*
 * Takes in all that have ended. Returns whether @pid was one of them; then *@status is its wait
 * status.
 */
bool children_reap(int children, long pid, int *status);
/* Sends what can be read from *@port to @pid. The port is -1 when it has been closed. */
void signals_pass(int *port, long pid);

/*
 * job.c: reads GUESTJOB_FILE, does what it says about the guest (modules, names, clock), and
 * returns the rest.
 */
void job_load(struct job *job);

/* mounts.c: the file systems, links and the network interface that programs take for granted. */
void mounts_make(const struct job *job);

/* root.c: makes the host's files our root, if the job says so. */
void root_enter(const struct job *job);
/* Mounts what is shared. Once the root is there. */
void root_add_shares(const struct job *job);

/* terminal.c, streams.c: run the command and return its wait status. */
int run_on_terminal(const struct job *job);
int run_on_ports(const struct job *job);

#endif
