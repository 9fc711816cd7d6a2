#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Checks that there are no writable globals: functions pass a struct vm *. The allow-list names the
# few that a process has only once by nature: log, terminal and signal plumbing; and pr_guest()'s
# counters, one a call site. (Constant tables of pointers are in .data.rel.ro.)
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
objects=${1:-build/obj}
allowed='^(log_level|log_fd|log_raw|log_nr_errors|sigbus_mem|said_|term|alt_stack)(\.[0-9]+)?$'

[ -e "$objects/main.o" ] || { echo "$objects: no program was built there; make it first"; exit 1; }
found=$(find "$objects"/{kvm,x86,hw,virtio} "$objects/main.o" -name '*.o' | while read -r object; do
	objdump -t "$object" | awk -v object="${object#"$objects"/}" -v allowed="$allowed" '
		$0 ~ / O (\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && $0 !~ /\.data\.rel\.ro/ &&
	$NF !~ allowed {
			print object ": " $NF " is a writable global" }' || exit 1
done) || { echo "$found"; echo "the objects in $objects could not be looked at"; exit 1; }
[ -z "$found" ] && exit 0
echo "$found"
exit 1
