"""The tail: how far each log may be delivered, and the readers that have read so far.

What may be delivered of a log is its stored prefix (the *horizon*), beyond which a hole waits to be filled. A hole that
no reachable peer can fill is given up after `hole_ms`, one that peers only say that they can after `hole_max_ms`: it is
reported (`missing`, may fill), the horizon moves past it, and what fills it later is delivered marked *late*. As the
horizon moves, each batch is matched once against the channels' groups of readers at the tail, and each group is told
once. A reader that cannot take it leaves its group with an exact cursor.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.codes import Code
from mesh.effects import Outcome, RepairDue, SetTimer, Tell, Timer
from mesh.engines.delivery.readers import Group, Groups, Reader
from mesh.engines.delivery.skim import Skim
from mesh.engines.delivery.twins import Twins
from mesh.errors import require
from mesh.log.batch import BATCH_BYTES_MAX, Batch
from mesh.log.holdings import Holdings
from mesh.log.record import Record
from mesh.operations import (
    Gap,
    GapReason,
    Goodbye,
    Messages,
    SlowPolicy,
)
from mesh.types import US_PER_MS, LogId, Now, SessionId

HOLE = "delivery.hole"
COVERAGE = "delivery.coverage"
HOLES_TOGETHER = 8
"""Holes that are noticed within so small a part of `hole_ms` are waited for together, as long as the last of them asks."""
LOOK_AGAIN_US = 100_000
REQUEST_STEP = 4
"""Engines number their reads in steps, each from its own start, so that the node knows whose an answer is."""


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """Readers of the log."""

    hole_ms: int = 30_000
    """A hole that no reachable peer can fill is reported after so long (protocol.md, 11)."""
    hole_max_ms: int = 3_600_000
    """A hole that does not begin to fill for so long is reported whoever says to have it: a peer may say so and lie."""
    coverage_ms: int = 5_000
    """Readers at the tail whom nothing concerned are told how far the log has come, so often at most."""
    load_bytes: int = 1 << 18
    """What is read from the disk for a reader at a time."""
    loads_max: int = 16
    """Reads under way for all readers."""
    backlog_max: int = 1_000
    """What `drop-oldest` and `latest` keep, and `disconnect` allows, in matching records."""
    recent_bytes: int = 16 << 20
    """Recent batches kept in memory, so that who is a little behind costs the disk nothing."""
    messages_max: int = 4_096
    """Records in one delivery."""
    message_bytes_max: int = 1 << 20
    """Bytes of encoded records in one delivery, headers included, unless one record or, at the tail, one batch has more."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(self.hole_ms <= self.hole_max_ms, "hole_ms <= hole_max_ms must hold")
        require(self.hole_ms > 0 and self.loads_max >= 1 and self.backlog_max >= 1, "limits are positive")
        require(self.load_bytes >= BATCH_BYTES_MAX and self.recent_bytes >= 0, "load_bytes must hold a batch")
        require(self.coverage_ms > 0 and self.message_bytes_max > 0, "limits are positive")
        require(self.messages_max == 4_096, "messages_max: a batch holds up to 4096 records, and so must a delivery")


@dataclass(slots=True)
class Holes:
    """Holes of a log, all below a position, that were noticed between two moments (monotonic µs)."""

    through: int
    began_us: int
    ended_us: int


@dataclass(slots=True)
class Tail:
    """The readers of this node, and the front of every log."""

    config: DeliveryConfig
    holdings: Holdings
    can_fill: Callable[[LogId, int, int], bool]
    everyone_was_asked: Callable[[int], bool] = lambda _: False
    """Whether every member of the mesh was asked, since a time (monotonic µs), for what is missing: what none has is lost."""
    readers: dict[tuple[SessionId, int], Reader] = field(default_factory=dict)
    groups: Groups = field(default_factory=Groups)
    deliverable: VersionVector = field(default_factory=VersionVector)
    horizon: dict[LogId, int] = field(default_factory=dict)
    """For each log, the position through which it was delivered or given up."""
    fresh: dict[LogId, None] = field(default_factory=dict)
    """Logs of which more was stored since the last settling."""
    late: dict[LogId, list[tuple[int, int]]] = field(default_factory=dict)
    """Holes that had been given up and have filled."""
    comparing: dict[int, LogId | Reader] = field(default_factory=dict)
    """Reads that compare copies, and who waits for them: a log at the tail, or a reader."""
    held_up: set[LogId] = field(default_factory=set)
    """Logs whose next batch waits for copies to be compared."""
    hungry: OrderedDict[tuple[SessionId, int], None] = field(default_factory=OrderedDict)
    """Readers that are behind, have credit, and wait for their turn."""
    holes: dict[LogId, list[Holes]] = field(default_factory=dict)
    """For each log that waits at a hole, its holes by when they were noticed."""
    noticed_us: dict[LogId, int] = field(default_factory=dict)
    """When the last hole of a log was noticed, or made: who was asked before that was not asked for it."""
    claimed: dict[LogId, tuple[int, int]] = field(default_factory=dict)
    """For each log that waits at a hole that somebody says to have, its first position, and since when (monotonic µs)."""
    expiry_ms: int = 0
    """What expires up to this time is dead; the node says it at the beginning of each tick."""
    next_request: int = 2
    revision: int = 0
    _revised: dict[LogId, int] = field(default_factory=dict)
    twins: Twins = field(init=False)
    to_cover: bool = False
    """Readers whom nothing concerned in a log that came farther are to be told so: settling sets `_covering`, a timer."""
    _covering: bool = False

    def __post_init__(self) -> None:
        """Share the names with the holdings."""
        self.twins = Twins(self.holdings)

    def recover(self) -> None:
        """What was stored before this life may be delivered as far as it has no hole."""
        for log, held in self.holdings.stored.items():
            frontier = held.frontier
            self.horizon[log] = frontier
            if frontier:
                self.deliverable.add(log, 1, frontier)
                self._revise(log)
            if held.positions.last > frontier:
                self.fresh[log] = None

    def _revise(self, log: LogId) -> None:
        self.revision += 1
        self._revised.pop(log, None)  # to the end
        self._revised[log] = self.revision

    def _request(self) -> int:
        request, self.next_request = self.next_request, self.next_request + REQUEST_STEP
        return request

    def on_stored(self, log: LogId, first: int, last: int) -> None:
        """More of a log is durable; `settle` delivers it."""
        if last <= self.horizon.get(log, 0):
            self.late.setdefault(log, []).append((first, last))
        else:
            self.fresh[log] = None

    def settle(self, now: Now) -> list[Outcome]:
        """Deliver what has become deliverable to the tail."""
        outcomes: list[Outcome] = []
        if self.late:
            late, self.late = self.late, {}
            for log in sorted(late):
                for first, last in sorted(late[log]):
                    if log in self.held_up:
                        self.late.setdefault(log, []).append((first, last))
                    elif self.holdings.stored_of(log).covers(first, last):
                        outcomes += self._deliver(log, first, last, late=True)
        fresh, self.fresh = self.fresh, {}
        for log in fresh if len(fresh) < 2 else sorted(fresh, key=self._age):
            if self._held(log) and log not in self.held_up:
                outcomes += self._advance(log, now)
        if self.to_cover:
            self.to_cover, self._covering = False, True
            outcomes.append(SetTimer(Timer(COVERAGE), now.mono_us + self.config.coverage_ms * US_PER_MS))
        return outcomes

    def _age(self, log: LogId) -> tuple[int, LogId]:
        """Orders logs by their newest record."""
        return (self.holdings.stored[log].stamp if self._held(log) else 0), log

    def _held(self, log: LogId) -> bool:
        return log in self.holdings.stored

    def _advance(self, log: LogId, now: Now) -> list[Outcome]:
        """Move the horizon of a log to its next hole."""
        horizon = self.horizon.get(log, 0)
        stored = self.holdings.stored_of(log)
        last = stored.last
        if stored.is_run(1, last) and horizon < last:  # there is no hole, as nearly always
            return self._deliver(log, horizon + 1, last, late=False)
        runs = stored.within(horizon + 1, max(last, horizon + 1))
        outcomes: list[Outcome] = []
        if runs and runs[0][0] == horizon + 1:
            outcomes += self._deliver(log, *runs.pop(0), late=False)
        if runs and log not in self.held_up:
            outcomes += self._notice(log, last, now)
        return outcomes

    def _notice(self, log: LogId, through: int, now: Now) -> list[Outcome]:
        """There are holes below a position: each has its time from when it was noticed, those of some moments together."""
        horizon, hole_us = self.horizon.get(log, 0), self.config.hole_ms * US_PER_MS
        known = [holes for holes in self.holes.get(log, ()) if holes.through > horizon]
        self.holes[log] = known
        if not known or through > known[-1].through:
            self.noticed_us[log] = now.mono_us
        if not known:
            known.append(Holes(through, now.mono_us, now.mono_us))
            return [SetTimer(Timer(HOLE, (log,)), now.mono_us + hole_us)]
        newest = known[-1]
        if through > newest.through:
            if len(known) > 1 and now.mono_us - newest.began_us < hole_us // HOLES_TOGETHER:
                newest.through, newest.ended_us = through, now.mono_us
            else:
                known.append(Holes(through, now.mono_us, now.mono_us))
        return []

    def on_hole_timer(self, log: LogId, now: Now) -> list[Outcome]:
        """Holes have stood for long: report them and go on behind them, unless somebody who can be reached can fill one."""
        hole_us = self.config.hole_ms * US_PER_MS
        known, claim = self.holes.pop(log, []), self.claimed.pop(log, None)
        younger = [holes for holes in known if holes.ended_us + hole_us > now.mono_us]
        through = max((holes.through for holes in known if holes not in younger), default=0)
        outcomes: list[Outcome] = []
        while self._held(log) and log not in self.held_up:
            horizon = self.horizon.get(log, 0)
            stored = self.holdings.stored_of(log)
            runs = stored.within(horizon + 1, max(stored.last, horizon + 1))
            if not runs or runs[0][0] == horizon + 1 or runs[0][0] > through:  # filled, or younger
                if younger:
                    self.holes[log] = younger
                    outcomes.append(SetTimer(Timer(HOLE, (log,)), younger[0].ended_us + hole_us))
                return [*outcomes, *self._advance(log, now)]
            first, last = horizon + 1, runs[0][0] - 1
            if self.can_fill(log, first, last) and self._is_awaited(log, first, claim, now):
                return [*outcomes, *self._notice(log, stored.last, now)]
            self.horizon[log] = last
            if not outcomes and not self.everyone_was_asked(self.noticed_us[log]):
                outcomes.append(RepairDue())  # else it would wait for the clock
            outcomes += self._tell_hole(log, first, last)
            outcomes += self._deliver(log, *runs[0], late=False)
        if self._held(log):  # copies are being compared, which takes a read: look at the same holes again after it
            self.holes[log] = known
            outcomes.append(SetTimer(Timer(HOLE, (log,)), now.mono_us + LOOK_AGAIN_US))
        return outcomes

    def _is_awaited(self, log: LogId, first: int, claim: tuple[int, int] | None, now: Now) -> bool:
        """Whether to wait on for what somebody says to have: not if it was said for long, and nothing of it has come."""
        if claim is None or claim[0] != first:
            claim = first, now.mono_us
        if claim[1] <= now.mono_us - self.config.hole_max_ms * US_PER_MS:
            return False
        self.claimed[log] = claim
        return True

    def _tell_hole(self, log: LogId, first: int, last: int) -> list[Outcome]:
        """Report a hole that was given up to whoever was not told what would have filled it."""
        outcomes: list[Outcome] = []
        for reader in self.readers.values():
            told = reader.extra if reader.cursor is None else reader.cursor
            for lo, hi in told.get(log).missing(first, last):  # a part may have been shown before its row was lost
                reader.told_missing.add(log, lo, hi)
                outcomes.append(self._gap(reader, log, lo, hi, self._why_missing(log, lo, hi)))
        return outcomes

    def _why_missing(self, log: LogId, first: int, last: int) -> GapReason:
        """Whether a hole is lost, as far as can be known: all were asked, and none has it. Beyond where a log ends none is."""
        was_asked = last <= self.holdings.forked.get(log, last) and self.everyone_was_asked(self.noticed_us.get(log, 0))
        return GapReason.LOST if was_asked and not self.can_fill(log, first, last) else GapReason.MISSING

    def _gap(self, reader: Reader, log: LogId, first: int, last: int, reason: GapReason) -> Outcome:
        may_fill = reason in (GapReason.MISSING, GapReason.LOST)  # what is lost is wanted all the same
        return Tell((reader.session,), Gap(reader.subscription, log, first, last, reason, may_fill))

    def _deliver(self, log: LogId, first: int, last: int, *, late: bool) -> list[Outcome]:
        """Deliver a run of a log to the tail, batch by batch, in as few deliveries as fit."""
        outcomes: list[Outcome] = []
        if not self.groups.groups and not self.holdings.names.movers:  # nobody is there, and no copies to compare
            self._pass(log, first, last)
            return outcomes
        start = first
        count = size = 0
        while first <= last:
            batch = self.holdings.at_hand(log, first)
            if batch is None:  # so much came at once that memory let go of it: everyone reads it from the disk
                outcomes += self._tell_groups(log, start, first - 1, late=late)
                self._scatter()
                self._pass(log, first, last)
                return outcomes
            unknown = self.twins.unknown(batch)
            if unknown:
                outcomes += self._tell_groups(log, start, first - 1, late=late)
                self.held_up.add(log)
                if late:
                    self.late.setdefault(log, []).append((first, last))
                request = self._request()
                self.comparing[request] = log
                return [*outcomes, self.twins.ask(unknown, request)]
            plain = sum(len(record.raw) for record in batch.records())  # its own size is that of what is compressed
            if count and (
                count + batch.head.length > self.config.messages_max or size + plain > self.config.message_bytes_max
            ):
                outcomes += self._tell_groups(log, start, first - 1, late=late)
                start, count, size = first, 0, 0
            count, size = count + batch.head.length, size + plain
            self._collect(batch)
            first = batch.last + 1
        return [*outcomes, *self._tell_groups(log, start, last, late=late)]

    def _collect(self, batch: Batch) -> None:
        """Match a batch's records against the groups, once for all of their readers."""
        if not self.groups.groups:
            return
        concerned, due = self.groups.concerned, self.groups.due
        if batch.body is None:  # dead, and nobody knows any more whom it concerned
            for group in self.groups.groups.values():
                group.expired.append((batch.first, batch.last))
            self.groups.due.update(self.groups.groups)
            return
        alive = batch.earliest_expiry_ms() > self.expiry_ms
        alone = not self.holdings.names.movers
        for position, record in enumerate(batch.records(), batch.first):
            groups = concerned(record.channel)
            if not groups:
                continue
            due.update([(group.key, group) for group in groups])
            if not alive and record.expires_ms <= self.expiry_ms:
                for group in groups:
                    group.expired.append((position, position))
            elif alone or not self._told_twin(record, (batch.log, position), self.deliverable):
                for group in groups:
                    group.collect(position, record)

    def _told_twin(self, record: Record, place: tuple[LogId, int], told: VersionVector) -> bool:
        """Whether an equal copy of a record was told already: one that was dead when this one was sealed, and is, never was.

        Where a log has two histories a cursor does not say which of them was told: the names that clients carry do.
        """
        forked, counts_ms = self.holdings.forked, min(stamp_ms(record.stamp), self.expiry_ms)
        copies = self.twins.others(record, place) or ()
        return any(
            told.covers(log, at, at) and at <= forked.get(log, at) and expires_ms > counts_ms
            for _, log, at, expires_ms in copies
        )

    def _pass(self, log: LogId, first: int, last: int) -> None:
        """A run may be delivered from now on."""
        self.holdings.touched[log] = True
        self.deliverable.add(log, first, last)
        self.horizon[log] = max(self.horizon.get(log, 0), last)
        self._revise(log)
        self.to_cover = not self._covering

    def _tell_groups(self, log: LogId, first: int, last: int, *, late: bool) -> list[Outcome]:
        """Tell the groups what was collected of a run; whoever cannot take it falls behind with a cursor before it."""
        if last < first:
            return []
        outcomes: list[Outcome] = []
        before: VersionVector | None = None
        is_foremost = self.deliverable.get(log).last <= last
        for group in self.groups.take_due():
            known = {r.session: r.extra.get(log) for r in group.readers.values() if r.extra}
            touched = {session for session, runs in known.items() if runs.touches(first, last)}
            if not group.records and not group.expired and not touched:
                continue
            ready: list[SessionId] = []
            ahead: list[SessionId] = []  # who were told elsewhere of more than is here
            for reader in list(group.readers.values()):
                session = reader.session
                if session in touched or reader.credit_messages < len(group.records) or not reader.has_credit:
                    before = before or self.deliverable.copy()
                    self._fall_behind(reader, before)
                    continue
                reader.spend(len(group.records), group.size)
                (ahead if is_foremost and session in known and known[session].last > last else ready).append(session)
            there = (*ready, *ahead)
            for lo, hi in IntervalSet(group.expired if there else ()):  # first, so that nobody writes past a gap
                outcomes.append(Tell(there, Gap(group.key[1], log, lo, hi, GapReason.EXPIRED)))
            if there and group.records:
                told = self._messages(group, log, first, last, late=late)
                outcomes += [Tell(tuple(ready), told)] if ready else []
                outcomes += [Tell(tuple(ahead), replace(told, late=tuple(range(len(told.records)))))] if ahead else []
            outcomes += self._count_missed(group)
            group.clear()
        self._pass(log, first, last)
        return outcomes

    def _messages(self, group: Group, log: LogId, first: int, last: int, *, late: bool) -> Messages:
        """What was collected for a group, with all that it was not told of before it."""
        if not late:
            first = self._untold_from(group, log, first)
            group.told[log] = last
        is_behind = (
            late and self.deliverable.get(log).last > last
        )  # else what filled was lost at the end of what was told
        marks = self._late_marks(group.records, log, self.deliverable, late=is_behind)
        conflicts = self._conflict_marks(group.records, log, group.positions)
        return Messages(group.key[1], log, first, last, tuple(group.positions), tuple(group.records), marks, conflicts)

    def _conflict_marks(self, records: list[Record], log: LogId, positions: list[int]) -> tuple[int, ...]:
        """Which records share their name with another message: a client must not take them for copies."""
        if not self.holdings.names.movers:
            return ()
        places = enumerate(zip(records, positions, strict=True))
        return tuple(i for i, (record, at) in places if self.twins.differs(record, (log, at)))

    def _late_marks(self, records: list[Record], log: LogId, told: VersionVector, *, late: bool) -> tuple[int, ...]:
        """Which records come after a successor: all that fill a hole; of a publisher that moved, those overtaken."""
        if late:
            return tuple(range(len(records)))
        names = self.holdings.names
        if not names.movers:
            return ()
        return tuple(i for i, record in enumerate(records) if names.overtaken(record, log, told))

    def _untold_from(self, group: Group, log: LogId, first: int) -> int:
        """Where the interval begins that a group is told of next: behind the last, and behind any hole."""
        told = group.told.get(log, 0)
        before = self.deliverable.get(log).within(told + 1, first - 1) if told + 1 < first else []
        return before[-1][0] if before and before[-1][1] == first - 1 else first

    def on_coverage_timer(self) -> list[Outcome]:
        """Tell readers whom nothing concerned how far the logs have come, so that they resume from there."""
        self._covering = False
        outcomes: list[Outcome] = []
        for group in self.groups.groups.values():
            for log, horizon in self.horizon.items():
                runs = self.deliverable.get(log).within(group.told.get(log, 0) + 1, horizon) if horizon else []
                group.told[log] = horizon
                if group.readers:
                    sessions = tuple(group.readers)
                    outcomes += [Tell(sessions, Messages(group.key[1], log, lo, hi, (), ())) for lo, hi in runs]
        return outcomes

    def _count_missed(self, group: Group) -> list[Outcome]:
        """End the sessions of readers that wanted it so and have missed too much."""
        outcomes: list[Outcome] = []
        for reader in list(group.stalled.values()):
            reader.missed += len(group.records)
            if reader.missed > self.config.backlog_max:
                text = f"more than {self.config.backlog_max} messages behind"
                outcomes.append(Tell((reader.session,), Goodbye(Code.READER_TOO_SLOW, text)))
                self.groups.leave(reader)
        return outcomes

    def _fall_behind(self, reader: Reader, before: VersionVector) -> None:
        """A reader leaves the tail, with a cursor of all that it was told."""
        reader.cursor = before.copy()
        reader.cursor.merge(reader.extra)
        reader.extra = VersionVector()
        reader.revision, reader.todo, reader.fell = self.revision, {}, True
        reader.missed = -reader.credit_messages if reader.has_credit else 0  # so much it gets, and does not miss
        if reader.policy is SlowPolicy.DISCONNECT:
            self.groups.stall(reader)
        else:
            self.groups.leave(reader)
        if reader.has_credit:
            self.hungry[reader.session, reader.subscription] = None
        self._skip_if_slow(reader)

    def _skip_if_slow(self, reader: Reader) -> None:
        """A reader that fell behind and has no credit left skips what it has missed, if it wants the newest alone."""
        is_slow = reader.fell and not reader.has_credit and reader.skim is None
        if is_slow and reader.cursor is not None and reader.policy in (SlowPolicy.DROP_OLDEST, SlowPolicy.LATEST):
            reader.skim = Skim(reader.policy is SlowPolicy.LATEST, self.config.backlog_max, reader.cursor.copy())

    def _scatter(self) -> None:
        """Memory has let go of what the tail needs: every reader has a cursor of its own until it has caught up."""
        for group in list(self.groups.groups.values()):
            group.clear()
            for reader in list(group.readers.values()):
                self._fall_behind(reader, self.deliverable)
        self.groups.due = {}

    def on_lost(self, log: LogId, first: int, last: int, now: Now) -> None:
        """A stored range was lost: whoever was told of it is not told again when it is back."""
        self.noticed_us[log] = now.mono_us
        runs = self.deliverable.get(log).within(first, last)
        for group in self.groups.groups.values() if runs else ():
            self.groups.beyond[group.key] = group
            for reader in group.readers.values():
                for lo, hi in runs:
                    reader.extra.add(log, lo, hi)
        self.deliverable.remove(log, first, last)

    def on_forget(self, log: LogId) -> None:
        """A log has wholly expired: nobody stands anywhere in it any more."""
        self.deliverable.forget(log)
        self.horizon.pop(log, None)
        self._revised.pop(log, None)
        self.late.pop(log, None)
        self.held_up.discard(log)
        self.holes.pop(log, None)
        self.noticed_us.pop(log, None)
        for group in self.groups.groups.values():
            group.told.pop(log, None)
        for reader in self.readers.values():
            reader.extra.forget(log)
            reader.told_missing.forget(log)
            if reader.cursor is not None:
                reader.cursor.forget(log)
