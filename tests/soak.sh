#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes BOOTS (1000) short boots of the payload guest with a disk of each kind, a virtio console and
# a name, one after the other: all must end in order, and leave nothing in the folders for temporary
# files, sockets and images. Then one machine restarts as often: after the last restart it must have
# as many open descriptors as after the first ones. Prints `ok NAME` or `not ok NAME: why`. KVM_BIN
# names another launcher than build/kvm.
set -u
cd "$(dirname "$0")/.." || exit 1
tests/hostkvm.sh >/dev/null ||
	exec tests/nest --timeout $((600 + 3 * ${BOOTS:-1000})) tests/soak.sh "$@"
kvm=$(realpath "${KVM_BIN:-build/kvm}")
boots=${BOOTS:-1000}
payload=$PWD/build/guest/payload.bzimage
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

judge() { # NAME WHY
	if [ -z "$2" ]; then
		echo "ok soak: $1"
	else
		echo "not ok soak: $1: $2"
		failed=1
	fi
}

mkdir -m 700 "$work/run" "$work/tmp" "$work/images"
export XDG_RUNTIME_DIR=$work/run TMPDIR=$work/tmp
cd "$work/images" || exit 1
truncate -s 1M raw
qemu-img create -q -f qcow2 qcow2 1M
options=(-k "$payload" -m 64M -d raw,format=raw -d qcow2 --console virtio --name soak)
left() { find "$work" -type f -o -type s | sort; }
before=$(left)

why=
for ((i = 1; i <= boots; i++)); do
	timeout 60 "$kvm" run "${options[@]}" -p test=hello </dev/null >out 2>err
	rc=$?
	[ $rc = 0 ] && grep -q '^done hello: 0 failed' out && continue
	why="boot $i: exit code $rc, $(tail -n 1 err)"
	break
done
rm -f out err
judge "$boots boots" "$why"
judge "nothing is left of them" "$(diff <(echo "$before") <(left) | tail -n 3 | tr '\n' ' ')"

# Each life prints a line at its end.
: >err
"$kvm" run "${options[@]}" -p test=hello+reset --on-reboot restart --grace 0 </dev/null >out 2>err &
pid=$!
lives() { grep -c '^kvm: the guest rebooted' err; }
open_files() { find "/proc/$pid/fd" -mindepth 1 2>/dev/null | wc -l; }
until_lives() { # N
	local i
	for ((i = 0; i < 20 * boots + 600; i++)); do
		[ "$(lives)" -lt "$1" ] || return 0
		kill -0 $pid 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}
# The fewest and the most open descriptors seen in a while: a life opens and closes some.
seen_open() {
	local n least=9999 most=0
	for _ in {1..40}; do
		n=$(open_files)
		[ "$n" -le $most ] || most=$n
		[ "$n" -ge $least ] || least=$n
	done
	echo $least $most
}
why=
until_lives 5 || why="it does not restart"
read -r _ first < <(seen_open)
until_lives "$boots" || why=${why:-"$(lives) lives only"}
read -r last most < <(seen_open)
kill $pid
wait $pid
[ "$first" -gt 5 ] && [ "$last" -gt 0 ] && [ "$last" -le "$first" ] ||
	why=${why:-"at most $first descriptors in the first lives, $last or more in the last"}
judge "one machine restarted $boots times has $last to $most descriptors open" "$why"
rm -f out err
judge "nothing is left of it" "$(diff <(echo "$before") <(left) | tail -n 3 | tr '\n' ' ')"
exit $failed
