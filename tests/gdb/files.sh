#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/gdb/files.sh
#
# Prints, one a line, the files of a gdb for a machine in memory, the program first, without the
# libraries. It is Debian's gdb-minimal, which has no Python. It cannot be installed beside gdb: it
# is downloaded the first time, and unpacked in ${XDG_CACHE_HOME:-~/.cache}/kvm-tests/gdb-minimal.
# From Debian 13 on there is only gdb itself; then its Python's start-up files are listed, too.
set -euo pipefail
die() { echo "files.sh: $*" >&2; exit 1; }
HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-tests
mkdir -p "$cache"
if [ ! -e "$cache/gdb-minimal" ]; then
	tmp=$(mktemp -d "$cache/.gdb-minimal.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	mkdir -p "$tmp/lists/partial" "$tmp/root"
	# This machine's package lists may be old or missing.
	own=(-o "Dir::State::Lists=$tmp/lists" -o APT::Sandbox::User=root)
	(
		cd "$tmp"
		apt-get -qq download gdb-minimal || {
			apt-get -qq "${own[@]}" update
			apt-get -qq "${own[@]}" download gdb-minimal
		}
	) >"$tmp/log" 2>&1 ||
		die "gdb-minimal cannot be downloaded; what apt-get said: $(tail -n 3 "$tmp/log")"
	dpkg -x "$tmp"/gdb-minimal_*.deb "$tmp/root"
	chmod 755 "$tmp/root"
	mv -T "$tmp/root" "$cache/gdb-minimal"
fi
if [ -x "$cache/gdb-minimal/usr/bin/gdb" ]; then
	echo "$cache/gdb-minimal/usr/bin/gdb"
else
	[ -x /usr/bin/gdb ] || die "gdb is not installed (tests/deps.sh check)"
	echo /usr/bin/gdb
	/usr/bin/python3 -I -c 'import sys, os, encodings
files = {getattr(m, "__file__", None) for m in list(sys.modules.values())} - {None}
others = sorted(f for f in files if "/encodings/" not in f)
print(os.path.dirname(encodings.__file__), *others, sep="\n")'
fi
