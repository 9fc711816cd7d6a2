#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/checks/job.sh IN OUT [FAULT|debug-CLASS|kunit-SUITE]...
#
# Runs the cases of tests/checks.sh that need a stock kernel, here or in the nested machine. IN
# holds the kernel and the initrd; each case leaves CASE.out, CASE.err, CASE.rc and CASE.json in
# OUT. Arguments replace the usual cases: a FAULT of guest/faults, a CLASS of fault that the kernel
# itself commits, or a SUITE of tests in the kernel.
set -u
in=$1 out=$2
shift 2
kvm=${KVM_BIN:-build/kvm}
params= # a case's own

# Without XSAVE: on QEMU 7's CPU its area has a size that the kernel finds wrong and warns of.
guest() { # CASE WHAT [OPTION]...
	local name=$1 what=$2
	shift 2
	timeout -k 10 "${limit:-60}" "$kvm" run -k "$in/vmlinuz" -i "$in/initrd" -m 256M \
		-p "quiet loglevel=7 do=$what noxsave $params" --timeout $((${limit:-60} - 10)) \
		--report "$out/$name.json" "$@" </dev/null >"$out/$name.out" 2>"$out/$name.err"
	echo $? >"$out/$name.rc"
}

for fault; do
	name=fault-$fault what=fault-$fault early= options=(--fail-on-warning)
	# Only the expected report gets a short limit: slow machines stall by themselves.
	case $fault in
	softlockup)       early=watchdog_thresh=1 ;;
	rcu)              early=rcupdate.rcu_cpu_stall_timeout=3 ;;
	debug-kasan)      early=kfence.sample_interval=0 ;;
	debug-kfence)     early=kfence.sample_interval=1 ;;
	debug-rcu)        early=nowatchdog ;; # without it a soft lock-up would come before
	kunit-kfence) # without KFENCE, which it tests
		early="kunit.enable=1 kunit.filter_glob=kfence kfence.sample_interval=0" ;;
	kunit-*)          early="kunit.enable=1 kunit.filter_glob=${fault#kunit-}" ;;
	esac
	case $fault in
	debug-*) name=$fault what=$fault ;;
	kunit-*) name=$fault what=none options+=(--ktap --junit "$out/$name.xml") ;;
	esac
	params=$early guest "$name" "$what" "${options[@]}"
done
[ $# = 0 ] || exit 0

# An invalid size of RCU's tree makes the kernel warn, long before there is a console.
params=rcutree.rcu_fanout_leaf=1 guest early none --fail-on-warning
guest crash crash --fail-on-warning
guest hung hung --fail-on-warning -d "$in/disk,snapshot"
guest warning warning --fail-on-warning
guest ktap ktap --junit "$out/ktap.xml"
guest met none --fail-on-warning --expect 'Linux version' --expect '^kvm-test: userspace up$'
for i in ${ROUNDS:-1}; do
	guest "clean$i" none --fail-on-warning
done
