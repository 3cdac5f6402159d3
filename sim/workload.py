"""Applications in a world: the client's real machine, what it published, and what it was shown.

An `App` runs `mesh.client.Client` over simulated connections to gateways, which are named by their machine. It keeps a
*ledger* of what it published and how durable it was told that is, and for each subscription a *diary* of what it was
shown, in order; `sim.checkers` holds the one against the other. An application reads as fast as it likes: `reads`
turned off takes nothing any more, so that its credit runs out and it falls behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from mesh.client import Client, ClientConfig
from mesh.client import effects as fx
from mesh.client.effects import ClientEffect
from mesh.client.machine import CONNECTING
from mesh.client.outbox import Held
from mesh.clocks.vector import VersionVector
from mesh.log.record import CONTENT_MASK
from mesh.operations import (
    ClientOperation,
    Draft,
    Gap,
    GapReason,
    Goodbye,
    History,
    HistoryPage,
    Inspect,
    Messages,
    NodeOperation,
    Receipt,
    SlowPolicy,
    Status,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from mesh.types import US_PER_MS, LogId, NodeId, SessionId
from sim import levels, telling
from sim.checkers import Watch
from sim.clock import WALL_MS
from sim.diary import NOWHERE, Diary, Entry, Ledger, Name, Shown
from sim.network import Delay
from sim.tape import Stream
from sim.world import Machine, World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.reader import Readers

CONNECT_US = 1_000
"""What it takes to reach a gateway beside the application."""
BESIDE = Delay(500, 0)
DRESSED_IN = 8
CHECK_ALL_RUNS = 64
HELD_MANY = 256
"""Where a client holds more publishes than this, they are all looked at once in so many times only."""


@dataclass
class App:
    """An application with one client. `gateways` are names of machines, tried in order."""

    world: World
    name: str
    gateways: list[str]
    config: ClientConfig = field(default_factory=ClientConfig)
    life: int = 0
    """How often its process was started; each life has an incarnation of its own."""
    ledger: Ledger = field(default_factory=dict)
    watch: Watch | None = None
    """Who looks on as things happen, if anybody."""
    uplink: Delay = BESIDE
    """One way between it and any gateway."""
    offline: bool = False
    """It has no connection, and none can be made."""
    ttls_us: Mapping[NodeId, int] = field(default_factory=dict)
    """How long its messages live where it does not say, as the node says that takes them; none: longer than any run."""
    diaries: dict[int, Diary] = field(default_factory=dict)
    left: dict[int, Diary] = field(default_factory=dict)
    """Of the subscriptions that its process has left."""
    past: list[Diary] = field(default_factory=list)
    """The same of all its processes."""
    statuses: list[Status] = field(default_factory=list)
    """Of nodes, as they were asked for."""
    pages: list[HistoryPage] = field(default_factory=list)
    """Of history, as they were asked for, where nobody else takes them."""
    readers: Readers | None = None
    """Who reads the past for it."""
    reads: bool = True
    unread: list[tuple[int, int]] = field(default_factory=list)
    """What it has not taken: the subscription and the bytes of each message."""
    states: list[str] = field(default_factory=list)
    session: SessionId | None = None
    attempts: int = 0
    """How often it has begun to connect."""
    _released: dict[tuple[SessionId, int], int] = field(default_factory=dict)
    """Subscriptions that a node was told to end, and in which of its ticks it hears of that."""
    _told_us: int = -1
    """When what it hears left the node."""
    home: Machine | None = None

    def __post_init__(self) -> None:
        """Begin to connect."""
        self._open()

    def _open(self) -> None:
        self.life += 1
        rng = self.world.rng.fork(f"app/{self.name}/{self.life}")
        if self.life == 1:
            self._uplink_rng: Stream = rng.fork("uplink")
            self._headers_rng: Stream = rng.fork("headers")
            self._up_us = self._down_us = 0
        self.client = Client(self.config, self.name, 1 + rng.below(1 << 62), list(self.gateways), rng)
        self._alarm_us = -1
        self._runs = 0
        self._run(self.client.start(self.world.now_us))

    # --- wishes ------------------------------------------------------------------------------------------------------

    def publish(self, channel: str, payload: bytes, *, copies: int = 1, regions: int = 1, ttl_ms: int = 0) -> Name:
        """Publish a message; its name is returned, under which it stands in the ledger."""
        headers, flags = self._dress()
        sequence = self.client.publish(Draft(channel, 0, payload, flags, ttl_ms, headers or None), copies, regions)
        name = (self.name, self.client.incarnation, sequence)
        now_us = self.world.now_us
        gateway = self.home.name if self.session is not None and self.home is not None else ""
        entry = Entry(channel, payload, mortal=ttl_ms > 0, at_us=now_us, gateway=gateway, wanted=(copies, regions))
        entry.headers, entry.flags, entry.ttl_ms = headers, flags, ttl_ms
        lives_us = (ttl_ms * 1_000,) if ttl_ms else self._lives_us
        if len(lives_us) == 1:  # else it is known when a node has taken it
            entry.expires_us = now_us + lives_us[0]
        self.ledger[name] = entry
        if self.watch is not None:
            self.watch.ledger[name] = entry
            entry.undated = any(self.watch.is_reached(now_us + each) for each in lives_us)
        self._run(self.client.flush(now_us))
        return name

    @cached_property
    def _lives_us(self) -> tuple[int, ...]:
        """How long a message lives where it does not say, as one node or another says."""
        return tuple(sorted(set(self.ttls_us.values())))

    def _dress(self) -> tuple[dict[str, str], int]:
        """Headers and a content type, which one message in eight has: they are no less part of it than its payload."""
        rng = self._headers_rng
        if rng.below(DRESSED_IN) != DRESSED_IN - 1:
            return {}, 0
        return {f"key-{rng.below(3)}": f"{rng.below(1 << 20):x}"}, rng.below(CONTENT_MASK + 1)

    def subscribe(
        self,
        *patterns: str,
        cursor: VersionVector | None = None,
        since_ms: int | None = None,
        policy: SlowPolicy = SlowPolicy.ALL,
    ) -> int:
        """Subscribe; without a cursor or a time, from now. The number of its diary is returned."""
        number, effects = self.client.subscribe(patterns, cursor=cursor, since_ms=since_ms, policy=policy)
        whole = cursor is not None and not len(cursor)
        from_now = cursor is None and since_ms is None
        diary = self.diaries[number] = Diary(patterns, policy, whole=whole, from_now=from_now, owner=self.name)
        diary.since_ms = since_ms if cursor is None else None
        diary.asked_us = self.world.now_us
        for each in self.diaries.values():
            each.is_one_of_several = len(self.diaries) > 1
        self._run(effects)
        return number

    def subscribe_from(self, since: str | int, patterns: tuple[str, ...], policy: SlowPolicy) -> int:
        """Subscribe from the `beginning`, from `now`, or from so many µs ago, as scenarios say it."""
        if isinstance(since, int):
            since_ms = WALL_MS + (self.world.now_us - since) // 1_000
            return self.subscribe(*patterns, since_ms=since_ms, policy=policy)
        return self.subscribe(*patterns, cursor=VersionVector() if since == "beginning" else None, policy=policy)

    def unsubscribe(self, patterns: tuple[str, ...]) -> bool:
        """Leave the subscriptions that were asked for with exactly these patterns; whether there are any."""
        numbers = [number for number, diary in self.diaries.items() if set(diary.patterns) == set(patterns)]
        for number in numbers:
            diary = self.left[number] = self.diaries.pop(number)
            diary.left_us = self.world.now_us
            self.past.append(diary)
            self._run(self.client.unsubscribe(number))
        return bool(numbers)

    def give_up(self) -> bool:
        """Wait no more for receipts of what was published until now; whether there was anything to wait for."""
        waiting = [sequence for sequence, _ in self.waiting()]
        for sequence in waiting:
            self.client.outbox.drop(sequence)
        return bool(waiting)

    @property
    def books(self) -> list[Diary]:
        """All its diaries, with those of subscriptions that it has left."""
        return [*self.diaries.values(), *self.past]

    def ask(self, request: History | Inspect) -> int:
        """Ask for a page of history, which comes into `pages`, or for what a node says of itself, into `statuses`.

        The number of the question is returned.
        """
        number, effects = self.client.ask(request)
        self._run(effects)
        return number

    def end(self) -> None:
        """End for good."""
        self._hang_up()
        self.gateways = []
        self.client.close()

    def take_all(self) -> None:
        """Read on, beginning with all that was not taken."""
        self.reads = True
        unread, self.unread = self.unread, []
        for number, size in unread:
            self._run(self.client.consumed(number, 1, size))

    def drop(self) -> None:
        """Lose the connection, without a word to either side's application."""
        self._disconnect("dropped")

    def kill(self) -> None:
        """End the process and start it again: another incarnation, the same diaries, cursors as they were kept."""
        kept = {number: (self.client.cursor(number), self.client.seen(number)) for number in self.diaries}
        old = self.diaries
        self._hang_up()
        self._open()
        self.diaries, self.left = {}, {}
        for number, diary in sorted(old.items()):
            cursor, seen = kept[number]
            again, effects = self.client.subscribe(
                diary.patterns, cursor=cursor, seen=seen, since_ms=diary.since_ms, policy=diary.policy
            )
            self.diaries[again] = diary
            self._run(effects)

    def move(self, *gateways: str) -> None:
        """Go to other gateways, as the same process."""
        self.gateways = list(gateways)
        self.client._known = list(gateways)  # as after a go-away: the first try elsewhere is at once
        self.client.failures = -1
        if self._hang_up() or self.client.state == CONNECTING:
            self._run(self.client.on_disconnected("moved", self.world.now_us))

    def limit_to(self, gateways: list[str]) -> None:
        """Never go anywhere else any more; it is attached to one of them."""
        self.gateways = list(gateways)
        self.client._known = list(gateways)

    def waiting(self) -> list[tuple[int, Held]]:
        """Publishes that have not reached their level, by their sequence."""
        return list(self.client.outbox._held.items())

    # --- the connection ----------------------------------------------------------------------------------------------

    def _run(self, effects: list[ClientEffect]) -> None:
        for effect in effects:
            self._perform(effect)
        self._runs += 1
        if len(self.client.outbox) > HELD_MANY and self._runs % CHECK_ALL_RUNS:
            self.client.check()
        else:
            self.client.check_all()
        deadline_us = self.client.deadline_us()
        if deadline_us is not None and deadline_us != self._alarm_us:
            self._alarm_us = deadline_us
            life = self.life
            self.world.at(deadline_us, self._ring, life, deadline_us)

    def _ring(self, life: int, deadline_us: int) -> None:
        if life == self.life and deadline_us == self._alarm_us:
            self._alarm_us = -1
            self._run(self.client.on_timer(self.world.now_us))

    def _perform(self, effect: ClientEffect) -> None:
        match effect:
            case fx.Delivered(number) | fx.Missed(number) | fx.Began(number) | fx.Covered(number) if (
                number in self.left
            ):
                self._hear_of_what_was_left(self.left[number], "its client shows")
            case fx.Connect(gateway, at_us):
                self.attempts += 1
                self.world.at(at_us + CONNECT_US, self._connect, self.life, self.attempts, gateway)
            case fx.Disconnect():
                self._disconnect("closed")
            case fx.Transmit(operation):
                if self.session is not None and self.home is not None:
                    self._transmit(self.home, self.session, operation)
            case fx.Delivered():
                self._see(effect)
            case fx.Missed(number):
                diary = self.diaries[number]
                diary.missed.append(effect)
                if self.watch is not None:
                    telling.on_missed(self.watch, self.world, self.home, diary, effect, self._told_us)
                self.world.cover(f"gap/{effect.reason.value}")
                if (
                    effect.reason is GapReason.EXPIRED
                    and self.home is not None
                    and self.home.may_call_dead(self.world.now_us)
                ):
                    diary.misjudged.append(effect)
                    self.world.cover("gap/expired-by-a-lone-wrong-clock")
            case fx.Reached(receipt):
                for sequence in range(receipt.first, receipt.last + 1):
                    entry = self.ledger.get((self.name, self.client.incarnation, sequence))
                    if entry is not None:
                        entry.rise(receipt.copies, receipt.regions, self.world.now_us)
            case fx.Rejected(what, number, code, why):
                name = (self.name, self.client.incarnation, number)
                self.world.cover(f"rejected/{code}")
                if what in ("publish", "level") and name in self.ledger:
                    self._refused(name, self.ledger[name], code, why, is_level=what == "level")
                elif what == "request" and self.readers is not None:
                    self.readers.on_refused(self, number, f"{code} {why}")
            case fx.Began(number):
                self._begin(self.diaries[number], self.client.cursor(number))
            case fx.Changed(state, gateway, why):
                self.states.append(f"{state} {gateway} {why}".rstrip())
            case fx.Answered(answer):
                if isinstance(answer, HistoryPage) and self.readers is not None:
                    self.readers.on_page(self, answer, self._told_us)
                elif isinstance(answer, HistoryPage):
                    self.pages.append(answer)
                else:
                    self.statuses.append(answer)
            case fx.Covered(number, log, first, last):
                self.diaries[number].heard.pass_to(log, last)
                self._hear_covered(self.diaries[number], log, first, last)

    def _retry(self) -> None:
        """A session begins, in which all is sent again that was sent in another."""
        for sequence, _ in self.waiting():
            entry = self.ledger.get((self.name, self.client.incarnation, sequence))
            if entry is not None and entry.gateway:
                entry.is_retried = True

    def _see(self, effect: fx.Delivered) -> None:
        """A message is shown to the application."""
        number, record = effect.subscription, effect.record
        diary = self.diaries[number]
        self._hear_covered(diary, effect.log, effect.first, effect.position)
        gateway = self.home.name if self.home is not None else ""
        shown = Shown(effect.log, effect.position, record, effect.late, self.world.now_us, gateway, self._told_us)
        diary.shown.append(shown)
        if self.watch is not None:
            telling.on_shown(self.watch, self.world, diary, shown)
            self.watch.on_shown(diary, shown)
        if self.reads:
            self._run(self.client.consumed(number, 1, len(record.payload)))
        else:
            self.unread.append((number, len(record.payload)))

    def _hear_covered(self, diary: Diary, log: LogId, first: int, last: int) -> None:
        """Places need not be shown any more: if their node still lives the life in which it said so, they are there."""
        if self.watch is not None and self.home is not None and self.session in self.home.sessions:
            telling.on_covered(self.watch, self.home, diary, log, first, last, self._told_us)

    def _begin(self, diary: Diary, cursor: VersionVector | None) -> None:
        """A subscription stands, or again; where it did for the first time, it begins behind what its cursor holds."""
        if not diary.began:
            diary.began, diary.began_us = True, self.world.now_us
            if self.home is None or diary.before[:2] != (self.home.name, self.home.life):
                diary.before = NOWHERE
            for log, positions in cursor.items() if cursor is not None else ():
                diary.heard.pass_to(log, positions.last)
        else:
            diary.heard.behind = diary.heard.awaited.copy()

    def _refused(self, name: Name, entry: Entry, code: str, why: str, *, is_level: bool) -> None:
        """A publish is refused for good. That is for what no node may take, and nothing such is published here.

        Its level is given up where a node has taken it and it is dead: not before it has lived as long as it was to.
        """
        lives_us = entry.ttl_ms * US_PER_MS or min(self._lives_us, default=0)
        if is_level and lives_us and 0 <= entry.first_told_us <= self.world.now_us - lives_us:
            return
        entry.refused = code
        if self.watch is not None and self.home is not None:
            self.watch.on_refused(name, entry, self.home.name, f"{code} {why}")

    def _said(self, receipt: Receipt, home: Machine) -> None:
        """A node says how durable publishes are: disks are looked at now, and not when its client hears of it."""
        for sequence in range(receipt.first, receipt.last + 1):
            name = (self.name, self.client.incarnation, sequence)
            entry = self.ledger.get(name)
            if entry is None:
                continue
            before = entry.said
            if home.name not in entry.said_by:
                entry.said_us = self.world.now_us if entry.said_us < 0 else entry.said_us
                entry.said_by = (*entry.said_by, home.name)
            self._dated(name, entry, home)
            if entry.expires_us and home.has_sealed(name) and home.is_misled(self.world.now_us):
                entry.misdated = True  # it lives from its stamp, and nobody had shown that node what the time is
            entry.said = max(before[0], receipt.copies), max(before[1], receipt.regions)
            if self.watch is not None:
                levels.on_said(self.watch, self.world, home, name, receipt, before)

    def _dated(self, name: Name, entry: Entry, home: Machine) -> None:
        """Nodes have taken a message: where it does not say so itself, the first of these says when it expires."""
        if entry.ttl_ms or home.node is None or len(self._lives_us) < 2:
            return
        bad = {machine.node_id for machine in self.world.machines.values() if machine.is_bad}  # it copies what it likes
        takers = {run.log.node for run in home.node.holdings.names.find(*name)} - bad
        found = [entry.at_us + self.ttls_us[node] for node in takers if node in self.ttls_us]
        if entry.expires_us:
            found.append(entry.expires_us)
        if found:
            entry.expires_us = min(found)
            if self.watch is not None:
                entry.undated = entry.undated or self.watch.is_reached(entry.expires_us)

    def _transmit(self, home: Machine, session: SessionId, operation: ClientOperation) -> None:
        """An operation crosses the uplink, in order."""
        now_us = self.world.now_us
        self._up_us = max(self._up_us, now_us + self.uplink.draw(self._uplink_rng) - BESIDE.base_us)
        if self._up_us == now_us:
            self._request(home, session, operation)
        else:
            self.world.at(self._up_us, self._request, home, session, operation)

    def _request(self, home: Machine, session: SessionId, operation: ClientOperation) -> None:
        if session != self.session or home is not self.home or self.offline:
            return
        if isinstance(operation, Subscribe) and home.node is not None:
            diary = self.diaries.get(operation.subscription)
            if diary is not None and not diary.whole and not diary.began:
                diary.before = home.name, home.life, home.node.holdings.stored_vector()
        self.world.request(home, session, operation)
        if isinstance(operation, Unsubscribe):
            self._released[session, operation.subscription] = home.ticks + 1

    def _connect(self, life: int, attempt: int, gateway: str) -> None:
        if life != self.life or attempt != self.attempts:
            return
        machine = self.world.machines[gateway]
        if machine.node is None or self.offline or machine.paused:
            self._run(self.client.on_disconnected("refused", self.world.now_us))
            return
        self.home = machine
        self.session = session = self.world.connect(machine, lambda operation: self._arrives(life, session, operation))
        self._retry()
        self._run(self.client.on_connected(self.world.now_us))

    def _arrives(self, life: int, session: SessionId, operation: NodeOperation) -> None:
        """An operation has left the node; it crosses the uplink in order."""
        now_us = self.world.now_us
        if isinstance(operation, Receipt) and session == self.session and self.home is not None:
            self._said(operation, self.home)
        if isinstance(operation, Messages | Gap | Subscribed) and session == self.session and self.home is not None:
            heard_tick = self._released.get((session, operation.subscription))
            if heard_tick is not None and self.home.said_tick > heard_tick and operation.subscription in self.left:
                self._hear_of_what_was_left(self.left[operation.subscription], f"{self.home.name} tells")
        self._down_us = max(self._down_us, now_us + self.uplink.draw(self._uplink_rng) - BESIDE.base_us)
        if self._down_us == now_us:
            self._hear(life, session, operation, now_us)
        else:
            self.world.at(self._down_us, self._hear, life, session, operation, now_us)

    def _hear(self, life: int, session: SessionId, operation: NodeOperation, told_us: int) -> None:
        if life != self.life or self.session != session or self.offline:
            return
        self._told_us = told_us
        self._run(self.client.on_operation(operation, self.world.now_us))
        if isinstance(operation, Goodbye):
            self._disconnect("the node said goodbye")

    def _hear_of_what_was_left(self, diary: Diary, who: str) -> None:
        if self.watch is not None:
            telling.on_left(self.watch, diary, who)

    def _hang_up(self) -> bool:
        session, home, self.session = self.session, self.home, None
        if session is not None and home is not None:
            self.world.disconnect(home, session)
        return session is not None

    def _disconnect(self, why: str) -> None:
        if self._hang_up():
            self._run(self.client.on_disconnected(why, self.world.now_us))
