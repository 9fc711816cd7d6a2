#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Checks the text of each file for what it may include and call (tests/lint/house.py checks the
# objects):
#   - includes: main -> kvm; x86 -> kvm hw virtio; hw -> kvm; virtio -> kvm; kvm -> itself;
#   - a chip or a virtio device sees neither machine nor configuration nor KVM's ioctls;
#   - only main() ends the process, and only kvm_ioctl() calls KVM;
#   - each header compiles alone, and each file names its licence.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0

shopt -s nullglob globstar

deny() { # FILES... -- REGEX WHY
	local files=() found
	while [ "$1" != -- ]; do files+=("$1"); shift; done
	found=$(grep -nP "$2" "${files[@]:-/no such file}")
	case $? in
	0) echo "$found" | sed "s|\$|    <- $3|" ;;
	1) return ;;
	*) echo "could not be looked at: $3" ;;
	esac
	bad=1
}

deny main.c -- '#include "(x86/(?!arch_x86\.h)|hw/|virtio/)' 'main sees kvm/ only, and arch_x86.h'
deny kvm/**/*.[ch] include/kvm/*.h -- '#include "(x86|hw|virtio)/' 'kvm/ sees kvm/ only'
deny hw/**/*.[ch] include/hw/*.h -- '#include "(x86|virtio)/' 'hw/ sees kvm/ only'
deny virtio/**/*.[ch] include/virtio/*.h -- '#include "(x86|hw)/' 'virtio/ sees kvm/ only'
not_for_devices='#include "kvm/(vm|vcpu|config|share|arch|ioctl|signals|cmd)\.h"|<linux/kvm\.h>'
for folder in hw virtio; do
	deny $folder/**/*.[ch] include/$folder/*.h -- "$not_for_devices" \
		'devices are handed what they use'
done
deny {kvm,hw,virtio}/**/*.c main.c -- '\b(exit|abort|_exit|quick_exit)\(' \
	'only main() ends the process'
deny {kvm,x86,hw,virtio}/**/*.c -- \
	'[^_a-z]ioctl\([^)]*KVM_(GET|SET|CREATE|CHECK|IRQ|REG|UNREG)' 'use kvm_ioctl()'

headers=$(find include kvm x86 hw virtio -name '*.h') && [ -n "$headers" ] ||
	{ echo "no headers were found"; bad=1; }
for header in $headers; do
	echo "#include \"$header\"" | ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror \
		-Iinclude -I. -fsyntax-only -x c - ||
		{ echo "$header: does not compile alone"; bad=1; }
done

files=$(git ls-files -co --exclude-standard '*.c' '*.h' '*.S' '*.sh' Makefile) && [ -n "$files" ] ||
	{ echo "git does not list the files whose SPDX lines are looked at"; bad=1; }
for file in $files; do
	[ -e "$file" ] || continue
	head -3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-only' ||
		{ echo "$file: no SPDX line"; bad=1; }
done
exit $bad
