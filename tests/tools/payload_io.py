#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests the launcher's terminals, pipes, files, sockets, signals and leftovers with payload guests.

Prints `ok NAME` or `not ok NAME: why` a test and fails when one is not ok. Arguments: names (or
parts of names) of the tests to run.
"""
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import traceback

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup(1) may have started us

KVM = os.environ.get("KVM_BIN", "build/kvm")
IMAGE = os.environ.get("PAYLOAD_DIR", "build/guest") + "/payload.bzimage"
F_SETPIPE_SZ = 1031
PIPE_BYTES = 4096  # of a pipe that is to be full: the least that Linux has
# More than such a pipe and the launcher's own queue of 64 KiB hold. A nested machine takes 0.2 ms a
# byte.
FLOOD_BYTES = 75000
# More than a pipe of 64 KiB and a queue of that size hold.
PASTE_BYTES = int(os.environ.get("PASTE_BYTES", 160000))
IRQ_PASTE_BYTES = 20000
TESTS = []


class Failure(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def expect(good, why):
    if not good:
        raise Failure(why)


def argv(word, *options):
    return [KVM, "run", "-k", IMAGE, "-m", "64M", "-p", "test=" + word, *options]


def start(word, *options, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen(argv(word, *options), **kw)


def start_with_small_pipe(word, *options):
    p = start(word, *options)
    fcntl.fcntl(p.stdout, F_SETPIPE_SZ, PIPE_BYTES)
    return p


def read_until(fd, text, seconds=20):
    """Everything from fd up to text; an error when it does not come."""
    got, end = b"", time.monotonic() + seconds
    while text not in got:
        left = end - time.monotonic()
        expect(left > 0 and select.select([fd], [], [], left)[0],
               f"no {text!r} in {seconds} s, only {got[-200:]!r}")
        try:
            more = os.read(fd, 4096)
        except OSError:
            more = b""
        expect(more, f"the output ended without {text!r}: {got[-200:]!r}")
        got += more
    return got


def finish(process, code, seconds=20):
    """Waits for the end; returns (stdout, stderr)."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise Failure(f"still running after {seconds} s; {(err or b'')[-200:]!r}")
    expect(process.returncode == code,
           f"exit code {process.returncode}, want {code}; {(err or b'')[-200:]!r}")
    return out or b"", err or b""


def pattern(n):
    """What the payload's flood test sends."""
    out = bytearray()
    for i in range(n):
        line, column = divmod(i, 64)
        out.append(10 if column == 63 else 32 + (line * 7 + column * 3) % 94)
    return bytes(out)


def compare(got, want):
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    expect(got == want, f"{len(got)} bytes of {len(want)}, first difference at {at}: "
                        f"{got[at:at + 8]!r} {want[at:at + 8]!r}")


def paste_data(n):
    data = bytearray()
    for i in range(n):
        data.append((i * 7 + i // 251) & 0xFF)
    return bytes(data)


def hash_of(data):
    value = 0
    for byte in data:
        value = (value * 31 + byte) & 0xFFFFFFFF
    return value


# --- signals


def signalled(signo, code):
    p = start("idle", "--grace", "1")
    read_until(p.stdout.fileno(), b"idle")
    began = time.monotonic()
    p.send_signal(signo)
    finish(p, code)
    took = time.monotonic() - began
    expect(0.9 <= took < 5, f"took {took:.1f} s with --grace 1, as if it were the default of 5")


@test
def sigterm_ends_after_the_grace():
    signalled(signal.SIGTERM, 143)


@test
def sigint_ends_after_the_grace():
    signalled(signal.SIGINT, 130)


@test
def a_second_signal_ends_at_once():
    p = start("idle", "--grace", "60")
    read_until(p.stdout.fileno(), b"idle")
    p.send_signal(signal.SIGTERM)
    time.sleep(0.8)
    p.send_signal(signal.SIGTERM)
    finish(p, 143, 5)


@test
def two_signals_at_once_are_one():
    """timeout(1) signals its child and then the group; a terminal that closes sends two, too."""
    for second in (signal.SIGTERM, signal.SIGHUP):
        p = start("button", "--grace", "60")
        read_until(p.stdout.fileno(), b"ready")
        p.send_signal(signal.SIGTERM)
        read_until(p.stderr.fileno(), b"at the latest")
        p.send_signal(second)
        out, _ = finish(p, 0, 20)
        expect(b"ok power button" in out, f"the guest could not react: {out!r}")


@test
def timeout_1_leaves_the_guest_its_grace():
    p = subprocess.Popen(["timeout", "1", *argv("button", "--grace", "60")],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = finish(p, 124, 20)
    expect(b"ok power button" in out and b"powered off" in err, f"{out!r} {err!r}")


@test
def signals_that_end_a_process_end_the_machine():
    for signo in (signal.SIGALRM, signal.SIGUSR2, signal.SIGXCPU, signal.SIGRTMIN + 3):
        with tempfile.TemporaryDirectory() as d:
            p = start("idle", "--grace", "0", "--serial", f"1=unix:{d}/socket")
            read_until(p.stdout.fileno(), b"idle")
            p.send_signal(signo)
            _, err = finish(p, 128 + signo, 5)
            expect(b"ended by SIG" in err, f"{err!r}")
            expect(not os.listdir(d), f"left: {os.listdir(d)}")


@test
def signals_that_were_ignored_stay_so():
    ignored = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR2)

    def ignore():
        for signo in ignored:
            signal.signal(signo, signal.SIG_IGN)

    p = start("button", "--grace", "60", preexec_fn=ignore)
    read_until(p.stdout.fileno(), b"ready")
    for signo in ignored:
        p.send_signal(signo)
    time.sleep(0.5)
    p.send_signal(signal.SIGTERM)
    _, err = finish(p, 0, 20)
    expect(err.count(b"\n") == 2 and b"SIGTERM: pressed" in err, f"{err!r}")


@test
def a_signal_after_the_end_ends_a_wait_only():
    with tempfile.TemporaryDirectory() as d:
        p = start_with_small_pipe("flood,6000", "--report", d + "/r")
        for _ in range(100):
            time.sleep(0.1)
            if os.path.exists(d + "/r"):
                break
        expect(p.poll() is None, "it did not wait for its reader")
        p.send_signal(signal.SIGTERM)
        try:
            code = p.wait(20)
        except subprocess.TimeoutExpired:
            p.kill()
            raise Failure("the signal did not end the wait")
        expect(code == 0, f"exit code {code}")
        _, err = p.communicate()
        expect(b"powered off" in err, f"{err!r}")
        with open(d + "/r", encoding="ascii") as f:
            expect(json.load(f)["exit_code"] == 0, "the report has another exit code")


@test
def grace_0_ends_at_once():
    p = start("idle", "--grace", "0")
    read_until(p.stdout.fileno(), b"idle")
    p.send_signal(signal.SIGTERM)
    finish(p, 143, 3)


@test
def sigterm_presses_the_power_button():
    p = start("button")
    read_until(p.stdout.fileno(), b"ready")
    p.send_signal(signal.SIGTERM)
    out, _ = finish(p, 0, 10)
    expect(b"ok power button" in out, "the guest has seen no button")


@test
def sigquit_describes_and_the_guest_goes_on():
    p = start("button", "-c", "2")
    read_until(p.stdout.fileno(), b"ready")
    p.send_signal(signal.SIGQUIT)
    out = read_until(p.stderr.fileno(), b"vCPU 1: not started", 10)
    expect(b"vCPU 0: " in out and b"page tables, CR3" in out, f"{out!r}")
    p.send_signal(signal.SIGTERM)
    out, _ = finish(p, 0, 10)
    expect(b"ok power button" in out, "the guest did not go on")


@test
def a_trace_in_json_is_json():
    path = os.path.join(tempfile.gettempdir(), f"kvm-trace-{os.getpid()}.json")
    try:
        finish(start("hello", "--trace", "pio,mmio,msr,irq," + path), 0)
        with open(path, encoding="ascii") as f:
            events = json.load(f)["traceEvents"]
    finally:
        if os.path.exists(path):
            os.unlink(path)
    expect(any("port 0x3f8 = 68" in e["name"] for e in events),
           f"no 'h' was printed in {len(events)} events")
    expect(all(a["ts"] <= b["ts"] + 1000 for a, b in zip(events, events[1:])),
           "not in the order of time")


@test
def sigterm_before_the_guest_speaks():
    p = start("spin", "--grace", "0")
    time.sleep(0.02)
    p.send_signal(signal.SIGTERM)
    try:
        p.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        p.kill()
        raise Failure("lived on")
    expect(p.returncode in (143, -15), f"exit code {p.returncode}")


def most_descriptors(pid):
    """Between two lives a machine has few: the most of some looks is what a life has."""
    most = 0
    for _ in range(40):
        most = max(most, len(os.listdir(f"/proc/{pid}/fd")))
        time.sleep(0.005)
    return most


@test
def restart_goes_on_until_a_signal():
    p = start("restart,1000", "--on-reboot", "restart", "--grace", "0")
    for _ in range(5):
        read_until(p.stdout.fileno(), b"life")
    fds = most_descriptors(p.pid)
    for _ in range(10):
        read_until(p.stdout.fileno(), b"life")
    more = most_descriptors(p.pid)
    p.send_signal(signal.SIGTERM)
    p.stderr.close()
    p.stdout.close()
    finish(subprocess_without_pipes(p), 143, 5)
    expect(more <= fds + 2, f"{fds} descriptors became {more}")


@test
def restart_keeps_files_and_the_time_limit():
    """Each life takes a fraction of the limit, and all of them write to the same files."""
    with tempfile.TemporaryDirectory() as d:
        trace, log = f"{d}/trace.json", f"{d}/log"
        p = start("restart,1000", "--on-reboot", "restart", "--timeout", "3", "--serial",
                  f"0=file:{log}", "--trace", f"irq,pio,{trace}")
        finish(p, 124)
        with open(log, encoding="ascii") as f:
            lives = f.read().count("life")
        with open(trace, encoding="ascii") as f:
            events = json.load(f)["traceEvents"]
        resets = sum("0x64 = fe" in e["name"] for e in events)
        expect(lives >= 2, f"{lives} lives in the file")
        expect(resets in (lives - 1, lives), f"{lives} lives, {resets} resets in the trace")
        times = [e["ts"] for e in events if e["tid"] == 0]
        expect(times == sorted(times), "a life's times are not behind the one's before it")


@test
def restart_is_over_once_it_is_asked_to_end():
    p = start("restart,200000", "--on-reboot", "restart", "--grace", "60")
    read_until(p.stdout.fileno(), b"life")
    p.send_signal(signal.SIGTERM)
    finish(p, 0)


@test
def nohup_keeps_hangups_away():
    p = start("restart,1000", "--on-reboot", "restart",
              preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN) and None)
    read_until(p.stdout.fileno(), b"life")
    p.send_signal(signal.SIGHUP)
    for _ in range(5):
        read_until(p.stdout.fileno(), b"life")
    p.send_signal(signal.SIGTERM)
    finish(p, 0)


@test
def a_stopped_launcher_is_no_hang_and_no_silence():
    """The guest's clock says so, too: a kernel then reports no lock-up."""
    p = start("stopped,1300", "--idle-timeout", "3", "--hang", "3")
    read_until(p.stdout.fileno(), b"ready")
    p.send_signal(signal.SIGSTOP)
    time.sleep(4)
    p.send_signal(signal.SIGCONT)
    out, _ = finish(p, 0)
    expect(b"ok the clock says that the guest was stopped" in out, f"{out!r}")


def subprocess_without_pipes(p):
    p.stdout = p.stderr = p.stdin = None
    return p


# --- outputs that nothing reads


def unread(word, *options, signo=None, code=0, both=False):
    """A run whose stderr is a full pipe that nothing reads; returns its report."""
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, F_SETPIPE_SZ, PIPE_BYTES)
    os.write(theirs, bytes(PIPE_BYTES))
    with tempfile.TemporaryDirectory() as d:
        p = start(word, "--report", d + "/r", *options, stderr=theirs,
                  stdout=theirs if both else subprocess.DEVNULL)
        try:
            if signo:
                time.sleep(2)
                p.send_signal(signo)
            finish(p, code, 30)
            with open(d + "/r", encoding="ascii") as f:
                return json.load(f)
        finally:
            os.close(ours)
            os.close(theirs)


@test
def stderr_unread_and_a_signal():
    unread("idle", "--grace", "1", signo=signal.SIGTERM, code=143, both=True)


@test
def stderr_unread_and_a_time_limit():
    unread("idle", "--timeout", "2", code=124, both=True)


@test
def stderr_unread_by_a_trace():
    unread("idle", "--trace", "pio", "--timeout", "2", code=124)


@test
def log_unread():
    with tempfile.TemporaryDirectory() as d:
        log = d + "/log"
        os.mkfifo(log)
        reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(reader, F_SETPIPE_SZ, PIPE_BYTES)
        p = start("flood,20000", "--log", log)
        _, err = finish(p, 125, 60)
        os.close(reader)
        expect(b"--log: nothing reads it" in err, f"{err!r}")


@test
def stderr_that_others_made_nonblocking():
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, F_SETPIPE_SZ, PIPE_BYTES)
    os.set_blocking(theirs, False)
    p = start("pf", "-c", "4", "--post-mortem", "full", stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    time.sleep(1)
    got = read_until(ours, b"kvm: ", 30)
    while True:
        more = os.read(ours, 512)
        if not more:
            break
        got += more
        time.sleep(0.01)
    os.close(ours)
    finish(p, 121)
    last = got.splitlines()[-1]
    expect(last.startswith(b"kvm: ") and len(got) > PIPE_BYTES, f"{len(got)} bytes; {last!r}")


@test
def report_into_a_fifo():
    with tempfile.TemporaryDirectory() as d:
        path = d + "/report"
        os.mkfifo(path)
        _, err = finish(start("hello", "--report", path), 125)
        expect(b"start its reader first" in err, f"{err!r}")
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        finish(start("hello", "--report", path), 0)
        expect(json.loads(os.read(reader, 65536))["verdict"] == "powered-off", "no report")
        os.close(reader)


# --- stdin and stdout of every kind


def closed(fd):
    return lambda: os.close(fd)


@test
def stdin_closed():
    out, _ = finish(start("hello", stdin=None, preexec_fn=closed(0)), 0)
    expect(b"hello from" in out, "no output")


@test
def stdout_closed():
    finish(start("hello", stdout=None, preexec_fn=closed(1)), 0)


@test
def stderr_closed():
    out, _ = finish(start("hello", stderr=None, preexec_fn=closed(2)), 0)
    expect(b"hello from" in out and b"powered off" not in out, f"messages in the console: {out!r}")


@test
def all_three_closed():
    finish(start("hello", stdin=None, stdout=None, stderr=None,
                 preexec_fn=lambda: os.closerange(0, 3)), 0)


@test
def stdin_a_file():
    with tempfile.TemporaryFile() as f:
        f.write(b"x")
        f.seek(0)
        out, _ = finish(start("uartrx", stdin=f), 0)
    expect(b"0 failed" in out, f"{out!r}")


@test
def stdin_a_pipe():
    p = start("uartrx", stdin=subprocess.PIPE)
    read_until(p.stdout.fileno(), b"ready")
    p.stdin.write(b"x")
    p.stdin.flush()
    out, _ = finish(p, 0)
    expect(b"0 failed" in out, f"{out!r}")


@test
def stdout_a_file():
    with tempfile.TemporaryFile() as f:
        finish(start("flood,20000", stdout=f), 0, 60)
        f.seek(0)
        compare(f.read(), pattern(20000))


@test
def stdout_a_device_that_is_full():
    with open("/dev/full", "wb") as f:
        _, err = finish(start("flood,20000", stdout=f), 125, 20)
    expect(b"not all of the guest's output could be written" in err, f"{err!r}")


@test
def stdout_whose_reader_left():
    p = start_with_small_pipe("flood,20000")
    os.read(p.stdout.fileno(), 100)
    p.stdout.close()
    p.stdout = None
    finish(p, 0, 60)


@test
def end_of_input_ends_nothing():
    p = start("idle", "--timeout", "3", stdin=subprocess.PIPE)
    p.stdin.close()
    p.stdin = None
    began = time.monotonic()
    finish(p, 124)
    expect(time.monotonic() - began > 2.5, "ended too early")


def cpu_ticks(p):
    with open(f"/proc/{p.pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@test
def end_of_input_costs_no_time():
    p = start("idle", "--timeout", "3")
    time.sleep(2.5)
    ticks = cpu_ticks(p)
    finish(p, 124)
    expect(ticks < 80, f"{ticks} ticks of CPU time in 2.5 s of an idle guest")


def wait_until_it_rests(p):
    """Until a launcher takes no CPU time, since its guest waits for room in a full pipe."""
    before = -1
    for _ in range(60):
        now = cpu_ticks(p)
        waiting = int.from_bytes(fcntl.ioctl(p.stdout, termios.FIONREAD, bytes(4)), "little")
        if now == before and waiting:
            return
        before = now
        time.sleep(1)
    raise Failure("the guest writes on, and nobody reads")


@test
def full_pipe_then_drained():
    p = start_with_small_pipe(f"flood,{FLOOD_BYTES}")
    wait_until_it_rests(p)
    expect(p.poll() is None, "did not wait for the reader")
    compare(finish(p, 0, 60)[0], pattern(FLOOD_BYTES))


@test
def slow_reader():
    p = start("flood,30000")
    got = b""
    while True:
        more = os.read(p.stdout.fileno(), 300)
        if not more:
            break
        got += more
        time.sleep(0.01)
    finish(subprocess_without_pipes(p), 0)
    compare(got, pattern(30000))


@test
def blocked_stdout_and_sigterm():
    p = start_with_small_pipe("flood,10000000", "--grace", "1")
    wait_until_it_rests(p)
    p.send_signal(signal.SIGTERM)
    try:
        p.wait(15)
    except subprocess.TimeoutExpired:
        p.kill()
        raise Failure("a blocked stdout holds up the end")
    finally:
        p.stdout.close()
        p.stderr.close()
    expect(p.returncode == 143, f"exit code {p.returncode}")


@test
def sigterm_after_the_guest_s_end_with_output_nobody_takes():
    p = start_with_small_pipe("flood,10000")
    for _ in range(100):
        time.sleep(0.2)
        with open(f"/proc/{p.pid}/status") as f:
            if "Threads:\t1\n" in f.read():
                break
    time.sleep(1)
    expect(p.poll() is None, "left before its output was taken")
    p.send_signal(signal.SIGTERM)
    try:
        p.wait(10)
    except subprocess.TimeoutExpired:
        p.kill()
        raise Failure("SIGTERM does nothing")
    finally:
        p.stdout.close()
        p.stderr.close()


@test
def tee():
    with tempfile.TemporaryDirectory() as d:
        line = " ".join(f"'{a}'" for a in argv("uartrx")) + f" 2>{d}/err | tee {d}/log"
        p = subprocess.Popen(["sh", "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        read_until(p.stdout.fileno(), b"ready")
        p.stdin.write(b"y")
        p.stdin.flush()
        finish(p, 0)
        with open(f"{d}/log", "rb") as f:
            expect(b"0 failed" in f.read(), "tee's file is not whole")


# --- bulk input


def paste(n, mode, seconds):
    data = paste_data(n)
    p = start(f"paste,{n},{mode}", stdin=subprocess.PIPE)
    read_until(p.stdout.fileno(), b"ready")
    out, _ = p.communicate(data, timeout=seconds)
    want = f"received {n} hash {hash_of(data)} ".encode()
    expect(want in out and b"overrun 0" in out, f"want {want!r}, got {out[-200:]!r}")


@test
def paste_of_more_than_all_queues_hold():
    paste(PASTE_BYTES, 1, 300)


@test
def paste_by_interrupts():
    paste(IRQ_PASTE_BYTES, 0, 120)


@test
def paste_before_the_guest_is_up():
    data = paste_data(5000)
    out, _ = start("paste,5000,1", stdin=subprocess.PIPE).communicate(data, timeout=60)
    expect(f"received 5000 hash {hash_of(data)} ".encode() in out, f"{out[-200:]!r}")


# --- terminals


class Terminal:
    """A launcher on a pty of its own, as its controlling terminal."""

    def __init__(self, word, *options):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            argv(word, *options), stdin=self.slave, stdout=self.slave, stderr=self.slave,
            preexec_fn=own_terminal
        )

    def type(self, keys):
        os.write(self.master, keys)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def end(self, code, seconds=10):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f"still running after {seconds} s")
        expect(self.process.returncode == code, f"exit code {self.process.returncode}, want {code}")

    def restored(self):
        now = termios.tcgetattr(self.slave)
        expect(now == self.before, f"terminal left as {now[:4]}, was {self.before[:4]}")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def on_terminal(word, *options):
    """Decorator: the test gets a Terminal that is taken away whatever happens."""

    def wrap(function):
        def run():
            t = Terminal(word, *options)
            try:
                function(t)
            finally:
                t.close()

        run.__name__ = function.__name__
        return test(run)

    return wrap


@on_terminal("hello")
def terminal_restored_after_power_off(t):
    read_until(t.master, b"hello from")
    t.end(0)
    t.restored()


@on_terminal("idle", "--grace", "0")
def terminal_raw_then_restored_by_sigterm(t):
    read_until(t.master, b"idle")
    expect(t.is_raw(), "not raw while the guest runs")
    t.process.send_signal(signal.SIGTERM)
    t.end(143)
    t.restored()


@on_terminal("idle")
def terminal_restored_by_a_crash_of_ours(t):
    read_until(t.master, b"idle")
    t.process.send_signal(signal.SIGSEGV)
    t.process.wait(10)
    expect(t.process.returncode in (-11, 139), f"exit code {t.process.returncode}")
    t.restored()


@on_terminal("pf")
def terminal_restored_after_a_guest_crash(t):
    t.end(121)
    t.restored()


@on_terminal("idle")
def ctrl_a_x_ends(t):
    read_until(t.master, b"idle")
    t.type(b"\x01x")
    t.end(0)
    t.restored()


@on_terminal("idle")
def ctrl_a_h_helps(t):
    read_until(t.master, b"idle")
    t.type(b"\x01h")
    read_until(t.master, b"Ctrl-a", 5)
    t.type(b"\x01x")
    t.end(0)


@on_terminal("idle")
def ctrl_a_d_describes_and_the_guest_goes_on(t):
    read_until(t.master, b"idle")
    for _ in range(2):
        t.type(b"\x01d")
        out = read_until(t.master, b"=> vCPU 0", 10)
        expect(b"64-bit mode" in out and b"last events" in out, f"{out!r}")
        expect(b"\n" not in out.replace(b"\r\n", b""),
               "a line that does not end in CR LF on a raw terminal")
    t.type(b"\x01x")
    t.end(0)


@on_terminal("breaks")
def ctrl_a_b_breaks(t):
    read_until(t.master, b"ready")
    t.type(b"\x01b")
    time.sleep(0.2)
    t.type(b"h")
    out = read_until(t.master, b"done breaks")
    t.end(0)
    expect(b"not ok" not in out, f"{out!r}")


@on_terminal("paste,3,1")
def ctrl_c_and_ctrl_a_ctrl_a_are_the_guest_s(t):
    read_until(t.master, b"ready")
    t.type(b"\x03\x01\x01\x1a")
    out = read_until(t.master, b"overrun")
    t.end(0)
    expect(f"hash {hash_of(bytes((3, 1, 26)))} ".encode() in out, f"{out!r}")


@on_terminal("idle")
def hangup_of_the_terminal_ends(t):
    read_until(t.master, b"idle")
    t.process.send_signal(signal.SIGHUP)
    t.type(b"\x01x")
    t.process.wait(15)


@test
def script_1_works():
    expect(shutil.which("script"), "script(1) is not installed")
    command = " ".join(argv("hello"))
    p = subprocess.Popen(["script", "-qefc", command, "/dev/null"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE)
    out, _ = finish(p, 0)
    expect(b"hello from" in out, f"{out!r}")


# --- other ends of a serial port


@test
def serial_to_a_file():
    with tempfile.TemporaryDirectory() as d:
        out, _ = finish(start("flood,20000", "--serial", f"0=file:{d}/log"), 0)
        expect(not out, "bytes on stdout too")
        with open(f"{d}/log", "rb") as f:
            compare(f.read(), pattern(20000))


@test
def serial_to_a_file_that_cannot_be():
    _, err = finish(start("hello", "--serial", "0=file:/nonexistent/log"), 125)
    expect(b"/nonexistent/log" in err and err.count(b"\n") == 1, f"{err!r}")


@test
def serial_null():
    out, _ = finish(start("hello", "--serial", "0=null"), 0)
    expect(not out, f"{out!r}")


@test
def serial_on_a_socket():
    with tempfile.TemporaryDirectory() as d:
        path = d + "/com1"
        p = start("uartrx", "--serial", "0=unix:" + path)
        for _ in range(100):
            if os.path.exists(path):
                break
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            time.sleep(0.3)
            s.sendall(b"z")
            read_until(s.fileno(), b"done uartrx: 0 failed")
        finish(p, 0)
        expect(not os.listdir(d), f"leftovers: {os.listdir(d)}")


@test
def serial_on_a_pty():
    p = start("uartrx", "--serial", "0=pty")
    said = read_until(p.stderr.fileno(), b"/dev/pts/")
    if b"\n" not in said.split(b"/dev/pts/")[1]:
        said += read_until(p.stderr.fileno(), b"\n")
    number = said.split(b"/dev/pts/")[1].split()[0].strip(b":;,.")
    fd = os.open(b"/dev/pts/" + number, os.O_RDWR | os.O_NOCTTY)
    try:
        time.sleep(0.5)
        os.write(fd, b"k")
        # Without that byte the guest waits for 20 s. Its last lines may be lost with the pty.
        finish(p, 0, 10)
    finally:
        os.close(fd)
        if p.poll() is None:
            p.kill()


@test
def serial_on_a_tty():
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    p = start("uartrx", "--serial", "0=tty:" + os.ttyname(slave))
    try:
        read_until(master, b"ready")
        os.write(master, b"q")
        read_until(master, b"done uartrx: 0 failed")
        finish(p, 0)
        expect(termios.tcgetattr(slave) == before, "the line's settings are not restored")
    finally:
        if p.poll() is None:
            p.kill()
        os.close(master)
        os.close(slave)


# --- an initrd that changes under a running machine


def change_initrd(change):
    with tempfile.TemporaryDirectory() as d:
        path = d + "/initrd"
        with open(path, "wb") as f:
            f.write(b"\x01" * 300000)
        p = start("initrdwait", "-i", path, stdin=subprocess.PIPE)
        read_until(p.stdout.fileno(), b"ready")
        change(path)
        out, err = p.communicate(b"x", timeout=60)
        expect(p.returncode == 0, f"exit code {p.returncode}; {err[-300:]!r}")
        expect(b"survived" in out, f"{out!r}")
        return out, err


@test
def initrd_truncated_while_it_runs():
    _, err = change_initrd(lambda path: os.truncate(path, 0))
    lines = [line for line in err.splitlines() if b"powered off" not in line]
    expect(len(lines) <= 1, f"more than one line: {lines}")


@test
def initrd_replaced_while_it_runs():
    def replace(path):
        with open(path + ".new", "wb") as f:
            f.write(b"\x02" * 300000)
        os.rename(path + ".new", path)

    out, _ = change_initrd(replace)
    expect(b"sum 300000\n" in out, f"{out!r}")


# --- leftovers


def addresses(*options, cards=2):
    """The MAC addresses that -v prints of that many network cards, each on a socket."""
    peers = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(cards)]
    nets = [word for ours, _ in peers for word in ("-n", f"fd={ours.fileno()}")]
    p = start("hello", "-v", *nets, *options, pass_fds=[ours.fileno() for ours, _ in peers])
    _, err = finish(p, 0)
    for pair in peers:
        pair[0].close()
        pair[1].close()
    found = [line.split(b"mac=")[1].strip() for line in err.splitlines() if b"mac=" in line]
    expect(len(found) == cards, f"{len(found)} addresses of {cards}: {err!r}")
    return found


@test
def a_machine_s_name_makes_its_addresses():
    first, again, other = (addresses("--name", name) for name in ("a", "a", "b"))
    expect(first == again, f"not the same twice: {first} {again}")
    expect(len(set(first + other)) == 4, f"not four addresses: {first} {other}")
    expect(all(m[:3] == b"02:" for m in first), f"not locally administered: {first}")
    with tempfile.NamedTemporaryFile() as disk:
        disk.truncate(1 << 20)
        named, unnamed = addresses("--name", "a", "-d", disk.name), addresses("-d", disk.name)
    expect(named == first, f"the name does not count more than the disk: {named} {first}")
    expect(not set(unnamed) & set(first), f"the disk does not count without a name: {unnamed}")


@test
def names_that_are_none():
    for bad in ("", ".a", "-a", "a/b", "a b", "a,b", "x" * 65, "\xe4"):
        out, err = finish(start("hello", "--name=" + bad), 125)
        expect(b"--name " in err and not out, f"{bad!r}: {err!r}")
    for good in ("a", "A-1_b.c", "0", "a..b-", "x" * 64):
        finish(start("hello", "--name", good), 0)


@test
def no_descriptor_leaks_into_the_launcher_s_count():
    p = start("idle", "--timeout", "20", "-c", "4")
    read_until(p.stdout.fileno(), b"idle")
    links = []
    for fd in os.listdir(f"/proc/{p.pid}/fd"):
        links.append(os.readlink(f"/proc/{p.pid}/fd/{fd}"))
    files = [link for link in links if link.endswith("payload.bzimage")]
    p.kill()
    p.communicate()
    expect(not files, "the kernel's file is still open")
    expect(len(links) < 30, f"{len(links)} descriptors: {links}")


@test
def fifty_boots_leave_nothing():
    with tempfile.TemporaryDirectory() as d:
        env = dict(os.environ, TMPDIR=d)
        before = set(os.listdir("/tmp")) | set(os.listdir("/dev/shm"))
        for i in range(50):
            p = start("hello", env=env)
            out, err = finish(p, 0)
            expect(b"hello from 64-bit entry\ndone hello: 0 failed\n" == out.replace(b"\r", b""),
                   f"boot {i}: {out!r} {err!r}")
        expect(not os.listdir(d), f"left: {os.listdir(d)}")
        new = (set(os.listdir("/tmp")) | set(os.listdir("/dev/shm"))) - before
        expect(not [n for n in new if n.startswith("kvm")], f"left: {new}")


def main():
    wanted = sys.argv[1:]
    bad = 0
    if wanted and not any(w in f.__name__ for w in wanted for f in TESTS):
        sys.exit("payload_io.py: no test has such a name")
    for function in TESTS:
        name = function.__name__
        if wanted and not any(w in name for w in wanted):
            continue
        try:
            function()
            print("ok payload", name.replace("_", " "), flush=True)
        except Failure as why:
            bad += 1
            print(f"not ok payload {name.replace('_', ' ')}: {str(why)[:300]}", flush=True)
        except Exception:
            bad += 1
            last = traceback.format_exc().strip().splitlines()[-1]
            print(f"not ok payload {name.replace('_', ' ')}: {last[:300]}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
