#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/boot.sh [CASE]...
#
# Boots stock kernels and checks what they find and how they end: the distribution's cloud, full,
# backport and 32-bit kernels, and tiny ones that have no ACPI but an MP table, a device tree or
# nothing. They run on this host where its KVM can run them (tests/hostkvm.sh), else in nested
# machines (tests/nest). tests/boot/job.sh runs the cases; this script checks the results.
#
# CASEs select some of the cases. `reports`, `others` and `terminal` are the three parts that `make
# check` runs, without the variants. Without arguments all cases run, except tables_dt, whose kernel
# takes minutes to build.
#
# One line a test: `ok NAME`, `not ok NAME: why`, `skip NAME: why`. Exits 1 after a `not ok`. The
# output of the guests is kept in build/boot/out (BOOT_DIR: elsewhere). KVM_BIN names another
# launcher than build/kvm.

set -u
cd "$(dirname "$0")/.." || exit 1
export KVM_BIN=${KVM_BIN:-build/kvm}
dir=${BOOT_DIR:-build/boot}
in=$dir/in out=$dir/out
failed=0
nested=
tests/hostkvm.sh >/dev/null || nested=1

ok() { echo "ok boot: $1"; }
not_ok() { # NAME WHY
	echo "not ok boot: $1: $2"
	failed=1
}

reports="report_cloud_1 report_cloud_4 report_full_1 report_full_4 report_tiny_1 report_tiny_4"
reports+=" report_backport_1 report_backport_4"
others="end_poweroff end_testdev end_reboot end_reboot_4 end_reboot_k end_reboot_t end_reboot_a"
others+=" end_halt end_halt_4 end_panic end_said end_kdump end_kdump_reboot"
others+=" end_panic_reset end_tiny_reboot end_tiny_halt end_restart term_button term_deaf"
others+=" tables_mp tables_dt tables_none"
others+=" fast_cloud fast_full fast_backport"
others+=" entry_16 entry_32 entry_64 vmlinux_pvh vmlinux_64 vmlinux_backport lkrn memdisk"
others+=" mem_256M mem_2G mem_6G initrd_two initrd_500M initrd_truncated initrd_truncated_early"
others+=" stock_initrd"
others+=" log_cloud log_full log_backport"
# Cases that differ little from others, or that other tests cover: tests/budget.sh starts with an
# initrd of 500 MiB, tests/disk-boot.sh with the stock initrd.
variants="initrd_500M stock_initrd report_full_1 report_backport_4 report_tiny_1 end_reboot_4"
variants+=" end_reboot_a end_halt_4 mem_2G entry_64 vmlinux_backport"
variants+=" end_kdump end_kdump_reboot"
variants+=" fast_full fast_backport log_full log_backport initrd_truncated tables_dt"

#--- preparing the guests ----------------------------------------------------

# A directory with a body: the kernel skips the body, and reads on after it.
cpio_gap() { # BYTES
	printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x' 1 $((0040755)) 0 0 1 0 \
		"$1" 0 0 0 0 4 0
	printf 'gap\0\0\0'
}

kernel() { # NAME: into $in; or prints why not
	local dir
	case $1 in
	tiny*) dir=$(tests/tiny-kernel.sh "$(sed 's/^tiny-*//' <<<"$1")") ;;
	*) dir=$(tests/kernels.sh "$1") ;;
	esac && ln -sfn "$(realpath "$dir/vmlinuz")" "$in/$1"
}

# A guest with a capture kernel, which is the same kernel.
capture() {
	${CC:-gcc} -std=gnu11 -O1 -Wall -Wextra -Werror -static -o $in/load_capture \
		tests/boot/load_capture.c &&
	tests/initrd.sh --add $in/load_capture:/load_capture \
		--add "$(realpath $in/cloud)":/capture/vmlinuz \
		--add $in/said.initrd:/capture/initrd $in/kdump.initrd tests/boot/guest-ends.sh
}

prepare() {
	local k dt='' lscpu
	rm -rf $dir
	mkdir -p $in $out
	# Its kernel takes four minutes of CPU time to build: only tests/boot.sh tables_dt does so.
	[[ " $asked " != *" tables_dt "* ]] || dt=tiny-dt
	for k in cloud full backport tiny $dt i386; do
		kernel $k 2>$in/$k.err || tail -n 3 $in/$k.err >&2
	done
	[ -e $in/cloud ] || return 1
	lscpu=$(command -v lscpu) || { echo "lscpu is not installed"; return 1; }
	tests/initrd.sh --add "$lscpu" $in/report.initrd tests/boot/guest-report.sh &&
	tests/initrd.sh $in/small.initrd tests/boot/guest-report.sh &&
	tests/initrd.sh $in/shell.initrd &&
	tests/initrd.sh --tiny $in/tiny.initrd &&
	tests/initrd.sh $in/tables.initrd tests/boot/guest-tables.sh &&
	tests/initrd.sh --init tests/boot/guest-log.sh $in/log.initrd &&
	{ echo 'the disk of the test'; head -c 1M /dev/zero; } >$in/disk &&
	tests/initrd.sh $in/said.initrd tests/boot/guest-ends.sh || return 1
	[ -z "$(wanted "end_kdump end_kdump_reboot")" ] || capture || return 1
	tests/initrd.sh --kernel "$(tests/kernels.sh cloud)" --modules "button evdev" \
		$in/button.initrd tests/boot/guest-button.sh || return 1
	echo "from the second initrd" >$in/extra &&
	tests/initrd.sh --plain --add $in/extra:/extra $in/extra.initrd &&
	cpio_gap $((500 << 20)) >$in/big.initrd &&
	truncate -s +$((500 << 20)) $in/big.initrd &&
	cat $in/tiny.initrd >>$in/big.initrd || return 1
	# The gap is memory that has only been mapped when the file is truncated.
	tests/initrd.sh $in/fill.part tests/boot/guest-fill.sh &&
	cpio_gap $((32 << 20)) >$in/fill.initrd &&
	head -c $((32 << 20)) /dev/urandom >>$in/fill.initrd &&
	cat $in/fill.part >>$in/fill.initrd || return 1
	if [ -e $in/i386 ]; then
		mkdir $in/32 &&
		cp $in/i386 $in/32/kernel &&
		tests/initrd.sh --busybox "$(tests/kernels.sh i386)/root/bin/busybox" \
			$in/32/report.initrd tests/boot/guest-report.sh || return 1
	fi
	python3 tests/tools/vmlinux.py $in/cloud $in/cloud.vmlinux || return 1
	[ ! -e $in/backport ] || python3 tests/tools/vmlinux.py $in/backport $in/backport.vmlinux ||
		return 1
	ln -sfn /usr/lib/ipxe/ipxe.lkrn $in/ipxe.lkrn
	ln -sfn /usr/lib/syslinux/memdisk $in/memdisk
	truncate -s 1440K $in/floppy
	if [ -x tests/stock-initrd.sh ]; then
		tests/stock-initrd.sh cloud $in/stock.initrd 2>$in/stock.err ||
			tail -n 3 $in/stock.err >&2
	fi
	return 0
}

#--- running -------------------------------------------------------------------

wanted() { # LIST: the cases in it that are selected
	local c
	for c in $1; do
		case " ${asked:-$c} " in *" $c "*) echo "$c" ;; esac
	done
}

left() { # LIST: the cases in it that have not run
	local c
	for c in $1; do [ -e $out/$c.rc ] || echo "$c"; done
}

# Runs a list in as few nested machines as possible: a case that ends or hangs its machine twice has
# failed.
run_list() { # LIST
	local cases c round
	for round in 1 2 3 4; do
		cases=$(left "$1")
		[ -n "$cases" ] || return
		if [ -z "$nested" ]; then
			tests/boot/job.sh $in $out $cases
		else
			tests/nest --timeout 900 --out $out tests/boot/job.sh $in $out $cases \
				>>$out/nest.log 2>&1
		fi
		for c in $(left "$1"); do
			[ "$(wc -l 2>/dev/null <$out/$c.started || echo 0)" -lt 2 ] ||
				echo nest >$out/$c.rc
		done
	done
}

# Where a CPU is emulated, the 32-bit guest needs an Intel CPU: with an emulated SVM's nested paging
# it dies of reserved bits, and without nested paging QEMU 10 hangs.
run_i386() {
	[ -n "$(left "$(wanted report_i386_2)")" ] || return
	if [ -z "$nested" ]; then
		tests/boot/job.sh $in/32 $out report_i386_2
		return
	fi
	strip -o $dir/kvm "$KVM_BIN" &&
		KVM_BIN=$dir/kvm tests/nest --intel --timeout 900 --out $out --env KVM_BIN \
			--copy $dir/kvm --copy $in/32 tests/boot/job.sh $in/32 $out report_i386_2
}

#--- checking --------------------------------------------------------------------

text() { tr -d '\r' <$out/$1.out; }
section() { text "$1" | sed -n "/^== $2\$/,/^== /{/^== /d;p}"; }
last_err() { tail -n 1 $out/$1.err; }

# ended CASE RC LINE: how the machine ended
ended() {
	local rc
	rc=$(cat $out/$1.rc 2>/dev/null)
	if [ -z "$rc" ]; then
		echo "it was not run: $(tail -n 1 $out/nest.log 2>/dev/null)"
	elif [ "$rc" = nest ]; then
		echo "the nested machine does not survive it"
	elif ! grep -qxE "$2" <<<"$rc"; then
		echo "exit code $rc instead of $2, last line \"$(last_err "$1")\"," \
			"console \"$(text "$1" | tail -n 1)\""
	elif ! last_err "$1" | grep -qxE "kvm: $3"; then
		echo "last line \"$(last_err "$1")\""
	fi
}

judge() { # NAME WHY [REMARK]
	if [ -n "$2" ]; then not_ok "$1" "$2"; else ok "$1${3:+ ($3)}"; fi
}

# The first start unpacks the kernel, the second finds it; both reach userspace. Without the program
# that unpacks it, neither start does so.
unpacked() { # CASE
	local first second
	first=$(grep -o -e '--fast: [^:]*: the program that unpacks it is not installed' \
		-e '--fast: unpacked' "$out/$1.first.err")
	second=$(grep -o -e '--fast: [^:]*: the program that unpacks it is not installed' \
		-e '--fast: was unpacked before' "$out/$1.err")
	grep -qaF 'kvm-test: userspace up' "$out/$1.first.out" ||
		echo "the first start does not come to userspace"
	case $first/$second in
	*installed/*installed | '--fast: unpacked/--fast: was unpacked before') ;;
	*) echo "first \"$first\", then \"$second\"" ;;
	esac
}

# dmesg lines of level warning and above that are not allowed
warnings() {
	section "$1" dmesg | sed -E 's/^<[0-4]>\[ *[0-9.]+\] //' |
		grep -vxE -f <(grep -v -e '^#' -e '^$' tests/boot/dmesg.allow)
}

bad_lines() { # lines that must not be in a log at any level
	local bad
	bad='ACPI Error|ACPI BIOS Error|Firmware Bug|Firmware Warn|Firmware Info|BIOS bug'
	text "$1" | grep -E "$bad"
	bad="i8042.*(failed|[Cc]an't read CTR)|MPTABLE: (bad|checksum)"
	bad+="|MP table.*(bad|[Ee]rror)|[Ii]nvalid checksum"
	text "$1" | grep -E "$bad"
	text "$1" | grep -E 'calibrat.*PIT|PIT calibration|TSC calibration failed|refined TSC'
}

cpus() { # CASE N
	local n l
	n=$(section "$1" nproc)
	[ "$n" = "$2" ] || echo "nproc says $n"
	l=$(section "$1" lscpu)
	grep -qE "^CPU\(s\): +$2\$" <<<"$l" &&
	grep -qE '^ *Thread\(s\) per core: +1$' <<<"$l" &&
	grep -qE "^ *Core\(s\) per socket: +$2\$" <<<"$l" &&
	grep -qE '^ *Socket\(s\): +1$' <<<"$l" ||
		echo "lscpu: $(grep -E 'CPU\(s\):|Thread|Core|Socket' <<<"$l" | tr -s ' \n' ' ')"
	! grep -iE 'lscpu:|cannot|failed|error' <<<"$l" || :
}

rtc() { # CASE
	local before after t
	section "$1" rtc | grep -q '^rtc_cmos' || echo "no rtc_cmos"
	read -r before after <$out/$1.when
	t=$(section "$1" rtc | sed -n 2p)
	[ "${t:-0}" -ge $((before - 5)) ] && [ "${t:-0}" -le $((after + 5)) ] ||
		echo "RTC says $t in $before..$after"
	t=$(section "$1" date)
	[ "${t:-0}" -ge $((before - 5)) ] && [ "${t:-0}" -le $((after + 5)) ] ||
		echo "date says $t in $before..$after"
}

interrupts() { # CASE: ttyS0's count, on all CPUs
	section "$1" interrupts |
		awk '/ttyS0/ { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }'
}

serial() { # CASE
	local tty
	tty=$(section "$1" tty)
	# The kernel's number for a 16550A is 4 (linux/serial_core.h).
	grep -qxE '4 0x3F8 [1-9][0-9]*' <<<"$tty" || echo "ttyS0's type, port and interrupt: $tty"
	# One interrupt may send everything written meanwhile, so their number has no more meaning.
	[ "$(interrupts "$1")" -gt 0 ] || echo "ttyS0 has had no interrupt"
}

iomem() { # CASE BYTES: RAM is all there, and not in the hole
	section "$1" iomem | tr ':-' '  ' | awk -v want="$2" '
		function hex(s,  i, n) { for (i = 1; i <= length(s); i++)
			n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1; return n }
		/^[0-9a-f].*System RAM/ { a = hex($1); b = hex($2); sum += b - a + 1
			if (b >= 3221225472 && a < 4294967296) print "RAM in the hole: " $0 }
		/Kernel code/ { code = 1 }
		END { if (sum > want || sum < want - 1048576)
			printf "%d bytes of RAM in iomem instead of %d\n", sum, want
			if (!code) print "no kernel code in iomem" }'
}

report() { # KERNEL CPUS
	local c=report_$1_$2 why clock last='the guest powered off'
	[ "$1" != tiny ] || last='the guest halted' # it cannot power off
	[ -e $out/$c.rc ] || [ -e $in/$1 ] ||
		{ echo "skip boot: $1 kernel, $2 CPUs: $(tail -n 1 $in/$1.err)"; return; }
	text $c | grep -q '^kvm-test: userspace up' || {
		why=$(ended $c 0 "$last")
		not_ok "$1 kernel, $2 CPUs: userspace" "${why:-no marker}"
		return
	}
	why=$(ended $c 0 "$last")
	text $c | grep -q '^== end' || why="the report ends early; $why"
	judge "$1 kernel, $2 CPUs: userspace and its end" "$why"
	if [ "$1" = i386 ]; then # there is no lscpu for it
		judge "$1 kernel, $2 CPUs: nproc" \
			"$([ "$(section $c nproc)" = "$2" ] || section $c nproc)"
		judge "$1 kernel, $2 CPUs: ACPI" \
			"$(text $c | grep -q 'Using ACPI (MADT)' || echo "not in use")"
	else
		judge "$1 kernel, $2 CPUs: nproc, lscpu" "$(cpus $c "$2" | head -n 3 | tr '\n' ' ')"
	fi
	judge "$1 kernel, $2 CPUs: no warning that QEMU's microvm does not cause" \
		"$(warnings $c | head -n 3)"
	judge "$1 kernel, $2 CPUs: no firmware, i8042, PIT complaint" "$(bad_lines $c | head -n 1)"
	judge "$1 kernel, $2 CPUs: ttyS0 is a 16550A with an interrupt" "$(serial $c | head -n 1)"
	judge "$1 kernel, $2 CPUs: iomem" "$(iomem $c $((1 << 30)) | head -n 1)"
	clock=$(section $c clocksource)
	case $clock in kvm-clock|tsc) clock= ;; '') clock="not known" ;; esac
	judge "$1 kernel, $2 CPUs: clock source" "$clock"
	[ "$1" = tiny ] || judge "$1 kernel, $2 CPUs: rtc_cmos, time" "$(rtc $c | head -n 1)"
	[ "$1" = tiny ] || judge "$1 kernel, $2 CPUs: i8042 keyboard" \
		"$(text $c | grep -q 'serio: i8042 KBD port' || echo "not found")"
}

# there KERNEL CASE: whether the case is selected and its kernel exists; else it is skipped.
there() {
	[ -n "$(wanted $2)" ] || return
	[ ! -e $in/$1 ] || return 0
	echo "skip boot: $2: $(tail -n 1 $in/$1.err)"
	return 1
}

# A kernel that can learn of its machine only from the tables of this case.
tables() { # KIND KERNEL CPUS LINE-OF-/proc/interrupts
	local c=tables_$1 why
	there $2 $c || return
	why=$(ended $c 0 'the guest halted')
	[ -n "$why" ] || [ "$(section $c nproc)" = "$3" ] || why="nproc says $(section $c nproc)"
	[ -n "$why" ] || [ "$(section $c disks) $(section $c vda)" = '1 the disk of the test' ] ||
		why='not the one disk'
	[ -n "$why" ] || section $c interrupts | grep -qE "$4" || why="no interrupt: $4"
	[ -n "$why" ] || [ "$1" = mp ] || ! text $c | grep -q MPTABLE || why='there is an MP table'
	[ -n "$why" ] || ! text $c | grep -q ACPI: || why='there is ACPI'
	judge "tables=$1: $3 CPUs, the disk, its interrupt" "$why"
}

# The kernel's log as found in its memory is what dmesg prints, and maybe later lines.
log() { # KERNEL
	local c=log_$1 why n
	there $1 $c || return
	why=$(ended $c 143 'ended by SIGTERM')
	section $c dmesg >$out/$c.dmesg
	n=$(wc -l <$out/$c.dmesg)
	[ -n "$why" ] || [ "$n" -gt 100 ] || why="dmesg says $n lines"
	sed -n "/^the kernel's log, from its memory: all /,\$p" $out/$c.err |
		sed -n "2,$((n + 1))p" >$out/$c.memory
	[ -n "$why" ] || cmp -s $out/$c.dmesg $out/$c.memory ||
		why="$(diff $out/$c.dmesg $out/$c.memory | head -n 3 | tr '\n' ' ')"
	judge "$1 kernel without a console: its log from memory is dmesg's" "$why"
	judge "$1 kernel without a console: names from its own symbols" \
		"$(grep -qE '^=> vCPU 0 .*(, in [a-z_0-9.]+\+0x|in user space|halted)' \
		$out/$c.err || grep '^=> ' $out/$c.err || echo "no sentence")"
}

memory() { # NAME MIB
	local why total
	why=$(ended mem_$1 0 'the guest powered off')
	[ -n "$why" ] || why=$(iomem mem_$1 $(($2 << 20)))
	total=$(section mem_$1 meminfo | sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p')
	# The kernel keeps its image and tables, and some 3 % for page structures and such.
	[ -n "$why" ] ||
		{ [ "$total" -lt $(($2 << 10)) ] && [ "$total" -gt $((($2 - 64) * 993)) ]; } ||
		why="MemTotal is $total kB"
	judge "-m $1" "$why"
}

marker() { # CASE [TIMES]
	[ "$(text "$1" | grep -cF 'kvm-test: userspace up')" -ge "${2:-1}" ] ||
		echo "userspace not reached ${2:-1} times"
}

how() { # NAME CASE RC LINE [TEXT-THAT-MUST-BE-THERE]
	local why
	[ -n "$(wanted "$2")" ] || return
	why=$(ended "$2" "$3" "$4")
	[ -n "$why" ] || [ -z "${5:-}" ] || text "$2" | grep -q -- "$5" ||
		why="the console does not say \"$5\""
	judge "$1" "$why"
}

look() {
	local k n up='kvm-test: userspace up'
	for k in cloud full tiny backport; do
		for n in 1 4; do [ -z "$(wanted report_${k}_$n)" ] || report $k $n; done
	done
	[ -z "$(wanted report_i386_2)" ] || report i386 2
	tables mp tiny 2 'IO-APIC +16-edge +virtio0'
	[[ " $asked " != *" tables_dt "* ]] || tables dt tiny-dt 2 'IO-APIC +16-edge +virtio0'
	[ ! -e $out/tables_dt.rc ] ||
		how "tables=dt: serial port and clock" tables_dt 0 'the guest halted' \
		'70\.rtc: registered as rtc0'
	tables none tiny 1 'XT-PIC +virtio0'
	log cloud
	log full
	log backport
	[ -z "$(wanted mem_256M)" ] || memory 256M 256
	[ -z "$(wanted mem_2G)" ] || memory 2G 2048
	[ -z "$(wanted mem_6G)" ] || memory 6G 6144
	how "poweroff" end_poweroff 0 'the guest powered off' "$up"
	how "poweroff, test device" end_testdev 0 'the guest powered off' "$up"
	how "reboot" end_reboot 0 'the guest rebooted \(.*\)' "$up"
	how "reboot, 4 CPUs" end_reboot_4 0 'the guest rebooted \(.*\)' "$up"
	how "reboot=k" end_reboot_k 0 'the guest rebooted \(i8042\)' "$up"
	how "reboot=t" end_reboot_t 0 'the guest rebooted \(triple fault\)' "$up"
	how "reboot=a" end_reboot_a 0 'the guest rebooted \(.*\)' "$up"
	how "halt" end_halt 0 'the guest halted' "$up"
	how "halt, 4 CPUs" end_halt_4 0 'the guest halted' "$up"
	how "panic" end_panic 120 'the guest kernel panicked' 'end Kernel panic'
	how "a panic, after texts that were none" end_said 120 'the guest kernel panicked' \
		'^alive after all'
	how "kdump, power-off" end_kdump 120 'the guest kernel panicked \(then powered off\)' \
		'capture kernel has /proc/vmcore'
	how "kdump, reboot" end_kdump_reboot 120 'the guest kernel panicked \(then reset .*\)' \
		'capture kernel has /proc/vmcore'
	how "panic=-1" end_panic_reset 120 'the guest kernel panicked( \(then .*\))?' 'Kernel panic'
	! there tiny end_tiny_reboot ||
		how "tiny kernel: reboot" end_tiny_reboot 0 'the guest rebooted \(.*\)' "$up"
	! there tiny end_tiny_halt ||
		how "tiny kernel: halt" end_tiny_halt 0 'the guest halted' "$up"
	how "--on-reboot restart, then SIGTERM" end_restart 143 'ended by SIGTERM'
	[ -z "$(wanted end_restart)" ] ||
		judge "--on-reboot restart: boots again" "$(marker end_restart 2)"
	how "SIGTERM: a listening guest powers off" term_button 0 'the guest powered off' '^pressed'
	how "SIGTERM: a deaf guest ends after --grace" term_deaf 143 'ended by SIGTERM' "$up"
	how "bzImage by its real-mode entry" entry_16 0 'the guest powered off' "$up"
	how "bzImage by its 32-bit entry" entry_32 0 'the guest powered off' "$up"
	how "bzImage by its 64-bit entry" entry_64 0 'the guest powered off' "$up"
	how "vmlinux by PVH, 4 CPUs" vmlinux_pvh 0 'the guest powered off' "$up"
	how "vmlinux by its 64-bit entry" vmlinux_64 0 'the guest powered off' "$up"
	! there backport vmlinux_backport ||
		how "backport kernel's vmlinux by PVH" vmlinux_backport 0 'the guest powered off' \
			"$up"
	for k in cloud full backport; do
		there $k fast_$k || continue
		how "--fast: the $k kernel, unpacked" fast_$k 0 'the guest powered off' "$up"
		judge "--fast: the $k kernel, twice" "$(unpacked fast_$k)"
	done
	how "ipxe.lkrn" lkrn 143 'ended by SIGTERM' 'iPXE .* Open Source Network Boot Firmware'
	how "memdisk" memdisk 143 'ended by SIGTERM' 'Ramdisk at 0x[0-9a-f]*, length 0x00168000'
	how "two initrds" initrd_two 0 'the guest powered off' 'from the second initrd'
	how "initrd of 500 MiB" initrd_500M 0 'the guest rebooted \(.*\)' "$up"
	# Data that the guest has put where its initrd was is lost with it; the machine must go on
	# and end by itself.
	how "initrd truncated when unpacked" initrd_truncated '(0|120)' \
		'the guest (powered off|kernel panicked)' 'truncate now'
	how "initrd truncated before it is unpacked" initrd_truncated_early '(0|120)' \
		'the guest (powered off|kernel panicked)'
	if [ -e $in/stock.initrd ]; then
		how "the distribution's own initrd: its shell" stock_initrd 143 'ended by SIGTERM' \
			'(initramfs)'
	elif [ -n "$(wanted stock_initrd)" ]; then
		echo "skip boot: the distribution's own initrd:" \
			"$(tail -n 1 $in/stock.err 2>/dev/null)"
	fi
}

#--- the terminal ------------------------------------------------------------------

terminal() {
	local run=() rc
	[ -z "$nested" ] || run=(tests/nest --tty --timeout 600)
	python3 tests/boot/terminal.py "$in" "$KVM_BIN" "${run[@]}" >$out/tty.lines 2>$out/tty.err
	rc=$?
	grep -E '^(ok|not ok|skip) ' $out/tty.lines
	if grep -q '^not ok' $out/tty.lines; then
		failed=1
	elif [ $rc != 0 ] || ! [ -s $out/tty.lines ]; then
		not_ok terminal "exit code $rc, $(tail -n 1 $out/tty.err)"
	fi
}

#--- all of it ---------------------------------------------------------------------

without_variants() { # LIST
	local c
	for c in $1; do
		case " $variants " in *" $c "*) ;; *) echo "$c" ;; esac
	done
}

asked=
for c; do
	case $c in
	reports) asked+=" $(without_variants "$reports")" ;;
	others) asked+=" $(without_variants "$others report_i386_2")" ;;
	*) asked+=" $c" ;;
	esac
	case " reports others terminal report_i386_2 $reports $others " in *" $c "*) ;; *)
		not_ok "$c" "no such case; tests/boot/job.sh has them"
		exit 1
	esac
done
# Words apart by spaces.
asked=$(echo $asked)
if ! prepare; then
	not_ok "what the guests are made of" "could not be made"
	exit 1
fi
[ -e $in/tiny ] || {
	reports=${reports//report_tiny_?/}
	others=${others//end_tiny_*halt/}
	others=${others/tables_mp/}
	others=${others/tables_none/}
}
[ -e $in/tiny-dt ] || others=${others/tables_dt/}
[ -e $in/backport ] || {
	reports=${reports//report_backport_?/}
	others=${others/vmlinux_backport/}
	others=${others/fast_backport/}
}
[ -e $in/stock.initrd ] || others=${others/stock_initrd/}
# There are two cores at the least, and a nested machine takes one.
run_list "$(wanted "$reports")" &
run_list "$(wanted "$others")"
[ ! -e $in/i386 ] || run_i386 >>$out/nest.log 2>&1
wait
look
[ -z "$(wanted terminal)" ] || [ ! -e tests/boot/terminal.py ] || terminal
exit $failed
