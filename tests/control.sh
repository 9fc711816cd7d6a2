#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests the verbs that talk to a running machine (kvm list, debug, dmesg, stop), and core files,
# with payload guests. tests/gallery-stock.sh tests the same with stock kernels. Arguments: verbs,
# cores_running, cores_at_the_end (default: all). Prints `ok NAME` or `not ok NAME: why`.
# Environment: KVM_BIN the launcher.
set -u
cd "$(dirname "$0")/.." || exit 1
tests/hostkvm.sh >/dev/null || exec tests/nest --timeout 900 tests/control.sh "$@"
kvm=${KVM_BIN:-build/kvm}
work=$(mktemp -d) || exit 1
export XDG_RUNTIME_DIR=$work/run
sockets=$work/run/kvm
failed=0
mkdir -m 700 "$XDG_RUNTIME_DIR"
pids=()
trap '[ ${#pids[@]} = 0 ] || kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT

not_ok() {
	echo "not ok control: $1: $2"
	failed=1
}

# is NAME WANT HAVE: WANT is an extended pattern for all of HAVE, newlines included
is() {
	local want="^$2$"
	if [[ $3 =~ $want ]]; then
		echo "ok control: $1"
	else
		not_ok "$1" "$(head -c 300 <<<"$3" | tr '\n' ';')"
	fi
}

# start NAME TEST [OPTION]...: a machine that answers, and has reached its final state
start() {
	local name=$1 test=$2 until=. i
	shift 2
	[ "$test" != idle ] || until='^vCPU 0: halted, waiting'
	"$kvm" run -k build/guest/payload.bzimage -m 64M -p "test=$test" --name "$name" "$@" \
		</dev/null >"$work/$name.out" 2>"$work/$name.err" &
	pid=$!
	pids+=("$pid")
	for ((i = 0; i < 300; i++)); do
		"$kvm" debug "$name" 2>/dev/null | grep -q "$until" && return
		sleep 0.1
	done
	not_ok "start $name" "not there after 30 s; $(tail -1 "$work/$name.err")"
}

# ends NAME CODE: the machine's launcher has ended with CODE, and its socket is gone
ends() {
	wait "$pid" 2>/dev/null
	local rc=$?
	if [ $rc != "$2" ]; then not_ok "$1" "exit code $rc, want $2";
	elif [ -n "$(ls -A "$sockets")" ]; then not_ok "$1" "left: $(ls -A "$sockets")";
	else echo "ok control: $1"; fi
}

# A launcher that hangs: no answer, no values, and only --force ends it.
hangs() {
	start hung idle
	kill -STOP "$pid"
	"$kvm" list >"$work/list" &
	is "a launcher that hangs, as JSON" "hung no answer None None None None None" \
		"$("$kvm" list --json | python3 -c 'import json, sys
m, = json.load(sys.stdin)
print(*m.values())')"
	wait $!
	is "a launcher that hangs" "NAME .*hung +- +- +- +- no answer +-" "$(cat "$work/list")"
	is "it is not stopped" "kvm: hung: the machine has not ended; its launcher hangs; .* 124" \
		"$("$kvm" stop hung 2>&1) $?"
	kill -CONT "$pid"
	is "nor later, when nobody waits" "NAME .*hung .* running .*" "$("$kvm" list)"
	kill -STOP "$pid"
	is "it is killed by force" "kvm: hung: its launcher did not answer; killed it 0" \
		"$("$kvm" stop hung --force 2>&1) $?"
	ends "and its socket is gone" 137
}

# A machine that restarts all the time keeps its clients, until one of them stops it.
restarts() {
	local i
	start re hello+reset --on-reboot restart
	for ((i = 0; i < 10; i++)); do
		"$kvm" debug re >"$work/debug" 2>&1 || break
	done
	is "clients outlive a restart" 10 $i
	is "a stop outlives a restart" " 0" "$("$kvm" stop re --force 2>&1) $?"
	ends "the launcher of a machine that restarts ends" 0
}

verbs() {
	local lines payload=build/guest/payload.bzimage
	is "nobody is there" "kvm: no machine with a --name is running in $sockets or .*" \
		"$("$kvm" list 2>&1)"
	is "nobody is there, as JSON" $'\\[\n\\]' "$("$kvm" list --json)"
	is "a machine that is not there" \
		"kvm: no-one: no machine of this name is running in $sockets or .*; try .*" \
		"$("$kvm" debug no-one 2>&1)"
	start one idle -c 2
	is "list" "NAME .*"$'\n'"one +$pid +2 +64M +0:0.:.. running +$payload" \
		"$("$kvm" list)"
	is "list as JSON" "one $pid 2 67108864 running" \
		"$("$kvm" list --json | python3 -c 'import json, sys
m, = json.load(sys.stdin)
print(m["name"], m["pid"], m["cpus"], m["memory_bytes"], m["state"])')"
	is "the socket is the user's alone" "600 700" \
		"$(stat -c %a "$sockets/one" "$sockets" | tr '\n' ' ' | sed 's/ $//')"
	is "a name is taken once" "kvm: --name one: a machine of this name is running; .* 125" \
		"$("$kvm" run -k build/guest/payload.bzimage --name one 2>&1 </dev/null) $?"
	"$kvm" debug one >"$work/debug" 2>&1
	is "debug" \
		"vCPU 0: halted, waiting for an interrupt; 64-bit mode.*last events.*vCPU 1: .*" \
		"$(cat "$work/debug")"
	is "debug says nothing to the machine's stderr" "" "$(cat "$work/one.err")"
	is "dmesg of what is no Linux" "kvm: one: no log of a Linux kernel .*" \
		"$("$kvm" dmesg one 2>&1)"
	is "stdout that takes nothing" "kvm: cannot write the answer: .* 125" \
		"$("$kvm" debug one 2>&1 >/dev/full) $?"
	for verb in help version "run --help" "list --json" "inspect $payload"; do
		is "stdout that takes nothing: $verb" \
			"kvm: cannot write to standard output: .* 125" \
			"$("$kvm" $verb 2>&1 >/dev/full) $?"
	done
	python3 tests/control/client.py "$sockets/one" || failed=1
	is "stop by force" " 0" "$("$kvm" stop one --force 2>&1) $?"
	ends "the launcher ends with 0, and takes its socket with it" 0
	start two idle
	is "stop of a guest that knows no button" \
		"kvm: two: pressed the power button; .* in 1 s at the latest 0" \
		"$("$kvm" stop two --grace 1 2>&1) $?"
	ends "it is ended when its time is up" 0
	start three idle
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	[ -S "$sockets/three" ] || not_ok "stale sockets" "there is none to be found"
	is "a killed launcher's socket is cleared away" "kvm: no machine.* 0" \
		"$("$kvm" list 2>&1) $(ls -A "$sockets" | wc -l)"
	hangs
	restarts
	start four idle --grace 0
	kill -TERM "$pid"
	ends "ended by a signal" 143
	start five spin --timeout 2
	ends "ended by time" 124
	lines="kvm: ../x: no machine .*"$'\n'"kvm: kvm stop takes one .*"
	is "bad names and options" "$lines"$'\n'"kvm: c: kvm debug takes one .*" \
		"$("$kvm" dmesg ../x 2>&1; "$kvm" stop 2>&1; "$kvm" debug b c 2>&1)"
	chmod 755 "$sockets"
	is "a folder that others may enter" "kvm: $sockets: others may enter it .* 125" \
		"$("$kvm" list 2>&1) $?"
	chmod 700 "$sockets"
}

# core FILE ELF: prints what gdb shows of it
core() {
	timeout 60 gdb -nx -batch "$2" -c "$1" -ex 'info threads' -ex bt \
		-ex 'info registers rip rsp' -ex 'x/2i $rip' -ex 'p (int)entry_state.mode' 2>&1
}

# The machine goes on; gdb sees the same as `kvm debug` prints.
cores_running() {
	local as_root text rip
	start one idle -c 2
	text="kvm: --dump .*: a core of 64 MiB, 1 MiB of them in use: gdb vmlinux -c $work/core"
	is "a core of a running machine" "$text 0" \
		"$("$kvm" debug one --dump "$work/core" 2>&1) $?"
	core "$work/core" build/payload/payload.elf >"$work/gdb"
	text=".*\* 1 +LWP 1 .*test_end_idle.*  2 +LWP 2 .*#0 +test_end_idle.*#1 .*payload_main.*"
	is "gdb opens it" "$text=> 0x[0-9a-f]+ .*= 64" "$(cat "$work/gdb")"
	is "its owner alone may read it" 600 "$(stat -c %a "$work/core")"
	[ "$(stat -c %b "$work/core")" -le 8192 ] &&
		echo "ok control: a core takes what is not zero" ||
		not_ok "a core takes what is not zero" "$(stat -c '%b blocks' "$work/core")"
	rip=$("$kvm" debug one | sed -n 's/.*RIP=0010:0*\([0-9a-f]*\) .*/\1/p' | head -1)
	is "debug and core have the same registers" "rip=([0-9a-f]+) rip=\1" \
		"rip=$rip rip=$(sed -n 's/^rip *0x\([0-9a-f]*\) .*/\1/p' "$work/gdb")"
	is "it goes on" "NAME .*one .* running .*" "$("$kvm" list)"
	is "a folder that is not there" \
		"kvm: --dump $work/none/core: No such file or directory 125" \
		"$("$kvm" debug one --dump "$work/none/core" 2>&1) $?"
	rm "$work/core"
	mkdir "$work/small"
	# Root needs no user namespace to mount, and in a chroot there can be none.
	as_root=-m
	[ "$(id -u)" = 0 ] || as_root=-rm
	is "a full disk leaves nothing" \
		"kvm: one: the core could not be written: No space left on device 125 0" \
		"$(unshare $as_root sh -c "mount -t tmpfs -o size=16k none $work/small &&
			XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR $kvm debug one --dump $work/small/core 2>&1
			echo \$? \$(ls -A $work/small | wc -l)" | tr '\n' ' ' | sed 's/ $//')"
	is "it can be asked again" "vCPU 0: halted.*" "$("$kvm" debug one)"
	"$kvm" stop one --force
	ends "and ends" 0
}

cores_at_the_end() {
	local k=build/guest/broken text where
	timeout 60 "$kvm" run -k $k/page-table-hole.bzimage -m 5G --dump "$work/core" </dev/null \
		>/dev/null 2>"$work/err"
	text=".*kvm: --dump .*: a core of 5120 MiB, 1 MiB of them in use: gdb vmlinux -c .*"
	is "after a triple fault" "${text}kvm: triple fault.*" "$(cat "$work/err")"
	timeout 60 gdb -nx -batch build/broken/page-table-hole.elf -c "$work/core" -ex bt \
		>"$work/gdb" 2>&1
	is "its backtrace" ".*#0 .* early_ioremap_init .*#1 .* setup_arch .*#2 .* start_kernel .*" \
		"$(cat "$work/gdb")"
	text=".*NOTE .*LOAD .* 0x0+ 0x0+ 0x0*c0000000 0x0*c0000000 RWE.*"
	text+="LOAD .* 0x0*100000000 0x0*100000000 0x0*80000000 .*"
	is "its program headers" "$text" "$(readelf -lW "$work/core")"
	is "its notes" ".*CORE .*NT_PRSTATUS.*" "$(readelf -n "$work/core")"
	timeout 60 "$kvm" run -k build/guest/payload.bzimage -m 64M -c 3 -p test=smpcrash \
		--dump "$work/core" </dev/null >/dev/null 2>"$work/err"
	where=fall_down
	! grep -q 'its registers are lost' "$work/err" || where='0x0*fff0 in'
	text=$(gdb -nx -batch build/payload/payload.elf -c "$work/core" -ex 'info threads' 2>&1)
	is "the vCPU to blame comes first" ".*\* 1 +LWP 2 .*$where.*LWP 1 .*LWP 3.*" "$text"
	rm "$work/core"
	timeout 60 "$kvm" run -k build/guest/payload.bzimage -m 64M -p test=panic \
		--dump "$work/core" </dev/null >/dev/null 2>&1
	is "after a panic" ".*payload_main.*" "$(core "$work/core" build/payload/payload.elf)"
	rm "$work/core"
	timeout 60 "$kvm" run -k build/guest/payload.bzimage -m 64M -p test=hello \
		--dump "$work/core" </dev/null >/dev/null 2>"$work/err" &&
		[ ! -e "$work/core" ] && echo "ok control: none after a good end" ||
		not_ok "none after a good end" \
			"there is one, or no good end: $(tail -1 "$work/err")"
	is "no folder, told at once" "kvm: --dump $work/none/core: No such file or directory 125" \
		"$("$kvm" run -k build/guest/payload.bzimage --dump "$work/none/core" 2>&1 \
		</dev/null) $?"
	text=$(
		(
			ulimit -f 64
			"$kvm" run -k $k/page-table-hole.bzimage --post-mortem off \
				--dump "$work/core" 2>&1 </dev/null
			echo $?
		) | tr '\n' ' '
	)
	is "no room at the end" \
		".*kvm: --dump $work/core: File too large; no core was written.* 121 0" \
		"$text$(ls "$work" | grep -c core)"
}

for part in ${*:-verbs cores_running cores_at_the_end}; do
	$part
done
exit $failed
