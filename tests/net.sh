#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/net.sh [CASE]...
#
# Tests virtio-net with a stock kernel in the nested machine, over tap, tap with vhost-net, and
# passt as an ordinary user: addresses, ping, 4 MiB in both directions with their checksum, iperf3
# in both (the machine is emulated: compare the figures only with each other), a hostile driver in
# between. tests/net/guest.sh runs in the guest, tests/net/job.sh on the host. Prints `ok NAME`,
# `not ok NAME: why`, `skip NAME: why`; the logs are kept in build/net/out (NET_DIR: elsewhere).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
dir=${NET_DIR:-build/net}
in=$dir/in out=$dir/out
failed=0
rm -rf "$dir"
mkdir -p $in $out

cases=("$@")
[ $# != 0 ] || cases=(tap vhost vhost_queues tap_user passt)
for case in "${cases[@]}"; do
	case $case in
	tap | vhost | vhost_queues | tap_user | passt) ;;
	*) echo "not ok net $case: no such case"; exit 1 ;;
	esac
done
if ! command -v iperf3 >/dev/null; then
	tests/deps.sh without iperf3 net
	exit 0
fi
if ! kernel=$(tests/kernels.sh cloud 2>$in/err); then
	echo "skip net: $(tail -1 $in/err)"
	exit 0
fi
cp "$(realpath "$kernel/vmlinuz")" $in/vmlinuz
# iperf3's newer version cancels threads, for which libc looks for a library that the program does
# not name.
libgcc=$(realpath "$(${CC:-gcc} -print-file-name=libgcc_s.so.1)")
if ! tests/initrd.sh --kernel "$kernel" --add "$(type -P iperf3)" --add "$libgcc" \
	--modules "virtio_mmio virtio_net" $in/net.initrd tests/net/guest.sh; then
	echo "not ok net: no initrd"
	exit 1
fi
tests/nest --timeout 900 --modules "tun vhost_net dummy" --out $out tests/net/job.sh $in \
	"${cases[@]}" >$out/nest.log 2>&1 ||
	tail -n 3 $out/nest.log

# expect CASE WHAT...: the log must report each as ok, and nothing as bad
expect() {
	local case=$1 what line
	shift
	case " ${cases[*]} " in *" $case "*) ;; *) return ;; esac
	if [ "$case" = passt ] && ! command -v passt >/dev/null; then
		tests/deps.sh without passt "net $case"
		return
	fi
	for what in "$@" "vhost worker" upload; do
		if line=$(grep -m 1 -oE "(guest|host): ok $what.*" $out/$case.log |
			tr -d '\r'); then
			echo "ok net $case: ${line#*: ok }"
		else
			echo "not ok net $case: $what (see $out/$case.log)"
			failed=1
		fi
	done
	line=$(grep -m 1 -oE '(guest|host): bad.*' $out/$case.log) || return
	echo "not ok net $case: $line"
	failed=1
}

both=(carrier "download of a file")
speed=("iperf3 to the host" "iperf3 from the host")
expect tap ping "large ping" "${both[@]}" "${speed[@]}" "hostile driver" "rebound ping"
expect vhost ping "large ping" "${both[@]}" "${speed[@]}" "hostile driver" "rebound ping"
expect vhost_queues ping "mtu 4000" "${both[@]}" "hostile driver" "rebound ping"
expect tap_user ping "${both[@]}"
expect passt dhcp "${both[@]}" "${speed[@]}"
exit $failed
