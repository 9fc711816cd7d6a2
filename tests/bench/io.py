#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
io.py KVM PAYLOAD IO_FLOOR [ROUNDS]

Measures how fast the virtio devices are on this host's /dev/kvm, driven from ring 3
(guest/payload/iorate.c), in per cent of a plain host program that does the same
(tests/bench/io_floor.c), with a file that is in the page cache and a socket whose other end reads
everything. Floor and machine run alternately; the median of the rounds is shown.

`rate`   requests in the same time. It needs two idle processors, one for the guest and one for the
         loop.
`work`   requests in the same CPU time of the thread that does the I/O. On a busy host this is the
         figure to look at.
`exits`  exits of the guest for each request
`calls`  system calls of the launcher for each, where strace is installed (which slows it down)
"""
import os
import re
import shutil
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
RATE = re.compile(rb"rate \w+: (\d+) in \d+ at \d+ khz(?:, (\d+) kicks)?")


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
    """Returns requests a second, requests a second of CPU, and exits for each request.

    On a very busy host a look at the clocks may come too late; then it measures again.
    """
    for _ in range(5):
        rates = measure_once(command, fd)
        if rates:
            return rates
    sys.exit(f"io.py: {' '.join(command)}: no figure")


def measure_once(command, fd):
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          pass_fds=[fd] if fd is not None else []) as child:
        begin_ns = wall = used = n = kicks = None
        for line in child.stdout:
            if line.startswith(b"rate begins"):
                begin_ns, wall = cpu_ns(child.pid), time.monotonic_ns()
            found = RATE.match(line)
            if found:
                used, wall = cpu_ns(child.pid) - begin_ns, time.monotonic_ns() - wall
                n = int(found[1])
                kicks = int(found[2] or 0)
        child.wait()
    return (n / wall * 1e9, n / used * 1e9, kicks / n) if n and used else None


def count_calls(command, fd):
    """Returns how many system calls were made and how many requests."""
    with tempfile.NamedTemporaryFile("r") as f:
        said = subprocess.run(["strace", "-f", "-c", "-o", f.name] + command,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              pass_fds=[fd] if fd is not None else [], check=False).stdout
        total = re.search(r"^100\.00 +\S+ +\S+ +(\d+)", f.read(), re.M)
    rate = RATE.search(said)
    if not total or not rate:
        sys.exit(f"io.py: {' '.join(command)}: no figure under strace")
    return int(total[1]), int(rate[1])


def run(kvm, payload, floor, path, row, with_calls=False):
    _, kind, size, depth = row
    ours = theirs = peer = None
    if kind == "net":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        peer = threading.Thread(target=sink, args=(ours,), daemon=True)
        peer.start()
    fd = theirs.fileno() if theirs else None

    def machine(ms):
        test = ["netrate", size, ms] if theirs else ["blkrate", depth, size, ms]
        return [kvm, "run", "-q", "-k", payload, "-m", "64M",
                "-p", "test=" + ",".join(map(str, test))] + (
            ["-n", f"fd={fd}"] if theirs else ["-d", f"{path},format=raw"])

    if with_calls:
        # twice, for what start and end take
        (few, short), (more, long) = (count_calls(machine(ms), fd) for ms in (MS, 3 * MS))
        both = (more - few) / (long - short)
    else:
        both = [measure([floor, kind, str(fd) if theirs else path, str(size), str(MS)], fd),
                measure(machine(MS), fd)]
    if theirs:
        theirs.close()
        peer.join(5)
        ours.close()
    return both


def main():
    kvm, payload, floor = sys.argv[1:4]
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    print(f"{'':30}{'floor/s':>12}{'kvm/s':>12}{'rate':>8}{'work':>8}{'exits':>8}{'calls':>8}")
    with tempfile.NamedTemporaryFile() as f:
        f.write(os.urandom(FILE_BYTES))
        f.flush()
        for row in ROWS:
            pairs = [run(kvm, payload, floor, f.name, row) for _ in range(rounds)]
            rate = statistics.median(k[0] / p[0] for p, k in pairs)
            work = statistics.median(k[1] / p[1] for p, k in pairs)
            shown = [statistics.median(p[i][0] for p in pairs) for i in (0, 1)]
            exits = statistics.median(k[2] for _, k in pairs)
            calls = ""
            if shutil.which("strace"):
                calls = f"{run(kvm, payload, floor, f.name, row, True):8.2f}"
            print(f"{row[0]:30}{shown[0]:12,.0f}{shown[1]:12,.0f}"
                  f"{rate:8.0%}{work:8.0%}{exits:8.3f}{calls}", flush=True)


if __name__ == "__main__":
    main()
