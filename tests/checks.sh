#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/checks.sh
#
# Tests verdicts and reports on console output: with the payload guest, which prints a given text,
# and with a stock kernel (here or in a nested machine) that crashes, hangs a task, warns, reports
# tests, or boots well. Prints `ok NAME`, `not ok NAME: why`, `skip NAME: why`; the output is kept
# in build/checks.
#
# PARTS="payload stock" runs those parts only. By hand, with one boot for each case: PARTS=faults
# makes a stock kernel commit more faults with our module (guest/faults); PARTS=debug uses our own
# kernel, which can detect the remaining classes (guest/tiny-debug.config), and runs test suites;
# ONLY="debug-kasan ..." selects some of these.
set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
unset GITHUB_ACTIONS GITLAB_CI
dir=${NEST_OUT:-build/checks}
rm -rf "${dir:?}"/*
mkdir -p $dir/in $dir/out
failed=0

judge() { # NAME WHY
	if [ -z "$2" ]; then
		echo "ok checks: $1"
	else
		echo "not ok checks: $1: $2"
		failed=1
	fi
}

# json FILE EXPRESSION: whether the report has it (r is the report)
json() {
	python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2]))' "$1" "$2"
}

# say NAME RC LAST-LINE REPORT TEXT [OPTION]...: a guest that prints TEXT, in printf's notation.
# LAST-LINE of stderr: an extended pattern for all of it. REPORT is what the report must fulfil; one
# Python checks it for all guests when they have run: in a nested machine it takes seconds to start.
claims=0
say() {
	local name=$1 rc=$2 line=$3 report=$4 got why= r=$dir/reports/$claims
	rm -f $r.*
	printf "$5" >$r.text
	shift 5
	timeout 30 "$KVM_BIN" run -k build/guest/payload.bzimage -m 64M -p "test=${TEST:-say}" \
		-i $r.text --report $r.json \
		--junit $r.xml --tap $r.tap --log $r.log "$@" </dev/null >$r.out 2>$r.err
	got=$?
	if [ $got != "$rc" ]; then why="exit code $got instead of $rc; $(tail -n 1 $r.err)"
	elif ! tail -n 1 $r.err | grep -qxE "kvm: $line"; then
		why="the last line is \"$(tail -n 1 $r.err)\""
	elif ! head -n 2 $r.tap | tail -n 1 | grep -qx "1..$(grep -cE '^(not )?ok ' $r.tap)"; then
		why="the TAP's plan is wrong"
	elif ! cmp -s $r.log $r.out; then why="--log is not the console"
	elif ls $dir/reports | grep -q '\.tmp$'; then why="a temporary file is left"
	fi
	if [ -n "$why" ]; then
		judge "$name" "$why"
		return
	fi
	printf '%s\0' "$name" $r.json "r['exit_code'] == $rc and ($report)" $r.xml \
		>>$dir/reports/claims
	claims=$((claims + 1))
}

payload() {
	mkdir -p $dir/reports
	said
	python3 tests/checks/claims.py <$dir/reports/claims || failed=1
}

said() {
	local ktap warning panic off='the guest powered off'
	ktap='KTAP version 1\n1..2\n    KTAP version 1\n    # Subtest: suite\n    1..2\n'
	ktap+='    ok 1 a\n    # b: EXPECTATION FAILED\n    not ok 2 b\nnot ok 1 suite\n'
	ktap+='ok 2 other # SKIP why\n'
	warning='a\n------------[ cut here ]------------\nWARNING: CPU: 0 PID: 1 at f\n'
	panic='Oops: 0000 [#1]\n---[ end trace 0 ]---\n'
	panic+='Kernel panic - not syncing: Fatal exception\n'
	panic+='---[ end Kernel panic - not syncing: Fatal exception ]---\n'
	say "expectations in order" 0 'all expectations were met: 2 of 2' 'r["verdict"] == "met"' \
		'one\ntwo\nthree\n' --expect one --expect '^three$'
	say "expectations out of order" 122 "$off; expectation /one/ was not met" \
		'r["verdict"] == "failed"' 'one\ntwo\n' --expect two --expect one
	say "expectations in any order" 0 'all expectations were met: . of .' 'True' 'one\ntwo\n' \
		--expect two --expect one --expect-any
	say "no newline behind what is expected" 0 "$off" 'r["expectations"][0]["line"] == 2' \
		'a\nlogin: ' --expect 'login: $'
	TEST=say,1 say "a prompt, and then silence" 0 'all expectations were met: . of .' 'True' \
		'a\nlogin: ' --expect 'login: $'
	say "colours are not seen" 0 'all expectations were met: . of .' 'True' \
		'\033[1mOK\033[0m done\r\n' --expect '^OK done$'
	say "forbidden" 122 'line 2 of the console matches /b.d/' \
		'r["failures"][0]["kind"] == "forbidden"' 'good\nbad\n' --fail-on 'b.d'
	TEST=say,1 say "a forbidden prompt, and then silence" 122 \
		'line 2 of the console matches /.\(initramfs.\)/' \
		'r["failures"][0]["kind"] == "forbidden"' 'a\n(initramfs) ' \
		--fail-on '\(initramfs\)'
	TEST=say,1 say "a kernel report, cut out" 122 \
		'the kernel reported warning in line 2: WARNING: CPU: 0 .*' \
		'r["failures"][0]["excerpt"].count("\n") == 3' \
		"$warning"'---[ end trace 0 ]---\nb\n' --fail-on-warning
	TEST=say,1,400 say "a kernel report that comes slowly" 122 \
		'the kernel reported warning in line 2: .*' \
		'r["failures"][0]["excerpt"].count("\n") == 9' \
		"$warning"'RIP: f\na\nb\nc\nd\ne\n---[ end trace 0 ]---\nb\n' --fail-on-warning
	TEST=say,1 say "a kernel report without an end" 122 \
		'the kernel reported oops in line 1: .*' 'True' \
		'Oops: 0000 [#1]\nRIP: f\n' --fail-on-warning
	TEST=say,1 say "an Oops that leads to a panic" 120 'the guest kernel panicked' \
		'r["kernel_reports"] == 2' "$panic" --fail-on-warning
	say "kernel reports are not forbidden by default" 0 "$off" 'r["kernel_reports"] == 1' \
		'Oops: 0000 [#1]\n'
	TEST=say,1 say "silence" 124 'the console was silent for 2 s' 'r["verdict"] == "timeout"' \
		'a\n' --idle-timeout 2
	TEST=say,1 say "a time-out says what has not come" 124 \
		'timed out after 2 s; expectation /x/ was not met' 'True' 'a\n' --timeout 2 \
		--expect x
	say "tests" 122 '1 of 3 tests failed, the first: suite.b' 'r["tests"]["skipped"] == 1' \
		"$ktap"
	say "tests that are all good" 0 "$off" 'r["tests"]["passed"] == 2' \
		'TAP version 13\n1..2\nok 1 a\nok 2 b\n' --ktap
	say "tests that do not come" 122 'the console had no test results' 'True' 'a\n' --ktap
	say "a text that would like to be markup" 122 'line 1 .*' 'True' \
		'</failure>]]><x a="&\377\001\n\\"}\n' --fail-on failure
}

# The guest's output must not be a command to GitHub's runner: its console is between two lines with
# a token, and the rest is taken apart.
github() {
	local why= out=$dir/github.out err=$dir/github.err token
	printf '::error::mine\n##[error]mine\n  ::set-env name=a::b\n::0123456789abcdef::\nend' \
		>$dir/text
	GITHUB_ACTIONS=true timeout 30 "$KVM_BIN" run -k build/guest/payload.bzimage -m 64M \
		-p test=say -i $dir/text --fail-on nothing \
		--expect 'x##[[]y' </dev/null >$out 2>$err
	token=$(sed -n '1s/^::stop-commands::\([0-9a-f]\{32\}\)$/\1/p' $out)
	if [ -z "$token" ]; then why="the console is not guarded"
	elif ! sed "1,/^::$token::\$/d" $out | head -n 1 | grep -q '^::group::'; then
		why="the guard does not end before the annotations"
	elif [ "$(sed "1,/^::$token::\$/d" $out | grep -cE '^[[:space:]]*::')" != 3 ]; then
		why="there are other commands than ours"
	elif sed "1,/^::$token::\$/d" $out | grep -qF '##[error]'; then
		why="a command of the guest's is left"
	elif ! grep -q '^::error title=kvm run (failed)::' $out; then why="no annotation"
	elif grep -qE '^[[:space:]]*::|##\[error' $err; then why="a command on standard error"
	fi
	judge "annotations on GitHub" "$why"
}

# Ended by a signal: the reports are there, and no process or file is left. The same when the
# launcher's parent is killed.
signals() {
	local why= pid parent
	"$KVM_BIN" run -k build/guest/payload.bzimage -m 64M -p test=spin --grace 0 \
		--report $dir/s.json </dev/null >/dev/null 2>&1 &
	pid=$!
	sleep 1
	kill $pid
	wait $pid
	[ $? = 143 ] || why="exit code not 143"
	grep -q '"verdict": "signal"' $dir/s.json || why="no report of it"
	judge "a report after SIGTERM" "$why"
	why="it runs on"
	bash -c '"$0" run -k build/guest/payload.bzimage -m 64M -p test=spin --grace 0 \
			--die-with-parent --report '$dir'/p.json </dev/null >/dev/null 2>&1 &
		echo $!; wait' "$KVM_BIN" >$dir/pid &
	parent=$!
	for _ in {1..50}; do [ -s $dir/pid ] && break; sleep 0.1; done
	sleep 1
	pid=$(cat $dir/pid)
	kill -9 $parent
	wait $parent 2>/dev/null
	for _ in {1..50}; do [ -d /proc/$pid ] || { why=; break; }; sleep 0.1; done
	[ -z "$why" ] && [ ! -s $dir/p.json ] && why="no report"
	judge "--die-with-parent" "$why"
}

stock() { # CASE NAME RC LAST-LINE REPORT
	local rc why=
	rc=$(cat $dir/out/$1.rc 2>/dev/null)
	if [ -z "$rc" ]; then why="it was not run: $(tail -n 1 $dir/nest.log)"
	elif [ "$rc" != "$3" ]; then why="exit code $rc instead of $3; $(tail -n 1 $dir/out/$1.err)"
	elif ! tail -n 1 $dir/out/$1.err | grep -qxE "kvm: $4"; then
		why="the last line is \"$(tail -n 1 $dir/out/$1.err)\""
	elif ! json $dir/out/$1.json "$5"; then why="the report has not got $5"
	fi
	judge "${whose:-stock kernel}: $2" "$why"
}

stock_kernel() {
	local kernel i
	if ! kernel=$(tests/kernels.sh cloud 2>$dir/err); then
		echo "skip checks: stock kernel: $(tail -n 1 $dir/err)"
		return
	fi
	cp "$(realpath "$kernel/vmlinuz")" $dir/in/vmlinuz
	truncate -s 16M $dir/in/disk &&
		PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 $dir/in/disk || {
		judge "stock kernel" "no disk"
		return
	}
	tests/initrd.sh --kernel "$kernel" --modules "virtio_mmio virtio_blk" $dir/in/initrd \
		tests/checks/guest.sh || {
		judge "stock kernel" "no initrd"
		return
	}
	if tests/hostkvm.sh >/dev/null; then
		tests/checks/job.sh $dir/in $dir/out >$dir/nest.log 2>&1
	else
		tests/nest --timeout 900 --out $dir/out tests/checks/job.sh $dir/in $dir/out \
			>$dir/nest.log 2>&1
	fi
	stock crash "sysrq c" 120 'the guest kernel panicked' \
		'any(f["class"] == "panic" and "sysrq" in f["title"]
			and "end Kernel panic" in f["excerpt"] for f in r["failures"])'
	stock early "a warning at boot" 122 'the kernel reported warning .*rcu_init_geometry.*' \
		'"---[ end trace" in r["failures"][0]["excerpt"]'
	stock hung "a hung task" 122 \
		'the kernel reported hung task in line .*: INFO: task touch.*' \
		'"Call Trace" in r["failures"][0]["excerpt"]'
	stock warning "a warning by printk" 122 'the kernel reported warning .*' \
		'r["failures"][0]["excerpt"].count("\n") == 3'
	stock ktap "tests in printk's lines" 122 '1 of 3 tests failed, the first: second' \
		'r["tests"]["skipped"] == 1'
	stock met "booted" 0 'all expectations were met: 2 of 2' 'r["kernel_reports"] == 0'
	for i in ${ROUNDS:-1}; do
		stock "clean$i" "a clean boot has no report ($i)" 0 'the guest powered off' \
			'r["kernel_reports"] == 0'
	done
}

case " ${PARTS:-payload stock} " in *" payload "*)
	if tests/hostkvm.sh >/dev/null; then
		payload
		github
		signals
	else
		PARTS=payload tests/nest --timeout 900 --out $dir/payload tests/checks.sh ||
			failed=1
	fi
	;;
esac
# Each class that a stock kernel can be made to report.
faults() {
	local kernel module text title
	if ! kernel=$(tests/kernels.sh cloud 2>$dir/err) ||
		! module=$(tests/fault-module.sh "$kernel" 2>$dir/err); then
		echo "skip checks: faults: $(tail -n 1 $dir/err)"
		return
	fi
	cp "$(realpath "$kernel/vmlinuz")" $dir/in/vmlinuz
	tests/initrd.sh --kernel "$kernel" --add "$module:/faults.ko" $dir/in/initrd \
		tests/checks/guest.sh || {
		judge "faults" "no initrd"
		return
	}
	set -- warning oops bug atomic softlockup hung panic
	if tests/hostkvm.sh >/dev/null; then
		tests/checks/job.sh $dir/in $dir/out "$@" >$dir/nest.log 2>&1
	else
		limit=${LIMIT:-200} tests/nest --timeout 1700 --out $dir/out tests/checks/job.sh \
			$dir/in $dir/out "$@" >$dir/nest.log 2>&1
	fi
	text='r["failures"][0]["excerpt"]'
	stock fault-warning "WARN()" 122 \
		'the kernel reported warning in line .*: WARNING: CPU: .* at .*faults_init.*' \
		"'asked for' in $text and '---[ end trace' in $text"
	title='BUG: kernel NULL pointer dereference, address: 0*10'
	stock fault-oops "a bad pointer" 122 "the kernel reported oops in line .*: $title" \
		"'commit_oops' in $text and '---[ end trace' in $text"
	stock fault-bug "BUG()" 122 \
		'the kernel reported bug in line .*: kernel BUG at .*faults.c:.*' \
		"'invalid opcode' in $text and '---[ end trace' in $text"
	stock fault-atomic "sleeping where nobody may" 122 \
		'the kernel reported bug in line .*: BUG: scheduling while atomic: insmod.*' \
		"'commit_atomic' in $text"
	title='watchdog: BUG: soft lockup - CPU#0 stuck .*'
	stock fault-softlockup "a soft lock-up" 122 \
		"the kernel reported soft lockup in line .*: $title" \
		"'commit_softlockup' in $text and '</TASK>' in $text"
	title='INFO: task insmod:.* blocked for more than .*'
	stock fault-hung "a hung task, by the module" 122 \
		"the kernel reported hung task in line .*: $title" "'Call Trace' in $text"
	stock fault-panic "panic()" 120 'the guest kernel panicked' \
		'r["failures"][0]["class"] == "panic"'
}

# Tests the classes of faults that a stock kernel cannot detect, and test suites in the kernel, with
# a kernel of our own that has them.
debug() {
	local kernel
	if ! kernel=$(tests/tiny-kernel.sh debug 2>$dir/err); then
		echo "skip checks: debug: $(tail -n 1 $dir/err)"
		return
	fi
	cp "$kernel/vmlinuz" $dir/in/vmlinuz
	tests/initrd.sh --add "$(command -v chrt):/bin/chrt" $dir/in/initrd \
		tests/checks/guest.sh || {
		judge "debug" "no initrd"
		return
	}
	set -- debug-lockdep debug-kasan debug-kfence debug-ubsan debug-rcu debug-softlockup \
		debug-hung debug-warning debug-bug debug-oops debug-panic \
		kunit-list-kunit-test kunit-kfence
	cases=" ${ONLY:-$*} "
	# shellcheck disable=SC2086 # words
	limit=${LIMIT:-400} tests/nest --timeout 5000 --out $dir/out tests/checks/job.sh $dir/in \
		$dir/out $cases >$dir/nest.log 2>&1
	whole lockdep lockdep "WARNING: lock held when returning to user space!" \
		" #0: .*lock_me_up[\s\S]*" # the writer's next lines may follow
	whole kasan kasan "BUG: KASAN: .* in lkdtm_WRITE_AFTER_FREE" "====="
	whole kfence kfence "BUG: KFENCE: use-after-free write in lkdtm_WRITE_AFTER_FREE" "====="
	whole ubsan ubsan "UBSAN: array-index-out-of-bounds in drivers/misc/lkdtm" "====="
	whole rcu "rcu stall" "rcu: INFO: rcu_.*detected stall" "</TASK>"
	whole softlockup "soft lockup" "watchdog: BUG: soft lockup - CPU#0 stuck for .*script:" \
		"</TASK>"
	whole hung "hung task" "INFO: task script:.* blocked for more than" "</TASK>"
	whole warning warning "WARNING: CPU: .* at drivers/misc/lkdtm" "---. end trace"
	whole bug bug "kernel BUG at drivers/misc/lkdtm" "---. end trace"
	whole oops oops "BUG: unable to handle page fault for address" "---. end trace"
	whose="debug kernel" among debug-panic stock debug-panic panic 120 \
		'the guest kernel panicked' '"---[ end Kernel panic" in r["failures"][0]["excerpt"]'
	suite list-kunit-test "KUnit, all is well" 0 'the guest halted' \
		'r["tests"]["passed"] == 39 and not r["tests"]["failed"]' 40 0
	suite kfence "KUnit, a suite that fails" 122 \
		'25 of 25 tests failed, the first: kfence.test_out_of_bounds_read' \
		'r["tests"]["failed"] == 25' 26 26
}

among() { # CASE COMMAND...: if CASE is selected
	[[ "$cases" != *" $1 "* ]] || "${@:2}"
}

# The first report has this class and this title, and ends with the line LAST.
whole() { # CASE CLASS TITLE LAST
	whose="debug kernel" among "debug-$1" stock "debug-$1" "$2" 122 \
		"the kernel reported $2 in line .*: $3.*" \
		"__import__('re').search(r'(^|\] ) ?$4[^\n]*\n\$', r['failures'][0]['excerpt'])"
}

# The JUnit file must have that many tests and failures, the machine's own end included.
suite() { # SUITE NAME RC LAST-LINE REPORT TESTS FAILURES
	local why=
	[[ "$cases" == *" kunit-$1 "* ]] || return
	whose="debug kernel" stock "kunit-$1" "$2" "$3" "$4" "$5"
	python3 - "$dir/out/kunit-$1.xml" "$6" "$7" \
		<<-'END' >&2 || why="$1.xml is not what it should be"
		import sys, xml.etree.ElementTree as E
		suite = E.parse(sys.argv[1]).getroot()[0]
		tests, failures = suite.findall("testcase"), suite.findall("testcase/failure")
		counts = [len(tests), len(failures)]
		assert counts == [int(suite.get("tests")), int(suite.get("failures"))]
		assert counts == [int(n) for n in sys.argv[2:]]
	END
	judge "debug kernel: $2: JUnit" "$why"
}

case " ${PARTS:-payload stock} " in *" faults "*) faults ;; esac
case " ${PARTS:-payload stock} " in *" debug "*) debug ;; esac
case " ${PARTS:-payload stock} " in *" stock "*) stock_kernel ;; esac
exit $failed
