#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/tiny-kernel.sh [VARIANT]
#
# Prints the folder of a kernel of our own, built from the distribution's kernel source with
# guest/tiny.config and then, if there is one, guest/tiny-VARIANT.config on top of allnoconfig.
# Builds it the first time, which takes some minutes. The folder has vmlinuz, config and version.
#
#   dt      learns of its CPUs and devices from a device tree
#   (none)  learns of CPUs from the MP table if there is one, of devices from the command line
#
# It is kept in the cache of tests/kernels.sh under a name made from the configuration and this
# script, so a changed one is another kernel; the source's package is kept too, its tree is not. An
# option that the kernel's own rules do not accept as given is an error.

set -euo pipefail
export LC_ALL=C

die() { echo "tiny-kernel.sh: $*" >&2; exit 1; }

case ${1:-} in
-h|--help) sed -n '4,/^$/s/^# \{0,1\}//p' "$0"; exit ;;
esac
top=$(cd "$(dirname "$0")/.." && pwd)
fragments=("$top/guest/tiny.config")
[ -z "${1:-}" ] || fragments+=("$top/guest/tiny-$1.config")
for f in "${fragments[@]}"; do [ -r "$f" ] || die "$f: not readable"; done
# The result of all fragments: the last setting of each option counts.
options=$(sed -nE 's/^(# )?(CONFIG_[A-Z0-9_]+)(=| is not set).*/\2 &/p' "${fragments[@]}" |
	awk '{ name = $1; sub(/^[^ ]* /, ""); last[name] = $0 }
		END { for (name in last) print last[name] }' | sort)

HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-tests
mkdir -p "$cache/kernels" "$cache/source"

source_package() { # the package that is there, or else the newest one to be had
	local deb
	for deb in "$cache/source"/linux-source-*.deb; do
		[ -e "$deb" ] && { echo "$deb"; return; }
	done
	local name
	name=$(apt-cache depends linux-source 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-source-[0-9.]*\)$/\1/p' | head -n 1)
	[ -n "$name" ] || die "apt knows no linux-source package"
	local tmp
	tmp=$(mktemp -d "$cache/source/.get.XXXXXX")
	(cd "$tmp" && apt-get -qq -o Acquire::Retries=3 download "$name" >log 2>&1) || {
		cat "$tmp/log" >&2
		rm -rf "$tmp"
		die "cannot download $name"
	}
	mv "$tmp"/*.deb "$cache/source/"
	rm -rf "$tmp"
	source_package
}

# Unpacks the tree without the files that no tiny kernel needs: unpacking takes half of the time.
# All Kconfig and Makefile files must be there.
unpack() { # TARBALL DIR
	local arch args=()
	for arch in alpha arc arm arm64 csky hexagon ia64 loongarch m68k microblaze mips nios2 \
		openrisc parisc powerpc riscv s390 sh sparc um xtensa; do
		args+=(--exclude="*/arch/$arch/*."{c,h,S,dts,dtsi})
	done
	for dir in drivers/gpu drivers/net drivers/media drivers/staging drivers/infiniband \
		drivers/scsi drivers/iio drivers/usb sound Documentation; do
		args+=(--exclude="*/$dir/*."{c,h,rst,yaml,txt,dts,dtsi,svg})
	done
	args+=(--exclude='*/tools/perf/*' --exclude='*/tools/testing/*')
	tar -xJf "$1" -C "$2" --strip-components=1 "${args[@]}"
}

build() { # DEB DIR
	local tmp=$2/work tarball line
	mkdir "$tmp" "$tmp/deb" "$tmp/tree"
	dpkg -x "$1" "$tmp/deb"
	tarball=$(find "$tmp/deb/usr/src" -name 'linux-source-*.tar.xz')
	[ -n "$tarball" ] || die "$1: holds no source"
	unpack "$tarball" "$tmp/tree"
	rm -rf "$tmp/deb"
	echo "$options" >"$tmp/options"
	set -- "$1" "$2" make -s -C "$tmp/tree" ARCH=x86 KBUILD_BUILD_USER=kvm \
		KBUILD_BUILD_HOST=kvm KBUILD_BUILD_TIMESTAMP='2024-01-01'
	"${@:3}" KCONFIG_ALLCONFIG="$tmp/options" allnoconfig
	while read -r line; do
		# An option that is off need not be named.
		case $line in
		'# '*) name=${line#'# '}; ! grep -q "^${name%% *}=" "$tmp/tree/.config" ;;
		*) grep -qxF "$line" "$tmp/tree/.config" ;;
		esac || die "${fragments[*]}: the kernel's rules do not allow $line"
	done <"$tmp/options"
	"${@:3}" -j"$(nproc)" bzImage
	cp "$tmp/tree/arch/x86/boot/bzImage" "$2/vmlinuz"
	cp "$tmp/tree/.config" "$2/config"
	"${@:3}" kernelrelease >"$2/version"
	rm -rf "$tmp"
}

{
	flock 9
	# A kernel that was built with exactly these options is good enough, even when the package
	# of the source has changed.
	sum=$({ echo "$options"; cat "$0"; } | sha256sum | head -c 12)
	dir=$cache/kernels/tiny-$sum
	if [ ! -e "$dir/version" ]; then
		"$top/tests/deps.sh" kernel >&2
		deb=$(source_package)
		tmp=$(mktemp -d "$cache/kernels/.tiny.XXXXXX")
		trap 'rm -rf "$tmp"' EXIT
		trap 'exit 1' HUP INT TERM
		echo "tiny-kernel.sh: building from ${deb##*/}" >&2
		# Not `build ... ||`, which would ignore failing commands inside build.
		build "$deb" "$tmp" >"$tmp/log" 2>&1 9>&- &
		wait $! || {
			tail -n 30 "$tmp/log" >&2
			die "cannot build the kernel"
		}
		chmod 755 "$tmp"
		rm -rf "$dir"
		mv -T "$tmp" "$dir"
	fi
} 9>"$cache/kernels/.lock-tiny"
echo "$dir"
