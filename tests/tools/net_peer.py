#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
net_peer.py echo|noise COMMAND...

Runs COMMAND with the number of a socket in place of each "@", and is the peer of that socket, frame
by frame, until COMMAND ends. echo returns each frame; noise takes none and sends frames of any
length and content, also such as no network has. Exits with COMMAND's exit code.
"""
import random
import selectors
import socket
import subprocess
import sys
import threading


def echo(sock):
    """Returns frames until the other end is closed."""
    while True:
        try:
            frame = sock.recv(65536)
            if not frame:
                return
            sock.send(frame)
        except OSError:
            return


def noise(sock):
    """As much as the socket takes."""
    rng = random.Random(1)
    sock.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
    while True:
        for _, events in selector.select():
            try:
                if events & selectors.EVENT_READ and not sock.recv(65536):
                    return
                if events & selectors.EVENT_WRITE:
                    length = rng.choice((1, 13, 14, 60, 1514, 9000, rng.randrange(1, 60000)))
                    sock.send(rng.randbytes(length))
            except BlockingIOError:
                pass
            except OSError:
                return


def main():
    role = {"echo": echo, "noise": noise}[sys.argv[1]]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [word.replace("@", str(theirs.fileno())) for word in sys.argv[2:]]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]) as child:
        theirs.close()
        peer = threading.Thread(target=role, args=(ours,), daemon=True)
        peer.start()
        return child.wait()


if __name__ == "__main__":
    sys.exit(main())
