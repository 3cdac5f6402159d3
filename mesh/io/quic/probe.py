"""The handshake is the probe for the size of datagrams.

aioquic fixes it for a connection and pads its first flight to it. So a dial begins with the largest, and each `probe_s`
later with the next; once one has completed, a larger one may still come within `probe_s`, and wins.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from mesh.io.quic.wire import Wire


class Probe:
    """One dial: several connections, of which one is kept."""

    def __init__(self, connect: Callable[[int], Wire], sizes: tuple[int, ...], probe_s: float) -> None:
        """Dial with `connect`, with these sizes, the largest first."""
        self._connect = connect
        self._sizes = sizes
        self._probe_s = probe_s
        self._wires: list[Wire] = []
        self._changed = asyncio.Event()
        self._winner: Wire | None = None
        self.why = ""
        """Why the first connection that failed did."""

    def losers(self) -> list[Wire]:
        """The connections that were not kept."""
        return [wire for wire in self._wires if wire is not self._winner]

    async def run(self, timeout_s: float) -> Wire | None:
        """Return the connection that won; None if none completed in time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        for size in self._sizes:
            self._begin(size)
            await self._wait(min(loop.time() + self._probe_s, end), lambda: self._best() is not None)
            if self._best() is not None:
                break
        await self._wait(end, lambda: self._best() is not None or all(wire.closed for wire in self._wires))
        await self._wait(min(loop.time() + self._probe_s, end), lambda: not self._larger_may_come())
        self._winner = self._best()
        return self._winner

    def _begin(self, size: int) -> None:
        wire = self._connect(size)
        wire.on_settled = self._settled
        self._wires.append(wire)

    def _settled(self, why: str) -> None:
        self.why = self.why or why
        self._changed.set()

    def _best(self) -> Wire | None:
        return next((wire for wire in self._wires if wire.shaken and not wire.closed), None)

    def _larger_may_come(self) -> bool:
        best = self._best()
        if best is None:
            return False
        return any(not wire.closed for wire in self._wires[: self._wires.index(best)])

    async def _wait(self, until: float, done: Callable[[], bool]) -> None:
        """Wait until something holds, or a time has come."""
        loop = asyncio.get_running_loop()
        while not done() and (rest := until - loop.time()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), rest)
