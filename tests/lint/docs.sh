#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Checks that the manual names every option that the program has, and no other, and that mandoc
# finds nothing wrong with it.
set -u
cd "$(dirname "$0")/../.." || exit 1
kvm=${KVM_BIN:-build/kvm}
bad=0
for verb in run smoke; do
	have=$("$kvm" $verb --help | sed -n 's/^  *\(-., \)\?--\([a-z-]*\).*/\2/p' | sort -u)
	option='s/^\.It Fl \(. , -\|-\)\([a-z-]*\).*/\2/p'
	named=$(sed -n "/^\.Sh kvm $verb/,/^\.Sh kvm [^$verb]/$option" docs/kvm.1 | sort -u)
	if [ -z "$have" ]; then
		echo "$kvm $verb --help names no option"
		bad=1
	elif [ "$have" != "$named" ]; then
		echo "options of kvm $verb (<) and of docs/kvm.1 (>):"
		diff <(echo "$have") <(echo "$named")
		bad=1
	fi
done
mandoc -T lint -W warning docs/kvm.1 || bad=1 # not installed: tests/deps.sh check
exit $bad
