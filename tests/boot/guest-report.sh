#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: prints on the console what tests/boot.sh checks, one section after another.

dmesg -n 1
section() { echo "== $1"; }

section marks;       [ ! -e /extra ] || cat /extra
section nproc;       nproc
section lscpu;       [ ! -x /usr/bin/lscpu ] || lscpu 2>&1
section interrupts;  cat /proc/interrupts
section clocksource; cat /sys/devices/system/clocksource/clocksource0/current_clocksource
section rtc;         cat /sys/class/rtc/rtc0/name /sys/class/rtc/rtc0/since_epoch 2>&1
section date;        date +%s
section iomem;       cat /proc/iomem
section meminfo;     head -n 3 /proc/meminfo
section tty;         (cd /sys/class/tty/ttyS0 && echo $(cat type port irq)) 2>&1
# The console has the rest, without the levels; a serial port is slow.
section dmesg;       dmesg -r >/tmp/dmesg && [ -s /tmp/dmesg ] ||
	echo "<0>[ 0.0] dmesg says nothing" >/tmp/dmesg
grep '^<[0-4]>' /tmp/dmesg
section end
