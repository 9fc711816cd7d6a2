#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
io.py KVM PAYLOAD IO_FLOOR [ROUNDS]: how fast the virtio devices are on this host's /dev/kvm, driven from ring 3 (guest/payload/iorate.c),
in per cent of a plain host program that does the same (tests/bench/io_floor.c), with a file that is in the page cache
and a socket that somebody empties. Floor and machine run alternately; the median of the rounds is shown.

`rate`: how many in the same time. It needs two idle processors, one for the guest and one for the loop.
`work`: how many in the same CPU time of the thread that does the I/O. On a busy host this is the figure to look at.
"""
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

MS = 400
FILE_BYTES = 64 << 20
ROWS = [  # name, kind, bytes, depth
    ("4 KiB reads, 1 under way", "blk", 4096, 1),
    ("4 KiB reads, 32 under way", "blk", 4096, 32),
    ("1 MiB reads, 4 under way", "blk", 1 << 20, 4),
    ("frames of 60 bytes", "net", 60, 0),
    ("frames of 1514 bytes", "net", 1514, 0),
]


def sink(sock):
    try:
        while sock.recv(65536):
            pass
    except OSError:
        pass


def cpu_ns(pid):
    """Of a process' first thread: ours is the event loop, the floor has no other."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0])


def measure(command, fd):
    """Returns how many a second and how many a second of CPU."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          pass_fds=[fd] if fd is not None else []) as child:
        begin_ns = wall = used = n = None
        for line in child.stdout:
            if line.startswith(b"rate begins"):
                begin_ns, wall = cpu_ns(child.pid), time.monotonic_ns()
            found = re.match(rb"rate \w+: (\d+) in", line)
            if found:
                used, wall, n = cpu_ns(child.pid) - begin_ns, time.monotonic_ns() - wall, int(found[1])
        child.wait()
    if not n:
        sys.exit(f"io.py: {' '.join(command)}: no figure")
    return n / wall * 1e9, n / used * 1e9


def run(kvm, payload, floor, path, row):
    _, kind, size, depth = row
    ours = theirs = peer = None
    if kind == "net":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        peer = threading.Thread(target=sink, args=(ours,), daemon=True)
        peer.start()
    fd = theirs.fileno() if theirs else None
    machine = [kvm, "run", "-q", "-k", payload, "-m", "64M", "-p"]
    if kind == "net":
        machine += [f"test=netrate,{size},{MS}", "-n", f"fd={fd}"]
    else:
        machine += [f"test=blkrate,{depth},{size},{MS}", "-d", f"{path},format=raw"]
    both = [measure([floor, kind, str(fd) if theirs else path, str(size), str(MS)], fd), measure(machine, fd)]
    if theirs:
        theirs.close()
        peer.join(5)
        ours.close()
    return both


def main():
    kvm, payload, floor = sys.argv[1:4]
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    print(f"{'':30}{'floor/s':>12}{'kvm/s':>12}{'rate':>8}{'work':>8}")
    with tempfile.NamedTemporaryFile() as f:
        f.write(os.urandom(FILE_BYTES))
        f.flush()
        for row in ROWS:
            pairs = [run(kvm, payload, floor, f.name, row) for _ in range(rounds)]
            rate = statistics.median(k[0] / p[0] for p, k in pairs)
            work = statistics.median(k[1] / p[1] for p, k in pairs)
            shown = [statistics.median(p[i][0] for p in pairs) for i in (0, 1)]
            print(f"{row[0]:30}{shown[0]:12,.0f}{shown[1]:12,.0f}{rate:8.0%}{work:8.0%}", flush=True)


if __name__ == "__main__":
    main()
