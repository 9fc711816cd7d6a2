#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""format.py [--fix]: the sources are laid out as clang-format 14 does it; --fix does so.

Another version lays out macros' bodies and sets spaces within a line in its own way.  Where there is no
version 14 the other one judges all else, and that is said.  Prints result lines (tests/check.sh)."""
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
PATTERNS = ("main.c", "kvm/**/*.[ch]", "x86/**/*.[ch]", "hw/*.[ch]", "virtio/**/*.[ch]", "include/*/*.h", "tests/*/*.[ch]", "guest/*/*.[ch]")


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
    for tag, a, b, c, d in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag != "equal":
            yield a + 1, ours[a:b], theirs[c:d]


def opinion(ours, theirs):
    """Is it what versions differ in: a macro's body, or only spaces behind a line's first word?"""

    def core(lines):
        return [re.match(r"\s*", line).group() + re.sub(r"(?<=\S)[ \t]+(?=\S)", "", line.lstrip()) for line in lines]

    return any(re.match(r"\s*#\s*define", line) or line.endswith("\\") for line in ours) or core(ours) == core(theirs)


def main():
    program, have = find()
    files = sorted(path for pattern in PATTERNS for path in glob.glob(pattern, recursive=True))
    if sys.argv[1:] == ["--fix"]:
        if have != VERSION:
            sys.exit(f"format.py: {program} is version {have}, not {VERSION}: other lines would be moved")
        sys.exit(subprocess.run([program, "-i", *files], check=False).returncode)

    faults = []
    with tempfile.TemporaryDirectory() as folder:
        for path in (".clang-format", *files):
            os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
            shutil.copy(path, f"{folder}/{path}")
        subprocess.run([program, "-i", *files], cwd=folder, check=True)
        for path in files:
            ours, theirs = (pathlib.Path(p).read_text(encoding="utf-8") for p in (path, f"{folder}/{path}"))
            for line, old, new in differing(ours, theirs) if ours != theirs else ():
                if have == VERSION or not opinion(old, new):
                    faults.append(f"{path}:{line}: clang-format {have} has:\n" + "\n".join(new))
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"not ok lint: format: {len(faults)} places" if faults else "ok lint: format", flush=True)
    if have != VERSION:
        subprocess.run(["tests/deps.sh", "without", f"clang-format-{VERSION}",
                        f"lint: format of macros and within lines ({VERSION}'s rules, {have} is here)"], check=True)
    sys.exit(bool(faults))


main()
