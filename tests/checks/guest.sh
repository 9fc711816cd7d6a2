#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest of tests/checks.sh: what the word do= of the kernel's command line says.
set -u
for word in $(cat /proc/cmdline); do
	case $word in do=*) what=${word#do=} ;; esac
done

case ${what:-} in
crash)
	echo 1 >/proc/sys/kernel/sysrq
	echo c >/proc/sysrq-trigger
	;;
hung) # a writer to a frozen file system sleeps, and nothing can wake it
	echo 2 >/proc/sys/kernel/hung_task_timeout_secs
	mkdir /tmp/mnt
	mount -t ext4 /dev/vda /tmp/mnt && fsfreeze --freeze /tmp/mnt
	touch /tmp/mnt/file
	;;
warning) # by the way of printk, with its marks
	echo '------------[ cut here ]------------' >/dev/kmsg
	echo 'WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2' >/dev/kmsg
	echo '---[ end trace 0000000000000000 ]---' >/dev/kmsg
	sleep 60
	;;
fault-*) # guest/faults
	echo 2 >/proc/sys/kernel/hung_task_timeout_secs
	insmod /faults.ko fault="${what#fault-}"
	sleep 5
	;;
ktap)
	while read -r line; do echo "<6>$line" >/dev/kmsg; done <<-'END'
		KTAP version 1
		1..3
		ok 1 first
		not ok 2 second
		ok 3 third # SKIP no need
	END
	;;
esac
