"""Skimming: how a reader that was too slow catches up if it does not want everything.

`drop-oldest` keeps the newest records of what it missed, `latest` the newest of each channel, both at most as many, and as
many bytes, as are allowed. A reader that fell behind is read to the tail without telling it anything; then it gets what
was kept, and a gap (`dropped`) for what was not, each in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sortedcontainers import SortedDict

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log.record import Record
from mesh.operations import Gap, GapReason, Messages
from mesh.types import LogId

Place = tuple[LogId, int]
Age = tuple[int, LogId, int]
"""A record's stamp and place: ordered as history is, whichever log was read first."""
KEPT_BYTES_MAX = 8 << 20
"""Payload bytes that are kept for one reader, but for a single larger record: a node has thousands of readers."""


@dataclass(slots=True)
class Skim:
    """What was read for a slow reader. `by_channel` keeps one record of each channel; `size` is in payload bytes."""

    by_channel: bool
    kept_max: int
    before: VersionVector = field(default_factory=VersionVector)
    """What its reader had been told before."""
    size: int = 0
    kept: SortedDict[Age, Record] = field(default_factory=SortedDict)
    """The oldest first."""
    newest: dict[str, Age] = field(default_factory=dict)
    """By channel, what of it is kept, where that is one."""
    dropped: dict[LogId, list[int]] = field(default_factory=dict)
    covered: dict[LogId, IntervalSet] = field(default_factory=dict)

    def cover(self, log: LogId, first: int, last: int) -> None:
        """A run was read."""
        self.covered.setdefault(log, IntervalSet()).add(first, last)

    def keep(self, log: LogId, position: int, record: Record) -> None:
        """A record matches: keep it, and let go of the one that it replaces."""
        age = record.stamp, log, position
        if self.by_channel:
            known = self.newest.get(record.channel)
            if known is not None and known > age:
                self._drop(log, position)
                return
            if known is not None:
                self._let_go(known)
            self.newest[record.channel] = age
        self.kept[age] = record
        self.size += len(record.payload)
        self.shrink(self.kept_max, KEPT_BYTES_MAX)

    def shrink(self, kept_max: int, bytes_max: int) -> None:
        """Keep no more than so many, of so many payload bytes, the newest; of bytes, one record may be more."""
        while len(self.kept) > kept_max or (self.size > bytes_max and len(self.kept) > 1):
            oldest, record = self.kept.peekitem(0)
            self.newest.pop(record.channel, None)
            self._let_go(oldest)

    def _let_go(self, age: Age) -> None:
        self.size -= len(self.kept.pop(age).payload)
        self._drop(age[1], age[2])

    def _drop(self, log: LogId, position: int) -> None:
        self.dropped.setdefault(log, []).append(position)

    def told(self, subscription: int, bytes_max: int) -> list[Messages | Gap]:
        """What to tell the reader: for every run, kept records and dropped ones in the order of the log.

        No delivery has more bytes of encoded records than so many, unless one record has.
        """
        kept: dict[LogId, dict[int, Record]] = {}
        for (_, log, position), record in self.kept.items():
            kept.setdefault(log, {})[position] = record
        operations: list[Messages | Gap] = []
        for log, runs in sorted(self.covered.items()):
            mine, gone = kept.get(log, {}), set(self.dropped.get(log, ()))
            for first, last in runs:
                places = sorted(p for p in (*mine, *gone) if first <= p <= last)
                operations += _told_run(subscription, log, first, last, _parts(places, mine, bytes_max), mine)
        return operations


def _parts(places: list[int], kept: dict[int, Record], bytes_max: int) -> list[list[int]]:
    """Places in order, cut where kept and dropped records alternate, and before a delivery has too many bytes."""
    parts: list[list[int]] = []
    size = 0
    for place in places:
        mine = len(kept[place].raw) if place in kept else 0
        size += mine
        if not parts or (parts[-1][0] in kept) != (place in kept) or size > bytes_max:
            parts.append([])
            size = mine
        parts[-1].append(place)
    return parts


def _told_run(
    subscription: int, log: LogId, first: int, last: int, parts: list[list[int]], kept: dict[int, Record]
) -> list[Messages | Gap]:
    """One run; each part ends with its last place, the final one at `last`."""
    if not parts:
        return [Messages(subscription, log, first, last, (), ())]
    operations: list[Messages | Gap] = []
    for index, positions in enumerate(parts):
        end = last if index == len(parts) - 1 else positions[-1]
        if positions[0] in kept:
            records = tuple(kept[position] for position in positions)
            operations.append(Messages(subscription, log, first, end, tuple(positions), records))
        else:
            operations.append(Gap(subscription, log, first, end, GapReason.DROPPED))
        first = end + 1
    return operations
