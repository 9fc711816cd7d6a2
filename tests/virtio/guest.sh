#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest of tests/virtio.sh: runs the case that case= on the kernel's command line names.

meminfo() { sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo; }

# use MIB: fills as much of /tmp
use() {
	mount -o remount,size=95% /tmp
	dd if=/dev/zero of=/tmp/used bs=1M count="$1" 2>/dev/null
	echo "used $(wc -c </tmp/used)"
}

case $(sed -n 's/.*case=\([^ ]*\).*/\1/p' /proc/cmdline) in
report)
	use 400
	sleep 3
	rm /tmp/used
	echo "freed"
	sleep 1000 # the test ends the machine
	;;
target)
	free=$(meminfo MemTotal)
	# Waits until the balloon has taken that much, and takes no more.
	while
		last=$free
		sleep 1
		free=$(meminfo MemFree)
		[ "$free" -gt $((200 << 10)) ] || [ "$free" -lt $((last - 512)) ]
	do
		:
	done
	echo "inflated, $free kB free"
	sleep 2
	use $((free / 1024 + 16))
	echo "free $(meminfo MemFree)"
	;;
werror)
	dd if=/dev/urandom of=/tmp/data bs=1M count=12 2>/dev/null
	echo "data $(md5sum </tmp/data)"
	dd if=/tmp/data of=/dev/vda bs=64k conv=fsync 2>/tmp/err && echo "all of it written" ||
		cat /tmp/err
	echo 3 >/proc/sys/vm/drop_caches
	echo "disk $(dd if=/dev/vda bs=1M count=12 2>/dev/null | md5sum)"
	dmesg | grep -E 'I/O error|lockup|stall' || echo "no complaint"
	;;
esac
