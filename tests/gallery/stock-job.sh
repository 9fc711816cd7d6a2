#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/gallery/stock-job.sh IN OUT CASE...
#
# Runs the cases of tests/gallery-stock.sh, one function each, where a stock kernel can run. Each
# leaves in OUT: CASE.out (console), CASE.err (the launcher's messages), CASE.rc, and for one case
# CASE.core. tests/gallery-stock.sh checks the results.

set -u
in=$1 out=$2
shift 2
kvm=${KVM_BIN:-build/kvm}

# Runs one guest. A hang that the case does not intend is an error, and so is a run of a minute on a
# host that is not busy. The case of a guest that stops for good says how long the detection may
# take: 2 seconds if it stops at its first instructions, more if it must boot further first; or it
# has the guest reset (panic=-1).
guest() {
	timeout -k 5 200 "$kvm" run -m 256M --hang 40 "$@" </dev/null >"$out/$name.out" \
		2>"$out/$name.err"
	echo $? >"$out/$name.rc"
}
cloud() { guest -k "$in/cloud" "$@"; }
# Without our default parameters: no console, and therefore no output.
dark() { # PARAMS [OPTION]...
	local params=$1
	shift
	cloud --no-default-params -p "$params" "$@"
}
tiny="-i $in/tiny.initrd"

no_root_dark() { dark "panic=0" --hang 8 --dump "$out/no_root_dark.core"; }
payload_flipped() { guest -k "$in/flipped" $tiny --early; }
payload_flipped_dark() { guest -k "$in/flipped" $tiny --no-default-params --hang 2; }
ud2() { guest -k "$in/ud2.vmlinux" $tiny; }
misplaced() { guest -k "$in/flat" --load 0x1100000 --entry 64 --hang 2; }
no_initcall_dark() { dark "initcall_blacklist=init_bio panic=-1" $tiny --hang 20; }
little_memory_dark() { dark "mem=32M panic=-1" $tiny --hang 20; }
sysrq_dark() { dark "panic=-1" -i "$in/sysrq.initrd" --hang 20; }
# On a busy host the guest may stand still for longer than that before it gets there, as its log in
# the post-mortem shows: then it runs once more, with a longer limit.
idle_dark() {
	local s
	for s in 6 20 60; do
		dark "end=hang" $tiny --hang $s
		! grep -q 'Run /init as init process' "$out/$name.err" ||
			! grep -q ': halted, waiting' "$out/$name.err" || break
	done
}
wrong_console() { dark "console=ttyS1 end=spin" $tiny --timeout 12; }
initrd_truncated() { cloud -i "$in/truncated.initrd"; }
no_root() { cloud; }
reboot_dark() { dark "end=reboot" $tiny --hang 20; }
halt_dark() { dark "end=halt" $tiny --hang 20; }
no_rdinit() { cloud $tiny -p "rdinit=/nothing"; }
init_text() { cloud -i "$in/text-init.initrd"; }
init_exits_dark() { dark "panic=-1 end=exit" $tiny --hang 20; }
no_long_mode() { cloud $tiny --entry 32 --cpuid -lm --hang 2; }

# A machine that runs for ever without a console: what the verbs show of it from outside. `kvm
# dmesg` until init has started, then debug and dump.
asked_dark() {
	local i
	timeout -k 5 200 "$kvm" run -m 256M -k "$in/cloud" --no-default-params -p end=spin $tiny \
		--name stock </dev/null >"$out/$name.out" 2>"$out/$name.err" &
	# Each request takes the guest's only processor away for a while.
	for ((i = 0; i < 60; i++)); do
		"$kvm" dmesg stock >"$out/$name.json" 2>/dev/null &&
			grep -q 'Run /init as init process' "$out/$name.json" && break
		sleep 2
	done
	{
		"$kvm" list
		"$kvm" debug stock
		"$kvm" debug stock --dump "$out/$name.core"
		"$kvm" stop stock --force
		echo "stop: $?"
	} >"$out/$name.asked" 2>&1
	wait $!
	echo $? >"$out/$name.rc"
	# The machine's own output does not matter: it must not notice the requests.
	mv "$out/$name.asked" "$out/$name.out"
}

early_printk() { dark "earlyprintk=serial quiet end=poweroff" $tiny; }
early_con() { dark "earlycon=uart8250,io,0x3f8 end=poweroff" $tiny; }
early_console() { dark "console=ttyS0 end=poweroff" $tiny; }
early_option() { cloud --early -p "quiet end=poweroff" $tiny -v; }
timeline() {
	cloud -i "$in/mark.initrd" -c 2 --timeline --timestamps --trace "irq,$out/timeline.json"
}

for name; do
	before=$SECONDS
	"$name"
	echo "$name: $((SECONDS - before)) s, exit code $(cat "$out/$name.rc")"
done
