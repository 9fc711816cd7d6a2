#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""format.py [--fix]: checks that clang-format 14 would not change the sources; --fix applies it.

Another version lays out macros' bodies and sets spaces within a line in its own way. Without
version 14 the other one checks everything else, and a line says so. Prints result lines
(tests/check.sh).
"""
import difflib
import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

VERSION = 14
PATTERNS = ("main.c", "kvm/**/*.[ch]", "x86/**/*.[ch]", "hw/*.[ch]", "virtio/**/*.[ch]",
            "include/*/*.h", "tests/*/*.[ch]", "guest/*/*.[ch]")


def version(program):
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"version (\d+)", said).group(1))


def find():
    """The program, and its version: VERSION if it is there."""
    there = [p for p in (f"clang-format-{VERSION}", "clang-format") if shutil.which(p)]
    if not there:
        sys.exit("not ok lint: format: no clang-format here (tests/deps.sh check)")
    return there[0], version(there[0])


def differing(ours, theirs):
    """Where two texts differ: the line, and both versions' lines."""
    ours, theirs = (text.splitlines() for text in (ours, theirs))
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            yield a + 1, ours[a:b], theirs[c:d]


def opinion(ours, theirs):
    """Do versions differ in this: a macro's body, or only spaces after a line's first word?"""

    def core(lines):
        return [re.match(r"\s*", line).group() + re.sub(r"(?<=\S)[ \t]+(?=\S)", "", line.lstrip())
                for line in lines]

    if any(re.match(r"\s*#\s*define", line) or line.endswith("\\") for line in ours):
        return True
    return core(ours) == core(theirs)


def main():
    program, have = find()
    files = sorted(path for pattern in PATTERNS for path in glob.glob(pattern, recursive=True))
    if sys.argv[1:] == ["--fix"]:
        if have != VERSION:
            sys.exit(f"format.py: {program} is version {have}, not {VERSION}: "
                     "other lines would be moved")
        sys.exit(subprocess.run([program, "-i", *files], check=False).returncode)

    faults = []
    with tempfile.TemporaryDirectory() as folder:
        for path in (".clang-format", *files):
            os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
            shutil.copy(path, f"{folder}/{path}")
        subprocess.run([program, "-i", *files], cwd=folder, check=True)
        for path in files:
            ours, theirs = (pathlib.Path(p).read_text(encoding="utf-8")
                            for p in (path, f"{folder}/{path}"))
            for line, old, new in differing(ours, theirs) if ours != theirs else ():
                if have == VERSION or not opinion(old, new):
                    faults.append(f"{path}:{line}: clang-format {have} has:\n" + "\n".join(new))
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"not ok lint: format: {len(faults)} places" if faults else "ok lint: format", flush=True)
    if have != VERSION:
        name = f"lint: format of macros and within lines ({VERSION}'s rules, {have} is here)"
        subprocess.run(["tests/deps.sh", "without", f"clang-format-{VERSION}", name], check=True)
    sys.exit(bool(faults))


main()
