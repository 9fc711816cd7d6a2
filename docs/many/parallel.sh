#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# parallel.sh FILE HOST...: the boots of FILE on several hosts, by GNU parallel and ssh, and one result.
#
# HOST is what ssh takes, : is this host. Each has `kvm`, and the same folder under the same path (by NFS or rsync) with FILE and the kernels in it.
# What each part says goes to smoke.parts/; the last line's exit code is that of all.
set -u
file=$1
shift
hosts=$(printf '%s,' "$@")
rm -rf smoke.parts
mkdir -p smoke.parts
# A part that has found something ends with 122: no reason to stop the others.
parallel --sshlogin "${hosts%,}" --workdir "$PWD" -j 1 \
	"${KVM:-kvm} smoke $file --quiet --shard {}/$# --out smoke.parts/{} --report smoke.parts/{}.json" \
	::: $(seq $#)
exec "${KVM:-kvm}" report merge smoke.parts/*.json --junit junit.xml
