#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/share/job.sh IN [CASE]...
#
# Runs the cases of tests/share.sh, the host's files in the guest, as root, where stock kernels can
# run. IN has the kernel's folder. Prints a line a test; each case's streams are in
# $NEST_OUT/CASE.out and .err.
set -u
in=$(realpath "$1") self=$(realpath "$0") # cases change the folder
shift
failed=0
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
unset SHELL
work=$(mktemp -d /tmp/share.XXXXXX)
kvm=$(realpath "$KVM_BIN")
trap 'cd /; rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"

judge() { # NAME WHY
	if [ -n "$2" ]; then
		echo "not ok share: $1: $2"
		failed=1
	else
		echo "ok share: $1"
	fi
}

# try CASE RC ARG...: $why is what is wrong so far; $as is the command that sets the user
as=
try() {
	local rc want=$2
	name=$1
	shift 2
	$as timeout 280 "$kvm" run --timeout 240 -k "$in/cloud/vmlinuz" -m 512M "$@" </dev/null \
		>"$NEST_OUT/$name.out" 2>"$NEST_OUT/$name.err"
	rc=$?
	why=
	[ $rc = "$want" ] ||
		why="exit code $rc instead of $want, $(tail -n 1 "$NEST_OUT/$name.err")"
}

out_has() { # LINE
	[ -n "$why" ] || grep -qxF -- "$1" "$NEST_OUT/$name.out" ||
		why="no line \"$1\" in stdout: $(tail -n 3 "$NEST_OUT/$name.out")"
}

err_is() { # TEXT
	[ -n "$why" ] || [ "$(cat "$NEST_OUT/$name.err")" = "$1" ] ||
		why="stderr is $(head -c 300 "$NEST_OUT/$name.err")"
}

none_left() { # nor is any process of ours
	local i
	for i in $(seq 50); do
		pgrep -x virtiofsd >/dev/null || return 0
		sleep 0.2
	done
	why="${why:-virtiofsd is still there}"
}

# However the launcher ends, virtiofsd ends, too. A machine that jumps in place.
case_ends() {
	local pid daemon signal
	why=
	printf '\xeb\xfe' >"$work/jump"
	mkdir "$work/folder"
	for signal in TERM KILL; do
		"$kvm" run --post-mortem off -m 32M --grace 0 -k "$work/jump" --entry 16 \
			--share "$work/folder" </dev/null >"$NEST_OUT/ends.out" 2>&1 &
		pid=$!
		for _ in $(seq 300); do
			daemon=$(pgrep -f -- "virtiofsd.*$work/folder") && break
			sleep 0.1
		done
		[ -n "$daemon" ] || why+=" none was started: $(tail -n 1 "$NEST_OUT/ends.out");"
		kill -$signal $pid
		wait $pid 2>/dev/null
		for _ in $(seq 300); do
			daemon=$(pgrep -f -- "virtiofsd.*$work/folder") || break
			sleep 0.1
		done
		[ -z "$daemon" ] || why+=" SIG$signal: it is still there;"
	done
	judge "nothing is left when the launcher ends" "$why"
}

# Both kinds of folders; the driver is taken from the device and comes back.
case_folders() {
	mkdir -p "$work/rw" "$work/seen"
	echo "from the host" >"$work/seen/file"
	head -c 4000000 /dev/urandom >"$work/rw/big"
	try folders 0 --share "$work/rw:data" --share "$work/seen,ro" -- busybox sh -c '
		cat /mnt/seen/file
		echo x 2>/dev/null >/mnt/seen/new || echo refused
		mount -o remount,rw /mnt/seen && echo remounted
		echo x 2>/dev/null >/mnt/seen/new || echo refused by the host
		echo "from the guest" >/mnt/data/new
		cp /mnt/data/big /mnt/data/copy
		umount /mnt/data /mnt/seen
		cd /sys/bus/virtio/drivers/virtiofs
		for d in virtio*; do echo $d >unbind; echo $d >bind; done
		mount -t virtiofs data /mnt/data && cmp /mnt/data/big /mnt/data/copy &&
			echo the same'
	for line in "from the host" refused remounted "refused by the host" "the same"; do
		out_has "$line"
	done
	err_is ""
	[ -n "$why" ] || [ "$(cat "$work/rw/new")" = "from the guest" ] ||
		why="the guest's file did not come out"
	[ -n "$why" ] || cmp -s "$work/rw/big" "$work/rw/copy" || why="the copy is not the same"
	[ -n "$why" ] || [ "$(ls "$work/seen")" = file ] ||
		why="the read-only folder has $(ls "$work/seen")"
	none_left
	judge "--share, written to and read-only" "$why"
}

case_overlay() {
	mkdir -p "$work/src"
	printf '#include <stdio.h>\nint main(void) { puts("compiled in the guest"); return 0; }\n' \
		>"$work/src/hello.c"
	chmod 777 "$work/src"
	cd "$work/src" || exit 1
	try overlay 3 --root /,overlay -- \
		sh -c 'pwd; ls -d /usr/bin/gcc; gcc hello.c -o hello && ./hello
		echo x >/etc/kvm-was-here && cat /etc/kvm-was-here; exit 3'
	cd /
	for line in "$work/src" /usr/bin/gcc "compiled in the guest" x; do out_has "$line"; done
	err_is ""
	[ -n "$why" ] || [ "$(ls "$work/src")" = hello.c ] ||
		why="the host's folder has $(ls "$work/src")"
	[ -n "$why" ] || [ ! -e /etc/kvm-was-here ] || why="the host's /etc was written to"
	none_left
	judge "the host's root with an overlay, gcc in it" "$why"
}

# An ordinary user, who may not read root's folders. A chroot, in which the nested machine's jobs
# run, has no user namespaces: this job leaves it for a root of its own.
case_user() {
	if [ -n "${KVM_NEST:-}" ] && [ -z "${UNCHROOTED:-}" ]; then
		UNCHROOTED=1 KVM_BIN=$kvm nsenter --target 1 --root --wd \
			/bin/busybox unshare -m /bin/busybox sh -c \
			'cd /host && mount --move . / && exec chroot . "$0" "$@"' \
			"$self" "$in" user || failed=1
		return
	fi
	chmod 666 /dev/kvm
	mkdir -p "$work/cloud"
	mount --bind "$in/cloud" "$work/cloud"
	cp "$kvm" "$work/kvm"
	in=$work kvm=$work/kvm
	as="setpriv --reuid 65534 --regid 65534 --groups 65534,4 --inh-caps=-all"
	as+=" --bounding-set=-all"
	mkdir -p "$work/src"
	chmod 777 "$work/src"
	printf '#include <stdio.h>\nint main(void) { puts("compiled in the guest"); return 0; }\n' \
		>"$work/src/hello.c"
	try user 3 --cwd / --root /,ro --share "$work/src:src" -- \
		sh -c 'pwd; gcc /mnt/src/hello.c -o /tmp/a && /tmp/a
		(echo x >/etc/kvm-was-here) 2>/dev/null || echo refused
		cp /tmp/a /mnt/src/copy; exit 3'
	for line in / "compiled in the guest" refused; do out_has "$line"; done
	err_is ""
	[ -n "$why" ] || [ "$(stat -c %u "$work/src/copy")" = 65534 ] ||
		why="the copy is not the user's"
	none_left
	judge "the host's root and a folder for an ordinary user" "$why"
	mkdir -p "$work/own"
	cp "$work/src/hello.c" "$work/own/"
	chown -R 65534:65534 "$work/own"
	cd "$work/own" || exit 1
	# A file of root, one of the user, and operations that only root may do to another's file.
	try user_overlay 3 --root /,overlay -- \
		sh -c 'pwd; gcc hello.c -o hello && ./hello; echo more >>hello.c; tail -n 1 hello.c
		echo x >/etc/kvm-was-here && cat /etc/kvm-was-here
		echo changed >>/etc/passwd && tail -n 1 /etc/passwd
		chown 5:6 /etc/passwd && chmod 4711 /etc/passwd &&
			touch -d @86400 /etc/passwd && stat -c "%a %u:%g %Y" /etc/passwd
		rm -r /etc/skel && ls /etc/skel 2>&1; exit 3'
	cd /
	for line in "$work/own" "compiled in the guest" more x changed "4711 5:6 86400" \
		"ls: cannot access '/etc/skel': No such file or directory"; do
		out_has "$line"
	done
	err_is ""
	[ -n "$why" ] || [ "$(ls "$work/own")" = hello.c ] ||
		why="the host's folder has $(ls "$work/own")"
	[ -n "$why" ] || cmp -s "$work/src/hello.c" "$work/own/hello.c" ||
		why="the host's file was written to"
	none_left
	judge "the host's root with an overlay for an ordinary user" "$why"
	umount "$work/cloud"
	as=
}

case_root() {
	mkdir -p "$work"/tree/{bin,proc,sys,dev,tmp,run,sub}
	cp /bin/busybox "$work/tree/bin/"
	cd "$work/tree/sub" || exit 1
	try root 0 --root "$work/tree" -- /bin/busybox \
		sh -c 'pwd; echo kept >/kept; echo thrown >/tmp/thrown'
	cd /
	out_has /sub
	err_is ""
	[ -n "$why" ] ||
		[ "$(cat "$work/tree/kept" "$work/tree/tmp/thrown" 2>/dev/null)" = kept ] ||
		why="the tree has $(cd "$work/tree" && echo *)"
	judge "--root that is written to" "$why"
}

# virtiofsd dies while the guest runs: processes that access its files wait, the machine goes on.
case_death() {
	mkdir -p "$work/data"
	(
		for _ in $(seq 1200); do
			! grep -q started "$NEST_OUT/death.out" 2>/dev/null || break
			sleep 0.2
		done
		pkill -KILL -x virtiofsd
	) &
	# An answer that takes 10 s never comes.
	try death 7 --share "$work/data" -- busybox sh -c 'echo started
		answered=1
		while [ $answered = 1 ]; do
			answered=0 i=0
			rm -f /tmp/ok
			(stat -f /mnt/data >/dev/null && : >/tmp/ok) &
			while [ $answered = 0 ] && [ $i -lt 20 ]; do
				sleep 0.5
				[ ! -e /tmp/ok ] || answered=1
				i=$((i + 1))
			done
		done
		echo goes on
		exit 7'
	wait
	out_has "goes on"
	[ -n "$why" ] || [ "$(grep -c 'virtiofsd of data' "$NEST_OUT/death.err")" = 1 ] ||
		why="stderr is $(head -c 300 "$NEST_OUT/death.err")"
	judge "virtiofsd is killed, the machine goes on" "$why"
}

for c in ${*:-folders overlay root death user}; do
	if [ "$(type -t case_"$c")" = function ]; then case_"$c"; else judge "$c" "no such case"; fi
done
exit $failed
