/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs one command in a guest: prepares the guest for it, runs it, and ends the machine with its
 * exit code.
 *
 * This is the guest's first process. The kernel starts it from an initramfs that the launcher has
 * made (rdinit=), with the console on descriptors 0 to 2. That console is the kernel's log: the
 * user sees it when something goes wrong. GUESTJOB_FILE says what to do, see guest/guestjob.h.
 */
#include "guest/guestjob.h"
#include "init.h"

__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call init_main\n");

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
		end_machine(GUESTJOB_KILLED | (status & 0x7f));
	end_machine(GUESTJOB_EXITED | ((status >> 8) & 0xff));
}
