"""A subscription as an application reads it: an asynchronous iterator of messages and gaps.

What the node delivered and the application has not taken waits here, bounded by the credit that was granted; taking
grants more. The cursor is that of what was *taken*: whoever starts again from it misses nothing and sees nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from mesh.client.effects import Covered, Delivered, Missed
from mesh.client.seen import Seen
from mesh.clocks.vector import VersionVector
from mesh.types import log_text
from nodes.sdk.cursor import Cursor
from nodes.sdk.messages import Gap, GossamerError, Message

Item = Delivered | Covered | Missed


class Subscription:
    """Messages and gaps of some patterns. Iterate it; leave it by `async with`, or `close`."""

    def __init__(
        self, number: int, consumed: Callable[[int, int], None], end: Callable[[], None], seen: Seen | None = None
    ) -> None:
        """Made by `Client.subscribe`; `seen` is what was shown before the cursor that it begins with."""
        self.number = number
        self._consumed = consumed
        self._end = end
        self._items: deque[Item] = deque()
        self._arrived = asyncio.Event()
        self._cursor: VersionVector | None = None
        self._seen = seen.copy() if seen is not None else Seen()
        self._fault: BaseException | None = None
        self._closed = False
        self.began = asyncio.Event()
        """Set once the node has answered; whatever is published afterwards will be delivered."""

    # --- what the client hands over ----------------------------------------------------------------------------------

    def begin(self, cursor: VersionVector) -> None:
        """The subscription stands, with this cursor, if it has none yet."""
        if self._cursor is None:
            self._cursor = cursor
        self.began.set()

    def put(self, item: Item) -> None:
        """Something was delivered."""
        if isinstance(item, Covered) and not self._items and self._cursor is not None:
            self._cursor.add(item.log, item.first, item.last)
            return
        self._items.append(item)
        self._arrived.set()

    def fail(self, fault: BaseException) -> None:
        """It is over: what was delivered can still be taken, then this is raised."""
        self._fault = self._fault or fault
        self.began.set()
        self._arrived.set()

    # --- what the application does -----------------------------------------------------------------------------------

    @property
    def cursor(self) -> Cursor:
        """All that was taken. Valid on every node, for the whole retention."""
        return Cursor(self._cursor if self._cursor is not None else VersionVector(), self._seen)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Message | Gap:
        while True:
            found = self.take()
            if found is not None:
                return found
            if self._fault is not None:
                raise self._fault
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()

    def take(self) -> Message | Gap | None:
        """The next message or gap if one has arrived."""
        while self._items:
            item = self._items.popleft()
            cursor = self._cursor
            assert cursor is not None
            match item:
                case Delivered(_, log, first, position, record, late):
                    cursor.add(log, first, position)
                    self._seen.note(record)
                    self._consumed(1, len(record.payload))
                    return Message(log, position, record, late)
                case Missed(_, log, first, last, reason, may_fill):
                    if not may_fill:
                        cursor.add(log, first, last)
                    return Gap(log_text(log), first, last, reason, may_fill)
                case Covered(_, log, first, last):
                    cursor.add(log, first, last)
        return None

    async def ready(self) -> Subscription:
        """Wait until the node has answered. Raises `GossamerError` if it refused."""
        await self.began.wait()
        if isinstance(self._fault, GossamerError):
            raise self._fault
        return self

    def close(self) -> None:
        """End it; iterating stops after what has arrived."""
        if not self._closed:
            self._closed = True
            self._end()
            self._arrived.set()

    async def __aenter__(self) -> Self:
        await self.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
