"""Interval sets and version vectors: what a node has.

An `IntervalSet` is a set of sequence numbers (from 1) kept as sorted, disjoint, non-adjacent closed runs. A
`VersionVector` maps logs to interval sets: a version vector with exceptions (Malkhi and Terry, *Concise version
vectors in WinFS*, 2005). Vectors are compared as sets of records, which makes *before*, *after*, *equal* and
*concurrent* exact, holes included.

Invariants: `0 < first <= last`, and between runs at least one number is missing; no log in a vector has an empty set.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from mesh.types import LogId

NEVER = 1 << 64
"""The least number of what includes none: beyond all that there are."""

NO_RUNS: tuple[tuple[int, int], ...] = ()


class Order(Enum):
    """How one version vector stands to another."""

    BEFORE = "before"
    AFTER = "after"
    EQUAL = "equal"
    CONCURRENT = "concurrent"


class IntervalSet:
    """A mutable set of positive integers, kept as runs; every change costs O(log runs) plus the runs it touches.

    Nearly all sets are one run for nearly all of their life: that is two numbers, and lists are made where there are more.
    """

    __slots__ = ("_first", "_runs", "last")

    def __init__(self, runs: Iterable[tuple[int, int]] = NO_RUNS) -> None:
        """Build from closed runs `(first, last)` in any order; they may overlap. Costs O(n log n)."""
        self._first = NEVER
        """The least number that is included ..."""
        self.last = 0
        """... and the greatest, 0 if there is none: read only."""
        self._runs: tuple[list[int], list[int]] | None = None
        """The first and the last numbers of all runs, where there are several."""
        if runs is not NO_RUNS:  # without a call, for each of the many that begin empty
            for first, last in sorted(runs):
                self.add(first, last)

    def _lists(self) -> tuple[list[int], list[int]]:
        """The first and the last numbers of all runs."""
        return self._runs or (([self._first], [self.last]) if self.last else ([], []))

    def _keep(self, firsts: list[int], lasts: list[int]) -> None:
        """These are all runs from now on."""
        self._first, self.last = (firsts[0], lasts[-1]) if firsts else (NEVER, 0)
        self._runs = (firsts, lasts) if len(firsts) > 1 else None

    def add(self, first: int, last: int) -> None:
        """Include `first..last`, joining what it touches."""
        assert 0 < first <= last
        end = self.last
        if not end:
            self._first, self.last = first, last
            return
        if self._runs is None and first <= end + 1 and last >= self._first - 1:  # the run grows, as nearly always
            if last > end:  # without a call, for each batch
                self.last = last
            if first < self._first:  # noqa: PLR1730  # as above
                self._first = first
            return
        firsts, lasts = self._lists()
        if firsts[-1] <= first <= end + 1:  # the last run goes on
            self.last = lasts[-1] = max(end, last)
            return
        lo = bisect_left(lasts, first - 1)
        hi = bisect_right(firsts, last + 1)
        if lo < hi:
            first, last = min(first, firsts[lo]), max(last, lasts[hi - 1])
        firsts[lo:hi] = [first]
        lasts[lo:hi] = [last]
        self._keep(firsts, lasts)

    def remove(self, first: int, last: int) -> None:
        """Exclude `first..last`, splitting the runs it cuts."""
        assert 0 < first <= last
        if not self.touches(first, last):
            return
        firsts, lasts = self._lists()
        lo = bisect_left(lasts, first)
        hi = bisect_right(firsts, last)
        kept = [(firsts[lo], first - 1), (last + 1, lasts[hi - 1])]
        kept = [(a, b) for a, b in kept if a <= b]
        firsts[lo:hi] = [a for a, _ in kept]
        lasts[lo:hi] = [b for _, b in kept]
        self._keep(firsts, lasts)

    def covers(self, first: int, last: int) -> bool:
        """Whether all of `first..last` is included."""
        if self._runs is None:
            return self._first <= first and last <= self.last
        firsts, lasts = self._runs
        i = bisect_left(lasts, first)
        return i < len(firsts) and firsts[i] <= first and last <= lasts[i]

    def includes(self, other: IntervalSet) -> bool:
        """Whether all that the other includes is included here."""
        if other._runs is None:
            return not other.last or self.covers(other._first, other.last)
        return self.equals(other) or all(map(self.covers, *other._runs))

    def equals(self, other: IntervalSet) -> bool:
        """Whether both include the same: `==` without asking what the other is."""
        return self._first == other._first and self.last == other.last and self._runs == other._runs

    def is_run(self, first: int, last: int) -> bool:
        """Whether `first..last` is all that is included."""
        return self._runs is None and self._first == first and self.last == last

    def touches(self, first: int, last: int) -> bool:
        """Whether any of `first..last` is included."""
        if self._runs is None:
            return first <= self.last and self._first <= last
        firsts, lasts = self._runs
        i = bisect_left(lasts, first)
        return i < len(firsts) and firsts[i] <= last

    def __contains__(self, number: int) -> bool:
        return self.covers(number, number)

    @property
    def frontier(self) -> int:
        """The highest number below which nothing is missing; 0 if even 1 is."""
        return 0 if self._first != 1 else self.last if self._runs is None else self._runs[1][0]

    @property
    def count(self) -> int:
        """How many numbers are included."""
        if self._runs is None:
            return self.last - self._first + 1 if self.last else 0
        firsts, lasts = self._runs
        return sum(lasts) - sum(firsts) + len(firsts)

    def missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """The runs of `first..last` that are not included, ascending."""
        if self.last < first:  # all of it comes later, or all of it is in the one run, as nearly always
            return [(first, last)] if first <= last else []
        gaps: list[tuple[int, int]] = []
        if self._runs is None and self._first <= first:
            if last > self.last:
                gaps.append((self.last + 1, last))
            return gaps
        firsts, lasts = self._lists()
        for i in range(bisect_left(lasts, first), len(firsts)):
            if firsts[i] > last:
                break
            if first < firsts[i]:
                gaps.append((first, firsts[i] - 1))
            first = lasts[i] + 1
        if first <= last:
            gaps.append((first, last))
        return gaps

    def within(self, first: int, last: int) -> list[tuple[int, int]]:
        """The included runs of `first..last`, clipped to it, ascending."""
        if first <= last and self.covers(first, last):  # as nearly always
            return [(first, last)]
        firsts, lasts = self._lists()
        lo, hi = bisect_left(lasts, first), bisect_right(firsts, last)
        if lo >= hi:
            return []
        return [(max(firsts[i], first), min(lasts[i], last)) for i in range(lo, hi)]

    def reach(self, number: int) -> int:
        """The last of the run that includes a number; the number itself where none does."""
        firsts, lasts = self._lists()
        i = bisect_left(lasts, number)
        return lasts[i] if i < len(firsts) and firsts[i] <= number else number

    def edge(self, *, last: bool) -> tuple[int, int]:
        """The first run, or the last; there has to be one."""
        firsts, lasts = self._lists()
        at = -1 if last else 0
        return firsts[at], lasts[at]

    def update(self, other: IntervalSet) -> None:
        """Include all that the other includes."""
        for first, last in other:
            self.add(first, last)

    def beyond(self, other: IntervalSet) -> tuple[int, int] | None:
        """The first run of what is included here and not in the other: no more of both is looked at than that takes."""
        firsts, lasts = other._lists()
        for begin, last in self:
            first, i = begin, bisect_left(lasts, begin)
            if i < len(firsts) and firsts[i] <= begin:
                first, i = lasts[i] + 1, i + 1
            if first <= last:
                return first, last if i >= len(firsts) or firsts[i] > last else firsts[i] - 1
        return None

    def minus(self, other: IntervalSet) -> IntervalSet:
        """A new set: what is here and not in the other."""
        rest = self.copy()
        for first, last in other:
            rest.remove(first, last)
        return rest

    def copy(self) -> IntervalSet:
        """A set of its own with the same numbers."""
        twin = IntervalSet()
        twin._first, twin.last = self._first, self.last
        if self._runs is not None:
            firsts, lasts = self._runs
            twin._runs = firsts[:], lasts[:]
        return twin

    def __iter__(self) -> Iterator[tuple[int, int]]:
        if self._runs is None:
            return iter([(self._first, self.last)] if self.last else [])
        return iter(list(zip(*self._runs, strict=True)))

    def __len__(self) -> int:
        return len(self._runs[0]) if self._runs is not None else 1 if self.last else 0

    def __bool__(self) -> bool:
        return self.last > 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntervalSet) and self.equals(other)

    __hash__ = None  # type: ignore[assignment]  # mutable: equal today is not equal tomorrow

    def __repr__(self) -> str:
        return f"IntervalSet({list(self)})"

    def check(self) -> None:
        """Assert the invariants: sorted, disjoint, not adjacent, positive; lists only where there are several runs."""
        firsts, lasts = self._lists()
        assert len(firsts) == len(lasts) and (len(firsts) > 1) == (self._runs is not None), self
        assert (self._first, self.last) == ((firsts[0], lasts[-1]) if firsts else (NEVER, 0)), self
        below = -1
        for first, last in zip(firsts, lasts, strict=True):
            assert below + 1 < first <= last, self
            below = last


class VersionVector:
    """A mutable map from logs to interval sets: every record that somebody has."""

    __slots__ = ("sets",)

    def __init__(self, sets: Iterable[tuple[LogId, Iterable[tuple[int, int]]]] = ()) -> None:
        """Build from logs and runs, in any order; logs without any are left out, one that is named twice is joined."""
        found: dict[LogId, list[tuple[int, int]]] = {}
        for log, runs in sets:
            found.setdefault(log, []).extend(runs)
        self.sets = {log: IntervalSet(runs) for log, runs in found.items() if runs} if found else {}
        """Read only, where a call for each question would cost too much."""

    def add(self, log: LogId, first: int, last: int) -> None:
        """Include the records `first..last` of a log."""
        runs = self.sets.get(log)
        if runs is None:
            runs = self.sets[log] = IntervalSet()
        runs.add(first, last)

    def remove(self, log: LogId, first: int, last: int) -> None:
        """Exclude the records `first..last` of a log."""
        runs = self.sets.get(log)
        if runs is not None:
            runs.remove(first, last)
            if not runs:
                del self.sets[log]

    def replace(self, log: LogId, runs: IntervalSet) -> None:
        """Say anew what is held of a log; the set is copied."""
        self.sets.pop(log, None)
        if runs:
            self.sets[log] = runs.copy()

    def get(self, log: LogId) -> IntervalSet:
        """What is held of a log. Read only: change it through this vector."""
        return self.sets.get(log, _NOTHING)

    def forget(self, log: LogId) -> None:
        """Drop a log."""
        self.sets.pop(log, None)

    def covers(self, log: LogId, first: int, last: int) -> bool:
        """Whether all of `first..last` of a log is included."""
        return self.get(log).covers(first, last)

    def logs(self) -> list[LogId]:
        """The logs, sorted."""
        return sorted(self.sets)

    def items(self) -> list[tuple[LogId, IntervalSet]]:
        """Logs and sets, sorted by log."""
        return sorted(self.sets.items())

    def merge(self, other: VersionVector) -> None:
        """Include all that the other includes: the least upper bound."""
        for log, runs in other.sets.items():
            self.sets.setdefault(log, IntervalSet()).update(runs)

    def difference(self, other: VersionVector) -> VersionVector:
        """A new vector: what is here and not in the other."""
        return VersionVector((log, runs.minus(other.get(log))) for log, runs in self.sets.items())

    def compare(self, other: VersionVector) -> Order:
        """How this vector stands to the other, as sets of records."""
        more, less = bool(self.difference(other)), bool(other.difference(self))
        if more and less:
            return Order.CONCURRENT
        if more:
            return Order.AFTER
        return Order.BEFORE if less else Order.EQUAL

    def copy(self) -> VersionVector:
        """A vector of its own with the same records."""
        twin = VersionVector()
        twin.sets = {log: runs.copy() for log, runs in self.sets.items()}
        return twin

    @property
    def count(self) -> int:
        """How many records are included, over all logs."""
        return sum(runs.count for runs in self.sets.values())

    @property
    def runs(self) -> int:
        """How many runs there are, over all logs: what it costs to hold and to send."""
        return sum(map(len, self.sets.values()))

    def __len__(self) -> int:
        return len(self.sets)

    def __contains__(self, log: LogId) -> bool:
        return log in self.sets

    def __bool__(self) -> bool:
        return bool(self.sets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VersionVector) and self.sets == other.sets

    __hash__ = None  # type: ignore[assignment]  # mutable: equal today is not equal tomorrow

    def __repr__(self) -> str:
        return f"VersionVector({self.items()})"

    def check(self) -> None:
        """Assert the invariants of every set, and that none is empty."""
        for runs in self.sets.values():
            assert runs
            runs.check()


def once(ranges: tuple[tuple[LogId, int, int], ...]) -> Sequence[tuple[LogId, int, int]]:
    """The same positions in the same order, each once: who names one again and again in a frame is heard once."""
    if len(ranges) < 2 or len({log for log, _, _ in ranges}) == len(ranges):  # as nearly always: each of another log
        return ranges
    seen, found = VersionVector(), []
    for log, first, last in ranges:
        found += [(log, lo, hi) for lo, hi in seen.get(log).missing(first, last)]
        seen.add(log, first, last)
    return found


_NOTHING = IntervalSet()
