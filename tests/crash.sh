#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/crash.sh [--get]
#
# Opens, by hand, cores of the distribution's cloud kernel with crash(8) and gdb, using the kernel's
# own debug symbols: a core of a kernel that has crashed, from `kvm run --dump`, and one of a
# running kernel, from `kvm debug NAME --dump`. One nested machine makes both. The symbols are taken
# from /usr/lib/debug/boot or from the cache; --get first downloads the distribution's package of
# them (some 300 MB) and keeps its vmlinux (some 600 MB) in the cache.
#
# One line a test: `ok NAME`, `not ok NAME: why`, `skip NAME: why`; exits 1 after a `not ok`.
# KVM_BIN names another launcher than build/kvm. The output is kept in build/crash.

set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-tests/debug
in=build/crash/in out=build/crash/out
failed=0

not_ok() { # NAME WHY
	echo "not ok crash: $1: $2"
	failed=1
}

get() { # VERSION
	local work
	work=$(mktemp -d) &&
	mkdir -p "$cache" &&
	(cd "$work" && apt-get -qq download "linux-image-$1-dbg") &&
	dpkg-deb --fsys-tarfile "$work"/*.deb |
	tar -x -C "$work" "./usr/lib/debug/boot/vmlinux-$1" &&
	mv "$work/usr/lib/debug/boot/vmlinux-$1" "$cache/"
	local rc=$?
	rm -rf "$work"
	return $rc
}

prepare() {
	rm -rf $in $out
	mkdir -p $in $out
	cp "$(realpath "$kernel/vmlinuz")" $in/vmlinuz &&
		tests/initrd.sh $in/sysrq.initrd tests/gallery/sysrq.sh &&
		tests/initrd.sh --tiny $in/tiny.initrd
}

# said FILE WHAT PATTERN: a line of it matches the extended pattern
said() {
	if grep -qE -- "$3" "$out/$1"; then
		echo "ok crash: $2"
	else
		not_ok "$2" "no \"$3\" in $out/$1"
	fi
}

# Commands for crash(8), from its standard input; its output goes to $out/NAME.crash.
under_crash() { # NAME COMMANDS
	printf '%s\nquit\n' "$2" | timeout 180 crash "$vmlinux" $out/"$1".core >$out/"$1".crash 2>&1
}

under_gdb() { # NAME COMMAND...
	local name=$1 offset args=()
	shift
	offset=$(cat $out/$name.err $out/$name.said 2>/dev/null |
		sed -n "s/.*symbol-file -o \(0x[0-9a-f]*\) .*/\1/p" | head -1)
	for command; do args+=(-ex "$command"); done
	timeout 180 gdb -nx -batch -ex "symbol-file -o ${offset:-0} $vmlinux" \
		-ex "core-file $out/$name.core" "${args[@]}" </dev/null >$out/$name.gdb 2>&1
}

kernel=$(tests/kernels.sh cloud) || exit 1
version=$(cat "$kernel/version")
command -v crash >/dev/null || { echo "skip crash: crash(8) is not installed"; exit 0; }
if [ "${1:-}" = --get ] && ! [ -e "$cache/vmlinux-$version" ]; then
	get "$version" || { echo "not ok crash: linux-image-$version-dbg cannot be had"; exit 1; }
fi
for vmlinux in "/usr/lib/debug/boot/vmlinux-$version" "$cache/vmlinux-$version"; do
	[ ! -e "$vmlinux" ] || break
done
[ -e "$vmlinux" ] || { echo "skip crash: no vmlinux-$version with debug symbols (--get)"; exit 0; }
prepare >build/crash/prepare.log 2>&1 ||
	{ not_ok "the guests" "$(tail -1 build/crash/prepare.log)"; exit 1; }
tests/nest --timeout 400 --out $out tests/crash/job.sh $in $out >$out/nest.log 2>&1 || tail -n 3 \
	$out/nest.log

under_crash crashed $'bt\nlog\nps\nmod'
said crashed.crash "a crashed kernel: opened, and KASLR worked out" "^ +RELEASE: $version$"
said crashed.crash "a crashed kernel: its panic" \
	'PANIC: "Kernel panic - not syncing: sysrq triggered crash"'
said crashed.crash "a crashed kernel: the backtrace begins with panic" '^ #0 .* panic at '
said crashed.crash "a crashed kernel: and leads to the write" '^ ?#[0-9]+ .* sysrq_handle_crash at '
said crashed.crash "a crashed kernel: its log" \
	'^\[ +[0-9.]+\] ---\[ end Kernel panic - not syncing: sysrq triggered crash \]---$'
said crashed.crash "a crashed kernel: ps has the process that did it" '^> .* (sh|ash|busybox)$'
under_gdb crashed 'thread apply all bt 40' 'p init_uts_ns.name.release' 'info threads'
said crashed.gdb "gdb: the backtrace of a crashed kernel" '^#[0-9]+ .* panic \('
said crashed.gdb "gdb: and its version" "\"$version"
under_crash asked $'log\nps'
said asked.crash "a running kernel: opened" "^ +RELEASE: $version$"
said asked.crash "a running kernel: its log" 'Run /init as init process$'
said asked.crash "a running kernel: ps" '^> +0 .*\[swapper/0\]$'
under_gdb asked 'bt 4' 'p init_uts_ns.name.release'
said asked.gdb "gdb: a running kernel" "\"$version"
rm -f $out/*.core
exit $failed
