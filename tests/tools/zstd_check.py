#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/tools/zstd_check.py LIBRARY [CASES]
#
# Compares virtio/qcow2/zstd.c, built as a shared LIBRARY, with libzstd: it must unpack frames of
# every level, window and strategy to the same bytes, and must refuse those that do not fit or are
# cut short. From a spoilt frame it must get what libzstd gets, or refuse it as libzstd does.

import ctypes
import random
import sys

unpack = ctypes.CDLL(sys.argv[1]).zstd_unpack
unpack.restype = ctypes.c_ssize_t
unpack.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
CASES = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
random.seed(1)

lib = ctypes.CDLL("libzstd.so.1")
for name in "ZSTD_createCCtx", "ZSTD_createDCtx":
    getattr(lib, name).restype = ctypes.c_void_p
for name in "ZSTD_decompressDCtx", "ZSTD_CCtx_setParameter", "ZSTD_compressStream2":
    getattr(lib, name).restype = ctypes.c_size_t
packer, unpacker = ctypes.c_void_p(lib.ZSTD_createCCtx()), ctypes.c_void_p(lib.ZSTD_createDCtx())
LEVEL, WINDOW_LOG, MIN_MATCH, STRATEGY, CONTENT_SIZE, CHECKSUM = 100, 101, 105, 107, 200, 201


class Buffer(ctypes.Structure):
    _fields_ = [("p", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t)]


def ours(frame, size):
    out = ctypes.create_string_buffer(size + 1)
    n = unpack(frame, len(frame), out, size)
    return None if n < 0 else out.raw[:n]


def theirs(frame, size):
    out = ctypes.create_string_buffer(size + 1)
    n = lib.ZSTD_decompressDCtx(unpacker, out, ctypes.c_size_t(size), frame,
                                ctypes.c_size_t(len(frame)))
    return None if lib.ZSTD_isError(ctypes.c_size_t(n)) else out.raw[:n]


def content(size):
    kind = random.randrange(6)
    if kind == 0:
        return random.randbytes(size)
    if kind == 1:
        return bytes([random.randrange(256)]) * size
    if kind == 2:
        unit = random.randbytes(random.randrange(1, 600))
        return (unit * (size // len(unit) + 1))[:size]
    if kind == 3:  # bytes of very different frequency make long codes
        return bytes(int(random.expovariate(1 / random.choice([3, 12]))) & 0xff
                     for _ in range(size))
    if kind == 4:  # records, whose fields repeat at the same distances
        return b"".join(b"%08d,%s,%d\n" % (i, random.choice([b"on", b"off"]), random.randrange(9))
                        for i in range(size // 12 + 1))[:size]
    words = [random.randbytes(random.randrange(1, 12)) for _ in range(200)]
    return b"".join(random.choice(words) for _ in range(size // 6 + 1))[:size]


def frame_of(data):
    """In pieces, as QEMU's writer does, so that the header may lack the size."""
    lib.ZSTD_CCtx_reset(packer, 3)
    for key, value in ((LEVEL, random.randrange(-3, 20)),
                       (WINDOW_LOG, random.choice([0, 10, 12, 17, 21])),
                       (MIN_MATCH, random.choice([0, 3, 7])), (STRATEGY, random.randrange(10)),
                       (CONTENT_SIZE, random.randrange(2)), (CHECKSUM, random.randrange(2))):
        lib.ZSTD_CCtx_setParameter(packer, key, value)
    room = len(data) + len(data) // 4 + 4096
    keep, out = ctypes.create_string_buffer(data, len(data)), ctypes.create_string_buffer(room)
    to = Buffer(ctypes.addressof(out), room, 0)
    at = 0
    while True:
        n = len(data) if random.random() < 0.5 else random.randrange(at, len(data) + 1)
        mode = 2 if n == len(data) else random.randrange(2)
        source = Buffer(ctypes.addressof(keep), n, at)
        left = lib.ZSTD_compressStream2(packer, ctypes.byref(to), ctypes.byref(source), mode)
        assert not lib.ZSTD_isError(ctypes.c_size_t(left))
        at = source.pos
        if mode == 2 and not left:
            return out.raw[:to.pos]


def spoilt(frame):
    frame = bytearray(frame)
    for _ in range(random.randrange(1, 4)):
        # The beginning has what describes the rest.
        at = random.randrange(min(len(frame), random.choice([16, 80, 1 << 20])))
        frame[at] ^= 1 << random.randrange(8)
    return bytes(frame)


refused = stricter = laxer = 0
for case in range(CASES):
    size = random.choice([1, 100, 512, 4096, 65536, 300000])
    data = content(size)
    frame = frame_of(data)
    assert ours(frame, len(data)) == data, f"case {case}: other bytes than were packed"
    assert ours(frame + b"rest", len(data) + 7) == data, f"case {case}: the frame's end is missed"
    assert ours(frame, len(data) - 1) is None, f"case {case}: it does not fit"
    for cut in random.sample(range(len(frame)), min(4, len(frame))):
        got = ours(frame[:cut], len(data))
        assert got is None or got == data, f"case {case}: cut to {cut} of {len(frame)} bytes"
    for _ in range(8):
        bad = spoilt(frame)
        want, got = theirs(bad, len(data)), ours(bad, len(data))
        refused += got is None
        # libzstd verifies the checksum and limits the window; RFC 8878 limits codes to 11 bits.
        stricter += got is None and want is not None
        laxer += want is None and got is not None
        assert got is None or want is None or got == want, f"case {case}: {bad[:40].hex()}"
assert CASES * 0.5 < refused < CASES * 8, f"{refused} frames refused: that is no test"
print(f"{CASES} frames, {refused} of {8 * CASES} spoilt ones refused, {stricter} of them by us alone,"
      f" {laxer} by libzstd alone")
