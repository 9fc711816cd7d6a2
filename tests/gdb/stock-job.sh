#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/gdb/stock-job.sh IN OUT
#
# Runs a stock kernel under gdb for tests/gdb.sh, where one can run. Leaves in OUT, or in $NEST_OUT
# in the nested machine: symbols.out, session.out, console, launcher.err, code.

set -u
in=$1 out=${NEST_OUT:-$2}
kvm=${KVM_BIN:-build/kvm}

timeout 60 "$kvm" run -k "$in/vmlinuz" -i "$in/symbols.initrd" -m 256M -p "quiet nokaslr" \
	</dev/null >"$out/symbols.out" 2>&1
GDB_SYMBOLS=$(tr -d '\r' <"$out/symbols.out" |
	sed -n 's/^symbol \([0-9a-f]*\) . \([a-z_]*\)$/\1=\2/p' | tr '\n' ' ')
if [ -z "$GDB_SYMBOLS" ]; then
	echo "not ok the kernel's symbols: $(tail -n 1 "$out/symbols.out")" >"$out/session.out"
	exit 1
fi
[ -n "${KVM_NEST:-}" ] || export GDB_BREAKPOINTS=1
export GDB_SYMBOLS GDB_SOCKET=/tmp/gdb.socket GDB_CONSOLE=$out/console

timeout 120 "$kvm" run -k "$in/vmlinuz" -i "$in/tiny.initrd" -c 2 -m 256M \
	-p "nokaslr end=poweroff" --serial 0=file:"$GDB_CONSOLE" \
	--gdb unix:$GDB_SOCKET --gdb-wait </dev/null 2>"$out/launcher.err" &
job=$!
while ! [ -S $GDB_SOCKET ] && kill -0 $job; do sleep 0.1; done
timeout 110 gdb -nx -batch -x tests/gdb/stock.py </dev/null >"$out/session.out" 2>&1
wait $job
echo $? >"$out/code"
