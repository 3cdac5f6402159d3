"""One node as a process: lines on stdin, lines on stdout, words for people on stderr. One thread, one wait."""

from __future__ import annotations

import os
import secrets
import select
import sys
import time

from mesh.types import Now
from sim.maelstrom.adapter import Adapter
from sim.maelstrom.config import AdapterConfig

READ_BYTES = 1 << 18
IDLE_MS = 1_000
"""Look at the clock at least so often."""


def _now() -> Now:
    return Now(time.monotonic_ns() // 1_000, time.time_ns() // 1_000_000)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _write(lines: list[bytes]) -> None:
    rest = memoryview(b"".join(lines))
    while rest:
        rest = rest[os.write(1, rest) :]


def main(config: AdapterConfig | None = None) -> None:
    """Be one node until stdin ends."""
    adapter = Adapter(secrets.token_bytes(32), config or AdapterConfig(), _say)
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    unread = b""
    while True:
        deadline_us = adapter.deadline_us()
        wait_ms = IDLE_MS if deadline_us is None else (deadline_us - _now().mono_us) / 1_000
        if poll.poll(min(max(wait_ms, 0), IDLE_MS)):
            read = os.read(0, READ_BYTES)
            if not read:
                return
            *lines, unread = (unread + read).split(b"\n")
            now = _now()
            for line in lines:
                if line.strip():
                    adapter.on_line(line, now)
        adapter.turn(_now())
        if adapter.out:
            _write(adapter.out)
            adapter.out.clear()
