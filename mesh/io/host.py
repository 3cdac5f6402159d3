"""The host: performs a node's effects with asyncio, a store and an endpoint.

Events gather and are ticked once per turn of the loop; effects are performed in order and none waits for another.
Appends go to the store's writer, at most one a tick; their answers come back as events, in order. While an append is
pending the loop gives up the interpreter's lock for a moment each turn, else the writer thread starves while the loop
is busy and an fsync of 0.2 ms comes back after 10 ms.

Time is the loop's, and what the machine was suspended for: the node's `mono_us` never goes backwards, and no sleep is a leap.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from mesh.codes import Code
from mesh.effects import (
    Append,
    Count,
    Dial,
    DiskSpace,
    Drained,
    Draining,
    Effect,
    Event,
    Hangup,
    Load,
    Report,
    Send,
    Started,
    Stored,
    StoreFailed,
    Tell,
    Wakeup,
)
from mesh.errors import HostError
from mesh.frames import Hello
from mesh.io.quic import Endpoint
from mesh.io.store import Store
from mesh.node import Node
from mesh.operations import NodeOperation
from mesh.types import Now, SessionId
from mesh.wire.frames import encode_frame

YIELD_S = 20e-6
"""What the writer thread needs to take the interpreter's lock."""
SPACE_EVERY_S = 1.0
"""How often the free space is looked at while it is short."""
TICKS_TOTAL = "ticks_total"


class Outside(Protocol):
    """What a host needs of the programs around it."""

    def tell(self, sessions: tuple[SessionId, ...], operation: NodeOperation) -> None:
        """Tell sessions an operation, without waiting."""

    def count(self, metric: str, by: int, *, gauge: bool) -> None:
        """Count something."""

    def report(self, code: str, about: Mapping[str, object]) -> None:
        """Tell a person."""


def suspended_s() -> float:
    """How long this machine has been suspended since its start: the monotonic clock leaves that out.

    Left out, a laptop that wakes would take its own wall clock for one that had leapt, and doubt it.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return 0.0 if clock is None else time.clock_gettime(clock) - time.monotonic()


class Host:
    """Runs one node."""

    def __init__(
        self,
        node: Node,
        store: Store,
        outside: Outside,
        *,
        reserve_bytes: int,
        suspended_s: Callable[[], float] = suspended_s,
    ) -> None:
        """Put the parts together; `endpoint` is set before `run`. Nothing happens before `run`."""
        self._suspended_s = suspended_s
        self.node = node
        self.store = store
        self.endpoint: Endpoint | None = None
        self._outside = outside
        self._reserve_bytes = reserve_bytes
        self._loop = asyncio.get_running_loop()
        self._inbox: list[Event] = []
        self._planned = False
        self._mono_us = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_us: int | None = None
        self._ended: asyncio.Future[bool] = self._loop.create_future()
        self._appending: dict[int, float] = {}
        self._space: asyncio.TimerHandle | None = None

    # --- events in ---------------------------------------------------------------------------------------------------

    def post(self, event: Event | Count) -> None:
        """Something happened; the node hears of it at the end of this turn. Call it on the loop's thread."""
        if isinstance(event, Count):
            self._outside.count(event.metric, event.by, gauge=event.gauge)
            return
        if isinstance(event, StoreFailed):
            self.store.heard_failure()
        if isinstance(event, Stored | StoreFailed):
            began = self._appending.pop(event.append, None)
            if began is not None:
                wait_us = int((self._loop.time() - began) * 1e6)
                self._outside.count("append_wait_us_total", wait_us, gauge=False)
                self._outside.count("appends_total", 1, gauge=False)
            self._watch_space(event.free_bytes)
        self._inbox.append(event)
        self._plan()

    def _post_from_thread(self, event: Event) -> None:
        """The store answers on threads of its own."""
        self._loop.call_soon_threadsafe(self.post, event)

    def _fail(self, error: Exception) -> None:
        self._loop.call_soon_threadsafe(self._fail_here, error)

    def _fail_here(self, error: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._turn)

    def _now(self) -> Now:
        self._mono_us = max(self._mono_us, int((self._loop.time() + self._suspended_s()) * 1e6))
        return Now(self._mono_us, time.time_ns() // 1_000_000)

    def _turn(self) -> None:
        """One tick with all that gathered."""
        self._planned = False
        events, self._inbox = self._inbox, []
        try:
            effects = self.node.tick(events, self._now())
            for effect in effects:
                self._perform(effect)
        except Exception as error:  # noqa: BLE001  # our own bug: end the process, loudly, rather than go on with half a tick
            self._fail_here(error)
            return
        self._set_alarm()
        if self._appending:
            self._loop.call_soon(self._give_way)

    def _give_way(self) -> None:
        """Let the writer thread have the interpreter's lock for a moment, once a turn."""
        if self._appending:
            time.sleep(YIELD_S)

    def _set_alarm(self) -> None:
        deadline_us = self.node.deadline_us
        if deadline_us == self._alarm_us:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_us = deadline_us
        self._alarm = (
            None if deadline_us is None else self._loop.call_at(deadline_us / 1e6 - self._suspended_s(), self._ring)
        )

    def _ring(self) -> None:
        self._alarm = self._alarm_us = None
        self.post(Wakeup())

    # --- effects out -------------------------------------------------------------------------------------------------

    def _perform(self, effect: Effect) -> None:
        assert self.endpoint is not None
        match effect:
            case Send(links, frame, lane):
                self.endpoint.send(links, encode_frame(frame), lane, greeting=isinstance(frame, Hello))
            case Append():
                self._appending[effect.append] = self._loop.time()
                self.store.append(effect)
            case Load():
                self.store.load(effect)
            case Tell(sessions, operation):
                self._outside.tell(sessions, operation)
            case Dial(address):
                self.endpoint.dial(address)
            case Hangup(link, code, about):
                self.endpoint.hangup(link, code, about)
            case Count(metric, by, gauge):
                self._outside.count(metric, by, gauge=gauge)
            case Report(code, about):
                self._outside.report(code, about)
            case Drained():
                if not self._ended.done():
                    self._ended.set_result(True)

    def _watch_space(self, free_bytes: int) -> None:
        """While the disk is short of space, look every second whether it still is."""
        if free_bytes < self._reserve_bytes and self._space is None:
            self._space = self._loop.call_later(SPACE_EVERY_S, self._look_at_space)

    def _look_at_space(self) -> None:
        self._space = None
        free_bytes = self.store.free_bytes()
        self.post(DiskSpace(free_bytes))
        self._watch_space(free_bytes)

    # --- life --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until the node has drained. Raises `HostError` when it cannot go on, whatever else when we have a bug."""
        assert self.endpoint is not None
        self.store.start(self._post_from_thread, self._fail)
        free_bytes = self.store.free_bytes()
        entropy = secrets.token_bytes(32)
        self._inbox.insert(0, Started(self.store.recovered, entropy, free_bytes))
        self._watch_space(free_bytes)
        self._plan()
        clean = False
        try:
            clean = await self._ended
        finally:
            for handle in (self._alarm, self._space):
                if handle is not None:
                    handle.cancel()
            self._planned = True  # nothing ticks any more
            await self.endpoint.close()
            await self._loop.run_in_executor(None, lambda: self.store.close(clean=clean))

    def drain(self, within_s: float) -> None:
        """Stop in good order, at the latest after so many seconds; `run` returns then."""
        self.post(Draining(self._now().mono_us + int(within_s * 1e6)))


def too_early(wall_ms: int) -> HostError | None:
    """The fault of a clock that shows a year before 2020, if it does."""
    if wall_ms >= CLOCK_LEAST_MS:
        return None
    shown = time.strftime("%Y-%m-%d", time.gmtime(wall_ms / 1000))
    return HostError(Code.CLOCK_UNSET, f"the clock shows {shown}")


CLOCK_LEAST_MS = 1_577_836_800_000
"""1 January 2020."""
