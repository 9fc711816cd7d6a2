// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest first process: prints that user space runs, and ends the guest.
 *
 * It makes an initrd of two KiB, so that a test or a measurement sees the launcher and the kernel,
 * not the unpacking of an initrd. It uses no C library: it is built freestanding for x86-64 or,
 * with -m32, for i386 (tests/initrd.sh).
 *
 * The kernel puts each NAME=VALUE of its command line that it does not know into init's
 * environment. This program reads one of them:
 *
 *	end=reboot	restart (the default)
 *	end=poweroff	power off
 *	end=halt	halt
 *	end=exit	exit, after which the kernel panics
 *	end=hang	sleep without end
 *	end=spin	compute without end
 *
 * Standard output is the console that the kernel opened. If the root file system has no
 * /dev/console, the program mounts devtmpfs, which has one.
 */
#include <linux/fcntl.h>
#include <linux/reboot.h>
#include <linux/unistd.h>

#define MARKER "kvm-test: userspace up\n"

#define EXIT_STATUS 7 /* seen in the panic's exitcode=0x00000700 */

#ifdef __x86_64__

static long sys(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

__asm__(".globl _start\n"
	"_start:\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call start_c\n");

#else

static long sys(long nr, long a, long b, long c, long d, long e)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return ret;
}

__asm__(".globl _start\n"
	"_start:\n"
	"	mov %esp, %eax\n"
	"	and $-16, %esp\n"
	"	sub $12, %esp\n"
	"	push %eax\n"
	"	call start_c\n");

#endif

static int same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static void restart(unsigned int how)
{
	sys(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, (int)how, 0, 0);
}

/* @sp is the first process's stack: argc, argv[], NULL, envp[], NULL. */
__attribute__((used)) void start_c(long *sp);
void start_c(long *sp)
{
	const long len = sizeof(MARKER) - 1;
	const char *end = "reboot";
	char **env = (char **)(sp + 1 + sp[0] + 1);

	if (sys(__NR_write, 1, (long)MARKER, len, 0, 0) != len) {
		long fd;

		sys(__NR_mkdir, (long)"/dev", 0755, 0, 0, 0);
		sys(__NR_mount, (long)"dev", (long)"/dev", (long)"devtmpfs", 0, 0);
		fd = sys(__NR_open, (long)"/dev/console", O_RDWR, 0, 0, 0);
		sys(__NR_write, fd, (long)MARKER, len, 0, 0);
	}

	for (; *env; env++) {
		const char *e = *env;

		if (e[0] == 'e' && e[1] == 'n' && e[2] == 'd' && e[3] == '=')
			end = e + 4;
	}

	if (same(end, "poweroff"))
		restart(LINUX_REBOOT_CMD_POWER_OFF);
	else if (same(end, "halt"))
		restart(LINUX_REBOOT_CMD_HALT);
	else if (same(end, "reboot"))
		restart(LINUX_REBOOT_CMD_RESTART);
	else if (same(end, "spin"))
		for (;;)
			__asm__ volatile("");
	else if (same(end, "hang"))
		for (;;)
			sys(__NR_pause, 0, 0, 0, 0, 0);

	/* end=exit, an unknown word, or a refused restart */
	sys(__NR_exit, EXIT_STATUS, 0, 0, 0, 0);
	__builtin_unreachable();
}
