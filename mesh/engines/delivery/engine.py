"""Delivery: a subscriber is a reader of the log, like a peer.

Readers at the tail are told as the logs grow (`tail`). A reader that is behind, because it began in the past or had no
credit, is read from the log as its credit allows: from memory where the batches still are, else from the disk; then it
joins the tail. Nothing is queued for anybody.

Deliveries name the interval of the log that they cover, messages in it or not; the client adds exactly that to its
cursor. Expired records are a gap, never silence. Equal copies of one message are delivered once (`twins`).

Invariants, checked by `check`: what may be delivered is stored; a reader is either in its group or has a cursor.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.effects import Load, Loaded, OfChannels, Outcome, Ranges, Since, Tell
from mesh.engines.delivery.joining import in_few
from mesh.engines.delivery.readers import Reader
from mesh.engines.delivery.skim import Skim
from mesh.engines.delivery.tail import Tail
from mesh.log.batch import Batch
from mesh.log.record import Record
from mesh.operations import (
    CreditGrant,
    GapReason,
    Messages,
    Subscribe,
    Subscribed,
)
from mesh.types import LogId, Now, SessionId


@dataclass(slots=True)
class Asked:
    """A read for a reader: the interval that it covers."""

    reader: Reader
    log: LogId
    first: int
    through: int


@dataclass(slots=True)
class Delivery(Tail):
    """All subscriptions of this node."""

    asked: dict[int, Asked] = field(default_factory=dict)
    since: dict[int, tuple[SessionId, Subscribe, VersionVector]] = field(default_factory=dict)
    """Subscriptions from a time, and what was stored when they asked: what lands until the disk answers comes after them."""

    # --- subscribing -------------------------------------------------------------------------------------------------

    def subscribe(self, session: SessionId, operation: Subscribe) -> list[Outcome]:
        """Begin a subscription; from a time, the disk has to say first where that is."""
        if operation.cursor is None and operation.since_ms is not None:
            request = self._request()
            self.since[request] = session, operation, self.holdings.stored_vector()
            return [Load(request, Since(operation.since_ms), self.config.load_bytes)]
        cursor = self.known() if operation.cursor is None else operation.cursor.copy()
        return self._begin(session, operation, cursor)

    def known(self) -> VersionVector:
        """All that was published before what comes, holes and all: what is missing of it does not concern who begins now."""
        last = self.horizon | {log: held.positions.last for log, held in self.holdings.stored.items()}
        return VersionVector((log, [(1, max(at, self.horizon.get(log, 0)))]) for log, at in last.items() if at)

    def _begin(self, session: SessionId, operation: Subscribe, cursor: VersionVector) -> list[Outcome]:
        reader = Reader(
            session,
            operation.subscription,
            tuple(sorted(set(operation.patterns))),
            operation.policy,
            operation.credit_messages,
            operation.credit_bytes,
            cursor,
        )
        self.readers[session, operation.subscription] = reader
        return [Tell((session,), Subscribed(operation.subscription, cursor.copy())), *self._wake(reader)]

    def unsubscribe(self, session: SessionId, subscription: int) -> list[Outcome]:
        """End a subscription."""
        self.since = {
            request: asked
            for request, asked in self.since.items()
            if (asked[0], asked[1].subscription) != (session, subscription)
        }
        reader = self.readers.pop((session, subscription), None)
        if reader is not None:
            self.groups.leave(reader)
            self.hungry.pop((session, subscription), None)
            if reader.request:
                self.asked.pop(reader.request, None)
        return self._feed()

    def on_session_closed(self, session: SessionId) -> list[Outcome]:
        """Nobody listens any more."""
        gone = {subscription for other, subscription in self.readers if other == session}
        gone |= {operation.subscription for other, operation, _ in self.since.values() if other == session}
        return [outcome for subscription in sorted(gone) for outcome in self.unsubscribe(session, subscription)]

    def on_credit(self, session: SessionId, grant: CreditGrant) -> list[Outcome]:
        """A client grants more, perhaps before the disk has said where its subscription begins."""
        reader = self.readers.get((session, grant.subscription))
        if reader is None:
            for request, (other, operation, stored) in self.since.items():
                if (other, operation.subscription) == (session, grant.subscription):
                    messages, size = _granted(operation, grant)
                    more = replace(operation, credit_messages=messages, credit_bytes=size)
                    self.since[request] = session, more, stored
            return []
        reader.credit_messages, reader.credit_bytes = _granted(reader, grant)
        reader.missed -= grant.messages
        return [] if reader.cursor is None else self._wake(reader)

    # --- the tail, and whoever fell behind it ------------------------------------------------------------------------

    @property
    def is_due(self) -> bool:
        """Whether `settle` has anything to do."""
        return bool(self.fresh or self.late or self.hungry or self.to_cover)

    def settle(self, now: Now) -> list[Outcome]:
        """Deliver what has become deliverable: to the tail at once, then to whoever is behind."""
        outcomes = Tail.settle(self, now)  # slots make a class anew, which `super()` does not know
        return outcomes + self._feed() if self.hungry else outcomes

    def on_hole_timer(self, log: LogId, now: Now) -> list[Outcome]:
        """A hole has stood for long: it may be given up."""
        return [*Tail.on_hole_timer(self, log, now), *self._feed()]

    # --- catching up -------------------------------------------------------------------------------------------------

    def _wake(self, reader: Reader) -> list[Outcome]:
        """A reader may go on, if it has credit and no read is under way for it."""
        if reader.has_credit and not reader.request:
            self.hungry[reader.session, reader.subscription] = None
        self._skip_if_slow(reader)
        return self._feed()

    def _feed(self) -> list[Outcome]:
        """Give readers that are behind their turns, as long as reads may be begun."""
        outcomes: list[Outcome] = []
        while self.hungry and len(self.asked) < self.config.loads_max:
            key, _ = self.hungry.popitem(last=False)
            reader = self.readers.get(key)
            if reader is not None and reader.cursor is not None and not reader.request:
                outcomes += self._read(reader, reader.cursor)
        return outcomes

    def _read(self, reader: Reader, cursor: VersionVector) -> list[Outcome]:
        """Read on for one reader, from memory as far as that goes, then from the disk; at the end it joins the tail."""
        outcomes: list[Outcome] = []
        while reader.has_credit:
            found = self._next_run(reader, cursor)
            if found is None:
                return [*self._in_few(outcomes), *self._join(reader, cursor)]
            log, first, last = found
            outcomes += self._tell_holes(reader, cursor, log, first)
            batch = self.holdings.at_hand(log, first)
            if batch is not None:
                told = self._process(reader, cursor, log, first, min(last, batch.last), [batch])
                if told is None:
                    return [*self._in_few(outcomes), *self._compare(reader, [batch])]
                outcomes += told
                continue
            reader.request = self._request()
            self.asked[reader.request] = Asked(reader, log, first, last)
            everything = "#" in reader.patterns
            query = Ranges(log, ((first, last),)) if everything else OfChannels(reader.patterns, log, first - 1, last)
            return [*self._in_few(outcomes), Load(reader.request, query, self.config.load_bytes)]
        self._skip_if_slow(reader)
        return self._in_few(outcomes)

    def _in_few(self, outcomes: list[Outcome]) -> list[Outcome]:
        return in_few(outcomes, self.config.messages_max, self.config.message_bytes_max)

    def _next_run(self, reader: Reader, cursor: VersionVector) -> tuple[LogId, int, int] | None:
        """What to read next: of the logs with something to read, the first of the one whose newest record is oldest."""
        if reader.revision < self.revision or not reader.todo:
            for log, revised in reversed(self._revised.items()):
                if revised <= reader.revision:
                    break
                reader.todo[log] = None
            reader.revision = self.revision
        for log in sorted(reader.todo, key=self._age):
            run = self.deliverable.get(log).beyond(cursor.get(log))
            if run is not None:
                return log, *run
            del reader.todo[log]
        return None

    def _tell_holes(self, reader: Reader, cursor: VersionVector, log: LogId, first: int) -> list[Outcome]:
        """Report the holes below a position that were given up, once."""
        outcomes: list[Outcome] = []
        holes = IntervalSet(cursor.get(log).missing(1, first - 1)) if first > 1 else IntervalSet()
        for lo, hi in holes.minus(reader.told_missing.get(log)):
            reader.told_missing.add(log, lo, hi)
            outcomes.append(self._gap(reader, log, lo, hi, self._why_missing(log, lo, hi)))
        return outcomes

    def _join(self, reader: Reader, cursor: VersionVector) -> list[Outcome]:
        """A reader has caught up: it stands at the tail now."""
        outcomes: list[Outcome] = []
        if reader.skim is not None:
            outcomes += self._tell_kept(reader, reader.skim)
            reader.skim = None
        for log, horizon in self.horizon.items():
            if self.deliverable.get(log).last < horizon:  # its end was lost: nothing to read stands behind the hole
                outcomes += self._tell_holes(reader, cursor, log, horizon + 1)
        reader.extra = cursor.difference(self.deliverable)
        for log in reader.extra.logs():
            if log in self.holdings.gone:
                reader.extra.forget(log)
        reader.cursor, reader.todo, reader.fell = None, {}, False
        self.groups.join(reader, self.horizon)
        return outcomes

    def _tell_kept(self, reader: Reader, skim: Skim) -> list[Outcome]:
        """Tell a reader what was kept for it: late is what lies behind that which it was told before."""
        skim.shrink(max(reader.credit_messages, 1), reader.credit_bytes)
        outcomes: list[Outcome] = []
        told = skim.before
        for kept in skim.told(reader.subscription, self.config.message_bytes_max):
            log, last, operation = kept.log, kept.last, kept
            if isinstance(kept, Messages):
                records, positions = list(kept.records), list(kept.positions)
                reader.spend(len(records), sum(len(record.payload) for record in records))
                late = self._late_marks(records, log, told, late=told.get(log).last > last)
                operation = replace(kept, late=late, conflicts=self._conflict_marks(records, log, positions))
            told.add(log, kept.first, last)
            outcomes.append(Tell((reader.session,), operation))
        return outcomes

    def _process(
        self, reader: Reader, cursor: VersionVector, log: LogId, first: int, through: int, batches: list[Batch]
    ) -> list[Outcome] | None:
        """Tell a reader what matches in an interval, as far as its credit goes; None if copies must be compared."""
        if any(self._matching_unknown(reader, batch) for batch in batches):
            return None
        expired = IntervalSet()
        positions: list[int] = []
        records: list[Record] = []
        size = encoded = 0
        late = cursor.get(log).last > through
        for batch in batches:
            if batch.body is None and first <= batch.last and batch.first <= through:
                expired.add(max(first, batch.first), min(through, batch.last))
            for position, record in enumerate(batch.records(), batch.first):
                if not first <= position <= through or not reader.matches(record.channel):
                    continue
                if record.expires_ms <= self.expiry_ms:
                    expired.add(position, position)
                elif self._told_twin(record, (log, position), cursor):
                    continue
                elif reader.skim is not None:
                    reader.skim.keep(log, position, record)
                elif (
                    len(records) >= min(reader.credit_messages, self.config.messages_max)
                    or size >= reader.credit_bytes
                    or (records and encoded + len(record.raw) > self.config.message_bytes_max)
                ):
                    through = position - 1
                    break
                else:
                    positions.append(position)
                    records.append(record)
                    size, encoded = size + len(record.payload), encoded + len(record.raw)
        marks = self._late_marks(records, log, cursor, late=late)
        cursor.add(log, first, through)
        gaps = [self._gap(reader, log, lo, hi, GapReason.EXPIRED) for lo, hi in expired.within(first, through)]
        if reader.skim is not None:
            reader.skim.cover(log, first, through)
            return gaps
        reader.spend(len(records), size)
        conflicts = self._conflict_marks(records, log, positions)
        told = Messages(reader.subscription, log, first, through, tuple(positions), tuple(records), marks, conflicts)
        return [*gaps, Tell((reader.session,), told)]  # in this order, so that nobody writes past a gap

    def _matching_unknown(self, reader: Reader, batch: Batch) -> bool:
        return bool(self.holdings.names.movers) and bool(self.twins.unknown(batch))

    def _compare(self, reader: Reader, batches: list[Batch]) -> list[Outcome]:
        """Have copies compared that a reader stumbled upon; it goes on afterwards."""
        names = [name for batch in batches for name in self.twins.unknown(batch)]
        reader.request = self._request()
        self.comparing[reader.request] = reader
        return [self.twins.ask(names, reader.request)]

    def on_loaded(self, loaded: Loaded, now: Now) -> list[Outcome]:
        """The disk answered: a reader goes on, a subscription begins, or copies were compared."""
        request = loaded.request
        if request in self.since:
            session, operation, stored = self.since.pop(request)
            return self._begin(session, operation, _before(stored, dict(loaded.positions)))
        if request in self.comparing:
            waiting = self.comparing.pop(request)
            outcomes = self.twins.on_loaded(loaded)
            if isinstance(waiting, Reader):
                waiting.request = 0
                return [*outcomes, *self._wake(waiting)]
            self.held_up.discard(waiting)
            return [*outcomes, *(self._advance(waiting, now) if self._held(waiting) else []), *self._feed()]
        asked = self.asked.pop(request, None)
        if asked is None or asked.reader.cursor is None:
            return self._feed()
        reader, log, cursor = asked.reader, asked.log, asked.reader.cursor
        reader.request = 0
        through = asked.through if loaded.complete or not loaded.batches else loaded.batches[-1].last
        runs = self.deliverable.get(log).within(asked.first, min(through, asked.through))
        outcomes = []
        if runs and runs[0][0] == asked.first:  # else it was lost meanwhile
            told = self._process(reader, cursor, log, *runs[0], list(loaded.batches))
            if told is None:
                return self._compare(reader, list(loaded.batches))
            outcomes += told
        return [*outcomes, *self._wake(reader)]

    def check(self) -> None:
        """Assert the invariants of the logs that were touched."""
        assert len(self.asked) <= self.config.loads_max
        if not self.holdings.touched:
            return
        self.groups.check()
        for log, is_more in self.holdings.touched.items():
            runs = self.deliverable.sets.get(log) if is_more else None
            if runs is not None:
                self._check_log(log, runs)

    def _check_log(self, log: LogId, runs: IntervalSet) -> None:
        assert log in self.holdings.stored and self.holdings.stored[log].positions.includes(runs), log
        assert runs.last <= self.horizon.get(log, 0)

    def check_all(self) -> None:
        """Assert the invariants."""
        self.groups.check_all()
        for log, runs in self.deliverable.items():
            self._check_log(log, runs)
        for reader in self.readers.values():
            assert (reader.cursor is None) == (reader in self.groups)
        assert len(self.asked) <= self.config.loads_max


def _granted(to: Reader | Subscribe, grant: CreditGrant) -> tuple[int, int]:
    """Messages and bytes that somebody may be told with what is granted now."""
    return min(to.credit_messages + grant.messages, 1 << 40), min(to.credit_bytes + grant.bytes, 1 << 50)


def _before(stored: VersionVector, positions: dict[LogId, int]) -> VersionVector:
    """A cursor that holds what lies before a time, which begins at these positions, up to the last that was stored of it.

    Stamps rise within a log, so a hole below that lies before the time, too. One behind it may not.
    """
    cursor = VersionVector()
    for log, held in stored.items():
        runs = held.within(1, positions[log] - 1) if log in positions else list(held)
        if runs:
            cursor.add(log, 1, runs[-1][1])
    return cursor
