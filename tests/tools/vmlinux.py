#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""vmlinux.py BZIMAGE OUT: unpacks the ELF kernel in a bzImage with the standard programs.

boot.rst: payload_offset (from the protected-mode part) and payload_length; the last four bytes are
the unpacked size.
"""
import struct
import subprocess
import sys

PROGRAMS = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd",
            b"\x02\x21\x4c\x18": "lz4", b"BZh": "bzip2", b"\x89LZO": "lzop"}


def payload(image):
    sects = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sects + 1) * 512 + offset
    return image[start:start + length]


def unpack(data):
    for magic, program in PROGRAMS.items():
        if data.startswith(magic):
            # Some of them fail at the bytes after the stream (the unpacked size), when all is out.
            done = subprocess.run([program, "-dc"], input=data, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, check=False)
            return done.stdout
    return data


if len(sys.argv) != 3:
    sys.exit(__doc__)
with open(sys.argv[1], "rb") as f:
    elf = unpack(payload(f.read()))
if not elf.startswith(b"\x7fELF"):
    sys.exit(f"{sys.argv[1]}: no ELF kernel came out of it")
with open(sys.argv[2], "wb") as f:
    f.write(elf)
