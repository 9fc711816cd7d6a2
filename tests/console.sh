#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/console.sh
#
# Tests virtio-console with a stock kernel in the nested machine (or here, where KVM can run it):
# the shell on hvc0, no message lost or doubled when it takes over from the serial port, the
# terminal's size, named ports. tests/console/job.py runs the tests. Prints `ok NAME`, `not ok NAME:
# why`, `skip NAME: why`; the machine's output is kept in build/console.
set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
dir=build/console
rm -rf $dir
mkdir -p $dir/out

if ! kernel=$(tests/kernels.sh full 2>$dir/err); then
	echo "skip console: $(tail -1 $dir/err)"
	exit 0
fi
cp "$(realpath "$kernel/vmlinuz")" $dir/vmlinuz
if ! tests/initrd.sh --kernel "$kernel" --modules "virtio_mmio virtio_console" $dir/initrd; then
	echo "not ok console: no initrd"
	exit 1
fi
if tests/hostkvm.sh >/dev/null; then
	NEST_OUT=$dir/out python3 tests/console/job.py $dir "$KVM_BIN" >$dir/lines 2>$dir/err
else
	tests/nest --timeout 900 --out $dir/out "$(command -v python3)" tests/console/job.py $dir \
		"$KVM_BIN" >$dir/lines 2>$dir/err
fi
rc=$?
grep -E '^(ok|not ok) ' $dir/lines
[ $rc = 0 ] && grep -q '^ok console: power' $dir/lines && exit 0
grep -q '^not ok ' $dir/lines || echo "not ok console: exit code $rc, $(tail -n 1 $dir/err)"
exit 1
