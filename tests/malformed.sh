#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Gives every malformed kernel and initrd of tests/tools/make_images.py to `kvm run`: each run must
# end with exit code 125 and print exactly one line, which begins with "kvm: ", names the file and
# the error. No /dev/kvm is needed. The same for command lines that would overwrite one of their own
# inputs, by any option and with commas in names: every file must stay unchanged. KVM_BIN names the
# program (default build/kvm), best one built with sanitizers: their reports are failures too.
set -u
cd "$(dirname "$0")/.." || exit 1
kvm=${KVM_BIN:-build/kvm}
limit_s=20

if [ ! -x "$kvm" ]; then
	echo "not ok malformed: $kvm is not there; make it first"
	exit 1
fi
if ! command -v python3 >/dev/null; then
	echo "skip malformed: no python3"
	exit 0
fi

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
rc=0

# judge NAME FILE WHAT CODE: looks at $dir.err
judge() {
	local name=$1 file=$2 what=$3 code=$4 why=
	local lines
	lines=$(wc -l <"$dir/err")
	if [ "$code" = 124 ]; then
		why="still running after $limit_s s"
	elif grep -qE 'Sanitizer|runtime error' "$dir/err"; then
		why="a sanitizer's report"
	elif [ "$code" != 125 ]; then
		why="exit code $code, not 125"
	elif [ "$lines" != 1 ]; then
		why="$lines lines, not 1"
	elif ! grep -qF -- "kvm: $file: " "$dir/err"; then
		why="the line does not begin with \"kvm: $file: \""
	elif ! grep -qF -- "$what" "$dir/err"; then
		why="nothing about \"$what\""
	fi
	if [ -z "$why" ]; then
		echo "ok malformed $name"
		return
	fi
	echo "not ok malformed $name: $why: $(head -c 300 "$dir/err" | tr '\n' '|')"
	rc=1
}

python3 tests/tools/make_images.py "$dir" >"$dir/list" && [ -s "$dir/list" ] || {
	echo "not ok malformed: make_images.py failed"
	exit 1
}
while read -r kind image what; do
	args=(-k "$dir/$image")
	[ "$kind" = initrd ] && args=(-k "$dir/good" -i "$dir/$image")
	run=("$kvm")
	# Root reads everything: these run as the user nobody, with a copy that nobody can reach.
	if [ "$image" = locked ] && [ "$(id -u)" = 0 ]; then
		cp "$kvm" "$dir/kvm"
		run=(setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/kvm")
	fi
	timeout $limit_s "${run[@]}" run -q -m 256M "${args[@]}" </dev/null >/dev/null 2>"$dir/err"
	judge "$kind $image" "$dir/$image" "$what" $?
done <"$dir/list"

# attempt NAME FILE REASON ARG...: the program must refuse this command line with a line about FILE,
# and change no file.
attempt() {
	local name=$1 file=$2 what=$3
	shift 3
	printf '1 ' >"$dir/a,b.img"
	printf '2 ' >"$dir/a,,b.img"
	printf '3' >"$dir/a"
	timeout $limit_s "$kvm" run -q -m 256M -k "$dir/good" "$@" </dev/null >/dev/null \
		2>"$dir/err"
	judge "$name" "$file" "$what" $?
	if ! cat "$dir/a,b.img" "$dir/a,,b.img" "$dir/a" | cmp -s - <(printf '1 2 3'); then
		echo "not ok malformed $name: a file has changed"
		rc=1
	fi
}
long=$(printf '%0300d' 0)
same='and would be overwritten; choose another file'
for reader in "-d $dir/a,,b.img" "-d $dir/a,,b.img,ro" "-i $dir/a,b.img" \
	"-n tap,script=$dir/a,,b.img"; do
	read -ra args <<<"$reader"
	for writer in --log= --report= --junit= --tap= --dump= --dump-dtb= --trace=pio, \
		--serial=1=file: --port=x=file:; do
		option=${writer%%=*} where=${writer#*=}
		# What the line names after the option: the value, or of a console the path in it.
		shown=$where$dir/a,b.img
		[[ $where = *file: ]] && shown=$dir/a,b.img
		attempt "${args[0]} and $option" "$option $shown" "$same" "${args[@]}" \
			"$writer$dir/a,b.img"
	done
	attempt "${args[0]} and --trace, escaped" "--trace pio,$dir/a,,b.img" "$same" \
		"${args[@]}" --trace "pio,$dir/a,,b.img"
done
attempt "--trace without a kind" "--trace" "must be a list" --trace bogus
attempt "--trace with too long a path" "--trace ./$long" "File name too long" \
	--trace "pio,./$long"
attempt "--log in no folder" "--log $dir/no/log" "No such file" --log "$dir/no/log"
# A literal path keeps both commas; in a list one comma ends the item.
attempt "two literal commas" "--log $dir/a,,b.img" "$same" -i "$dir/a,,b.img" --log "$dir/a,,b.img"
attempt "the end of a name" "--log $dir/a" "$same" -d "$dir/a,ro" --log "$dir/a"
# The refusal of a path that does not exist has its whole name.
attempt "-d without a file" "$dir/a,none.img" "No such file" -d "$dir/a,,none.img"
attempt "--share without a folder" "--share $dir/a,,none:t,ro" "a,none: No such file" \
	--share "$dir/a,,none:t,ro"
# What a signal, a limit or a parent's settings do before a guest starts.

# verdict NAME GOOD [WHY]
verdict() {
	if [ "$2" = 0 ]; then
		echo "ok malformed $1"
	else
		echo "not ok malformed $1: ${3-}: $(head -c 300 "$dir/err" | tr '\n' '|')"
		rc=1
	fi
}

# interrupted NAME ARG...: `kvm run ARG...`, which waits for something, ends by SIGTERM.
interrupted() {
	local name=$1 pid code
	shift
	XDG_RUNTIME_DIR=$dir/run "$kvm" run -m 256M -k "$dir/good" "$@" </dev/null >/dev/null \
		2>"$dir/err" &
	pid=$!
	sleep 0.5
	kill -TERM $pid
	timeout 10 tail -f --pid=$pid /dev/null || kill -KILL $pid
	wait $pid
	code=$?
	[ $code = 143 ] && ! ls "$dir"/run/kvm/* "$dir/socket" 2>/dev/null >&2
	verdict "$name" $? "exit code $code, left: $(ls "$dir"/run/kvm "$dir/socket" 2>/dev/null)"
}
mkdir -m 700 "$dir/run" "$dir/run/kvm"
flock -o "$dir/run/kvm" sleep 20 &
holder=$!
sleep 0.2
interrupted "SIGTERM, and a lock that another process holds" --name x
kill $holder
python3 - "$dir/deaf" <<'P' &
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(1)
time.sleep(20)
P
holder=$!
for _ in {1..100}; do [ -S "$dir/deaf" ] && break; sleep 0.1; done
interrupted "SIGTERM, and a virtiofsd that does not answer" --name x --serial "1=unix:$dir/socket" \
	--share ":t,socket=$dir/deaf"
kill $holder

mkfifo "$dir/fifo"
timeout -k 2 $limit_s "$kvm" run -k "$dir/none" --report "$dir/fifo" >/dev/null 2>"$dir/err"
[ $? = 125 ] && grep -q 'start its reader first' "$dir/err"
verdict "a report into a FIFO that nothing reads" $?
timeout -k 2 $limit_s "$kvm" run -k "$dir/good" --log "$dir/fifo" >/dev/null 2>"$dir/err"
[ $? = 125 ] && grep -q 'start its reader first' "$dir/err"
verdict "a log into a FIFO that nothing reads" $?

truncate -s 3500M "$dir/large"
timeout $limit_s "$kvm" run -k "$dir/good" -m 256M --add "$dir/large:/l" -- true >/dev/null \
	2>"$dir/err"
[ $? = 125 ] && grep -q 'larger than its memory' "$dir/err" && [ "$(wc -l <"$dir/err")" = 1 ]
verdict "--add of more than the memory" $?

# The bytes of a name must not reach the terminal as they are.
"$kvm" run -k "$dir/"$'no\e[2J\xc2\x9b\nkvm: a lie' >/dev/null 2>"$dir/err"
[ "$(wc -l <"$dir/err")" = 1 ] && grep -qF 'no\x1b[2J\xc2\x9b\x0akvm: a lie' "$dir/err"
verdict "a name with control characters" $?

echo "no kernel" >"$dir/junk"
printf 'kernel = %s\nexit = 125\n' "$dir/junk" >"$dir/s.smoke"
timeout $limit_s "$kvm" smoke -q "$dir/s.smoke" --out "$dir/out" --repeat 20 \
	--report "$dir/r.json" >/dev/null 2>"$dir/err"
gzip -k "$dir/r.json"
python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$kvm" report merge -q "$dir/r.json.gz" 2>"$dir/err"
verdict "a parent that ignores SIGCHLD" $?
(ulimit -f 1; exec "$kvm" report merge -q --report "$dir/m.json" "$dir/r.json") 2>"$dir/err"
[ $? = 125 ] && grep -q 'File too large' "$dir/err" && ! ls "$dir"/m.json* 2>/dev/null >&2
verdict "a limit to the size of files" $?
exit $rc
