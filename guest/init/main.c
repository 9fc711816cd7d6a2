/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first process of a guest that runs one command: makes the guest fit for it, runs it, and ends the machine with its exit code.
 *
 * The kernel starts us from an initramfs that the launcher has made (rdinit=), with the console on descriptors 0 to 2. That console is the
 * kernel's log: the user sees it when something goes wrong. What we have to do is in GUESTJOB_FILE, see guest/guestjob.h.
 */
#include "guest/guestjob.h"
#include "init.h"

#include <linux/mman.h>
#include <linux/reboot.h>
#include <linux/signal.h>
#include <linux/wait.h>

#define NOT_FOUND 127 /* as a shell has them */
#define NOT_EXECUTABLE 126
#define MAX_PATH_BYTES 4096

__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call init_main\n");

/* The compiler calls these by itself. */
void *memset(void *to, int byte, size_t len);
void *memset(void *to, int byte, size_t len)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(len) : "a"(byte) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t len);
void *memcpy(void *to, const void *from, size_t len)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(len) : : "memory");
	return to;
}

bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

void join(char *to, const char *a, const char *b)
{
	size_t len = length(a);

	memcpy(to, a, len);
	memcpy(to + len, b, length(b) + 1);
}

void sleep_ms(long ms)
{
	long time[2] = { 0, ms * 1000000 };

	sys(nanosleep, time, NULL);
}

static void say(const char *text)
{
	sys(write, 2, text, length(text));
}

void complain(const char *what, const char *name, long err)
{
	char digits[8], *first = &digits[7];

	*first = '\0';
	for (long n = -err; n > 0 && first > digits; n /= 10)
		*--first = (char)('0' + n % 10);
	say("kvm: ");
	say(name);
	say(": ");
	say(what);
	if (err)
		say(", error ");
	say(first);
	say("\n");
}

void *get_memory(size_t bytes)
{
	long at = sys(mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (at < 0 && at > -4096) {
		complain("no memory for it", GUESTJOB_FILE, at);
		fail();
	}
	return (void *)at;
}

/* The write to the port ends the machine; where the kernel does not let us, it is at least powered off. */
static __attribute__((noreturn)) void end(unsigned int status)
{
	long err;

	root_sync();
	err = sys(ioperm, PORT_GUESTJOB, 4, 1);
	if (err)
		complain("this kernel lets no process use it: the command's exit code is lost", "I/O port",
			 err);
	else
		__asm__ volatile("outl %0, %w1" : : "a"(status), "d"(PORT_GUESTJOB));
	sys(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF);
	for (;;)
		sys(pause);
}

void fail(void)
{
	end(GUESTJOB_FAILED);
}

/* Tries @dir of @dir_len bytes; returns only when that did not work, with why. */
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

static long exec_from_path(const struct job *job)
{
	const char *path = "";
	long err = -ENOENT;

	for (char **env = job->envp; *env; env++) {
		if ((*env)[0] == 'P' && (*env)[1] == 'A' && (*env)[2] == 'T' && (*env)[3] == 'H' &&
		    (*env)[4] == '=')
			path = *env + 5;
	}
	while (*path && err == -ENOENT) {
		size_t len = 0;

		while (path[len] && path[len] != ':')
			len++;
		err = exec_in(job, path, len);
		path += len + (path[len] == ':');
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
	complain(err == -ENOENT ? "not found in the guest, or what interprets it is not; --add adds files"
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
		complain("no process for it", job->argv[0], pid);
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

__attribute__((used)) void init_main(void);
void init_main(void)
{
	static struct job job;
	int status;

	sys(umask, 022);
	job_load(&job);
	root_enter(&job);
	mounts_make(&job);
	root_add_shares(&job);
	status = job.terminal ? run_on_terminal(&job) : run_on_ports(&job);
	if (status & 0x7f)
		end(GUESTJOB_KILLED | (status & 0x7f));
	end(GUESTJOB_EXITED | ((status >> 8) & 0xff));
}
