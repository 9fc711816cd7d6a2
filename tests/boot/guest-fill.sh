#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: waits while the test truncates its initrd's file, then makes the kernel use all of
# its memory, including the part that held the initrd.

echo "truncate now"
sleep 4
mount -o remount,size=90% /tmp
free=$(sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo)
mib=$((free / 1024 - 24))
dd if=/dev/zero of=/tmp/fill bs=1M count=$mib 2>/dev/null
echo "filled $mib MiB: $(wc -c </tmp/fill) $(tr -d '\0' </tmp/fill | wc -c)"
