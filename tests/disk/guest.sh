#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest of tests/disk-nest.sh, on /dev/vda: in step=write fio writes and verifies, then the
# guest makes a file system with files. step=look is another launch: it finds the files, deletes
# most of them and discards their space. The disk's last 4 MiB, after the file system, stay
# unchanged. The programs are on /dev/vdb. Prints `guest: ok WHAT` and `guest: bad WHAT`.

word() { sed -n "s/.*$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
tell() {
	if [ "$1" = 0 ]; then echo "guest: ok $2"; else cat /tmp/said; echo "guest: bad $2"; fi
}
fs_mib=60
mkdir -p /mnt /dev/shm /tools
# Debian's programs and their many libraries, a disk that is read only
mount -o ro /dev/vdb /tools
ln -s /tools/lib /tools/lib64 /tools/usr /
export PATH=$PATH:/tools/bin
echo "guest: queues $(ls /sys/block/vda/mq | wc -l)"

tail_is_there() {
	[ "$(dd if=/dev/vda bs=1M skip=$fs_mib count=4 2>/tmp/said | md5sum | cut -d' ' -f1)" = \
		"$(word tail)" ]
	tell $? "what was on the disk before ($1)"
}

if [ "$(word step)" = write ]; then
	fio --name=verify --filename=/dev/vda --direct=1 --ioengine=libaio --iodepth=8 --thread \
		--numjobs=2 --size=8m \
		--offset_increment=24m --rw=randwrite --bssplit=512/10:4k/40:12k/20:64k/30 \
		--blockalign=512 --verify=crc32c --verify_fatal=1 --fsync=64 >/tmp/said 2>&1
	tell $? "fio verify"
	mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0 /dev/vda ${fs_mib}M >/tmp/said 2>&1 &&
		mount /dev/vda /mnt
	tell $? "mkfs.ext4"
	mkdir /mnt/files
	for n in 1 2 3 4 5 6 7 8; do
		head -c $((n * 400000)) /dev/urandom >/mnt/files/$n
	done
	(cd /mnt/files && md5sum ? >/mnt/sums)
	head -c 16000000 /dev/urandom >/mnt/big
else
	e2fsck -fn /dev/vda >/tmp/said 2>&1
	tell $? "e2fsck after the reboot"
	mount /dev/vda /mnt >/tmp/said 2>&1 &&
		(cd /mnt/files && md5sum -c /mnt/sums >/tmp/said 2>&1)
	tell $? "the files are what they were"
	rm /mnt/big
	sync
	fstrim -v /mnt >/tmp/said 2>&1
	tell $? fstrim
fi
umount /mnt
e2fsck -fn /dev/vda >/tmp/said 2>&1
tell $? "e2fsck ($(word step))"
tail_is_there "$(word step)"
