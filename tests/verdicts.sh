#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/verdicts.sh [NAME]
#
# Tests how machines end, by the rows of tests/verdicts/table.txt: what a guest does, and the exit
# code, the verdict in the JSON report, and the last line on stderr. NAME: only rows with this text
# in their name. Prints `ok verdicts: NAME` or `not ok verdicts: NAME: why`; fails if one is not ok.
# tests/payload.sh runs it, so that both take one nested machine. Environment: KVM_BIN the launcher,
# PAYLOAD_DIR the guests.
set -u
cd "$(dirname "$0")/.." || exit 1
tests/hostkvm.sh >/dev/null || exec tests/nest --timeout 900 tests/verdicts.sh "$@"
kvm=${KVM_BIN:-build/kvm}
images=${PAYLOAD_DIR:-build/guest}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# until COMMAND...: waits until it succeeds, as long as the launcher runs
until_true() {
	until "$@" 2>/dev/null; do
		kill -0 $pid 2>/dev/null || return 1
		sleep 0.05
	done
}
has_line() { [ -s $me.out ] && grep -q . $me.out; }

# Speaks to the launcher's GDB server: continues, waits for the signal, and sends one more packet.
debug() { # PORT PACKET
	local sum stop=
	until_true connect "$1" || return
	printf '$c#63' >&3
	IFS= read -r -d '#' -t 30 stop <&3
	[[ $stop == *\$T0[6b]* ]] || return
	printf -v sum '%02x' "'$2"
	printf '+$%s#%s' "$2" "$sum" >&3
	cat <&3 >/dev/null
	exec 3>&-
}
connect() { exec 3<>/dev/tcp/127.0.0.1/"$1"; }

# Runs row NUMBER of the table and prints its result.
row() { # NUMBER CODE VERDICT LINE GUEST TEXT OPTIONS NAME
	local me=$work/$1 code=$2 verdict=$3 line=$4 guest=$5 text=$6 name=$8 word why= rc pid
	local kernel=payload.bzimage params=test=$guest action= options=() last
	[ "$line" != - ] || line=
	case $guest in KERNEL=*) kernel=${guest#*=} ;; esac
	[ "$text" = - ] || { printf "${text//%/%%}" >$me.text; options+=(-i $me.text); }
	for word in $7; do
		case $word in
		@gdb=*) action=$word; options+=(--gdb $((20000 + $$ % 10000 + $1)) --gdb-wait) ;;
		@*) action=$word ;;
		+*) params+=" ${word#+}" ;;
		*) options+=("$word") ;;
		esac
	done
	timeout 60 "$kvm" run -k "$images/$kernel" -p "$params" -m 64M --post-mortem off \
		--report $me.json "${options[@]}" </dev/null >$me.out 2>$me.err &
	pid=$!
	case $action in
	@gdb=*) debug $((20000 + $$ % 10000 + $1)) "${action#*=}" ;;
	@*) until_true has_line && kill -"${action#@}" "$(pgrep -P $pid)" ;;
	esac
	wait $pid
	rc=$?
	last=$(tail -n 1 $me.err)
	last=${last#kvm: }
	if [ $rc != "$code" ]; then why="exit code $rc, want $code; $last"
	elif ! grep -qxE -e "$line" <<<"$last"; then why="the last line is \"$last\""
	elif [ "$verdict" = - ]; then [ ! -e $me.json ] || why="there is a report"
	elif ! grep -qF "\"verdict\": \"$verdict\"" $me.json; then
		why="the report has $(grep -m 1 '"verdict"' $me.json)"
	elif ! grep -qF "\"exit_code\": $code," $me.json; then why="the report's exit code"
	fi
	if [ -z "$why" ]; then
		echo "ok verdicts: $name"
	else
		echo "not ok verdicts: $name: $why"
		touch $work/failed
	fi
	rm -f $me.*
}

number=0
while IFS= read -r columns; do
	IFS='|' read -ra column <<<"${columns//\\|/$'\1'}" # a pattern may have \|
	if [ ${#column[@]} != 7 ]; then
		echo "not ok verdicts: not seven columns: $columns"
		touch "$work/failed"
		continue
	fi
	[[ ${column[6]} == *"${1:-}"* ]] || continue
	while [ "$(jobs -rp | wc -l)" -ge ${JOBS:-4} ]; do wait -n; done
	number=$((number + 1))
	row $number "${column[@]//$'\1'/|}" &
done < <(grep -v -e '^#' -e '^$' tests/verdicts/table.txt)
wait
[ ! -e "$work/failed" ]
