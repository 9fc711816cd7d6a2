#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every malformed kernel and initrd of tests/tools/make_images.py, given to `kvm run`: each must end with exit code 125
# and exactly one line, which begins with "kvm: ", names the file and says what is wrong with it. No /dev/kvm is needed.
# KVM_BIN names the program (default build/kvm), best one built with sanitizers: their reports are failures too.
set -u
cd "$(dirname "$0")/.." || exit 1
kvm=${KVM_BIN:-build/kvm}
limit_s=20

if [ ! -x "$kvm" ]; then
	echo "not ok malformed: $kvm is not there; make it first"
	exit 1
fi
if ! command -v python3 >/dev/null; then
	echo "skip malformed: no python3"
	exit 0
fi

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
rc=0

# judge NAME FILE WHAT CODE: looks at $dir.err
judge() {
	local name=$1 file=$2 what=$3 code=$4 why=
	local lines
	lines=$(wc -l <"$dir/err")
	if [ "$code" = 124 ]; then
		why="still running after $limit_s s"
	elif grep -qE 'Sanitizer|runtime error' "$dir/err"; then
		why="a sanitizer's report"
	elif [ "$code" != 125 ]; then
		why="exit code $code, not 125"
	elif [ "$lines" != 1 ]; then
		why="$lines lines, not 1"
	elif ! grep -qF -- "kvm: $file: " "$dir/err"; then
		why="the line does not begin with \"kvm: $file: \""
	elif ! grep -qF -- "$what" "$dir/err"; then
		why="nothing about \"$what\""
	fi
	if [ -z "$why" ]; then
		echo "ok malformed $name"
		return
	fi
	echo "not ok malformed $name: $why: $(head -c 300 "$dir/err" | tr '\n' '|')"
	rc=1
}

python3 tests/tools/make_images.py "$dir" >"$dir/list" && [ -s "$dir/list" ] || {
	echo "not ok malformed: make_images.py failed"
	exit 1
}
while read -r kind image what; do
	args=(-k "$dir/$image")
	[ "$kind" = initrd ] && args=(-k "$dir/good" -i "$dir/$image")
	run=("$kvm")
	# Root reads everything: these are run by nobody, from a copy that nobody can reach.
	if [ "$image" = locked ] && [ "$(id -u)" = 0 ]; then
		cp "$kvm" "$dir/kvm"
		run=(setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/kvm")
	fi
	timeout $limit_s "${run[@]}" run -q -m 256M "${args[@]}" </dev/null >/dev/null 2>"$dir/err"
	judge "$kind $image" "$dir/$image" "$what" $?
done <"$dir/list"
exit $rc
