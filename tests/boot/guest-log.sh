#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest, as its init, because it has no console: writes dmesg's output straight to the serial
# port.

b=/bin/busybox
$b mkdir -p /proc /dev
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
{ echo "== dmesg"; $b dmesg; echo "== end"; } >/dev/ttyS0
$b sleep 1000
