# Processors start in real mode, with a code segment that is not 0, at a breakpoint: each stops
# there and can continue.
set pagination off
set confirm off
target remote $socket
info threads
hbreak *0x8000
continue
printf "real %#x:%#x cr0 %d\n", $cs, $rip, $cr0 & 1
x/1xb $cs*16+$rip
stepi
printf "stepped %#x:%#x\n", $cs, $rip
continue
printf "real %#x:%#x cr0 %d\n", $cs, $rip, $cr0 & 1
set $ds = 0x1234
printf "ds %#x\n", $ds
continue
