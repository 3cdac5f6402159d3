"""Reading: queries, recovery at start, and the background check. What is damaged is never given, always named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mesh.clocks.hybrid import stamp_of
from mesh.effects import Load, Loaded, LogMarks, OfChannels, OfNames, Ranges, Recovered, Since
from mesh.io.store.database import BATCH_COLUMNS, LogNumbers, batch_of, row_check
from mesh.io.store.writing import Writer, marks_of
from mesh.log.batch import Batch
from mesh.log.names import NameRun
from mesh.types import LogId, NodeId, pattern_matches

Range = tuple[LogId, int, int]


@dataclass
class Findings:
    """What a read brought: batches, and what turned out to be damaged."""

    batches: list[Batch] = field(default_factory=list)
    damaged: list[Range] = field(default_factory=list)
    reindex: list[LogId] = field(default_factory=list)
    complete: bool = True
    size: int = 0


class Reader:
    """Reads on one connection, from one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read on this connection."""
        self._connection = connection
        self._numbers = LogNumbers(connection)

    def load(self, load: Load) -> tuple[Loaded, Findings]:
        """Answer a query. The findings name what a writer has to mend."""
        query = load.query
        if isinstance(query, Since):
            return Loaded(load.request, positions=self._since(query)), Findings()
        found = Findings()
        if isinstance(query, Ranges):
            rows = self._of_ranges(query.log, query.ranges)
        elif isinstance(query, OfChannels):
            rows = self._of_channels(query, found)
        else:
            rows = self._of_names(query, found)
        for log, row in rows:
            batch = batch_of(row)
            if batch is None:
                first, last = row[1], row[2]
                assert isinstance(first, int) and isinstance(last, int)
                found.damaged.append((log, first, last))
                continue
            if isinstance(query, OfChannels) and not _concerns(batch, query.patterns):
                continue
            if found.batches and found.size + batch.size > load.bytes_max:
                found.complete = False
                break
            found.batches.append(batch)
            found.size += batch.size
        return Loaded(load.request, tuple(found.batches), tuple(found.damaged), found.complete), found

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
        number = self._numbers.find(query.log)
        if number is None:
            return
        if any("+" in pattern or "#" in pattern for pattern in query.patterns):
            order = "DESC" if query.backwards else "ASC"
            sql = f"SELECT {BATCH_COLUMNS} FROM batches WHERE log=? AND last>? AND first<=? ORDER BY first {order}"
            for row in self._connection.execute(sql, (number, query.after, query.through)):
                yield query.log, row
            return
        firsts: set[int] = set()
        for pattern in query.patterns:
            rows = self._connection.execute(
                "SELECT channel, log, first, row_check FROM channels WHERE channel=? AND log=? AND first<=?",
                (pattern, number, query.through),
            )
            for *columns, check in rows:
                if row_check(*columns) != check:
                    found.reindex.append(query.log)
                firsts.add(columns[2])
        for first in sorted(firsts, reverse=query.backwards):
            row = self._connection.execute(
                f"SELECT {BATCH_COLUMNS} FROM batches WHERE log=? AND first=? AND last>?", (number, first, query.after)
            ).fetchone()
            if row is not None:
                yield query.log, row

    def _of_names(self, query: OfNames, found: Findings) -> Iterator[tuple[LogId, tuple[object, ...]]]:
        rows = self._connection.execute(
            "SELECT * FROM names WHERE publisher=? AND incarnation=? AND first<=? AND last>=?",
            (query.publisher, query.incarnation, query.last, query.first),
        ).fetchall()
        for *columns, check in rows:
            log = self._numbers.log(columns[2])
            if log is None:
                continue
            if row_check(*columns) != check:
                found.reindex.append(log)
            first, start, last, end = columns[3], columns[4], columns[5], columns[6]
            low = start + max(query.first - first, 0)
            high = end - max(last - query.last, 0)
            yield from self._of_ranges(log, [(low, max(low, high))])

    def _since(self, query: Since) -> tuple[tuple[LogId, int], ...]:
        rows = self._connection.execute(
            "SELECT log, min(first) FROM batches WHERE stamp>=? GROUP BY log", (stamp_of(query.wall_ms),)
        ).fetchall()
        found = [(self._numbers.log(number), first) for number, first in rows]
        return tuple(sorted((log, first) for log, first in found if log is not None))

    # --- checking ----------------------------------------------------------------------------------------------------

    def check(self, log: LogId, after: int, rows_max: int) -> tuple[int, list[Range]]:
        """Read the next batches of a log: how far they were whole, and what was damaged. 0 if there are none."""
        number = self._numbers.find(log)
        through, damaged = 0, []
        if number is not None:
            sql = f"SELECT {BATCH_COLUMNS} FROM batches WHERE log=? AND first>? ORDER BY first LIMIT ?"
            for row in self._connection.execute(sql, (number, after, rows_max)):
                through = row[2]
                if batch_of(row) is None:
                    damaged.append((log, row[1], row[2]))
        return through, damaged

    def logs(self) -> list[tuple[LogId, int]]:
        """All logs, each with its verified mark."""
        rows = self._connection.execute("SELECT node, epoch, space, verified FROM logs ORDER BY log").fetchall()
        return [(LogId(NodeId(node), epoch, space), verified) for node, epoch, space, verified in rows]


def _concerns(batch: Batch, patterns: tuple[str, ...]) -> bool:
    """Whether any record of a batch matches; of one without its body nobody knows, so it does."""
    if batch.body is None:
        return True
    channels = dict.fromkeys(record.channel for record in batch.records())
    return any(pattern_matches(pattern, channel) for channel in channels for pattern in patterns)


def recover(connection: sqlite3.Connection, writer: Writer, *, clean: bool) -> Recovered:
    """What the store holds. After a clean stop its marks are trusted, else all beyond the verified marks is checked.

    Intervals are derived from the rows and written anew where they differ; damaged rows are deleted and named.
    """
    numbers = LogNumbers(connection)
    corrupt: list[Range] = []
    logs: list[LogMarks] = []
    rows = connection.execute("SELECT log, runs, stamp, expires_ms, row_check, verified FROM logs").fetchall()
    for number, *marked, verified in rows:
        log = numbers.log(number)
        assert log is not None
        mark = marks_of(tuple(marked), log)
        if not clean or mark is None:
            corrupt += _delete_damaged(connection, writer, log, number, verified if mark is not None else 0)
            held = writer.derive(log, number)
            derived = LogMarks(log, tuple(held.runs), held.stamp, held.expires_ms)
            if mark is None or mark.runs != derived.runs:
                writer.rewrite_marks(derived)
                mark = derived
        logs.append(mark)
    names = _names(connection, numbers, writer)
    members = tuple(row[0] for row in connection.execute("SELECT certificate FROM members ORDER BY certificate"))
    return Recovered(tuple(sorted(logs, key=lambda mark: mark.log)), names, members, tuple(corrupt), clean)


def _delete_damaged(
    connection: sqlite3.Connection, writer: Writer, log: LogId, number: int, verified: int
) -> list[Range]:
    sql = f"SELECT {BATCH_COLUMNS} FROM batches WHERE log=? AND last>? ORDER BY first"
    rows = connection.execute(sql, (number, verified))
    damaged = [(log, row[1], row[2]) for row in rows if batch_of(row) is None]
    if damaged:
        writer.delete(log, [first for _, first, _ in damaged])
    return damaged


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
        if log is None:
            continue
        if row_check(*columns) != check:
            damaged.add(log)
        runs.append(NameRun(publisher, incarnation, first, last, log, start, end, expires_ms))
    return tuple(runs), damaged
