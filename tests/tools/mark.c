/* SPDX-License-Identifier: GPL-2.0-only */
/* In a guest: a mark on --timeline of kvm run. */
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
