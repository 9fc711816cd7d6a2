#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/bench/run.sh [--quick]
#
# Measures build/kvm in the counting nest for `make bench`, against the floor (tests/bench/floor.c)
# and, where they are on the PATH, lkvm and qemu-system-x86_64. Prints a table and leaves
# build/bench/bench.json and build/bench/boot.svg. --quick measures only what has a budget
# (tests/budget.sh), and no other launchers.
#
# KVM=FILE measures another program than build/kvm. STATIC=1 measures the statically linked program,
# with a floor linked alike.

set -euo pipefail
cd "$(dirname "$0")/../.."
quick= copies=()
if [ "${1:-}" = --quick ]; then quick=quick; fi
program=${KVM:-build/kvm}
linking=()
if [ "${STATIC:-1}" = 0 ]; then
	program=${KVM:-build/kvm-dynamic}
	linking=(STATIC=0)
fi
out=build/bench/out$quick

# -B: how the floor is linked may have changed
make -s -B -f Makefile -f tests/bench/Makefile.inc "${linking[@]}" bench-programs
tests/initrd.sh --tiny build/bench/tiny.cpio
kernel=$(tests/kernels.sh cloud)
tests/initrd.sh --kernel "$kernel" --modules "virtio_mmio virtio_pci virtio_blk" \
	--add build/bench/blkread:/bin/blkread build/bench/blk.cpio tests/bench/blk.sh
rm -rf "$out"
mkdir -p "$out"
cp "$program" build/bench/kvm
program=build/bench/kvm
for f in "$program" build/bench/{floor,stamp,guest.bzimage,tiny.cpio,blk.cpio} "$kernel/vmlinuz"; do
	copies+=(--copy "$f")
done
if [ -z "$quick" ]; then
	if peer=$(command -v lkvm); then copies+=(--copy "$peer"); fi
	peer=$(command -v qemu-system-x86_64) || {
		echo "bench: qemu-system-x86_64 is not installed (tests/deps.sh bench)" >&2
		exit 1
	}
	copies+=(--copy "$peer")
	for rom in bios-microvm.bin linuxboot_dma.bin kvmvapic.bin; do
		for dir in /usr/share/qemu /usr/share/seabios "$(dirname "$peer")/../share/qemu"; do
			[ ! -e "$dir/$rom" ] || { copies+=(--copy "$dir/$rom"); break; }
		done
	done
	echo "bench: some minutes of counting instructions in a nested machine" >&2
fi
limit=1200
[ -z "$quick" ] || limit=150
# A run that hangs in the emulator (tests/nest explains how) hangs whenever it is repeated: another
# seed gives other boots. A run usually takes 50 s.
for seed in 1 2 3 4 5 6; do
	rc=0
	tests/nest --count --seed $seed --mem 3072 --timeout $limit \
		--modules "brd rd_nr=1 rd_size=16384" \
		--out "$out" "${copies[@]}" tests/bench/rows.sh "$quick" || rc=$?
	[ $rc = 124 ] || break
	echo "bench: nothing came out of the nested machine in $limit s with seed $seed" >&2
done
[ $rc = 0 ] || exit $rc
cp "$kernel/packages" "$out/kernel" 2>/dev/null || :
if [ -z "$quick" ]; then
	python3 tests/bench/report.py "$out"
	if [ -w /dev/kvm ]; then
		make -s payload
		echo
		echo "virtio on this host's KVM, in per cent of a host program (tests/bench/io.py):"
		python3 tests/bench/io.py "$program" build/guest/payload.bzimage \
			build/bench/io_floor
	fi
fi
