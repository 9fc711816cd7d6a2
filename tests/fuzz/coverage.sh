#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/fuzz/coverage.sh [SECONDS [NAME...]]
#
# Prints which share of the lines of each source file the fuzz targets reach (all targets, or those
# named: fuzz_blk ...), with their seeds and with what earlier runs left in build/fuzz/corpus, after
# SECONDS (0) more of fuzzing each. Files that no target reaches are left out. Needs clang's
# llvm-profdata and llvm-cov.

set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-0}
shift $(($# > 0))
names=("$@")
[ $# -gt 0 ] || for f in tests/fuzz/fuzz_*.c; do names+=("$(basename "$f" .c)"); done
version=$(clang -dumpversion)
tool() {
	command -v "$1-${version%%.*}" || command -v "$1" || {
		echo "coverage.sh: $1 is not installed" >&2
		exit 1
	}
}
profdata=$(tool llvm-profdata)
cov=$(tool llvm-cov)
out=build/fuzz-coverage
objects=()

make -s -j"$(nproc)" COVERAGE=1 "${names[@]/#/$out/}"
rm -f $out/*.profraw
for name in "${names[@]}"; do
	mkdir -p "build/fuzz/corpus/$name" "$out/new/$name"
	run=-runs=0
	[ "$seconds" = 0 ] || run=-max_total_time=$seconds
	LLVM_PROFILE_FILE=$out/$name.profraw "$out/$name" -rss_limit_mb=4096 -timeout=20 "$run" \
		"$out/new/$name" \
		"build/fuzz/corpus/$name" "tests/fuzz/seeds/${name#fuzz_}" >"$out/$name.log" 2>&1 ||
		{ tail -20 "$out/$name.log"; exit 1; }
	objects+=(-object "$out/$name")
done
"$profdata" merge -sparse -o $out/all.profdata $out/*.profraw
"$cov" export -summary-only -instr-profile $out/all.profdata "${objects[@]:1}" kvm x86 hw virtio |
	python3 -c '
import json, os, sys
total = [0, 0]
for f in sorted(json.load(sys.stdin)["data"][0]["files"], key=lambda f: f["filename"]):
    covered, count = (f["summary"]["lines"][k] for k in ("covered", "count"))
    if covered:
        total = [total[0] + covered, total[1] + count]
        name = os.path.relpath(f["filename"])
        print("%-32s%6d of %5d lines %6.1f %%" % (name, covered, count, 100 * covered / count))
print("%-32s%6d of %5d lines %6.1f %%" % ("", *total, 100 * total[0] / total[1]))
'
