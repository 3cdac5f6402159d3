"""Batches arrive in any order, wait, are stored or fail, are lost and come again; a naive model keeps up beside them.

The model is a dictionary of positions: which batch each belongs to, and whether it is stored. Names are looked up in it
by reading every record.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.log.record import Record
from mesh.types import LogId
from tests.samples import ANA, BEN, Writer, received, record

lengths = st.lists(st.integers(1, 3), min_size=1, max_size=5)
NUMBERS = list(range(1, 20))


class HoldingsBesideAModel(RuleBasedStateMachine):
    """Two logs, whose batches hold one publisher's messages, the second log some of the first's again.

    They are in the order of their sequences, or in any.
    """

    @initialize(ana=lengths, ben=lengths, offset=st.integers(0, 4), numbers=st.just(NUMBERS) | st.permutations(NUMBERS))
    def begin(self, ana: list[int], ben: list[int], offset: int, numbers: list[int]) -> None:
        self.holdings = Holdings(4_096)
        self.numbers = numbers
        self.batches: list[Batch] = []
        for node, parts, before in ((ANA, ana, 0), (BEN, ben, offset)):
            writer = Writer(node)
            for index, part in enumerate(parts):
                self.batches.append(received(self.sealed(writer, part, before + sum(parts[:index]))))
        self.order: list[Batch] = []
        """Received and not stored, in order."""
        self.stored: set[tuple[LogId, int]] = set()
        """Log and first position of each batch that is stored."""
        self.lost: set[tuple[LogId, int]] = set()
        """The same of batches that were damaged once: their names stay, for they may come again."""

    def sealed(self, writer: Writer, count: int, after: int) -> Batch:
        records: list[Record] = []
        for number in range(after + 1, after + count + 1):
            writer._stamp += 1
            records.append(record(self.numbers[number - 1], stamp=writer._stamp))
        return writer.seal(records)

    @property
    def here(self) -> list[Batch]:
        return [b for b in self.batches if b in self.order or (b.log, b.first) in self.stored]

    @rule(pick=st.integers(0, 9))
    def arrive(self, pick: int) -> None:
        batch = self.batches[pick % len(self.batches)]
        if batch in self.here:
            assert self.holdings.has(batch.log, batch.first, batch.last)
            assert self.holdings.fault(batch) == "it overlaps a batch that is held"
            return
        assert self.holdings.fault(batch) == ""
        self.holdings.receive(batch)
        self.order.append(batch)

    @precondition(lambda self: self.order)
    @rule()
    def store_the_first(self) -> None:
        batch = self.order.pop(0)
        self.holdings.store(batch)
        self.stored.add((batch.log, batch.first))

    @precondition(lambda self: self.order)
    @rule()
    def fail_them_all(self) -> None:
        self.holdings.take_back(*self.order)
        self.lost -= {(batch.log, batch.first) for batch in self.order}
        self.order.clear()

    @precondition(lambda self: self.stored)
    @rule(pick=st.integers(0, 9))
    def damage(self, pick: int) -> None:
        log, first = sorted(self.stored)[pick % len(self.stored)]
        (batch,) = (b for b in self.batches if (b.log, b.first) == (log, first))
        self.holdings.lose(log, first, batch.last)
        self.stored.discard((log, first))
        self.lost.add((log, first))

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "holdings"):
            return
        self.holdings.check()
        self.holdings.check_all()
        for log in {batch.log for batch in self.batches}:
            here = [b for b in self.here if b.log == log]
            stored = [b for b in here if (log, b.first) in self.stored]
            assert positions(self.holdings.received_of(log)) == {n for b in here for n in range(b.first, b.last + 1)}
            assert positions(self.holdings.stored_of(log)) == {n for b in stored for n in range(b.first, b.last + 1)}

    @invariant()
    def every_message_that_is_here_is_found_by_its_name(self) -> None:
        if not hasattr(self, "holdings"):
            return
        for batch in self.here:
            for position, one in enumerate(batch.records(), batch.first):
                found = self.holdings.names.find(*one.name)
                assert any(r.log == batch.log and r.from_position <= position <= r.to_position for r in found)

    @invariant()
    def no_name_is_found_that_is_not_here(self) -> None:
        if not hasattr(self, "holdings"):
            return
        known = [b for b in self.batches if b in self.here or (b.log, b.first) in self.lost]
        places = {(one.sequence, b.log) for b in known for one in b.records()}
        for sequence in range(1, 24):
            found = {(sequence, run.log) for run in self.holdings.names.find("pub", 7, sequence)}
            assert found == {place for place in places if place[0] == sequence}

    @invariant()
    def equal_holdings_have_equal_digests(self) -> None:
        if not hasattr(self, "holdings"):
            return
        twin = Holdings()
        for batch in reversed(self.batches):
            if (batch.log, batch.first) in self.stored:
                twin.receive(batch)
                twin.store(batch)
        unknown = any(b"" in run for log in self.holdings.stored.values() for run in log.runs)
        if not unknown:
            assert twin.digest == self.holdings.digest


def positions(runs: object) -> set[int]:
    return {n for first, last in runs for n in range(first, last + 1)}  # type: ignore[attr-defined]


HoldingsBesideAModel.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestHoldings = HoldingsBesideAModel.TestCase
