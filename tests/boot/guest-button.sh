#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: powers off when the power button is pressed, as acpid or systemd-logind would.

for event in /sys/class/input/event*; do
	[ "$(cat "$event/device/name")" = "Power Button" ] || continue
	echo "listening: ${event##*/}"
	# One struct input_event.
	head -c 24 "/dev/input/${event##*/}" >/dev/null
	echo "pressed"
	poweroff -f
done
echo "no power button"
