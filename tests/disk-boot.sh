#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/disk-boot.sh [CASE]...
#
# Boots the distribution's minimal system from its disk, with its own kernel and initrd and without
# -p: root logs in on the serial console, writes a file and powers off. Afterwards the file is on
# the disk, and the file system is clean. Since the nested machine emulates all of this, a case
# takes a minute and a half; `make check` runs two of them.
#
#   raw    a file system on the whole disk
#   gpt    on a partition of the root type
#   qcow2  an overlay over the raw one
#   ro     a disk that is read only; only as far as the login
#
# INIT=sysvinit uses that instead of systemd. KVM_BIN names another launcher than build/kvm. One
# line a test: `ok NAME`, `not ok NAME: why`. The output of the guests is kept in build/disk-boot.

set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
init=${INIT:-systemd}
dir=build/disk-boot
PATH=$PATH:/usr/sbin:/sbin

#--- where KVM is ------------------------------------------------------------------

# said SECONDS TEXT: waits until the console has printed it.
said() {
	local i
	for ((i = 0; i < 5 * $1; i++)); do
		! grep -aqF "$2" "$dir/$name.out" || return 0
		kill -0 $pid 2>/dev/null || return 1
		sleep 0.2
	done
	return 1
}

# Types what a person would type; the machine ends by itself, or the test ends it.
session() {
	said 400 'login: ' || return
	date +%s >"$dir/$name.login"
	echo root >&3
	said 60 '# ' || return
	if [ "$name" = ro ]; then
		echo 'touch /new 2>/dev/null; echo "touch says $?";' \
			'grep " / " /proc/mounts; echo done $((6 * 7))' >&3
		said 60 'done 42' && sleep 1
		return
	fi
	echo 'echo made by the guest >/root/made; poweroff 2>/dev/null' >&3
	said 60 'Power down'
	for ((i = 0; i < 50; i++)); do
		kill -0 $pid 2>/dev/null || return
		sleep 0.2
	done
}

job() { # CASE...
	local pid
	for name; do
		disk=$dir/$name.img
		[ "$name" != ro ] || disk+=,ro
		[ "$name" != qcow2 ] || disk+=,backing=any
		date +%s >"$dir/$name.start"
		rm -f "$dir/$name.out"
		# Both ends in one descriptor: no end of file in between.
		exec 3<> <(:)
		"$KVM_BIN" run -v -k $dir/vmlinuz -i $dir/initrd -m 512M --grace 0 -d "$disk" \
			<&3 >"$dir/$name.out" 2>"$dir/$name.err" &
		pid=$!
		session
		kill $pid 2>/dev/null
		wait $pid
		echo $? >"$dir/$name.rc"
		exec 3>&-
	done
}

if [ "${1:-}" = --job ]; then
	shift
	job "$@"
	exit
fi

#--- judging -------------------------------------------------------------------------

failed=0
judge() { # NAME WHY
	if [ -n "$2" ]; then
		echo "not ok disk-boot: $name: $1: $2"
		failed=1
	else
		echo "ok disk-boot: $name: $1"
	fi
}

said_in() { # FILE TEXT
	tr -d '\r' <"$dir/$name.$1" 2>/dev/null | grep -aqF "$2" || echo "no \"$2\""
}

# The file system for debugfs and e2fsck.
on_disk() {
	case $name in
	qcow2) qemu-img convert -O raw "$dir/$name.img" "$dir/fs" ;;
	gpt) dd if="$dir/$name.img" of="$dir/fs" bs=1M skip=16 count=1024 conv=sparse status=none ;;
	*) cp --sparse=always "$dir/$name.img" "$dir/fs" ;;
	esac
}

look() {
	local root=/dev/vda mode=rw rc=0 last='the guest powered off'
	[ "$name" != gpt ] || root=/dev/vda2
	[ "$name" != ro ] || mode=ro rc=143 last='ended by SIGTERM'
	judge "root=$root $mode" "$(said_in out "Command line: console=ttyS0 root=$root $mode")"
	judge "login${1:+ ($1)}" "$(said_in out 'login: ')"
	if ! [ -e $dir/$name.rc ]; then why="it was not run: $(tail -n 1 $dir/nest.log)"
	elif [ "$(cat $dir/$name.rc)" = $rc ]; then why=
	else why="exit code $(cat $dir/$name.rc), $(tail -n 1 $dir/$name.err)"
	fi
	judge "$last" "${why:-$(said_in err "$last")}"
	if [ "$name" = ro ]; then
		judge "the guest cannot write" "$(said_in out 'touch says 1')"
		cmp -s $dir/ro.img $dir/ro.before && why= || why="it has changed"
		judge "the disk is as it was" "$why"
		return
	fi
	if ! why=$(on_disk 2>&1); then
		judge "what is on the disk" "it cannot be read: $(tail -n 1 <<<"$why")"
		return
	fi
	[ "$(debugfs -R 'cat /root/made' $dir/fs 2>/dev/null)" = 'made by the guest' ] && why= ||
		why="it is not there"
	judge "what the guest wrote is on the disk" "$why"
	why=$(e2fsck -fn $dir/fs 2>&1) && why=
	judge "e2fsck" "$(tail -n 1 <<<"$why")"
	[ "$name" != qcow2 ] || judge "qemu-img check" \
		"$(qemu-img check -q $dir/qcow2.img 2>&1 || echo "exit code $?")"
	rm -f $dir/fs
}

seconds() {
	[ ! -e $dir/$name.login ] || echo "$(($(cat $dir/$name.login) - $(cat $dir/$name.start))) s"
}

prepare() { # CASE...
	local kernel
	rm -rf $dir
	mkdir -p $dir
	kernel=$(tests/kernels.sh cloud) && cp "$kernel/vmlinuz" $dir/vmlinuz &&
		tests/stock-initrd.sh cloud $dir/initrd || return
	for name; do
		form=$name
		[ "$name" != ro ] || form=raw
		tests/disk-image.sh --init "$init" "$form" "$dir/$name.img" || return
		[ "$name" != ro ] || cp --sparse=always $dir/ro.img $dir/ro.before || return
	done
}

[ $# -gt 0 ] || set -- raw gpt qcow2 ro
if ! why=$(prepare "$@" 2>&1 >/dev/null); then
	echo "not ok disk-boot: what is booted cannot be made: $(tail -n 1 <<<"$why")"
	exit 1
fi
if tests/hostkvm.sh >/dev/null; then
	job "$@"
else
	tests/nest --timeout $((120 + 600 * $#)) --out $dir tests/disk-boot.sh --job "$@" \
		>$dir/nest.log 2>&1 ||
		tail -n 3 $dir/nest.log
fi
for name; do
	look "$(seconds)"
done
exit $failed
