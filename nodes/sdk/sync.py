"""The SDK for scripts without an event loop: the same calls, blocking, over a loop in a thread of its own.

with gossamer.sync.connect("localhost") as client:
client.publish("room/42", {"text": "hello"})
for message in client.subscribe("room/#", since="1h"):
print(message.data)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from nodes.sdk import client as asynchronous
from nodes.sdk.cursor import Cursor
from nodes.sdk.messages import Gap, Message, Receipt
from nodes.sdk.subscription import Subscription as AsyncSubscription

T = TypeVar("T")


class Client:
    """One client of a mesh, for one thread at a time."""

    def __init__(self, *gateways: str, **options: Any) -> None:
        """Use `connect`."""
        self._gateways, self._options = gateways, options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gossamer", daemon=True)
        self._client: asynchronous.Client | None = None

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def __enter__(self) -> Self:
        self._thread.start()

        async def enter() -> asynchronous.Client:
            return await asynchronous.connect(*self._gateways, **self._options).__aenter__()

        try:
            self._client = self._call(enter())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _open(self) -> asynchronous.Client:
        assert self._client is not None, "use it with `with`"
        return self._client

    def close(self) -> None:
        """End; see the asynchronous client."""
        if self._client is not None:
            self._call(self._client.close())
            self._client = None
            self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def publish(
        self,
        channel: str,
        data: object,
        *,
        durability: str = "local",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        ttl_ms: int = 0,
    ) -> Receipt:
        """Publish, and wait until the message is as durable as asked for."""
        options: dict[str, Any] = {"durability": durability, "timeout": timeout, "headers": headers, "ttl_ms": ttl_ms}
        return self._call(self._open.publish(channel, data, **options))

    def subscribe(self, *patterns: str, since: object = None, policy: str = "all") -> Subscription:
        """Subscribe; iterate what is returned."""

        async def begin() -> AsyncSubscription:
            return await self._open.subscribe(*patterns, since=since, policy=policy).ready()

        return Subscription(self, self._call(begin()))

    def history(
        self, *patterns: str, limit: int | None = 100, since: object = None, backwards: bool = False
    ) -> list[Message | Gap]:
        """Messages of the past, all of them at once, and gaps where the node has not got part of the cut."""

        async def read() -> list[Message | Gap]:
            found = self._open.history(*patterns, limit=limit, since=since, backwards=backwards)
            return [message async for message in found]

        return self._call(read())

    def status(self) -> dict[str, object]:
        """What the node says of itself."""
        return self._call(self._open.status())


class Subscription:
    """Messages and gaps; iterating blocks until there is one."""

    def __init__(self, client: Client, subscription: AsyncSubscription) -> None:
        """Use `Client.subscribe`."""
        self._client = client
        self._subscription = subscription

    def __iter__(self) -> Iterator[Message | Gap]:
        return self

    def __next__(self) -> Message | Gap:
        async def next_one() -> Message | Gap | None:
            return await anext(self._subscription, None)

        found = self._client._call(next_one())
        if found is None:
            raise StopIteration
        return found

    @property
    def cursor(self) -> Cursor:
        """All that was taken."""
        return self._subscription.cursor

    def close(self) -> None:
        """End it."""

        async def end() -> None:
            self._subscription.close()

        self._client._call(end())


def connect(*gateways: str, **options: Any) -> Client:
    """Make a client; see `gossamer.connect`. Use it with `with`."""
    return Client(*gateways, **options)
