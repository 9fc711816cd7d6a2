/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ends the machine: with the command's exit status, or because the init cannot continue.
 *
 * A write to the launcher's port ends the machine. If the kernel gives no process that port, the
 * machine is at least powered off.
 */
#include "guest/guestjob.h"
#include "init.h"

#include <linux/mman.h>
#include <linux/reboot.h>

void end_machine(unsigned int status)
{
	long err;

	sync_files();
	err = sys(ioperm, PORT_GUESTJOB, 4, 1);
	if (err)
		complain("this kernel lets no process use it; the command's exit code is lost",
			 "I/O port", err);
	else
		__asm__ volatile("outl %0, %w1" : : "a"(status), "d"(PORT_GUESTJOB));
	sys(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF);
	for (;;)
		sys(pause);
}

void fail(void)
{
	end_machine(GUESTJOB_FAILED);
}

void *get_memory(size_t bytes)
{
	long at = sys(mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (at < 0 && at > -4096) {
		complain("out of memory", GUESTJOB_FILE, at);
		fail();
	}
	return (void *)at;
}
