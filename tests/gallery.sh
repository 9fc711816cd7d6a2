#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the gallery, guests that break (guest/broken), and compares the post-mortem of each with its
# golden text in tests/gallery, in which everything that differs from host to host is masked.
# GALLERY_UPDATE=1 writes the golden texts instead: read them before you commit them. NAME... (or
# ONLY="NAME...") selects some.
#
# The guests run in the Intel nested machine, or with KVM_TEST_HOST=1 on this machine's /dev/kvm. In
# tests/nest without --intel, where KVM loses the registers at a triple fault, the texts are those
# of a second run. Prints `ok NAME`, `not ok NAME: why`.
set -u
cd "$(dirname "$0")/.." || exit 1
kvm=${KVM_BIN:-build/kvm}
out=${NEST_OUT:-build/gallery} # a nested machine writes nowhere else
failed=0 what=gallery
[ "${KVM_NEST:-}" != 1 ] || what=gallery-second
if [ $# -gt 0 ]; then ONLY=$*; fi
mkdir -p $out

if [ -z "${KVM_NEST:-}" ] && [ "${KVM_TEST_HOST:-}" != 1 ]; then
	rm -f $out/*.txt
	strip -o $out/kvm "$kvm" || exit 1
	KVM_BIN=$out/kvm tests/nest --intel --timeout 900 --out $out --env KVM_BIN --copy $out/kvm \
		--copy "$(type -P objdump)" \
		--copy build/guest/broken --copy build/broken --copy tests/gallery \
		tests/gallery.sh ${ONLY:-} || failed=1
	for text in $out/*.txt; do
		[ -z "${GALLERY_UPDATE:-}" ] || cp "$text" tests/gallery/
	done
	exit $failed
fi

# Masks times, flags and attributes that differ between hosts' processors, and the reset values of
# the local APIC and EFER.
mask() {
	sed -E -e 's/^( +)[-+][0-9]+\.[0-9]+ s  /\1TIME  /' \
		-e 's/RFLAGS=.*/RFLAGS=.../' \
		-e 's/EFER=.*/EFER=.../' \
		-e 's/^  LAPIC: .*/  LAPIC: .../' \
		-e 's/CR0=[0-9a-f]+ \[.*\] /CR0=... /' \
		-e 's/CR2=0000000000000000/CR2=0/' \
		-e 's/^  LDT=.*/  LDT=.../' \
		-e 's/ type=[0-9a-f]+ / /' \
		-e 's/ \[P W( U)?( A)?( D)?( PS)?\]$/ [P W\1 ...\4]/' \
		-e 's/= 0000([0-9a-f]{10})[0-9a-f]{2} \[/= \1.. [/' "$1"
}

# Masks what is special in a second run, which shows the state before the last instruction: the text
# about the second run, what that instruction changed, and the disassembly, for which a nested
# machine is too slow.
mask_second() {
	sed -E -e '/^kvm: KVM on this CPU has reset the registers/d' \
		-e '/^  KVM on this CPU resets/,/^  these are from/d' \
		-e '/^  LAPIC: /d; s/CR2=[0-9a-f]+/CR2=/; /^   CR2 /,/^    ->/d' \
		-e '/^   [> ] +[0-9a-f]+  [a-z]/d' "$1"
}

# gallery NAME EXIT-CODE [OPTION]...
gallery() {
	local name=$1 want=$2 rc
	shift 2
	[ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $name "* ]] || return
	timeout 60 "$kvm" run -k build/guest/broken/"$name".bzimage -m 64M \
		--symbols build/broken/"$name".elf "$@" \
		</dev/null >$out/"$name".out 2>$out/"$name".err
	rc=$?
	mask $out/"$name".err >$out/"$name".txt
	[ -z "${GALLERY_UPDATE:-}" ] || cp $out/"$name".txt tests/gallery/"$name".txt
	cp tests/gallery/"$name".txt $out/"$name".golden
	if grep -q '^  these are from before the last instruction' $out/"$name".txt; then
		mask_second $out/"$name".txt >$out/"$name".second
		mv $out/"$name".second $out/"$name".txt
		mask_second tests/gallery/"$name".txt >$out/"$name".golden
	fi
	if [ $rc != "$want" ]; then
		echo "not ok $what $name: exit code $rc, want $want; $(tail -1 $out/"$name".err)"
		failed=1
	elif [ "$(wc -l <$out/"$name".txt)" -gt 62 ]; then
		echo "not ok $what $name: more than a screen: $(wc -l <$out/"$name".txt) lines"
		failed=1
	elif ! diff -u $out/"$name".golden $out/"$name".txt >$out/"$name".diff; then
		cat $out/"$name".diff
		echo "not ok $what $name: not the golden text"
		failed=1
	else
		echo "ok $what $name"
	fi
}

gallery page-table-hole 121
gallery bad-gdt 121
gallery data-as-code 121
gallery stack-overflow 121
gallery missing-idt 121
gallery empty-gate 121
gallery bad-cr4 121
gallery no-pae 121
gallery jump-nowhere 121
gallery bad-pointer 121
gallery write-hole 121
gallery read-only 121
gallery bad-msr 121
gallery late 121
gallery loop-irqs-off 124 --hang 2
gallery halt-irqs-off 121
for name in ${ONLY:-}; do
	grep -q "^gallery $name " tests/gallery.sh ||
		{ echo "not ok $what $name: no such case"; failed=1; }
done
exit $failed
