#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/acpi.sh
#
# Checks the ACPI tables of several machines with iasl (acpica-tools): iasl disassembles them and
# compiles them again. It must find nothing wrong, and the result must have the same bytes, except
# for the header fields that name the compiler.
#
# DUMP_TABLES names the program of tests/tools/dump_tables.c; by default it is compiled here with
# $CC (cc). One line a test: "ok NAME", "not ok NAME: why", "skip NAME: why". Exits 1 after a "not
# ok".

set -u
cd "$(dirname "$0")/.." || exit 1

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0

if ! command -v iasl >/dev/null 2>&1; then
	tests/deps.sh without acpica-tools acpi
	exit 0
fi

dump=${DUMP_TABLES:-}
if [ -z "$dump" ]; then
	dump=$tmp/dump_tables
	if ! ${CC:-cc} -std=gnu11 -O1 -D_GNU_SOURCE -Iinclude -I. -o "$dump" \
		tests/tools/dump_tables.c \
		x86/tables/{acpi,aml,dsdt,madt,mptable,table}.c kvm/gmem.c \
		kvm/base/{log,outfd,quote,endsignal,clock,spawn}.c \
		-pthread 2>"$tmp/cc"; then
		echo "not ok acpi: dump_tables does not compile: $(head -n 1 "$tmp/cc")"
		exit 1
	fi
fi

not_ok() { # NAME WHY
	echo "not ok $1: $2"
	failed=1
}

# same FILE FILE: equal except for checksum, creator and its revision (offsets 9, 28 to 35).
same() {
	[ "$(stat -c %s "$1")" = "$(stat -c %s "$2")" ] || return 1
	cmp -l "$1" "$2" |
		awk '!($1 == 10 || $1 >= 29 && $1 <= 36) { other = 1 } END { exit other }'
}

# round_trip DIR TABLE: prints what is wrong, if anything.
round_trip() {
	local d=$1 t=$2 said
	(cd "$d" && iasl -d "$t.dat" && mkdir -p again && iasl -we -p "again/$t" "$t.dsl") \
		>"$d/$t.log" 2>&1 ||
		{ echo "iasl fails: $(grep -m 1 -iE 'error|warning|fail' "$d/$t.log")"; return; }
	said=$(grep -m 1 -iE '(error|warning|remark) +[0-9]+ -|invalid|incorrect|truncat|unknown' \
		"$d/$t.log")
	[ -z "$said" ] || { echo "iasl says: $said"; return; }
	grep -q '^Compilation successful. 0 Errors, 0 Warnings, 0 Remarks' "$d/$t.log" ||
		{ echo "iasl says: $(grep -m 1 '^Compilation' "$d/$t.log")"; return; }
	same "$d/$t.dat" "$d/again/$t.aml" || echo "compiled again it is another table"
}

machine() { # NAME NR_CPUS DEVICE...
	local name=$1 d=$tmp/$1 t why
	shift
	mkdir -p "$d"
	if ! why=$("$dump" "$d" "$@" 2>&1); then
		not_ok "acpi-$name" "$why"
		return
	fi
	for t in dsdt facp apic xsdt rsdt; do
		why=$(round_trip "$d" $t)
		if [ -z "$why" ]; then
			echo "ok acpi-$name-$t"
		else
			not_ok "acpi-$name-$t" "$why"
		fi
	done
}

virtio() { # NR MODE
	local i
	for ((i = 0; i < $1; i++)); do
		printf 'LNRO0005,uid=%d,mem=%#x+0x1000,irq=%d:%s\n' "$i" \
			$((0xd0000000 + i * 0x1000)) $((5 + i % 19)) "$2"
	done
}

pc="PNP0B00,io=0x70+2,irq=8 PNP0501,uid=1,io=0x3f8+8,irq=4"
pc+=" PNP0303,io=0x60+1,io=0x64+1,irq=1 PNP0F13,irq=12 button,irq=9"
machine bare 1
machine pc 1 $pc
machine four 4 $pc PNP0501,uid=2,io=0x2f8+8,irq=3:shared $(virtio 3 edge)
machine level 2 $pc $(virtio 8 level:shared)
machine full 64 $pc $(virtio 64 level:shared)
machine xapic 255 $pc
machine x2apic 300 $pc $(virtio 2 edge)
machine thousand 1000 $pc
machine motherboard 1 $pc PNP0C02,io=0x600+3,io=0x80+1,io=0xcf9+1,io=0x92+1

exit $failed
