#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/smoke.sh [CASE]...
#
# Tests `kvm smoke`, `kvm report merge`, the recipes of docs/many, and `git bisect run kvm run`,
# with payload guests as kernels. Prints `ok NAME`, `not ok NAME: why`, `skip NAME: why`; the output
# is kept in build/smoke.
#
# By hand, in some minutes:
#   late   waits until the smoke run kills a launcher that hangs
#   stock  boots three Linux kernels, one of them broken, on two CPU counts and three memory sizes
#          in the nested machine, as a whole and as two parts
#   clean  boots Linux there BOOTS (200) times; no boot may have a kernel report
set -u
cd "$(dirname "$0")/.." || exit 1
KVM_BIN=$(realpath "${KVM_BIN:-build/kvm}")
export KVM_BIN KVM=$KVM_BIN
unset GITHUB_ACTIONS GITLAB_CI
case ${1:-} in
stock | clean) ;; # they have nested machines of their own
*) tests/hostkvm.sh >/dev/null ||
	exec tests/nest --timeout 1500 --out build/smoke tests/smoke.sh "$@" ;;
esac
top=$PWD dir=$PWD/build/smoke
if [ -n "${KVM_NEST:-}" ]; then
	dir=/tmp/smoke
	trap 'cp -r /tmp/smoke/. "$NEST_OUT"' EXIT
fi
failed=0

judge() { # NAME WHY
	if [ -z "$2" ]; then
		echo "ok smoke: $1"
	else
		echo "not ok smoke: $1: $2"
		failed=1
	fi
}

# Enters an empty folder, with two good kernels and a broken one.
enter() {
	rm -rf "$dir/$1"
	mkdir -p "$dir/$1/k/one" "$dir/$1/k/two" "$dir/$1/k/broken"
	cd "$dir/$1" || exit 1
	cp "$top/build/guest/payload.bzimage" k/one/bzImage
	cp "$top/build/guest/payload.bzimage" k/two/bzImage
	cp "$top/build/guest/broken/missing-idt.bzimage" k/broken/bzImage
	cat >ci.smoke <<-'END'
		# three kernels, one of them broken, on six machines
		kernel  = k/*/bzImage
		cpus    = 1 2
		mem     = 64M 128M 1G
		params  = test=hello
		expect  = hello from
		timeout = 100
	END
	why=
}

run() { # RC ARG...: kvm ARG..., its streams in `out` and `err`
	local want=$1 rc
	shift
	"$KVM_BIN" "$@" >out 2>err </dev/null
	rc=$?
	[ -n "$why" ] || [ $rc = "$want" ] ||
		why="kvm $*: exit code $rc instead of $want; $(tail -n 1 err)"
}

has() { # FILE REGEX
	[ -n "$why" ] || grep -qE -- "$2" "$1" || why="$1 has no line $2"
}

hasnt() { # FILE REGEX
	[ -n "$why" ] || ! grep -qE -- "$2" "$1" || why="$1 has a line $2"
}

same() { # JSON JSON: equal except for the time it took
	[ -n "$why" ] || { [ -s "$1" ] && [ -s "$2" ]; } || why="$1 or $2 is empty"
	[ -n "$why" ] || cmp -s <(sed 's/"duration_ms": [0-9]*//' "$1") \
		<(sed 's/"duration_ms": [0-9]*//' "$2") || why="$1 and $2 are not the same"
}

# Checks that a JUnit file has that many tests, of which that many have failed.
junit() { # FILE TESTS FAILURES
	[ -n "$why" ] || python3 - "$@" <<-'END' || why="$1 is not what it should be"
		import sys, xml.etree.ElementTree as E
		suite = E.parse(sys.argv[1]).getroot()[0]
		tests = suite.findall("testcase")
		failures = suite.findall("testcase/failure")
		counts = [suite.get("tests"), suite.get("failures")]
		sys.exit(counts + [str(len(tests)), str(len(failures))] != sys.argv[2:] * 2)
	END
}

case_matrix() {
	local i broken=kvm-smoke/0001-k_broken_bzImage-c1-m64M rc
	enter matrix
	run 122 smoke ci.smoke -j 3 --report all.json --junit all.xml
	has out '^0001-k_broken_bzImage-c1-m64M .* FAILED .*triple fault'
	has out '^0018-k_two_bzImage-c2-m1G  *2  *1G  passed'
	has out '^18 boots: 12 passed, 6 failed$'
	has err '^kvm: 0001-.*: failed: triple fault.*; see kvm-smoke/0001-'
	hasnt err $'\r|\033'
	junit all.xml 18 6
	[ -n "$why" ] || [ "$(ls kvm-smoke | wc -l)" = 6 ] ||
		why="there are other folders than those of the six that failed"
	has $broken/messages 'CR2|RIP='
	has $broken/report.json '"verdict": "crash"'
	[ -n "$why" ] || [ -e $broken/console ] || why="the console is not kept"
	if [ -z "$why" ]; then
		(cd / && "$dir/matrix/$broken/command" >/dev/null 2>&1 </dev/null)
		rc=$?
		[ $rc = 121 ] || why="the command by itself exits with $rc"
	fi
	judge "3 kernels, 2 CPU counts, 3 memory sizes; what failed is kept" "$why"
	for i in 1 2; do
		run 122 smoke ci.smoke -j 3 --shard $i/2 --report $i.json
		has out '^18 boots: 6 passed, 3 failed, 9 missing$'
	done
	run 122 report merge 2.json 1.json --report merged.json --junit merged.xml
	same all.json merged.json
	junit merged.xml 18 6
	run 122 report merge 2.json --junit part.xml
	junit part.xml 10 4
	judge "two parts merged are the whole" "$why"
	run 125 report merge 1.json 1.json
	has err 'is also in an earlier report'
	head -c 1000 1.json >cut.json
	run 125 report merge 2.json cut.json
	has err '^kvm: cut.json: not JSON: line'
	sed -i 's/one/two/' ci.smoke
	run 125 smoke nothing.smoke
	printf 'kernel = k/one/bzImage\ncpu = 1\n' >bad.smoke
	run 125 smoke bad.smoke
	has err '^kvm: bad.smoke:2: cpu: no such setting'
	printf 'kernel = k/one/bzImage\nexpect = (\n' >bad.smoke
	run 125 smoke bad.smoke
	has err '^kvm: bad.smoke:2: expect: \(: not an extended regular expression'
	run 125 smoke ci.smoke --report /nowhere/r.json
	run 125 smoke ci.smoke --shard 3/2
	run 125 smoke ci.smoke --out all.json
	truncate -s 200M disk.img
	run 125 smoke disk.img
	has err '^kvm: disk.img: larger than 1 MiB; is it the right file'
	mkdir -m 777 shared && chmod 777 shared
	run 125 smoke ci.smoke --out shared
	has err '^kvm: --out shared: every user can write to it; choose another folder'
	mkdir linked victim
	ln -s ../victim linked/0001-k_broken_bzImage-c1-m64M
	run 122 smoke ci.smoke --out linked
	has out '^0001-.* FAILED .*could not be started: Not a directory'
	[ -n "$why" ] || [ -z "$(ls victim)" ] || why="files were written through a link"
	judge "bad reports, files and options" "$why"
}

case_repeat() {
	enter repeat
	printf '%s\n' 'kernel = k/one/bzImage' 'mem = 64M' 'params = test=hello' '[other]' \
		'params = test=panic' 'exit = 120' >ci.smoke
	run 0 smoke ci.smoke -j 4 --repeat 8 --report all.json
	has out '^0001-other-bzImage-c1-m64M: 8 boots, 0 failed$'
	has out '^ +[0-9.]+ \.\. +[0-9.]+ s  #+ [0-9]+$'
	[ -n "$why" ] || [ ! -e kvm-smoke ] || why="the folder is left though all have passed"
	printf '%s\n' 'kernel = k/one/bzImage' 'mem = 64M' 'params = test=hello' \
		'options = --no-such-option' >ci.smoke
	run 125 smoke ci.smoke
	has out 'FAILED .*--no-such-option: no such option'
	sed -i 's/^options.*/options = --help/' ci.smoke
	run 122 smoke ci.smoke
	has out 'FAILED .*kvm run wrote no report'
	sed -i 's/^options.*/options = --no-such-option/' ci.smoke
	GITHUB_ACTIONS=true run 125 smoke ci.smoke
	has err '^::error title=kvm run .launcher-error.::0001-bzImage-c1-m64M: '
	[ -n "$why" ] || [ "$(grep -c '^::' err)" = 3 ] ||
		why="there are other commands to GitHub than ours"
	judge "repeated, with a histogram; a wrong option; on GitHub" "$why"
}

# Processes with this folder in their arguments.
runs() { pgrep -fc -- "$PWD/.*report.json"; }

wait_for() { # COMMAND...: until it succeeds, for half a minute
	for _ in {1..150}; do
		"$@" && return
		sleep 0.2
	done
	return 1
}

# Still three after a while: the endless ones, and the good one has passed.
three_run() { [ "$(runs)" = 3 ] && sleep 2 && [ "$(runs)" = 3 ]; }
none_runs() { [ "$(runs)" = 0 ]; }

case_signals() {
	local pid rc
	enter signals
	printf '%s\n' 'kernel = k/one/bzImage' 'mem = 64M' 'options = --grace 1' '[good]' \
		'params = test=hello' '[endless]' 'params = test=spin' 'cpus = 1 2' \
		'mem = 64M 65M' >ci.smoke
	"$KVM_BIN" smoke ci.smoke -j 3 --out "$PWD/out.d" --report all.json --junit all.xml >out \
		2>err </dev/null &
	pid=$!
	wait_for three_run || why="three machines do not run side by side"
	kill -INT $pid
	wait $pid
	rc=$?
	[ -n "$why" ] || [ $rc = 130 ] || why="exit code $rc instead of 130"
	[ -n "$why" ] || none_runs || why="a machine runs on"
	[ -n "$why" ] || [ ! -e out.d ] || why="a folder is left: $(ls out.d)"
	has out '^5 boots: 1 passed, 0 failed, 4 missing$'
	has all.json '"missing": 4'
	junit all.xml 1 0
	judge "SIGINT ends all machines, and what was done is in the reports" "$why"
	why=
	"$KVM_BIN" smoke ci.smoke -j 3 --out "$PWD/out.d" >out 2>err </dev/null &
	pid=$!
	wait_for three_run || why="three machines do not run side by side"
	kill -9 $pid
	wait $pid 2>/dev/null
	wait_for none_runs || why="machines run on: $(runs)"
	judge "kill -9 leaves no machine" "$why"
	rm -rf out.d
	printf 'kernel = k/one/bzImage\nmem = 64M\nparams = test=spin\ntimeout = 2\n' >ci.smoke
	why=
	script -qec "stty cols 60; '$KVM_BIN' smoke ci.smoke" typescript >/dev/null
	has typescript $'\r0 of 1 done, 0 failed; 0001-bzImage-c1-m64M 1 s'
	hasnt typescript $'\033'
	judge "a progress line on a terminal" "$why"
}

# By hand: a launcher that does not even keep its own time limit.
case_late() {
	local pid
	enter late
	printf 'kernel = k/one/bzImage\nmem = 64M\nparams = test=spin\ntimeout = 5\n' >ci.smoke
	"$KVM_BIN" smoke ci.smoke --out "$PWD/out.d" >out 2>err </dev/null &
	pid=$!
	wait_for eval '[ "$(runs)" = 1 ]' || why="no machine runs"
	pkill -STOP -P $pid
	wait $pid
	[ $? = 122 ] || why="exit code not 122"
	has out 'FAILED .*did not end by itself within 20 s and was killed'
	[ -n "$why" ] || none_runs || why="a machine runs on"
	judge "a launcher that hangs is killed" "$why"
}

# docs/many: the recipe for GNU parallel as it is, on this host only; of the other two what a task
# or a pod runs, with the environment that it has there.
case_recipes() {
	local i rc
	enter recipes
	sed -i 's/^cpus .*/cpus = 1/; s/^mem .*/mem = 64M/' ci.smoke
	if command -v parallel >/dev/null; then
		"$top/docs/many/parallel.sh" ci.smoke : : >out 2>err </dev/null
		[ $? = 122 ] || why="exit code not 122; $(tail -n 1 err)"
		has out '^3 boots: 2 passed, 1 failed$'
		junit junit.xml 3 1
		judge "GNU parallel" "$why"
	else
		echo "skip smoke: GNU parallel: it is not installed"
	fi
	why=
	rm -rf smoke.parts
	for i in 1 2 3; do
		SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_COUNT=3 SLURM_CPUS_PER_TASK=2 \
			sh "$top/docs/many/slurm.sh" ci.smoke >out 2>err </dev/null
		rc=$?
		[ $rc = 122 ] || [ $rc = 0 ] || why="task $i: exit code $rc; $(tail -n 1 err)"
	done
	run 122 report merge smoke.parts/*.json
	has out '^3 boots: 2 passed, 1 failed$'
	judge "what a task of Slurm's runs" "$why"
	if ! python3 -c 'import yaml' 2>/dev/null; then
		echo "skip smoke: what a pod of Kubernetes' runs: python3-yaml is not installed"
		return
	fi
	why=
	python3 - "$top/docs/many/kubernetes.yaml" >pod.sh \
		<<-'END' || why="the YAML is not what it should be"
		import sys, yaml
		job, = yaml.safe_load_all(open(sys.argv[1]))
		spec, = job["spec"]["template"]["spec"]["containers"]
		assert job["spec"]["completionMode"] == "Indexed"
		assert spec["env"] == [{"name": "SHARDS", "value": str(job["spec"]["completions"])}]
		assert spec["command"][:2] == ["/bin/sh", "-uc"]
		print(spec["command"][2])
	END
	mkdir bin
	ln -s "$KVM_BIN" bin/kvm
	for i in 0 1; do
		PATH=$PWD/bin:$PATH JOB_COMPLETION_INDEX=$i SHARDS=2 sh -u pod.sh >out 2>err \
			</dev/null || why="pod $i: exit code $?; $(tail -n 1 err)"
	done
	run 122 report merge parts/*.json
	has out '^3 boots: 2 passed, 1 failed$'
	judge "what a pod of Kubernetes' runs" "$why"
}

# 16 commits, each with a kernel and its parameters; the eleventh introduces the fault, the sixth
# and the twelfth cannot be started at all.
case_bisect() {
	local i run
	enter bisect
	git init -q . && git config user.name kvm && git config user.email kvm@localhost
	for i in {1..16}; do
		cp k/one/bzImage kernel
		echo "built $i" >>kernel
		case $i in 6|12) rm kernel ;; esac
		if [ "$i" -lt 11 ]; then
			echo "test=hello build=$i"
		else
			echo "test=pf build=$i"
		fi >params
		git add -A kernel params 2>/dev/null || git add -A params
		git commit -q -m "kernel $i"
		git tag "kernel-$i"
	done
	git bisect start kernel-16 kernel-1 >out 2>err
	run='"$KVM_BIN" run -k kernel -m 64M -p "$(cat params)" --timeout 60 --expect "hello from"'
	git bisect run sh -c "$run" >out 2>err </dev/null || why="exit code $?; $(tail -n 1 out)"
	[ -n "$why" ] || [ "$(git log -1 --format=%s refs/bisect/bad)" = "kernel 11" ] ||
		why="it found $(git log -1 --format=%s refs/bisect/bad)"
	[ -n "$why" ] || git bisect log | grep -q '# skip: .* kernel 12' ||
		why="it did not skip what cannot be started"
	judge "git bisect run finds the kernel with the fault" "$why"
}

# By hand: see above.
case_stock() {
	local tiny cloud
	enter stock
	rm -r k/*
	cloud=$("$top/tests/kernels.sh" cloud)/vmlinuz &&
		tiny=$("$top/tests/tiny-kernel.sh")/vmlinuz ||
		{ judge "stock kernels" "there is no kernel"; return; }
	cp "$cloud" k/cloud
	cp "$tiny" k/tiny
	cp "$KVM_BIN" kvm # if the checkout is in /tmp, the nested machine sees this folder only
	# Makes its decompressor give up.
	cp "$cloud" k/broken
	head -c 100000 /dev/zero | dd of=k/broken bs=1000 seek=3000 conv=notrunc status=none
	"$top/tests/initrd.sh" --tiny initrd
	cat >ci.smoke <<-'END'
		kernel  = k/*
		cpus    = 1 2
		mem     = 256M 512M 1G
		initrd  = initrd
		params  = quiet noxsave
		expect  = userspace up
		options = --fail-on-warning --fast
		timeout = 600
	END
	cat >job.sh <<-'END'
		#!/bin/bash
		cd "$(dirname "$0")" || exit 1
		export XDG_CACHE_HOME=/tmp/cache
		mkdir -p $XDG_CACHE_HOME
		s() { ./kvm smoke ci.smoke -j 1 --out "$NEST_OUT/d" "$@"; echo "rc $?"; }
		s --report "$NEST_OUT/all.json" --junit "$NEST_OUT/all.xml"
		s --shard 1/2 --report "$NEST_OUT/1.json"
		s --shard 2/2 --report "$NEST_OUT/2.json"
	END
	chmod +x job.sh
	"$top/tests/nest" --mem 3000 --timeout 3000 --out nest ./job.sh >out 2>err
	cat out err
	has out '^18 boots: 12 passed, 6 failed$'
	junit nest/all.xml 18 6
	run 122 report merge nest/1.json nest/2.json --report merged.json --junit merged.xml
	same nest/all.json merged.json
	judge "stock kernels, two parts merged are the whole" "$why"
}

# By hand: BOOTS (200) boots of the cloud kernel, half of them with two CPUs, in nested machines of
# 20 each. None may have a kernel report. Boots that a loaded machine did not finish in time prove
# nothing; they are counted apart.
case_clean() {
	local boots=${BOOTS:-200} left n part=0 rc cloud
	enter clean
	rm -r k/*
	cloud=$("$top/tests/kernels.sh" cloud)/vmlinuz && cp "$cloud" k/cloud ||
		{ judge "clean boots" "there is no kernel"; return; }
	cp "$KVM_BIN" kvm
	"$top/tests/initrd.sh" --tiny initrd
	cat >ci.smoke <<-'END'
		kernel  = k/cloud
		cpus    = 1 2
		mem     = 256M
		initrd  = initrd
		params  = quiet noxsave end=poweroff
		options = --fail-on-warning --fast
		timeout = 600
	END
	cat >job.sh <<-'END'
		#!/bin/bash
		cd "$(dirname "$0")" || exit 1
		export XDG_CACHE_HOME=/tmp/cache
		mkdir -p $XDG_CACHE_HOME
		./kvm smoke ci.smoke -j 1 --repeat "$1" --out "$NEST_OUT/d" \
			--report "$NEST_OUT/$2.json"
	END
	chmod +x job.sh
	for ((left = boots; left > 0; left -= n)); do
		n=$((left < 20 ? left : 20))
		part=$((part + 1))
		"$top/tests/nest" --timeout 7200 --out nest ./job.sh $(((n + 1) / 2)) $part >>out \
			2>>err
		rc=$?
		case $rc in
		0 | 122) ;;
		*) why="nested machine $part ended with $rc: $(tail -n 1 err)" ;;
		esac
	done
	python3 - nest/*.json <<-'END' || why="see above"
		import collections, json, sys
		boots = [b for f in sys.argv[1:] for b in json.load(open(f))["boots"]]
		ends = collections.Counter("clean" if b["passed"] else b["verdict"] for b in boots)
		print(len(boots), "boots:", dict(ends))
		print(*(b["id"] + ": " + b["text"] for b in boots if not b["passed"]), sep="\n")
		sys.exit(not ends["clean"] or set(ends) - {"clean", "timeout"} != set())
	END
	judge "clean boots have no report" "$why"
}

for c in ${*:-matrix repeat signals recipes bisect}; do
	if [ "$(type -t case_"$c")" = function ]; then case_"$c"; else judge "$c" "no such case"; fi
	cd "$top" || exit 1
done
exit $failed
