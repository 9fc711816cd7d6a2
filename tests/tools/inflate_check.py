#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/tools/inflate_check.py LIBRARY [CASES]
#
# Compares virtio/qcow2/inflate.c, built as a shared LIBRARY, with zlib: it must unpack streams of
# every level, strategy and window to the same bytes, also when the output ends early. It must
# refuse spoilt and truncated streams that zlib refuses, and otherwise give the same.

import ctypes
import random
import sys
import zlib

inflate = ctypes.CDLL(sys.argv[1]).inflate_raw
inflate.restype = ctypes.c_ssize_t
inflate.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
CASES = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
random.seed(1)


def ours(stream, size):
    out = ctypes.create_string_buffer(size + 1)
    n = inflate(stream, len(stream), out, size)
    return None if n < 0 else out.raw[:n]


def theirs(stream, size):
    """None: refused, or it ends before the output is full. Byte by byte, as zlib looks ahead."""
    unpacker = zlib.decompressobj(-15)
    data = b""
    try:
        for i in range(len(stream)):
            data += unpacker.decompress(unpacker.unconsumed_tail + stream[i:i + 1],
                                        size - len(data))
            if unpacker.eof or len(data) == size:
                return data
    except zlib.error:
        pass
    return None


def content(size):
    kind = random.randrange(5)
    if kind == 0:
        return random.randbytes(size)
    if kind == 1:
        return bytes([random.randrange(256)]) * size
    if kind == 2:
        unit = random.randbytes(random.randrange(1, 600))
        return (unit * (size // len(unit) + 1))[:size]
    if kind == 3:  # words of very different frequency make long codes
        return bytes(int(random.expovariate(1 / random.choice([3, 12]))) & 0xff
                     for _ in range(size))
    words = [random.randbytes(random.randrange(1, 12)) for _ in range(200)]
    return b"".join(random.choice(words) for _ in range(size // 6 + 1))[:size]


def stream_of(data):
    packer = zlib.compressobj(random.randrange(10), zlib.DEFLATED, -random.randrange(9, 16),
                              random.randrange(1, 10), random.randrange(5))
    out, at = b"", 0
    while at < len(data):
        n = random.randrange(1, len(data) + 1)
        out += packer.compress(data[at:at + n])
        if random.random() < 0.3:
            out += packer.flush(random.choice([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]))
        at += n
    return out + packer.flush()


def spoilt(stream):
    stream = bytearray(stream)
    for _ in range(random.randrange(1, 4)):
        # The beginning has what describes the rest.
        at = random.randrange(min(len(stream), random.choice([8, 80, 1 << 20])))
        stream[at] ^= 1 << random.randrange(8)
    return bytes(stream)


refused = 0
for case in range(CASES):
    size = random.choice([1, 100, 512, 4096, 65536])
    data = content(size)
    stream = stream_of(data)
    assert ours(stream, len(data)) == data, f"case {case}: other bytes than were packed"
    assert ours(stream + b"rest", len(data) + 7) == data, f"case {case}: the stream's end is missed"
    part = random.randrange(len(data) + 1)
    assert ours(stream, part) == data[:part], f"case {case}: {part} of {len(data)} bytes"
    if part < len(data):  # python stops before the last block's end
        cut = stream[:random.randrange(len(stream))]
        same = ours(cut, len(data)) == theirs(cut, len(data))
        assert same, f"case {case}: truncated to {len(cut)} bytes"
    for _ in range(8):
        bad = spoilt(stream)
        want = theirs(bad, len(data))
        refused += want is None
        assert ours(bad, len(data)) == want, f"case {case}: spoilt, {bad[:40].hex()}"
assert CASES * 0.5 < refused < CASES * 8, f"{refused} streams refused: that is no test"
print(f"{CASES} streams, {refused} of {8 * CASES} spoilt ones refused")
