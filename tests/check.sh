#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every test: `make check`. Each step prints lines
#     ok NAME | not ok NAME: why | skip NAME: why
# which are counted; the last line is `N passed, N failed` (and skipped, when some were). In CI (CI=true) a skipped boot
# test is a failure. STEPS="unit fuzz" runs those steps only.
set -u
cd "$(dirname "$0")/.." || exit 1
mkdir -p build/check
log=build/check/results
: >$log
jobs=$(nproc)
FIRST_STEPS="build lint unit tsan fuzz acpi dtb malformed inspect disk payload gallery boot"
# A nested machine takes one processor: these go side by side, two at a time.
LANES=("net gdb budget checks gallery_stock" "console virtio command disk_guest")
lane=''
started=$SECONDS

say() { echo "$*" | tee -a $log; }

# expect NAME COMMAND...: one test that passes when the command does; its output is shown when it fails
expect() {
	local name=$1 out=build/check/out$lane rc
	shift
	"$@" >$out 2>&1
	rc=$?
	if [ $rc = 0 ]; then
		say "ok $name"
	else
		tail -40 $out
		say "not ok $name: exit code $rc"
	fi
}

# lines COMMAND...: a script that prints the result lines itself
lines() {
	local out=build/check/lines$lane rc
	"$@" 2>&1 | tee $out
	rc=${PIPESTATUS[0]}
	grep -E '^(ok|not ok|skip) ' $out >>$log
	grep -qE '^(ok|not ok|skip) ' $out || say "not ok $1: it printed no result"
	[ "$rc" = 0 ] || grep -q '^not ok ' $out || say "not ok $1: exit code $rc"
}

step_build() {
	expect "build: gcc" make -j"$jobs"
	expect "build: clang" make -j"$jobs" CC=clang O=build/obj-clang
	expect "build: dynamic" make -j"$jobs" STATIC=0
	expect "build: links libc and libfdt only" tests/lint/libs.sh build/obj-dynamic/bin/kvm
	expect "build: one static binary by default" tests/lint/libs.sh build/kvm static
	expect "build: install and uninstall" tests/lint/install.sh
}

step_lint() {
	expect "lint: layers, headers, SPDX" tests/lint/layers.sh
	expect "lint: no writable globals" tests/lint/globals.sh
	expect "lint: function length" python3 tests/lint/length.py
	expect "lint: manual" tests/lint/docs.sh
	expect "lint: format" make -s check-format
	expect "lint: cppcheck" make -s cppcheck
	expect "lint: clang-tidy" make -s -j"$jobs" clang-tidy
}

# cmocka's own report, a line a test
unit_lines() {
	local name out=build/check/unit
	for program in "$@"; do
		name=$(basename "$program")
		timeout 120 "$program" >$out 2>&1
		rc=$?
		sed -nE "s|^\[ +OK \] (.*)|ok unit $name: \1|p; s|^\[ +FAILED +\] ([a-z_0-9]+)\$|not ok unit $name: \1|p" $out | sort -u
		if [ $rc != 0 ]; then
			tail -30 $out
			grep -qE '^\[ +FAILED' $out || echo "not ok unit $name: exit code $rc"
		fi
	done
}

step_unit() {
	expect "unit: build with ASan and UBSan" make -j"$jobs" SAN=1 unit-programs all
	lines unit_lines $(find build/obj-san/unit -type f -executable | sort)
}

step_tsan() {
	expect "tsan: build" make -j"$jobs" TSAN=1 unit-programs
	for t in loop chardev serial rtc core virtio_mmio disk net_vhost; do
		[ -x build/obj-tsan/unit/test_$t ] || continue
		expect "tsan: test_$t" timeout 120 build/obj-tsan/unit/test_$t
	done
}

step_fuzz() {
	expect "fuzz: build" make -j"$jobs" fuzz-programs
	for f in tests/fuzz/fuzz_*.c; do
		name=$(basename "$f" .c)
		expect "fuzz: $name, fixed seed" make -s fuzz-one FUZZ="$name" FUZZ_ARGS="-seed=1 -runs=${FUZZ_RUNS:-20000} -max_total_time=8"
	done
}

step_acpi() { lines tests/acpi.sh; }
step_dtb() {
	expect "dtb: build" make -j"$jobs" all payload
	lines tests/dtb.sh
}
step_malformed() {
	expect "malformed: build with ASan and UBSan" make -j"$jobs" SAN=1 all
	KVM_BIN=build/obj-san/bin/kvm lines tests/malformed.sh
}
step_inspect() {
	expect "inspect: build" make -j"$jobs" SAN=1 all payload
	KVM_BIN=build/obj-san/bin/kvm lines tests/inspect.sh
}
# A short run of each; tests/disk.sh alone does much more.
step_disk() { OPS=${OPS:-300} ROUNDS=${ROUNDS:-5} POWER_ROUNDS=${POWER_ROUNDS:-3} lines tests/disk.sh; }
# A stock kernel's disks in the nested machine; tests/disk-nest.sh and tests/disk-boot.sh alone do more.
step_disk_guest() {
	expect "disk_guest: build" make -j"$jobs" all
	ROUNDS=${ROUNDS:-3} lines tests/disk-nest.sh qcow2 queues snapshot kill
	lines tests/disk-boot.sh raw qcow2
}
step_net() { lines tests/net.sh; }
step_virtio() { lines tests/virtio.sh; }
step_console() {
	expect "console: build" make -j"$jobs" all
	lines tests/console.sh
}
step_checks() {
	expect "checks: build" make -j"$jobs" all payload
	lines tests/checks.sh
}
step_command() {
	expect "command: build" make -j"$jobs" all
	lines tests/command.sh
}
step_payload() {
	expect "payload: build" make -j"$jobs" all payload
	lines tests/payload.sh
	expect "hostile: build with ASan and UBSan" make -j"$jobs" SAN=1 all
	KVM_BIN=build/obj-san/bin/kvm lines tests/hostile.sh
}
step_gdb() {
	expect "gdb: build" make -j"$jobs" all payload
	lines tests/gdb.sh
}
step_gallery() {
	expect "gallery: build" make -j"$jobs" all broken
	lines tests/gallery.sh
}
step_gallery_stock() { lines tests/gallery-stock.sh; }
step_boot() {
	expect "boot: build" make -j"$jobs" all
	lines tests/boot.sh
}
step_budget() { lines tests/budget.sh; }

tests/deps.sh build check || say "not ok deps: some packages cannot be installed"
steps() {
	local s
	for s; do
		echo "== $s ($((SECONDS - started)) s)"
		step_"$s"
	done
}
side_by_side() {
	local i
	for i in "${!LANES[@]}"; do
		# shellcheck disable=SC2086
		(lane=.$i; steps ${LANES[i]}) >build/check/lane.$i 2>&1 &
	done
	wait
	cat build/check/lane.*
}
if [ -n "${STEPS:-}" ]; then
	# shellcheck disable=SC2086
	steps $STEPS
else
	# shellcheck disable=SC2086
	steps $FIRST_STEPS
	make -s -j"$jobs" all payload
	side_by_side
fi

passed=$(grep -c '^ok ' $log)
failed=$(grep -c '^not ok ' $log)
skipped=$(grep -c '^skip ' $log)
if [ "$failed" != 0 ]; then
	echo "== failed:"
	grep '^not ok ' $log
fi
if [ "$skipped" != 0 ]; then
	echo "== skipped:"
	grep '^skip ' $log
	if [ "${CI:-}" = true ]; then
		echo "(in CI a skipped test is a failed one)"
		failed=$((failed + skipped))
	fi
fi
echo "== $((SECONDS - started)) s"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
