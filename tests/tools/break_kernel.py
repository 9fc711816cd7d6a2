#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""break_kernel.py payload|entry IN OUT: copies a kernel, and breaks it.

payload: changes 256 bytes in the middle of a bzImage's compressed part; LZ4 has no checksum, so one
changed bit would go unnoticed.
entry: makes the first instruction of an ELF kernel ud2.
"""
import struct
import sys


def break_payload(image):
    offset, length = struct.unpack_from("<II", image, 0x248)
    at = ((image[0x1F1] or 4) + 1) * 512 + offset + length // 2
    image[at:at + 256] = b"\xff" * 256


def break_entry(image):
    entry, headers = struct.unpack_from("<QQ", image, 24)
    size, count = struct.unpack_from("<HH", image, 54)
    for i in range(count):
        kind, _, offset, _, physical, length = struct.unpack_from("<IIQQQQ", image,
                                                                  headers + i * size)
        if kind == 1 and physical <= entry < physical + length:
            at = offset + entry - physical
            image[at:at + 2] = b"\x0f\x0b"
            return
    sys.exit("the entry is in no segment")


HOW = {"payload": break_payload, "entry": break_entry}
if len(sys.argv) != 4 or sys.argv[1] not in HOW:
    sys.exit(__doc__)
with open(sys.argv[2], "rb") as f:
    kernel = bytearray(f.read())
HOW[sys.argv[1]](kernel)
with open(sys.argv[3], "wb") as f:
    f.write(kernel)
