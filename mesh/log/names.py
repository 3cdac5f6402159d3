"""Names of messages: a publish that is retried, on any node, after any time within retention, is one message.

For each publisher and incarnation a node keeps runs `first..last -> (log, positions)`, one for every copy. A run holds
sequences that follow one another without a hole, at rising positions of one log; the positions between may belong to
others, which is why a run says where a name *is at most*; all of them are held, so that whoever waits until they are
stored does not wait for what may never come. Batches that come in another order than they were sealed in are joined when
the last of them is here. Runs are what a disk keeps, too (`marks.names`), replaced by `(publisher, incarnation, log,
first)` as they grow at their end; what was joined to an earlier one stays on the disk and is passed over at the start.

The runs of a name in a log are sorted by their sequences. Unless a log holds a name twice, which none does that an honest
node wrote, they do not overlap, and one look finds the run of a sequence and its neighbors however many there are. How
often runs of one log overlap is counted and bounded, so that in any log few runs have to be looked at: of what would be
beyond that only names are taken in that the log has not yet. So no name in a log is missed, but not every copy is found.

The index is bounded by retention: a run is forgotten when all that is in it has expired.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log.batch import Batch
from mesh.log.record import Record
from mesh.types import LogId

Name = tuple[str, int]
"""A publisher and its incarnation."""
_NOTHING = IntervalSet()
REPEATS_MAX = 256
"""Pairs of runs of a name in one log that may overlap: then 22 copies of a message in it are found. An honest log has none."""


class NameRun(NamedTuple):
    """Sequences `first..last` of a publisher's incarnation, at positions `from_position..to_position` of a log."""

    publisher: str
    incarnation: int
    first: int
    last: int
    log: LogId
    from_position: int
    to_position: int
    expires_ms: int

    def place_at_most(self, sequence: int) -> int:
        """The last position at which one of its sequences can stand: positions rise with the sequences."""
        return self.to_position - (self.last - sequence)


def _runs_of(batch: Batch) -> list[NameRun]:
    """The name runs of one batch, in the order in which they begin."""
    if batch.head.length == 1 and batch.body is not None:
        (one,) = batch.records()
        place, expires_ms = batch.first, batch.head.expires_ms
        return [
            NameRun(one.publisher, one.incarnation, one.sequence, one.sequence, batch.log, place, place, expires_ms)
        ]
    open_runs: dict[tuple[str, int], list[int]] = {}
    found: list[tuple[tuple[str, int], list[int]]] = []
    for position, record in enumerate(batch.records(), batch.first):
        key = (record.publisher, record.incarnation)
        run = open_runs.get(key)
        if run is not None and run[1] + 1 == record.sequence:
            run[1] = record.sequence
            run[3] = position
        else:
            run = open_runs[key] = [record.sequence, record.sequence, position, position]
            found.append((key, run))
    log, expires_ms = batch.log, batch.head.expires_ms
    return [NameRun(key[0], key[1], run[0], run[1], log, run[2], run[3], expires_ms) for key, run in found]


def _follows(run: NameRun, new: NameRun, held: IntervalSet) -> bool:
    """Whether a new run of the same publisher's incarnation goes on where another ends, with no hole between."""
    rises = run.log == new.log and run.to_position < new.from_position and run.last + 1 == new.first
    return rises and held.covers(run.to_position, new.from_position)


def _joined(run: NameRun, new: NameRun) -> NameRun:
    """A run and the one that goes on where it ends."""
    publisher, incarnation, first, _, log, from_position, _, expires_ms = run
    expires_ms = max(expires_ms, new.expires_ms)
    return NameRun(publisher, incarnation, first, new.last, log, from_position, new.to_position, expires_ms)


def _holds(run: NameRun, new: NameRun) -> bool:
    """Whether a run has the names of another at the same places."""
    names = run.log == new.log and run.first <= new.first and new.last <= run.last
    return names and run.from_position <= new.from_position and new.to_position <= run.to_position


def _without(run: NameRun, gone: NameRun) -> list[NameRun]:
    """What is left of a run without the names of another, which lay in it whole, or it in that one."""
    if _holds(gone, run):
        return []
    inside = run.log == gone.log and run.first <= gone.first and gone.last <= run.last
    if not inside or not run.from_position <= gone.from_position <= run.to_position:
        return [run]
    left = run._replace(last=gone.first - 1, to_position=gone.from_position - 1)
    right = run._replace(first=gone.last + 1, from_position=gone.to_position + 1)
    return [part for part in (left, right) if part.first <= part.last and part.from_position <= part.to_position]


def _part(run: NameRun, first: int, last: int) -> NameRun:
    """Some of the names of a run, at the positions where they can stand."""
    from_position, to_position = run.from_position + first - run.first, run.to_position - (run.last - last)
    return run._replace(first=first, last=last, from_position=from_position, to_position=to_position)


def _within(run: NameRun, gone: IntervalSet) -> list[NameRun]:
    """A run that neither begins nor ends at positions that are gone, if anything is left of it."""
    left = gone.missing(run.from_position, run.to_position)
    return [run._replace(from_position=left[0][0], to_position=left[-1][1])] if left else []


class NameIndex:
    """Which names a node holds, and where."""

    __slots__ = ("_runs", "_twice", "movers")

    def __init__(self, runs: Iterable[NameRun] = ()) -> None:
        """Start from recovered runs, in any order."""
        self._runs: dict[Name, list[NameRun]] = {}
        """Of the log in which a name was seen first ..."""
        self.movers: dict[Name, dict[LogId, list[NameRun]]] = {}
        """... and of others. Only a name that lies in more than one log can have copies, and a batch looks at its own alone."""
        self._twice: dict[tuple[Name, LogId], int] = {}
        """Where runs of one log overlap, or did: how many pairs of them, at most."""
        for run in sorted(runs, key=lambda run: (run.log, run.first, -run.last, run.from_position)):
            before = self._in((run.publisher, run.incarnation), run.log)
            if before is None:
                self._begin(run)
            else:
                self._join(before, run, _NOTHING)

    def _in(self, name: Name, log: LogId) -> list[NameRun] | None:
        """The runs of a name in a log."""
        runs = self._runs.get(name)
        if runs is None or runs[0].log == log:
            return runs
        others = self.movers.get(name)
        return others.get(log) if others is not None else None

    def _all(self, name: Name) -> Iterable[list[NameRun]]:
        """The runs of a name in each log that has any."""
        here = self._runs.get(name)
        if here is None:
            return ()
        others = self.movers.get(name)
        return (here,) if others is None else (here, *others.values())

    def _window(self, runs: list[NameRun], sequence: int) -> tuple[int, int]:
        """Where in the runs of a name in a log those stand that can hold a sequence, or where they would."""
        publisher, incarnation, _, _, log, *_ = runs[0]
        end = bisect_left(runs, (publisher, incarnation, sequence + 1))
        if ((publisher, incarnation), log) in self._twice:
            return max(
                end - 1 - REPEATS_MAX, 0
            ), end  # all that lie between one that holds it and the end overlap that one
        return (end - 1 if end and runs[end - 1].last >= sequence else end), end

    def _begin(self, run: NameRun) -> None:
        """Take in the first run of a name in a log."""
        name = run.publisher, run.incarnation
        if name in self._runs:
            self.movers.setdefault(name, {})[run.log] = [run]
        else:
            self._runs[name] = [run]

    def _end(self, name: Name, log: LogId) -> None:
        """A name has no run left in a log."""
        self._twice.pop((name, log), None)
        others = self.movers.get(name, {})
        if log in others:
            del others[log]
        elif others:
            self._runs[name] = others.pop(next(iter(others)))
        else:
            del self._runs[name]
        if not others:
            self.movers.pop(name, None)

    def __len__(self) -> int:
        return len(self._runs)

    def note(self, batch: Batch, held: IntervalSet) -> list[NameRun]:
        """Take in the names of a batch, given what is held of its log; return the runs that changed, for the disk."""
        changed: dict[tuple[str, int, int, int], NameRun] = {}
        found = _runs_of(batch)
        for new in found:
            runs = self._in((new.publisher, new.incarnation), new.log)
            if runs is None:
                self._begin(new)
                run = new
            elif _follows(runs[-1], new, held):  # as nearly always
                run = runs[-1] = _joined(runs[-1], new)
            else:
                run = self._join(runs, new, held)
            if len(found) == 1:
                return [run]
            changed[run.publisher, run.incarnation, run.first, run.from_position] = run
        return list(changed.values())

    def _join(self, runs: list[NameRun], new: NameRun, held: IntervalSet) -> NameRun:
        """Take a run in, joined with those that it touches; return what it is part of now."""
        start = end = bisect_right(runs, new)
        for run in runs[max(start - 1, 0) : start + 1]:
            if _holds(run, new):  # it was lost from the disk, its row perhaps too, and has come again
                return run
        whole = new
        if start > 0 and _follows(runs[start - 1], new, held):
            start -= 1
            whole = _joined(runs[start], new)
        if end < len(runs) and _follows(whole, runs[end], held):
            whole = _joined(whole, runs[end])
            end += 1
        key = (new.publisher, new.incarnation), new.log
        before = runs[max(start - 1 - (REPEATS_MAX if key in self._twice else 0), 0) : start]
        behind = bisect_left(runs, (new.publisher, new.incarnation, whole.last + 1), end)
        repeats = behind - end + sum(run.last >= whole.first for run in before)
        if repeats:
            repeats += self._twice.get(key, 0)
            if repeats > REPEATS_MAX:
                self._fill(runs, new)
                return new  # on the disk all is found
            self._twice[key] = repeats
        runs[start:end] = [whole]
        return whole

    def _fill(self, runs: list[NameRun], new: NameRun) -> None:
        """Take in what of a run has no name yet in its log; what has one lives as long as the last copy."""
        start = max(bisect_right(runs, new) - 1 - REPEATS_MAX, 0)
        end = bisect_left(runs, (new.publisher, new.incarnation, new.last + 1))
        filled: list[NameRun] = []
        first = new.first
        for run in runs[start:end]:
            if run.first > first:
                filled.append(_part(new, first, run.first - 1))
            first = max(first, run.last + 1)
            lives = run.expires_ms if run.last < new.first else max(run.expires_ms, new.expires_ms)
            filled.append(run._replace(expires_ms=lives))
        if first <= new.last:
            filled.append(_part(new, first, new.last))
        runs[start:end] = filled

    def find(self, publisher: str, incarnation: int, sequence: int) -> list[NameRun]:
        """The runs that hold a name: one for each copy, as far as that is bounded; none if it is new here."""
        found = []
        for runs in self._all((publisher, incarnation)):
            start, end = self._window(runs, sequence)
            found += [run for run in runs[start:end] if run.first <= sequence <= run.last]
        return found

    def newest(self, publisher: str, incarnation: int) -> int:
        """The highest sequence that is held of an incarnation; 0 if none is."""
        newest = 0
        for runs in self._all((publisher, incarnation)):
            newest = max(newest, self._last_of(runs))
        return newest

    def newest_in(self, publisher: str, incarnation: int, log: LogId) -> int:
        """The same of one log."""
        runs = self._in((publisher, incarnation), log)
        return self._last_of(runs) if runs is not None else 0

    def _last_of(self, runs: list[NameRun]) -> int:
        """The highest sequence in the runs of a name in a log."""
        start, end = self._window(runs, runs[-1].last)
        return max(run.last for run in runs[start:end])

    def moved(self, publisher: str, incarnation: int) -> bool:
        """Whether this incarnation's names lie in more than one log, so that a copy is possible at all."""
        return (publisher, incarnation) in self.movers

    def forget(self, batch: Batch) -> None:
        """Take the names of a batch out again: its append failed."""
        for gone in _runs_of(batch):

            def cut(run: NameRun, gone: NameRun = gone) -> list[NameRun]:
                return _without(run, gone)

            self._change(gone, gone.first, gone.last, cut)

    def tighten(self, batch: Batch, gone: IntervalSet) -> None:
        """Let the runs that a batch was taken out of neither begin nor end where all was taken back."""
        for cut in _runs_of(batch):
            for beside in (cut.first - 1, cut.last + 1):
                self._change(cut, beside, beside, lambda run: _within(run, gone))

    def _change(self, where: NameRun, first: int, last: int, change: Callable[[NameRun], list[NameRun]]) -> None:
        """Change the runs that can hold any of some sequences, of the name and in the log of another run."""
        name = where.publisher, where.incarnation
        runs = self._in(name, where.log)
        if runs is not None:
            start, end = self._window(runs, first)[0], self._window(runs, last)[1]
            parts = [part for run in runs[start:end] for part in change(run)]
            del runs[start:end]
            for part in parts:
                insort(runs, part)
            if not runs:
                self._end(name, where.log)

    def expire(self, wall_ms: int) -> int:
        """Forget runs of which nothing is alive; return how many incarnations went with them."""
        before = len(self._runs)
        here = [(name, runs[0].log, runs) for name, runs in self._runs.items()]
        there = [(name, log, runs) for name, others in self.movers.items() for log, runs in others.items()]
        for name, log, runs in (*here, *there):
            runs[:] = [run for run in runs if run.expires_ms > wall_ms]
            if not runs:
                self._end(name, log)
        return before - len(self._runs)

    def copies_elsewhere(self, publisher: str, incarnation: int, sequence: int, log: LogId) -> list[NameRun]:
        """The runs of other logs that hold the same name."""
        return [run for run in self.find(publisher, incarnation, sequence) if run.log != log]

    def overtaken(self, record: Record, log: LogId, told: VersionVector) -> bool:
        """Whether a successor of a record may have been told from another log: its publisher had moved."""
        key = record.publisher, record.incarnation
        if key not in self.movers:
            return False
        for runs in self._all(key):
            if runs[0].log == log:
                continue
            start, _ = self._window(runs, record.sequence + 1)
            for run in runs[start:]:
                if run.last > record.sequence:
                    place = run.from_position + max(record.sequence + 1 - run.first, 0)
                    if told.get(run.log).touches(place, run.to_position):
                        return True
        return False

    def check(self) -> None:
        """Assert that runs are well formed."""
        assert self.movers.keys() <= self._runs.keys() and all(self.movers.values())
        assert all(pairs <= REPEATS_MAX for pairs in self._twice.values())
        for name, home in self._runs.items():
            logs = [home, *self.movers.get(name, {}).values()]
            assert all(len({run.log for run in runs}) == 1 for runs in logs)
            assert len({runs[0].log for runs in logs}) == len(logs)
            for runs in logs:
                assert runs == sorted(runs)
                apart = all(run.last < after.first for run, after in pairwise(runs))
                assert apart or (name, runs[0].log) in self._twice
                for run in runs:
                    assert (run.publisher, run.incarnation) == name
                    assert 0 < run.first <= run.last and 0 < run.from_position <= run.to_position
                    assert run.last - run.first <= run.to_position - run.from_position
