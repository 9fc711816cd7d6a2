#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the payload guests under the launcher: checks each test of guest/payload by its exit code and
# its output. Runs tests/verdicts.sh for the ends of machines, and tests/tools/payload_io.py for
# terminals, pipes and signals. Prints `ok NAME` or `not ok NAME: why`; fails when one is not ok.
# Environment: KVM_BIN the launcher, PAYLOAD_DIR the images.
set -u
cd "$(dirname "$0")/.." || exit 1
tests/hostkvm.sh >/dev/null || exec tests/nest --timeout 1500 tests/payload.sh "$@"
kvm=${KVM_BIN:-build/kvm}
images=${PAYLOAD_DIR:-build/guest}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
	echo "not ok payload $1: $2"
	failed=1
}

runner=() # what starts the launcher
# run NAME EXIT-CODE PATTERN TEST [OPTION]...: PATTERN (extended, a whole line) must be in the
# output, "not ok" must not
run() {
	local name=$1 want=$2 pattern=$3 test=$4 rc why
	shift 4
	timeout "${LIMIT:-60}" ${runner[@]+"${runner[@]}"} "$kvm" run \
		-k "${KERNEL:-$images/payload.bzimage}" -p "test=$test" "$@" \
		</dev/null >"$work/out" 2>"$work/err"
	rc=$?
	if [ $rc != "$want" ]; then
		why="exit code $rc, want $want; $(tail -1 "$work/err")"
	elif grep -q '^not ok' "$work/out"; then
		why=$(grep '^not ok' "$work/out" | head -3 | tr '\n' ';')
	elif ! grep -qEx -e "$pattern" "$work/out" "$work/err" --no-filename; then
		why="no line $pattern; $(tail -1 "$work/out")"
	elif [ "$(tail -n +1 "$work/err" | grep -c '^kvm: the guest')" -gt 1 ]; then
		why="more than one verdict on stderr"
	else
		echo "ok payload $name"
		return
	fi
	fail "$name" "$why"
}

# check TEST[,ARG...] [OPTION]...: a test that reports and powers off
check() {
	local test=$1
	shift
	run "$test${*:+ $*}" 0 "done ${test%%,*}: 0 failed" "$test" "$@"
}

# How machines end, by a table of its own.
ends() {
	KVM_BIN=$kvm PAYLOAD_DIR=$images tests/verdicts.sh || failed=1
	run "last byte, then spins" 124 'END' last --timeout 1
	run "last byte, then dead" 121 'END' last,1
}

# What a guest that ended badly has lacked: status bits 1 and 2 are ACKNOWLEDGE and DRIVER.
hints() {
	local no='kvm: no driver of the guest has' report=$work/report.json
	head -c 65536 /dev/zero >"$work/small"
	run "no driver for virtio-mmio" 120 "$no found the disk: .* lacks virtio_mmio.*" \
		driverless -d "$work/small" --report "$report"
	grep -q '"hint": "no driver of the guest has found the disk: ' "$report" ||
		fail "no driver for virtio-mmio" "the report has no hint"
	run "no driver for the disk" 120 "$no taken the disk: .* lacks virtio_blk" driverless,1 \
		-d "$work/small"
	run "no driver, tables=mp" 120 "$no found the disk: .*CMDLINE_DEVICES" driverless \
		-d "$work/small" --machine tables=mp
	run "noapic" 120 'kvm: -p noapic: .*' 'driverless,3 noapic' -d "$work/small"
	run "a driver for the disk" 120 'kvm: the guest kernel panicked' driverless,3 \
		-d "$work/small"
	! grep "$no" "$work/err" || fail "a driver for the disk" "a hint without need"
	run "no device" 120 'kvm: the guest kernel panicked' driverless
	! grep "$no" "$work/err" || fail "no device" "a hint without need"
	run "an early panic" 120 'kvm: the guest kernel panicked' panic -d "$work/small"
	! grep "$no" "$work/err" || fail "an early panic" "a hint without need"
}

boot() {
	check entry,64
	check zeropage
	check seed
	check initrd
	run "command line: ours, then the user's" 0 \
		'cmdline: console=ttyS0 test=cmdline a="b c" -- d' 'cmdline a="b c" -- d'
	run "command line: the user's alone" 0 'cmdline: test=cmdline' cmdline --no-default-params
	KERNEL=$images/payload32.bzimage run "32-bit entry" 0 'ok entry32' entry,32
	check e820,64 -m 64M
	check e820,1024
	check e820,3072 -m 3G
	check e820,4096 -m 4G
	check e820,8192 -m 8G
	head -c 100001 /dev/urandom >"$work/initrd"
	local sum
	sum=$(od -An -v -tu1 -w1 "$work/initrd" | awk '{ s += $1 } END { print s }')
	run "initrd" 0 "initrd at [0-9a-f]* bytes 100001 sum $sum" initrd -i "$work/initrd"
	run "initrd at -m 8G" 0 "initrd at [0-9a-f]* bytes 100001 sum $sum" initrd \
		-i "$work/initrd" -m 8G
	# zeros between them, up to a page
	run "two initrds" 0 "initrd at [0-9a-f]* bytes 20[0-9]* sum $((2 * sum))" initrd \
		-i "$work/initrd" -i "$work/initrd"
}

# The same payload in the other forms of a kernel, with the data that each form is given.
formats() {
	local form sum
	head -c 5000 /dev/urandom >"$work/module"
	sum=$(od -An -v -tu1 -w1 "$work/module" | awk '{ s += $1 } END { print s }')
	KERNEL=$images/payload.pvh run "ELF by PVH" 0 "cmdline: console=ttyS0 test=pvh" pvh -m 64M
	KERNEL=$images/payload.pvh run "ELF by PVH: module" 0 "module bytes 5000 sum $sum " pvh \
		-i "$work/module"
	KERNEL=$images/payload.pvh run "ELF by its 64-bit entry instead" 0 \
		'hello from 64-bit entry' hello --entry 64
	KERNEL=$images/payload.elf64 run "ELF by its 64-bit entry" 0 'done entry: 0 failed' entry,64
	KERNEL=$images/payload.elf64 run "ELF: zero page" 0 'done zeropage: 0 failed' zeropage
	KERNEL=$images/payload.bzimage run "bzImage by its 32-bit entry" 0 'done entry: 0 failed' \
		entry,32 --entry 32
	for form in mb1 mb2; do
		KERNEL=$images/payload.$form run "$form: command line" 0 \
			"cmdline: $images/payload.$form test=multiboot,64" multiboot,64 -m 64M
		KERNEL=$images/payload.$form run "$form: two modules" 0 \
			"module bytes 5000 sum $sum $work/module" \
			multiboot,1024 -i "$work/module" -i "$work/module"
		[ "$(grep -c '^module' "$work/out")" = 2 ] ||
			fail "$form: two modules" "not two of them"
		KERNEL=$images/payload.$form run "$form: no modules" 0 "done multiboot: 0 failed" \
			multiboot,3072 -m 4G
	done
	KERNEL=$images/payload.mb1 run "mb1: devices on the command line" 0 \
		"cmdline: $images/payload.mb1 virtio_mmio.device=4K@0xd0000000:.* test=.*" \
		multiboot,1024 --machine tables=mp
	KERNEL=$images/flat16.bin run "flat, in real mode" 0 \
		'flat cs 0000 ip 7c00 ss 0000 sp 7c00' x --entry 16
	KERNEL=$images/flat16.bin run "flat, at 0x84321" 0 'flat cs 8432 ip 0001 ss 8432 sp 0000' \
		x --entry 16 --load 0x84321
	# 64 MiB: 16 MiB and 48 MiB more; a disk that fails gives carry
	KERNEL=$images/flat16.bin run "the BIOS of real mode" 0 \
		'bios kib 027f equipment 0220 e820 0005 e801 0300 disk ffff key 0001 ticks' x \
		--entry 16 -m 64M
	KERNEL=$images/flat16.bin run "flat, with an initrd" 125 \
		'kvm: .*/flat16.bin: .*remove -i' x --entry 16 -i "$work/module"
	run "an entry it has not" 125 \
		'kvm: .*/payload.bzimage: this bzImage has no entry for --entry pvh.*' x --entry pvh
	KERNEL=$images/flat16.bin run "flat, without --entry" 125 \
		'kvm: .*/flat16.bin: .*--entry 16.*' x
	run "--load of a bzImage" 125 'kvm: .*remove --load' x --load 0x200000
}

processors() {
	local n
	check "mptable,200" -c 200 --machine tables=mp
	for n in 1 2 4 16; do
		check "smp,$n" -c $n
		check "acpi,$n" -c $n
		check "mptable,$n" -c $n
		check "cpuid,$n" -c $n
	done
	run "CPU's vendor by --cpuid" 0 'cpuid 0\.0: [0-9a-f]+ 6c6c6548 3231646c 726f576f' cpuid,1 \
		--cpuid vendor=HelloWorld12,-sse4_2
	run "CPU feature that KVM has not" 125 \
		"kvm: --cpuid [+]ia64: this host's KVM cannot give it" hello --cpuid +ia64
	# Neither ACPI nor the MP table describes the device.
	run "virtio on the command line" 0 \
		'cmdline: console=ttyS0 virtio_mmio.device=4K@0xd0000000:5 test=cmdline' cmdline \
		--machine tables=none
	run "virtio in ACPI alone" 0 'cmdline: console=ttyS0 test=cmdline' cmdline \
		--machine tables=acpi
}

# The guest's clock against the host's, and against what --rtc gave.
clock() {
	local before rtc
	before=$(date +%s)
	check rtc,1024
	rtc=$(sed -n 's/^rtc \([0-9]*\).*/\1/p' "$work/out")
	if [ "${rtc:-0}" -ge $((before - 2)) ] && [ "${rtc:-0}" -le $(($(date +%s) + 2)) ]; then
		echo "ok payload rtc is the host's time"
	else
		fail "rtc is the host's time" "rtc ${rtc:-nothing}, host $before"
	fi
	run "rtc @EPOCH" 0 'rtc 95199999[89]|rtc 95200000[01]' rtc --rtc @951999999
	run "rtc local" 0 "rtc [0-9]*" rtc --rtc local
	check rtcirq
	check pit
	check pit,1
	check refresh
}

chips() {
	check uart
	check uartirq
	check uartirq,1
	check i8042
	check bus
	run "string output" 0 'rep outsb: 40 bytes by one instruction.' bus
}

# What tests of KVM expect of a machine, with the image format that they use.
testdev() {
	local KERNEL=$images/payload.mb1
	check testdev,1,64 --testdev -m 64M
	check testdev,3,4096 --testdev -m 4G -c 3
	run "sleep, and back by real mode" 43 'good night' s3 --testdev
	! grep -q 'not printed' "$work/out" ||
		fail "sleep, and back by real mode" "it went on where it slept"
	run "sleep without an alarm" 124 '.*timed out.*' s3,0 --testdev --timeout 2
}

# Runs every loop once, briefly: for figures run them longer by hand.
benches() {
	local kind
	for kind in 0 1 2 3 4; do
		run "bench kind $kind at CPL 0" 0 'bench .* cpl 0 tsc [0-9]* khz [0-9]*' \
			"bench,$kind,100"
		run "bench kind $kind at CPL 3" 0 'bench .* cpl 3 tsc [0-9]* khz [0-9]*' \
			"bench,$kind,100,1"
	done
}

# Makes the disk tests' first contents and expected results in one Python, which a nested machine
# takes seconds to start:
#   fresh      2048 sectors, each beginning with its number
#   disk0 ...  a sector each, which begins with 1 and so on
#   want       what blk writes: sectors 64, 65, 70 and 71 of its pattern, 66 to 69 zeroes, and
#              sector 1024, which only the launcher flushes
disk_images() {
	(cd "$work" && python3 -c 'import struct
def sectors(name, first, nr):
    with open(name, "wb") as f:
        for n in range(first, first + nr):
            f.write(struct.pack("<I", n) + b"\xa5" * 508)
sectors("fresh", 0, 2048)
for i in range(48):
    sectors("disk%d" % i, i + 1, 1)
want = bytearray((i * 7 + i // 512) & 255 for i in range(8 * 512))
want[1024:3072] = bytes(2048)
with open("want", "wb") as f:
    f.write(want + b"\x5a" * 512)')
}

check_image() { # FILE NAME
	if cmp -s -n 4096 -i $((64 * 512)):0 "$1" "$work/want" &&
		cmp -s -n 512 -i $((1024 * 512)):4096 "$1" "$work/want"; then
		echo "ok payload $2"
	else
		fail "$2" "the image has other bytes"
	fi
}

# An image that accepts no more data after the guest's last write, which is not flushed: the end of
# the machine waits for its console, which is full.
lost_writes() {
	local image=$work/lost.qcow2 pid rc i
	cp "$work/fresh" "$work/disk"
	qemu-img create -q -f qcow2 -b "$work/disk" -F raw "$image"
	mkfifo "$work/full"
	exec 9<>"$work/full"
	dd if=/dev/zero of="$work/full" oflag=nonblock bs=4096 2>/dev/null
	timeout 30 "$kvm" run -k "$images/payload.bzimage" -p test=blk,2048 -m 64M \
		-d "$image,serial=payload,discard=on" </dev/null >"$work/full" 2>"$work/err" 9<&- &
	pid=$!
	for ((i = 0; i < 200; i++)); do
		! grep -q ZZZZZZZZ "$image" || break
		sleep 0.05
	done
	prlimit --fsize=4096 --pid "$(pgrep -P $pid)"
	exec 8<"$work/full" 9<&-
	cat <&8 >/dev/null
	wait $pid
	rc=$?
	exec 8<&-
	if [ $rc != 125 ]; then
		fail "last writes that are lost" "exit code $rc, want 125; $(tail -1 "$work/err")"
	elif ! grep -qF "lost.qcow2: the guest's last writes could not be stored: File too large" \
		"$work/err"; then
		fail "last writes that are lost" "$(head -1 "$work/err")"
	else
		echo "ok payload last writes that are lost"
	fi
}

virtio() {
	local disk=$work/disk options=serial=payload,discard=on aio i many=()
	if ! disk_images; then
		fail virtio "the disks' images could not be made"
		return
	fi
	for aio in uring threads; do
		cp "$work/fresh" "$disk"
		run "blk, aio=$aio" 0 "done blk: 0 failed" blk,2048 -m 64M \
			-d "$disk,format=raw,aio=$aio,$options"
		check_image "$disk" "the image after blk, aio=$aio"
	done
	cp "$work/fresh" "$disk"
	qemu-img convert -O qcow2 "$disk" "$work/disk.qcow2"
	run "blk, qcow2" 0 "done blk: 0 failed" blk,2048 -m 64M -d "$work/disk.qcow2,$options"
	qemu-img convert -O raw "$work/disk.qcow2" "$disk"
	check_image "$disk" "the image after blk, qcow2"
	cp "$work/fresh" "$disk"
	qemu-img create -q -f qcow2 -b "$disk" -F raw "$work/over.qcow2"
	run "blk, qcow2 over a raw one" 0 "done blk: 0 failed" blk,2048 -m 64M \
		-d "$work/over.qcow2,$options"
	qemu-img convert -O raw "$work/over.qcow2" "$work/over.raw"
	check_image "$work/over.raw" "the image after blk, qcow2 over a raw one"
	if qemu-img check -q "$work/over.qcow2"; then
		echo "ok payload nothing of that image is leaked"
	else
		fail "nothing of that image is leaked" "qemu-img check says $?"
	fi
	cp "$work/fresh" "$disk"
	run "blk, snapshot" 0 "done blk: 0 failed" blk,2048 -m 64M \
		-d "$disk,format=raw,snapshot,$options"
	if cmp -s "$disk" "$work/fresh"; then
		echo "ok payload a snapshot leaves the image alone"
	else
		fail "a snapshot leaves the image alone" "it has changed"
	fi
	lost_writes
	# More disks than there are lines.
	for ((i = 0; i < 48; i++)); do
		many+=(-d "$work/disk$i,format=raw")
	done
	run "48 disks on 11 lines" 0 "done blkirq: 0 failed" blkirq,48 -m 64M "${many[@]}"
	runner=(tests/tools/net_peer.py echo)
	check net,200 -m 64M -n fd=@
	runner=()
}

groups="ends hints boot formats processors clock chips testdev benches virtio"
for group in ${GROUPS_WANTED:-$groups}; do
	$group
done
KVM_BIN=$kvm PAYLOAD_DIR=$images timeout 400 python3 tests/tools/payload_io.py ${IO_TESTS:-} ||
	failed=1
exit $failed
