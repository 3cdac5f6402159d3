"""Dissemination: a new batch reaches every linked node at once, or is asked for.

The origin pushes to every link that has credit and is not silent; to one without credit it announces. A receiver announces
to the others (`IHave`, gathered for a moment) and pushes nothing unasked: n-1 copies in a full mesh, and a chain A-B-C
still carries. A silent link is told nothing: a repair begins when it speaks again. Who hears of a batch waits a moment
for the push, or not at all where its origin is not linked; then it asks an announcer (`Graft`), then the next, each once,
and after `graft_tries_max` leaves it to repair. It is Plumtree (Leitão, Pereira, Rodrigues, *Epidemic Broadcast Trees*,
2007) with a star for each origin; pruning and trees come with the overlay.

Duplicates are known by what was *received*, never by a memory that ends.

Invariants, checked by `check`: what is waited for has a timer and an announcer or a try under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.clocks.vector import VersionVector, once
from mesh.effects import Count, Outcome, RepairDue, Send, SetTimer, Timer
from mesh.errors import require
from mesh.frames import Graft, IHave, Lane, NotFound, Push
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.peers import Peers
from mesh.types import US_PER_MS, LinkId, LogId, Now

GRAFT = "dissemination.graft"
ANNOUNCE = "dissemination.announce"
GRAFT_RANGES_MAX = 1_024
"""Ranges of one graft: what is looked at of it."""


@dataclass(frozen=True, slots=True)
class DisseminationConfig:
    """Push, announce, graft."""

    ihave_ms: int = 20
    """Announcements are gathered for so long (protocol.md, 7) ..."""
    ihave_entries_max: int = 64
    """... or until there are so many."""
    graft_ms: int = 300
    """Wait so long for an announced batch before asking, between regions (protocol.md, 7); then half as long."""
    graft_near_ms: int = 100
    """The same inside a region."""
    graft_tries_max: int = 3
    """Then the range is left to repair."""
    answer_ms: int = 1_000
    """But wait so long for the answer of the last who was asked: over a far or busy link it takes longer than a retry."""
    fresh_ms: int = 5_000
    """What was grafted and is older goes behind what is new, in the backfill lane. Guess: well above what an announcement,
    a graft and its answer take over a link that is busy."""
    wanted_max: int = 4_096
    """Announced ranges that are waited for; beyond, repair finds them."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(0 < self.graft_near_ms <= self.graft_ms, "graft_near_ms <= graft_ms must hold")
        require(self.ihave_ms >= 0 and 1 <= self.ihave_entries_max <= 1_024, "ihave_entries_max: 1 to 1024")
        require(self.graft_tries_max >= 1 and self.wanted_max >= 1, "graft_tries_max and wanted_max: at least 1")
        require(self.fresh_ms >= 0, "fresh_ms: at least 0")
        require(self.answer_ms >= 0, "answer_ms: at least 0")


@dataclass(slots=True)
class Wanted:
    """A range that was announced and has not come: who has it, and whom we asked."""

    last: int
    announcers: list[LinkId]
    wait_us: int
    asked: tuple[LinkId, ...] = ()
    """Each is asked once: what a link was asked for comes, for as long as it stands."""
    asked_us: int = 0


@dataclass(slots=True)
class Dissemination:
    """Pushes, announces and grafts."""

    config: DisseminationConfig
    holdings: Holdings
    peers: Peers
    wanted: dict[tuple[LogId, int], Wanted] = field(default_factory=dict)
    announcements: dict[tuple[LinkId, ...], VersionVector] = field(default_factory=dict)
    """What gathers, and for which links: all that is for the same links together."""
    announcing: bool = False
    """The timer for announcements is set."""

    def push(self, batches: list[Batch], now: Now) -> list[Outcome]:
        """Send batches that were just sealed here to every link; announce them where a link is behind."""
        outcomes: list[Outcome] = []
        for batch in batches:
            ready: list[LinkId] = []
            behind: list[LinkId] = []
            for peer in self.peers:
                if not peer.behind and peer.spend(batch.size):
                    ready.append(peer.link)
                else:
                    peer.starved = peer.starved or not peer.can_take(batch.size)
                    if not peer.silent:
                        behind.append(peer.link)
            outcomes += self._announce(tuple(behind), batch, now)
            if ready:
                outcomes.append(Send(tuple(ready), Push(batch), Lane.LIVE))
        return outcomes

    def on_received(self, batch: Batch, sender: LinkId, now: Now) -> list[Outcome]:
        """A verified batch came from a peer: announce it to the others, but not to those that announced it to us."""
        log, first, last = batch.log, batch.first, batch.last
        outcomes: list[Outcome] = []
        wanted = self.wanted.pop((log, first), None)
        if wanted is not None:
            outcomes.append(SetTimer(Timer(GRAFT, (log, first)), None))
            outcomes += self._want_rest(log, last + 1, wanted, now)
        known = wanted.announcers if wanted is not None and last <= wanted.last else ()
        peers = self.peers.by_link.items()
        others = tuple([link for link, peer in peers if link != sender and not peer.silent and link not in known])
        return outcomes + self._announce(others, batch, now)

    def on_peer_back(self, link: LinkId, now: Now) -> list[Outcome]:
        """A link begins to be told of batches: of those that its repair will not find, for they are not stored yet."""
        return [each for batch in self.holdings.pending.values() for each in self._announce((link,), batch, now)]

    def _want_rest(self, log: LogId, first: int, wanted: Wanted, now: Now) -> list[Outcome]:
        """The first batch of a range that was announced has come: go on waiting for the others."""
        rest = self.holdings.received_of(log).missing(first, wanted.last) if first <= wanted.last else []
        if not rest or (log, rest[0][0]) in self.wanted:
            return []
        self.wanted[log, rest[0][0]] = wanted
        return [SetTimer(Timer(GRAFT, (log, rest[0][0])), now.mono_us + wanted.wait_us)]

    def _announce(self, links: tuple[LinkId, ...], batch: Batch, now: Now) -> list[Outcome]:
        if not links:
            return []
        vector = self.announcements.get(links)
        if vector is None:
            vector = self.announcements[links] = VersionVector()
        vector.add(batch.log, batch.first, batch.last)
        if len(vector) >= self.config.ihave_entries_max:
            return self._flush()
        if not self.announcing:
            self.announcing = True
            return [SetTimer(Timer(ANNOUNCE), now.mono_us + self.config.ihave_ms * US_PER_MS)]
        return []

    def _flush(self) -> list[Outcome]:
        """Tell what was gathered: each link once, links that are told the same together."""
        gathered, self.announcements = self.announcements, {}
        told: dict[LinkId, list[tuple[LogId, int, int]]] = {}
        together: dict[tuple[tuple[LogId, int, int], ...], list[LinkId]] = {}
        for links, vector in gathered.items():
            ranges = [(log, first, last) for log, runs in vector.items() for first, last in runs]
            if len(gathered) == 1:  # as nearly always
                together[tuple(ranges)] = sorted(links)
            else:
                for link in links:
                    told.setdefault(link, []).extend(ranges)
        for link in sorted(told):
            together.setdefault(tuple(told[link]), []).append(link)
        page = self.config.ihave_entries_max
        return [
            Send(tuple(links), IHave(ranges[i : i + page]))
            for ranges, links in together.items()
            for i in range(0, len(ranges), page)
        ]

    def on_announce_timer(self) -> list[Outcome]:
        """Tell what was gathered."""
        self.announcing = False
        return self._flush()

    def _untell(self, link: LinkId, log: LogId, first: int, last: int) -> None:
        """A link need not be told of a range any more."""
        for links, vector in list(self.announcements.items()):
            runs = vector.sets.get(log)
            if runs is not None and link in links and runs.touches(first, last):
                others = tuple(other for other in links if other != link)
                for lo, hi in runs.within(first, last):
                    vector.remove(log, lo, hi)
                    if others:
                        self.announcements.setdefault(others, VersionVector()).add(log, lo, hi)

    def on_ihave(self, link: LinkId, frame: IHave, now: Now) -> list[Outcome]:
        """A peer announces: wait a moment for what its origin may be pushing, then ask; ask for the rest at once."""
        peer = self.peers.by_link.get(link)
        if peer is None:
            return []
        outcomes: list[Outcome] = []
        asked: list[tuple[LogId, int, int]] = []
        too_many = False
        ranges, received = frame.ranges, self.holdings.received
        for log, first, last in ranges if len(ranges) == 1 else once(ranges):
            if self.announcements:
                self._untell(link, log, first, last)
            held = received.get(log)
            for lo, hi in [(first, last)] if held is None else held.positions.missing(first, last):
                wanted = self.wanted.get((log, lo))
                if wanted is not None:
                    if hi > wanted.last:  # noqa: PLR1730  # without a call, for each announcement
                        wanted.last = hi
                    if link not in wanted.announcers:
                        wanted.announcers.append(link)
                elif len(self.wanted) < self.config.wanted_max:
                    wait_us = (self.config.graft_near_ms if peer.near else self.config.graft_ms) * US_PER_MS
                    wanted = self.wanted[log, lo] = Wanted(hi, [link], wait_us)
                    if not self.peers.speaks(log.node):  # who could push it to us is not linked: ask at once
                        wanted.asked, wanted.asked_us = (link,), now.mono_us
                        wanted.wait_us = max(wait_us // 2, US_PER_MS)
                        asked.append((log, lo, hi))
                    outcomes.append(SetTimer(Timer(GRAFT, (log, lo)), now.mono_us + wait_us))
                else:
                    too_many = True
        if asked:
            outcomes += [*_grafts(link, asked), Count("grafts_total", len(asked))]
        return [*outcomes, RepairDue()] if too_many else outcomes

    def on_graft_timer(self, log: LogId, first: int, now: Now) -> list[Outcome]:
        """An announced range has not come: ask the next announcer; after the last, leave it to repair."""
        wanted = self.wanted.pop((log, first), None)
        if wanted is None:
            return []
        missing = self.holdings.received_of(log).missing(first, wanted.last)
        if not missing:
            return []
        known = self.peers.by_link
        speaks = [link for link in wanted.announcers if (peer := known.get(link)) is not None and not peer.silent]
        start = missing[0][0]
        again = SetTimer(Timer(GRAFT, (log, start)), now.mono_us + wanted.wait_us)
        link = next((link for link in speaks if link not in wanted.asked), None)
        if link is None or len(wanted.asked) >= self.config.graft_tries_max:
            waited_us = now.mono_us - wanted.asked_us
            if not wanted.asked or wanted.asked[-1] not in speaks or waited_us >= self.config.answer_ms * US_PER_MS:
                return [RepairDue()]
            self.wanted[log, start] = wanted
            return [again]
        self.wanted[log, start] = wanted
        wanted.asked, wanted.asked_us = (*wanted.asked, link), now.mono_us
        wanted.wait_us = max(wanted.wait_us // 2, US_PER_MS)
        return [*_grafts(link, [(log, lo, hi) for lo, hi in missing]), Count("grafts_total"), again]

    def on_not_found(self, link: LinkId, frame: NotFound) -> None:
        """A peer does not have what it announced: do not ask it again."""
        absent = VersionVector((log, [(first, last)]) for log, first, last in frame.ranges)
        for (log, start), wanted in self.wanted.items():
            if link in wanted.announcers and absent.get(log).touches(start, wanted.last):
                wanted.announcers.remove(link)

    def on_peer_down(self, link: LinkId) -> None:
        """Whatever waited to be announced on a link is for the repair when it comes up again."""
        gathered, self.announcements = self.announcements, {}
        for links, vector in gathered.items():
            others = tuple(other for other in links if other != link)
            if others:
                self.announcements.setdefault(others, VersionVector()).merge(vector)

    def check(self) -> None:
        """Assert that what is waited for is bounded."""
        assert len(self.wanted) <= self.config.wanted_max

    def check_all(self) -> None:
        """Assert that everything that is waited for can still be asked for, and is bounded."""
        assert len(self.wanted) <= self.config.wanted_max
        for (_, first), wanted in self.wanted.items():
            assert first <= wanted.last and len(set(wanted.asked)) == len(wanted.asked) <= self.config.graft_tries_max


def _grafts(link: LinkId, ranges: list[tuple[LogId, int, int]]) -> list[Outcome]:
    """Ask for ranges, in as many frames as a reader takes them."""
    pages = range(0, len(ranges), GRAFT_RANGES_MAX)
    return [Send((link,), Graft(tuple(ranges[at : at + GRAFT_RANGES_MAX]))) for at in pages]
