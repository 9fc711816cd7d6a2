/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes a VM and keeps it, in the background (tests/nest --smp N). KVM patches the scheduler's code
 * when the first VM comes and when the last one goes. TCG with several CPUs may go on with a
 * breakpoint that the patching had put there for a moment: then both CPUs hang in its handler. As
 * long as this VM is there, nothing is patched.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR);
	pid_t pid;

	if (kvm < 0 || ioctl(kvm, KVM_CREATE_VM, 0UL) < 0)
		return 1;
	pid = fork();
	while (!pid)
		pause();
	return pid < 0;
}
