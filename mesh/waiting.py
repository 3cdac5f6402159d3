"""Waiting: publishes whose receipts may still rise, found by where in their log they stand.

While no other node can be reached, all that asks for more than this disk waits, and news of one place must not cost a look at
everything: so those of a log are kept by their first position, in classes of like width, in each of which what stands
about a range lies close together. A publish has one place; a retry may be known only to stand somewhere in a run.

Invariants, checked by `check`: the waiting are counted, and nobody waits in a log or for a session that is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import inf

from sortedcontainers import SortedKeyList

from mesh.types import LogId, SessionId

Place = tuple[float, float]


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
    told: tuple[int, int] = (0, 0)
    number: int = 0
    """In which order they came."""

    @property
    def place(self) -> Place:
        """Where it stands, and of several there in their order."""
        return self.from_position, self.number

    @property
    def width(self) -> int:
        """So many binary digits has what it spans."""
        return (self.to_position - self.from_position).bit_length()


def _place(waiting: Waiting) -> Place:
    return waiting.place


@dataclass
class Line:
    """Those who wait in one log."""

    count: int = 0
    rows: dict[int, SortedKeyList[Waiting, Place]] = field(default_factory=dict)
    """By width."""

    def about(self, first: int, last: int) -> list[Waiting]:
        """Those who may stand somewhere in a range, by their place."""
        found = [
            waiting
            for width, row in self.rows.items()
            for waiting in row.irange_key((first - (1 << width), 0), (last, inf))
            if waiting.to_position >= first
        ]
        return found if len(self.rows) == 1 else sorted(found, key=_place)

    def __iter__(self) -> Iterator[Waiting]:
        """All of them, by their place."""
        return iter(sorted((waiting for row in self.rows.values() for waiting in row), key=_place))

    def add(self, waiting: Waiting) -> None:
        """One more waits."""
        row = self.rows.get(waiting.width)
        if row is None:
            row = self.rows[waiting.width] = SortedKeyList(key=_place)
        row.add(waiting)
        self.count += 1

    def remove(self, waiting: Waiting) -> None:
        """One waits no more."""
        row = self.rows[waiting.width]
        row.remove(waiting)
        if not row:
            del self.rows[waiting.width]
        self.count -= 1


@dataclass
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
        self.lines.setdefault(waiting.log, Line()).add(waiting)
        self.sessions.setdefault(waiting.session, {})[waiting.number] = waiting
        self.count += 1

    def remove(self, waiting: Waiting) -> None:
        """One waits no more."""
        line, own = self.lines[waiting.log], self.sessions[waiting.session]
        line.remove(waiting)
        if not line.count:
            del self.lines[waiting.log]
        del own[waiting.number]
        if not own:
            del self.sessions[waiting.session]
        self.count -= 1

    def about(self, log: LogId, first: int, last: int) -> list[Waiting]:
        """Those who may stand somewhere in a range of a log, by their place."""
        line = self.lines.get(log)
        return [] if line is None else line.about(first, last)

    def of(self, session: SessionId) -> list[Waiting]:
        """Those of a session, the oldest first."""
        return list(self.sessions.get(session, {}).values())

    def crowding(self, number: int) -> list[Waiting]:
        """So many in all, the oldest of each of the sessions for which most wait: those of one that has few are not among them.

        A session is not a client: who has many connections has many of them.
        """
        sizes = [len(own) for own in self.sessions.values()]
        level = max(sizes)
        while sum(size - level for size in sizes if size > level) < number:
            level -= 1 + level // 8
        oldest = (each for own in self.sessions.values() for each in islice(own.values(), max(0, len(own) - level)))
        return list(islice(oldest, number))

    def check_all(self) -> None:
        """Assert the invariants."""
        rows = [waiting for line in self.lines.values() for waiting in line]
        assert self.count == len(rows) == sum(map(len, self.sessions.values()))
        assert all(self.sessions[waiting.session][waiting.number] is waiting for waiting in rows)
        for log, line in self.lines.items():
            assert line.count and all(line.rows.values()), "nobody waits there"
            assert all(
                waiting.log == log and waiting.width == width for width in line.rows for waiting in line.rows[width]
            )
