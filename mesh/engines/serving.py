"""Serving: what peers ask for, by graft or want, is sent as their credit allows.

Every range that is asked for is answered: by the batches, or by `NotFound` for what is not here, or by `Busy`; a range
that is asked for again before it left is sent once. Ranges wait in two queues per link, what is new before what is old,
each in the order of the questions. New batches travel in the live lane; old ones in that of backfill, and leave a part of
the credit, so that they hold up nothing that is new. What is in memory is sent from there, the rest is read from the disk
in pieces, one read at a time for each link; an answer is for what was read, whatever has come before it in the queues
meanwhile. A link without credit waits, and costs nothing.

Invariants, checked by `check`: queues are bounded; a link has at most one read under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import IntervalSet, VersionVector, once
from mesh.effects import Load, Loaded, Outcome, Ranges, Send, Served
from mesh.frames import Busy, Graft, Lane, NotFound, Push, Want
from mesh.log.batch import BODY_BYTES_MAX, OVERHEAD_BYTES, Batch
from mesh.log.holdings import Holdings
from mesh.peers import Peer, Peers
from mesh.types import LinkId, LogId

REQUEST_STEP = 4
"""Engines number their reads in steps, each from its own start, so that the node knows whose an answer is."""
RANGES_MAX = 1_024
"""Ranges of one want that are looked at: what a page holds."""
READ_RANGES_MAX = 16
"""Ranges of one read."""


@dataclass(slots=True, eq=False)
class Asked:
    """A range that a peer waits for."""

    log: LogId
    first: int
    last: int
    fresh_ms: int
    """What was stamped within this time is new."""
    is_new: bool = False
    """It was new when it was asked for, and waits among what is new."""
    is_again: bool = False
    """It was read in vain, though it should be here: it may have come while the disk was asked."""


@dataclass(slots=True)
class Owed:
    """What is owed to one link."""

    new: deque[Asked] = field(default_factory=deque)
    old: deque[Asked] = field(default_factory=deque)
    ranges: VersionVector = field(default_factory=VersionVector)
    """All that waits: what is asked for twice before it left is sent once."""
    request: int = 0
    """The read that is under way; 0 is none."""
    read: list[Asked] = field(default_factory=list)
    """What was read for, and is still waited for."""
    has_sent: bool = False
    """Something old has left: it may be under way for as long as the link stands."""
    is_awaited: bool = False
    """Somebody has to hear when all of it has left."""

    @property
    def queue(self) -> deque[Asked]:
        """The queue whose turn it is."""
        return self.new or self.old

    def fresh(self, log: LogId, ranges: list[tuple[int, int]]) -> Iterable[tuple[int, int]]:
        """What of these ranges of a log does not wait yet."""
        return IntervalSet(ranges).minus(self.ranges.get(log)) if self.queue else ranges

    def put(self, asked: Asked) -> None:
        """Let a range wait."""
        self.ranges.add(asked.log, asked.first, asked.last)
        (self.new if asked.is_new else self.old).append(asked)

    def take(self, asked: Asked, last: int) -> None:
        """A range is answered through a position: go on behind it."""
        self.ranges.remove(asked.log, asked.first, min(last, asked.last))
        asked.first = last + 1
        if asked.first > asked.last:
            (self.new if asked.is_new else self.old).remove(asked)
            if asked in self.read:
                self.read.remove(asked)

    def lose(self, asked: Asked, last: int, absent: list[tuple[int, int]]) -> None:
        """Of a range, through a position, these are not here: the rest waits on where it waited."""
        here = IntervalSet([(asked.first, last)]).minus(IntervalSet(absent))
        queue = self.new if asked.is_new else self.old
        at = queue.index(asked)
        for lo, hi in here:
            queue.insert(at, Asked(asked.log, lo, hi, asked.fresh_ms, asked.is_new, is_again=True))
            at += 1
        self.take(asked, last)
        for lo, hi in here:
            self.ranges.add(asked.log, lo, hi)


@dataclass(slots=True)
class Serving:
    """Answers grafts and wants. `next_request` numbers reads; the node routes answers back by it."""

    want_bytes: int
    ranges_waiting_max: int
    busy_retry_ms: int
    graft_fresh_ms: int
    want_fresh_ms: int
    holdings: Holdings
    peers: Peers
    owed: dict[LinkId, Owed] = field(default_factory=dict)
    reads: dict[int, LinkId] = field(default_factory=dict)
    next_request: int = 1

    def ask(self, link: LinkId, frame: Graft | Want, wall_ms: int) -> list[Outcome]:
        """A peer asks for ranges: queue what is here, say what is not."""
        peer = self.peers.get(link)
        if peer is None:
            return []
        debt = self.owed.get(link)
        if debt is None:
            debt = self.owed[link] = Owed()
        missing: list[tuple[LogId, int, int]] = []
        refused: list[tuple[LogId, int, int]] = []
        sent: list[Outcome] = []
        fresh_ms = self.graft_fresh_ms if isinstance(frame, Graft) else self.want_fresh_ms
        ranges = frame.ranges
        for log, first, last in ranges if len(ranges) == 1 else once(ranges[:RANGES_MAX]):
            held = self.holdings.received_of(log)
            missing += [(log, lo, hi) for lo, hi in held.missing(first, last)]
            for lo, hi in debt.fresh(log, held.within(first, last)):
                asked, batch = Asked(log, lo, hi, fresh_ms), self.holdings.at_hand(log, lo)
                lane = Lane.BACKFILL if batch is None else self._lane_of(asked, batch, wall_ms)
                if batch is not None and not debt.queue and hi <= batch.last and _spend(peer, debt, batch, lane):
                    sent.append(Send((link,), Push(batch), lane))  # as nearly always: it does not have to wait
                    continue
                if len(debt.new) + len(debt.old) >= self.ranges_waiting_max:
                    refused.append((log, lo, hi))
                    continue
                asked.is_new = lane is Lane.LIVE
                debt.put(asked)
        if debt.queue or debt.is_awaited:
            sent += self._serve(peer, debt, wall_ms)
        if not (missing or refused):
            return sent
        busy = [Send((link,), Busy(page, self.busy_retry_ms)) for page in _pages(refused)]
        return [*_not_found(link, missing), *busy, *sent]

    def behind(self, link: LinkId) -> list[Outcome] | None:
        """Have `Served` told when all that a peer has asked for has left, which may be now.

        None if nothing ever left in the lane of what is old, so that nothing can be under way.
        """
        debt = self.owed.get(link)
        if debt is None or not (debt.queue or debt.has_sent):
            return None
        debt.is_awaited = bool(debt.queue)
        return [] if debt.is_awaited else [Served(link)]

    def _serve(self, peer: Peer, debt: Owed, wall_ms: int) -> list[Outcome]:
        """Send from memory what can be sent, then read more if there is credit for it."""
        outcomes: list[Outcome] = []
        while debt.queue and not debt.request:
            asked = debt.queue[0]
            batch = self.holdings.at_hand(asked.log, asked.first)
            if batch is not None:
                lane = self._lane_of(asked, batch, wall_ms)
                if not _spend(peer, debt, batch, lane):
                    return outcomes
                outcomes.append(Send((peer.link,), Push(batch), lane))
                debt.take(asked, batch.last)
                continue
            if not peer.can_take_old(BODY_BYTES_MAX + OVERHEAD_BYTES):
                return outcomes
            debt.request, self.next_request = self.next_request, self.next_request + REQUEST_STEP
            self.reads[debt.request] = peer.link
            debt.read = [asked]
            for other in islice(debt.queue, 1, READ_RANGES_MAX):
                if other.log != asked.log or other.first <= debt.read[-1].last:
                    break
                debt.read.append(other)
            ranges = tuple((each.first, each.last) for each in debt.read)
            outcomes.append(Load(debt.request, Ranges(asked.log, ranges), self.want_bytes))
        if debt.is_awaited and not debt.queue:
            debt.is_awaited = False
            outcomes.append(Served(peer.link))
        return outcomes

    def _lane_of(self, asked: Asked, batch: Batch, wall_ms: int) -> Lane:
        """What is new goes before what is old: what has piled up must not delay what comes in.

        What is grafted was announced a moment ago, and is new for longer than what a repair finds missing.
        """
        return Lane.LIVE if stamp_ms(batch.head.stamp) + asked.fresh_ms > wall_ms else Lane.BACKFILL

    def on_loaded(self, loaded: Loaded, wall_ms: int) -> list[Outcome]:
        """The disk answered: send what credit holds; the rest stays in its queue and is read again."""
        link = self.reads.pop(loaded.request)
        debt, peer = self.owed.get(link), self.peers.get(link)
        if debt is None or peer is None or debt.request != loaded.request:
            return []
        debt.request = 0
        outcomes: list[Outcome] = []
        missing: list[tuple[LogId, int, int]] = []
        for batch in loaded.batches:
            asked = self._first_of(debt, batch, missing)
            if asked is None:
                continue
            lane = self._lane_of(asked, batch, wall_ms)
            if not _spend(peer, debt, batch, lane):
                break
            outcomes.append(Send((link,), Push(batch), lane))
            debt.take(asked, batch.last)
        else:
            if not loaded.batches:
                missing += self._not_read(debt, debt.read[0], debt.read[0].last)
        debt.read.clear()
        return [*outcomes, *_not_found(link, missing), *self._serve(peer, debt, wall_ms)]

    def _first_of(self, debt: Owed, batch: Batch, missing: list[tuple[LogId, int, int]]) -> Asked | None:
        """The range that a batch was read for; what lies before the batch in it was not found."""
        for asked in debt.read:
            if asked.log == batch.log and asked.first <= batch.last and batch.first <= asked.last:
                if asked.first < batch.first:
                    missing += self._not_read(debt, asked, batch.first - 1)
                return asked
        return None

    def _not_read(self, debt: Owed, asked: Asked, last: int) -> list[tuple[LogId, int, int]]:
        """The disk has nothing of a range through a position: what has gone meanwhile, but not what has come back.

        What should be here is read once more, and if it is not there, the disk is right: nothing is read for ever.
        """
        absent = self.holdings.received_of(asked.log).missing(asked.first, last)
        if asked.is_again and not absent:
            absent = [(asked.first, last)]
        debt.lose(asked, last, absent)
        return [(asked.log, lo, hi) for lo, hi in absent]

    def on_credit(self, link: LinkId, wall_ms: int) -> list[Outcome]:
        """A peer can take more."""
        peer, debt = self.peers.get(link), self.owed.get(link)
        return [] if peer is None or debt is None else self._serve(peer, debt, wall_ms)

    def on_peer_down(self, link: LinkId) -> None:
        """Nothing is owed to a link that is gone."""
        self.owed.pop(link, None)

    def check(self) -> None:
        """Assert that what is owed is owed to links that are written to, those that were touched."""
        for link in self.peers.touched:
            assert link not in self.owed or link in self.peers.by_link

    def check_all(self) -> None:
        """Assert the invariants."""
        for link, debt in self.owed.items():
            waiting = [*debt.new, *debt.old]
            assert link in self.peers
            assert bool(debt.read) == bool(debt.request) and (not debt.request or self.reads[debt.request] == link)
            read_from = debt.new if debt.read and debt.read[0].is_new else debt.old
            assert debt.read == list(islice(read_from, len(debt.read)))
            assert all(debt.ranges.covers(asked.log, asked.first, asked.last) for asked in waiting)
            assert debt.ranges.count == sum(asked.last - asked.first + 1 for asked in waiting)


def _pages(ranges: list[tuple[LogId, int, int]]) -> list[tuple[tuple[LogId, int, int], ...]]:
    return [tuple(ranges[at : at + RANGES_MAX]) for at in range(0, len(ranges), RANGES_MAX)]


def _not_found(link: LinkId, missing: list[tuple[LogId, int, int]]) -> list[Outcome]:
    """Say what is not here, in as many frames as a reader takes it."""
    return [Send((link,), NotFound(page)) for page in _pages(missing)]


def _spend(peer: Peer, debt: Owed, batch: Batch, lane: Lane) -> bool:
    """Spend credit on an answer; what is old leaves a reserve to what is new."""
    if lane is Lane.LIVE:
        return peer.spend(batch.size)
    debt.has_sent = True
    return peer.can_take_old(batch.size) and peer.spend(batch.size)
