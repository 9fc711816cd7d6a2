#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests `kvm inspect` on each format, in text and as JSON, which jq reads: the payload in all its
# forms (make payload), and every malformed kernel of tests/tools/make_images.py. Prints `ok NAME`
# or `not ok NAME: why`. No /dev/kvm is needed. KVM_BIN and PAYLOAD_DIR as in tests/payload.sh.
set -u
cd "$(dirname "$0")/.." || exit 1
kvm=${KVM_BIN:-build/kvm}
images=${PAYLOAD_DIR:-build/guest}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
rc=0

judge() { # NAME WHY
	if [ -z "$2" ]; then
		echo "ok inspect $1"
		return
	fi
	echo "not ok inspect $1: $2"
	rc=1
}

# says FILE CODE FILTER...: the exit code, and each jq filter is true; with ${options[@]}
options=()
says() {
	local file=$1 code=$2 why= filter got
	shift 2
	"$kvm" inspect "$file" "${options[@]}" --json >"$dir/json" 2>"$dir/err"
	got=$?
	[ $got = "$code" ] || why="exit code $got, not $code: $(head -1 "$dir/err")"
	for filter; do
		jq -e "$filter" "$dir/json" >/dev/null 2>"$dir/jq" ||
			why=${why:-"not $filter: $(head -c 200 "$dir/json" | tr '\n' ' '
				)$(head -1 "$dir/jq")"}
	done
	judge "$(basename "$file")" "$why"
}

# Checks that the text has a line for each name that the JSON has.
same_names() { # FILE
	local names lines missing=
	names=$(set -o pipefail
		"$kvm" inspect --json "$1" |
			jq -r '[paths | map(strings) | last] | unique[] | strings') &&
		[ -n "$names" ] || missing="the JSON has none"
	lines=$("$kvm" inspect "$1" | sed -E 's/^[ -]*([a-z_0-9]+).*/\1/')
	missing=${missing:-$(grep -vxF -f <(echo "$lines") <<<"$names")}
	judge "$(basename "$1"): text and JSON have the same names" "$missing"
}

formats() {
	says "$images/payload.bzimage" 0 '.format == "bzImage"' '.started_by == "64-bit entry"' \
		'.protocol == "2.15"' \
		'.refused == null' '.cmdline_limit == 2047' '.setup_header | length == 39' \
		'.setup_header.kernel_alignment == "0x100000"' \
		'.setup_header.syssize * 16 == .segments[0].file_bytes' \
		'.kernel_version == "1.0-payload (kvm'"'"'s own tests) #1"' \
		'.xloadflags == ["KERNEL_64"]' \
		'[.entries[].address] == ["0x100200", "0x100000", "0x90200"]'
	says "$images/payload32.bzimage" 0 '.started_by == "32-bit entry"'
	says "$images/payload.pvh" 0 '.format == "ELF"' '.elf_bits == 64' \
		'.started_by == "PVH entry"' \
		'.notes[0].name == "Xen" and .notes[0].type == 18' '.segments | length == 1'
	says "$images/payload.elf64" 0 '.started_by == "64-bit entry"' '.notes == []'
	says "$images/payload.mb1" 0 '.elf_bits == 32' '.started_by == "Multiboot entry"' \
		'.multiboot_header == "0x1000"'
	says "$images/payload.mb2" 0 '.started_by == "Multiboot 2 entry"' \
		'.multiboot2_header == "0x1000"'
	says "$images/flat16.bin" 125 '.format == "unknown"' '.started_by == null' \
		'.refused | test("--entry 16")'
	options=(--entry 16)
	says "$images/flat16.bin" 0 '.format == "flat binary"' \
		'.started_by == "real mode at its load address"' '.load_address == "0x7c00"' \
		'.refused == null'
	options=(--entry 32 --load 0x200000)
	says "$images/flat16.bin" 0 '.entries == [{"entry": .started_by, "address": "0x200000"}]' \
		'.segments[0].memory_bytes == .file_bytes'
	options=(--entry pvh)
	says "$images/payload.mb1" 125 '.refused | test("--entry pvh; it has 32")'
	options=()
	for f in payload.bzimage payload.pvh payload.mb2; do same_names "$images/$f"; done
}

# A vmlinux has several banners: a format string, that of the kernel's first link, which has no
# number, and its own.
banner() {
	local long
	long=1.2-a' '$(head -c 160 /dev/zero | tr '\0' c)
	cp "$images/payload.elf64" "$dir/banners"
	printf '%s\0' 'Linux version %s (%s)' "Linux version $long # SMP
" "Linux version $long #7 SMP
" | dd of="$dir/banners" bs=1 seek=$((0x2000)) conv=notrunc status=none
	says "$dir/banners" 0 ".kernel_version == \"$long #7 SMP\""
}

# For a file that cannot be started, the JSON is one valid object, too, with the reason.
malformed() {
	local kind image what why=
	python3 tests/tools/make_images.py "$dir" >"$dir/list" && [ -s "$dir/list" ] ||
		why="make_images.py failed"
	while read -r kind image what; do
		# tests/malformed.sh tests files that cannot be opened, and errors that need a
		# machine to be found.
		case $kind:$image in
		initrd:* | *:empty | *:absent | *:folder | *:locked | *:pipe) continue ;;
		*:needs-2G | *:init-size-max | *:no-parameters-fit) continue ;;
		esac
		"$kvm" inspect "$dir/$image" --json >"$dir/json" 2>"$dir/err"
		[ $? = 125 ] || why="$why $image: exit code;"
		jq -e --arg what "$what" '.refused | contains($what)' "$dir/json" >/dev/null 2>&1 ||
			why="$why $image: $(head -c 200 "$dir/json" | tr '\n' ' ');"
		[ ! -s "$dir/err" ] || why="$why $image: $(head -1 "$dir/err")"
	done <"$dir/list"
	judge "every malformed kernel: why it is refused" "$why"
}

formats
banner
malformed
exit $rc
