#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/gdb.sh [PART]...
#
# Tests --gdb with the distribution's gdb, scripted, and with our own client that misbehaves. PARTs
# (default: all but those by hand):
#
#   payload    our payload, in 64-bit and in real mode, in the Intel nested machine, where
#              breakpoints work
#   client     tests/gdb/client.py, which needs no breakpoints, in the nested machine
#   stock      a stock kernel, in the nested machine where this one's KVM cannot run it
#   kernel     (by hand) an unpacked stock kernel with symbols on this machine's /dev/kvm, stopped
#              in start_kernel() and setup_arch(): half a minute where KVM emulates ring 0, and no
#              such kernel comes much further
#   abilities  (by hand) what the nested machine's KVM lets a debugger do at all, by our stub and by
#              QEMU's: ours must do what QEMU's does
#
# One line a test: `ok NAME`, `not ok NAME: why`, `skip NAME: why`; exits 1 after a `not ok`.
# KVM_BIN names another launcher than build/kvm. The output is kept in build/gdb. With
# KVM_TEST_HOST=1 payload and client use this machine's /dev/kvm.

set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
dir=${NEST_OUT:-build/gdb} # a nested machine writes nowhere else
failed=0

not_ok() { # NAME WHY
	echo "not ok gdb: $1: $2"
	failed=1
}

# session NAME TEST [OPTION]...: the payload's test under tests/gdb/NAME.gdb; the output of gdb and
# the launcher goes to $dir/NAME.*
session() {
	local name=$1 test=$2 socket i
	shift 2
	socket=$(mktemp -u)
	timeout 60 "$KVM_BIN" run -k build/guest/payload.bzimage -m 64M -p "test=$test" \
		--gdb "unix:$socket" --gdb-wait "$@" \
		</dev/null >"$dir/$name.out" 2>"$dir/$name.err" &
	for ((i = 0; i < 100; i++)); do
		[ -S "$socket" ] && break
		sleep 0.1
	done
	sed "s|\$socket|$socket|" "tests/gdb/$name.gdb" >"$dir/$name.gdb"
	timeout 60 "${GDB:-gdb}" -nx -batch -x "$dir/$name.gdb" build/payload/payload.elf \
		</dev/null >"$dir/$name.gdb.out" 2>&1
	wait $!
	code=$?
}

# said NAME WHAT PATTERN [TIMES]: gdb has printed this line, an extended pattern for all of it
said() {
	local n
	n=$(grep -cExe "$3" "$dir/$1.gdb.out")
	if [ "$n" = "${4:-1}" ]; then
		echo "ok gdb: $2"
	else
		not_ok "$2" "$n lines $3 in $dir/$1.gdb.out"
	fi
}

# here: whether a part runs on the /dev/kvm that is here, and not in a nested machine of its own
here() { [ -n "${KVM_NEST:-}" ] || [ "${KVM_TEST_HOST:-}" = 1 ]; }

# The Intel nested machine has no file system of the host: pack everything that the part needs.
payload_nested() {
	local files gdb file copies=()
	files=$(tests/gdb/files.sh) && strip -o $dir/kvm "$KVM_BIN" || return
	gdb=${files%%$'\n'*}
	for file in $files $dir/kvm tests/gdb/long.gdb tests/gdb/real.gdb \
		build/guest/payload.bzimage build/payload/payload.elf; do
		copies+=(--copy "$file")
	done
	KVM_BIN=$dir/kvm GDB=$gdb tests/nest --intel --timeout 900 --out $dir --env KVM_BIN \
		--env GDB "${copies[@]}" tests/gdb.sh payload | tee $dir/payload.lines
	[ "${PIPESTATUS[0]}" = 0 ] || return
	grep -q '^ok gdb: ' $dir/payload.lines || not_ok "payload" "its output did not arrive"
}

part_payload() {
	if ! here; then
		payload_nested || failed=1
		return
	fi
	session long hello
	said long "the first instruction" 'first 0x100200 efer 0x500'
	said long "steps" 'stepped 16'
	said long "a thread a vCPU" '\* 1 .*Thread 1 \(runs, 64-bit mode, CPL 0\).*'
	said long "a breakpoint" 'at 1'
	said long "the way there" '#[12] .* payload_main .*'
	said long "registers are written" 'written 0x123456789abcdef0 77'
	said long "physical memory" '0x100200:  48 89 34 25 .*'
	said long "memory" '0x100200.*:.0x48.*' 2
	said long "memory that is not mapped" 'Cannot access memory at address 0xffffffff81000000'
	if [ $code = 0 ] && grep -q '^hello from 99-bit' $dir/long.out; then
		echo "ok gdb: memory is written, and the guest goes on when gdb has left"
	else
		not_ok "memory is written, and the guest goes on when gdb has left" \
			"exit code $code, $(head -1 $dir/long.out)"
	fi
	session real smp,3 -c 3
	said real "real mode: each CPU stops" 'real 0x800:0 cr0 0' 2
	said real "real mode: a step" 'stepped 0x800:0x1'
	said real "real mode: memory" '0x8000:.0xfa'
	said real "real mode: a segment register" 'ds 0x1234'
	said real "threads that wait to be started" \
		'  [23] .*Thread [23] \(not started, real mode, CPL 0\).*' 2
	said real "the machine's end" '\[Inferior 1 .* exited normally\]'
}

part_client() {
	if ! here; then
		tests/nest --timeout 300 --out $dir tests/gdb.sh client || failed=1
		return
	fi
	timeout 120 python3 tests/gdb/client.py "$KVM_BIN" build/guest/payload.bzimage || failed=1
}

prepare_stock() {
	local kernel
	rm -rf $dir/in $dir/out
	mkdir -p $dir/in $dir/out
	kernel=$(tests/kernels.sh cloud) && cp "$(realpath "$kernel/vmlinuz")" $dir/in/vmlinuz &&
		tests/initrd.sh $dir/in/symbols.initrd tests/gdb/symbols.sh &&
		tests/initrd.sh --tiny $dir/in/tiny.initrd
}

part_stock() {
	if ! prepare_stock; then
		not_ok "stock kernel" "it could not be prepared"
		return
	fi
	if tests/hostkvm.sh >/dev/null; then
		tests/gdb/stock-job.sh $dir/in $dir/out
	else
		tests/nest --timeout 900 --out $dir/out tests/gdb/stock-job.sh $dir/in $dir/out \
			>$dir/nest.log 2>&1
	fi
	grep -E '^(not )?ok ' $dir/out/session.out |
		sed -E 's/^((not )?ok) /\1 gdb: stock kernel: /'
	! grep -q '^not ok' $dir/out/session.out || failed=1
	if grep -q '^ok monitor' $dir/out/session.out && [ "$(cat $dir/out/code)" = 0 ] &&
	   grep -q 'kvm-test: userspace up' $dir/out/console &&
	   ! grep -qE 'lockup|stall' $dir/out/console; then
		echo "ok gdb: stock kernel: to user space and to its end"
	else
		not_ok "stock kernel: to user space and to its end" \
			"see $dir/out; $(tail -n 1 $dir/nest.log 2>/dev/null)"
	fi
}

# The unpacked kernel with some of the symbols of its own table, which gdb cannot read.
kernel_with_symbols() { # OUT
	local kernel vmlinux=$dir/vmlinux add
	kernel=$(tests/kernels.sh cloud) &&
		python3 tests/tools/vmlinux.py "$(realpath "$kernel/vmlinuz")" $vmlinux &&
	make -s build/obj/libkvm.a &&
	${CC:-gcc} -std=gnu11 -O2 -D_GNU_SOURCE -Iinclude -I. -o $dir/kallsyms \
		tests/tools/kallsyms.c build/obj/libkvm.a -lfdt -pthread &&
	add=$($dir/kallsyms $vmlinux start_kernel setup_arch linux_banner |
		python3 tests/gdb/add_symbols.py $vmlinux) && [ -n "$add" ] &&
	objcopy $add $vmlinux "$1"
}

part_kernel() {
	local socket code
	rm -f $dir/kernel.*
	if ! kernel_with_symbols $dir/kernel.elf >$dir/kernel.log 2>&1; then
		not_ok "a kernel with symbols" \
			"it could not be prepared: $(tail -1 $dir/kernel.log)"
		return
	fi
	socket=$(mktemp -u)
	timeout 240 "$KVM_BIN" run -k $dir/kernel.elf -m 256M -p nokaslr --gdb "unix:$socket" \
		--gdb-wait --timeout 200 </dev/null >$dir/kernel.out 2>$dir/kernel.err &
	for ((i = 0; i < 100; i++)); do
		[ -S "$socket" ] && break
		sleep 0.1
	done
	sed "s|\$socket|$socket|" tests/gdb/kernel.gdb >$dir/kernel.gdb
	timeout 200 gdb -nx -batch -x $dir/kernel.gdb $dir/kernel.elf </dev/null \
		>$dir/kernel.gdb.out 2>&1
	kill $! 2>/dev/null
	wait
	said kernel "a kernel: the first instruction" 'first 0x1[0-9a-f]+ efer (0x)?[0-9a-f]+'
	said kernel "a kernel: hbreak start_kernel" 'at 1 cr3 1'
	said kernel "a kernel: its name in a backtrace" '#0 .* start_kernel \(\)'
	said kernel "a kernel: a step" 'stepped 1'
	said kernel "a kernel: its memory" '.*"Linux version .*'
	said kernel "a kernel: hbreak setup_arch" 'at 1'
}

part_abilities() {
	local what ours
	mkdir -p $dir/abilities
	tests/nest --timeout 400 --out $dir/abilities tests/gdb/abilities-job.sh $dir/abilities \
		>$dir/abilities/said 2>$dir/abilities/nest.log
	for what in stepi hbreak break watch; do
		ours=$(sed -n "s/^kvm $what //p" $dir/abilities/said)
		if [ "$ours" = yes ]; then
			echo "ok gdb: abilities: $what"
		elif grep -qx "qemu $what no" $dir/abilities/said; then
			echo "skip gdb: abilities: $what:" \
				"this KVM has it neither for us nor for QEMU"
		else
			not_ok "abilities: $what" "ours: ${ours:-not told}, see $dir/abilities"
		fi
	done
}

mkdir -p $dir
for part in ${*:-payload client stock}; do
	if [[ $part = kernel ]] && ! [ -w /dev/kvm ]; then
		echo "skip gdb $part: there is no /dev/kvm"
		continue
	fi
	if [ "$(type -t part_"$part")" = function ]; then
		part_"$part"
	else
		not_ok "$part" "no such part"
	fi
done
exit $failed
