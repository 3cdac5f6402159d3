"""What the tests of names talk about: batches of a publisher's sequences, and the runs that they make."""

from __future__ import annotations

from mesh.clocks.vector import IntervalSet
from mesh.log.batch import Batch
from mesh.log.names import NameRun
from tests.samples import Writer, record

ALL = IntervalSet([(1, 99)])
"""What is held of a log in most of these tests."""


def batch_of(writer: Writer, *names: tuple[str, int, int]) -> Batch:
    """The next batch of a writer, with records of these names: publisher, incarnation, sequence."""
    records = []
    for publisher, incarnation, sequence in names:
        writer._stamp += 1
        records.append(record(sequence, publisher=publisher, incarnation=incarnation, stamp=writer._stamp))
    return writer.seal(records)


def run_of(batch: Batch, first: int, last: int, at: int, to: int, publisher: str = "p") -> NameRun:
    return NameRun(publisher, 7, first, last, batch.log, at, to, batch.head.expires_ms)


def p(*sequences: int) -> list[tuple[str, int, int]]:
    return [("p", 7, sequence) for sequence in sequences]
