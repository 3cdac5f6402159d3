"""Reading: queries, recovery at start, and the background check. What is damaged is never given, always named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mesh.clocks.hybrid import stamp_of
from mesh.clocks.vector import IntervalSet
from mesh.effects import Load, Loaded, LogMarks, OfChannels, OfNames, Ranges, Recovered, Since
from mesh.io.store.database import BATCH_COLUMNS, LogNumbers, batch_of, row_check
from mesh.io.store.writing import Writer, intervals_of
from mesh.log.batch import Batch
from mesh.log.names import NameRun
from mesh.types import LogId, pattern_matches

Range = tuple[LogId, int, int]


@dataclass
class Findings:
    """What a read brought: batches, and what turned out to be damaged."""

    batches: list[Batch] = field(default_factory=list)
    damaged: set[LogId] = field(default_factory=set)
    """Logs of which a batch failed its check, or is not there though the intervals say so."""
    reindex: set[LogId] = field(default_factory=set)
    """Logs of which a row of names or channels failed its check."""
    swept: list[tuple[int, int]] = field(default_factory=list)
    """What was read, whether it was wanted or not."""
    complete: bool = True
    size: int = 0


class Reader:
    """Reads on one connection, from one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read on this connection."""
        self._connection = connection
        self._numbers = LogNumbers(connection)

    def load(self, load: Load) -> tuple[Loaded, Findings]:
        """Answer a query, from one state of the file. The findings name what a writer has to mend."""
        self._connection.execute("BEGIN")
        try:
            return self._load(load)
        finally:
            self._connection.execute("COMMIT")

    def _load(self, load: Load) -> tuple[Loaded, Findings]:
        query = load.query
        if isinstance(query, Since):
            return Loaded(load.request, positions=self._since(query)), Findings()
        found = Findings()
        for log, row in self._rows(query, found):
            batch = batch_of(row)
            if batch is None:
                found.damaged.add(log)
                continue
            if found.batches and found.size + batch.size > load.bytes_max:
                found.complete = False
                break
            found.swept.append((batch.first, batch.last))
            if isinstance(query, OfChannels) and not _concerns(batch, query.patterns):
                continue
            found.batches.append(batch)
            found.size += batch.size
        if isinstance(query, Ranges) and self._vanished(query.log, query.ranges, found):
            found.damaged.add(query.log)
        wild = isinstance(query, OfChannels) and not _is_plain(query.patterns)
        if isinstance(query, OfChannels) and wild and self._vanished(query.log, [_span(query)], found):
            found.damaged.add(query.log)
        return Loaded(load.request, tuple(found.batches), (), found.complete), found

    def _rows(
        self, query: Ranges | OfChannels | OfNames, found: Findings
    ) -> Iterator[tuple[LogId, tuple[object, ...]]]:
        if isinstance(query, Ranges):
            return self._of_ranges(query.log, query.ranges)
        if isinstance(query, OfNames):
            return self._of_names(query, found)
        if _is_plain(query.patterns):
            return self._of_channels(query, found)
        rows = self._of_ranges(query.log, [_span(query)])
        return reversed(list(rows)) if query.backwards else rows

    def _vanished(self, log: LogId, ranges: Iterable[tuple[int, int]], found: Findings) -> bool:
        """Whether the intervals hold something of what was swept that was not there: a row's own place was damaged."""
        held = self._intervals(log)
        if held is None:
            return True
        for first, last in found.swept:
            held.remove(first, last)
        least, most = 1, held.last
        if not found.complete:  # what lies beyond the last row that was read is read another time
            least, most = min(first for first, _ in found.swept), max(last for _, last in found.swept)
        within = ((max(first, least), min(last, most)) for first, last in ranges)
        return any(held.touches(first, last) for first, last in within if first <= last)

    def _intervals(self, log: LogId) -> IntervalSet | None:
        """What the file says is held of a log, as a set of one's own; None where that is damaged."""
        row = self._connection.execute(
            "SELECT runs, stamp, expires_ms, row_check FROM logs WHERE node=? AND epoch=? AND space=?",
            (log.node, log.epoch, log.space),
        ).fetchone()
        if row is None:
            return IntervalSet()
        held = intervals_of(row, log)
        return None if held is None else held.positions

    def _of_ranges(self, log: LogId, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[LogId, tuple[object, ...]]]:
        number = self._numbers.find(log)
        if number is None:
            return
        query = f"SELECT {BATCH_COLUMNS} FROM batches WHERE log=? AND first<=? AND first>=? AND last>=? ORDER BY first"
        behind = 0
        for first, last in ranges:
            start = self._connection.execute(
                "SELECT max(first) FROM batches WHERE log=? AND first<=?", (number, first)
            ).fetchone()[0]
            for row in self._connection.execute(query, (number, last, max(start or first, behind), first)):
                behind = row[1] + 1
                yield log, row

    def _of_channels(self, query: OfChannels, found: Findings) -> Iterator[tuple[LogId, tuple[object, ...]]]:
        """The batches that the channel index names for plain channels; one that is not there was damaged."""
        number = self._numbers.find(query.log)
        if number is None:
            return
        firsts: set[int] = set()
        for pattern in query.patterns:
            rows = self._connection.execute(
                "SELECT channel, log, first, row_check FROM channels WHERE channel=? AND log=? AND first<=?",
                (pattern, number, query.through),
            )
            for *columns, check in rows:
                if row_check(*columns) != check:
                    found.reindex.add(query.log)
                firsts.add(columns[2])
        start = self._connection.execute(
            "SELECT max(first) FROM batches WHERE log=? AND first<=?", (number, query.after + 1)
        ).fetchone()[0]
        wanted = (first for first in firsts if first >= (start or 0))
        for first in sorted(wanted, reverse=query.backwards):
            row = self._connection.execute(
                f"SELECT {BATCH_COLUMNS} FROM batches WHERE log=? AND first=?", (number, first)
            ).fetchone()
            if row is None:
                found.damaged.add(query.log)
            elif row[2] > query.after or batch_of(row) is None:
                yield query.log, row

    def _of_names(self, query: OfNames, found: Findings) -> Iterator[tuple[LogId, tuple[object, ...]]]:
        rows = self._connection.execute(
            "SELECT * FROM names WHERE publisher=? AND incarnation=? AND first<=? AND last>=?",
            (query.publisher, query.incarnation, query.last, query.first),
        ).fetchall()
        wanted: dict[LogId, list[tuple[int, int]]] = {}
        for *columns, check in rows:
            log = self._numbers.log(columns[2])
            if log is None:
                continue
            if row_check(*columns) != check:
                found.reindex.add(log)
            first, start, last, end = columns[3], columns[4], columns[5], columns[6]
            low = max(start + max(query.first - first, 0), 1)
            high = end - max(last - query.last, 0)
            wanted.setdefault(log, []).append((low, max(low, high)))
        for log, ranges in wanted.items():  # a log may hold a name often: each batch is read once
            yield from self._of_ranges(log, IntervalSet(ranges))

    def _since(self, query: Since) -> tuple[tuple[LogId, int], ...]:
        rows = self._connection.execute(
            "SELECT log, min(first) FROM batches WHERE stamp>=? GROUP BY log", (stamp_of(query.wall_ms),)
        ).fetchall()
        found = [(self._numbers.log(number), first) for number, first in rows]
        return tuple(sorted((log, first) for log, first in found if log is not None))

    # --- checking ----------------------------------------------------------------------------------------------------

    def check(self, log: LogId, after: int, rows_max: int) -> tuple[int, Findings]:
        """Read the next batches of a log, with their channels: how far, and what was damaged. 0 if there are none."""
        self._connection.execute("BEGIN")
        try:
            return self._check(log, after, rows_max)
        finally:
            self._connection.execute("COMMIT")

    def _check(self, log: LogId, after: int, rows_max: int) -> tuple[int, Findings]:
        found = Findings()
        number = self._numbers.find(log)
        held = self._intervals(log)
        if number is None:
            return 0, found
        if held is None:
            found.damaged.add(log)
            held = IntervalSet()
        sql = f"SELECT {BATCH_COLUMNS} FROM batches WHERE log=? AND first>? ORDER BY first LIMIT ?"
        rows = self._connection.execute(sql, (number, after, rows_max)).fetchall()
        for row in rows:
            batch = batch_of(row)
            if batch is None:
                found.damaged.add(log)
                continue
            held.remove(batch.first, batch.last)
            if not self._indexed(number, batch):
                found.reindex.add(log)
        through = rows[-1][2] if rows else held.last
        if through <= after or not isinstance(through, int):
            return 0, found
        if held.touches(after + 1, through):
            found.damaged.add(log)
        return through, found

    def _indexed(self, number: int, batch: Batch) -> bool:
        """Whether the channel index names a batch under each of its channels."""
        for channel in batch.channels():
            key = (channel, number, batch.first)
            row = self._connection.execute(
                "SELECT row_check FROM channels WHERE channel=? AND log=? AND first=?", key
            ).fetchone()
            if row is None or row[0] != row_check(*key):
                return False
        return True

    def logs(self) -> list[LogId]:
        """All logs."""
        return self._numbers.all()


def _span(query: OfChannels) -> tuple[int, int]:
    return query.after + 1, query.through


def _is_plain(patterns: Iterable[str]) -> bool:
    """Whether the channel index can answer."""
    return not any("+" in pattern or "#" in pattern for pattern in patterns)


def _concerns(batch: Batch, patterns: tuple[str, ...]) -> bool:
    """Whether any record of a batch matches; of one without its body nobody knows, so it does."""
    if batch.body is None:
        return True
    channels = batch.channels()
    return any(pattern_matches(pattern, channel) for channel in channels for pattern in patterns)


def recover(connection: sqlite3.Connection, writer: Writer, *, clean: bool) -> Recovered:
    """What the store holds. After a clean stop its marks are trusted, else all beyond the verified marks is checked.

    Intervals whose row is damaged are derived from the batches; damaged batches are dropped and named.
    """
    numbers = LogNumbers(connection)
    corrupt: list[Range] = []
    logs: list[LogMarks] = []
    rows = connection.execute("SELECT log, runs, stamp, expires_ms, row_check, verified FROM logs").fetchall()
    for number, *marked, verified in rows:
        log = numbers.log(number)
        assert log is not None
        held = intervals_of(tuple(marked), log)
        if held is None or not clean:
            corrupt += writer.mend(log, verified if held is not None else 0)
            held = writer.held(log)
        logs.append(LogMarks(log, tuple(held.runs), held.stamp, held.expires_ms))
    names = _names(connection, numbers, writer)
    members = tuple(row[0] for row in connection.execute("SELECT certificate FROM members ORDER BY certificate"))
    return Recovered(tuple(sorted(logs, key=lambda mark: mark.log)), names, members, tuple(corrupt), clean)


def _names(connection: sqlite3.Connection, numbers: LogNumbers, writer: Writer) -> tuple[NameRun, ...]:
    """All names; those of a log with a damaged row are made anew from its batches."""
    runs, damaged = _read_names(connection, numbers)
    for log in sorted(damaged):
        writer.reindex(log)
    return _read_names(connection, numbers)[0] if damaged else runs


def _read_names(connection: sqlite3.Connection, numbers: LogNumbers) -> tuple[tuple[NameRun, ...], set[LogId]]:
    damaged: set[LogId] = set()
    runs: list[NameRun] = []
    for *columns, check in connection.execute("SELECT * FROM names"):
        publisher, incarnation, number, first, start, last, end, expires_ms = columns
        log = numbers.log(number)
        if row_check(*columns) != check:  # whose it was cannot be told: its log's number may be what was damaged
            return (), set(numbers.all())
        if log is None:
            continue
        runs.append(NameRun(publisher, incarnation, first, last, log, start, end, expires_ms))
    return tuple(runs), damaged
