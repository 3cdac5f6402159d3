"""Numbers of ports for who listens in a moment, or listens again: nobody else is given them meanwhile.

Who binds port 0, closes it and hands the number on loses it now and then: the kernel gives it to the next outgoing
connection, or to the next who binds port 0. So ours lie below the range that kernels give from (32768 and up on Linux,
49152 on others), and who draws a number holds the other kind's socket of it, TCP's for UDP and UDP's for TCP: of two
who draw, one has both. What is left is a stranger who listens at just that number; who starts a program tries another
then (`NodeProcess.start_at`).
"""

from __future__ import annotations

import contextlib
import secrets
import socket

from mesh.codes import Code
from mesh.errors import HostError

LOOPBACK = "127.0.0.1"
FIRST, END = 20_000, 32_768
"""Guess: most of what listens at a number of its own lies below, and what kernels give lies above."""
DRAWS_MAX = 100
OTHER_KIND = {socket.SOCK_STREAM: socket.SOCK_DGRAM, socket.SOCK_DGRAM: socket.SOCK_STREAM}


class Ports:
    """Holds numbers, for loopback, until it is closed."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._held = contextlib.ExitStack()

    def draw(self, kind: socket.SocketKind, count: int = 1) -> int:
        """The first of `count` numbers in a row at which nobody listens with this kind of socket. Raises `HostError`."""
        for _ in range(DRAWS_MAX):
            first = FIRST + secrets.randbelow(END - FIRST - count + 1)
            if self._hold(kind, range(first, first + count)):
                return first
        raise HostError(Code.PORT_TAKEN, f"{count} free ports in a row were not found in {DRAWS_MAX} draws")

    def _hold(self, kind: socket.SocketKind, numbers: range) -> bool:
        with contextlib.ExitStack() as stack:
            for number in numbers:
                held = stack.enter_context(socket.socket(socket.AF_INET, OTHER_KIND[kind]))
                try:
                    held.bind((LOOPBACK, number))
                    with socket.socket(socket.AF_INET, kind) as free:
                        free.bind((LOOPBACK, number))
                except OSError:  # somebody has it: another draw
                    return False
            self._held.push(stack.pop_all())
        return True

    def close(self) -> None:
        """Hold them no longer; who listens goes on."""
        self._held.close()
