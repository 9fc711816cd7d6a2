#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest of tests/checks.sh: does what the word do= of the kernel's command line selects.
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
warning) # through printk, with its marks
	echo '------------[ cut here ]------------' >/dev/kmsg
	echo 'WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2' >/dev/kmsg
	echo '---[ end trace 0000000000000000 ]---' >/dev/kmsg
	sleep 60
	;;
debug-*) # the faults that a kernel of guest/tiny-debug.config can commit (LKDTM)
	# One fault may be of two classes: the case names the expected one.
	echo 2 >/proc/sys/kernel/hung_task_timeout_secs
	mount -t debugfs debug /sys/kernel/debug
	case ${what#debug-} in
	lockdep)        fault=SPINLOCKUP ;;
	kasan|kfence)   fault=WRITE_AFTER_FREE ;;
	ubsan)          fault=ARRAY_BOUNDS ;;
	rcu|softlockup) fault=SOFTLOCKUP ;; # the limit is short only now: slow machines stall
	hung)           fault=HUNG_TASK ;;
	warning)        fault=WARNING_MESSAGE ;;
	bug)            fault=BUG ;;
	oops)           fault=WRITE_RO ;; # not a null pointer, which KASAN sees first
	panic)          fault=PANIC ;;
	esac
	[ $what != debug-softlockup ] || echo 2 >/proc/sys/kernel/watchdog_thresh
	[ $what != debug-rcu ] || echo 5 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout
	[ $what != debug-lockdep ] ||
		chrt -f -p 1 $$ # no other task runs between lock and return: another report
	echo $fault >/sys/kernel/debug/provoke-crash/DIRECT
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
