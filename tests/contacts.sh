#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# First contacts: how a newcomer's command line or host goes wrong, and the line that helps. Two
# lines of the table belong together:
#     NAME | HOST | ARGUMENTS of kvm run
#     	all of stderr, a regular expression, with " / " for a newline
# HOST is what differs from this host: "-", or words of add_host(), the outermost first. The exit
# code is always 125: no guest starts. tests/unit/test_host.c has the table of hosts that cannot be
# made here. KVM_BIN names the program (default build/kvm).
set -u
cd "$(dirname "$0")/.." || exit 1
kvm=${KVM_BIN:-build/kvm}
limit_s=30

for file in "$kvm" build/guest/payload.bzimage; do
	[ -e "$file" ] || { echo "not ok contacts: $file is not there; make it first"; exit 1; }
done
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
cp "$kvm" "$dir/kvm"
cp build/guest/payload.bzimage "$dir/k"
mkdir -p "$dir"/{at-once,later,silent,broken,locked/in,locked-in/in,readable}
echo precious >"$dir/old"
echo text >"$dir/text"
echo secret >"$dir/secret"
chmod 600 "$dir/secret"
echo x | tee "$dir/locked/in/f" >"$dir/locked-in/in/f"
program() { # PATH LINE...
	printf '%s\n' '#!/bin/sh' "${@:2}" >"$1"
	chmod 755 "$1"
}
program "$dir/at-once/passt" 'echo "No sandbox" >&2' 'exit 1'
program "$dir/later/passt" 'sleep 0.1' 'echo "No sandbox" >&2' 'exit 3'
program "$dir/silent/passt" 'kill -9 $$'
program "$dir/broken/virtiofsd" 'case $1 in --version) echo virtiofsd 1.13.0; exit; esac' \
	'echo "No room: $*" >&2' 'exit 1'

# ---- hosts: what comes before the command, in $before --------------------------------------------
mounts() { before+=(unshare -m sh -c "$1"' && exec "$@"' -); }
add_host() {
	local new_node='mount -t tmpfs -o mode=755 none /dev && mknod -m 660 /dev/kvm'
	case $1 in
	-) ;;
	user) before+=(setpriv --reuid 65534 --regid 65534 --clear-groups) ;;
	admin) before+=(unshare -m) ;; # with CAP_SYS_ADMIN
	userns) before+=(unshare -Ur) ;;
	no_userns)
		before+=(unshare -Ur sh -c
			'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' -) ;;
	no_node) mounts 'mount -t tmpfs none /dev' ;;
	node_of_group) mounts "$new_node c 10 232 && chgrp 12345 /dev/kvm" ;;
	other_device) mounts "$new_node c 1 3" ;;
	cgroup_64M)
		mounts 'mount -t tmpfs none /sys/fs/cgroup &&
			echo 67108864 >/sys/fs/cgroup/memory.max' ;;
	cgroup1_64M)
		mounts 'mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory &&
			echo 67108864 >/sys/fs/cgroup/memory/memory.limit_in_bytes' ;;
	no_path) before+=(env PATH="$dir/readable") ;;
	few_files) before+=(prlimit --nofile=16384) ;;
	*) before+=(env PATH="$dir/$1:$PATH") ;; # a program in front of the host's
	esac
}

# ---- the table: @ is the folder with k, a kernel, and text, a text file --------------------------
bits=$(awk '/^address sizes/ { print $4; exit }' /proc/cpuinfo)
missing='@/none: cannot open the kernel: No such file or directory'
table="a kernel that is not there | - | -k @/none
	kvm: $missing
a text file as the kernel | - | -k @/text
	kvm: @/text: .*
a folder as the kernel | - | -k @
	kvm: @: .*
a kernel that only root reads | user | -k @/secret
	kvm: @/secret: cannot open the kernel: Permission denied
the kernel without -k | - | @/k
	kvm: @/k: unexpected argument; use -k for a kernel, .*
no command after -k | - | -k -- ls
	kvm: ls: unexpected argument; .*
an option of another program | - | --append x
	kvm: --append: no such option, .*; see --help
-m 256 as for lkvm and QEMU | - | -m 256 -k @/none
	kvm: $missing
-m 64 as for lkvm and QEMU | - | -m 64 -k @/none
	kvm: $missing
-m 256MB | - | -m 256MB -k @/none
	kvm: $missing
-m 1g | - | -m 1g -k @/none
	kvm: $missing
-m 1GiB | - | -m 1GiB -k @/none
	kvm: $missing
-m in bytes | - | -m 268435456B -k @/none
	kvm: $missing
-m in bytes without a unit | - | -m 268435456
	kvm: --mem 268435456: out of range .*a number without a unit is MiB\)
-m that is no size | - | -m 1.5G
	kvm: --mem 1.5G: not a size \(like 512M or 4G\)
-m that is too large for a number | - | -m 99999999T
	kvm: --mem 99999999T: out of range .*
-c that is too large for a number | - | -c 99999999999999999999
	kvm: --cpus 99999999999999999999: out of range \(1 to 4096\)
--balloon above -m, in MiB | - | --balloon=128 -m 64 -k @/k
	kvm: --balloon: must be less than the guest's memory, -m 64M
-k twice | - | -k @/k -k @/none
	kvm: --kernel @/none: replaces --kernel @/k.* / kvm: $missing
-m twice, quietly | - | -m 1G -m 2G -q -k @/none
	kvm: $missing
-m twice, the same | - | -m 1G -m 1G -k @/none
	kvm: $missing
--serial 0 twice | - | --serial 0=null --serial 0=pty -k @/none
	kvm: --serial 0=pty: replaces --serial 0=null, .* / kvm: console pty: .* / kvm: $missing
-p twice | at-once | -p one -p two -v -k @/k -n passt
	.* / kvm: kernel parameters: console=ttyS0 one two / .*passt.* has ended .*
an unknown place of --serial | - | --serial 1=signals
	kvm: --serial 1=signals: no such place; use stdio, .*
an old log and a typo | - | -k @/none --log @/old --serial 1=file:@/old
	kvm: $missing
a new file in two spellings | - | --log @/new --report @/./new
	kvm: --report @/./new: is also the file of --log .*
a report in no folder | - | -k @/k --report @/x/y
	kvm: --report @/x/y: No such file or directory
a folder of --add that cannot be searched | user | -k @/k --add @/locked:/d -- true
	kvm: @/locked/in/f: cannot be copied .*: Permission denied
a folder of --add that cannot be read | user | -k @/k --add @/locked-in:/d -- true
	kvm: @/locked-in/in: cannot be copied for the guest: Permission denied
no node | no_node | -k @/k
	kvm: /dev/kvm: No such file or directory: .*
another device in its place | other_device | -k @/k
	kvm: /dev/kvm: .*
a user who is not in the group | node_of_group user | -k @/k
	kvm: /dev/kvm: Permission denied: .*group(-add|add -g) 12345.*
a namespace that does not know the group | node_of_group user userns | -k @/k
	kvm: /dev/kvm: Permission denied: .*(the user outside|keep-groups).*
a control group with less memory | cgroup_64M | -m 256 -k @/none
	kvm: -m 256M: .* may only use 64M; .* / kvm: $missing
a control group of version 1 | cgroup1_64M | -m 256 -k @/none
	kvm: -m 256M: .* may only use 64M; .* / kvm: $missing
a control group with enough memory | cgroup_64M | -m 64 -k @/none
	kvm: $missing
more memory than the CPU addresses | - | -m $((1 << (bits - 30)))G -k @/k
	kvm: -m .*: the guest's CPU addresses .*; use at most .*
no passt | no_path | -n passt -k @/k
	kvm: -n passt: cannot start passt.*: install the package passt
a passt that ends at once | at-once | -n passt -k @/k
	No sandbox / kvm: -n passt: passt.* ended with exit code 1 before the guest .*
a passt that ends later | later | -n passt -k @/k
	No sandbox / kvm: -n passt: passt.* ended with exit code 3 before the guest .*
a passt that is killed | silent | -n passt -k @/k
	kvm: -n passt: passt\(1\) has ended before the guest was started.*
a passt without user namespaces | no_userns later | -n passt -k @/k
	No sandbox / kvm: -n passt: .*sysctl user.max_user_namespaces=.*
a virtiofsd that ends | broken | --share @/readable -k @/k
	kvm: --share @/readable: virtiofsd: No room.*
root's virtiofsd keeps handles, not descriptors | admin broken | --share @/readable -k @/k
	kvm: --share @/readable: virtiofsd: No room: .* --inode-file-handles=prefer .*
a user's low limit of open files | user few_files broken | --share @/readable -k @/k
	kvm: .*: virtiofsd may only open 16384 files, .* / kvm: .*: virtiofsd: .*
--gdb-wait alone | - | --gdb-wait
	kvm: --gdb-wait: needs --gdb PORT or --gdb unix:PATH
--trace with a typo | - | --trace pio,irqs -k @/none
	kvm: --trace pio,irqs: irqs is none of pio, .*; if it is a file, write ./irqs
a log in no folder | - | --log @/x/y -k @/k
	kvm: --log @/x/y: No such file or directory
a --trace in no folder | - | --trace pio,@/x/y -k @/k
	kvm: --trace @/x/y: No such file or directory
a log that is a folder | - | --log @ -k @/k
	kvm: --log @: Is a directory
--trace of no kind | - | --trace bogus
	kvm: --trace: must be a list of pio, .*
"
chmod 700 "$dir/locked-in/in"
chmod 744 "$dir/locked/in"

# Why a row cannot be tried here, or nothing.
left_out() { # NAME
	if [ ${#before[@]} != 0 ] && ! "${before[@]}" "$(type -P true)" 2>/dev/null; then
		echo "this host cannot be made here"
	elif [[ $1 != "more memory than"* ]]; then
		return
	elif ! { true <>/dev/kvm; } 2>/dev/null; then
		echo "no /dev/kvm"
	elif [ "$bits" -gt 42 ]; then
		echo "this CPU addresses more than KVM's memory slots may have"
	fi
}

rc=0
judge() { # NAME CODE WANT-CODE STDERR WANT
	if [ "$2" != "$3" ]; then
		echo "not ok contacts: $1: $2, not $3: $4"
	elif ! [[ $4 =~ ^$5$ ]]; then
		echo "not ok contacts: $1: $4"
	else
		echo "ok contacts: $1"
		return
	fi
	rc=1
}

while IFS='|' read -r name host args && read -r want; do
	name=${name% } args=${args//@/$dir} want=${want//@/$dir} before=()
	for word in $host; do
		add_host "$word"
	done
	why=$(left_out "$name")
	if [ -n "$why" ]; then
		echo "left out: contacts: $name: $why"
		continue
	fi
	read -ra args <<<"$args"
	said=$(timeout $limit_s "${before[@]}" "$dir/kvm" run "${args[@]}" 2>&1 >/dev/null \
		</dev/null)
	judge "$name" $? 125 "${said//$'\n'/ / }" "$want"
done <<<"${table%$'\n'}"

judge "what was in the old log" "$(cat "$dir/old")" precious "" ""

# Whatever the launcher has no descriptor for, it says so. The last run starts the guest, if there
# is KVM.
silent=
for ((n = 5; n < 40; n++)); do
	said=$(prlimit --nofile=$n "$dir/kvm" run -k "$dir/k" -m 64 --timeout $limit_s \
		--name "c$n" --expect '^never' -p test=none 2>&1 >/dev/null </dev/null)
	[ $? = 125 ] || break
	grep -q '^kvm: ' <<<"$said" || silent+=" $n"
done
judge "a line for each limit of open files" "silent:$silent" silent: "" ""
exit $rc
