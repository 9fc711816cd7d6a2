#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/dtb.sh
#
# Checks the device trees of several machines, as --dump-dtb writes them: dtc, and dt-validate where
# it is installed, find nothing wrong with them. Then checks how --dtb handles a file, and one that
# is not a device tree. No /dev/kvm is needed.
#
# KVM_BIN names another program than build/kvm. One line a test: "ok NAME", "not ok NAME: why",
# "skip NAME: why", "left out: NAME: why". Exits 1 after a "not ok".

set -u
cd "$(dirname "$0")/.." || exit 1
kvm=${KVM_BIN:-build/kvm}
kernel=build/guest/payload.bzimage
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

judge() { # NAME WHY
	if [ -z "$2" ]; then echo "ok dtb: $1"; return; fi
	echo "not ok dtb: $1: $2"
	failed=1
}
dump() { "$kvm" run -q -k $kernel "$@" </dev/null; }

trees() { # PROGRAM ARG...: it must print nothing about any of them
	local tree said rc
	for tree in "$dir"/*.dtb; do
		said=$("$@" "$tree" 2>&1 >/dev/null)
		rc=$?
		[ $rc = 0 ] && [ -z "$said" ] ||
			echo "$(basename "$tree"): exit code $rc: $(head -n 1 <<<"$said")"
	done | head -n 1
}

# refused TEXT OPTION...: must fail with one line that contains TEXT
refused() {
	local text=$1 rc
	shift
	dump "$@" --dump-dtb "$dir/none" 2>"$dir/err"
	rc=$?
	[ $rc = 125 ] || echo "exit code $rc;"
	[ "$(wc -l <"$dir/err")" = 1 ] && grep -qF -- "$text" "$dir/err" ||
		echo "said: $(head -n 2 "$dir/err")"
	[ ! -e "$dir/none" ] || echo "wrote a tree"
}

head -c 3000000 /dev/zero >"$dir/disk"
dump --dump-dtb "$dir/plain.dtb" -p 'a="b c"' &&
	dump --dump-dtb "$dir/many.dtb" -c 300 -m 6G -i "$dir/disk" --serial 1=null \
		--serial 2=null --serial 3=null &&
	dump --dump-dtb "$dir/disks.dtb" -d "$dir/disk,ro" -d "$dir/disk,ro" --rng off \
		--machine tables=acpi
judge "trees of several machines" \
	"$([ $? = 0 ] && [ "$(ls "$dir"/*.dtb | wc -l)" = 3 ] || echo "not written")"
judge "dtc has no warning" "$(trees dtc -I dtb -O dts)"
if command -v dt-validate >/dev/null; then
	judge "dt-validate has no complaint" "$(trees dt-validate)"
else
	tests/deps.sh without dt-schema "dtb: dt-validate has no complaint"
fi
judge "what is in one" "$(dtc -q -I dtb -O dts "$dir/many.dtb" >"$dir/dts" || echo "dtc fails"
	[ "$(grep -c 'cpu@' "$dir/dts") $(grep -c 'serial@' "$dir/dts")" = "300 4" ] ||
		echo "not 300 CPUs and 4 serial ports"
	grep -q 'linux,initrd-end' "$dir/dts" || echo "no initrd")"

dump --dtb "$dir/disks.dtb" --dump-dtb "$dir/again" && cmp -s "$dir/disks.dtb" "$dir/again"
judge "--dtb's file as it is" "$([ $? = 0 ] || echo "another tree")"
judge "to a pipe" "$(set -o pipefail
	dump -p 'a="b c"' --dump-dtb /dev/stdout | cmp - "$dir/plain.dtb" 2>&1 ||
		echo "exit code $?")"
head -c 200 "$dir/plain.dtb" >"$dir/short"
judge "a short file" "$(refused 'short: a truncated device tree' --dtb "$dir/short")"
judge "no device tree" "$(refused 'disk: ' --dtb "$dir/disk")"
judge "a text" "$(refused 'not a flattened device tree' --dtb tests/dtb.sh)"
judge "no file" "$(refused 'nowhere: cannot open the device tree' --dtb "$dir/nowhere")"
judge "a folder" "$(refused 'a directory' --dtb "$dir")"
dump -k build/guest/payload.pvh --machine tables=dt --dump-dtb "$dir/pvh"
judge "a vmlinux that has a PVH entry, too" "$([ -s "$dir/pvh" ] || echo "no tree")"
judge "a kernel without Linux's entry" "$(refused \
	'payload.mb1: takes no device tree' -k build/guest/payload.mb1)"
# Their ports must not clash; compare board.c.
dump --testdev --debug-exit --cpuid +hyperv --machine tables=dt --entry 64 --serial 1=null \
	--serial 2=null --serial 3=null --dump-dtb "$dir/all.dtb" -- /bin/true 2>"$dir/err"
judge "a machine with every device" "$([ $? = 0 ] || echo "exit code $?: $(head -n 1 "$dir/err")")"
# The MP table has ids of eight bits.
judge "more CPUs than the MP table can name" "$(
	dump --machine tables=mp -c 254 --dump-dtb "$dir/mp" 2>&1 || echo "254: exit code $?"
	dump --machine tables=acpi+mp -c 300 --dump-dtb "$dir/mp" 2>&1 || echo "300: exit code $?"
	"$kvm" run -k $kernel --machine tables=mp -c 300 --dump-dtb "$dir/mp" </dev/null 2>&1 |
		grep -q 'kvm: -c 300: the MP table can name only 254 CPUs' || echo "not said")"
judge "a machine without dt" "$(refused 'tables=dt' --dtb "$dir/plain.dtb" --machine tables=mp)"
judge "an unknown table" "$(refused 'acpi, mp and dt' --machine tables=fdt)"

# A file that cannot be written completely leaves the previous one, and nothing else.
cp "$dir/plain.dtb" "$dir/kept"
said=$(trap '' XFSZ; ulimit -f 0; dump --dump-dtb "$dir/kept" -c 100 2>&1)
rc=$?
judge "no half file" "$([ $rc = 125 ] && [ -n "$said" ] || echo "exit code $rc: $said"
	cmp "$dir/plain.dtb" "$dir/kept" 2>&1; ls "$dir" | grep 'kept\.')"

exit $failed
