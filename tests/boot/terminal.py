#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""tests/boot/terminal.py IN KVM [WRAPPER...]

Tests the console at a terminal: a shell of our initrd, job control, a large paste, Ctrl-a x, and
SysRq by Ctrl-a b. IN holds the kernel and the initrds that tests/boot.sh makes; WRAPPER starts the
launcher (tests/nest --tty) where this host cannot. Prints a line a test as tests/boot.sh does.
"""
import hashlib
import os
import pty
import select
import signal
import sys
import termios
import time

PROMPT = b"~ # "
PASTE_BYTES = 100_000


class Session:
    """A program on a pseudo-terminal of its own."""

    def __init__(self, argv):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(argv[0], argv)
        self.ended = None

    def pump(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                return False
            self.seen += data
        return True

    def expect(self, text, seconds):
        """Waits for text; returns the output before it, and forgets that."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not self.pump(min(left, 1)):
                if text in self.seen:
                    break
                tail = self.seen[-200:].decode(errors="replace")
                raise TimeoutError(f"no {text!r} within {seconds} s after {tail!r}")
        before, self.seen = self.seen.split(text, 1)
        return before

    def send(self, data):
        """Types: as fast as the other side takes it."""
        while data:
            _, writable, _ = select.select([], [self.fd], [], 0)
            if not writable:
                if not self.pump(0.05):
                    raise EOFError("the program has ended")
                continue
            data = data[os.write(self.fd, data[:1024]):]
            self.pump(0)

    def exit_code(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            self.pump(0.1)
        raise TimeoutError(f"does not end within {seconds} s")

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
            self.pump(2)
            if not os.waitpid(self.pid, os.WNOHANG)[0]:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        os.close(self.fd)


def shell_prompt(s):
    s.expect(b"kvm-test: userspace up", 120)
    s.expect(PROMPT, 60)
    s.send(b"stty -echo cols 200\r")
    s.expect(PROMPT, 30)


def run(s, command, seconds=30):
    s.send(command.encode() + b"\r")
    return s.expect(PROMPT, seconds).decode(errors="replace").replace("\r", "").strip()


def test_command(s):
    got = run(s, "echo $((6 * 7)) $(tty)")
    return "" if got.splitlines() == ["42 /dev/ttyS0"] else f"it says {got!r}"


def test_job_control(s):
    s.send(b"sleep 1000\r")
    time.sleep(2)
    s.send(b"\x1a")
    s.expect(PROMPT, 30)
    got = run(s, "jobs")
    if "Stopped" not in got or "sleep 1000" not in got:
        return f"after Ctrl-Z: {got!r}"
    s.send(b"fg\r")
    time.sleep(2)
    s.send(b"\x03")
    s.expect(PROMPT, 30)
    got = run(s, "echo $?; jobs")
    return "" if got.split() == ["130"] else f"after Ctrl-C: {got!r}"


def test_paste(s):
    # All bytes but the launcher's escape character; the guest's terminal is raw.
    data = hashlib.shake_256(b"paste").digest(PASTE_BYTES).replace(b"\x01", b"\x02")
    # The guest prints "raw" when it reads raw bytes: earlier bytes would be a line to edit. Missing
    # bytes are counted, not waited for.
    s.send(f"stty raw -echo; echo ra''w; timeout 120 head -c {len(data)} >/tmp/f; "
           "stty sane -echo; md5sum </tmp/f\r".encode())
    s.expect(b"raw", 60)
    s.send(data)
    got = s.expect(PROMPT, 180).decode(errors="replace").split()
    want = hashlib.md5(data).hexdigest()
    if want in got:
        return ""
    return f"{len(data)} bytes of {want} became {got[:3]}, {run(s, 'wc -c </tmp/f')} bytes"


def test_quit(s):
    s.send(b"\x01x")
    s.expect(b"ended by Ctrl-a x", 20)
    return "" if s.exit_code(60) == 0 else "exit code not 0"


def test_restored(s, before):
    return "" if termios.tcgetattr(s.fd) == before else "the terminal is not as it was"


def test_sysrq(s):
    s.send(b"\x01b")
    time.sleep(0.5)
    s.send(b"b")
    s.expect(b"sysrq: Resetting", 30)
    s.expect(b"the guest rebooted", 60)
    return "" if s.exit_code(60) == 0 else "exit code not 0"


def main():
    folder, kvm, wrapper = sys.argv[1], sys.argv[2], sys.argv[3:]
    argv = wrapper + [kvm, "run", "-k", f"{folder}/cloud", "-i", f"{folder}/shell.initrd",
                      "-p", "quiet"]
    failed = False

    def report(name, test, *args):
        nonlocal failed
        try:
            why = test(*args)
        except (TimeoutError, EOFError, OSError) as e:
            why = str(e)
        print(f"not ok boot: terminal: {name}: {why}" if why else f"ok boot: terminal: {name}",
              flush=True)
        failed = failed or bool(why)
        return not why

    s = Session(argv)
    before = termios.tcgetattr(s.fd)
    if report("a shell prompt", shell_prompt, s):
        report("a command and its output", test_command, s)
        report("job control", test_job_control, s)
        report("a paste of 100 KB arrives whole", test_paste, s)
        report("Ctrl-a x", test_quit, s)
        report("restored", test_restored, s, before)
    s.close()
    s = Session(argv)
    if report("a second shell prompt", shell_prompt, s):
        report("SysRq b by Ctrl-a b", test_sysrq, s)
    s.close()
    return failed


if __name__ == "__main__":
    sys.exit(main())
