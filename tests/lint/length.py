#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Checks that functions are no longer than 50 lines; prints the median too.

A function ends at a '}' in column 0."""
import glob
import re
import statistics
import sys

LIMIT = 50
FOLDERS = ("kvm", "x86", "hw", "virtio", "guest")
paths = (path for d in FOLDERS for path in glob.glob(d + "/**/*.c", recursive=True))
lengths, bad = [], 0
for path in sorted(["main.c", *paths]):
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
median = statistics.median(lengths)
print(f"{len(lengths)} functions, median {median} lines, longest {max(lengths)}")
sys.exit(bad)
