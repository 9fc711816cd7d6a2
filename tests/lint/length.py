#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Functions no longer than 80 lines; prints the median too. A function ends at a '}' in column 0."""
import glob
import re
import statistics
import sys

LIMIT = 80
lengths, bad = [], 0
for path in sorted(sum((glob.glob(d + "/**/*.c", recursive=True) for d in ("kvm", "x86", "hw", "virtio")), ["main.c"])):
    start, name = None, ""
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        if re.match(r"^[a-z].*\(.*[^;]$", line) or re.match(r"^[a-z].*\)$", line):
            name = line.strip()
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            lengths.append(number - start + 1)
            if number - start + 1 > LIMIT:
                print(f"{path}:{start}: {number - start + 1} lines: {name}")
                bad = 1
            start = None
if not lengths:
    sys.exit("length.py: no function was found")
print(f"{len(lengths)} functions, median {statistics.median(lengths)} lines, longest {max(lengths)}")
sys.exit(bad)
