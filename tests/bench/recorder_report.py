#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""recorder_report.py ROWS: reports the cost of an exit, with the flight recorder and without it.

The cost is the slope between loops of 100 and of 1100 exits; see recorder.sh.
"""
import collections
import json
import statistics
import sys

BOUND = 0.02  # of a port access
ROWS = {"p": "one port read (COM1 line status)", "s": "one port read (COM1 scratch)",
        "m": "one memory-mapped read"}


def main(path):
    runs = collections.defaultdict(list)
    with open(path, encoding="utf-8") as f:
        for line in f:
            row = json.loads(line)
            if {"up", "end"} <= row["marks"].keys():
                runs[row["label"]].append(row["marks"]["end"]["cpu_ns"]
                                          - row["marks"]["up"]["cpu_ns"])
    failed = False
    for letter, text in ROWS.items():
        cost = {which: (statistics.median(runs[f"{letter}1100/{which}"])
                        - statistics.median(runs[f"{letter}100/{which}"])) / 1000
                for which in ("with", "without")}
        share = cost["with"] / cost["without"] - 1
        bad = letter != "m" and share > BOUND
        failed = failed or bad
        print(f"{'not ok' if bad else 'ok'} recorder: {text}: {cost['with']:.1f} instructions, "
              f"{cost['without']:.1f} without: {100 * share:.2f} %")
    return failed


sys.exit(main(sys.argv[1]))
