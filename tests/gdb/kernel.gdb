# Debugs a stock kernel by its symbols: `gdb vmlinux -ex 'target remote :1234'`, with hbreak;
# tests/gdb.sh checks the output.
set pagination off
set confirm off
set architecture i386:x86-64
set remotetimeout 60
target remote $socket
printf "first %#lx efer %#lx\n", $rip, $efer
hbreak start_kernel
continue
printf "at %d cr3 %d\n", $rip == (long)&start_kernel, $cr3 != 0
bt 1
delete
stepi
printf "stepped %d\n", $rip != (long)&start_kernel
x/s &linux_banner
hbreak setup_arch
continue
printf "at %d\n", $rip == (long)&setup_arch
detach
