#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/kvm-unit-tests.sh DIR [--qemu | --only-qemu] [--nest] [--timeout S] [--logs FOLDER]
# [TEST...]
#
# Runs the tests that DIR/x86/unittests.cfg lists (all, or those named) with build/kvm (or $KVM_BIN)
# on /dev/kvm, and prints a table. DIR is a checkout of kvm-unit-tests, configured and built for
# x86_64. With --qemu each test also runs with qemu-system-x86_64 on the same /dev/kvm, for
# comparison; then the exit code is 1 when a test passes there and not here, and 0 otherwise.
# Without it, the exit code is 1 when a test fails or ends by a timeout.
#
#   --nest         each test in a nested machine of its own (tests/nest), so that a test that ends
#                  this machine costs only itself. If such a test gives no row, each launcher gets a
#                  machine of its own, and the result of the launcher that ends it again is DIED
#   --only-qemu    not with build/kvm
#   --timeout S    at most this long for each test and launcher (default: the list's own limit, or
#                  90 s)
#   --logs FOLDER  the output of each, TEST.kvm and TEST.qemu (build/kvm-unit-tests)
#
# PASS, FAIL and SKIP are the test's own results. SKIP with a reason in parentheses is ours: the
# list wants something of QEMU that this launcher or the host does not have. A test of a device that
# only QEMU has counts for neither. A CPU feature that KVM does not have is left out, as QEMU does.
# QEMU stays paused after an error inside KVM; the script then ends it.

set -u
die() { echo "kvm-unit-tests: $*" >&2; exit 125; }

here=$(cd "$(dirname "$0")/.." && pwd)
kvm=${KVM_BIN:-$here/build/kvm}
dir='' qemu='' ours=1 nest='' limit='' logs=$here/build/kvm-unit-tests wanted=()
while [ $# -gt 0 ]; do
	case $1 in
	--qemu) qemu=1 ;;
	--only-qemu) qemu=1 ours='' ;;
	--nest) nest=1 ;;
	--timeout) limit=${2:?}; shift ;;
	--logs) logs=${2:?}; shift ;;
	-*) die "unknown option $1" ;;
	*) if [ -z "$dir" ]; then dir=$1; else wanted+=("$1"); fi ;;
	esac
	shift
done
list=$dir/x86/unittests.cfg
[ -n "$dir" ] ||
	die "usage: $0 DIR [--qemu | --only-qemu] [--nest] [--timeout S] [--logs FOLDER] [TEST...]"
[ -r "$list" ] || die "$list: not readable; is it a checkout?"
[ -x "$kvm" ] || die "$kvm: not there; build it by make"
mkdir -p "$logs" || exit 125
export KVM_BIN=$kvm # to the nested machine, which reports it when it does not see the file
work=$(mktemp -d) || exit 125
trap 'rm -rf "$work"' EXIT

# ---- one test: its entry in the list ----

# Sets test's fields from its section: file smp args params arch timeout check groups.
forget() { test=$1 file='' smp=1 args='' params='' arch='' timeout=90 check='' groups=''; }

field() {
	case $1 in
	file) file=$dir/x86/$2 ;;
	smp) smp=$2 ;;
	test_args) args=$2 ;;
	qemu_params | extra_params) params=$2 ;;
	arch) arch=$2 ;;
	timeout) timeout=${2%s} ;;
	check) check=$2 ;;
	groups) groups=$2 ;;
	esac
}

# Prints why the list itself does not let the test run; nothing when it does.
not_run() {
	if [ -n "$arch" ] && [ "$arch" != x86_64 ]; then
		echo "$arch only"
	elif [[ " $groups " == *" nodefault "* && ${#wanted[@]} = 0 ]]; then
		echo "only when named"
	elif ! [ -r "$file" ]; then
		echo "${file##*/} is not built"
	fi
}

# The same for this host.
not_here() {
	local c path
	for c in $check; do
		path=${c%%=*}
		[ "$(cat "$path" 2>/dev/null)" = "${c#*=}" ] ||
			{ echo "$path is not ${c#*=}"; return; }
	done
}

# ---- QEMU's options as ours ----

# A CPU's name and flags. All models are the same here: the CPU that KVM offers.
cpu_option() {
	local word name
	for word in ${1//,/ }; do
		name=${word#[+-]}
		case $name in
		tsc-deadline) name=tsc_deadline_timer ;;
		esac
		case $word in
		vendor=*) cpuid+=,$word ;;
		+vmx-* | -vmx-*) skip="no knob for ${word#?}" ;;
		[+-]*) cpuid+=,${word:0:1}$name ;;
		phys-bits=*) skip="no knob for $word" ;;
		hv_passthrough) cpuid+=,+hyperv ;;
		esac
	done
}

# Sets cpuid and memory, or skip=REASON; and alien, when the test is about a device of QEMU's.
translate() {
	skip='' alien='' cpuid='' memory=128M
	while [ $# -gt 0 ]; do
		case $1 in
		-cpu) cpu_option "$2"; shift ;;
		-m) [[ $2 == *[gGmM] ]] && memory=$2 || memory=${2}M; shift ;;
		-machine | -M)
			# Without a PIT: ours is made when a guest touches it.
			[ "$2" = pit=off ] || skip="no -machine $2"
			shift
			;;
		-device)
			# Of --testdev, when there is a Hyper-V interface.
			[ "$2" = hyperv-testdev ] || skip="no device ${2%%,*}" alien=1
			shift
			;;
		-enable-kvm) ;;
		*) skip="no counterpart of $1"; shift ;;
		esac
		shift
	done
}

# ---- running it ----

# verdict CODE LOG: the guest's own exit code 0 is 1 here, 38 (skipped) is 77.
verdict() {
	case $1 in
	1) result=PASS ;;
	77) result=SKIP ;;
	124 | 137) result=TIMEOUT ;;
	*) result=FAIL ;;
	esac
	note=$(grep -a '^SUMMARY: ' "$2" | tail -n 1 | tr -d '\r' | sed 's/^SUMMARY: //')
}

# The list is written for a shell: quotes, and `date` in one.
arguments() { eval "printf %s $args"; }

start_ours() {
	local words
	words=$(arguments)
	timeout -k 5 $((timeout + 10)) "$kvm" run -k "$file" -i "$work/environment" -c "$smp" \
		-m "$memory" --testdev \
		--timeout "$timeout" ${words:+-p "$words"} ${cpuid:+--cpuid "${cpuid#,}"} \
		</dev/null >"$log" 2>&1
	code=$?
	why=$(grep -a '^kvm: ' "$log" | tail -n 1)
}

run_ours() {
	local log=$logs/$test.kvm code why without=''
	if [ -n "$skip" ]; then
		result=SKIP note="($skip)"
		return
	fi
	start_ours
	while [ "$code" = 125 ] && [[ $why =~ --cpuid\ (\+[^:]*):.*"cannot give it" ]]; do
		cpuid=${cpuid/,${BASH_REMATCH[1]}/}
		without+=" ${BASH_REMATCH[1]#+}"
		start_ours
	done
	verdict "$code" "$log"
	if [ "$result" = TIMEOUT ] && [[ $why != *"timed out"* ]]; then
		result=FAIL note="the launcher did not end by itself"
		return
	fi
	[ "$result" != FAIL ] || [ "$code" = 3 ] || note="exit $code ${why#kvm: } $note"
	[ -z "$without" ] || note="(without$without) $note"
}

qemu_died='^KVM internal error.*|^KVM: entry failed.*'

run_qemu() {
	local log=$logs/$test.qemu pid code words
	words=$(arguments)
	: >"$log" # it must exist before the loop reads it
	timeout -k 5 "$timeout" qemu-system-x86_64 --no-reboot -nodefaults -display none \
		-serial stdio \
		-global kvm-pit.lost_tick_policy=discard -device pc-testdev -device pci-testdev \
		-device isa-debug-exit,iobase=0xf4,iosize=0x4 -machine accel=kvm -m 128 \
		-kernel "$file" -initrd "$work/environment" -smp "$smp" ${words:+-append "$words"} \
		"$@" </dev/null >>"$log" 2>&1 &
	pid=$!
	while kill -0 $pid; do
		sleep 0.2
		! grep -qaE "$qemu_died" "$log" || kill $pid
	done 2>/dev/null # bash itself would report the abort
	wait $pid 2>/dev/null
	code=$?
	# 1 means a test that passes, but also a QEMU that rejects its options.
	[ $code != 1 ] || [[ $(tail -n 1 "$log") != qemu-system*:* ]] || code=125
	verdict "$code" "$log"
	[ "$result" != FAIL ] || [ $code = 3 ] ||
		note="$(grep -aoEm 1 "$qemu_died|^qemu-system.* (error:|Property) .*" "$log" ||
		echo "exit $code") $note"
}

environment() {
	printf '%s\n' "NR_CPUS=$smp" "MEMSIZE=$1" "TEST_DEVICE=1" "BOOTLOADER=0"
}

declare -A total=()
worse=0 headed=''
row() {
	[ -n "$headed" ] || printf '%-42s %-8s%s\n' TEST kvm "${qemu:+ QEMU}"
	headed=1
	printf '%-42s %-8s' "$test" "$1"
	[ -z "$qemu" ] || printf ' %-8s' "$2"
	printf ' %s\n' "$3"
	total[kvm $1]=$((${total[kvm $1]:-0} + 1))
	total[QEMU $2]=$((${total[QEMU $2]:-0} + 1))
}

# Sets result and theirs, and note, by running it here.
run_here() {
	local their_note=''
	environment "$(($(numfmt --from=iec "${memory^^}") >> 20))" >"$work/environment"
	if [ -n "$qemu" ]; then
		run_qemu "${options[@]}"
		theirs=$result their_note=$note
	fi
	result=- note=''
	[ -z "$ours" ] || run_ours
	note+=${their_note:+ | $their_note}
}

# in_nest [OPTION]...: sets printed to what this script prints about the test in a nested machine,
# without the name; or note to the reason why it printed nothing. An error that would stop every
# test ends the script.
in_nest() {
	local said
	"$here/tests/nest" --mem 5000 --timeout $((2 * timeout + 120)) --out "$logs" \
		"$here/tests/kvm-unit-tests.sh" "$dir" \
		"$@" --timeout "$timeout" --logs "$logs" "$test" </dev/null >"$work/printed" \
		2>"$work/nest"
	code=$?
	said=$(tail -n 1 "$work/nest")
	case $code:$said in
	125:*'does not see it'* | 125:kvm-unit-tests:*) echo "$said" >&2; exit 125 ;;
	esac
	printed=$(grep "^$test " "$work/printed")
	printed=${printed#"$test"}
	[ -z "$printed" ] || return 0
	note=$(sed -n '$s/^nest: //p' "$work/nest")
	return 1
}

run_nested() {
	local printed their_note code
	if in_nest ${qemu:+--qemu}; then
		if [ -n "$qemu" ]; then
			read -r result theirs note
		else
			read -r result note
		fi <<<"$printed"
		return
	fi
	result=DIED
	[ -n "$qemu" ] || return
	theirs=DIED
	in_nest --only-qemu && read -r printed theirs note <<<"$printed"
	their_note=${note#| }
	note=''
	in_nest && read -r result note <<<"$printed"
	note+=${their_note:+ | $their_note}
}

run_test() {
	local memory cpuid options skip alien theirs=- result='' note='' reason
	[ ${#wanted[@]} = 0 ] || [[ " ${wanted[*]} " == *" $test "* ]] || return 0
	[ -z "$limit" ] || [ "$timeout" -le "$limit" ] || timeout=$limit
	reason=$(not_run)
	[ -n "$reason$nest" ] || reason=$(not_here)
	if [ -n "$reason" ]; then
		row SKIP SKIP "($reason)"
		return
	fi
	eval "options=($params)"
	translate "${options[@]}"
	if [ -n "$nest" ]; then run_nested; else run_here; fi
	case $theirs,$result in
	-,FAIL | -,TIMEOUT | -,DIED | PASS,FAIL | PASS,SKIP | PASS,TIMEOUT | PASS,DIED)
		[ -n "$alien" ] || worse=$((worse + 1))
		;;
	esac
	row "$result" "$theirs" "$note"
}

# ---- the list ----

forget ''
while IFS= read -r line <&3; do
	if [[ $line =~ ^\[(.*)\]$ ]]; then
		section=${BASH_REMATCH[1]}
		[ -z "$test" ] || run_test
		forget "$section"
	elif [[ $line =~ ^([a-z_]+)\ *=\ *(.*)$ ]]; then
		field "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
	fi
done 3<"$list"
[ -z "$test" ] || run_test
[ -n "$headed" ] || die "$list: it has no test ${wanted[*]:-at all}"

echo
for who in kvm ${qemu:+QEMU}; do
	printf '%-5s' "$who"
	for result in PASS FAIL SKIP TIMEOUT ${nest:+DIED}; do
		printf ' %s %d' $result "${total[$who $result]:-0}"
	done
	echo
done
if [ -n "$qemu" ]; then
	echo "$worse pass with QEMU and not with kvm, tests of QEMU's own devices left out"
fi
[ $worse = 0 ]
