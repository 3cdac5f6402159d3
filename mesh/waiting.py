"""Waiting: publishes whose receipts may still rise, found by where in their log they end.

While no other node can be reached, all that asks for more than this disk waits, and news of one place must not cost a look at
everything. A publish has one place; a retry may be known only to stand somewhere in a run, and counts as stored where all of
that run is. As a run of what is stored grows, it takes in those that end in what is new of it, or behind that where it
closes a hole: so those of a log are kept by their last position.

Invariants, checked by `check`: the waiting are counted, and nobody waits in a log or for a session that is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from math import inf

from sortedcontainers import SortedKeyList

from mesh.types import LogId, SessionId

Place = tuple[float, float]
Span = tuple[int, int]
WORTH = 8
"""One in so many that come again has to have reached its level: then others are asked for without waiting."""
NOTHING = (0, 0)
"""What was told of publishes that are on their way to the disk."""


@dataclass(slots=True, eq=False)
class Waiting:
    """Publishes `first..last` of a session, at positions of at most `from_position..to_position` of a log."""

    session: SessionId
    first: int
    last: int
    log: LogId
    from_position: int
    to_position: int
    copies: int
    regions: int
    told: tuple[int, int] = NOTHING
    number: int = 0
    """In which order they came."""
    has_come_again: bool = False
    """It was asked for, having been given up before: if it has not reached its level it is given up before others are."""

    @property
    def place(self) -> Place:
        """Where it ends, and of several there in their order."""
        return self.to_position, self.number


Line = SortedKeyList[Waiting, Place]
"""Those who wait in one log, by their place."""


def _line() -> Line:
    return SortedKeyList(key=lambda waiting: waiting.place)


@dataclass(slots=True)
class Dropped:
    """Publishes of a session that wait no more, though they have not reached their level: it is asked to send them again.

    They are asked for in rounds, a part at a time, the first of them first. Only the ends of a round are known: some between
    them may be done, and their client sends only what still waits.
    """

    first: int
    last: int
    more: Span | None = None
    """What was dropped since this round began is the next one."""
    seen_us: int = -1
    """When a part was last asked for, or first thought of; -1: never."""
    pause_us: int = 0
    """How long after that the next part is asked for though few places have become free."""
    asked: Span = (0, 0)
    """The last part; of it so many have come, and were at the level that they wait for."""
    came: int = 0
    done: int = 0

    def add(self, first: int, last: int) -> None:
        """These have been dropped, too."""
        if self.seen_us < 0:  # nobody has looked at this round yet
            self.first, self.last = min(self.first, first), max(self.last, last)
            return
        low, high = self.more or (first, last)
        self.more = min(low, first), max(high, last)

    def take(self, number: int) -> Span:
        """Ask for so many at most."""
        taken = self.asked = self.first, min(self.first + number - 1, self.last)
        self.came = self.done = 0
        self.first = taken[1] + 1
        if self.first > self.last and self.more is not None:
            (self.first, self.last), self.more = self.more, None
        return taken

    def is_asked(self, waiting: Waiting) -> bool:
        """Whether this belongs to the last part that was asked for."""
        return self.asked[0] <= waiting.first <= self.asked[1]

    @property
    def is_worth_it(self) -> bool:
        """Whether enough of what was asked for last had reached its level, so that it took no place."""
        return self.asked != (0, 0) and self.came <= WORTH * self.done

    @property
    def is_over(self) -> bool:
        """Whether all have been asked for."""
        return self.first > self.last


def _in_turn(own: dict[int, Waiting]) -> list[Waiting]:
    """What a session waits for, as it is given up; not what is on its way to the disk."""
    there = [each for each in own.values() if each.told != NOTHING]
    return sorted(there, key=lambda each: not each.has_come_again)


@dataclass(slots=True)
class Waiters:
    """All who wait."""

    lines: dict[LogId, Line] = field(default_factory=dict)
    sessions: dict[SessionId, dict[int, Waiting]] = field(default_factory=dict)
    """The same by session and number, the oldest first."""
    count: int = 0
    _number: int = 0

    def add(self, waiting: Waiting) -> None:
        """One more waits, as the youngest."""
        self._number += 1
        waiting.number = self._number
        self.lines.setdefault(waiting.log, _line()).add(waiting)
        self.sessions.setdefault(waiting.session, {})[waiting.number] = waiting
        self.count += 1

    def remove(self, waiting: Waiting) -> None:
        """One waits no more."""
        line, own = self.lines[waiting.log], self.sessions[waiting.session]
        line.remove(waiting)
        if not line:
            del self.lines[waiting.log]
        del own[waiting.number]
        if not own:
            del self.sessions[waiting.session]
        self.count -= 1

    def ending(self, log: LogId, first: int, last: int) -> list[Waiting]:
        """Those who may stand no farther than somewhere in a range of a log, by their place."""
        line = self.lines.get(log)
        return [] if line is None else list(line.irange_key((first, 0), (last, inf)))

    def about(self, log: LogId, first: int, last: int) -> list[Waiting]:
        """Those who may stand somewhere in a range of a log, by their place."""
        line = self.lines.get(log)
        return [] if line is None else [each for each in line.irange_key((first, 0)) if each.from_position <= last]

    def of(self, session: SessionId) -> list[Waiting]:
        """Those of a session, the oldest first."""
        return list(self.sessions.get(session, {}).values())

    def unite(self, session: SessionId) -> None:
        """Of the same publishes in the same place, of which nothing is told yet, one waits for all of them."""
        kept: dict[tuple[LogId, int, int, int, int], Waiting] = {}
        for each in self.of(session):
            if each.told == NOTHING:
                place = each.log, each.from_position, each.to_position, each.first, each.last
                first = kept.setdefault(place, each)
                if first is not each:
                    first.copies, first.regions = max(first.copies, each.copies), max(first.regions, each.regions)
                    self.remove(each)

    def least(self, session: SessionId, number: int, more: int) -> list[Waiting]:
        """Of a session so many at most, the oldest, and some more lest it be looked through for each; not for what came again.

        What is on its way to the disk is not among them.
        """
        found = _in_turn(self.sessions.get(session, {}))
        has_come_again = number <= len(found) and found[number - 1].has_come_again
        return found[: number if has_come_again else number + more]

    def crowding(self, number: int) -> list[Waiting]:
        """So many at most, the oldest of each of the sessions for which most wait: one that has few loses none.

        Nor is what is on its way to the disk: if it does not get there, who waits for it has to hear of it at once.
        A session is not a client: who has many connections has many of them.
        """
        sizes = [len(own) for own in self.sessions.values()]
        level = max(sizes)
        while sum(size - level for size in sizes if size > level) < number:
            level -= 1 + level // 8
        found = (each for own in self.sessions.values() for each in islice(_in_turn(own), max(0, len(own) - level)))
        return list(islice(found, number))

    def check_all(self) -> None:
        """Assert the invariants."""
        rows = [waiting for line in self.lines.values() for waiting in line]
        assert self.count == len(rows) == sum(map(len, self.sessions.values()))
        assert all(self.sessions[waiting.session][waiting.number] is waiting for waiting in rows)
        assert all(line and line == sorted(line, key=lambda each: each.place) for line in self.lines.values())
        assert all(waiting.log == log for log, line in self.lines.items() for waiting in line)
