#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/checks/job.sh IN OUT: the part of tests/checks.sh that needs a stock kernel to run, here or in the nested machine. IN holds the kernel
# and the initrd; each case leaves CASE.out, CASE.err, CASE.rc and CASE.json in OUT.
set -u
in=$1 out=$2
kvm=${KVM_BIN:-build/kvm}

guest() { # CASE WHAT [OPTION]...
	local name=$1 what=$2
	shift 2
	timeout -k 10 60 "$kvm" run -k "$in/vmlinuz" -i "$in/initrd" -m 256M -p "quiet loglevel=7 do=$what ${params-noxsave}" --timeout 50 \
		--report "$out/$name.json" "$@" </dev/null >"$out/$name.out" 2>"$out/$name.err"
	echo $? >"$out/$name.rc"
}

# QEMU's emulated CPU, of which the nested machine is made, has an XSAVE area whose size the kernel finds wrong: it warns at boot. That is
# a case of its own; the others go without XSAVE.
[ -z "${KVM_NEST:-}" ] || params= guest xsave none --fail-on-warning
guest crash crash --fail-on-warning
guest hung hung --fail-on-warning -d "$in/disk,snapshot"
guest warning warning --fail-on-warning
guest ktap ktap --junit "$out/ktap.xml"
guest met none --fail-on-warning --expect 'Linux version' --expect '^kvm-test: userspace up$'
for i in ${ROUNDS:-1}; do
	guest "clean$i" none --fail-on-warning
done
