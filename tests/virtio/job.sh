#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tests/virtio/job.sh IN CASE...
#
# Runs the cases of tests/virtio.sh on a host that can run stock kernels (such as the nested
# machine). Prints a result line a case; leaves $NEST_OUT/CASE.out (console) and CASE.err.
set -u
in=$1; shift
out=$NEST_OUT
kvm=${KVM_BIN:-build/kvm}

judge() { # WHY MORE
	if [ -n "$1" ]; then echo "not ok virtio $name: $1"; else echo "ok virtio $name: $2"; fi
}

start() { # OPTION...
	"$kvm" run -k "$in/vmlinuz" -i "$in/initrd" --timeout 300 -p "case=${what:-$name}" "$@" \
		</dev/null >"$out/$name.out" 2>"$out/$name.err" &
	pid=$!
}

# until COMMAND...: waits until it succeeds; fails once the machine has ended
until_() {
	local i
	for ((i = 0; i < 2400; i++)); do
		"$@" && return
		kill -0 $pid 2>/dev/null || { "$@"; return; }
		sleep 0.1
	done
	return 1
}
said() { grep -aqF -e "$1" "$out/$name.out" "$out/$name.err"; }
# Anonymous memory: nearly all of it is the guest's.
rss_mib() { awk '/^RssAnon:/ { print int($2 / 1024) }' /proc/$pid/status 2>/dev/null; }
rss_below() { [ "$(rss_mib)" -lt "$1" ]; }
cpu_ticks() { awk '{ print $14 + $15 }' /proc/$pid/stat; }
ended() { kill "$@" $pid; wait $pid; rc=$?; }

case_report() {
	local full why= after
	start -m 768M --balloon --grace 0
	until_ said "used 419430400" || why="the guest does not fill its memory"
	full=$(rss_mib)
	until_ said freed || why=${why:-"the guest does not free its memory"}
	until_ rss_below $((full - 360)) ||
		why=${why:-"$full MiB in use, $(rss_mib) after 400 were freed"}
	after=$(rss_mib)
	ended
	[ $rc = 143 ] || why=${why:-"exit code $rc: $(tail -n 1 "$out/$name.err")"}
	[ "$full" -gt 400 ] || why=${why:-"$full MiB in use after the guest used 400"}
	judge "$why" "$full MiB of the host's when 400 were used, $after when they were freed"
}

case_target() {
	local why= inflated
	start -m 384M --balloon=128M
	until_ said inflated || why="the balloon is not inflated"
	inflated=$(rss_mib)
	[ "$inflated" -lt 200 ] || why=${why:-"$inflated MiB in use after 128 of 384 were taken"}
	until_ said "used " || why=${why:-"the guest does not get its memory back"}
	wait $pid
	rc=$?
	[ $rc = 0 ] || why=${why:-"exit code $rc: $(tail -n 1 "$out/$name.err")"}
	! said "Out of memory" || why=${why:-"the guest ran out of memory"}
	inflated=$(grep -ao 'inflated.*free' "$out/$name.out")
	judge "$why" "$inflated; then it used 16 MiB more than that"
}

full_disk() { # a file system of 4 MiB with a sparse disk of 16
	mkdir -p /tmp/full
	mount -t tmpfs -o size=4m none /tmp/full && truncate -s 16M /tmp/full/disk
}

case_werror() {
	local why= before sum
	full_disk || { echo "skip virtio $name: no file system may be mounted here"; return; }
	start -m 256M -d /tmp/full/disk,format=raw,werror=stop
	until_ said "machine is paused" || why="it is not paused"
	sleep 0.5
	before=$(cpu_ticks)
	sleep 3
	# Three tries, and no guest: 100 ticks are a second.
	[ $(($(cpu_ticks) - before)) -lt 50 ] ||
		why=${why:-"$(($(cpu_ticks) - before)) ticks of CPU time while paused"}
	! said "all of it written" || why=${why:-"the guest goes on"}
	mount -o remount,size=64m /tmp/full
	until_ said "machine goes on" || why=${why:-"it does not go on"}
	wait $pid
	rc=$?
	sum=$(head -c $((12 << 20)) /tmp/full/disk | md5sum)
	said "all of it written" || why=${why:-"the guest's write failed"}
	said "data $sum" && said "disk $sum" || why=${why:-"what was written is not on the disk"}
	said "no complaint" || why=${why:-"the guest complains"}
	[ $rc = 0 ] || why=${why:-"exit code $rc: $(tail -n 1 "$out/$name.err")"}
	umount /tmp/full
	judge "$why" "12 MiB on a disk of 4, paused, room made, all there"
}

case_term() {
	local why= what=werror
	full_disk || { echo "skip virtio $name: no file system may be mounted here"; return; }
	start -m 256M --grace 1 -d /tmp/full/disk,format=raw,werror=stop
	until_ said "machine is paused" || why="it is not paused"
	kill -CONT $pid
	ended
	[ $rc = 143 ] || why=${why:-"exit code $rc: $(tail -n 1 "$out/$name.err")"}
	! said "machine goes on" || why=${why:-"it went on"}
	umount /tmp/full
	judge "$why" "ended by SIGTERM while paused"
}

for name; do
	case_"$name"
done
exit 0
