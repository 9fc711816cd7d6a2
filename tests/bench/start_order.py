#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
start_order.py MAP CALLGRIND... > x86/start.lds

Writes the linker script that places together what starting and running a machine executes.

MAP is the linker's map of a program that is built with a section for each function and without such
a script. CALLGRIND are the records of this program by valgrind --tool=callgrind --dump-instr=yes.
tests/bench/start-order.sh makes both.
"""
import bisect
import re
import sys
import textwrap

HEAD = """\
/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Places the functions that starting and running a machine take, ours and libc's, side by side.
 *
 * The host's kernel maps a program in pieces of 64 KiB around each page that is touched, at some
 * ten thousand instructions each time, and counts all of a piece as resident.
 *
 * Made by tests/bench/start-order.sh. A name that no longer exists has no effect; a new function
 * lies elsewhere until this file is made again. The budget of start-up CPU (tests/bench/budgets)
 * shows when that is due.
 */
SECTIONS
{
	.text.start :
	{
"""
TAIL = "\t}\n}\nINSERT BEFORE .text;\n"


def sections(path):
    """(address, bytes, section, file) of all code, by address."""
    found, name, begun = [], None, False
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            begun = begun or line.startswith("Linker script and memory map")
            alone = re.match(r" (\.text\S*)\s*$", line)
            whole = re.match(r" (\.text\S*)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S+)$", line)
            if whole and begun and (whole[1] or name) and int(whole[3], 16):
                found.append((int(whole[2], 16), int(whole[3], 16), whole[1] or name, whole[4]))
            name = alone[1] if alone else None
    return sorted(found)


def addresses(path):
    """What was executed. An address that begins with a sign is relative to the one before."""
    at = 0
    with open(path, encoding="utf-8") as f:
        for line in f:
            m = re.match(r"(0x[0-9a-f]+|[+-]\d+|\*) ", line)
            if not m:
                continue
            if m[1] != "*":
                at = int(m[1], 16) if m[1].startswith("0x") else at + int(m[1])
            yield at


def main():
    code = sections(sys.argv[1])
    starts = [s[0] for s in code]
    members, functions = set(), set()
    for path in sys.argv[2:]:
        for at in addresses(path):
            i = bisect.bisect(starts, at) - 1
            if i < 0 or at >= starts[i] + code[i][1]:
                continue
            member = re.search(r"libc\.a\((.*)\)$", code[i][3])
            if member:
                members.add(f"*libc.a:{member[1]}(.text .text.*)")
            elif code[i][2].startswith(".text.") and "unlikely" not in code[i][2]:
                functions.add(code[i][2])
    if len(functions) < 100:
        sys.exit("start_order.py: hardly a function was found; "
                 "is the map that of the program that ran?")
    wrap = {"width": 82, "break_long_words": False, "break_on_hyphens": False}
    print(HEAD, end="")
    for line in sorted(members):
        print(f"\t\t{line}")
    print("\t\t*(" + "\n\t\t  ".join(textwrap.wrap(" ".join(sorted(functions)), **wrap)) + ")")
    print(TAIL, end="")


main()
