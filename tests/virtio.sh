#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/virtio.sh [CASE]...
#
# Tests a stock kernel with a balloon, and with a disk on a full file system, in the nested machine
# or wherever KVM can run it.
#
#   report  memory that the guest has used and freed goes back to the host by free page reporting
#   target  --balloon=SIZE takes that much, and gives it back when the guest needs it
#   werror  -d werror=stop: the machine waits for room, then goes on, and nothing is lost
#   term    the same, but SIGTERM ends the machine while it waits
#
# tests/virtio/guest.sh runs in the guest, tests/virtio/job.sh on the host. Prints `ok NAME`, `not
# ok NAME: why`, `skip NAME: why`; the logs are kept in build/virtio/out.
set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
in=build/virtio/in out=build/virtio/out
rm -rf build/virtio
mkdir -p $in $out

[ $# != 0 ] || set -- report target werror term
if ! kernel=$(tests/kernels.sh cloud 2>$in/err); then
	echo "skip virtio: $(tail -1 $in/err)"
	exit 0
fi
cp "$(realpath "$kernel/vmlinuz")" $in/vmlinuz
if ! tests/initrd.sh --kernel "$kernel" --modules "virtio_mmio virtio_blk virtio_balloon" \
	$in/initrd tests/virtio/guest.sh; then
	echo "not ok virtio: no initrd"
	exit 1
fi
nest=()
tests/hostkvm.sh >/dev/null || nest=(tests/nest --timeout 900 --out $out)
NEST_OUT=$out "${nest[@]}" tests/virtio/job.sh $in "$@" >$out/job.log 2>&1
failed=0
for case; do
	if ! grep -E "^(ok|not ok|skip) virtio $case:" $out/job.log; then
		echo "not ok virtio $case: it has not been run: $(tail -n 1 $out/job.log)"
		failed=1
	fi
done
! grep -q '^not ok ' $out/job.log || failed=1
exit $failed
