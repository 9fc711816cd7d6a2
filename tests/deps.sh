#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/deps.sh [build|check|demo|bench|kernel]...
# tests/deps.sh without PACKAGE TEST
#
# Installs the distribution's packages that the named purposes need and that are missing (default:
# build). When none is missing it prints nothing and does not use the network. As root it uses
# apt-get itself, else through sudo; when neither works it prints the one command to run and exits
# 1. It names packages that the distribution does not have, and installs the rest.
#
# `without` prints the result of TEST, for which PACKAGE is not installed: `left out` if the
# distribution has no such package, else `skip`.
#
#   build   compile the program
#   check   build, demo, kernel, and everything `make check` runs
#   demo    boot something: QEMU for the nested machine, busybox, cpio
#   bench   demo, and the tools that count
#   kernel  build a kernel of our own (tests/tiny-kernel.sh)

set -eu

build="gcc make libc6-dev linux-libc-dev libfdt-dev"
demo="qemu-system-x86 busybox-static cpio xz-utils kmod binutils"
check="clang clang-tidy clang-format clang-format-14 cppcheck libcmocka-dev acpica-tools
 python3 file binutils device-tree-compiler dt-schema mandoc qemu-utils debootstrap util-linux
 fdisk e2fsprogs fio passt virtiofsd iproute2 curl iperf3 procps gdb jq zstd lz4 ipxe
 syslinux-common parallel python3-yaml
 bochs-term bochs bochsbios vgabios grub-common grub-pc-bin"
bench="strace valgrind binutils python3"
kernel="gcc make libc6-dev flex bison bc libelf-dev xz-utils"

# listed PACKAGE...: the names among them that apt's lists have, one a line.
# Other commands than `madison` also name what is only installed.
listed() {
	LC_ALL=C apt-cache madison "$@" 2>/dev/null |
		sed 's/^ *\([^ |]*\) .*/\1/' | sort -u
}

# Only full lists say that the distribution lacks a package.  Every release has
# these two, the second in the component that Ubuntu may do without.
lists_there() { [ "$(listed gcc libcmocka-dev | wc -l)" = 2 ]; }

if [ "${1:-}" = without ] && [ $# = 3 ]; then
	if lists_there && [ -z "$(listed "$2")" ]; then
		echo "left out: $3: this distribution has no package $2"
	else
		echo "skip $3: package $2 is not installed"
	fi
	exit 0
fi

[ $# -gt 0 ] || set -- build
want='' rt=no
for purpose; do
	case $purpose in
	build)  want="$want $build" ;;
	demo)   want="$want $demo" ;;
	check)  want="$want $build $demo $check $kernel" rt=yes ;;
	bench)  want="$want $demo $bench" ;;
	kernel) want="$want $kernel" ;;
	-h|--help) sed -n '4,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "deps.sh: $purpose: no such purpose (build, check, demo, bench, kernel)" >&2
	   exit 2 ;;
	esac
done

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "deps.sh: no dpkg here; install what these Debian packages hold:" \
	     $want >&2
	exit 1
fi

# installed PATTERN...: the names among them that are installed, one a line.
installed() {
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p'
}

missing() {
	have=" $(installed $want | tr '\n' ' ') "
	for p in $want; do
		# QEMU's own packages had this one until Debian 12.
		[ "$p" != virtiofsd ] || [ ! -x /usr/lib/qemu/virtiofsd ] || continue
		case $have in *" $p "*) ;; *) printf '%s\n' "$p" ;; esac
	done | sort -u | tr '\n' ' '
}

# What is missing and can be had: all of it, where apt's lists are not there.
needed() {
	set -- $(missing)
	if [ $# != 0 ] && lists_there; then
		listed "$@" | tr '\n' ' '
	else
		echo "$*"
	fi
}

# At the end: what is missing still cannot be had.
name_the_lacking() {
	lacking=$(missing)
	[ -z "$lacking" ] || echo "deps.sh: this distribution has no package ${lacking% }" >&2
}

# The sanitizers' and libFuzzer's run-time library is packaged by clang's
# major version.  Is the one for the default clang there?
rt_there() {
	dir=$(clang -print-resource-dir 2>/dev/null) || return 1
	for lib in "$dir"/lib/linux/libclang_rt.fuzzer-*.a \
	           "$dir"/lib/*-linux-gnu/libclang_rt.fuzzer*.a; do
		[ -e "$lib" ] && return 0
	done
	return 1
}

# The package's name, from the one that `clang` depends on.  Before Debian 12
# and Ubuntu 22.10 the library came with libclang-common-N-dev.
rt_name() {
	n=$(apt-cache depends clang 2>/dev/null |
		sed -n 's/^ *Depends: clang-\([0-9][0-9]*\)$/\1/p' | head -n 1)
	[ -n "$n" ] || return 0
	for p in "libclang-rt-$n-dev" "libclang-common-$n-dev"; do
		if apt-cache show --no-all-versions "$p" >/dev/null 2>&1; then
			echo "$p"
			return 0
		fi
	done
}

need=$(needed)
[ $rt = yes ] && { rt_there || rt=missing; }
[ -n "$need" ] || [ $rt = missing ] || { name_the_lacking; exit 0; }

if [ "$(id -u)" = 0 ]; then
	as_root=''
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null ||
     { command -v sudo >/dev/null 2>&1 && [ -t 0 ]; }; then
	as_root=sudo
else
	[ $rt = missing ] && need="$need $(rt_name)"
	echo "deps.sh: not root: apt-get install --no-install-recommends $need" >&2
	exit 1
fi

# A first try without an answer from the network is worth a second one.
apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
		apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 "$@"
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt update >"$log" 2>&1 || cat "$log" >&2      # a stale list may still do
need=$(needed)
[ $rt = missing ] && need="$need $(rt_name)"
echo "deps.sh: installing $need" >&2
if ! apt install -y --no-install-recommends $need >"$log" 2>&1; then
	cat "$log" >&2
	echo "deps.sh: apt-get could not install: $need" >&2
	exit 1
fi
if [ $rt = missing ] && ! rt_there; then
	echo "deps.sh: no package with clang's libFuzzer was found" >&2
	exit 1
fi
name_the_lacking
