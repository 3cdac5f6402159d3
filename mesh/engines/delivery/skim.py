"""Skimming: how a reader that was too slow catches up if it does not want everything.

`drop-oldest` keeps the newest records of what it missed, `latest` the newest of each channel, both at most as many as
are allowed. A reader that fell behind is read to the tail without telling it anything; then it gets what was kept, and
a gap (`dropped`) for what was not, each in its place.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from mesh.clocks.vector import IntervalSet
from mesh.log.record import Record
from mesh.operations import Gap, GapReason, Messages
from mesh.types import LogId

Place = tuple[LogId, int]


@dataclass(slots=True)
class Skim:
    """What was read for a slow reader. `by_channel` keeps one record of each channel."""

    by_channel: bool
    kept_max: int
    kept: OrderedDict[object, tuple[LogId, int, Record]] = field(default_factory=OrderedDict)
    dropped: dict[LogId, list[int]] = field(default_factory=dict)
    covered: dict[LogId, IntervalSet] = field(default_factory=dict)

    def cover(self, log: LogId, first: int, last: int) -> None:
        """A run was read."""
        self.covered.setdefault(log, IntervalSet()).add(first, last)

    def keep(self, log: LogId, position: int, record: Record) -> None:
        """A record matches: keep it, and let go of the one that it replaces."""
        key: object = record.channel if self.by_channel else (log, position)
        replaced = self.kept.pop(key, None)
        if replaced is not None and replaced[2].stamp > record.stamp:
            self.kept[key] = replaced
            self._drop(log, position)
            return
        if replaced is not None:
            self._drop(replaced[0], replaced[1])
        self.kept[key] = log, position, record
        self.shrink(self.kept_max)

    def shrink(self, kept_max: int) -> None:
        """Keep no more than so many, the newest."""
        while len(self.kept) > kept_max:
            _, (log, position, _record) = self.kept.popitem(last=False)
            self._drop(log, position)

    def _drop(self, log: LogId, position: int) -> None:
        self.dropped.setdefault(log, []).append(position)

    def told(self, subscription: int) -> list[Messages | Gap]:
        """What to tell the reader: for every run, kept records and dropped ones in the order of the log."""
        kept: dict[LogId, dict[int, Record]] = {}
        for log, position, record in self.kept.values():
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
