#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs every test: `make check`. Each step prints lines
#     ok NAME | not ok NAME: why | skip NAME: why
# which are counted; the last line is `N passed, N failed` (and skipped, when some were). In CI
# (CI=true) a skipped test is a failure. A test that needs what this distribution has no package for
# is not counted, but named at the end:
#     left out: NAME: why
# STEPS="unit fuzz" runs those steps only.
#
# First everything is built, with all processors. Then as many steps as there are processors run
# side by side, the longest first, and each shows its lines when it ends. The output of a step is in
# build/check/STEP.out. When three steps or fewer have failed, they run once more, alone (see
# again).
set -u
cd "$(dirname "$0")/.." || exit 1
dir=build/check
jobs=$(nproc)
# In the order in which they start: most need a nested machine, which keeps one processor busy for
# minutes.
ALL_STEPS="kernels disk_guest boot_others lint virtio boot_reports net gallery_stock checks command
	share payload fuzz console hostile unit terminal disk budget gdb soak tsan smoke gallery
	control demo core acpi dtb contacts malformed inspect"
started=$SECONDS
rm -rf $dir
mkdir -p $dir

# expect NAME COMMAND...: one test that passes when the command does; its output is shown when it
# fails
expect() {
	local name=$1 out rc
	shift
	out=$("$@" 2>&1)
	rc=$?
	if [ $rc = 0 ]; then
		echo "ok $name"
	else
		tail -40 <<<"$out"
		echo "not ok $name: exit code $rc"
	fi
}

# lines COMMAND...: a script that prints the result lines itself
lines() {
	local out=$dir/$step.lines rc
	"$@" 2>&1 | tee "$out"
	rc=${PIPESTATUS[0]}
	grep -qE '^(ok|not ok|skip|left out:) ' "$out" || echo "not ok $1: it printed no result"
	[ "$rc" = 0 ] || grep -q '^not ok ' "$out" || echo "not ok $1: exit code $rc"
}

# Runs before the other steps, and alone, so that they find everything built. A step builds what it
# needs itself only when it is selected by name.
step_build() {
	expect "build: gcc" make -j"$jobs"
	expect "build: clang" make -j"$jobs" CC=clang O=build/obj-clang
	expect "build: dynamic" make -j"$jobs" STATIC=0
	expect "build: with ASan and UBSan" make -j"$jobs" SAN=1 unit-programs all
	expect "build: with TSan" make -j"$jobs" TSAN=1 unit-programs
	expect "build: fuzz targets" make -j"$jobs" fuzz-programs
	expect "build: guests" make -j"$jobs" payload broken
	expect "build: links libc and libfdt only" tests/lint/libs.sh build/kvm-dynamic
	expect "build: one static binary by default" tests/lint/libs.sh build/kvm static
	expect "build: install and uninstall" tests/lint/install.sh
}

# Downloads stock kernels and builds one of our own, unless they are in the cache.
step_kernels() {
	expect "kernels: the distribution's" tests/kernels.sh cloud full backport i386
	expect "kernels: ours" tests/tiny-kernel.sh
}

step_lint() {
	made all payload
	expect "lint: layers, headers, SPDX" tests/lint/layers.sh
	expect "lint: no circles of files or folders" tests/lint/house.py circles
	expect "lint: folders call only what they may" tests/lint/house.py calls
	expect "lint: headers" tests/lint/house.py headers
	expect "lint: names and sizes" tests/lint/house.py names
	expect "lint: columns" tests/lint/text.py columns
	expect "lint: plain English" tests/lint/text.py phrases
	expect "lint: no writable globals" tests/lint/globals.sh
	expect "lint: function length" python3 tests/lint/length.py
	expect "lint: manual" tests/lint/docs.sh
	lines tests/lint/breaks.sh
	lines tests/lint/format.py
	expect "lint: cppcheck" make -s cppcheck
	expect "lint: clang-tidy" make -s -k clang-tidy TIDY_NODES=75000
}

# cmocka's own report, a line a test. A program that exits in the middle of the tests prints no sum.
unit_lines() {
	local name out=$dir/unit.cmocka results=$dir/unit.results rc
	for program; do
		name=$(basename "$program")
		timeout 120 "$program" >$out 2>&1
		rc=$?
		sed -nE -e "s|^\[ +OK \] (.*)|ok unit $name: \1|p" \
		-e "s|^\[ +FAILED +\] ([a-z_0-9]+)\$|not ok unit $name: \1|p" $out |
		sort -u | tee $results
		if [ $rc != 0 ]; then
			tail -30 $out
			grep -q '^not ok ' $results || echo "not ok unit $name: exit code $rc"
		elif ! grep -q '^\[  PASSED  \] [1-9]' $out; then
			echo "not ok unit $name: it ended without cmocka's sum"
		fi
	done
}

step_unit() {
	made SAN=1 unit-programs
	lines unit_lines $(find build/obj-san/unit -type f -executable | sort)
}

step_tsan() {
	made TSAN=1 unit-programs
	for t in loop chardev serial rtc core vm virtio_mmio disk net_vhost vhost_user; do
		expect "tsan: test_$t" timeout 120 build/obj-tsan/unit/test_$t
	done
}

step_fuzz() {
	made fuzz-programs
	for f in tests/fuzz/fuzz_*.c; do
		name=$(basename "$f" .c)
		expect "fuzz: $name, fixed seed" make -s fuzz-one FUZZ="$name" \
			FUZZ_ARGS="-seed=1 -runs=${FUZZ_RUNS:-20000} -max_total_time=3"
	done
}

step_acpi() {
	made all
	lines tests/acpi.sh
}
step_dtb() {
	made all payload
	lines tests/dtb.sh
}
step_malformed() {
	made SAN=1 all
	KVM_BIN=build/obj-san/bin/kvm lines tests/malformed.sh
}
step_contacts() {
	made all payload
	lines tests/contacts.sh
}
step_inspect() {
	made SAN=1 all payload
	KVM_BIN=build/obj-san/bin/kvm lines tests/inspect.sh
}
# A short run of each; tests/disk.sh alone does much more.
step_disk() {
	OPS=${OPS:-300} ROUNDS=${ROUNDS:-5} POWER_ROUNDS=${POWER_ROUNDS:-3} lines tests/disk.sh
}
# A stock kernel's disks in the nested machine; tests/disk-nest.sh and tests/disk-boot.sh alone do
# more.
step_disk_guest() {
	made all
	ROUNDS=${ROUNDS:-2} lines tests/disk-nest.sh queues snapshot kill
	lines tests/disk-boot.sh qcow2
}
step_net() {
	made all
	lines tests/net.sh
}
step_virtio() {
	made all
	lines tests/virtio.sh
}
step_console() {
	made all
	lines tests/console.sh
}
step_checks() {
	made all payload
	lines tests/checks.sh
}
step_smoke() {
	made all payload broken
	lines tests/smoke.sh
}
step_command() {
	made all
	lines tests/command.sh
}
step_share() {
	made all
	lines tests/share.sh refused ends folders overlay # root death user: by hand
}
step_payload() {
	made all payload
	lines tests/payload.sh
}
step_core() {
	made tiny payload
	lines tests/core.sh
}
step_hostile() {
	made SAN=1 all payload
	KVM_BIN=build/obj-san/bin/kvm lines tests/hostile.sh
}
step_soak() {
	made all payload
	BOOTS=${BOOTS:-40} lines tests/soak.sh
}
step_gdb() {
	made all payload
	lines tests/gdb.sh
}
step_gallery() {
	made all broken
	lines tests/gallery.sh
	mkdir -p build/gallery/second
	lines tests/nest --timeout 900 --out build/gallery/second tests/gallery.sh late \
		page-table-hole stack-overflow
}
step_control() {
	made all payload broken
	lines tests/control.sh
}
step_gallery_stock() {
	made all
	lines tests/gallery-stock.sh
}
step_boot_reports() {
	made all
	BOOT_DIR=build/boot-reports lines tests/boot.sh reports
}
step_boot_others() {
	made all
	lines tests/boot.sh others
}
step_terminal() {
	made all
	BOOT_DIR=build/boot-terminal lines tests/boot.sh terminal
}
step_budget() {
	made all
	lines tests/budget.sh
}

# `make demo` as CI or a pipe starts it, and how it ends when the guest misbehaves.
step_demo() {
	made all
	expect "demo: boots to a shell, runs uname and powers off" demo_ends
	expect "demo: a guest that says nothing" exits 124 env LIMIT=1 tests/demo-typist sleep 60
	expect "demo: a guest that ends too early" exits 1 tests/demo-typist true
	expect "demo: a launcher that fails" exits 7 tests/demo-typist sh -c 'exit 7'
}
demo_ends() {
	timeout 900 make -s demo </dev/null 2>&1 | tee $dir/demo.said
	[ "${PIPESTATUS[0]}" = 0 ] && grep -qa '^Linux guest ' $dir/demo.said &&
		grep -qa '^kvm: the guest powered off' $dir/demo.said
}
exits() { # CODE COMMAND...
	local want=$1 rc
	shift
	"$@"
	rc=$?
	[ $rc = "$want" ] || { echo "exit code $rc"; return 1; }
}

# made TARGET...: runs make for them once, even when several steps need them at the same time
made() {
	local out
	out=$(flock $dir/make.lock make -j"$jobs" "$@" 2>&1) && return
	tail -40 <<<"$out"
	echo "not ok $step: make $* failed"
}

# Runs one step: shows its lines in one piece, keeps them, and measures its time and its CPU time. A
# step that ends by an error of its own, such as an unset variable, leaves no times.
run_step() { # STEP
	local before=$SECONDS
	step=$1
	rm -f $dir/"$step.times"
	({ "step_$step" 2>&1; times >$dir/"$step.times"; } >$dir/"$step.out")
	[ -e $dir/"$step.times" ] ||
		echo "not ok $step: it did not come to its end" >>$dir/"$step.out"
	grep -qaE '^(ok|not ok|skip|left out:) ' $dir/"$step.out" ||
		echo "not ok $step: it printed no result" >>$dir/"$step.out"
	(
		flock 9
		echo "== $step (begun at $((before - started)) s, took $((SECONDS - before)) s," \
			"$(cpu_of "$step") of CPU)"
		cat $dir/"$step.out"
	) 9>$dir/say.lock
}
cpu_of() {
	[ ! -e $dir/"$1.times" ] ||
		awk -F'[ms ]+' 'NR == 2 { printf "%.0f s", $1 * 60 + $2 + $3 * 60 + $4 }' \
			$dir/"$1.times"
}

# A lane takes the next step of the list until there is none.
lane() {
	local next
	while next=$(flock $dir/todo.lock sh -c "head -n 1 $dir/todo && sed -i 1d $dir/todo") &&
		[ -n "$next" ]; do
		(run_step "$next")
	done
}

# Most steps use emulated machines, whose clocks run on while a busy host gives them no processor. A
# step that failed has a second try with the host to itself. Steps that fail again have failed;
# steps that pass only on the second try are reported as unsteady: the test may be, or the program.
again() {
	local failed
	failed=$(cd $dir && grep -laE '^not ok ' -- *.out | sed 's/\.out$//' |
		grep -vxE 'build|deps|lint')
	[ "$(wc -w <<<"$failed")" -le 3 ] || return
	for step in $failed; do
		grep -a '^not ok ' $dir/"$step.out" >>$dir/unsteady
		mv $dir/"$step.out" $dir/"$step.first"
		echo "== $step failed, and is run once more, alone"
		(run_step "$step")
	done
}

tests/deps.sh build check || echo "not ok deps: some packages cannot be installed" |
	tee $dir/deps.out
if [ -n "${STEPS:-}" ]; then
	begun=$STEPS
	for s in $STEPS; do
		(run_step "$s")
	done
else
	begun="build $ALL_STEPS"
	(run_step build)
	printf '%s\n' $ALL_STEPS >$dir/todo
	for ((i = 0; i < jobs; i++)); do
		lane &
	done
	wait
	again
fi

# A lane that ends early, for example because the disk is full, leaves the rest of the list.
unrun=
for s in $begun; do
	[ -s $dir/"$s.out" ] || unrun+=" $s"
done
cat $dir/*.out | grep -aE '^(ok|not ok|skip) ' >$dir/results
passed=$(grep -c '^ok ' $dir/results)
failed=$(grep -c '^not ok ' $dir/results)
skipped=$(grep -c '^skip ' $dir/results)
if [ -s $dir/unsteady ]; then
	echo "== failed at first, among other steps:"
	cat $dir/unsteady
fi
if [ "$failed" != 0 ]; then
	echo "== failed:"
	grep '^not ok ' $dir/results
fi
if [ -n "$unrun" ]; then
	echo "== not run:$unrun"
fi
if grep -qa '^left out: ' $dir/*.out; then
	echo "== not counted, as this distribution has no package for it:"
	cat $dir/*.out | grep -a '^left out: '
fi
if [ "$skipped" != 0 ]; then
	echo "== skipped:"
	grep '^skip ' $dir/results
	if [ "${CI:-}" = true ]; then
		echo "(in CI a skipped test is a failed one)"
		failed=$((failed + skipped))
	fi
fi
echo "== $((SECONDS - started)) s"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ -z "$unrun" ] && [ -s $dir/results ]
