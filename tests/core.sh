#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows that the core is one: boots the payload in each of its formats, and a stock kernel with a
# serial console, with tests/core/tiny.c, a launcher of a hundred lines over the core and little
# else. Needs `make tiny payload`. Prints `ok NAME` or `not ok NAME: why`; fails when one is not ok.
# Environment: TINY the launcher, PAYLOAD_DIR the images, KERNEL the stock kernel (default: cloud).
set -u
cd "$(dirname "$0")/.." || exit 1
tiny=${TINY:-build/tiny}
images=${PAYLOAD_DIR:-build/guest}
if [ -z "${KERNEL:-}" ]; then
	KERNEL=$(tests/kernels.sh cloud)/vmlinuz || exit 1
	export KERNEL
fi
lines=$(wc -l <tests/core/tiny.c)
[ "$lines" -le 100 ] || { echo "not ok core: tiny.c has $lines lines, not 100"; exit 1; }
tests/hostkvm.sh >/dev/null || exec tests/nest --timeout 600 tests/core.sh "$@"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

# boots NAME LINE EXIT-CODE KERNEL PARAMETERS: LINE (a pattern) is on the console
boots() {
	local name=$1 line=$2 want=$3 rc
	timeout "${LIMIT:-300}" "$tiny" "$4" "$5" </dev/null >"$work/out" 2>"$work/err"
	rc=$?
	if [ $rc = "$want" ] && grep -qaE "$line" "$work/out"; then
		echo "ok core: $name"
		return
	fi
	tail -n 3 "$work/out" "$work/err"
	echo "not ok core: $name: exit code $rc, want $want, or no line $line"
	failed=1
}

for format in bzimage pvh elf64 mb1 mb2; do
	boots "a payload, $format" '^done hello: 0 failed' 0 "$images/payload.$format" test=hello
done
# It has no root to mount; then it resets the machine by a triple fault.
boots "a stock kernel, to its last line" 'Kernel panic .* VFS: Unable to mount root' 121 "$KERNEL" \
	'console=ttyS0 panic=-1 reboot=t'
exit $failed
