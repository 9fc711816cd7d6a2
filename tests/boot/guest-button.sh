#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: powers off when the power button is pressed, as acpid or systemd-logind would.

for event in /sys/class/input/event*; do
	[ "$(cat "$event/device/name")" = "Power Button" ] || continue
	exec 3<"/dev/input/${event##*/}"
	echo "listening: ${event##*/}"
	# One struct input_event; the kernel keeps it from the open on.
	head -c 24 <&3 >/dev/null
	echo "pressed"
	poweroff -f
done
echo "no power button"
