"""Skimming: how a reader that was too slow catches up if it does not want everything.

`drop-oldest` keeps the newest records of what it missed, `latest` the newest of each channel, both at most as many as
are allowed. A reader that fell behind is read to the tail without telling it anything; then it gets what was kept, and
a gap (`dropped`) for what was not, each in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sortedcontainers import SortedDict

from mesh.clocks.vector import IntervalSet
from mesh.log.record import Record
from mesh.operations import Gap, GapReason, Messages
from mesh.types import LogId

Place = tuple[LogId, int]
Age = tuple[int, LogId, int]
"""A record's stamp and place: ordered as history is, whichever log was read first."""


@dataclass(slots=True)
class Skim:
    """What was read for a slow reader. `by_channel` keeps one record of each channel."""

    by_channel: bool
    kept_max: int
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
                del self.kept[known]
                self._drop(known[1], known[2])
            self.newest[record.channel] = age
        self.kept[age] = record
        self.shrink(self.kept_max)

    def shrink(self, kept_max: int) -> None:
        """Keep no more than so many, the newest."""
        while len(self.kept) > kept_max:
            (_, log, position), record = self.kept.popitem(0)
            self.newest.pop(record.channel, None)
            self._drop(log, position)

    def _drop(self, log: LogId, position: int) -> None:
        self.dropped.setdefault(log, []).append(position)

    def told(self, subscription: int) -> list[Messages | Gap]:
        """What to tell the reader: for every run, kept records and dropped ones in the order of the log."""
        kept: dict[LogId, dict[int, Record]] = {}
        for (_, log, position), record in self.kept.items():
            kept.setdefault(log, {})[position] = record
        operations: list[Messages | Gap] = []
        for log, runs in sorted(self.covered.items()):
            mine, gone = kept.get(log, {}), set(self.dropped.get(log, ()))
            for first, last in runs:
                places = sorted(p for p in (*mine, *gone) if first <= p <= last)
                operations += _told_run(subscription, log, first, last, places, mine)
        return operations


def _told_run(
    subscription: int, log: LogId, first: int, last: int, places: list[int], kept: dict[int, Record]
) -> list[Messages | Gap]:
    """One run, cut where kept and dropped records alternate; each part ends with its last, the final one at `last`."""
    parts: list[tuple[bool, list[int]]] = []
    for place in places:
        if not parts or parts[-1][0] != (place in kept):
            parts.append((place in kept, []))
        parts[-1][1].append(place)
    if not parts:
        return [Messages(subscription, log, first, last, (), ())]
    operations: list[Messages | Gap] = []
    for index, (is_kept, positions) in enumerate(parts):
        end = last if index == len(parts) - 1 else positions[-1]
        if is_kept:
            records = tuple(kept[position] for position in positions)
            operations.append(Messages(subscription, log, first, end, tuple(positions), records))
        else:
            operations.append(Gap(subscription, log, first, end, GapReason.DROPPED))
        first = end + 1
    return operations
