#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""claims.py <CLAIMS: checks reports of `kvm run` and prints a result line a claim.

A claim is four strings, each ended by a zero byte: its name, a JSON report, an expression that must
be true of it (r is the report), and a JUnit file, which must be well-formed.
"""
import json
import sys
import xml.dom.minidom


def wrong(report, expression, junit):
    with open(report, encoding="utf-8") as f:
        r = json.load(f)
    if not eval(expression, {"r": r}):
        return f"the report is {json.dumps(r)}, which lacks {expression}"
    xml.dom.minidom.parse(junit)
    return None


failed = 0
words = sys.stdin.read().split("\0")[:-1]
assert words and len(words) % 4 == 0, "not claims of four strings each"
for name, *claim in zip(*[iter(words)] * 4):
    try:
        why = wrong(*claim)
    except Exception as e:
        why = repr(e)
    print(f"not ok checks: {name}: {why}" if why else f"ok checks: {name}")
    failed |= bool(why)
sys.exit(failed)
