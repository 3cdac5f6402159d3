"""Names that a subscription has seen, so that a message which stands in two logs is shown once.

Nodes leave out what they know to be a copy; but a client that moved may be ahead of its new node, and only it knows
what it was shown. Where a node has compared two messages of one name and found them unequal it says so, and both are shown.
It remembers runs of sequences for the publishers that it last heard; beyond the limit the oldest go, and
that *once* is at risk is reported. What is remembered is kept beside a cursor (`parts`), so that a process which starts
again from it knows what the one before it was shown.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import Any

from mesh.clocks.vector import IntervalSet
from mesh.errors import DecodeError
from mesh.log.record import Record

RUNS_MAX = 65_536
PARTS_MAX = 4_096
"""What MessagePack readers take of an array or a map."""
Publisher = tuple[str, int]
"""A publisher and its incarnation."""


class Seen:
    """Runs of seen sequences by publisher and incarnation, the least recently heard first."""

    def __init__(self, runs_max: int = RUNS_MAX) -> None:
        """Remember so many runs, and the newest sequence of as many channels."""
        self._runs_max = runs_max
        self._seen: OrderedDict[Publisher, IntervalSet] = OrderedDict()
        self._newest: OrderedDict[tuple[Publisher, str], int] = OrderedDict()
        self.runs = 0
        self.forgot = False
        """Names were forgotten: a duplicate might be shown."""

    def note(self, record: Record) -> tuple[bool, bool]:
        """Whether a message is new; and whether it comes late, after its successor in its channel."""
        key = record.publisher, record.incarnation
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = IntervalSet()
        else:
            self._seen.move_to_end(key)
        if record.sequence in seen:
            return False, False
        before = len(seen)
        seen.add(record.sequence, record.sequence)
        self.runs += len(seen) - before
        if self.runs > self._runs_max:
            self._forget_oldest()
        newest = self._newest.pop((key, record.channel), 0)
        self._newest[key, record.channel] = max(newest, record.sequence)
        if len(self._newest) > self._runs_max:
            self._newest.popitem(last=False)
        return True, record.sequence < newest

    def _forget_oldest(self) -> None:
        """Forget the publisher that was heard longest ago; of one that is alone, the lower half of its runs."""
        self.forgot = True
        if len(self._seen) > 1:
            _, gone = self._seen.popitem(last=False)
            self.runs -= len(gone)
            return
        (key,) = self._seen
        kept = list(self._seen[key])[len(self._seen[key]) // 2 :]
        self._seen[key] = IntervalSet(kept)
        self.runs = len(kept)

    def copy(self) -> Seen:
        """A memory of its own with the same names."""
        twin = Seen(self._runs_max)
        twin._seen = OrderedDict((key, runs.copy()) for key, runs in self._seen.items())
        twin._newest = self._newest.copy()
        twin.runs = self.runs
        return twin

    def parts(self) -> list[list[Any]]:
        """Plain lists that `from_parts` reads, the most recently heard publisher first, none longer than `PARTS_MAX`."""
        newest: dict[Publisher, dict[str, int]] = {key: {} for key in self._seen}
        for (key, channel), sequence in reversed(self._newest.items()):
            if key in newest and len(newest[key]) < PARTS_MAX:
                newest[key][channel] = sequence
        return [
            [*key, [[first, last] for first, last in runs][-PARTS_MAX:], newest[key]]
            for key, runs in islice(reversed(self._seen.items()), PARTS_MAX)
        ]

    @classmethod
    def from_parts(cls, parts: Any, runs_max: int = RUNS_MAX) -> Seen:
        """Read what `parts` gave. Raises `DecodeError`."""
        twin = cls(runs_max)
        try:
            for publisher, incarnation, runs, newest in reversed(parts):
                key = _typed(publisher, str), _typed(incarnation, int)
                twin._seen[key] = IntervalSet(_run(*run) for run in runs)
                for channel, sequence in reversed(newest.items()):
                    twin._newest[key, _typed(channel, str)] = _typed(sequence, int)
        except (TypeError, ValueError, AttributeError) as error:
            raise DecodeError(f"names that were seen do not decode: {error}") from error
        twin.runs = sum(map(len, twin._seen.values()))
        while twin.runs > runs_max:
            twin._forget_oldest()
        while len(twin._newest) > runs_max:
            twin._newest.popitem(last=False)
        return twin


def _run(low: Any, high: Any) -> tuple[int, int]:
    if not 0 < _typed(low, int) <= _typed(high, int):
        raise ValueError("runs rise from 1")
    return low, high


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} expected")
    return value
