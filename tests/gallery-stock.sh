#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests the gallery of stock kernels that do not boot: the distribution's cloud kernel, broken from
# outside in one way each (tests/gallery/stock-job.sh), all in one nested machine. Also tests the
# boot timeline and the early consoles.
#
# Kernels get updated, so the texts of a guest and its post-mortem are not compared as a whole.
# tests/gallery/stock/CASE has the exit code and regular expressions: `out` (the console), `err`
# (the launcher) and `json` (a trace) precede those of lines that must be there, `!out` and `!err`
# those of lines that must not.
#
# ONLY="CASE..." selects some. Prints `ok NAME`, `not ok NAME: why`, `skip NAME: why`. The output is
# kept in build/gallery/stock.
set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
in=build/gallery/in out=build/gallery/stock
mkdir -p build/gallery
failed=0

prepare() {
	local dir
	mkdir -p $in && rm -rf $out && mkdir -p $out &&
	dir=$(tests/kernels.sh cloud) && ln -sfn "$(realpath "$dir/vmlinuz")" $in/cloud &&
	python3 tests/tools/break_kernel.py payload $in/cloud $in/flipped &&
	python3 tests/tools/vmlinux.py $in/cloud $in/vmlinux &&
	python3 tests/tools/break_kernel.py entry $in/vmlinux $in/ud2.vmlinux &&
	objcopy -O binary $in/vmlinux $in/flat &&
	tests/initrd.sh --tiny $in/tiny.initrd &&
	${CC:-gcc} -O2 -static -o $in/mark tests/tools/mark.c &&
	tests/initrd.sh --add $in/mark:/mark $in/mark.initrd tests/gallery/mark.sh &&
	tests/initrd.sh $in/sysrq.initrd tests/gallery/sysrq.sh &&
	tests/initrd.sh --gzip $in/whole.initrd &&
	head -c $(($(stat -c %s $in/whole.initrd) * 2 / 3)) $in/whole.initrd \
		>$in/truncated.initrd &&
	echo 'not a program' >$in/text-init && chmod 755 $in/text-init &&
	tests/initrd.sh --plain --add $in/text-init:/init $in/text-init.initrd
}

# Prints what is wrong with CASE: patterns that are missing, or there and should not be.
lacks() {
	local kind pattern
	[ -e $out/"$1".rc ] || { echo "it was not run: $(tail -n 1 $out/nest.log)"; return; }
	while read -r kind pattern; do
		case $kind in
		'#'*|'') ;;
		exit) grep -qxE "$pattern" $out/"$1".rc ||
			echo "exit code $(cat $out/"$1".rc), not $pattern;" ;;
		!*) ! tr -d '\r' <$out/"$1"."${kind#!}" | grep -qE -- "$pattern" ||
			echo "there is \"$pattern\";" ;;
		*) tr -d '\r' <$out/"$1"."$kind" | grep -qE -- "$pattern" ||
			echo "no \"$pattern\";" ;;
		esac
	done <tests/gallery/stock/"$1"
}

mkdir -p build/gallery
# A kernel cannot run where KVM emulates ring 0, so the cases always run in the nested machine.
if ! prepare >$in.log 2>&1; then
	tail -3 $in.log
	echo "not ok gallery-stock: cannot prepare the kernels"
	exit 1
fi
cases=${ONLY:-$(ls tests/gallery/stock)}
for c in $cases; do
	[ -s tests/gallery/stock/"$c" ] || { echo "not ok gallery-stock $c: no such case"; exit 1; }
done
tests/nest --timeout 900 --out $out tests/gallery/stock-job.sh $in $out $cases >$out/nest.log 2>&1
for c in $cases; do
	why=$(lacks "$c" | tr '\n' ' ')
	if [ -z "$why" ] && grep -q '[.]core' tests/gallery/stock/"$c"; then
		why=$(tests/tools/core_check.py $out/$c.core 2>&1 >$out/$c.core.txt)
		rm -f $out/$c.core
	fi
	if [ -n "$why" ]; then
		echo "not ok gallery-stock $c: $why"
		failed=1
	else
		echo "ok gallery-stock $c"
	fi
done
exit $failed
