#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/disk/job.sh IN CASE...
#
# Runs the cases of tests/disk-nest.sh where stock kernels can run. The images are in memory, where
# holes can be punched. Leaves CASE.log in $NEST_OUT: the output of the guests, and `host: ok WHAT`
# and `host: bad WHAT`.

set -u
in=$1
shift
kvm=${KVM_BIN:-build/kvm}
work=$(mktemp -d /tmp/disk-nest.XXXXXX)
trap 'rm -rf "$work"' EXIT

tell() { if [ "$1" = 0 ]; then echo "host: ok $2"; else echo "host: bad $2"; fi; }
used_kib() { du -k "$1" | cut -f1; }
checked() { qemu-img check -q -f qcow2 "$1"; }

launch() { # STEP DISK [OPTION]...
	local step=$1 disk=$2
	shift 2
	"$kvm" run -k "$in/vmlinuz" -i "$in/disk.initrd" -m 256M --timeout 300 \
		-p "quiet step=$step tail=$(cat "$in/tail")" -d "$disk" \
		-d "$in/tools.img,ro" "$@" </dev/null 2>&1
	tell $? "the machine ends by itself ($step)"
}

# twice IMAGE DISK [OPTION]...: written by one launch, looked at by the next
twice() {
	local image=$1 full
	shift
	launch write "$@"
	case $image in *.qcow2) checked "$image"; tell $? "qemu-img check (write)" ;; esac
	full=$(used_kib "$image")
	launch look "$@"
	case $image in *.qcow2) checked "$image"; tell $? "qemu-img check (look)" ;; esac
	echo "host: $image takes $full KiB, and $(used_kib "$image") after fstrim"
	[ $(($(used_kib "$image") + 12000)) -lt "$full" ]
	tell $? "fstrim makes the image sparser"
}

overlay() { qemu-img create -q -f qcow2 -F raw -b "$in/base.raw" "$1"; }

case_raw() {
	cp --sparse=always "$in/base.raw" disk.raw
	twice disk.raw disk.raw,format=raw
}
case_qcow2() {
	overlay disk.qcow2
	twice disk.qcow2 disk.qcow2,backing=any
}
case_queues() {
	overlay queues.qcow2
	twice queues.qcow2 queues.qcow2,backing=any,queues=4 -c 4
}
case_compressed() {
	qemu-img convert -c -f raw -O qcow2 "$in/base.raw" compressed.qcow2
	twice compressed.qcow2 compressed.qcow2
}
case_snapshot() {
	cp --sparse=always "$in/base.raw" snapshot.raw
	launch write snapshot.raw,format=raw,snapshot
	cmp -s "$in/base.raw" snapshot.raw
	tell $? "the image is as it was"
}

# The launcher dies in the middle of writes: all data that the guest has reported as flushed is
# there.
flushes() { grep -ao 'flushed [0-9]*.$' "$1" | tail -n 1 | tr -dc 0-9; }
case_kill() {
	local round pid want i steps=()
	qemu-img create -q -f qcow2 -o cluster_size=16k kill.qcow2 24M
	for ((round = 1; round <= ${ROUNDS:-50}; round++)); do
		"$kvm" run -k "$in/vmlinuz" -i "$in/writer.initrd" -m 128M --timeout 120 \
			-p "quiet round=$round" -d kill.qcow2 </dev/null >kill.out 2>&1 &
		pid=$!
		want=$((4 * (RANDOM % 60 + 5)))
		for ((i = 0; i < 1200; i++)); do
			[ "$(flushes kill.out)0" -lt "${want}0" ] && kill -0 $pid 2>/dev/null ||
				break
			sleep 0.1
		done
		kill -9 $pid
		wait $pid 2>/dev/null
		[ $? = 137 ] || {
			cat kill.out
			tell 1 "round $round: the machine is there to be killed"
			return
		}
		[ -n "$(flushes kill.out)" ] ||
			{ cat kill.out; tell 1 "round $round: nothing was flushed"; return; }
		steps+=("$(flushes kill.out)")
		qemu-img check -q -f qcow2 kill.qcow2
		case $? in 0 | 3) ;; *) tell 1 "round $round: qemu-img check"; return ;; esac
		qemu-img convert -f qcow2 -O raw kill.qcow2 kill.raw ||
			{ tell 1 "round $round: qemu-img convert"; return; }
		"$in/flush_writer" verify kill.raw "${steps[@]}" >verified ||
			{ cat verified; tell 1 "round $round: $(cat verified)"; return; }
		echo "round $round: killed after ${steps[-1]} steps, $(cat verified)"
	done
	tell 0 "every flushed block after kill -9, ${ROUNDS:-50} rounds"
}

in=$(realpath "$in") kvm=$(realpath "$kvm")
cd "$work" || exit 1
for name; do
	"case_$name" >"$NEST_OUT/$name.log" 2>&1
	rm -f ./*.raw ./*.qcow2
done
