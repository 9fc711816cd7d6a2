#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/gdb/abilities-job.sh OUT
#
# Finds out what this machine's KVM lets a debugger do with a guest, by our stub and by QEMU's. In
# our payload (by PVH) gdb must reach test_hello(), see a store to entry_state, and make a step.
# Prints one line for each: LAUNCHER WHAT yes|no.

set -u
out=$1
kernel=build/guest/payload.pvh
kvm=${KVM_BIN:-build/kvm}
socket=/tmp/abilities.socket

start() { # LAUNCHER: stopped, before its first instruction
	case $1 in
	kvm) timeout 40 "$kvm" run -k $kernel -m 64M -p test=hello --gdb unix:$socket --gdb-wait ;;
	qemu) timeout 40 qemu-system-x86_64 -M microvm,rtc=on -accel kvm -cpu host -m 64M \
		-nodefaults -no-user-config -display none \
		-serial stdio -no-reboot -kernel $kernel -append test=hello -S \
		-chardev socket,path=$socket,server=on,wait=off,id=gdb -gdb chardev:gdb ;;
	esac </dev/null
}

try() { # LAUNCHER WHAT COMMAND...: the last printf shows whether it works
	local launcher=$1 what=$2 args=() i
	shift 2
	for command; do args+=(-ex "$command"); done
	rm -f $socket
	start "$launcher" >"$out/$launcher.$what.out" 2>&1 &
	for ((i = 0; i < 200; i++)); do
		[ -S $socket ] && break
		sleep 0.1
	done
	timeout 30 gdb -nx -batch -ex 'set confirm off' -ex 'set architecture i386:x86-64' \
		-ex 'set remotetimeout 30' \
		-ex "target remote $socket" "${args[@]}" $kernel </dev/null \
		>"$out/$launcher.$what.gdb" 2>&1
	grep -q '^got 1$' "$out/$launcher.$what.gdb" && echo "$launcher $what yes" ||
		echo "$launcher $what no"
	kill %% 2>/dev/null
	wait 2>/dev/null
}

for launcher in kvm qemu; do
	try $launcher stepi 'set $before = $pc' stepi 'printf "got %d\n", $pc != $before'
	try $launcher hbreak 'hbreak test_hello' continue \
		'printf "got %d\n", $pc == (long)&test_hello'
	try $launcher break 'break *&test_hello' continue \
		'printf "got %d\n", $pc == (long)&test_hello'
	try $launcher watch 'watch *(char *)&entry_state' continue \
		'printf "got %d\n", $pc >= 0x100000 && $pc < 0x200000 && *(char *)&entry_state != 0'
done
