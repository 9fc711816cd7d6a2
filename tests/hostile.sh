#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the hostile payload (guest/payload/hostile.c) against the launcher: disks, network, console,
# entropy at once, seed after seed, for HOSTILE_SECONDS (20) in all. The launcher must keep running
# and end in order: exit code 0, or 121 when the guest has hurt itself through a device; and no
# sanitizer report. SEED (1) is the first. Environment: KVM_BIN the launcher, best one with ASan and
# UBSan; PAYLOAD_DIR the images. Prints `ok NAME` or `not ok NAME: why`.
set -u
cd "$(dirname "$0")/.." || exit 1
tests/hostkvm.sh >/dev/null ||
	exec tests/nest --timeout $((${HOSTILE_SECONDS:-20} + 600)) tests/hostile.sh "$@"
kvm=${KVM_BIN:-build/obj-san/bin/kvm}
images=${PAYLOAD_DIR:-build/guest}
seconds=${HOSTILE_SECONDS:-20}
each=5
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

attack() { # SEED
	rm -f "$work"/disk*
	truncate -s 8M "$work/disk0" "$work/disk1"
	qemu-img create -q -f qcow2 "$work/disk2" 8M
	timeout $((each + 60)) tests/tools/net_peer.py noise "$kvm" run \
		-k "$images/payload.bzimage" -m 64M \
		-p "test=hostile,$1,$each" -d "$work/disk0,format=raw,queues=2,discard=on" \
		-d "$work/disk1,format=raw,snapshot,aio=threads" -d "$work/disk2,discard=on" \
		-n fd=@ --console virtio </dev/null >"$work/out" 2>"$work/err"
}

attacks=0 seed=${SEED:-1} self=0
end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do
	attack "$seed"
	rc=$?
	if grep -qE 'Sanitizer|runtime error|Assertion' "$work/err" ||
		{ [ $rc != 0 ] && [ $rc != 121 ]; }; then
		grep -vE '^kvm: (virtio|\(more)' "$work/err" | tail -40
		echo "not ok hostile: seed $seed: exit code $rc"
		exit 1
	fi
	# The guest may write anything to its qcow2 through the device; the image itself must stay
	# valid.
	if ! qemu-img check -q "$work/disk2" >"$work/out2" 2>&1; then
		tail -5 "$work/out2"
		echo "not ok hostile: seed $seed: qemu-img check finds errors"
		exit 1
	fi
	n=$(sed -n 's/^hostile: [0-9]* devices, \([0-9]*\) attacks.*/\1/p' "$work/out")
	attacks=$((attacks + ${n:-0}))
	[ $rc = 0 ] || self=$((self + 1))
	seed=$((seed + 1))
done
# A guest that ends before it has made a request tests nothing.
if [ $attacks -lt 1000 ]; then
	tail -3 "$work/err"
	echo "not ok hostile: $attacks attacks only"
	exit 1
fi
echo "ok hostile: $attacks attacks in $seconds s, seeds ${SEED:-1} to $((seed - 1))," \
	"the guest hurt itself in $self"
