#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/crash/job.sh IN OUT
#
# Makes two cores in OUT for tests/crash.sh, where stock kernels can run: one of a kernel that has
# crashed, by `kvm run --dump`, and one of a running kernel, by `kvm debug NAME --dump`. Beside each
# is the output of the launcher and the console.

set -u
in=$1 out=$2
kvm=${KVM_BIN:-build/kvm}

timeout -k 5 120 "$kvm" run -k "$in/vmlinuz" -i "$in/sysrq.initrd" -m 256M -c 2 \
	--dump "$out/crashed.core" </dev/null >"$out/crashed.out" 2>"$out/crashed.err"

timeout -k 5 200 "$kvm" run -k "$in/vmlinuz" -i "$in/tiny.initrd" -m 256M -p end=hang --name crash \
	</dev/null >"$out/asked.out" 2>"$out/asked.err" &
for ((i = 0; i < 80; i++)); do
	grep -q 'userspace up' "$out/asked.out" && break
	sleep 1
done
"$kvm" debug crash --dump "$out/asked.core" >"$out/asked.said" 2>&1
"$kvm" dmesg crash >"$out/asked.dmesg" 2>&1
"$kvm" stop crash --force >>"$out/asked.said" 2>&1
wait
