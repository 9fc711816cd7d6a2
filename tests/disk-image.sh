#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/disk-image.sh [--init systemd|sysvinit] FORM OUT
#
# Makes OUT, a disk with the distribution's own minimal system on it, which debootstrap makes from
# its packages. It boots to a `login:` on ttyS0, where root needs no password; the kernel and its
# initrd are not on it (tests/kernels.sh, tests/stock-initrd.sh). FORM is
#
#   raw    an ext4 file system on the whole disk
#   qcow2  an overlay that has the cached raw one as its backing file (-d OUT,backing=any)
#   gpt    the same file system in the second of two partitions; its type is the one for the root of
#          x86-64
#
# The caller may write to OUT. The system it is made from is kept in
# ${XDG_CACHE_HOME:-~/.cache}/kvm-tests/disk; the first time needs root and the network.

set -euo pipefail
export LC_ALL=C
umask 022
PATH=$PATH:/usr/sbin:/sbin

ROOT_BYTES=$((1 << 30))
PART_OFFSET=$((16 << 20))

die() { echo "disk-image.sh: $*" >&2; exit 1; }
init=systemd
case ${1:-} in
-h|--help) sed -n '4,/^$/s/^# \{0,1\}//p' "$0"; exit ;;
--init) init=${2:-}; shift 2 || : ;;
esac
[ $# = 2 ] || die "usage: disk-image.sh [--init systemd|sysvinit] raw|qcow2|gpt OUT"
form=$1 out=$2
case $init in
systemd)  packages=systemd-sysv,udev,kmod,e2fsprogs ;;
sysvinit) packages=sysvinit-core,udev,kmod,e2fsprogs ;;
*) die "--init $init: systemd or sysvinit" ;;
esac

HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-tests/disk
codename=$(. /etc/os-release; echo "$VERSION_CODENAME")
kept=$cache/$codename-$init-2.raw # 2: what settle() does, the second time that it changed
mkdir -p "$cache"

bootstrap() { # DIR
	local uri
	# Where this machine gets its own packages from.
	uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' |
		awk -v c="$codename" '$2 == c && $3 == "main" && !n++ { print $1 }')
	[ -n "$uri" ] || die "apt's sources name no suite $codename main"
	debootstrap --variant=minbase --include="$packages" "$codename" "$1" "$uri" \
		>"$1.log" 2>&1 || { tail -n 5 "$1.log" >&2; die "debootstrap fails"; }
}

settle() { # DIR: settings that an installer would have asked for
	echo disk-image >"$1/etc/hostname"
	printf '127.0.0.1 localhost disk-image\n' >"$1/etc/hosts"
	# No line for /: it stays as the kernel has mounted it, wherever that is.
	: >"$1/etc/fstab"
	: >"$1/etc/machine-id"
	# This unit is for machines with screens; here the boot would wait for five terminals.
	ln -sfn /dev/null "$1/etc/systemd/system/getty-static.service" 2>/dev/null || :
	# A nested machine on a busy host is slow, and systemd gives up a serial port that udev has
	# not named within 90 s.
	if [ "$init" = systemd ]; then
		mkdir -p "$1/etc/systemd/system.conf.d"
		printf '[Manager]\nDefaultDeviceTimeoutSec=900\n' \
			>"$1/etc/systemd/system.conf.d/slow.conf"
	fi
	chroot "$1" passwd -qd root
	if [ "$init" = sysvinit ]; then
		echo 'T0:23:respawn:/sbin/agetty -L ttyS0 115200 vt100' >>"$1/etc/inittab"
		sed -i '/^[1-6]:.*tty[1-6]/d' "$1/etc/inittab"
	fi
	# The disk must not keep this machine's package source.
	rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/bootstrap.log \
		"$1/etc/apt/sources.list" "$1/etc/resolv.conf"
}

(	flock 9
	[ ! -e "$kept" ] || exit 0
	[ "$(id -u)" = 0 ] || die "debootstrap needs root"
	for tool in debootstrap mkfs.ext4; do
		command -v $tool >/dev/null || die "$tool is not installed (tests/deps.sh check)"
	done
	tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/disk-image.XXXXXX")
	trap 'rm -rf "$tmp" "$kept.$$"' EXIT
	trap 'exit 1' HUP INT TERM
	mkdir "$tmp/root"
	bootstrap "$tmp/root"
	settle "$tmp/root"
	truncate -s $ROOT_BYTES "$kept.$$"
	mkfs.ext4 -q -F -L root -d "$tmp/root" "$kept.$$"
	# A backing file must not change.
	chmod 444 "$kept.$$"
	mv "$kept.$$" "$kept"
) 9>"$cache/.lock-$init"

rm -f "$out"
case $form in
raw)
	cp --sparse=always "$kept" "$out"
	chmod 644 "$out"
	;;
qcow2)
	qemu-img create -q -f qcow2 -b "$(realpath "$kept")" -F raw "$out"
	;;
gpt)
	command -v sfdisk >/dev/null || die "sfdisk is not installed"
	truncate -s $((ROOT_BYTES + 2 * PART_OFFSET)) "$out"
	root=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 # the root of x86-64
	sfdisk -q "$out" <<-END
		label: gpt
		start=2048, size=8192, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="esp"
		start=$((PART_OFFSET / 512)), size=$((ROOT_BYTES / 512)), type=$root, name="root"
	END
	dd if="$kept" of="$out" bs=1M seek=$((PART_OFFSET >> 20)) conv=notrunc,sparse status=none
	;;
*)
	die "$form: raw, qcow2 or gpt"
	;;
esac
