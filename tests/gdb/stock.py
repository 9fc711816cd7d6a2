# SPDX-License-Identifier: GPL-2.0-only
#
# Debugs a stock kernel from its first instruction to user space, inside gdb (`gdb -batch -x
# tests/gdb/stock.py`), in the nested machine or wherever stock kernels run. The socket is in
# GDB_SOCKET, the console's file in GDB_CONSOLE and the addresses of functions in GDB_SYMBOLS.
# Prints `ok WHAT` and `not ok WHAT`.
#
# QEMU's emulation of SVM (7.2) hands a guest's int3 to the guest, intercepted or not, and lets
# VMRUN load debug registers without effect: only steps and Ctrl-C can be tested there.
# GDB_BREAKPOINTS=1 tests breakpoints, too.

import os
import signal
import threading
import time

import gdb

symbols = dict(reversed(pair.split("=")) for pair in os.environ["GDB_SYMBOLS"].split())


def check(what, good):
    print(("ok " if good else "not ok ") + what, flush=True)


def reg(name):
    value = gdb.parse_and_eval("$" + name).cast(gdb.lookup_type("unsigned long"))
    return int(value) & (1 << 64) - 1


def run(command):
    print("(gdb) " + command, flush=True)
    text = gdb.execute(command, to_string=True)
    print(text, end="", flush=True)
    return text


def interrupt_when(text):
    """Presses Ctrl-C once the console has shown @text."""
    def wait():
        for _ in range(1200):
            with open(os.environ["GDB_CONSOLE"], "rb") as f:
                if text in f.read():
                    break
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=wait, daemon=True).start()


def stop_at(kind, name):
    run("%s *0x%s" % (kind, symbols[name]))
    run("continue")
    check("%s %s" % (kind, name), reg("rip") == int(symbols[name], 16))
    run("delete")


for setting in "pagination off", "confirm off", "architecture i386:x86-64", "remotetimeout 60":
    gdb.execute("set " + setting)
run("target remote " + os.environ["GDB_SOCKET"])
run("info registers rip cs cr0 cr3 cr4 efer")
check("the first instruction, in long mode", reg("efer") & 0x400 and reg("rip") < 0x100000000)
check("two threads", len(gdb.selected_inferior().threads()) == 2)
first = reg("rip")
run("stepi")
check("a step", reg("rip") != first)
breakpoints = os.environ.get("GDB_BREAKPOINTS")
if breakpoints:
    stop_at("hbreak", "start_kernel")
interrupt_when(b"Linux version")
run("continue")
check("Ctrl-C", reg("rip") >= 0xffffffff80000000 and reg("cr3") != 0)
if breakpoints:
    stop_at("break", "rest_init")
    stop_at("break", "kernel_init")
run("x/4i $pc")
run("x/2i 0x" + symbols["rest_init"])
run("bt 3")
seen = []
for _ in range(20):
    gdb.execute("stepi", to_string=True)
    seen.append(reg("rip"))
check("steps in the kernel", len(set(seen)) > 1 and min(seen) >= 0xffffffff80000000)
banner = gdb.selected_inferior().read_memory(int(symbols["linux_banner"], 16), 13).tobytes()
check("memory by the kernel's own page tables", banner == b"Linux version")
check("info threads", run("info threads").count("Thread") == 2)
check("monitor registers", "64-bit" in run("monitor info") and "GDT=" in run("monitor registers"))
run("detach")
