#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/command.sh
#
# Tests `kvm run ... -- COMMAND` with stock kernels, in the nested machine (or here, where KVM can
# run them): exit codes, streams, arguments, files, the terminal. tests/command/job.sh runs the
# cases. Prints `ok NAME`, `not ok NAME: why`, `skip NAME: why`; the output of the commands is kept
# in build/command.
set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
dir=build/command
rm -rf $dir
mkdir -p $dir/out $dir/in

for k in cloud backport; do
	if ! kernel=$(tests/kernels.sh $k 2>$dir/err); then
		echo "skip command: $(tail -1 $dir/err)"
		exit 0
	fi
	ln -s "$kernel" $dir/in/$k
done
if tests/hostkvm.sh >/dev/null; then
	NEST_OUT=$dir/out tests/command/job.sh $dir/in "$@" >$dir/lines 2>$dir/err
else
	tests/nest --timeout 900 --out $dir/out tests/command/job.sh $dir/in "$@" >$dir/lines \
		2>$dir/err
fi
rc=$?
grep -E '^(ok|not ok) ' $dir/lines
[ $rc = 0 ] && [ -s $dir/lines ] && exit 0
grep -q '^not ok ' $dir/lines || echo "not ok command: exit code $rc, $(tail -n 1 $dir/err)"
exit 1
