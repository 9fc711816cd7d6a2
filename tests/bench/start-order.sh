#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/bench/start-order.sh
#
# Generates x86/start.lds, the list of functions that the linker places together. Records with
# valgrind which functions the launcher executes for some payloads on /dev/kvm and for a stock
# kernel in a nested machine.

set -euo pipefail
cd "$(dirname "$0")/../.."
command -v valgrind >/dev/null || { echo "start-order: valgrind is not installed" >&2; exit 1; }
dir=$PWD/build/bench/order
rm -rf "$dir"
mkdir -p "$dir"
make -s START_ORDER= LDFLAGS="-Wl,-Map=$dir/map" BIN="$dir/kvm"
make -s -f Makefile -f tests/bench/Makefile.inc bench-programs
tests/initrd.sh --tiny "$dir/tiny.cpio"
kernel=$(tests/kernels.sh cloud)
truncate -s 1M "$dir/disk.img"

record() { # NAME OPTION...: of kvm run
	valgrind -q --tool=callgrind --dump-instr=yes --callgrind-out-file="$dir/$1.callgrind" \
		"$dir/kvm" run -q -m 256M -k build/bench/guest.bzimage "${@:2}" </dev/null \
		>"$dir/$1.log" 2>&1 ||
		{ echo "start-order: $1: $(tail -n 1 "$dir/$1.log")" >&2; exit 1; }
}
record start -p @h
record console -p @o2000
record disk -p @h -d "$dir/disk.img,format=raw" -c 2

cat >"$dir/boot.sh" <<EOF
#!/bin/sh
cd /run
HOME=/root valgrind -q --tool=callgrind --dump-instr=yes \
	--callgrind-out-file=\$NEST_OUT/boot.callgrind \
	"$dir/kvm" run -m 256M -k "$kernel/vmlinuz" -i "$dir/tiny.cpio" -p quiet </dev/null
EOF
chmod +x "$dir/boot.sh"
tests/nest --mem 3072 --timeout 300 --out "$dir" "$dir/boot.sh" >&2
python3 tests/bench/start_order.py "$dir/map" "$dir"/*.callgrind >"$dir/start.lds"
mv "$dir/start.lds" x86/start.lds
