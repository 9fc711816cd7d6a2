#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures, by hand, what the flight recorder costs in the counting nest, in instructions an exit:
# compares build/kvm with the same program whose recorder_put() is empty. Fails when the cost is
# more than 2 % of a port access. (Both read the processor's clock, because it also decides when
# registers are sampled.)
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=build/bench/recorder
if [ "${1:-}" = --rows ]; then # in the nest, where this file is in /nest
	for _ in 1 2 3; do # the median goes past the first, which warms up
		for row in p100 p1100 s100 s1100 m100 m1100; do
			for l in with without; do
				/nest/stamp -x 20 -l "$row/$l" -o "$NEST_OUT/rows" \
					-e "$NEST_OUT/$l.err" \
					-c "$NEST_OUT/console" -m up=up -m end=end "/nest/$l" run \
					-m 256M -k /nest/guest.bzimage -p "@$row" </dev/null
			done
		done
	done
	exit
fi
rm -rf $dir/out
mkdir -p $dir/kvm $dir/out
# An empty body before the file's own is found.
sed '/^static inline void recorder_put(/,/^}/{/^{/,/^}/d}' include/kvm/recorder.h |
	sed 's/^static inline void recorder_put(.*/&\n{\n\t(void)r;\n\t(void)head;\n\t(void)value;\n}/' \
		>$dir/new.h
! grep -q 'e->head = head' $dir/new.h ||
	{ echo "recorder.sh: recorder_put() is not empty; has its form changed?" >&2; exit 1; }
cmp -s $dir/new.h $dir/kvm/recorder.h || cp $dir/new.h $dir/kvm/recorder.h
make -s
make -s O=build/obj-norecorder CC="${CC:-gcc} -I$dir" >/dev/null
make -s -B -f Makefile -f tests/bench/Makefile.inc bench-programs
cp build/kvm $dir/with
cp build/obj-norecorder/bin/kvm $dir/without
tests/nest --count --timeout 900 --out $dir/out --copy $dir/with --copy $dir/without \
	--copy build/bench/stamp --copy build/bench/guest.bzimage tests/bench/recorder.sh --rows
exec python3 tests/bench/recorder_report.py $dir/out/rows
