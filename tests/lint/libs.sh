#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# libs.sh PROGRAM [static]: checks that PROGRAM links only libc and libfdt, or no shared library at
# all.
set -u
allowed='^(libc\.so\.6|libfdt\.so\.1|ld-linux.*)$'
[ "${2:-}" != static ] || allowed='^$'
dynamic=$(readelf -d "$1") || exit 1
extra=$(sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' <<<"$dynamic" | grep -vE "$allowed")
[ -z "$extra" ] && exit 0
echo "$1 needs: $extra"
exit 1
