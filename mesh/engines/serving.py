"""Serving: what peers ask for, by graft or want, is sent as their credit allows.

Every range that is asked for is answered: by the batches, or by `NotFound` for what is not here, or by `Busy`. Ranges
wait in a queue per link and lane, grafts before wants. What is in memory is sent from there, the rest is read from
the disk in pieces, one read at a time for each link; a link without credit waits, and costs nothing.

Invariants, checked by `check`: queues are bounded; a link has at most one read under way.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mesh.effects import Load, Loaded, Outcome, Ranges, Send
from mesh.frames import Busy, Lane, NotFound, Push
from mesh.log.batch import BODY_BYTES_MAX, OVERHEAD_BYTES, Batch
from mesh.log.holdings import Holdings
from mesh.peers import Peer, Peers
from mesh.types import LinkId, LogId

REQUEST_STEP = 4
"""Engines number their reads in steps, each from its own start, so that the node knows whose an answer is."""
RANGES_MAX = 1_024
"""Ranges of one want that are looked at: what a page holds."""


@dataclass(slots=True)
class Asked:
    """A range that a peer waits for."""

    log: LogId
    first: int
    last: int
    lane: Lane


@dataclass(slots=True)
class Owed:
    """What is owed to one link."""

    queue: deque[Asked] = field(default_factory=deque)
    reading: bool = False


@dataclass
class Serving:
    """Answers grafts and wants. `next_request` numbers reads; the node routes answers back by it."""

    want_bytes: int
    ranges_waiting_max: int
    busy_retry_ms: int
    holdings: Holdings
    peers: Peers
    owed: dict[LinkId, Owed] = field(default_factory=dict)
    reads: dict[int, LinkId] = field(default_factory=dict)
    next_request: int = 1

    def ask(self, link: LinkId, ranges: tuple[tuple[LogId, int, int], ...], lane: Lane) -> list[Outcome]:
        """A peer asks for ranges: queue what is here, say what is not."""
        peer = self.peers.get(link)
        if peer is None:
            return []
        debt = self.owed.setdefault(link, Owed())
        missing: list[tuple[LogId, int, int]] = []
        refused: list[tuple[LogId, int, int]] = []
        for log, first, last in ranges[:RANGES_MAX]:
            held = self.holdings.received_of(log)
            missing += [(log, lo, hi) for lo, hi in held.missing(first, last)]
            for lo, hi in held.within(first, last):
                if len(debt.queue) >= self.ranges_waiting_max:
                    refused.append((log, lo, hi))
                elif lane is Lane.LIVE:
                    debt.queue.appendleft(Asked(log, lo, hi, lane))
                else:
                    debt.queue.append(Asked(log, lo, hi, lane))
        outcomes: list[Outcome] = []
        if missing:
            outcomes += [Send((link,), NotFound(tuple(missing[i : i + 1024]))) for i in range(0, len(missing), 1024)]
        if refused:
            outcomes.append(Send((link,), Busy(tuple(refused), self.busy_retry_ms)))
        return outcomes + self._serve(peer, debt)

    def _serve(self, peer: Peer, debt: Owed) -> list[Outcome]:
        """Send from memory what can be sent, then read more if there is credit for it."""
        outcomes: list[Outcome] = []
        while debt.queue and not debt.reading:
            asked = debt.queue[0]
            batch = self.holdings.at_hand(asked.log, asked.first)
            if batch is not None:
                if not peer.spend(batch.size):
                    return outcomes
                outcomes.append(Send((peer.link,), Push(batch), asked.lane))
                self._advance(debt, asked, batch)
                continue
            if not peer.can_take(BODY_BYTES_MAX + OVERHEAD_BYTES):
                return outcomes
            debt.reading = True
            request, self.next_request = self.next_request, self.next_request + REQUEST_STEP
            self.reads[request] = peer.link
            ranges = [(asked.first, asked.last)]
            for other in list(debt.queue)[1:16]:
                if other.log != asked.log or other.first <= ranges[-1][1]:
                    break
                ranges.append((other.first, other.last))
            outcomes.append(Load(request, Ranges(asked.log, tuple(ranges)), self.want_bytes))
        return outcomes

    def _advance(self, debt: Owed, asked: Asked, batch: Batch) -> None:
        """A batch was sent: go on behind it."""
        asked.first = batch.last + 1
        if asked.first > asked.last:
            debt.queue.remove(asked)

    def on_loaded(self, loaded: Loaded) -> list[Outcome]:
        """The disk answered: send what credit holds; the rest stays in the queue and is read again."""
        link = self.reads.pop(loaded.request)
        debt, peer = self.owed.get(link), self.peers.get(link)
        if debt is None or peer is None:
            return []
        debt.reading = False
        outcomes: list[Outcome] = []
        missing: list[tuple[LogId, int, int]] = []
        for batch in loaded.batches:
            asked = self._first_of(debt, batch, missing)
            if asked is None:
                continue
            if not peer.spend(batch.size):
                break
            outcomes.append(Send((link,), Push(batch), asked.lane))
            self._advance(debt, asked, batch)
        else:
            if not loaded.batches and debt.queue:  # what was here has gone meanwhile
                gone = debt.queue.popleft()
                missing.append((gone.log, gone.first, gone.last))
        if missing:
            outcomes.append(Send((link,), NotFound(tuple(missing))))
        return outcomes + self._serve(peer, debt)

    def _first_of(self, debt: Owed, batch: Batch, missing: list[tuple[LogId, int, int]]) -> Asked | None:
        """The queued range that a batch answers; what lies before the batch in it was not found."""
        for asked in debt.queue:
            if asked.log == batch.log and asked.first <= batch.last and batch.first <= asked.last:
                if asked.first < batch.first:
                    missing.append((asked.log, asked.first, batch.first - 1))
                    asked.first = batch.first
                return asked
        return None

    def on_credit(self, link: LinkId) -> list[Outcome]:
        """A peer can take more."""
        peer, debt = self.peers.get(link), self.owed.get(link)
        return [] if peer is None or debt is None else self._serve(peer, debt)

    def on_peer_down(self, link: LinkId) -> None:
        """Nothing is owed to a link that is gone."""
        self.owed.pop(link, None)

    def check(self) -> None:
        """Assert that what is owed is owed to links that are written to, those that were touched."""
        for link in self.peers.touched:
            assert link not in self.owed or link in self.peers

    def check_all(self) -> None:
        """Assert the invariants."""
        for link, debt in self.owed.items():
            assert link in self.peers
            assert debt.reading == (link in self.reads.values())
            assert all(asked.first <= asked.last for asked in debt.queue)
