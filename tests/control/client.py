#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""client.py SOCKET: a client of the control socket that misbehaves in every way it can.

After each case the machine must still answer. Prints a result line a case.
"""
import array
import os
import socket
import sys
import time

path = sys.argv[1]


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    return s


def read_all(s):
    got = b""
    while True:
        more = s.recv(65536)
        if not more:
            return got
        got += more


def ask(request):
    s = connect()
    s.sendall(request)
    return read_all(s)


def info():
    answer = ask(b"info\n")
    head, body = answer.split(b"\n", 1)
    assert head == b"ok %d" % len(body), answer
    assert b"state running\n" in body, answer


def no_such_request():
    for request in b"\n", b"what\n", b"\0\xff\n", b"stop soon\n", b"dump\n", b"info" * 128:
        answer = ask(request)
        assert answer.startswith(b"error ") and answer.endswith(b"\n"), (request, answer)


def more_than_a_line():
    for request in b"info" * 100000, b"info\n" * 100000:
        try:
            ask(request)
        except OSError:
            pass  # closed while we were writing


def in_pieces():
    s = connect()
    for c in b"info\n":
        s.sendall(bytes([c]))
        time.sleep(0.01)
    assert read_all(s).startswith(b"ok ")


def half_a_line():
    s = connect()
    s.sendall(b"inf")
    s.shutdown(socket.SHUT_WR)
    assert read_all(s) == b""


def gone_before_the_answer():
    for request in b"debug\n", b"info\n", b"dmesg\n":
        s = connect()
        s.sendall(request)
        s.close()


def all_seats_taken():
    """The rest wait in the backlog, until a client leaves."""
    idle = [connect() for _ in range(4)]
    late = connect()
    late.sendall(b"info\n")
    time.sleep(0.3)
    idle[2].close()
    assert read_all(late).startswith(b"ok ")
    for s in idle:
        s.close()


def descriptors():
    """A core cannot go to a pipe; and of many descriptors none is kept."""
    r, w = os.pipe()
    s = connect()
    s.sendmsg([b"dump\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [w] * 3))])
    assert read_all(s).startswith(b"error dump needs"), "a pipe was taken"
    for _ in range(50):
        s = connect()
        s.sendmsg([b"info\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [w] * 16))])
        read_all(s)
    os.close(w)
    assert os.read(r, 1) == b"", "somebody has kept the pipe"
    with open("/dev/null", "rb") as null:
        s = connect()
        s.sendmsg([b"dump\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                 array.array("i", [null.fileno()]))])
        assert read_all(s).startswith(b"error ")


failed = 0
for case in (no_such_request, more_than_a_line, in_pieces, half_a_line, gone_before_the_answer,
             all_seats_taken, descriptors):
    name = case.__name__.replace("_", " ")
    try:
        case()
        info()
        print(f"ok control: client: {name}")
    except (AssertionError, OSError, ValueError) as e:
        print(f"not ok control: client: {name}: {e!r}")
        failed = 1
sys.exit(failed)
