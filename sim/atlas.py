"""The fault atlas: where the good copies lie of what was promised, so that faults do not exceed what a level survives.

`local` promises that a message survives on that one disk, `copies:N` any N-1 lost disks, `regions:N` any N-1 regions. A
fault that would take the last good copy is not done (`atlas/refused` counts it), unless the atlas is off: then the loss
is booked to the messages that it took, which excuses those whose level need not survive it, and no others.

Levels count what nodes say that they have stored. A host that has gone bad may say so falsely, and may keep to itself what
it has: its disk is no good copy, and counts as lost wherever another is.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgpack

from mesh.log.batch import batch_from_parts
from mesh.types import LogId
from sim.diary import Ledger, Name, name_of
from sim.disk import Image, Row
from sim.world import Machine, World

Key = tuple[LogId, int]


@dataclass
class Atlas:
    """Looks at all disks of a world."""

    world: World
    ledger: Ledger
    is_on: bool = True
    rows_lost: int = 0
    """Batches that disks have lost, and that their nodes have to get once more."""

    def _others_have(self, machine: Machine, log: LogId, first: int) -> bool:
        """Whether another disk holds a row, undamaged and whole: one that lies both as it says and as a power cut leaves it."""
        return any(
            all(_holds(image, log, first) for image in (other.disk.image, other.disk.kept) if image is not None)
            for other in self.world.machines.values()
            if other is not machine and not other.is_bad
        )

    def spare_rows(self, machine: Machine) -> list[Key]:
        """Rows of a disk that may be damaged, in order: another good copy is known, and there is a body to damage."""
        return [
            (log, first)
            for log, rows in sorted(machine.disk.image.rows.items())
            for first, row in sorted(rows.items())
            if not row.damaged and not row.stripped and (not self.is_on or self._others_have(machine, log, first))
        ]

    def _lost_with(self, machine: Machine, image: Image) -> dict[Key, Row]:
        """The rows that are on a disk and not in the image that takes its place."""
        held = machine.disk.image
        return {
            (log, first): row
            for log, rows in held.rows.items()
            for first, row in rows.items()
            if first not in image.rows.get(log, {}) and not row.stripped and not row.damaged
        }

    def may_replace(self, machine: Machine, image: Image) -> bool:
        """Whether a disk may be given another image. With the atlas off it may, and what is lost is booked."""
        lost = self._lost_with(machine, image)
        if self.is_on and not all(self._others_have(machine, *key) for key in lost):
            return False
        self._book(machine, lost)
        return True

    def before_damage(self, machine: Machine, log: LogId, first: int) -> None:
        """A row is about to be damaged. With the atlas off it may be the last good copy, so the loss is booked."""
        self._book(machine, {(log, first): machine.disk.image.rows[log][first]})

    def before_power_cut(self, machine: Machine) -> None:
        """A disk that lied about fsync loses what it did not keep, but for the last good copies."""
        kept = machine.disk.kept
        if kept is None:
            return
        lost = self._lost_with(machine, kept)
        if self.is_on and not all(self._others_have(machine, *key) for key in lost):
            machine.disk.kept = machine.disk.image.copy()
            self.world.cover("atlas/kept")
        elif lost:
            self._book(machine, lost)
            self.world.cover("disk/lied")

    def _book(self, machine: Machine, lost: dict[Key, Row]) -> None:
        """Batches are lost. While the atlas is on another good copy of each is known, and nothing is excused."""
        self.rows_lost += len(lost)
        if self.is_on:
            return
        names: dict[Name, bool] = {}
        for (log, _), row in lost.items():
            for record in batch_from_parts(msgpack.unpackb(row.packed)).records():
                name = name_of(record)
                names[name] = names.get(name, False) or log.node == machine.node_id
        for name, is_its_own in names.items():
            entry = self.ledger.get(name)
            if entry is None:
                continue
            entry.lose(machine.name, machine.region)
            entry.sealed_lost |= is_its_own
            for other in self.world.machines.values():
                if other.is_bad:
                    entry.lose(other.name, other.region)


def _holds(image: Image, log: LogId, first: int) -> bool:
    row = image.rows.get(log, {}).get(first)
    return row is not None and not row.damaged and not row.stripped
