/* SPDX-License-Identifier: GPL-2.0-only */
/* Sets a mark in the --timeline of kvm run, from inside the guest. */
#include <stdio.h>
#include <sys/io.h>

#define PORT_MARK 0x3f0

int main(void)
{
	if (ioperm(PORT_MARK, 1, 1)) {
		perror("ioperm");
		return 1;
	}
	outb(0x7b, PORT_MARK);
	return 0;
}
