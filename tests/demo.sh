#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make demo: installs what is missing, builds, fetches the distribution's own kernel and boots it to a shell. Where the host's KVM
# emulates ring 0 (or there is none), the same runs in a nested machine (tests/nest).
set -eu
cd "$(dirname "$0")/.."
tests/deps.sh build demo
make -s -j"$(nproc)" all
kernel=$(tests/kernels.sh cloud)
tests/initrd.sh build/demo.initrd
echo "demo: in the guest's shell, \`poweroff\` ends it; Ctrl-a x does so at any time"
set -- build/kvm run -k "$kernel/vmlinuz" -i build/demo.initrd "$@"
if tests/hostkvm.sh; then
	echo "demo: $*"
	exec "$@"
fi
echo "demo: this host's KVM cannot boot a stock kernel (build/kvm host says why): starting a nested machine first"
echo "demo: $*"
if [ -t 0 ]; then
	exec tests/nest --tty "$@"
fi
exec tests/nest --timeout 600 "$@"
