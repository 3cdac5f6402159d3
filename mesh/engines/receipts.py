"""Receipts: what publishers are told about durability.

Every node tells every linked node, per log, what it has fsynced: its runs, one but where a hole never filled. They are
merged by union and told again in every repair, so that the next one heals a lost one. The node whose log it is has the
publishers that wait, so it is told at once, and tells the others at once of itself. What those have stored they need of
one another only for a publish that is retried elsewhere: it gathers for a second, so that in a mesh of many links not
everyone is told of every batch by everyone. A publish that was placed
in a log (`Placed`) is told `local` when *this* node has stored it, and again as more nodes and regions have, until
what its publisher asked for is reached. A node speaks for itself only.

Invariants, checked by `check`: what waits is bounded and counted, and so is what one node has told of a log; what has
reached its level waits no more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.codes import Code
from mesh.effects import Count, Outcome, Placed, Send, SetTimer, Tell, Timer
from mesh.errors import require
from mesh.frames import Stored
from mesh.log.holdings import Holdings
from mesh.operations import Receipt, Refused
from mesh.peers import Peer, Peers
from mesh.types import US_PER_MS, LinkId, LogId, NodeId, Now, SessionId
from mesh.waiting import NOTHING, Dropped, Waiters, Waiting

TELL = "receipts.tell"
AGAIN = "receipts.again"
AGAIN_AT_LEAST = 64
"""So many are asked for at once, however few may wait: what has come to its level in between takes no place."""
AGAIN_TEXT = "too many waited for receipts: send again what still does"
PAGE_RANGES = 1_024
RUNS_MAX = 4_096
"""Runs of a log that are remembered of what another node has told: the last ones, which publishers wait for. A run is a hole
in what that node has stored, if it is honest, and none has nearly so many; one that is not could tell of any number, also
where nothing can stand."""


@dataclass(frozen=True, slots=True)
class ReceiptConfig:
    """Durability levels."""

    waiting_max: int = 262_144
    """Runs of publishes whose receipts may still rise; beyond, the sessions that have most are told no more of their oldest.

    They are asked to send these again as places become free.
    """

    gather_ms: int = 1_000
    """What is stored of a log is told so long afterwards to nodes whose log it is not: when `Alive` would be due."""
    session_waiting_max: int = 16_384
    """Those of one session: who asks for what is never reached, or for the same again and again, takes nobody's place."""
    again_ms: int = 100
    """Who was told no more of some is asked to send a part of them again so often, while half of the places are free ..."""
    patience_ms: int = 10_000
    """... and at least so often though they are not: others may wait there for what is never reached."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(self.waiting_max >= 1, "waiting_max: at least 1")
        require(self.session_waiting_max >= 1, "session_waiting_max: at least 1")
        require(self.gather_ms >= 0, "gather_ms: not negative")
        require(0 < self.again_ms <= self.patience_ms, "0 < again_ms <= patience_ms")


@dataclass(slots=True)
class Receipts:
    """Who has stored what, and who waits to hear of it."""

    config: ReceiptConfig
    own: NodeId
    region: str
    holdings: Holdings
    peers: Peers
    waiting: Waiters = field(default_factory=Waiters)
    elsewhere: dict[LogId, dict[NodeId, IntervalSet]] = field(default_factory=dict)
    """For each log, what each other node has told us that it has stored."""
    regions: dict[NodeId, str] = field(default_factory=dict)
    lives: dict[NodeId, int] = field(default_factory=dict)
    """In which of its lives each other node has told us that; between two of them its disk may have been lost."""
    moved: set[LogId] = field(default_factory=set)
    """Logs of which more was stored in this tick: their nodes are told at once."""
    untold: set[LogId] = field(default_factory=set)
    """The same since all others were told; the timer is set while there are any."""
    risen: VersionVector = field(default_factory=VersionVector)
    """Where those end whose count may have risen since publishers were last told, in logs in which anybody waits.

    What was covered anew: from the first position of what was stored to the end of the run that this is a part of now.
    """

    dropped: dict[SessionId, Dropped] = field(default_factory=dict)
    """What each session waits for and is told no more of, until it has been asked to send that again."""
    _again_us: int = 0

    grown: set[SessionId] = field(default_factory=set)
    """Who waits for more since publishers were last told."""

    def on_placed(self, p: Placed) -> None:
        """Publishes stand in a log: tell of them as their durability rises to what their publisher wants."""
        waiting = Waiting(p.session, p.first, p.last, p.log, p.from_position, p.to_position, p.copies, p.regions)
        self.waiting.add(waiting)
        self.risen.add(p.log, p.to_position, p.to_position)
        self.grown.add(p.session)
        if self.dropped:
            dropped = self.dropped.get(p.session)
            if dropped is not None and dropped.is_asked(waiting):
                dropped.came, waiting.has_come_again = dropped.came + 1, True

    def settle(self, now: Now) -> list[Outcome]:
        """What a tick does once: tell what has risen, give up what is too much, and ask for what was given up."""
        outcomes = self.tell_publishers()
        if self.grown:
            outcomes += self.shed()
        return [*outcomes, *self.ask_again(now)] if self.dropped else outcomes

    def shed(self) -> list[Outcome]:
        """Of what waits still where more does than may, some is told no more: of a session, and of all of them.

        What is on its way to the disk stays, and is not counted before it is there.
        """
        grown, self.grown = sorted(self.grown), set()
        waiting, most, gone = self.waiting, self.config.session_waiting_max, 0
        for session in grown:
            own = waiting.sessions.get(session, {})
            if len(own) > most:
                waiting.unite(session)
            if len(own) > most:
                gone += self._drop(waiting.least(session, len(own) - most, most // 8))
            if len(own) > most:
                self.grown.add(session)
        too_many = waiting.count - self.config.waiting_max
        if too_many > 0:
            gone += self._drop(waiting.crowding(too_many + self.config.waiting_max // 64))
        if waiting.count > self.config.waiting_max:
            self.grown.update(grown)
        return [Count("receipts_dropped_total", gone)] if gone else []

    def _drop(self, gone: list[Waiting]) -> int:
        """There are too many of these: they wait no more, and are to come again. Return how many they are."""
        for waiting in self._forget(gone):
            known = self.dropped.get(waiting.session)
            if known is None:
                self.dropped[waiting.session] = Dropped(waiting.first, waiting.last)
            else:
                known.add(waiting.first, waiting.last)
        return len(gone)

    def ask_again(self, now: Now) -> list[Outcome]:
        """Ask sessions to send again, a part at a time, what they wait for and are told no more of: soon as places are free."""
        if now.mono_us < self._again_us:
            return [SetTimer(Timer(AGAIN), self._again_us)]
        self._again_us = now.mono_us + self.config.again_ms * US_PER_MS
        outcomes: list[Outcome] = []
        for session, dropped in list(self.dropped.items()):
            number = self._room_of(session, dropped, now)
            if not number:
                continue
            first, last = dropped.take(number)
            outcomes.append(Tell((session,), Refused(Code.RECEIPTS_DROPPED, AGAIN_TEXT, 0, first, last, 0)))
            if dropped.is_over:
                del self.dropped[session]
        return [*outcomes, SetTimer(Timer(AGAIN), self._again_us)] if self.dropped else outcomes

    def _room_of(self, session: SessionId, dropped: Dropped, now: Now) -> int:
        """How many a session may send again now."""
        has, most = len(self.waiting.sessions.get(session, ())), self.config.session_waiting_max
        everybody, again_us = self.config.waiting_max, self.config.again_ms * US_PER_MS
        patience_us = self.config.patience_ms * US_PER_MS
        if dropped.seen_us < 0:
            dropped.seen_us, dropped.pause_us = now.mono_us, patience_us
        pause_us = again_us if dropped.is_worth_it else dropped.pause_us
        if has <= most // 2 and self.waiting.count <= everybody // 2:
            number = min(most - has, (everybody - self.waiting.count) // len(self.dropped))
        elif now.mono_us >= dropped.seen_us + pause_us:
            number = most // 8
        else:
            return 0
        is_first = dropped.asked == (0, 0)
        dropped.seen_us, dropped.pause_us = now.mono_us, again_us if is_first else min(2 * pause_us, patience_us)
        return max(number, AGAIN_AT_LEAST)

    def _forget(self, gone: list[Waiting]) -> list[Waiting]:
        """These wait no more."""
        for waiting in gone:
            self.waiting.remove(waiting)
        return gone

    def on_stored_here(self, log: LogId, first: int, last: int) -> None:
        """This node has stored more of a log."""
        self.moved.add(log)
        if log in self.waiting.lines:
            self.risen.add(log, first, self.holdings.stored_of(log).reach(last))

    def on_stored_there(self, link: LinkId, frame: Stored) -> bool:
        """A peer tells what it has stored; what it says of other nodes is not believed.

        Return whether it has something of our own that we have not: we sent it, and our disk failed, or has lost it since.
        """
        peer = self.peers.by_link.get(link)
        if peer is None or peer.node != frame.node or peer.node == self.own:
            return False
        if peer.life != self.lives.get(peer.node) and not self._lives_now(peer):  # without a call, as nearly always
            return False
        has_ours = False
        node, received, waiting, elsewhere = peer.node, self.holdings.received, self.waiting.lines, self.elsewhere
        self.regions[node] = peer.region
        for log, first, last in frame.ranges:
            if log not in received and log not in waiting:
                has_ours = has_ours or (log.node == self.own and log not in self.holdings.gone)
                continue
            there = elsewhere.get(log)
            if there is None:
                there = elsewhere[log] = {}
            told = there.get(node)
            if told is None:
                told = there[node] = IntervalSet()
            if not told.covers(first, last):
                news = told.missing(first, last) if log in waiting else []
                told.add(first, last)
                if len(told) > RUNS_MAX:
                    told.remove(*told.edge(last=False))
                if news:
                    self.risen.add(log, news[0][0], told.reach(last))
                if log.node == self.own and not self.holdings.has(log, first, last):
                    has_ours = True
        return has_ours

    def on_take_back(self, log: LogId, first: int, last: int) -> list[Waiting]:
        """A batch was taken back: forget the publishes in it, and return those whose outcome is unknown now."""
        return self._forget([w for w in self.waiting.about(log, first, last) if w.told == NOTHING])

    def on_lost(self, log: LogId, first: int, last: int) -> list[Waiting]:
        """Rows were lost: return those who wait for what stands, or may stand, there, and forget them: they send it again.

        Nobody else may have it, or nobody who can be reached; and if it stands in another log, a retry alone finds it there.
        """
        return self._forget(self.waiting.about(log, first, last))

    def tell_publishers(self) -> list[Outcome]:
        """Tell publishers what has risen, those that follow one another in one receipt."""
        risen, self.risen = self.risen.items(), VersionVector()
        outcomes: list[Outcome] = []
        for log, runs in risen:
            ending = [each for first, last in runs for each in self.waiting.ending(log, first, last)]
            receipts = self._rise(log, ending)
            outcomes += [Tell((session,), receipt) for session, receipt in receipts]
        return outcomes

    def _rise(self, log: LogId, ending: list[Waiting]) -> list[tuple[SessionId, Receipt]]:
        stored = self.holdings.stored_of(log)
        there = list(self.elsewhere.get(log, {}).items())
        end = self.holdings.forked.get(log)
        receipts: list[tuple[SessionId, Receipt]] = []
        for waiting in ending:
            if waiting.told == NOTHING and not stored.covers(waiting.from_position, waiting.to_position):
                continue
            holders = [node for node, told in there if told.covers(waiting.from_position, waiting.to_position)]
            if end is not None and waiting.to_position > end:
                holders = []  # others may hold another history there
            level = (1 + len(holders), len({self.region, *(self.regions[node] for node in holders)}))
            told = max(level[0], waiting.told[0]), max(level[1], waiting.told[1])
            if told != waiting.told:
                waiting.told = told
                _add(receipts, waiting, level, log)
            if told[0] >= waiting.copies and told[1] >= waiting.regions:
                self.waiting.remove(waiting)
                if self.dropped:
                    dropped = self.dropped.get(waiting.session)
                    if dropped is not None and dropped.is_asked(waiting):
                        dropped.done += 1
        return receipts

    def tell_peers(self, now: Now) -> list[Outcome]:
        """Tell of what has just been stored: of our own logs everyone, of another node's that one; the rest gathers."""
        moved, self.moved = sorted(self.moved), set()  # nearly always one
        peers = self.peers.by_link
        if not peers:
            return []  # who comes up is told everything
        origins: dict[NodeId, list[LogId]] = {}
        for log in moved:
            origins.setdefault(log.node, []).append(log)
        outcomes = self._tell(tuple(peers), origins.pop(self.own, []))
        if not origins:
            return outcomes
        for peer in self.peers.lives_of(*origins) if len(origins) == 1 else self.peers:
            if peer.node in origins:
                outcomes += self._tell((peer.link,), origins[peer.node])
        if not self.untold:
            outcomes.append(SetTimer(Timer(TELL), now.mono_us + self.config.gather_ms * US_PER_MS))
        self.untold.update(*origins.values())
        return outcomes

    def tell_gathered(self) -> list[Outcome]:
        """Tell everyone what has gathered, but those who know all of it."""
        untold, self.untold = sorted(self.untold), set()
        links = tuple(peer.link for peer in self.peers if any(log.node != peer.node for log in untold))
        return self._tell(links, untold)

    def on_peer_up(self, link: LinkId) -> list[Outcome]:
        """A node speaks on a link: what it told in an earlier life counts no more, and it is told what we have stored.

        Not if somebody who heard of it before has given the link up.
        """
        peer = self.peers.get(link)
        if peer is None:
            return []
        self._lives_now(peer)
        return self.tell_all(link)

    def _lives_now(self, peer: Peer) -> bool:
        """Whether a link leads to the present life of its node; if that has just begun, what the last one told is forgotten.

        The greatest is the present one, for lives are numbered by clocks. A lower one is, for its clock was set back, where no
        link leads to the other any more.
        """
        known = self.lives.get(peer.node)
        if peer.life == known:
            return True
        if known is not None and peer.life < known and self.peers.of(peer.node, known) is not None:
            return False
        self.lives[peer.node] = peer.life
        for there in self.elsewhere.values():
            there.pop(peer.node, None)
        return True

    def tell_all(self, link: LinkId) -> list[Outcome]:
        """Tell a peer what we have stored of every log."""
        return self._tell((link,), sorted(self.holdings.stored))

    def _tell(self, links: tuple[LinkId, ...], logs: list[LogId]) -> list[Outcome]:
        if not links or not logs:
            return []
        ranges = [(log, first, last) for log in logs for first, last in self.holdings.stored_of(log)]
        pages = [tuple(ranges[i : i + PAGE_RANGES]) for i in range(0, len(ranges), PAGE_RANGES)]
        return [Send(links, Stored(self.own, self.region, page)) for page in pages]

    def on_session_closed(self, session: SessionId) -> None:
        """Nobody hears what a session waited for; retries ask again."""
        self._forget(self.waiting.of(session))
        self.dropped.pop(session, None)

    def expire(self, gone: list[LogId]) -> None:
        """Logs have wholly expired: no receipt rises there any more, nor in such as were lost and have not come again."""
        for log in gone:
            self.elsewhere.pop(log, None)
            self._forget(list(self.waiting.lines.get(log, ())))
            self.untold.discard(log)
        received = self.holdings.received
        for log in [log for log in self.elsewhere if log not in received and log not in self.waiting.lines]:
            del self.elsewhere[log]

    def check(self) -> None:
        """Assert that what waits is bounded and counted."""
        waiting = self.waiting
        count = waiting.count
        if not waiting.lines:
            assert not count
            return
        assert len(waiting.lines) <= count
        assert count <= self.config.waiting_max or self.grown, "there are too many, and nobody looks"

    def check_all(self) -> None:
        """Assert the invariants."""
        self.waiting.check_all()
        assert not any(dropped.is_over for dropped in self.dropped.values())
        assert all(len(told) <= RUNS_MAX for there in self.elsewhere.values() for told in there.values())
        told = [
            waiting for own in self.waiting.sessions.values() for waiting in own.values() if waiting.told != NOTHING
        ]
        assert len(told) <= self.config.waiting_max
        most = max(Counter(waiting.session for waiting in told).values(), default=0)
        assert most <= self.config.session_waiting_max
        for waiting in told:
            assert waiting.told[0] < waiting.copies or waiting.told[1] < waiting.regions, "it is done and still waits"


def _add(receipts: list[tuple[SessionId, Receipt]], waiting: Waiting, level: tuple[int, int], log: LogId) -> None:
    """Add a receipt, joined to the one before where it goes on."""
    session, before = receipts[-1] if receipts else (None, None)
    joins = before is not None and session == waiting.session and before.last + 1 == waiting.first
    if before is not None and joins and (before.copies, before.regions) == level:
        receipts[-1] = waiting.session, Receipt(before.first, waiting.last, *level, log, waiting.to_position)
    else:
        receipts.append((waiting.session, Receipt(waiting.first, waiting.last, *level, log, waiting.to_position)))
