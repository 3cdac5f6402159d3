"""Applications with the SDK: what they publish stands in the ledger, what they are shown in diaries, as the heap's do.

Each client has a TCP proxy of its own before every gateway that it may use, so that it alone can lose its connection. A
diary holds what the application *took* from its subscription: what a killed process had not taken yet is owed to the
next one, which begins from the cursor of what was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mesh.client import ClientConfig
from mesh.client import effects as fx
from mesh.client.effects import ClientEffect
from mesh.client.machine import ATTACHED
from mesh.clocks.vector import VersionVector
from mesh.operations import SlowPolicy
from mesh.types import log_from_text
from nodes.sdk import Client, Cursor, Gap, GossamerError, Message
from nodes.sdk.subscription import Subscription
from sim.checkers import Watch
from sim.diary import Diary, Entry, Shown
from sim.proxy import TcpProxy
from sim.real.limits import durability_of

Hear = Callable[["Player", ClientEffect], None]


class Player(Client):
    """The SDK's client, that also tells what its machine says: receipts in full, refusals and changes."""

    def __init__(self, urls: list[str], name: str, config: ClientConfig, hear: Hear) -> None:
        """Go to these gateways and no others, in this order."""
        super().__init__(urls, name, "", None, config)
        self._hear = hear

    def _apply(self, effects: Iterable[ClientEffect]) -> None:
        kept = list(effects)
        for effect in kept:
            self._hear(self, effect)
        super()._apply(kept)

    @property
    def is_attached(self) -> bool:
        """Whether a gateway has taken it."""
        return self._machine.state == ATTACHED

    def prefer(self, urls: list[str]) -> None:
        """Try gateways in this order from now on, the first of them at once."""
        self._machine._known = list(urls)  # as after a go-away
        self._machine.failures = -1


@dataclass
class Reading:
    """A subscription as it is now, and who takes from it."""

    diary: Diary
    subscription: Subscription
    cursor: Cursor | None
    """Where it began."""
    task: asyncio.Task[None] | None = None


@dataclass
class App:
    """An application with one client."""

    name: str
    proxies: dict[str, TcpProxy]
    """Before each gateway that it may use, by the name of the node, in the order in which it tries them."""
    watch: Watch
    cover: Callable[[str], None]
    credit: int = 8_192
    ttl_default_us: int = 0
    diaries: list[Diary] = field(default_factory=list)
    news: int = 0
    """How much it was shown and told."""
    _posted: int = 0
    _readings: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the first client; `open` lets it connect."""
        self.targets = {node: proxy.target for node, proxy in self.proxies.items()}
        self.order = list(self.proxies)
        self._reads = asyncio.Event()
        self._reads.set()
        self.client = self._client()

    def _client(self) -> Player:
        self._posted = 0
        # It learns no gateways beyond its own: what nodes advertise would lead it round its proxies.
        config = ClientConfig(credit_messages=self.credit, gateways_max=len(self.order))
        return Player(self._urls(), self.name, config, self._hear)

    def _urls(self) -> list[str]:
        return [f"ws://{self.proxies[node].address}" for node in self.order]

    @property
    def at(self) -> str:
        """The node that it is attached to; empty if there is none."""
        if not self.client.is_attached:
            return ""
        return next((n for n, p in self.proxies.items() if self.client.gateway == f"ws://{p.address}"), "")

    # --- life --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin to connect, and to read."""
        client = self.client
        await client.__aenter__()
        for reading in self._readings:
            reading.task = asyncio.ensure_future(self._read(reading))

    async def close(self) -> None:
        """End the client, and its reading."""
        await self._end(self.client, self._readings)

    async def _end(self, client: Player, readings: list[Reading]) -> None:
        tasks = [reading.task for reading in readings if reading.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()

    async def kill(self) -> None:
        """End the process and start it again: another incarnation, the same diaries, cursors as they were kept."""
        self.drop()
        client, readings = self.client, self._readings
        ends = [reading.task for reading in readings if reading.task is not None]
        for task in ends:
            task.cancel()
        self.client, self._readings = self._client(), []
        for each in readings:
            began = each.subscription.began.is_set()
            cursor = each.subscription.cursor if began else each.cursor
            self._subscribe(each.diary, Cursor.parse(str(cursor)) if cursor is not None else None)
        await self._end(client, readings)
        await self.open()

    # --- wishes ------------------------------------------------------------------------------------------------------

    def subscribe(self, patterns: tuple[str, ...], since: str | int, policy: SlowPolicy) -> None:
        """Subscribe; `since` is `beginning` or `now`."""
        diary = Diary(patterns, policy, whole=since == "beginning", owner=self.name)
        self.diaries.append(diary)
        for each in self.diaries:
            each.is_one_of_several = len(self.diaries) > 1
        reading = self._subscribe(diary, _start(diary))
        if self.client._runner is not None:
            reading.task = asyncio.ensure_future(self._read(reading))

    def _subscribe(self, diary: Diary, cursor: Cursor | None) -> Reading:
        subscription = self.client.subscribe(*diary.patterns, cursor=cursor, policy=diary.policy.value)
        reading = Reading(diary, subscription, cursor)
        self._readings.append(reading)
        return reading

    def publish(self, channel: str, payload: bytes, copies: int, regions: int, ttl_ms: int) -> None:
        """Publish a message; it stands in the ledger under its name."""
        now_us = self.watch.now_us()
        future = self.client.post(channel, payload, durability=durability_of(copies, regions), ttl_ms=ttl_ms)
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # receipts are heard of elsewhere
        self._posted += 1
        lives_us = ttl_ms * 1_000 or self.ttl_default_us
        expires_us = now_us + lives_us if lives_us else 0
        entry = Entry(channel, payload, mortal=ttl_ms > 0, at_us=now_us, gateway=self.at, expires_us=expires_us)
        entry.wanted = copies, regions
        self.watch.ledger[self.name, self.client.incarnation, self._posted] = entry

    def drop(self) -> None:
        """Lose the connection, without a word to either side's application."""
        for proxy in self.proxies.values():
            proxy.drop_clients()

    def offline(self, *, is_offline: bool) -> None:
        """Have no connection, and get none; or get one again."""
        for node, proxy in self.proxies.items():
            proxy.target = None if is_offline else self.targets[node]
        if is_offline:
            self.drop()

    def move(self, to: list[str]) -> None:
        """Go to other gateways, as the same process."""
        self.order = [*to, *(node for node in self.order if node not in to)]
        self.client.prefer(self._urls())
        self.drop()

    def read(self, *, reads: bool) -> None:
        """Take what comes, or take nothing any more."""
        if reads:
            self._reads.set()
        else:
            self._reads.clear()

    def waits(self) -> list[str]:
        """What it has asked for and not been given: receipts, and beginnings."""
        found = [f"{self.name} waits for the receipts of {self.client.unsent}"] if self.client.unsent else []
        found += [f"{self.name} has not begun" for reading in self._readings if not reading.diary.began]
        return found

    # --- what comes --------------------------------------------------------------------------------------------------

    async def _read(self, reading: Reading) -> None:
        diary, subscription = reading.diary, reading.subscription
        try:
            while True:
                await self._reads.wait()
                self._take(diary, await anext(subscription))
        except GossamerError as error:
            self.cover(f"rejected/{error.code}")

    @property
    def books(self) -> list[Diary]:
        """What its subscriptions were shown."""
        return self.diaries

    def _take(self, diary: Diary, item: Message | Gap) -> None:
        self.news += 1
        if isinstance(item, Gap):
            number = self.diaries.index(diary)
            log = log_from_text(item.log)
            diary.missed.append(fx.Missed(number, log, item.first, item.last, item.reason, item.may_fill))
            self.cover(f"gap/{item.reason.value}")
            return
        shown = Shown(item.log_id, item.position, item.record, item.late, self.watch.now_us())
        diary.shown.append(shown)
        self.watch.on_shown(diary, shown)

    def _hear(self, client: Player, effect: ClientEffect) -> None:
        """What the machine says, before the SDK acts on it."""
        ledger, incarnation = self.watch.ledger, client.incarnation
        match effect:
            case fx.Reached(receipt):
                for sequence in range(receipt.first, receipt.last + 1):
                    entry = ledger.get((self.name, incarnation, sequence))
                    if entry is not None:
                        self.news += 1
                        self._reached(entry, receipt.copies, receipt.regions)
            case fx.Rejected("publish", number, code):
                self.cover(f"rejected/{code}")
                entry = ledger.get((self.name, incarnation, number))
                if entry is not None:
                    entry.refused = code
            case fx.Began(number) if client is self.client:
                for reading in self._readings:
                    if reading.subscription.number == number:
                        reading.diary.began = True
            case _:
                pass

    def _reached(self, entry: Entry, copies: int, regions: int) -> None:
        entry.rise(copies, regions, self.watch.now_us())


def _start(diary: Diary) -> Cursor | None:
    return Cursor(VersionVector()) if diary.whole else None
