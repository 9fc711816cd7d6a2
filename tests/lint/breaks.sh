#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows that each rule of the lint fails when it is broken: breaks a copy of the tree in every way
# that there is a rule against, one at a time, and looks for the words that the lint must then
# print. Needs what `make all payload` has made. Prints a result line for each.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The copies consist of hard links: files in them must be replaced, never written to.
mkdir "$work/good"
{
	git ls-files -co --exclude-standard | grep -v '/seeds/'
	find build/obj/{main.o,kvm,x86,hw,virtio,guest} build/guest-init build/payload -name '*.o'
} | while read -r file; do [ ! -e "$file" ] || echo "$file"; done |
	xargs cp --parents -t "$work/good" || exit 1
git init -q "$work/good"

failed=0
# breaks NAME WORDS COMMAND...: the copy in the working folder is broken; COMMAND must report it
breaks() {
	local name=$1 words=$2 out
	shift 2
	if out=$("$@" 2>&1); then
		out="it passed"
	elif grep -qF -e "$words" <<<"$out"; then
		echo "ok lint: each rule fails when it is broken: $name"
		return
	fi
	tail -5 <<<"$out"
	echo "not ok lint: each rule fails when it is broken: $name: no word of: $words"
	failed=1
}
house() { breaks "$2" "$3" tests/lint/house.py "$1"; }

fresh() {
	rm -rf "$work/bad"
	cp -al "$work/good" "$work/bad" && cd "$work/bad" || exit 1
}

# append FILE TEXT...: lines at its end
append() {
	local file=$1
	shift
	{ [ ! -e "$file" ] || cat "$file"; printf '%s\n' "$@"; } >new
	mv new "$file"
}

# compile FILE...
compile() {
	local file
	for file; do
		rm -f "build/obj/${file%.c}.o"
		"${CC:-gcc}" -std=gnu11 -O2 -Iinclude -I. -D_GNU_SOURCE -c \
			-o "build/obj/${file%.c}.o" "$file" || exit 1
	done
}

# call FILE FUNCTION: adds a call
call() {
	append "$1" "void break_it(void); void break_it(void) { extern void $2(); $2(); }"
	compile "$1"
}

graph() {
	fresh
	append kvm/base/pathglob.c 'extern void (*const break_table[])(void);' \
		'void break_code(void); void break_code(void) { break_table[0](); }'
	append kvm/base/strlist.c 'void break_code(void);' \
		'extern void (*const break_table[])(void);' \
		'void (*const break_table[])(void) = { break_code };'
	compile kvm/base/pathglob.c kvm/base/strlist.c
	house circles "a circle of files, by a table" "circle of files: kvm/base/pathglob.c -> \
kvm/base/strlist.c (break_table) -> kvm/base/pathglob.c (break_code)"

	fresh
	call kvm/base/strlist.c bus_insert
	house circles "a circle of folders" "-> kvm (strlist.c: bus_insert)"
	house calls "a call to a folder above" "kvm/base must not call kvm (strlist.c: bus_insert)"

	fresh
	append virtio/virtqueue.c 'void break_there(void); void break_there(void) {}'
	compile virtio/virtqueue.c
	call hw/ports.c break_there
	house calls "a call to a folder beside" "hw must not call virtio (ports.c: break_there)"

	fresh
	call kvm/verdict.c arch_break
	house calls "arch_ in the core" "kvm/verdict.c: calls arch_break"

	fresh
	sed -i 's/^virtio: .*/& kvm\/chardev/' tests/lint/house.py
	house calls "an entry that no object needs" \
		"virtio: MAY_CALL lists kvm/chardev, which nothing in it calls"
	sed -i 's/^virtio: .*/& x86/' tests/lint/house.py
	house calls "a table upside down" "virtio: MAY_CALL lists x86, which has a higher floor"
}

headers() {
	fresh
	append include/hw/break.h '/* nothing */'
	append hw/ports.c '#include "hw/break.h"'
	house headers "a private header in include/" "include/hw/break.h: only hw/ includes it"

	fresh
	append x86/board/board.c '#include "virtio/disk/disk_impl.h"'
	house headers "another's private header" \
		"x86/board/board.c: includes virtio/disk/disk_impl.h, which is private to virtio/"

	fresh
	append include/hw/serial.h '#include "kvm/base/strlist.h"'
	house headers "a private header of a public one" \
		"include/hw/serial.h: includes kvm/base/strlist.h, which is private to kvm/"
}

names() {
	fresh
	cp kvm/base/strlist.c hw/
	cp kvm/base/strlist.h include/hw/
	house names "two sources of a name" "strlist.c: the name occurs twice: hw/strlist.c, kvm/"
	house names "two headers of a name" "strlist.h: the name occurs twice: "
	for i in {1..25}; do echo >hw/break_$i.c; done
	house names "too many files" "hw: 32 C files, not 3 to 24"
	find kvm/config -name '*.c' | tail -n +3 | xargs rm
	house names "too few files" "kvm/config: 2 C files, not 3 to 24"
}

text() {
	local word
	fresh
	append hw/ports.c 'void break_it(void)' '{' "$(yes ';' | head -49)" '}'
	breaks "a long function" ": 51 lines: void break_it(void)" python3 tests/lint/length.py

	fresh
	append hw/ports.c "$(printf '\t/* %089d */' 0)"
	breaks "a long line" ": 103 columns, not 100" tests/lint/text.py columns
	append hw/ports.c '/* What nobody is' ' * told. */'
	word=told # the lint must not find the phrase here
	breaks "a phrase" "\"is $word\": say who" tests/lint/text.py phrases
}

# These two are slower, and broken in several ways at once.
others() {
	local said
	fresh
	append hw/ports.c 'void break_it(void) { exit(ioctl(0, KVM_GET_REGS)); }'
	append virtio/virtio.c '#include "kvm/vm.h"' '#include "hw/rtc.h"'
	append hw/break.h 'struct nothing break_it;'
	said=$(tests/lint/layers.sh 2>&1)
	for words in 'only main() ends the process' 'use kvm_ioctl()' 'virtio/ sees kvm/ only' \
		'devices are handed what they use' 'hw/break.h: does not compile alone' \
		'hw/break.h: no SPDX line'; do
		breaks "layers: $words" "$words" eval 'echo "$said"; false'
	done

	fresh
	append hw/ports.c 'int break_it;'
	compile hw/ports.c
	breaks "a writable global" "hw/ports.o: break_it is a writable global" tests/lint/globals.sh
}

graph
headers
names
text
others
exit $failed
