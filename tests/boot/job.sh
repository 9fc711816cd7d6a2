#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/boot/job.sh IN OUT CASE...
#
# Runs the cases of tests/boot.sh, one function each, where a stock kernel can run (this machine or
# the nested one). Each leaves in OUT: CASE.out (console), CASE.err, CASE.rc, and CASE.when, the
# seconds before and after. tests/boot.sh checks the results. A case whose .rc exists is not run
# again, so the rest can run after one case has ended the nested machine.

set -u
in=$1 out=$2
shift 2
kvm=${KVM_BIN:-build/kvm}

# guest LIMIT ARG...: one machine, for at most LIMIT seconds.
guest() {
	local limit=$1
	shift
	timeout -k 10 "$limit" "$kvm" run "$@" </dev/null >"$out/$name.out" 2>"$out/$name.err"
	echo $? >"$out/$name.code"
}

# A machine in the background, its process in $pid.
start() {
	local limit=$1
	shift
	timeout -k 10 --foreground "$limit" "$kvm" run "$@" </dev/null >"$out/$name.out" \
		2>"$out/$name.err" &
	job=$!
	pid=
	while [ -z "$pid" ] && kill -0 $job 2>/dev/null; do
		read -r pid _ <"/proc/$job/task/$job/children"
	done
}
finish() {
	wait $job
	echo $? >"$out/$name.code"
}
# said TEXT [TIMES [STREAM]]: waits until the console, or the launcher (err), has printed it. The
# machine's own time limit ends the wait for a text that never comes.
said() {
	local over=
	until [ "$(grep -acF "$1" "$out/$name.${3:-out}")" -ge "${2:-1}" ]; do
		[ -z "$over" ] || return 1
		kill -0 $job 2>/dev/null || over=1
		sleep 0.2
	done
}

report() { # KERNEL CPUS
	guest 150 -k "$in/$1" -i "$in/report.initrd" -c "$2"
}
report_cloud_1() { report cloud 1; }
report_cloud_4() { report cloud 4; }
report_full_1() { report full 1; }
report_full_4() { report full 4; }
report_tiny_1() { report tiny 1; }
report_tiny_4() { report tiny 4; }
report_backport_1() { report backport 1; }
report_backport_4() { report backport 4; }
# Without self-tests, certificates and separate page tables, which take the emulated CPU three
# minutes.
report_i386_2() {
	local not=load_system_certificate_list,crypto_kdf108_init,init_kprobe_trace,trace_eval_init
	guest 360 -k "$in/kernel" -i "$in/report.initrd" -c 2 \
		-p "nopti cryptomgr.notests initcall_blacklist=$not"
}

tables() { # KIND KERNEL CPUS
	guest 120 -k "$in/$2" -i "$in/tables.initrd" -m 256M -c "$3" --machine "tables=$1" \
		-d "$in/disk,ro"
}
tables_mp() { tables mp tiny 2; }
tables_dt() { tables dt tiny-dt 2; }
tables_none() { tables none tiny 1; }

mem() { guest 60 -k "$in/cloud" -i "$in/small.initrd" -p quiet -m "$1"; }
mem_256M() { mem 256M; }
mem_2G() { mem 2G; }
mem_6G() { mem 6G; }

end() { # PARAMS [OPTION]...
	local params=$1
	shift
	guest 90 -k "$in/cloud" -i "$in/tiny.initrd" -m 256M -p "quiet $params" "$@"
}
end_poweroff() { end end=poweroff; }
end_testdev() { end end=poweroff --testdev; }
end_reboot() { end end=reboot; }
end_reboot_4() { end end=reboot -c 4; }
end_reboot_k() { end "end=reboot reboot=k"; }
end_reboot_t() { end "end=reboot reboot=t"; }
end_reboot_a() { end "end=reboot reboot=a"; }
end_halt() { end end=halt; }
end_halt_4() { end end=halt -c 4; }
end_panic() { end end=exit; }
end_said() { guest 90 -k "$in/cloud" -i "$in/said.initrd" -m 256M -p quiet; }
kdump() { # END
	guest 240 -k "$in/cloud" -i "$in/kdump.initrd" -m 768M -p "crashkernel=256M kdump=$1"
}
end_kdump() { kdump poweroff; }
end_kdump_reboot() { kdump reboot; }
end_panic_reset() { end "end=exit panic=-1"; }
end_tiny_reboot() { guest 40 -k "$in/tiny" -i "$in/tiny.initrd" -c 4 -m 256M; }
end_tiny_halt() { guest 40 -k "$in/tiny" -i "$in/tiny.initrd" -c 4 -m 256M -p end=halt; }

entry_16() { end "end=poweroff" --entry 16; }
entry_32() { end "end=poweroff" --entry 32; }
entry_64() { end "end=poweroff" --entry 64; }
vmlinux() { # KERNEL [OPTION]...
	local kernel=$1
	shift
	guest 90 -k "$in/$kernel.vmlinux" -i "$in/tiny.initrd" -m 256M -p "quiet end=poweroff" "$@"
}
vmlinux_pvh() { vmlinux cloud --entry pvh -c 4; }
vmlinux_64() { vmlinux cloud --entry 64; }
vmlinux_backport() { vmlinux backport; }
# Runs twice, the second time from the cache, which fills while the first guest runs, and is
# complete when it ends in order.
fast() { # KERNEL
	local once=$name
	rm -rf "/tmp/$name"
	mkdir "/tmp/$name" || return
	for name in $once.first $once; do
		XDG_CACHE_HOME=/tmp/$once guest 60 -k "$in/$1" -i "$in/tiny.initrd" -m 256M \
			-p "quiet end=poweroff" --fast -v
	done
	rm -rf "/tmp/$name"
}
fast_cloud() { fast cloud; }
fast_full() { fast full; }
fast_backport() { fast backport; }
# Both would go on and boot from a device that does not exist.
lkrn() {
	start 120 -k "$in/ipxe.lkrn" -m 256M --no-default-params --grace 0
	said 'Features:' && kill "$pid"
	finish
}
memdisk() {
	start 120 -k "$in/memdisk" -i "$in/floppy" -m 256M --no-default-params --grace 0
	said 'Ramdisk at' && kill "$pid"
	finish
}

end_restart() {
	start 120 -k "$in/cloud" -i "$in/tiny.initrd" -m 256M -p quiet --on-reboot restart --grace 0
	said 'kvm-test: userspace up' 2 && kill "$pid"
	finish
}
term_button() {
	start 120 -k "$in/cloud" -i "$in/button.initrd" -m 256M -p quiet --grace 20
	said 'listening: event' && kill "$pid"
	finish
}
term_deaf() {
	start 120 -k "$in/cloud" -i "$in/tiny.initrd" -m 256M -p "quiet end=hang" --grace 2
	said 'kvm-test: userspace up' && kill "$pid"
	finish
}

# Requests a post-mortem of a kernel without any console, which goes on. The test waits for the
# sentence, which comes last: a busy host can take a minute to print it.
log() { # KERNEL
	start 400 -k "$in/$1" -i "$in/log.initrd" -m 256M --no-default-params -p console=null \
		--post-mortem full --grace 0
	said '== end' && kill -QUIT "$pid" && said '=> vCPU 0 ' 1 err
	kill "$pid"
	finish
}
log_cloud() { log cloud; }
log_full() { log full; }
log_backport() { log backport; }

initrd_two() {
	guest 60 -k "$in/cloud" -i "$in/small.initrd" -i "$in/extra.initrd" -p quiet -m 256M
}
initrd_500M() { guest 60 -k "$in/cloud" -i "$in/big.initrd" -p quiet -m 1G; }
initrd_truncated() {
	cp "$in/fill.initrd" /tmp/kvm-fill.$$
	start 90 -k "$in/cloud" -i /tmp/kvm-fill.$$ -m 256M -p quiet
	said 'truncate now' && : >/tmp/kvm-fill.$$
	finish
	rm -f /tmp/kvm-fill.$$
}
initrd_truncated_early() {
	cp "$in/fill.initrd" /tmp/kvm-fill.$$
	start 90 -k "$in/cloud" -i /tmp/kvm-fill.$$ -m 256M
	said 'Command line:' && : >/tmp/kvm-fill.$$
	finish
	rm -f /tmp/kvm-fill.$$
}
stock_initrd() {
	start 120 -k "$in/cloud" -i "$in/stock.initrd" -m 512M --grace 0
	said '(initramfs)' && kill "$pid"
	finish
}

for name; do
	[ ! -e "$out/$name.rc" ] || continue
	echo >>"$out/$name.started"
	before=$(date +%s)
	"$name"
	[ -e "$out/$name.code" ] || echo "none, as it could not be started," >"$out/$name.code"
	echo "$before $(date +%s)" >"$out/$name.when"
	mv "$out/$name.code" "$out/$name.rc"
done
