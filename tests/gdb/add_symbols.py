#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""add_symbols.py ELF <SYMBOLS: prints the options for objcopy that add symbols to ELF.

Each line of SYMBOLS is "ADDRESS NAME"; each symbol goes to the section that it lies in.
"""
import re
import subprocess
import sys

sections = []
for line in subprocess.run(["readelf", "-SW", sys.argv[1]], capture_output=True, text=True,
                           check=True).stdout.splitlines():
    m = re.match(r" *\[ *\d+\] (\S+) +\S+ +([0-9a-f]{16}) [0-9a-f]+ ([0-9a-f]+) ", line)
    if m:
        sections.append((m[1], int(m[2], 16), int(m[3], 16)))
for line in sys.stdin:
    address, name = line.split()
    address = int(address, 16)
    for section, start, size in sections:
        if start and start <= address < start + size:
            print("--add-symbol %s=%s:%#x,global" % (name, section, address - start))
            break
    else:
        sys.exit(name + ": in no section")
