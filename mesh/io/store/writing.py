"""Writing: one append, one transaction; and the mending of what was found damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgpack

from mesh.clocks.vector import IntervalSet
from mesh.effects import Append
from mesh.io.store.database import BATCH_COLUMNS, LogNumbers, batch_of, batch_row, row_check
from mesh.log.batch import Batch
from mesh.log.log import Log, Run
from mesh.log.names import NameIndex, NameRun
from mesh.types import LogId

T = TypeVar("T")
ALL_BATCHES = f"SELECT {BATCH_COLUMNS} FROM batches WHERE log=? ORDER BY first"
FSYNC_FAILURES = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
"""After one of these nothing that the system says about the data can be believed."""


def is_fsync_failure(error: sqlite3.Error) -> bool:
    """Whether an fsync failed: the process has to end."""
    return getattr(error, "sqlite_errorcode", 0) in FSYNC_FAILURES


def runs_packed(runs: Iterable[Run]) -> bytes:
    """Runs as they are kept."""
    packed: bytes = msgpack.packb([list(run) for run in runs])
    return packed


class Writer:
    """Writes on one connection, from one thread. It alone keeps the intervals, in the transaction of their rows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Write on this connection."""
        self._connection = connection
        self._numbers = LogNumbers(connection)
        self._held: dict[LogId, Log] = {}
        """The intervals of the logs that were written to, as the last transaction left them."""
        self.keep_intervals = True
        """A safeguard, turned off only by the test that must then fail."""

    def append(self, append: Append) -> None:
        """Make an append durable, all of it or nothing. Raises `sqlite3.Error`, and has left nothing behind then."""
        self._transaction(lambda: self._write(append))

    def _transaction(self, work: Callable[[], T]) -> T:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            done = work()
            connection.execute("COMMIT")
        except BaseException:
            self._numbers.clear()
            self._held.clear()
            if connection.in_transaction:  # SQLITE_FULL and its kin have rolled back by themselves
                connection.execute("ROLLBACK")
            raise
        return done

    def _write(self, append: Append) -> None:
        marks = append.marks
        for log, batches in _by_log(append.batches).items():
            held = self._held_of(log)
            for batch in batches:
                held.add(batch)
            self._write_intervals(held)
        execute = self._connection.executemany
        execute(
            f"INSERT OR REPLACE INTO batches({BATCH_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            [batch_row(self._number(batch.log), batch) for batch in append.batches],
        )
        self._write_names(marks.names)
        rows = [(channel, self._number(log), first) for channel, log, first in marks.channels]
        execute("INSERT OR REPLACE INTO channels VALUES (?,?,?,?)", [(*row, row_check(*row)) for row in rows])
        execute("INSERT OR IGNORE INTO members VALUES (?)", [(certificate,) for certificate in marks.members])
        if marks.strip_before_ms:
            self._connection.execute(
                "UPDATE batches SET body=NULL WHERE expires_ms<=? AND body IS NOT NULL", (marks.strip_before_ms,)
            )
            self._connection.execute("DELETE FROM names WHERE expires_ms<=?", (marks.strip_before_ms,))
        for log in marks.forget_logs:
            self._forget(log)

    def _number(self, log: LogId) -> int:
        number = self._numbers.find(log)
        assert number is not None, log
        return number

    def _held_of(self, log: LogId) -> Log:
        """The intervals of a log; those of a damaged row are derived from the batches."""
        held = self._held.get(log)
        if held is None:
            number = self._numbers.find(log)
            if number is None:
                held = Log(log)
            else:
                columns = "runs, stamp, expires_ms, row_check"
                row = self._connection.execute(f"SELECT {columns} FROM logs WHERE log=?", (number,)).fetchone()
                held = intervals_of(row, log) or self.derive(log, number)
            self._held[log] = held
        return held

    def _write_intervals(self, held: Log) -> None:
        log = held.id
        if self._numbers.find(log) is None:
            self._connection.execute(
                "INSERT INTO logs(node, epoch, space, runs, stamp, expires_ms, row_check) VALUES (?,?,?,?,0,0,?)",
                (log.node, log.epoch, log.space, runs_packed(()), _log_check(log, runs_packed(()), 0, 0)),
            )
        if not self.keep_intervals:
            return
        runs = runs_packed(held.runs)
        check = _log_check(log, runs, held.stamp, held.expires_ms)
        self._connection.execute(
            "UPDATE logs SET runs=?, stamp=?, expires_ms=?, row_check=? WHERE log=?",
            (runs, held.stamp, held.expires_ms, check, self._number(log)),
        )

    def _write_names(self, runs: Iterable[NameRun]) -> None:
        rows = []
        for run in runs:
            key = (run.publisher, run.incarnation, self._number(run.log), run.first, run.from_position)
            row = (*key, run.last, run.to_position, run.expires_ms)
            rows.append((*row, row_check(*row)))
        self._connection.executemany("INSERT OR REPLACE INTO names VALUES (?,?,?,?,?,?,?,?,?)", rows)

    def _forget(self, log: LogId) -> None:
        number = self._numbers.find(log)
        if number is None:
            return
        for table in ("batches", "names", "channels", "logs"):
            self._connection.execute(f"DELETE FROM {table} WHERE log=?", (number,))
        self._numbers.clear()
        self._held.pop(log, None)

    # --- mending -----------------------------------------------------------------------------------------------------

    def mend(self, log: LogId, after: int = 0) -> list[tuple[LogId, int, int]]:
        """Drop a log's damaged batches behind a position, say anew what is held, and return what is held no more.

        What was lost follows from the intervals before and after, not from the damaged row, whose columns say nothing.
        """
        number = self._numbers.find(log)
        return [] if number is None else self._transaction(lambda: self._mend(log, number, after))

    def _mend(self, log: LogId, number: int, after: int) -> list[tuple[LogId, int, int]]:
        held = self._held_of(log)
        gone = IntervalSet(held.positions.within(after + 1, max(held.positions.last, after + 1)))
        damaged: list[tuple[int]] = []
        sql = f"SELECT rowid, {BATCH_COLUMNS} FROM batches WHERE log=? AND first>?"
        for rowid, *row in self._connection.execute(sql, (number, after)):
            batch = batch_of(tuple(row))
            if batch is None:
                damaged.append((rowid,))
            else:
                gone.remove(batch.first, batch.last)
        self._connection.executemany("DELETE FROM batches WHERE rowid=?", damaged)
        for first, last in gone:
            held.lose(first, last)
        self._write_intervals(held)
        return [(log, first, last) for first, last in gone]

    def derive(self, log: LogId, number: int) -> Log:
        """What the rows of a log say is held; damaged rows are left out."""
        held = Log(log)
        for row in self._connection.execute(
            f"SELECT {BATCH_COLUMNS} FROM batches WHERE log=? ORDER BY first", (number,)
        ):
            batch = batch_of(row)
            if batch is not None and not held.positions.touches(batch.first, batch.last) and not held.fault(batch):
                held.add(batch)
        return held

    def reindex(self, log: LogId) -> None:
        """Make the names and the channel index of a log anew from its batches: a row of them was damaged."""
        number = self._numbers.find(log)
        if number is not None:
            self._transaction(lambda: self._reindex(number))

    def _reindex(self, number: int) -> None:
        for table in ("names", "channels"):
            self._connection.execute(f"DELETE FROM {table} WHERE log=?", (number,))
        names = NameIndex()
        held = IntervalSet()
        channels: list[tuple[str, int, int]] = []
        runs: dict[tuple[object, ...], NameRun] = {}
        for row in self._connection.execute(ALL_BATCHES, (number,)).fetchall():
            batch = batch_of(row)
            if batch is None:
                continue
            held.add(batch.first, batch.last)
            for run in names.note(batch, held):
                runs[run.publisher, run.incarnation, run.first, run.from_position] = run
            channels += [(c, number, batch.first) for c in batch.channels()]
        self._write_names(runs.values())
        self._connection.executemany(
            "INSERT OR REPLACE INTO channels VALUES (?,?,?,?)", [(*row, row_check(*row)) for row in channels]
        )

    def mark(self, key: str, value: object) -> None:
        """Keep a fact about the whole store."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    def verified(self, log: LogId, through: int) -> None:
        """Everything of a log through this position was read and found whole."""
        number = self._numbers.find(log)
        if number is not None:
            self._connection.execute(
                "UPDATE logs SET verified=? WHERE log=? AND verified<?", (through, number, through)
            )

    def held(self, log: LogId) -> Log:
        """What is held of a log. Read only."""
        return self._held_of(log)


def _by_log(batches: Iterable[Batch]) -> dict[LogId, list[Batch]]:
    found: dict[LogId, list[Batch]] = {}
    for batch in batches:
        found.setdefault(batch.log, []).append(batch)
    return found


def _log_check(log: LogId, runs: bytes, stamp: int, expires_ms: int) -> bytes:
    return row_check(log.node, log.epoch, log.space, runs, stamp, expires_ms)


def intervals_of(row: tuple[object, ...], log: LogId) -> Log | None:
    """What is held of a log, from its row (runs, stamp, expires_ms, row_check); None if the row is damaged."""
    runs, stamp, expires_ms, check = row
    if not isinstance(runs, bytes) or not isinstance(stamp, int) or not isinstance(expires_ms, int):
        return None
    if _log_check(log, runs, stamp, expires_ms) != check:
        return None
    return Log(log, tuple(Run(*run) for run in msgpack.unpackb(runs)), stamp, expires_ms)
