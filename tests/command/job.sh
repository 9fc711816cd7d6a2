#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/command/job.sh IN [CASE]...
#
# Runs the cases of tests/command.sh where stock kernels can run. IN holds the kernels' folders.
# Prints a line a test; each case's streams are in $NEST_OUT/CASE.out and .err.
set -u
in=$1
shift
failed=0
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

judge() { # NAME WHY
	if [ -n "$2" ]; then
		echo "not ok command: $1: $2"
		failed=1
	else
		echo "ok command: $1"
	fi
}

kvm() { timeout 200 "$KVM_BIN" run --timeout 150 -k "$in/cloud/vmlinuz" -m 256M "$@"; }

# try CASE RC ARG...: runs it with its streams in files; $why is what is wrong so far
try() {
	local rc want=$2
	name=$1
	shift 2
	kvm "$@" >"$NEST_OUT/$name.out" 2>"$NEST_OUT/$name.err"
	rc=$?
	why=
	[ $rc = "$want" ] ||
		why="exit code $rc instead of $want, $(tail -n 1 "$NEST_OUT/$name.err")"
}

out_is() { # TEXT
	[ -n "$why" ] || [ "$(cat "$NEST_OUT/$name.out")" = "$1" ] ||
		why="stdout is $(head -c 200 "$NEST_OUT/$name.out")"
}

err_is() { # TEXT
	[ -n "$why" ] || [ "$(cat "$NEST_OUT/$name.err")" = "$1" ] ||
		why="stderr is $(head -c 200 "$NEST_OUT/$name.err")"
}

err_has() { # TEXT
	[ -n "$why" ] || grep -qF -- "$1" "$NEST_OUT/$name.err" ||
		why="stderr is $(head -c 200 "$NEST_OUT/$name.err")"
}

case_uname() {
	try uname 0 -- uname -a </dev/null
	err_is ""
	[ -n "$why" ] || grep -q "^Linux kvm $(cat "$in/cloud/version") " "$NEST_OUT/uname.out" ||
		why="stdout is $(cat "$NEST_OUT/uname.out")"
	judge "uname -a" "$why"
}

case_exit() {
	try exit 42 -- sh -c 'echo to stdout; echo to stderr >/dev/stderr; exit 42'
	out_is "to stdout"
	err_is "to stderr"
	judge "exit code 42, stdout and stderr apart" "$why"
}

case_full() {
	kvm -q -- echo nowhere 2>"$NEST_OUT/full.err" >/dev/full </dev/null
	[ $? = 125 ] && why= || why="it ends as if all were well"
	name=full
	err_is "kvm: not all of the command's output could be written"
	judge "output that a full disk does not take" "$why"
}

case_cat() {
	local want got rc
	why=
	head -c 10485760 /dev/urandom >"$work/data" || why="what is to be sent could not be made"
	want=$(md5sum <"$work/data")
	got=$(set -o pipefail; cat "$work/data" | kvm -- cat 2>"$NEST_OUT/cat.err" | md5sum)
	rc=$?
	[ $rc = 0 ] && [ "$want" = "$got" ] ||
		why=${why:-"exit code $rc or not the same bytes, $(tail -n 1 "$NEST_OUT/cat.err")"}
	judge "10 MiB through cat" "$why"
}

case_path() {
	mkdir -p "$work/p/no" "$work/p/yes"
	printf '#!/bin/sh\necho found\n' >"$work/p/yes/prog"
	cp "$work/p/yes/prog" "$work/p/no/prog"
	chmod 644 "$work/p/no/prog"
	chmod 755 "$work/p/yes/prog"
	try path 0 --add "$work/p:/p" --env PATH=/proc/version:/p/no:/nowhere:/p/yes:/bin -- prog
	out_is found
	judge "\$PATH goes on after what is no folder and what may not be executed" "$why"
}

case_mounts() {
	try mounts 0 -- sh -c 'while read -r from at type rest; do echo "$at $type"
		done </proc/mounts
		read -r n </proc/sys/fs/nr_open; echo "$n"'
	for m in proc:proc sys:sysfs sys/kernel/debug:debugfs sys/kernel/tracing:tracefs \
		sys/kernel/security:securityfs sys/fs/bpf:bpf sys/fs/cgroup:cgroup2; do
		[ -n "$why" ] || grep -qx "/${m%:*} ${m#*:}" "$NEST_OUT/mounts.out" ||
			why="/${m%:*} is not mounted"
	done
	# The shell reads byte by byte, and /proc gives it the first digit alone: of 2147483584.
	[ -n "$why" ] || grep -qx 2 "$NEST_OUT/mounts.out" || why="nr_open is not raised"
	judge "the kernel's file systems are mounted" "$why"
}

case_killed() {
	try killed 137 -- sh -c 'kill -9 $$'
	err_has "killed by signal 9"
	judge "killed by a signal" "$why"
}

case_arguments() {
	local args=() i
	for i in $(seq 1 250); do
		args+=("with $i  spaces " '"quo'"'"'ted" $HOME \n `x` *' '' "grün-日本-$i")
	done
	printf '%s\0' "${args[@]}" >"$work/args"
	try arguments 0 -- /usr/bin/printf '%s\0' "${args[@]}"
	[ -n "$why" ] || cmp -s "$work/args" "$NEST_OUT/arguments.out" ||
		why="they are not the same"
	judge "1000 arguments with blanks, quotes, UTF-8 and nothing in them" "$why"
}

case_reader_gone() {
	local rcs
	kvm -- yes 2>"$NEST_OUT/reader_gone.err" | head -c 100000 >/dev/null
	rcs="${PIPESTATUS[*]}"
	why=
	[ "$rcs" = "141 0" ] || why="exit codes $rcs, $(tail -n 1 "$NEST_OUT/reader_gone.err")"
	judge "a reader that goes is the command's SIGPIPE" "$why"
}

case_files() {
	mkdir -p "$work/folder/sub"
	echo "in a folder" >"$work/folder/sub/file"
	ln -s sub/file "$work/folder/link"
	printf '%s\n' '#!/usr/bin/env bash' 'read -r line <"$1"' \
		'echo "$line, $WORD, $PWD, $(</proc/sys/kernel/hostname)"' >"$work/script"
	chmod 755 "$work/script"
	try files 0 --name tester --add "$work/folder:/data" --env "WORD=two words" \
		--cwd /data/sub --modules auto -- "$work/script" ../link
	out_is "in a folder, two words, /data/sub, tester"
	err_is ""
	judge "--add, --env, --cwd, --name, a script and its interpreter" "$why"
}

case_panic() {
	try panic 120 -- sh -c 'echo c >/proc/sysrq-trigger'
	err_has "Kernel panic - not syncing: sysrq triggered crash"
	judge "a panic shows the kernel's log" "$why"
}

case_not_found() {
	local text
	try not_found 125 -- no-such-command
	text="kvm: -- no-such-command: no such command on this host;"
	text+=" use --add or an initrd (-i) for one that only the guest has"
	err_is "$text"
	judge "no such command" "$why"
	try not_there 127 --add /etc/hostname -- no-such-command
	err_has "no-such-command: not found in the guest"
	judge "no such command in the guest" "$why"
	try no_modules 125 --modules "$work" -- true
	text="kvm: --modules $work: no modules for $(cat "$in/cloud/version") in this folder"
	err_is "$text (no modules.dep; depmod creates it)"
	judge "no modules" "$why"
}

# The reader sees the end when the command closes its stdout; the command goes on until then, and
# after.
case_closes() {
	mkfifo "$work/fifo"
	# not by kvm(): timeout(1) would hold stdout open as well
	"$KVM_BIN" run --timeout 150 -k "$in/cloud/vmlinuz" -m 256M -- \
		sh -c 'echo last; exec >&-; read -r line; echo "$line" >&2; exit 3' \
		0<>"$work/fifo" 2>"$NEST_OUT/closes.err" |
		{ cat >"$NEST_OUT/closes.out"; echo "after the end" 1<>"$work/fifo"; }
	rc=${PIPESTATUS[0]} name=closes why=
	[ "$rc" = 3 ] || why="exit code $rc"
	out_is last
	err_is "after the end"
	judge "the end of stdout is passed on" "$why"
}

case_shell() {
	printf 'echo hello | tr a-z A-Z\nexit 5\n' |
		kvm -- >"$NEST_OUT/shell.out" 2>"$NEST_OUT/shell.err"
	rc=${PIPESTATUS[1]} name=shell
	why=
	[ "$rc" = 5 ] || why="exit code $rc, $(tail -n 1 "$NEST_OUT/shell.err")"
	out_is HELLO
	judge "a shell, with the usual programs" "$why"
}

case_backport() {
	"$KVM_BIN" run --timeout 150 -k "$in/backport/vmlinuz" -m 256M -- \
		uname -r >"$NEST_OUT/backport.out" 2>"$NEST_OUT/backport.err"
	rc=$? name=backport why=
	[ $rc = 0 ] || why="exit code $rc, $(tail -n 1 "$NEST_OUT/backport.err")"
	out_is "$(cat "$in/backport/version")"
	err_is ""
	judge "a kernel with compressed modules" "$why"
}

# $pid: a launcher in the background, whose command prints "ready" first; then it gets SIGNAL
signal_when_ready() { # CASE SIGNAL [OPTION]... -- CMD
	local sig=$2
	name=$1
	shift 2
	"$KVM_BIN" run --timeout 150 -k "$in/cloud/vmlinuz" -m 256M --add /usr/bin/sleep "$@" \
		</dev/null >"$NEST_OUT/$name.out" 2>"$NEST_OUT/$name.err" &
	pid=$!
	for _ in $(seq 600); do
		! grep -q ready "$NEST_OUT/$name.out" && kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	kill -"$sig" $pid
	wait $pid
	rc=$?
	why=
}

case_signal() {
	signal_when_ready signal TERM --grace 50 -- \
		sh -c 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done'
	[ $rc = 9 ] || why="exit code $rc, $(tail -n 1 "$NEST_OUT/signal.err")"
	out_is "$(printf 'ready\ngot it')"
	err_is "kvm: SIGTERM: passed on to the command; the machine ends in 50 s at the latest"
	judge "SIGTERM is passed on to the command" "$why"
	signal_when_ready deaf HUP --grace 1 -- \
		sh -c 'trap "" HUP; echo ready; while :; do sleep 0.1; done'
	[ $rc = 129 ] || why="exit code $rc"
	err_has "kvm: ended by SIGHUP"
	judge "a command that takes no notice of SIGHUP is ended" "$why"
}

# Types a line once the command has the terminal, and then sends a signal.
type_line() {
	for _ in $(seq 200); do
		! grep -q "31 97" "$NEST_OUT/terminal.out" || break
		sleep 0.2
	done
	echo typed
	until grep -q "waiting" "$NEST_OUT/terminal.out" || [ -e "$work/done" ]; do sleep 0.2; done
	kill -HUP "$(cat "$work/pid")"
	while [ ! -e "$work/done" ]; do sleep 0.2; done
}

case_terminal() {
	local say='tty; stty size; read -r x; echo "got $x"; trap "exit 7" HUP; echo waiting;'
	local command line
	say+=' while :; do sleep 0.1; done'
	command="stty rows 31 cols 97; echo \$\$ >'$work/pid';"
	command+=" exec '$KVM_BIN' run --timeout 150 --grace 50 -k '$in/cloud/vmlinuz' -m 256M"
	command+=" --add /usr/bin/tty --add /usr/bin/stty --add /usr/bin/sleep -- sh -c '$say'"
	: >"$NEST_OUT/terminal.out"
	type_line | {
		script -qefc "$command" "$NEST_OUT/terminal.out" >/dev/null
		echo $? >"$work/done"
	}
	why=
	[ "$(cat "$work/done")" = 7 ] || why="exit code $(cat "$work/done")"
	for line in /dev/hvc0 "31 97" "got typed"; do
		tr -d '\r' <"$NEST_OUT/terminal.out" | grep -qx "$line" || why+=" no line \"$line\""
	done
	judge "on a terminal; SIGHUP is passed on there, too" "$why"
}

all="uname exit full cat path mounts killed arguments signal reader_gone closes files shell"
all+=" panic not_found backport terminal"
for c in ${*:-$all}; do
	if [ "$(type -t case_"$c")" = function ]; then case_"$c"; else judge "$c" "no such case"; fi
done
exit $failed
