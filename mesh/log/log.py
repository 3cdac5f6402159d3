"""One log as a node holds it: which positions it has, and how the batches chain.

Positions are kept as runs of batches that chain without a hole. Each run knows the name of its last batch and the
name that its first batch says comes before it, so that two runs join only where the names agree: a batch with a valid
signature that does not fit between its neighbors is a fork (a cloned memory, or a hostile node).

*Received* means verified and in memory, *stored* means fsynced; a `Log` is used for each.

Invariants, checked by `check`: runs are sorted and disjoint; two adjacent runs (no hole between) never stand unjoined.
"""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2b
from typing import NamedTuple

from mesh.clocks.vector import IntervalSet
from mesh.log.batch import NO_NAME, Batch
from mesh.types import LogId

UNKNOWN_NAME = b""
"""Stands where a damaged row took the name of a neighbor with it: any batch fits there."""


class Run(NamedTuple):
    """A chain of batches without a hole: its positions, the name before its first, the name of its last."""

    first: int
    last: int
    before: bytes
    head: bytes


class Log:
    """The runs of one log. Every change costs O(log runs) plus the runs it moves.

    Nearly all logs are one run, as `IntervalSet` has it: beside its positions that is two names, and no list of runs.
    """

    __slots__ = ("_before", "_hashed", "_head", "_runs", "expires_ms", "id", "positions", "stamp")

    def __init__(self, log: LogId, runs: tuple[Run, ...] = (), stamp: int = 0, expires_ms: int = 0) -> None:
        """Start from recovered runs (sorted, joined), the newest stamp and the latest expiry of the log."""
        self.id = log
        self.positions = IntervalSet((run.first, run.last) for run in runs)
        self._runs: list[Run] | None = None
        """All runs, where there is not one."""
        self._before = self._head = NO_NAME
        """The names before and at the end of the one."""
        self.runs = list(runs)
        self.stamp = stamp
        self.expires_ms = expires_ms
        self._hashed = blake2b(log.node, digest_size=8, person=b"gsm-digest")
        """What every digest of this log begins with."""
        self._hashed.update(b"%d/%s" % (log.epoch, log.space.encode()))

    @property
    def runs(self) -> list[Run]:
        """All runs, ascending. To be changed here alone, and set again."""
        if self._runs is None:
            return [Run(first, last, self._before, self._head) for first, last in self.positions]
        return self._runs

    @runs.setter
    def runs(self, runs: list[Run]) -> None:
        self._runs = runs
        if len(runs) == 1:
            _, _, self._before, self._head = runs[0]
            self._runs = None

    def has_runs_of(self, other: Log) -> bool:
        """Whether both have the same runs, names and all."""
        if self._runs is None and other._runs is None:
            names = self._head == other._head and self._before == other._before
            return names and self.positions.equals(other.positions)
        return self.runs == other.runs

    @property
    def frontier(self) -> int:
        """The last position below which nothing is missing; 0 if the first is."""
        return self.positions.frontier

    def name_at(self, last: int) -> bytes:
        """The name of the batch that ends at a position, which is known where a run ends there; else `UNKNOWN_NAME`."""
        runs = self.runs
        i = bisect_right(runs, last, key=_first) - 1
        return runs[i].head if i >= 0 and runs[i].last == last else UNKNOWN_NAME

    def fault(self, batch: Batch) -> str:
        """Say why a batch that overlaps nothing cannot stand at its place; empty if it can."""
        if self._runs is None and self.positions.last < batch.first:  # as nearly always
            goes_on = self.positions.last + 1 == batch.first
            is_other = goes_on and self._head not in (UNKNOWN_NAME, batch.head.previous)
            return "it does not name the batch before it" if is_other else ""
        runs = self.runs
        i = _place(runs, batch.first)
        if i > 0:
            before = runs[i - 1]
            if before.last + 1 == batch.first and before.head not in (UNKNOWN_NAME, batch.head.previous):
                return "it does not name the batch before it"
        if i < len(runs):
            after = runs[i]
            if batch.last + 1 == after.first and after.before not in (UNKNOWN_NAME, batch.name):
                return "the batch after it names another"
        return ""

    def add(self, batch: Batch) -> None:
        """Take a batch that overlaps nothing here and for which `fault` is empty."""
        positions, head = self.positions, batch.head
        if self._runs is None and positions.last + 1 == batch.first:  # it goes on where the log ends, as nearly always
            self._head = batch.name
        else:
            self._insert(batch)
        positions.add(batch.first, batch.last)
        stamp, expires_ms = head.stamp, head.expires_ms
        if stamp > self.stamp:  # noqa: PLR1730  # without a call, for each batch
            self.stamp = stamp
        if expires_ms > self.expires_ms:  # noqa: PLR1730  # as above
            self.expires_ms = expires_ms

    def _insert(self, batch: Batch) -> None:
        runs = self.runs
        i = _place(runs, batch.first)
        first, last, before, head = batch.first, batch.last, batch.head.previous, batch.name
        start, end = i, i
        if i > 0 and runs[i - 1].last + 1 == first:
            start, first, before = i - 1, runs[i - 1].first, runs[i - 1].before
        if i < len(runs) and last + 1 == runs[i].first:
            end, last, head = i + 1, runs[i].last, runs[i].head
        runs[start:end] = [Run(first, last, before, head)]
        self.runs = runs

    def remove(self, batch: Batch) -> None:
        """Take a batch out again: its append failed, or its row did not verify."""
        runs = self.runs
        i = bisect_right(runs, batch.first, key=_first) - 1
        run = runs[i]
        assert run.first <= batch.first and batch.last <= run.last
        kept = []
        if run.first < batch.first:
            kept.append(Run(run.first, batch.first - 1, run.before, batch.head.previous))
        if batch.last < run.last:
            kept.append(Run(batch.last + 1, run.last, batch.name, run.head))
        runs[i : i + 1] = kept
        self.runs = runs
        self.positions.remove(batch.first, batch.last)

    def lose(self, first: int, last: int) -> None:
        """Take out a range of which nothing is known but its place: the names beside it are unknown, too."""
        runs = []
        for run in self.runs:
            if run.last < first or last < run.first:
                runs.append(run)
                continue
            if run.first < first:
                runs.append(Run(run.first, first - 1, run.before, UNKNOWN_NAME))
            if last < run.last:
                runs.append(Run(last + 1, run.last, UNKNOWN_NAME, run.head))
        self.runs = runs
        self.positions.remove(first, last)

    def unnamed(self) -> list[int]:
        """Positions of batches that stand at the end of a run whose name went with a damaged neighbor."""
        ends = [run.first for run in self.runs if run.before == UNKNOWN_NAME]
        return sorted({*ends, *(run.last for run in self.runs if run.head == UNKNOWN_NAME)})

    def learn(self, batch: Batch) -> None:
        """Learn names again from a batch that was read from the disk, where it stands at the end of a run."""
        runs = self.runs
        i = bisect_right(runs, batch.first, key=_first) - 1
        if i < 0 or runs[i].last < batch.last:
            return
        run = runs[i]
        if run.first == batch.first and run.before == UNKNOWN_NAME:
            run = run._replace(before=batch.head.previous)
        if run.last == batch.last and run.head == UNKNOWN_NAME:
            run = run._replace(head=batch.name)
        runs[i] = run
        self.runs = runs

    def through(self, end: int) -> list[Run]:
        """The runs up to a position. A run that reaches it ends there without a name, whether it goes on or not."""
        runs = [run for run in self.runs if run.first <= end]
        if runs and runs[-1].last >= end:
            runs[-1] = Run(runs[-1].first, end, runs[-1].before, UNKNOWN_NAME)
        return runs

    def digest(self, runs: list[Run] | None = None) -> int:
        """64 bits that are equal when two nodes hold the same of this log, or of these runs of it, heads included."""
        state = self._hashed.copy()
        for run in self.runs if runs is None else runs:
            state.update(b"/%d-%d/%s" % (run.first, run.last, run.head))
        return int.from_bytes(state.digest(), "big")

    def check(self) -> None:
        """Assert that runs and positions agree and that what touches is joined."""
        if self._runs is None:  # as nearly always
            assert len(self.positions) == 1
            return
        assert len(self.positions) == len(self._runs) != 1
        below = -1
        for run, (first, last) in zip(self._runs, self.positions, strict=True):
            assert below + 1 < first <= last
            assert (run.first, run.last) == (first, last)
            below = last


def _place(runs: list[Run], first: int) -> int:
    """How many of all runs begin at or before a position: all, as nearly always, or as many as are searched for."""
    return len(runs) if not runs or runs[-1].first <= first else bisect_right(runs, first, key=_first)


def _first(run: Run) -> int:
    return run.first
