#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/hostkvm.sh
#
# Checks whether this machine's /dev/kvm can boot stock kernels by itself. Exits with 0 when it can;
# else prints the reason and exits with 1, and tests must use the nested machine of tests/nest. The
# reasons: there is no /dev/kvm that we may open, or the CPU has no virtualization extension and KVM
# emulates the guest's ring 0, much too slowly.
#
# The CPU's flags are only a hint; only /dev/kvm shows whether KVM works. KVM_TEST_HOST=1 or =0 in
# the environment overrules them.
#
# Tests that need a /dev/kvm begin with this line, and so run on every machine:
#     tests/hostkvm.sh >/dev/null || exec tests/nest tests/NAME.sh "$@"

# The nested machine's KVM is like that of hardware, and tests in it must not start another one.
[ -z "${KVM_NEST:-}" ] || exit 0
case ${KVM_TEST_HOST:-} in
1) exit 0 ;;
0) echo "hostkvm.sh: KVM_TEST_HOST=0"; exit 1 ;;
esac
if ! [ -e /dev/kvm ]; then
	echo "hostkvm.sh: there is no /dev/kvm"; exit 1
fi
if ! (exec 3<>/dev/kvm) 2>/dev/null; then
	echo "hostkvm.sh: /dev/kvm cannot be opened"; exit 1
fi
if ! grep -qwE '^flags.*(vmx|svm)' /proc/cpuinfo; then
	echo "hostkvm.sh: the CPU has neither VMX nor SVM: KVM emulates ring 0"
	exit 1
fi
