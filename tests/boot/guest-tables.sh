#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: prints what the kernel has found of its machine, and the first line of its disk.

section() { echo "== $1"; }

section nproc;       nproc
section interrupts;  cat /proc/interrupts
section vda;         head -n 1 /dev/vda
section disks;       ls -d /sys/block/vd* | wc -l
section rtc;         cat /sys/class/rtc/rtc0/name 2>&1
section end
