#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/disk-nest.sh [CASE]...
#
# Tests our disks with a stock kernel, all cases in one nested machine: fio writes and verifies, the
# guest makes a file system, another launch finds its files, fsck and qemu-img check find nothing
# wrong, fstrim gives space back. tests/disk/guest.sh runs in the guest, tests/disk/job.sh around
# it.
#
#   raw         a raw image
#   qcow2       an overlay with a backing file
#   compressed  compressed clusters below the written ones
#   queues      an overlay, four queues, four CPUs
#   snapshot    a raw image that must not change
#   kill        the launcher is killed (-9) again and again while the guest writes: ROUNDS (50)
#
# Prints `ok NAME`, `not ok NAME: why`; the logs are kept in build/disk-nest/out (DISK_NEST_DIR:
# elsewhere).

set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm} ROUNDS=${ROUNDS:-50}
PATH=$PATH:/usr/sbin:/sbin
dir=${DISK_NEST_DIR:-build/disk-nest}
in=$dir/in out=$dir/out
cases=("$@")
[ $# != 0 ] || cases=(raw qcow2 compressed queues snapshot kill)

prepare() {
	local kernel
	rm -rf $dir
	mkdir -p $in $out
	kernel=$(tests/kernels.sh cloud) && cp "$(realpath "$kernel/vmlinuz")" $in/vmlinuz || return
	${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -static -o $in/flush_writer \
		tests/tools/flush_writer.c || return
	tests/initrd.sh --kernel "$kernel" --modules "virtio_mmio virtio_blk" $in/disk.initrd \
		tests/disk/guest.sh || return
	mkdir $in/tools || return
	tests/initrd.sh --plain --add "$(command -v fio):/bin/fio" \
		--add "$(command -v mkfs.ext4):/bin/mkfs.ext4" \
		--add "$(command -v e2fsck):/bin/e2fsck" $in/tools.cpio || return
	(cd $in/tools && cpio -id --quiet) <$in/tools.cpio &&
		mkfs.ext4 -q -F -d $in/tools $in/tools.img 160M || return
	tests/initrd.sh --kernel "$kernel" --modules "virtio_mmio virtio_blk" \
		--add $in/flush_writer:/flush_writer \
		$in/writer.initrd tests/disk/writer.sh || return
	# The first 60 MiB are for the guest; it must find the rest unchanged.
	truncate -s 60M $in/base.raw && head -c 4M /dev/urandom >>$in/base.raw || return
	tail -c 4M $in/base.raw | md5sum | cut -d' ' -f1 >$in/tail
	[ "$(stat -c %s $in/base.raw)" = $((64 << 20)) ] && [ -s $in/tail ]
}

failed=0
# judge CASE WHAT...: the log must report each as ok
judge() {
	local name=$1 what
	shift
	for what; do
		if tr -d '\r' <$out/$name.log 2>/dev/null |
			grep -aqxFe "guest: ok $what" -e "host: ok $what"; then
			echo "ok disk-nest $name: $what"
		else
			echo "not ok disk-nest $name: $what (see $out/$name.log)"
			failed=1
		fi
	done
	what=$(grep -m 1 -aoE '(guest|host): bad.*' $out/$name.log | tr -d '\r')
	[ -z "$what" ] || { echo "not ok disk-nest $name: $what"; failed=1; }
}

if ! why=$(prepare 2>&1 >/dev/null); then
	echo "not ok disk-nest: what is booted cannot be made: $(tail -n 1 <<<"$why")"
	exit 1
fi
if tests/hostkvm.sh >/dev/null; then
	NEST_OUT=$PWD/$out tests/disk/job.sh $in "${cases[@]}" >$out/nest.log 2>&1
else
	tests/nest --mem 3072 --timeout $((300 + 240 * ${#cases[@]} + 40 * ROUNDS)) --out $out \
		tests/disk/job.sh $in "${cases[@]}" >$out/nest.log 2>&1 || tail -n 3 $out/nest.log
fi
written=("the machine ends by itself (write)" "fio verify" "mkfs.ext4" "e2fsck (write)" \
	"what was on the disk before (write)")
looked=("the machine ends by itself (look)" "e2fsck after the reboot" \
	"the files are what they were" "fstrim" "e2fsck (look)"
	"what was on the disk before (look)" "fstrim makes the image sparser")
for name in "${cases[@]}"; do
	case $name in
	raw) judge raw "${written[@]}" "${looked[@]}" ;;
	snapshot) judge snapshot "${written[@]}" "the image is as it was" ;;
	kill) judge kill "every flushed block after kill -9, $ROUNDS rounds" ;;
	*) judge "$name" "${written[@]}" "${looked[@]}" "qemu-img check (write)" \
		"qemu-img check (look)" ;;
	esac
done
[[ " ${cases[*]} " != *" queues "* ]] || grep -q 'queues 4' $out/queues.log ||
	{ echo "not ok disk-nest queues: not 4"; failed=1; }
exit $failed
