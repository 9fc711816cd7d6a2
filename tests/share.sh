#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/share.sh [CASE]...
#
# Tests the host's files in the guest (--share, --root). This script checks what the launcher
# refuses; tests/share/job.sh has the cases with guests, which run in one nested machine (or here,
# where KVM can run them). There virtiofsd finds a root that is a mount point, which a chroot that
# `make check` runs in may lack. Prints `ok NAME`, `not ok NAME: why`, `skip NAME: why`; the output
# of the guests is kept in build/share.
set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
dir=build/share
rm -rf $dir
mkdir -p $dir/out $dir/in $dir/folder
failed=0

for program in virtiofsd /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd none; do
	command -v $program >/dev/null && break
done
if [ $program = none ]; then
	echo "skip share: no virtiofsd on this host"
	exit 0
fi

judge() { # NAME WHY
	if [ -n "$2" ]; then
		echo "not ok share: $1: $2"
		failed=1
	else
		echo "ok share: $1"
	fi
}

refused() { # MESSAGE OPTION...: one line and 125
	local want=$1 rc
	shift
	timeout 60 "$KVM_BIN" run -k $dir/none "$@" </dev/null >$dir/stdout 2>$dir/err
	rc=$?
	[ $rc = 125 ] || why+=" $*: exit code $rc;"
	[ "$(cat $dir/err)" = "kvm: $want" ] || why+=" $*: $(cat $dir/err);"
}

case_refused() {
	local folder="$PWD/$dir/folder" long tag text
	long=$(printf 'x%.0s' {1..40})
	why=
	refused "--share /no/such: /no/such: No such file or directory" --share /no/such
	refused "--share /etc/hostname: /etc/hostname is not a folder" --share /etc/hostname
	refused "--share $folder,rw: rw: not one of ro, socket=PATH" --share "$folder,rw"
	tag="must have 1 to 36 bytes, no slash, and must not be kvm-root; choose one with DIR:TAG"
	refused "--share $folder:$long: the tag \"$long\" $tag" --share "$folder:$long"
	refused "--share /: the tag \"\" $tag" --share /
	refused "--share $folder,ro: another folder has the tag folder; choose one with DIR:TAG" \
		--share "$folder" --share "$folder,ro"
	text="the virtiofsd at that socket chooses the folder and whether it is read-only"
	refused "--share $folder,socket=/x: $text; use --share :TAG,socket=PATH" \
		--share "$folder,socket=/x"
	refused "--root /,socket=/x: socket=/x: not one of ro, overlay" --root /,socket=/x
	text="cannot be used with --root, whose files are the guest's files; use --share"
	refused "--add: $text" --root / --add /etc -- true
	text="No such file or directory: is virtiofsd running, with --socket-path of that name?"
	refused "--share :far,socket=/no/such: $text" --share :far,socket=/no/such
	judge "what is refused" "$why"
}

[ $# != 0 ] && [[ " $* " != *" refused "* ]] || case_refused
rest=()
for c in ${*:-ends folders overlay root death user}; do
	[ "$c" = refused ] || rest+=("$c")
done
[ ${#rest[@]} != 0 ] || exit $failed
if ! kernel=$(tests/kernels.sh cloud 2>$dir/err); then
	echo "skip share: $(tail -1 $dir/err)"
	exit $failed
fi
ln -s "$kernel" $dir/in/cloud
if tests/hostkvm.sh >/dev/null; then
	NEST_OUT=$PWD/$dir/out tests/share/job.sh $dir/in "${rest[@]}" >$dir/lines 2>$dir/err
else
	tests/nest --timeout 900 --out $dir/out tests/share/job.sh $dir/in "${rest[@]}" \
		>$dir/lines 2>$dir/err
fi
rc=$?
grep -E '^(ok|not ok) ' $dir/lines
[ $rc = 0 ] && [ -s $dir/lines ] && exit $failed
grep -q '^not ok ' $dir/lines || echo "not ok share: exit code $rc, $(tail -n 1 $dir/err)"
exit 1
