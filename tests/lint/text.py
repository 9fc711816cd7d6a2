#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""text.py columns|phrases: checks how all text of the tree is written: code, comments, manual.

  columns   no line is wider than 100 columns; a tab goes to the next multiple of 8
  phrases   plain English: the text says who does what

A line may be wider for a message or pattern that is one literal, so that it can be found by grep;
in Markdown, for a table, an address, or a block that shows real output. Prints FILE:LINE: what is
wrong.
"""
import os
import re
import subprocess
import sys

WIDTH = 100
LITERAL = re.compile(r'"(?:[^"\\]|\\.){40,}"|\'[^\']{40,}\'')
PATTERNS = ("*.c", "*.h", "*.S", "*.sh", "*.py", "*.inc", "*.lds", "*.md", "docs/kvm.1", "Makefile")

PHRASES = (  # words that may stand apart by a line's end and the next comment line's beginning
    (r"\b(is|are|be) (told|said)\b", "say who tells or says it"),
    (r"\bnone of ours\b", 'say "not ours"'),
)
RESULT_NAMES = ("the machine's end is told",)  # a test keeps its name


def sources():
    """The files that git knows or could add, and scripts whatever their name."""
    git = ["git", "ls-files", "-co", "--exclude-standard", "--"]
    paths = subprocess.check_output([*git, *PATTERNS], text=True).split()
    for path in subprocess.check_output([*git, "tests/*", ".ci/*"], text=True).split():
        if "." not in os.path.basename(path) and "/seeds/" not in path and os.path.exists(path):
            with open(path, "rb") as f:
                paths += [path] if f.read(2) == b"#!" else []
    paths = sorted(path for path in paths if os.path.exists(path))
    if not paths:
        sys.exit("text.py: git lists no files")
    return paths


def may_be_wide(path, line, in_block):
    if path.endswith(".md"):
        return in_block or line.startswith("|") or "://" in line
    return LITERAL.search(line) and not path.endswith(".1")


def columns(path, text):
    in_block = False
    for number, line in enumerate(text.splitlines(), 1):
        in_block ^= line.startswith("```")
        width = len(line.expandtabs(8))
        if width > WIDTH and not may_be_wide(path, line, in_block):
            yield number, f"{width} columns, not {WIDTH}"


def phrases(path, text):
    if path == "tests/lint/text.py":
        return
    for name in RESULT_NAMES:
        text = text.replace(f'"{name}"', '""')
    for regex, advice in PHRASES:
        for match in re.finditer(regex.replace(" ", r"[\s*#/\"]+"), text, re.IGNORECASE):
            words = " ".join(re.findall(r"\w+", match.group()))
            yield text.count("\n", 0, match.start()) + 1, f'"{words}": {advice}'


def main():
    rule = {"columns": columns, "phrases": phrases}[sys.argv[1]]
    wrong = 0
    for path in sources():
        with open(path, encoding="utf-8") as f:
            for line, what in rule(path, f.read()):
                print(f"{path}:{line}: {what}")
                wrong += 1
    return wrong > 0


os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/../..")
sys.exit(main())
