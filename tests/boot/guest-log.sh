#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: writes what dmesg says straight to the serial port, which is no console here.

{ echo "== dmesg"; dmesg; echo "== end"; } >/dev/ttyS0
sleep 1000
