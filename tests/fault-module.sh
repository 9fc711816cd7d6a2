#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/fault-module.sh KERNEL
#
# Prints the path of guest/faults, built as a module for KERNEL, a folder of tests/kernels.sh. The
# first time it fetches the distribution's headers of exactly that kernel. It keeps the module in
# the cache of tests/kernels.sh, under a name made from the module's source and this script. No root
# is needed.

set -euo pipefail
export LC_ALL=C

die() { echo "fault-module.sh: $*" >&2; exit 1; }
case ${1:-} in
-h|--help|'') sed -n '4,/^$/s/^# \{0,1\}//p' "$0"; [ $# -gt 0 ]; exit ;;
esac
top=$(cd "$(dirname "$0")/.." && pwd)
version=$(cat "$1/version")
HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-tests
mkdir -p "$cache/modules"
sum=$(cat "$top/guest/faults/faults.c" "$0" | sha256sum | head -c 12)
module=$cache/modules/faults-$version-$sum.ko

# The kernel's own headers, those for all its flavours, and the programs of the build, each by the
# name that its release has for it.
build() { # DIR
	local source=$1/root/usr/src needed
	needed=$(LC_ALL=C apt-cache depends "linux-headers-$version" |
		sed -nE 's/^ *Depends: (linux-(headers-.*-common|kbuild-.*))$/\1/p')
	(cd "$1" && apt-get -qq -o Acquire::Retries=3 download "linux-headers-$version" $needed)
	for deb in "$1"/*.deb; do dpkg -x "$deb" "$1/root"; done
	sed -i "s|^include /usr/src/|include $source/|" "$source/linux-headers-$version/Makefile"
	cp -r "$top/guest/faults" "$1/faults"
	echo 'obj-m := faults.o' >"$1/faults/Makefile"
	# Debian 13's would need pahole to describe the module's types, which nothing here uses.
	make -s -C "$source/linux-headers-$version" M="$1/faults" KBUILD_MODPOST_WARN=1 \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules
}

{
	flock 9
	if [ ! -e "$module" ]; then
		"$top/tests/deps.sh" kernel >&2
		tmp=$(mktemp -d "$cache/modules/.build.XXXXXX")
		trap 'rm -rf "$tmp"' EXIT
		trap 'exit 1' HUP INT TERM
		# Not `build ... ||`, which would ignore failing commands inside build.
		build "$tmp" >"$tmp/log" 2>&1 9>&- &
		wait $! || {
			tail -n 30 "$tmp/log" >&2
			die "cannot build the module for $version"
		}
		mv "$tmp/faults/faults.ko" "$module"
	fi
} 9>"$cache/modules/.lock"
echo "$module"
