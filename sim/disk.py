"""A simulated disk: what was appended is durable once its append was answered, or once a crash happened to keep it.

It stores the bytes of batches, decodes them anew at each read, and derives intervals from rows at recovery, where they
must equal the marks that were kept: the promise of the real store, in a few lines. An append is one transaction, so a
crash keeps each pending one whole or not at all, in order: that is what a torn or re-ordered write comes to behind a
write-ahead log. Faults are switches (`full`, `failing`, `lying`), damage to rows (`corrupt`, `misdirect`), and whole
images that are put back (`image`, `restore`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import msgpack

from mesh.clocks.hybrid import stamp_ms
from mesh.effects import (
    Append,
    Load,
    Loaded,
    LogMarks,
    Marks,
    OfChannels,
    OfNames,
    Ranges,
    Recovered,
    Since,
)
from mesh.errors import DecodeError
from mesh.log.batch import BATCH_RECORDS_MAX, Batch, batch_from_parts
from mesh.log.log import Log
from mesh.log.names import NameRun
from mesh.types import LogId, pattern_matches

ROOM_BYTES = 1 << 40
FOUND_MAX = 4_096
"""Messages of which a disk remembers where they were asked for, before it begins anew: a run may go on for weeks."""


@dataclass(slots=True)
class Row:
    """A stored batch: its bytes, and what an index would know without decoding them."""

    packed: bytes
    last: int
    stamp: int
    expires_ms: int
    size: int
    stripped: bool
    damaged: bool = False
    since_us: int = 0
    """Since when it is there, in true time."""

    def batch(self) -> Batch:
        """What its bytes say."""
        return _decoded(self.packed)

    def copy(self) -> Row:
        """A row that can be damaged alone."""
        return replace(self)


@dataclass(slots=True)
class Image:
    """All that one disk holds at a moment."""

    rows: dict[LogId, dict[int, Row]] = field(default_factory=dict)
    held: dict[LogId, Log] = field(default_factory=dict)
    """The intervals, kept beside the rows."""
    names: dict[tuple[object, ...], NameRun] = field(default_factory=dict)
    members: list[bytes] = field(default_factory=list)

    def copy(self) -> Image:
        """As it is now, whatever becomes of it."""
        rows = {log: {first: row.copy() for first, row in kept.items()} for log, kept in self.rows.items()}
        return Image(rows, {log: _copy(held) for log, held in self.held.items()}, dict(self.names), list(self.members))


@dataclass(slots=True)
class Disk:
    """The durable image of one node, and the switches of its faults."""

    free_bytes: int = ROOM_BYTES
    full: bool = False
    """Appends fail, reads go on."""
    failing: bool = False
    """Appends fail with an input/output error."""
    fsync_fails: bool = False
    """Nobody knows of the next append whether it was kept."""
    image: Image = field(default_factory=Image)
    kept: Image | None = None
    """What a disk that lies about fsync has really kept; None where it is honest."""
    clean: bool = False
    forget_intervals: bool = False
    """A safeguard turned off: rows are kept, intervals are not (for tests that must fail)."""
    _found: dict[tuple[LogId, tuple[str, int, int]], int] = field(default_factory=dict)
    """Where messages were when somebody asked: judges ask again and again. It is looked at first, and believed of nothing."""

    @property
    def fault(self) -> str:
        """Why appends fail; empty where they do not."""
        return "the disk is full" if self.full else "input/output error" if self.failing else ""

    @property
    def rows(self) -> dict[tuple[LogId, int], Row]:
        """All rows by log and first position, in order. For faults and questions, not for every tick."""
        image = self.image
        return {(log, first): image.rows[log][first] for log in sorted(image.rows) for first in sorted(image.rows[log])}

    def row_at(self, log: LogId, position: int) -> Row | None:
        """The row in which a position lies, if it is here."""
        held, rows = self.image.held.get(log), self.image.rows.get(log, {})
        if held is None or not held.positions.covers(position, position):
            return None
        firsts = range(position, max(0, position - BATCH_RECORDS_MAX), -1)
        row = next((rows[first] for first in firsts if first in rows), None)
        return row if row is not None and position <= row.last else None

    def batches(self) -> list[Batch]:
        """All that it holds, decoded."""
        return [_decode(row) for row in self.rows.values()]

    def newest_of(self, node: bytes) -> Batch | None:
        """The last batch of the newest log of a node, if it is whole."""
        log = max((log for log in self.image.rows if log.node == node), default=None)
        rows = self.image.rows.get(log, {}) if log is not None else {}
        row = rows[max(rows)] if rows else None
        return None if row is None or row.damaged else _decode(row)

    @property
    def flipped(self) -> set[tuple[LogId, int]]:
        """Damaged rows that nobody has read yet."""
        return {key for key, row in self.rows.items() if row.damaged}

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, append: Append, now_us: int = 0) -> None:
        """Make an append durable, all of it at once, at a true time."""
        image = self.image
        for batch in append.batches:
            head, is_bare = batch.head, batch.body is None
            packed = _packed(batch.header, batch.body, batch.signature, batch.epoch_public, batch.epoch_proof)
            row = Row(packed, batch.last, head.stamp, head.expires_ms, batch.size, is_bare, since_us=now_us)
            image.rows.setdefault(batch.log, {})[batch.first] = row
            if not self.forget_intervals:
                held = image.held.get(batch.log)
                if held is None:
                    held = image.held[batch.log] = Log(batch.log)
                held.add(batch)
        self._mark(append.marks)

    def _mark(self, marks: Marks) -> None:
        image = self.image
        for run in marks.names:
            image.names[run.publisher, run.incarnation, run.log, run.first, run.from_position] = run
        image.members += marks.members
        dead_ms = marks.strip_before_ms
        if dead_ms:
            for rows in image.rows.values():
                for first, row in rows.items():
                    if not row.stripped and row.expires_ms <= dead_ms:
                        self._strip(rows, first)
            image.names = {key: run for key, run in image.names.items() if run.expires_ms > dead_ms}
        for log in marks.forget_logs:
            image.rows.pop(log, None)
            image.held.pop(log, None)
            image.names = {key: run for key, run in image.names.items() if run.log != log}

    def _strip(self, rows: dict[int, Row], first: int) -> None:
        row = rows[first]
        if row.damaged:
            return  # it is found, and dropped, when it is read
        batch = _decode(row).stripped()
        rows[first] = replace(row, packed=msgpack.packb(batch.parts()), size=batch.size, stripped=True)

    # --- damage ------------------------------------------------------------------------------------------------------

    def corrupt(self, log: LogId, first: int) -> None:
        """Flip a bit of a row's body: it is found when it is read."""
        row = self.image.rows[log][first]
        parts = msgpack.unpackb(row.packed)
        parts[1] = parts[1][:-1] + bytes(
            [parts[1][-1] ^ 1]
        )  # in the payload of its last record: it decodes all the same
        row.packed, row.damaged = msgpack.packb(parts), True

    def misdirect(self, log: LogId, first: int, other_log: LogId, other_first: int) -> None:
        """A write went to the wrong place: one row holds another's bytes."""
        row, other = self.image.rows[log][first], self.image.rows[other_log][other_first]
        row.packed, row.damaged = other.packed, True

    def lie(self) -> None:
        """From now on fsync answers and keeps nothing."""
        self.kept = self.image.copy()

    def lose_power(self) -> None:
        """What was only said to be kept is gone."""
        if self.kept is not None:
            self.image, self.kept = self.kept, self.kept.copy()

    def restore(self, image: Image) -> None:
        """An earlier image is put back, as it was."""
        self.image, self.kept, self.clean = image.copy(), None, False

    # --- reading -----------------------------------------------------------------------------------------------------

    def derived(self, only: LogId | None = None) -> dict[LogId, Log]:
        """The intervals that follow from the rows alone."""
        logs: dict[LogId, Log] = {}
        for log in sorted(self.image.rows) if only is None else [only]:
            for first in sorted(self.image.rows.get(log, {})):
                row = self.image.rows[log][first]
                batch = _decode(row)
                if (batch.log, batch.first) != (log, first):
                    continue  # misdirected: dropped as soon as somebody reads it
                held = logs.setdefault(log, Log(log))
                assert not held.fault(batch), held.fault(batch)
                held.add(batch)
        return logs

    def recover(self) -> Recovered:
        """What a node finds when it starts again. Asserts that marks and rows agree."""
        image = self.image
        if not any(row.damaged for rows in image.rows.values() for row in rows.values()):
            derived = {log: held.runs for log, held in self.derived().items()}
            assert derived == {log: held.runs for log, held in image.held.items()}, "intervals differ from the rows"
        kept = sorted(image.held.items())
        logs = tuple(LogMarks(log, tuple(held.runs), held.stamp, held.expires_ms) for log, held in kept)
        clean, self.clean = self.clean, False
        return Recovered(logs, tuple(image.names.values()), tuple(image.members), (), clean)

    def has(self, log: LogId, first: int, last: int, name: tuple[str, int, int]) -> bool:
        """Whether an undamaged row between two positions holds a message of this name."""
        before = self._found.get((log, name), 0)
        if first <= before <= last and self.find(log, before, before, name):
            return True
        if len(self._found) >= FOUND_MAX:
            self._found.clear()
        self._found[log, name] = found = self.find(log, first, last, name)
        return found > 0

    def find(self, log: LogId, first: int, last: int, name: tuple[str, int, int]) -> int:
        """Where between two positions an undamaged row holds a message of this name; 0 if none does.

        What came last is looked at first, and of one position only the row that covers it.
        """
        rows = self.image.rows.get(log, {})
        firsts = reversed(rows) if first < last else (at for at in range(last, 0, -1) if at in rows)
        for at in firsts:
            row = rows[at]
            if at <= last and row.last >= first and not row.damaged:
                records = _decode(row).records()
                for position in range(max(first, at), min(last, row.last) + 1 if records else 0):
                    record = records[position - at]
                    if (record.publisher, record.incarnation, record.sequence) == name:
                        return position
            if first == last:
                break
        return 0

    def scrub(self) -> tuple[tuple[LogId, int, int], ...]:
        """Read everything: rows that fail their check are deleted, and named."""
        found = [(log, first, self.image.rows[log][first].last) for log, first in sorted(self.flipped)]
        for log, first, _ in found:
            self._delete(log, first)
        return tuple(found)

    def load(self, load: Load) -> Loaded:
        """Answer a query; rows that fail their check are deleted, and named."""
        query = load.query
        if isinstance(query, Since):
            return Loaded(load.request, positions=self._since(query))
        batches: list[Batch] = []
        corrupt: list[tuple[LogId, int, int]] = []
        size, complete = 0, True
        for log, first in list(self._candidates(query)):
            row = self.image.rows[log][first]
            batch = self._read(log, first)
            if batch is None:
                corrupt.append((log, first, row.last))
                self._delete(log, first)
            elif _answers(query, batch):
                if batches and size + batch.size > load.bytes_max:
                    complete = False
                    break
                batches.append(batch)
                size += batch.size
        return Loaded(load.request, tuple(batches), tuple(corrupt), complete)

    def _candidates(self, query: Ranges | OfChannels | OfNames) -> Iterator[tuple[LogId, int]]:
        if isinstance(query, OfNames):
            who = query.publisher, query.incarnation
            yield from (at for at, row in self.rows.items() if row.damaged or who in _writers(row.packed))
            return
        rows = self.image.rows.get(query.log, {})
        firsts = sorted(rows)
        match query:
            case Ranges(log, ranges):
                wanted: set[int] = set()
                for low, high in ranges:
                    at = max(0, bisect_left(firsts, low) - 1)
                    while at < len(firsts) and firsts[at] <= high:
                        if rows[firsts[at]].last >= low:
                            wanted.add(firsts[at])
                        at += 1
                yield from ((log, first) for first in sorted(wanted))
            case OfChannels(_, log, after, through, backwards):
                at = max(0, bisect_left(firsts, after) - 1)
                inside = [f for f in firsts[at:] if f <= through and rows[f].last > after]
                yield from ((log, first) for first in (reversed(inside) if backwards else inside))

    def _read(self, log: LogId, first: int) -> Batch | None:
        """A row's batch, or None where the row fails its check."""
        row = self.image.rows[log][first]
        if not row.damaged:  # then its bytes are those that were written here
            return _decode(row)
        try:
            batch = _decode(row)
        except DecodeError:
            return None
        return batch if (batch.log, batch.first) == (log, first) and batch.matches_name() else None

    def _delete(self, log: LogId, first: int) -> None:
        """Drop a row, and no other place with it: those that are damaged, too, are found when they are read."""
        image = self.image
        rows = image.rows[log]
        row = rows.pop(first)
        held = image.held.get(log)
        if held is not None:
            held.lose(first, row.last)
            before = next((at for at, each in rows.items() if each.last == first - 1), 0)
            for at in (before, row.last + 1):  # names that went with the row follow from its neighbors
                batch = _decode(rows[at]) if at in rows else None
                if batch is not None and (batch.log, batch.first) == (log, at):
                    held.learn(batch)
        if not rows:
            del image.rows[log]
            image.held.pop(log, None)

    def _since(self, query: Since) -> tuple[tuple[LogId, int], ...]:
        found: dict[LogId, int] = {}
        for log, first in self.rows:  # what the bytes say is not looked at, as the real store's index does not
            if stamp_ms(self.image.rows[log][first].stamp) >= query.wall_ms:
                found.setdefault(log, first)
        return tuple(sorted(found.items()))


@lru_cache(maxsize=4_096)
def _packed(*parts: bytes | None) -> bytes:
    """A batch's bytes, made once for all the disks that write it: by its parts, which are compared faster than batches."""
    packed: bytes = msgpack.packb(parts)
    return packed


def _copy(held: Log) -> Log:
    return Log(held.id, tuple(held.runs), held.stamp, held.expires_ms)


def _decode(row: Row) -> Batch:
    return _decoded(row.packed)


@lru_cache(maxsize=4_096)
def _decoded(packed: bytes) -> Batch:
    """A batch from its bytes, which are all that decides: damaged ones are other bytes."""
    return batch_from_parts(msgpack.unpackb(packed))


@lru_cache(maxsize=4_096)
def _writers(packed: bytes) -> frozenset[tuple[str, int]]:
    """Whose messages are in a batch: publishers and incarnations."""
    return frozenset((record.publisher, record.incarnation) for record in _decoded(packed).records())


KEPT = (_packed, _decoded, _writers)
"""What keeps batches beyond their disk."""


def _answers(query: Ranges | OfChannels | OfNames, batch: Batch) -> bool:
    match query:
        case Ranges():
            return True
        case OfChannels(patterns):
            return batch.body is None or any(
                pattern_matches(pattern, record.channel) for record in batch.records() for pattern in patterns
            )
        case OfNames(publisher, incarnation, first, last):
            return any(
                (record.publisher, record.incarnation) == (publisher, incarnation) and first <= record.sequence <= last
                for record in batch.records()
            )
