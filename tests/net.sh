#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/net.sh [CASE]...: a stock kernel with virtio-net in the nested machine, over tap and over passt as an ordinary user: addresses, ping, 8 MiB
# in both directions with their checksum. What the guest does is tests/net/guest.sh, what the host does tests/net/job.sh.
# Prints `ok NAME`, `not ok NAME: why`, `skip NAME: why`; the logs stay in build/net/out (NET_DIR: elsewhere).
set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
dir=${NET_DIR:-build/net}
in=$dir/in out=$dir/out
failed=0
rm -rf "$dir"
mkdir -p $in $out

cases=("$@")
[ $# != 0 ] || cases=(tap tap_queues tap_user passt)
if ! kernel=$(tests/kernels.sh cloud 2>$in/err); then
	echo "skip net: $(tail -1 $in/err)"
	exit 0
fi
cp "$(realpath "$kernel/vmlinuz")" $in/vmlinuz
if ! tests/initrd.sh --kernel "$kernel" --modules "virtio_mmio virtio_net" $in/net.initrd tests/net/guest.sh; then
	echo "not ok net: no initrd"
	exit 1
fi
tests/nest --timeout 400 --modules "tun dummy" --out $out tests/net/job.sh $in "${cases[@]}" >$out/nest.log 2>&1

# expect CASE WHAT...: each has to be said to be ok
expect() {
	local case=$1 what
	shift
	case " ${cases[*]} " in *" $case "*) ;; *) return ;; esac
	if [ "$case" = passt ] && ! command -v passt >/dev/null; then
		echo "skip net $case: passt is not installed"
		return
	fi
	for what in "$@" "upload"; do
		if ! grep -qE "(guest|host): ok $what" $out/$case.log; then
			echo "not ok net $case: $what (see $out/$case.log)"
			failed=1
		elif grep -qE "(guest|host): bad" $out/$case.log; then
			echo "not ok net $case: $(grep -m 1 -oE '(guest|host): bad.*' $out/$case.log)"
			failed=1
		else
			echo "ok net $case: $what"
		fi
	done
}

expect tap ping "ping in fragments" carrier "download of a file"
expect tap_queues ping "ping in fragments" carrier "download of a file"
expect tap_user ping "ping in fragments" carrier "download of a file"
expect passt dhcp carrier "download of a file"
exit $failed
