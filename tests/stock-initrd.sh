#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/stock-initrd.sh NAME OUT
#
# Copies to OUT the initrd that the distribution itself makes for kernel NAME of tests/kernels.sh:
# runs its mkinitramfs, with its own defaults, in a small system that debootstrap makes for this and
# that is then removed. The initrd is kept in the cache. Needs root, and the network the first time.

set -euo pipefail
export LC_ALL=C
umask 022
PATH=$PATH:/usr/sbin:/sbin

die() { echo "stock-initrd.sh: $*" >&2; exit 1; }
case ${1:-} in
-h|--help) sed -n '4,/^$/s/^# \{0,1\}//p' "$0"; exit ;;
esac
[ $# = 2 ] || die "usage: stock-initrd.sh NAME OUT"
out=$2

here=$(cd "$(dirname "$0")" && pwd)
HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-tests
kernel=$("$here/kernels.sh" "$1")
version=$(cat "$kernel/version")
kept=$cache/kernels/initrd-$version

make_root() { # DIR
	local codename uri
	codename=$(. /etc/os-release; echo "$VERSION_CODENAME")
	# Where this machine gets its own packages from.
	uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' |
		awk -v c="$codename" '$2 == c && $3 == "main" && !n++ { print $1 }')
	[ -n "$uri" ] || die "apt's sources name no suite $codename main"
	debootstrap --variant=minbase --include=initramfs-tools,busybox,zstd "$codename" "$1" \
		"$uri" >"$1/log" 2>&1 || { tail -n 5 "$1/log" >&2; die "debootstrap fails"; }
}

(	flock 9
	[ -e "$kept" ] && exit 0
	[ "$(id -u)" = 0 ] || die "debootstrap needs root"
	command -v debootstrap >/dev/null || die "debootstrap is not installed"
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/stock.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM
	make_root "$tmp"
	mkdir -p "$tmp/lib/modules" "$tmp/boot"
	cp -r "$kernel/modules/." "$tmp/lib/modules/$version"
	cp "$kernel/config" "$tmp/boot/config-$version"
	chroot "$tmp" mkinitramfs -o /initrd "$version" 2>"$tmp/log" ||
		{ cat "$tmp/log" >&2; die "mkinitramfs fails"; }
	cp "$tmp/initrd" "$kept.$$"
	mv "$kept.$$" "$kept"
) 9>"$cache/kernels/.lock-initrd"
cp "$kept" "$out"
