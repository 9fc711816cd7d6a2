#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/initrd.sh [OPTION]... OUT [SCRIPT]
#
# Makes a small initrd, OUT, out of busybox. Its init mounts /proc, /sys, /dev, /tmp and so on,
# prints `kvm-test: userspace up` and
#   without SCRIPT  starts a shell on the console, with job control, and powers off when the shell
#                   ends;
#   with SCRIPT     runs it (busybox sh, or the interpreter of its #! line, if added), prints
#                   `kvm-test: exit N` and powers off.
# On the kernel's command line end=reboot, end=halt, or end=exit (the kernel panics) selects another
# end.
#
#   --tiny             no busybox: a static init of a KiB that prints the same line and restarts
#                      (guest/tiny-init/init.c; end=poweroff and more)
#   --tiny32           the same for 32-bit kernels (and any 64-bit one)
#   --plain            no busybox and no init: only the files of --add
#   --busybox FILE     the busybox to pack (default: this machine's); it may be for another kind of
#                      machine, because nothing that is packed runs here
#   --kernel DIR       the kernel, from tests/kernels.sh, that the modules are for
#   --modules "M..."   insert these modules, and what they need, first
#   --keep "M..."      pack these modules too, for `load M...` in SCRIPT
#   --bare             pack modules without symbols, BTF and signature: an emulator takes seconds to
#                      check those
#   --add FILE[:DEST]  pack FILE (or a folder) as DEST (default: its own path), with the libraries
#                      that it is linked with
#   --init FILE        use FILE as /init (busybox and modules are still packed)
#   --gzip             compress
#
# No root is needed: the kernel's own built-in initramfs has /dev/console. The same input gives the
# same OUT, byte for byte.

set -euo pipefail
export LC_ALL=C
umask 022
PATH=$PATH:/usr/sbin:/sbin

die() { echo "initrd.sh: $*" >&2; exit 1; }
top=$(cd "$(dirname "$0")/.." && pwd)
command -v readelf >/dev/null || die "readelf is not installed (tests/deps.sh demo)"

kernel= modules= keep= bare= init= tiny= plain= gzip= busybox=
adds=()
while [ $# -gt 0 ]; do
	case $1 in
	--tiny)    tiny=-m64 ;;
	--tiny32)  tiny=-m32 ;;
	--plain)   plain=1 ;;
	--busybox) busybox=$2; shift ;;
	--kernel)  kernel=$2; shift ;;
	--modules) modules=$2; shift ;;
	--keep)    keep=$2; shift ;;
	--bare)    bare=1 ;;
	--add)     adds+=("$2"); shift ;;
	--init)    init=$2; shift ;;
	--gzip)    gzip=1 ;;
	-h|--help) sed -n '4,/^$/s/^# \{0,1\}//p' "$0"; exit ;;
	-*)        die "$1: no such option" ;;
	*)         break ;;
	esac
	shift
done
[ $# -ge 1 ] && [ $# -le 2 ] || die "usage: initrd.sh [OPTION]... OUT [SCRIPT]"
out=$1 script=${2:-}

stage=$(mktemp -d)
part=$out.$$
trap 'rm -rf "$stage" "$part"' EXIT
trap 'exit 1' HUP INT TERM
root=$stage/root
mkdir -p "$root" "$(dirname "$out")"

# The program may be for another kind of machine, which ldd cannot tell from a static one.
needs_loader() { readelf -lW "$1" 2>&1 | grep 'Requesting program interpreter' >/dev/null; }
needs_libraries() { readelf -dW "$1" 2>&1 | grep '(NEEDED)' >/dev/null; }

# put FILE DEST: one file or folder, with its libraries and its interpreter.
put() {
	local lib libs
	[ -e "$1" ] || die "$1: no such file"
	[ -e "$root/$2" ] && [ ! -d "$1" ] && return
	mkdir -p "$root/$(dirname "$2")"
	cp -rL "$1" "$root/$2" 2>/dev/null || cp -r "$1" "$root/$2" || exit 1
	[ -f "$1" ] && [ -x "$1" ] || return 0
	if needs_loader "$1" || needs_libraries "$1"; then
		libs=$(ldd "$1" 2>&1) || die "$1: ldd cannot name its libraries: $libs"
		case $libs in *'not found'*) die "$1: a library is not installed: $libs" ;; esac
		while read -r lib; do
			[ -e "$root$lib" ] || {
				mkdir -p "$root$(dirname "$lib")"
				cp -L "$lib" "$root$lib"
			}
		done < <(sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p' <<<"$libs")
	fi
	lib=$(head -c 256 "$1" | tr -d '\0' |
		sed -n '1s/^#! *\(\/[^ ]*\).*/\1/p')
	case $lib in
	''|/bin/sh|*/busybox) ;;
	*) put "$lib" "$lib" ;;
	esac
}

# pack_modules LIST DIR: packs the modules in LIST and all they need, uncompressed, below DIR;
# DIR/NAME lists the files for NAME in the order of insertion.
pack_modules() {
	local m verb file rest name v
	[ -n "$kernel" ] || die "--modules and --keep need --kernel"
	v=$(cat "$kernel/version")
	mkdir -p "$2"
	for m in $1; do
		: >"$2/$m"
		modprobe -d "$kernel/root" -S "$v" --show-depends "$m" \
			>"$stage/deps" 2>"$stage/err" ||
			die "$m: no such module in $v: $(cat "$stage/err")"
		while read -r verb file rest; do
			[ "$verb" = insmod ] || continue
			name=${file##*/}; name=${name%%.ko*}.ko
			[ -e "$2/$name" ] || case $file in
			*.xz)  xz -dc "$file" >"$2/$name" ;;
			*.zst) zstd -qdc "$file" >"$2/$name" ;;
			*.gz)  gzip -dc "$file" >"$2/$name" ;;
			*)     cp "$file" "$2/$name" ;;
			esac
			[ -z "$bare" ] || strip --strip-unneeded -R .BTF -R .BTF.base "$2/$name"
			echo "$name" >>"$2/$m"
		done <"$stage/deps"
	done
}

if [ -n "$tiny" ]; then
	# -m32 does not look where a 64-bit system keeps the kernel's headers.
	${CC:-gcc} $tiny -Os -std=gnu11 -Wall -Wextra -ffreestanding -static \
		-nostdlib -nostartfiles -fno-pie -no-pie -fno-stack-protector \
		-fcf-protection=none -fno-asynchronous-unwind-tables -fno-ident \
		-Wl,--build-id=none -Wl,-n -Wl,-z,noseparate-code -s \
		-idirafter "/usr/include/$(${CC:-gcc} -print-multiarch)" \
		-o "$root/init" "$top/guest/tiny-init/init.c"
elif [ -z "$plain" ]; then
	own=$(command -v busybox) || die "busybox is not installed (tests/deps.sh demo)"
	busybox=${busybox:-$own}
	[ -r "$busybox" ] || die "$busybox: not readable"
	! needs_loader "$busybox" || die "$busybox is not static (tests/deps.sh demo)"
	applets=$("$own" --list) && grep -qx sh <<<"$applets" ||
		die "$own --list: no list of applets with sh in it"
	mkdir -p "$root"/{bin,proc,sys,dev,tmp,run,root,etc}
	ln -s bin "$root/sbin"
	cp -L "$busybox" "$root/bin/busybox"
	for applet in $applets; do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"

	cat >"$root/bin/load" <<'END'
#!/bin/sh
# load MODULE [PARAM=VALUE]... [MODULE...]: inserts packed modules; the
# parameters are those of the module before them.
while [ $# -gt 0 ]; do
	m=$1; shift; p=
	while case ${1-} in *=*) true ;; *) false ;; esac; do
		p="$p $1"; shift
	done
	[ -e /modules/"$m" ] || { echo "load: $m is not packed" >&2; exit 1; }
	last=$(sed -n '$p' /modules/"$m")
	while read -r ko; do
		n=${ko%.ko}; n=$(echo "$n" | tr - _)
		[ -e /sys/module/"$n" ] && continue
		if [ "$ko" = "$last" ]; then a=$p; else a=; fi
		insmod /modules/"$ko" $a || exit 1
	done </modules/"$m"
done
END
	chmod 755 "$root/bin/load"
	[ -z "$modules$keep" ] || pack_modules "$modules $keep" "$root/modules"
	echo "$modules" >"$root/etc/modules"

	if [ -n "$init" ]; then
		cp "$init" "$root/init"
	else
		cat >"$root/init" <<'END'
#!/bin/sh
export PATH=/bin:/usr/bin HOME=/root TERM="${TERM:-linux}"
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
ln -sf /proc/self/fd /dev/fd
hostname guest
load $(cat /etc/modules)
# A console whose driver is a module was not there when we were started.
[ -e /proc/self/fd/2 ] || exec </dev/console >/dev/console 2>&1
echo 'kvm-test: userspace up'
cd
if [ -x /script ]; then
	# The end of a session hangs its terminal up, and what that has not sent
	# yet is lost: stty waits for it.
	setsid cttyhack sh -c '/script; code=$?; stty sane; exit $code'
	echo "kvm-test: exit $?"
else
	# As they are, they ask the first process, which is this script and does not listen.
	echo "alias poweroff='poweroff -f' reboot='reboot -f' halt='halt -f'" >/etc/shrc
	ENV=/etc/shrc setsid cttyhack sh
fi
stty sane       # waits until the console has sent all
case ${end:-poweroff} in
poweroff) poweroff -f ;;
reboot)   reboot -f ;;
halt)     halt -f ;;
esac
exit 7
END
	fi
	chmod 755 "$root/init"
	[ -z "$script" ] || { put "$script" script; chmod 755 "$root/script"; }
fi

for add in ${adds+"${adds[@]}"}; do
	file=${add%%:*}
	[ -n "$file" ] || die "--add $add: it names no file; is the program installed?"
	case $add in *:*) dest=${add#*:} ;; *) dest=$(realpath -s "$file") ;; esac
	put "$file" "${dest#/}"
done

find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 -printf '%P\n' | sort |
	cpio --quiet -o -H newc -R 0:0 --reproducible) >"$stage/cpio"
if [ -n "$gzip" ]; then gzip -9n <"$stage/cpio"; else cat "$stage/cpio"; fi >"$part"
mv "$part" "$out"
