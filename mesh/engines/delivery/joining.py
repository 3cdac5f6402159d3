"""Deliveries of one reader that stand side by side in a log, as one: what does not concern it costs it none of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from mesh.effects import Outcome, Tell
from mesh.log.record import Record
from mesh.operations import Messages


@dataclass(slots=True)
class _Run:
    """Deliveries side by side, the first of them `begun`."""

    begun: Tell
    told: Messages
    last: int
    """Where the last of them ends."""
    positions: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)
    size: int = 0

    def add(self, told: Messages, size: int) -> None:
        """What the next delivery tells; its marks are indices, and move."""
        before = len(self.records)
        self.positions += told.positions
        self.records += told.records
        self.late += [index + before for index in told.late]
        self.conflicts += [index + before for index in told.conflicts]
        self.last, self.size = told.last, self.size + size

    def joined(self) -> Tell:
        """All of them as one."""
        if self.last == self.told.last:
            return self.begun
        told = replace(
            self.told,
            last=self.last,
            positions=tuple(self.positions),
            records=tuple(self.records),
            late=tuple(self.late),
            conflicts=tuple(self.conflicts),
        )
        return Tell(self.begun.sessions, told)


def in_few(outcomes: Iterable[Outcome], messages_max: int, bytes_max: int) -> list[Outcome]:
    """The same in as few deliveries as fit: so many records in each, and so many bytes of them unless one alone has more.

    All deliveries are of one subscription. What is none, such as a gap, stays between those that it stands between.
    """
    few: list[Outcome | _Run] = []
    for outcome in outcomes:
        if not isinstance(outcome, Tell) or not isinstance(outcome.operation, Messages):
            few.append(outcome)
            continue
        told, run = outcome.operation, few[-1] if few else None
        size = sum(len(record.raw) for record in told.records)
        if (
            not isinstance(run, _Run)
            or (told.log, told.first) != (run.told.log, run.last + 1)
            or len(run.records) + len(told.records) > messages_max
            or (size and run.size + size > bytes_max)
        ):
            few.append(run := _Run(outcome, told, told.last))
        run.add(told, size)
    return [each.joined() if isinstance(each, _Run) else each for each in few]
