"""A simulated disk: what was appended is durable once its append was answered, or once a crash happened to keep it.

It stores the bytes of batches, decodes them anew at each read, and derives intervals from rows at recovery, where they
must equal the marks that were kept: the promise of the real store, in a few lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgpack

from mesh.clocks.hybrid import stamp_ms
from mesh.effects import (
    Append,
    Load,
    Loaded,
    LogMarks,
    OfChannels,
    OfNames,
    Ranges,
    Recovered,
    Since,
)
from mesh.log.batch import Batch, batch_from_parts
from mesh.log.log import Log
from mesh.log.names import NameRun
from mesh.types import LogId, pattern_matches


@dataclass
class Disk:
    """The durable image of one node, and the switches of its faults."""

    free_bytes: int = 1 << 40
    full: bool = False
    """Appends fail, reads go on."""
    rows: dict[tuple[LogId, int], bytes] = field(default_factory=dict)
    held: dict[LogId, Log] = field(default_factory=dict)
    """The intervals, kept beside the rows."""
    names: dict[tuple[object, ...], NameRun] = field(default_factory=dict)
    members: list[bytes] = field(default_factory=list)
    clean: bool = False
    forget_intervals: bool = False
    """A safeguard turned off: rows are kept, intervals are not (for tests that must fail)."""
    flipped: set[tuple[LogId, int]] = field(default_factory=set)
    """Rows with a flipped bit that nobody has read yet."""

    def write(self, append: Append) -> None:
        """Make an append durable, all of it at once."""
        for batch in append.batches:
            self.rows[batch.log, batch.first] = msgpack.packb(batch.parts())
            if not self.forget_intervals:
                self.held.setdefault(batch.log, Log(batch.log)).add(batch)
        marks = append.marks
        for run in marks.names:
            self.names[run.publisher, run.incarnation, run.log, run.first, run.from_position] = run
        self.members += marks.members
        if marks.strip_before_ms:
            for key, batch in self._all():
                if batch.body is not None and batch.head.expires_ms <= marks.strip_before_ms:
                    self.rows[key] = msgpack.packb(batch.stripped().parts())
                    self.flipped.discard(key)
        for log in marks.forget_logs:
            self.rows = {key: row for key, row in self.rows.items() if key[0] != log}
            self.flipped = {key for key in self.flipped if key[0] != log}
            self.held.pop(log, None)
            self.names = {key: run for key, run in self.names.items() if run.log != log}

    def _all(self, log: LogId | None = None) -> list[tuple[tuple[LogId, int], Batch]]:
        keys = sorted(key for key in self.rows if log is None or key[0] == log)
        return [(key, self._read(key)) for key in keys]

    def _read(self, key: tuple[LogId, int]) -> Batch:
        return batch_from_parts(msgpack.unpackb(self.rows[key]))

    def derived(self) -> dict[LogId, Log]:
        """The intervals that follow from the rows alone."""
        logs: dict[LogId, Log] = {}
        for (log, _), batch in self._all():
            held = logs.setdefault(log, Log(log))
            assert not held.fault(batch), held.fault(batch)
            held.add(batch)
        return logs

    def recover(self) -> Recovered:
        """What a node finds when it starts again. Asserts that marks and rows agree."""
        derived = {log: held.runs for log, held in self.derived().items()}
        assert derived == {log: held.runs for log, held in self.held.items()}, "intervals differ from the rows"
        kept = sorted(self.held.items())
        logs = tuple(LogMarks(log, tuple(held.runs), held.stamp, held.expires_ms) for log, held in kept)
        clean, self.clean = self.clean, False
        return Recovered(logs, tuple(self.names.values()), tuple(self.members), (), clean)

    def corrupt(self, log: LogId, first: int) -> None:
        """Flip a bit of a row's body: it is found when it is read."""
        parts = msgpack.unpackb(self.rows[log, first])
        parts[1] = bytes([parts[1][0] ^ 1]) + parts[1][1:]
        self.rows[log, first] = msgpack.packb(parts)
        self.flipped.add((log, first))

    def scrub(self) -> tuple[tuple[LogId, int, int], ...]:
        """Read everything: rows that fail their check are deleted, and named."""
        found = [(key, self._read(key)) for key in sorted(self.flipped)]
        for key, batch in found:
            self._delete(key, batch)
        return tuple((batch.log, batch.first, batch.last) for _, batch in found)

    def load(self, load: Load) -> Loaded:
        """Answer a query; rows that fail their check are deleted, and named."""
        query = load.query
        if isinstance(query, Since):
            return Loaded(load.request, positions=self._since(query))
        batches: list[Batch] = []
        corrupt: list[tuple[LogId, int, int]] = []
        size, complete = 0, True
        found = self._all(None if isinstance(query, OfNames) else query.log)
        if isinstance(query, OfChannels) and query.backwards:
            found.reverse()
        for key, batch in found:
            if not batch.matches_name():
                corrupt.append((batch.log, batch.first, batch.last))
                self._delete(key, batch)
            elif _answers(query, batch):
                if batches and size + batch.size > load.bytes_max:
                    complete = False
                    break
                batches.append(batch)
                size += batch.size
        return Loaded(load.request, tuple(batches), tuple(corrupt), complete)

    def _delete(self, key: tuple[LogId, int], batch: Batch) -> None:
        del self.rows[key]
        self.flipped.discard(key)
        held = self.derived().get(batch.log)
        if held is None:
            self.held.pop(batch.log, None)
        else:
            self.held[batch.log] = held

    def _since(self, query: Since) -> tuple[tuple[LogId, int], ...]:
        first: dict[LogId, int] = {}
        for (log, position), batch in self._all():
            if stamp_ms(batch.head.stamp) >= query.wall_ms:
                first.setdefault(log, position)
        return tuple(sorted(first.items()))


def _answers(query: Ranges | OfChannels | OfNames, batch: Batch) -> bool:
    match query:
        case Ranges(_, ranges):
            return any(batch.first <= last and first <= batch.last for first, last in ranges)
        case OfChannels(patterns, _, after, through):
            if batch.last <= after or batch.first > through:
                return False
            return batch.body is None or any(
                pattern_matches(pattern, record.channel) for record in batch.records() for pattern in patterns
            )
        case OfNames(publisher, incarnation, first, last):
            return any(
                (record.publisher, record.incarnation) == (publisher, incarnation) and first <= record.sequence <= last
                for record in batch.records()
            )
