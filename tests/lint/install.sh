#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Checks that make install puts the program and its manual where DESTDIR, PREFIX and BINNAME say,
# and that make uninstall leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT
make -s install DESTDIR="$dest" PREFIX=/usr BINNAME=minikvm
"$dest/usr/bin/minikvm" version | grep -q '^kvm '
test -f "$dest/usr/share/man/man1/minikvm.1"
make -s uninstall DESTDIR="$dest" PREFIX=/usr BINNAME=minikvm
left=$(find "$dest" -type f)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
