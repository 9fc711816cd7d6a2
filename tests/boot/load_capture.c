/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * load_capture KERNEL INITRD PARAMETERS
 *
 * Loads a capture kernel for the next panic, as `kexec -s -p` does (kexec_file_load(2)). For the
 * guest of tests/boot.sh end_kdump.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int kernel, initrd;

	if (argc != 4)
		return 2;
	kernel = open(argv[1], O_RDONLY | O_CLOEXEC);
	initrd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (kernel < 0 || initrd < 0 ||
	    syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3],
		    KEXEC_FILE_ON_CRASH)) {
		perror("load_capture");
		return 1;
	}
	puts("capture kernel loaded");
	return 0;
}
