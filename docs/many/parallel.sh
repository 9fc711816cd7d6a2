#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# parallel.sh FILE HOST...: boots the matrix of FILE on several hosts, by GNU parallel and ssh, and
# merges the results.
#
# HOST is a host name for ssh; : is this host. Each host needs `kvm`, and a folder with FILE and the
# kernels under the same path as here (by NFS or rsync). The parts' reports go to smoke.parts/. The
# exit code is that of the merge.
set -u
file=$1
shift
hosts=$(printf '%s,' "$@")
rm -rf smoke.parts
mkdir -p smoke.parts
shard="smoke $file --quiet --shard {}/$# --out smoke.parts/{} --report smoke.parts/{}.json"
# A part in which a boot fails exits with 122; the other parts continue.
parallel --sshlogin "${hosts%,}" --workdir "$PWD" -j 1 \
	"${KVM:-kvm} $shard" ::: $(seq $#)
exec "${KVM:-kvm}" report merge smoke.parts/*.json --junit junit.xml
