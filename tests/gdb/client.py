#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/gdb/client.py KVM PAYLOAD
#
# A debugger that does not behave like gdb: it sends bytes of its own on the socket. Each test
# starts a machine. Prints `ok NAME` and `not ok NAME: why`; exits 1 after a `not ok`.

import os
import random
import socket
import subprocess
import sys
import tempfile
import time

KVM, PAYLOAD = sys.argv[1:]
NOISE = b"$#+-}0123456789abcdefgGpPmMXzZHTqvQR:;,=\x03\xff\x00"
failed = 0


class Machine:
    def __init__(self, test, *options):
        self.dir = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.dir.name, "gdb")
        self.process = subprocess.Popen(
            [KVM, "run", "-k", PAYLOAD, "-m", "64M", "-p", "test=" + test,
             "--gdb", "unix:" + self.path, "--timeout", "60", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def connect(self):
        for _ in range(200):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(20)
            try:
                s.connect(self.path)
                return Client(s)
            except OSError:
                time.sleep(0.05)
        raise AssertionError("no socket")

    def end(self):
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out.decode(), err.decode()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Client:
    def __init__(self, s):
        self.socket = s
        self.bytes = b""

    def send(self, body):
        body = body.encode() if isinstance(body, str) else body
        self.socket.sendall(b"$%s#%02x" % (body, sum(body) & 255))

    def receive(self):
        while self.bytes.count(b"#") == 0 or len(self.bytes) < self.bytes.index(b"#") + 3:
            more = self.socket.recv(65536)
            if not more:
                return None
            self.bytes += more
        end = self.bytes.index(b"#") + 3
        packet, self.bytes = self.bytes[:end], self.bytes[end:]
        return packet[packet.index(b"$") + 1:-3].decode()

    def ask(self, body):
        self.send(body)
        return self.receive()

    def close(self):
        self.socket.close()


def expect(what, got, want):
    if got != want:
        raise AssertionError("%s: %r, not %r" % (what, got, want))


def interrupt(m):
    c = m.connect()
    expect("?", c.ask("?"), "T05thread:1;")
    c.send("vCont;c")
    time.sleep(0.2)
    c.socket.sendall(b"\x03")
    # the acknowledgement of vCont comes before
    expect("stop", c.receive(), "T02thread:1;")
    expect("D", c.ask("D"), "OK")
    c.close()
    c = m.connect()
    expect("? of the next", c.ask("?"), "T05thread:1;")
    c.send("k")
    code, _, err = m.end()
    expect("exit code", code, 0)
    if "ended by the debugger" not in err:
        raise AssertionError(err)


def leaves_running(m):
    """Hangs up while the guest runs, with a breakpoint set; the guest goes on to its end."""
    c = m.connect()
    expect("Z1", c.ask("Z1,7c00,1"), "OK")
    c.send("vCont;c")
    c.close()
    code, out, _ = m.end()
    expect("exit code", code, 0)
    if "done hello: 0 failed" not in out:
        raise AssertionError(out)


def leaves_stopped(m):
    c = m.connect()
    expect("?", c.ask("?"), "T05thread:1;")
    c.close()
    expect("exit code", m.end()[0], 0)


def acknowledges(m):
    c = m.connect()
    c.socket.sendall(b"$?#00")
    expect("a wrong checksum", c.socket.recv(1), b"-")
    expect("?", c.ask("?"), "T05thread:1;")
    c.socket.sendall(b"-")
    expect("once more", c.receive(), "T05thread:1;")
    expect("no acknowledgements", c.ask("QStartNoAckMode"), "OK")
    c.bytes = b""
    c.send("qC")
    expect("qC", c.socket.recv(1), b"$")
    c.send("k")
    expect("exit code", m.end()[0], 0)


def says_end(m):
    c = m.connect()
    c.send("c")
    expect("the end", c.receive(), "W00")
    expect("exit code", m.end()[0], 0)


def hostile(m):
    """Noise, long packets, unread replies: another debugger finds the machine in order."""
    random.seed(1)
    for n in range(20):
        c = m.connect()
        try:
            c.socket.settimeout(0.3)
            for _ in range(20):
                c.socket.sendall(bytes(random.choice(NOISE) for _ in range(997)))
            c.send("m0,4000")
            for _ in range(n * 20):
                c.send("g" * (n * 2000) if n % 2 else "m0,4000")
        except OSError:
            pass
        c.close()
    for body in ("m" + "f" * 40 + ",1", "M0,ffffffffffffffff:00", "X0,8:}", "G", "P", "Pffffffff=",
                 "p", "vCont;s:ffffffff", "Z0,ffffffffffffffff,1",
                 "Z2,ffffffffffffffff,ffffffffffffffff", "qXfer:features:read:target.xml:-1,-1",
                 "qRcmd,70687973203078666666666666666666666666666666666620393939",
                 "Hg" + "0" * 17, "vCont", "T", "D1"):
        c = m.connect()
        expect("? after " + body[:20], c.ask("?"), "T05thread:1;")
        if c.ask(body) is None:
            raise AssertionError("no reply to " + body[:20])
        c.close()
    c = m.connect()
    expect("memory", c.ask("m1000,2")[:1] in "0123456789abcdef", True)
    c.send("k")
    expect("exit code", m.end()[0], 0)


def web_page(m):
    """What a page can have a browser send: packets in the body of a request."""
    for request in (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01", b" ", b"\0"):
        c = m.connect()
        try:
            c.socket.sendall(request + b"+$M100000,1:90#78$k#6b")
            expect("an answer", c.socket.recv(100), b"")
        except ConnectionError:
            pass  # closed before all was read
    c = m.connect()
    expect("?", c.ask("?"), "T05thread:1;")
    c.send("k")
    code, _, err = m.end()
    expect("exit code", code, 0)
    expect("who ended it", "ended by the debugger" in err, True)
    expect("debuggers", err.count("debugger connected"), 1)


def fpu(m):
    """x87 and SSE registers that the guest has never used keep what the debugger writes."""
    values = {24: "0011223344556677fe3f",  # st0
              40: "00112233445566778899aabbccddeeff",  # xmm0
              55: "ff" * 16}  # xmm15
    c = m.connect()
    for number, value in values.items():
        expect("P%x" % number, c.ask("P%x=%s" % (number, value)), "OK")
    c.send("vCont;c")
    time.sleep(0.2)
    c.socket.sendall(b"\x03")
    expect("stop", c.receive(), "T02thread:1;")
    for number, value in values.items():
        expect("p%x" % number, c.ask("p%x" % number), value)
    c.send("k")
    expect("exit code", m.end()[0], 0)


def crowd(m):
    """All but the first are sent away, and the log stays short."""
    first = m.connect()
    expect("?", first.ask("?"), "T05thread:1;")
    for _ in range(50):
        c = m.connect()
        expect("another", c.socket.recv(1), b"")
        c.close()
    first.send("k")
    lines = m.end()[2].count("refused a second debugger")
    expect("lines", 0 < lines < 10, True)


TESTS = [
    ("an interrupt, a detach, the next one kills", interrupt, "spin", []),
    ("a debugger that hangs up while the guest runs", leaves_running, "hello", ["--gdb-wait"]),
    ("a debugger that hangs up while it is stopped", leaves_stopped, "hello", ["--gdb-wait"]),
    ("acknowledgements", acknowledges, "spin", []),
    ("the machine's end is told", says_end, "hello", ["--gdb-wait"]),
    ("a hostile debugger", hostile, "spin", ["-c", "2"]),
    ("x87 and SSE registers are written", fpu, "spin", ["--gdb-wait"]),
    ("a web page is no debugger", web_page, "spin", []),
    ("a crowd of debuggers", crowd, "spin", []),
]

for name, test, payload, options in TESTS:
    machine = Machine(payload, *options)
    try:
        test(machine)
        print("ok gdb: " + name, flush=True)
    except (AssertionError, OSError, subprocess.TimeoutExpired) as why:
        failed = 1
        print("not ok gdb: %s: %r" % (name, why), flush=True)
    finally:
        machine.kill()
sys.exit(failed)
