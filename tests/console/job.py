#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""tests/console/job.py IN KVM

Runs the tests of tests/console.sh where a stock kernel can run: a machine with hvc0 on our own
terminal, and named ports on a socket and a file. IN holds the kernel and the initrd. Prints a line
a test; the console is in $NEST_OUT/console.
"""
import collections
import fcntl
import hashlib
import os
import re
import socket
import struct
import sys
import termios
import time

sys.path.insert(0, "tests/boot")
from terminal import PROMPT, Session, run  # pylint: disable=wrong-import-position

DATA_BYTES = 1 << 20
SOCKET, FILE = "/tmp/kvm-port", "/tmp/kvm-port-file"


class Tee(Session):
    """A session that remembers all it has shown."""

    def __init__(self, argv, size):
        self.all = b""
        super().__init__(["/bin/sh", "-c", f'stty rows {size[0]} cols {size[1]}; exec "$@"', "sh",
                          *argv])

    def pump(self, seconds):
        before = len(self.seen)
        more = super().pump(seconds)
        self.all += self.seen[before:]
        return more

    def resize(self, size):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


def test_takes_over(s):
    s.expect(b"kvm-test: userspace up", 150)
    s.expect(PROMPT, 60)
    s.send(b"stty -echo\r")
    s.expect(PROMPT, 30)
    got = run(s, "tty")
    return "" if got == "/dev/hvc0" else f"the shell is on {got!r}"


def test_messages(s):
    """Each kernel message above debug level came exactly once, on whichever console."""
    run(s, "echo 'one more message' >/dev/kmsg; sleep 1")
    shown = collections.Counter(re.findall(r"\[ *\d+\.\d+\] [^\r\n]+",
                                           s.all.decode(errors="replace")))
    log = re.findall(r"^<(\d+)>(\[ *\d+\.\d+\] .+)", run(s, "dmesg -r", 60), re.M)
    wanted = [line for level, line in log if int(level) % 8 < 7]
    twice = [line for line, n in shown.items() if n > 1 and wanted.count(line) == 1]
    lost = [line for line in wanted if line not in shown]
    if not all(any(text in x for x in wanted) for text in ("Linux version", "one more message")):
        return "dmesg has not got the first and the last message"
    if twice:
        return f"{len(twice)} messages came twice, as {twice[0]!r}"
    return f"{len(lost)} of {len(wanted)} messages are missing, as {lost[0]!r}" if lost else ""


def size_becomes(s, size):
    want = f"{size[0]} {size[1]}"
    got = ""
    for _ in range(40):
        got = run(s, "stty size")
        if got == want:
            return ""
        time.sleep(0.25)
    return f"stty size says {got!r} instead of {want!r}"


def test_resize(s):
    s.resize((51, 132))
    return size_becomes(s, (51, 132))


def find_ports(s):
    """Their devices by name."""
    got = run(s, "for p in /sys/class/virtio-ports/*; do echo $(cat $p/name) /dev/${p##*/}; done")
    return dict(line.split() for line in got.splitlines() if len(line.split()) == 2)


def test_names(ports):
    return "" if sorted(ports) == ["data", "org.test.file"] else f"there are {ports}"


def test_to_guest(s, port, peer):
    data = hashlib.shake_256(b"to the guest").digest(DATA_BYTES)
    s.send(f"head -c {DATA_BYTES} {port} | md5sum\r".encode())
    peer.settimeout(90)
    peer.sendall(data)
    got = s.expect(PROMPT, 90).decode(errors="replace").split()
    return "" if hashlib.md5(data).hexdigest() in got else f"{got[:4]}"


def test_from_guest(s, port, peer):
    want = run(s, f"head -c {DATA_BYTES} /dev/urandom >/tmp/f; md5sum </tmp/f", 60).split()[0]
    s.send(f"cat /tmp/f >{port}; echo sent\r".encode())
    time.sleep(2)  # without a reader, the rest must wait in the guest
    if b"sent" in s.seen:
        return "a port that nobody reads takes all"
    got = b""
    peer.settimeout(60)
    while len(got) < DATA_BYTES:
        more = peer.recv(65536)
        if not more:
            break
        got += more
    s.expect(b"sent", 60)
    s.expect(PROMPT, 30)
    if hashlib.md5(got).hexdigest() == want:
        return ""
    return f"{len(got)} bytes, not those that were sent"


def test_host_closes(s, port, peer):
    """A reader in the guest gets what was sent, and then the end."""
    s.send(f"cat {port} | wc -c\r".encode())
    peer.sendall(b"the end\n")
    time.sleep(1)
    peer.close()
    got = s.expect(PROMPT, 30).decode(errors="replace").split()
    return "" if got == ["8"] else f"{got}"


def test_file(s, port):
    run(s, f"echo to a file >{port}")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with open(FILE, "rb") as f:
            if f.read() == b"to a file\n":
                return ""
        time.sleep(0.2)
    return "the file has not got it"


def test_sysrq(s):
    s.send(b"\x01b")
    time.sleep(0.5)
    s.send(b"h")
    s.expect(b"sysrq: HELP", 30)
    s.send(b"\r")
    s.expect(PROMPT, 30)
    return ""


def test_poweroff(s):
    s.send(b"poweroff -f\r")
    s.expect(b"the guest powered off", 60)
    return "" if s.exit_code(60) == 0 else "exit code not 0"


def connect():
    end = time.monotonic() + 30
    peer = socket.socket(socket.AF_UNIX)
    while True:
        try:
            peer.connect(SOCKET)
            return peer
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def main():
    folder, kvm = sys.argv[1:]
    failed = False

    def report(name, test, *args):
        nonlocal failed
        try:
            why = test(*args)
        except (TimeoutError, EOFError, OSError, IndexError) as e:
            why = repr(e)
        print(f"not ok console: {name}: {why}" if why else f"ok console: {name}", flush=True)
        failed = failed or bool(why)
        return not why

    s = Tee([kvm, "run", "-k", f"{folder}/vmlinuz", "-i", f"{folder}/initrd", "-m", "256M",
             "--console", "virtio", "--port", f"data=unix:{SOCKET}",
             "--port", f"org.test.file=file:{FILE}"], (37, 100))
    if report("the shell is on hvc0", test_takes_over, s):
        report("messages come, and once", test_messages, s)
        report("the terminal's size", size_becomes, s, (37, 100))
        report("the terminal's new size", test_resize, s)
        ports = find_ports(s)
        if report("named ports", test_names, ports):
            peer = connect()
            report("1 MiB to the guest through a port", test_to_guest, s, ports["data"], peer)
            report("1 MiB from the guest through a port", test_from_guest, s, ports["data"], peer)
            report("the host's end of a port", test_host_closes, s, ports["data"], peer)
            report("a port to a file", test_file, s, ports["org.test.file"])
        report("SysRq by Ctrl-a b", test_sysrq, s)
        report("power off", test_poweroff, s)
    s.close()
    with open(os.environ["NEST_OUT"] + "/console", "wb") as f:
        f.write(s.all)
    return failed


if __name__ == "__main__":
    sys.exit(main())
