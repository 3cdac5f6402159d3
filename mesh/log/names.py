"""Names of messages: a publish that is retried, on any node, after any time within retention, is one message.

For each publisher and incarnation a node keeps runs `first..last -> (log, positions)`, one for every copy. A run holds
sequences that follow one another without a hole, at rising positions of one log; the positions between may belong to
others, which is why a run says where a name *is at most*; all of them are held, so that whoever waits until they are
stored does not wait for what may never come. Batches that come in another order than they were sealed in are joined when
the last of them is here. Runs are what a disk keeps, too (`marks.names`), replaced by `(publisher, incarnation, log,
first)` as they grow at their end; what was joined to an earlier one stays on the disk and is passed over at the start.

The index is bounded by retention: a run is forgotten when all that is in it has expired.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log.batch import Batch
from mesh.log.record import Record
from mesh.types import LogId

Name = tuple[str, int]
"""A publisher and its incarnation."""


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


def _without(run: NameRun, gone: NameRun, batch: Batch) -> list[NameRun]:
    """What is left of a run without the names of a batch: they lay in it whole, and what is left lies beside the batch."""
    inside = run.log == gone.log and run.first <= gone.first and gone.last <= run.last
    if not inside or not run.from_position <= gone.from_position <= run.to_position:
        return [run]
    left = run._replace(last=gone.first - 1, to_position=batch.first - 1)
    right = run._replace(first=gone.last + 1, from_position=batch.last + 1)
    # What would begin or end within the batch is taken out with it, though sequences there may not rise.
    return [part for part in (left, right) if part.first <= part.last and part.from_position <= part.to_position]


class NameIndex:
    """Which names a node holds, and where."""

    def __init__(self, runs: Iterable[NameRun] = ()) -> None:
        """Start from recovered runs, in any order."""
        self._runs: dict[Name, list[NameRun]] = {}
        """Of the log in which a name was seen first ..."""
        self.movers: dict[Name, dict[LogId, list[NameRun]]] = {}
        """... and of others. Only a name that lies in more than one log can have copies, and a batch looks at its own alone."""
        for run in sorted(runs, key=lambda run: (run.log, run.from_position, run.first, -run.last)):
            before = self._in((run.publisher, run.incarnation), run.log)
            if not before or not _holds(before[-1], run):
                self._take(run)

    def _in(self, name: Name, log: LogId) -> list[NameRun] | None:
        """The runs of a name in a log."""
        runs = self._runs.get(name)
        if runs is None or runs[0].log == log:
            return runs
        others = self.movers.get(name)
        return others.get(log) if others is not None else None

    def _all(self, name: Name) -> Iterable[NameRun]:
        """The runs of a name in all logs."""
        others = self.movers.get(name)
        runs = self._runs.get(name, [])
        return runs if others is None else chain(runs, *others.values())

    def _take(self, run: NameRun) -> None:
        name = run.publisher, run.incarnation
        runs = self._runs.setdefault(name, [])
        if runs and runs[0].log != run.log:
            runs = self.movers.setdefault(name, {}).setdefault(run.log, [])
        runs.append(run)

    def _put(self, name: Name, log: LogId, runs: list[NameRun]) -> None:
        """Let a name have these runs in a log where it had some, or none any more."""
        others = self.movers.get(name, {})
        if self._runs[name][0].log != log:
            others[log] = runs
            if not runs:
                del others[log]
        elif runs:
            self._runs[name] = runs
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
                self._take(new)
                run = new
            elif len(runs) == 1 and _follows(runs[0], new, held):  # as nearly always
                run = runs[0] = _joined(runs[0], new)
            else:  # it may have been lost from the disk, its row perhaps too, and have come again
                run = next((run for run in runs if _holds(run, new)), None) or self._join(runs, new, held)
            if len(found) == 1:
                return [run]
            changed[run.publisher, run.incarnation, run.first, run.from_position] = run
        return list(changed.values())

    def _join(self, runs: list[NameRun], new: NameRun, held: IntervalSet) -> NameRun:
        """Take a run in, joined with those that it touches; return what it is part of now."""
        before = next((i for i, run in enumerate(runs) if _follows(run, new, held)), None)
        if before is not None:
            new = _joined(runs.pop(before), new)
        after = next((i for i, run in enumerate(runs) if _follows(new, run, held)), None)
        if after is not None:
            new = _joined(new, runs.pop(after))
        runs.append(new)
        return new

    def find(self, publisher: str, incarnation: int, sequence: int) -> list[NameRun]:
        """The runs that hold a name: one for each copy; none if it is new here."""
        return [run for run in self._all((publisher, incarnation)) if run.first <= sequence <= run.last]

    def newest(self, publisher: str, incarnation: int) -> int:
        """The highest sequence that is held of an incarnation; 0 if none is."""
        return max((run.last for run in self._all((publisher, incarnation))), default=0)

    def moved(self, publisher: str, incarnation: int) -> bool:
        """Whether this incarnation's names lie in more than one log, so that a copy is possible at all."""
        return (publisher, incarnation) in self.movers

    def forget(self, batch: Batch) -> None:
        """Take the names of a batch out again: its append failed."""
        for gone in _runs_of(batch):
            name = gone.publisher, gone.incarnation
            runs = self._in(name, batch.log)
            if runs is not None:
                self._put(name, batch.log, [part for run in runs for part in _without(run, gone, batch)])

    def tighten(self, batch: Batch, gone: IntervalSet) -> None:
        """Let the runs that a batch was taken out of neither begin nor end where all was taken back."""
        for name in dict.fromkeys((record.publisher, record.incarnation) for record in batch.records()):
            runs = self._in(name, batch.log)
            if runs is None:
                continue
            left = []
            for run in runs:
                kept = IntervalSet([(run.from_position, run.to_position)]).minus(gone)
                if kept:
                    (start, _), *_ = kept
                    left.append(run._replace(from_position=start, to_position=kept.last))
            self._put(name, batch.log, left)

    def expire(self, wall_ms: int) -> int:
        """Forget runs of which nothing is alive; return how many incarnations went with them."""
        before = len(self._runs)
        here = [(name, runs[0].log, runs) for name, runs in self._runs.items()]
        there = [(name, log, runs) for name, others in self.movers.items() for log, runs in others.items()]
        for name, log, runs in (*here, *there):
            alive = [run for run in runs if run.expires_ms > wall_ms]
            if len(alive) < len(runs):
                self._put(name, log, alive)
        return before - len(self._runs)

    def copies_elsewhere(self, publisher: str, incarnation: int, sequence: int, log: LogId) -> list[NameRun]:
        """The runs of other logs that hold the same name."""
        return [run for run in self.find(publisher, incarnation, sequence) if run.log != log]

    def overtaken(self, record: Record, log: LogId, told: VersionVector) -> bool:
        """Whether a successor of a record may have been told from another log: its publisher had moved."""
        key = record.publisher, record.incarnation
        if key not in self.movers:
            return False
        for run in self._all(key):
            if run.log != log and run.last > record.sequence:
                start = run.from_position + max(record.sequence + 1 - run.first, 0)
                if told.get(run.log).touches(start, run.to_position):
                    return True
        return False

    def check(self) -> None:
        """Assert that runs are well formed."""
        assert self.movers.keys() <= self._runs.keys() and all(self.movers.values())
        for name, home in self._runs.items():
            logs = [home, *self.movers.get(name, {}).values()]
            assert all(len({run.log for run in runs}) == 1 for runs in logs)
            assert len({runs[0].log for runs in logs}) == len(logs)
            for run in self._all(name):
                assert (run.publisher, run.incarnation) == name
                assert 0 < run.first <= run.last and 0 < run.from_position <= run.to_position
                assert run.last - run.first <= run.to_position - run.from_position
