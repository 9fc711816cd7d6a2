#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The folders' allowed includes (docs/architecture.md): main -> kvm and x86/arch_x86.h; x86 -> kvm hw virtio; hw -> kvm; virtio -> kvm; kvm -> itself. What a
# chip or a virtio device may not see at all: the machine, the configuration, KVM's ioctls. And each header
# compiles alone.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0

shopt -s nullglob globstar

deny() { # FILES... -- REGEX WHY
	local files=() found
	while [ "$1" != -- ]; do files+=("$1"); shift; done
	found=$(grep -nE "$2" "${files[@]:-/no such file}")
	case $? in
	0) echo "$found" | sed "s|\$|    <- $3|" ;;
	1) return ;;
	*) echo "could not be looked at: $3" ;;
	esac
	bad=1
}

deny main.c -- '#include "(x86/[^a]|hw/|virtio/)' 'main sees kvm/ and x86/arch_x86.h only'
deny kvm/**/*.c kvm/**/*.h include/kvm/*.h -- '#include "(x86|hw|virtio)/' 'kvm/ sees kvm/ only'
deny hw/**/*.c hw/**/*.h include/hw/*.h -- '#include "(x86|virtio)/' 'hw/ sees kvm/ only'
deny virtio/**/*.c virtio/**/*.h include/virtio/*.h -- '#include "(x86|hw)/' 'virtio/ sees kvm/ only'
for folder in hw virtio; do
	deny $folder/**/*.c $folder/**/*.h include/$folder/*.h -- \
		'#include "kvm/(vm|vcpu|config|share|arch|ioctl|signals|cmd)\.h"|<linux/kvm\.h>' 'devices are handed what they use'
done
deny kvm/**/*.c hw/**/*.c virtio/**/*.c main.c -- '\b(exit|abort|_exit|quick_exit)\(' 'only main() ends the process'
deny kvm/**/*.c x86/**/*.c hw/**/*.c virtio/**/*.c -- '[^_a-z]ioctl\([^)]*KVM_(GET|SET|CREATE|CHECK|IRQ|REG|UNREG)' 'use kvm_ioctl()'

headers=$(find include kvm x86 hw virtio -name '*.h') && [ -n "$headers" ] ||
	{ echo "no headers were found"; bad=1; }
for header in $headers; do
	echo "#include \"$header\"" | ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude -I. -fsyntax-only -x c - ||
		{ echo "$header: does not compile alone"; bad=1; }
done

files=$(git ls-files -co --exclude-standard '*.c' '*.h' '*.S' '*.sh' Makefile) && [ -n "$files" ] ||
	{ echo "git does not list the files whose SPDX lines are looked at"; bad=1; }
for file in $files; do
	[ -e "$file" ] || continue
	head -3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-only' || { echo "$file: no SPDX line"; bad=1; }
done
exit $bad
