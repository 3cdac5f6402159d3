"""Names that a subscription has seen, so that a message which stands in two logs is shown once.

Nodes leave out what they know to be a copy; but a client that moved may be ahead of its new node, and only it knows
what it was shown. It remembers runs of sequences for the publishers that it last heard; beyond the limit the oldest go, and
that *once* is at risk is reported. What is remembered is kept beside a cursor (`parts`), so that a process which starts
again from it knows what the one before it was shown.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from operator import itemgetter
from typing import Any

from mesh.clocks.vector import IntervalSet
from mesh.errors import DecodeError
from mesh.log.record import Record

RUNS_MAX = 65_536
PARTS_MAX = 4_096
"""What MessagePack readers take of an array or a map."""


class Seen:
    """Runs of seen sequences by publisher and incarnation, the least recently heard first."""

    def __init__(self, runs_max: int = RUNS_MAX) -> None:
        """Remember so many runs."""
        self._runs_max = runs_max
        self._seen: OrderedDict[tuple[str, int], IntervalSet] = OrderedDict()
        self._last: dict[tuple[str, int], dict[str, int]] = {}
        self.runs = 0
        self.forgot = False
        """Names were forgotten: a duplicate might be shown."""

    def note(self, record: Record) -> tuple[bool, bool]:
        """Whether a message is new; and whether it comes late, after its successor in its channel."""
        key = record.publisher, record.incarnation
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = IntervalSet()
            self._last[key] = {}
        else:
            self._seen.move_to_end(key)
        if record.sequence in seen:
            return False, False
        before = len(seen)
        seen.add(record.sequence, record.sequence)
        self.runs += len(seen) - before
        last = self._last[key]
        newest = last.get(record.channel, 0)
        last[record.channel] = max(newest, record.sequence)
        while self.runs > self._runs_max and len(self._seen) > 1:
            gone, runs = self._seen.popitem(last=False)
            del self._last[gone]
            self.runs -= len(runs)
            self.forgot = True
        return True, record.sequence < newest

    def copy(self) -> Seen:
        """A memory of its own with the same names."""
        twin = Seen(self._runs_max)
        twin._seen = OrderedDict((key, runs.copy()) for key, runs in self._seen.items())
        twin._last = {key: dict(last) for key, last in self._last.items()}
        twin.runs = self.runs
        return twin

    def parts(self) -> list[list[Any]]:
        """Plain lists that `from_parts` reads, the most recently heard publisher first, none longer than `PARTS_MAX`."""
        parts: list[list[Any]] = []
        for (publisher, incarnation), runs in islice(reversed(self._seen.items()), PARTS_MAX):
            newest = sorted(self._last[publisher, incarnation].items(), key=itemgetter(1))[-PARTS_MAX:]
            kept = [[first, last] for first, last in runs][-PARTS_MAX:]
            parts.append([publisher, incarnation, kept, dict(newest)])
        return parts

    @classmethod
    def from_parts(cls, parts: Any, runs_max: int = RUNS_MAX) -> Seen:
        """Read what `parts` gave. Raises `DecodeError`."""
        twin = cls(runs_max)
        try:
            for publisher, incarnation, runs, last in reversed(parts):
                key = _typed(publisher, str), _typed(incarnation, int)
                seen = twin._seen[key] = IntervalSet()
                for low, high in runs:
                    seen.add(*_run(low, high))
                twin._last[key] = {_typed(channel, str): _typed(newest, int) for channel, newest in last.items()}
                twin.runs += len(seen)
        except (TypeError, ValueError, AttributeError) as error:
            raise DecodeError(f"names that were seen do not decode: {error}", 0) from error
        return twin


def _run(low: Any, high: Any) -> tuple[int, int]:
    if not 0 < _typed(low, int) <= _typed(high, int):
        raise ValueError("runs rise from 1")
    return low, high


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} expected")
    return value
