/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes a VM and keeps it in the background, so that KVM does not patch the scheduler's code
 * (tests/nest --smp N).
 *
 * KVM patches it when the first VM is made and when the last one ends. TCG with several CPUs may
 * still see a breakpoint that the patching had inserted for a moment: then both CPUs hang in its
 * handler. While this VM exists, nothing is patched.
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
