#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs `make demo`: installs what is missing, builds, fetches the distribution's own kernel and
# boots it to a shell. Where the host's KVM emulates ring 0 (or the host has no KVM), the same runs
# in a nested machine (tests/nest). Without a terminal, tests/demo-typist gives the shell two
# commands, the second of which ends the machine.
set -eu
cd "$(dirname "$0")/.."
tests/deps.sh build demo
make -s -j"$(nproc)" all
kernel=$(tests/kernels.sh cloud)
tests/initrd.sh build/demo.initrd
set -- build/kvm run -k "$kernel/vmlinuz" -i build/demo.initrd "$@"
if [ -t 0 ] && [ -t 1 ]; then
	nest=(tests/nest --tty)
	echo "demo: in the guest's shell, \`poweroff\` ends it; Ctrl-a x does so at any time"
else
	nest=(tests/nest --timeout 600)
	set -- tests/demo-typist "$@"
fi
if ! tests/hostkvm.sh; then
	echo "demo: this host's KVM cannot boot a stock kernel (build/kvm host says why):" \
		"starting a nested machine first"
	set -- "${nest[@]}" "$@"
fi
echo "demo: $*"
exec "$@"
