# Debugs a 64-bit guest from its first instruction: steps, a breakpoint, registers, memory;
# tests/gdb.sh checks the output.
set pagination off
set confirm off
target remote $socket
printf "first %#lx efer %#lx\n", $rip, $efer
x/i $pc
# The instruction's access to memory is the first one there. KVM maps that page in between, and
# Bochs ends a step when an instruction is left this way: two steps are counted from then on.
stepi
set $rip = (long)&startup_64
stepi
stepi
printf "stepped %d\n", $rip - (long)&startup_64
info threads
hbreak test_hello
continue
printf "at %d\n", $rip == (long)&test_hello
bt
set $rax = 0x123456789abcdef0
set $xmm1.uint128 = 77
set $mxcsr = 0x1f00
printf "written %#lx %d\n", $rax, $xmm1.v2_int64[0]
set var entry_state.mode = 99
monitor phys 0x100200 16
x/16xb 0x100200
monitor phys on
x/1xb 0x100200
monitor phys off
x/1xb 0xffffffff81000000
