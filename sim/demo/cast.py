"""The cast: publishers that keep the ledger, and subscribers that write diaries, all with the SDK that everyone uses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Protocol

from mesh.client import ClientConfig
from nodes.sdk import Client, Gap, GossamerError, Message, Receipt, connect
from sim.demo.books import Books, Diary, Line, Name, payload_hash

CLIENT = ClientConfig(backoff_max_ms=500)
"""A restart is the point of the demo: a client that waits 10 s for its next try would only make it longer."""
PATTERN = "demo/#"
TICK_S = 0.02
ATTACH_S = 10.0
FLUSH_S = 20.0
WORDS = ("amber", "basalt", "cedar", "delta", "ember", "fjord", "garnet", "heather", "iris", "juniper", "kelp", "moss")


class Place(Protocol):
    """Where clients attach."""

    def urls(self, *regions: str) -> list[str]:
        """The gateways of some regions."""

    def region_of(self, url: str) -> str:
        """The region of a gateway."""


class Publisher:
    """Publishes at a steady rate, wherever it is attached, and keeps every receipt."""

    def __init__(
        self, region: str, elsewhere: tuple[str, ...], rate: int, books: Books, now: Callable[[], float]
    ) -> None:
        """Begin in a region; `elsewhere` is where it may go when that does not answer."""
        self.name = f"pub-{region}"
        self._regions = (region, *elsewhere)
        self._channel = f"demo/{region}"
        self._rate = rate
        self._books = books
        self._now = now
        self.sent = 0
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Publish no more; `run` ends when every publish has its receipt."""
        self._stop.set()

    async def run(self, place: Place, ready: asyncio.Event) -> None:
        """Publish from `ready` on. Receipts that have not come a while after the end are left out of the ledger."""
        gateways = place.urls(*self._regions)
        async with connect(*gateways, client=self.name, timeout=ATTACH_S, config=CLIENT) as client:
            await ready.wait()
            began_s = self._now()
            while not self._stop.is_set():
                due = int((self._now() - began_s) * self._rate)
                via = place.region_of(client.gateway)
                while self.sent < due:
                    self._publish(client, place, via)
                await asyncio.sleep(TICK_S)
            try:
                async with asyncio.timeout(FLUSH_S):
                    await client.flushed()
            except TimeoutError:
                pass  # the judge finds what has no receipt

    def _publish(self, client: Client, place: Place, via: str) -> None:
        self.sent += 1
        number = self.sent
        word, other = WORDS[number % len(WORDS)], WORDS[number // len(WORDS) % len(WORDS)]
        body = {"from": self.name, "number": number, "reading": round(20 + number % 97 / 7, 3), "words": [word, other]}
        payload = json.dumps(body).encode()
        name: Name = (self.name, client.incarnation, number)
        self._books.post(name, self._channel, payload, self._now(), via)

        def done(future: asyncio.Future[Receipt]) -> None:
            if future.cancelled():
                return
            error = future.exception()
            if error is None:
                assert future.result().sequence == number, "the SDK numbers publishes as they are made"
                self._books.acknowledge(name, self._now(), place.region_of(client.gateway))
            elif isinstance(error, GossamerError) and not self._stop.is_set():
                self._books.refused.append(f"{self.name} {number}: {error}")

        client.post(self._channel, payload).add_done_callback(done)


class Subscriber:
    """Writes down what it is shown. It can be stopped, and go on elsewhere with its cursor."""

    def __init__(
        self, name: str, region: str, elsewhere: tuple[str, ...], diary: Diary, now: Callable[[], float]
    ) -> None:
        """Begin in a region; `elsewhere` is where it may go when that does not answer."""
        self.name = name
        self.diary = diary
        self.via = region
        self.cursor: str | None = None
        """What it had been shown when it was last stopped."""
        self._regions = (region, *elsewhere)
        self._now = now

    def move(self, region: str, *elsewhere: str) -> None:
        """Attach there the next time."""
        self._regions = (region, *elsewhere)

    async def run(self, place: Place, standing: asyncio.Event) -> None:
        """Subscribe, from its cursor if it has one, and write until it is cancelled. Sets `standing` at the start."""
        gateways = place.urls(*self._regions)
        async with (
            connect(*gateways, client=self.name, timeout=ATTACH_S, config=CLIENT) as client,
            client.subscribe(PATTERN, cursor=self.cursor) as subscription,
        ):
            standing.set()
            try:
                async for item in subscription:
                    self._write(item, place.region_of(client.gateway))
            finally:
                self.cursor = str(subscription.cursor)

    def _write(self, item: Message | Gap, via: str) -> None:
        self.via = via
        if isinstance(item, Gap):
            self.diary.gaps.append(f"{item.log[:8]} {item.first}-{item.last} {item.reason.value}")
            return
        content = payload_hash(item.payload)
        self.diary.write(Line(item.name, item.channel, content, self._now(), via, item.late))
