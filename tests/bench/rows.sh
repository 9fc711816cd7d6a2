#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs what tests/bench/run.sh measures, row by row, inside the counting nest: one line of JSON a
# run, in $NEST_OUT/rows. A label is ROW/LAUNCHER. `quick` leaves out the rows that no budget needs.
#
# The first runs do not count: they bring files into the page cache and the kernel's lists to their
# usual size. Runs that are compared alternate, several times each: start and end wait for ticks and
# RCU, whose phase moves.

quick=$1
N=/nest
bench=$N/guest.bzimage
linux=$N/vmlinuz
tiny=$N/tiny.cpio
launchers="floor kvm"
[ -n "$quick" ] || for l in lkvm qemu-system-x86_64; do
	[ ! -x $N/$l ] || launchers="$launchers $l"
done
export HOME=/root

# Without asynchronous page faults: each guest begins with one, whose handler takes some ten
# thousand instructions; if a tick of L1 comes during the handler, the emulator calls the handler
# again in its middle (tests/nest explains why).
quiet="quiet no-kvmapf"

# run ROW LAUNCHER STAMP-OPTIONS -- MIB KERNEL INITRD PARAMS [OPTION of kvm]...; with $disk, when
# that is set
disk=
run() {
	row=$1 l=$2
	shift 2
	opts=
	while [ "$1" != -- ]; do opts="$opts $1"; shift; done
	mib=$2 kernel=$3 initrd=$4 params=$5
	shift 5
	case $l in
	floor) set -- "$kernel" "$mib" "$params" ;;
	kvm)   set -- run -m "${mib}M" -k "$kernel" ${initrd:+-i "$initrd"} -p "$params" \
		${disk:+-d "$disk"} "$@" ;;
	lkvm)  set -- run -c 1 -m "$mib" -k "$kernel" ${initrd:+-i "$initrd"} -p "$params" \
		--console serial --network mode=none ${disk:+-d "$disk"} ;;
	qemu*) set -- -L $N -M microvm,rtc=on -accel kvm -cpu host -m "$mib" -smp 1 -nodefaults \
		-no-user-config -display none -serial stdio -no-reboot -kernel "$kernel" \
		${initrd:+-initrd "$initrd"} ${disk:+-drive if=none,id=d,format=raw,file="$disk"} \
		${disk:+-device virtio-blk-device,drive=d} -append "console=ttyS0 $params" ;;
	esac
	# QEMU's microvm restarts the guest, even with -no-reboot: anything after the last marker is
	# useless.
	limit=20
	case $l$disk in qemu*/dev/*) limit=6 ;; qemu*) limit=3 ;; esac
	$N/stamp -x $limit -l "$row/$l" -o "$NEST_OUT/rows" -e "$NEST_OUT/$l.err" \
		-c "$NEST_OUT/console.$row.$l" $opts $N/$l "$@" </dev/null ||
		echo "bench: $row/$l: a marker did not come; see its console" >&2
}

each() { # ROW STAMP-OPTIONS -- ...: all launchers
	row_=$1
	shift
	for each in $launchers; do run "$row_" "$each" "$@"; done
}

mark="-m up=up -m end=end"
user="-m word=userspace -m user=up"
sys="-t sys=raw_syscalls/sys_enter:id.syscall:common_pid!=@"
left="-t user=kvm/kvm_userspace_exit:reason"
why="-t why=kvm/kvm_exit:exit_reason"
pio="-t pio=kvm/kvm_pio:port"

each warm $mark -- 256 $bench "" @h

# L1 ticks each 4 ms. The end of a run waits for some ticks, and the next run begins there; a tick
# in the middle of a loop is counted with it. So each row runs four times, each a ms later than the
# last.
for i in 0 1 2 3; do
	for row in hello p100 p1100 s100 s1100 m100 m1100; do
		for l in $launchers; do
			usleep ${i}000
			run $row $l $mark -- 256 $bench "" @$row
		done
	done
done
each bytes -M 256 $left $mark -- 256 $bench "" @o2000
each calls $sys -- 256 $bench "" @h

# No figure may depend on the sizes of initrd and memory.
dd if=/dev/zero of=/run/1M bs=1048576 count=0 seek=1 2>/dev/null
dd if=/dev/zero of=/run/500M bs=1048576 count=0 seek=500 2>/dev/null
for i in 1 2; do
	for l in $launchers; do
		case $l in
		qemu*) continue ;;
		floor) ;; # has no initrd
		*)
			run initrd1M $l $mark -- 1024 $bench /run/1M @h
			run initrd500M $l $mark -- 1024 $bench /run/500M @h
			;;
		esac
		run ram128M $l $mark -- 128 $bench "" @h
		run ram4G $l $mark -- 4096 $bench "" @h
	done
done
rm -f /run/500M

for l in $launchers; do
	[ $l != floor ] || continue
	run boot $l -M 256 $user -- 256 $linux $tiny "$quiet"
	[ -n "$quick" ] || run loud $l $left $pio $user -- 256 $linux $tiny no-kvmapf
done
# A disk in memory, through the page cache like most disks. Counts between two markers of the guest.
disk=/dev/ram0
dd if=/dev/zero of=$disk bs=1048576 count=16 2>/dev/null
exec 9<$disk # without this the last close empties the cache
cat <&9 >/dev/null
one="-m one=one-begin -m one_end=one-end"
for l in $launchers; do
	[ $l != floor ] || continue
	run blk $l $one -m many=many-begin -m many_end=many-end -- 256 $linux $N/blk.cpio "$quiet"
	[ -z "$quick" ] || continue
	run blkcalls0 $l $sys -m one=one-begin -- 256 $linux $N/blk.cpio "$quiet"
	run blkcalls $l $sys $one -- 256 $linux $N/blk.cpio "$quiet"
done
exec 9<&-
disk=
# The program that unpacks the kernel may be there or not: without it this row is the same
# everywhere.
run fast kvm $user -- 256 $linux $tiny "$quiet" --fast --no-cache
run bootcalls kvm $sys $left $why $user -- 256 $linux $tiny "$quiet"
