#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: shows texts of a panic and a halt that are not the kernel's, and then panics. On the
# command line kdump=poweroff or kdump=reboot loads a capture kernel first, which runs this script
# again and ends so.

param() { sed -n "s/.*$1=\\([a-z]*\\).*/\\1/p" /proc/cmdline; }

if [ -n "$(param captured)" ]; then
	[ ! -e /proc/vmcore ] || echo 'the capture kernel has /proc/vmcore'
	"$(param captured)" -f
fi
if [ -n "$(param kdump)" ]; then
	/load_capture /capture/vmlinuz /capture/initrd \
		"console=ttyS0 nr_cpus=1 irqpoll reset_devices captured=$(param kdump)"
else
	text='Kernel panic - not syncing: of an old boot'
	echo "pstore: $text"
	echo "$text"
	echo "[    1.234567] $text"
	echo "[    1.234567] ---[ end $text ]---"
	echo "$text" >/dev/kmsg
	echo '[    1.234567] reboot: System halted'
	sleep 2
	echo 'alive after all'
fi
echo c >/proc/sysrq-trigger
