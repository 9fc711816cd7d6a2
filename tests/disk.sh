#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests the disk layer against qemu-img and qemu-io: tests/tools/disk_stress makes random requests
# and compares with a raw file; kill -9 in the middle of writes, and power cuts
# (tests/tools/disk_power.c), after which everything that was flushed must be there and `qemu-img
# check` may find leaks only. Prints `ok NAME`, `not ok NAME: why`. Environment: OPS requests a case
# (1500), ROUNDS of kill -9 (50), POWER_ROUNDS (cuts, 40), SAN=1 under ASan.
set -u
cd "$(dirname "$0")/.." || exit 1
here=$PWD
ops=${OPS:-1500} rounds=${ROUNDS:-50} power_rounds=${POWER_ROUNDS:-40}
work=$(mktemp -d /var/tmp/disk.XXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
size=40000000
failed=0

sources="tests/tools/disk_stress.c tests/tools/disk_power.c virtio/disk/*.c virtio/qcow2/*.c"
sources+=" virtio/device/disk_formats.c kvm/loop.c"
for file in log outfd quote endsignal sigmask clock spawn; do sources+=" kvm/base/$file.c"; done
flags="-std=gnu11 -O1 -g -Wall -Wextra -Werror -Iinclude -I. -D_GNU_SOURCE -pthread"
[ -n "${SAN:-}" ] && flags="$flags -fsanitize=address,undefined -fno-sanitize-recover=all"
${CC:-gcc} $flags -o "$work/disk_stress" $sources ||
	{ echo "not ok disk: disk_stress does not build"; exit 1; }
stress=$work/disk_stress small=$work/disk_stress_small
# The same with a cache for tables so small that these images do not fit
${CC:-gcc} $flags -DQCOW2_CACHE_BYTES=0 -o "$small" $sources ||
	{ echo "not ok disk: disk_stress does not build"; exit 1; }
${CC:-gcc} ${flags%% -fsanitize*} -O2 -fPIC -shared -o "$work/inflate.so" virtio/qcow2/inflate.c ||
	{ echo "not ok disk: inflate.so does not build"; exit 1; }
${CC:-gcc} ${flags%% -fsanitize*} -O2 -fPIC -shared -o "$work/zstd.so" virtio/qcow2/zstd*.c ||
	{ echo "not ok disk: zstd.so does not build"; exit 1; }
cd "$work" || exit 1

ok() { echo "ok disk $1"; }
fail() { echo "not ok disk $1: $2"; failed=1; }

# checked IMAGE [0|3]: no errors; leaks only where they are allowed
checked() {
	qemu-img check -q -f qcow2 "$1" >check.out 2>&1
	local rc=$?
	[ $rc = 0 ] || [ $rc = "${2:-0}" ]
}

# mirror NAME IMAGE FORMAT OPTIONS: random requests; afterwards the image must equal the reference.
# The reference starts as what qemu-img reads.
mirror() {
	rm -f reference
	if ! qemu-img convert -f "$3" -O raw "$2" reference 2>err; then
		fail "$1" "what the image has at first: $(tail -1 err)"
	elif ! timeout 300 "$stress" mirror "$2" "$4" "${SEED:-7}" "$ops" reference 2>err; then
		fail "$1" "$(tail -1 err)"
	elif [[ $4 != *snapshot* ]] && ! qemu-img compare -q -f "$3" -F raw "$2" reference; then
		fail "$1" "differs from the reference"
	elif [ "$3" = qcow2 ] && ! checked "$2"; then
		fail "$1" "$(head -2 check.out | tr '\n' ' ')"
	else
		ok "$1"
	fi
}

raw_images() {
	for options in uring threads none none,threads writethrough; do
		rm -f raw; truncate -s $size raw
		mirror "raw, $options" raw raw "raw,discard,$options"
	done
	cp raw before
	mirror "raw, snapshot" raw raw raw,discard,snapshot
	cmp -s raw before || fail "raw, snapshot" "the image has changed"
}

# A file system without FALLOC_FL_ZERO_RANGE, and block devices where we may create one
other_places() {
	local place device
	if place=$(mktemp -d /dev/shm/disk.XXXXXX 2>/dev/null); then
		truncate -s $size "$place/raw"
		mirror "raw on tmpfs" "$place/raw" raw raw,discard
		qemu-img create -q -f qcow2 "$place/img" $size
		mirror "qcow2 on tmpfs" "$place/img" qcow2 qcow2,discard
		rm -rf "$place"
	else
		echo "skip disk tmpfs: no folder can be made in /dev/shm"
	fi
	truncate -s 64M backing
	if ! device=$(losetup -f --show backing 2>/dev/null); then
		echo "skip disk block devices: losetup cannot make one"
		return
	fi
	mirror "block device" "$device" raw raw,discard
	mirror "block device, direct" "$device" raw raw,discard,none
	qemu-img create -q -f qcow2 "$device" $size
	mirror "qcow2 on a block device" "$device" qcow2 qcow2,discard
	losetup -d "$device"
}

qcow2_images() {
	local bits
	for cluster in 512 4k 64k 2M; do
		for bits in 1 2 16 64; do
			rm -f img; qemu-img create -q -f qcow2 \
				-o cluster_size=$cluster,refcount_bits=$bits img $size
			mirror "qcow2, clusters of $cluster, refcounts of $bits" img qcow2 \
				qcow2,discard
		done
	done
	for more in compat=0.10 preallocation=metadata preallocation=full lazy_refcounts=on; do
		rm -f img; qemu-img create -q -f qcow2 -o $more img $size
		mirror "qcow2, $more" img qcow2 qcow2,discard
	done
	for options in none writethrough nodisc; do
		rm -f img; qemu-img create -q -f qcow2 -o cluster_size=4k img $size
		[ $options = nodisc ] || options=discard,$options
		mirror "qcow2, $options" img qcow2 qcow2,$options
	done
}

backing_files() {
	mkdir -p sub
	truncate -s 30000128 base
	qemu-io -f raw -c 'write -P 5 0 3M' -c 'write -P 6 20M 9M' base >/dev/null
	for compat in 1.1 0.10; do
		rm -f sub/mid top
		qemu-img create -q -f qcow2 -o compat=$compat -F raw -b ../base sub/mid 35M
		qemu-io -c 'write -P 7 1M 3M' -c 'write -P 8 25M 5M' -c 'write -z 5M 1M' \
			-c 'discard 8M 1M' sub/mid >/dev/null
		qemu-img create -q -f qcow2 -o compat=$compat -F qcow2 -b sub/mid top $size
		md5sum base sub/mid >sums
		mirror "backing chain, compat=$compat" top qcow2 qcow2,discard
		md5sum top >>sums
		mirror "snapshot on a chain, compat=$compat" top qcow2 qcow2,discard,snapshot
		md5sum --quiet -c sums || fail "snapshot on a chain" "an image has changed"
		qemu-img snapshot -c one top
		qemu-img convert -O raw top one
		mirror "with an internal snapshot, compat=$compat" top qcow2 qcow2,discard
		qemu-img snapshot -a one top
		if qemu-img compare -q -f qcow2 -F raw top one && checked top; then
			ok "the internal snapshot is what it was, compat=$compat"
		else
			fail "internal snapshot, compat=$compat" \
				"it has changed, or the image is not clean"
		fi
		qemu-img snapshot -d one top
		checked top ||
			fail "internal snapshot, compat=$compat" "not clean after it was deleted"
	done
}

# A raw image of data that compresses well, a little, and not at all.
mixed_raw() {
	python3 - "$1" $size <<-'END'
		import random, sys
		random.seed(3)
		size, at = int(sys.argv[2]), 0
		words = [random.randbytes(random.randrange(1, 9)) for _ in range(300)]
		with open(sys.argv[1], "wb") as f:
		    f.truncate(size)
		    while at < size:
		        n = random.randrange(512, 600000) & ~511
		        kind = random.randrange(5)
		        if kind == 0: data = random.randbytes(n)
		        elif kind == 1: data = bytes([random.randrange(256)]) * n
		        else: data = b"".join(random.choices(words, k=n // 3))
		        if kind != 4:
		            f.seek(at)
		            f.write(data[:min(n, size - at)])
		        at += n
	END
}

# decoder NAME REFERENCE: it gives what the reference's library gives
decoder() {
	if python3 "$here/tests/tools/$1_check.py" ./$1.so $((ops / 10)) >"$1.out" 2>err; then
		ok "$1 and $2: $(cat $1.out)"
	else
		fail "$1 and $2" "$(tail -1 err)"
	fi
}

compressed_images() {
	local cluster bits
	decoder inflate zlib
	decoder zstd libzstd
	mixed_raw mixed
	for cluster in 512 64k 2M; do
		rm -f img; qemu-img convert -c -f raw -O qcow2 \
			-o cluster_size=$cluster,compression_type=zstd mixed img
		mirror "compressed by zstd, clusters of $cluster" img qcow2 qcow2,discard
	done
	for cluster in 512 4k 64k 2M; do
		for bits in 8 16 64; do
			[ $cluster != 512 ] || [ $bits = 16 ] || continue
			rm -f img; qemu-img convert -c -f raw -O qcow2 \
				-o cluster_size=$cluster,refcount_bits=$bits mixed img
			mirror "compressed, clusters of $cluster, refcounts of $bits" img qcow2 \
				qcow2,discard
		done
	done
	rm -f img; qemu-img convert -c -f raw -O qcow2 -o compat=0.10 mixed img
	mirror "compressed, version 2, direct" img qcow2 qcow2,none
	qemu-img convert -c -f raw -O qcow2 -o compression_type=zstd mixed low
	qemu-img create -q -f qcow2 -F qcow2 -b low middle $size
	qemu-io -f qcow2 -c 'write -c -P 7 1M 64k' -c 'write -c -P 8 1088k 64k' \
		-c 'write -P 9 5M 1M' -c 'write -c -P 3 39M 64k' \
		-c 'discard 9M 1M' middle >/dev/null
	qemu-img create -q -f qcow2 -o cluster_size=4k -F qcow2 -b middle top $size
	md5sum low middle >sums
	mirror "a chain of compressed images" top qcow2 qcow2,discard
	mirror "a compressed image with a compressed backing file" middle qcow2 qcow2,snapshot
	md5sum --quiet -c sums || fail "a chain of compressed images" "a backing file has changed"
	qemu-img snapshot -c one middle
	qemu-img convert -O raw middle one
	mirror "compressed, with an internal snapshot" middle qcow2 qcow2,discard
	if qemu-img snapshot -a one middle && qemu-img compare -q -f qcow2 -F raw middle one &&
		checked middle; then
		ok "the compressed internal snapshot is what it was"
	else
		fail "compressed internal snapshot" "it has changed, or the image is not clean"
	fi
}

# QEMU leaves the image dirty, because it is killed with lazy refcounts. Then we repair them.
dirty_image() {
	rm -f img; qemu-img create -q -f qcow2 -o lazy_refcounts=on img $size
	# an L2 table that QEMU has written, and refcounts that it has not
	(qemu-io -f qcow2 -c 'write -P 9 0 4M' -c flush -c abort img; true) >/dev/null 2>&1
	qemu-io -f raw -r -c 'read -v 72 8' img | grep -q '00 00 00 00 00 00 00 01' ||
		fail "dirty image" "QEMU left it clean"
	mirror "dirty, with lazy refcounts" img qcow2 qcow2,discard
}

# kill NAME OPTIONS CREATE-OPTIONS ROUNDS
kill_rounds() {
	local i pid rc leaks=0
	rm -f img journal
	qemu-img create -q -f qcow2 -o "$3" img 24M
	for ((i = 1; i <= $4; i++)); do
		coproc S { exec "$stress" kill img "$2" $i 100000000 journal 2>err; }
		pid=$S_PID
		read -r _ <&"${S[0]}"
		sleep "0.$((RANDOM % 30 + 10))"
		kill -9 "$pid"
		wait "$pid" 2>/dev/null
		rc=$?
		if [ $rc != 137 ]; then
			fail "$1" "round $i: exit code $rc before it was killed: $(cat err)"
			return
		elif ! checked img 3; then
			fail "$1" "round $i: $(head -2 check.out | tr '\n' ' ')"
			return
		fi
		[ -s check.out ] && leaks=$((leaks + 1))
		if ! qemu-img convert -f qcow2 -O raw img out 2>err ||
			! "$stress" verify out - - - journal >verified 2>err; then
			fail "$1" "round $i: $(cat err)"
			return
		fi
	done
	ok "$1: $4 rounds, leaks in $leaks, $(cat verified)"
}

killed() {
	kill_rounds "kill -9" qcow2,discard cluster_size=16k "$rounds"
	kill_rounds "kill -9, small clusters" qcow2,discard cluster_size=512,refcount_bits=1 \
		$((rounds / 4))
	kill_rounds "kill -9, direct" qcow2,discard,none cluster_size=4k $((rounds / 4))
}

# The journal of all writes of a run; each power cut keeps what was synced and any part of the rest.
power_cuts() {
	local cluster size_m
	for cluster in 512 4k 64k; do
		rm -f img journal cut.*
		size_m=6
		[ $cluster = 64k ] && size_m=40 # enough to allocate in
		qemu-img create -q -f qcow2 -o cluster_size=$cluster img ${size_m}M
		if ! "$small" power img qcow2,discard $RANDOM "$power_rounds" cut 2>err; then
			fail "power cut, clusters of $cluster" "$(tail -1 err)"
			continue
		fi
		local bad=
		for cut in cut.*.img; do
			checked "$cut" 3 ||
				{ bad="$cut: $(head -2 check.out | tr '\n' ' ')"; break; }
			qemu-img convert -f qcow2 -O raw "$cut" out 2>err &&
				"$stress" verify out - - - "${cut%.img}.journal" >verified 2>err ||
				{ bad="$cut: $(cat err)"; break; }
		done
		[ -z "$bad" ] &&
			ok "power cut, clusters of $cluster: $(ls cut.*.img | wc -l) cuts" ||
			fail "power cut, clusters of $cluster" "$bad"
	done
}

# QEMU and our program see each other's locks.
locks() {
	rm -f img; qemu-img create -q -f qcow2 img 1M
	coproc Q { exec qemu-io -f qcow2 img 2>/dev/null; }
	echo 'write 0 512' >&"${Q[1]}"
	sleep 0.3
	"$stress" mirror img qcow2 1 10 reference 2>err && fail "lock" "a writer beside QEMU"
	grep -q "in use by process $Q_PID (qemu-io)" err &&
		ok "QEMU's lock is seen and its owner named" || fail "lock" "$(cat err)"
	"$stress" mirror img qcow2,ro, 1 10 reference 2>err &&
		fail "lock" "a reader beside a writing QEMU"
	grep -q "in use by process $Q_PID (qemu-io)" err || fail "lock, read only" "$(cat err)"
	kill "$Q_PID"; wait "$Q_PID" 2>/dev/null
	rm -f journal
	coproc S { exec "$stress" kill img qcow2 1 100000000 journal 2>/dev/null; }
	read -r _ <&"${S[0]}"
	qemu-io -f qcow2 -c 'read 0 512' img >/dev/null 2>err && fail "lock" "QEMU beside a writer"
	grep -q lock err && ok "QEMU sees our lock" || fail "lock" "$(cat err)"
	kill -9 "$S_PID"; wait "$S_PID" 2>/dev/null
}

all="raw_images other_places qcow2_images backing_files compressed_images dirty_image killed"
all+=" power_cuts locks"
for part in ${PARTS:-$all}; do
	$part
done
exit $failed
