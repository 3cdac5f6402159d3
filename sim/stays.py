"""Where a message stands, and from when to when each node has it.

A *stay* begins as a node stores a batch with the message, or starts on a disk that holds one, and ends with the disk: wiped,
replaced by an earlier one, or found not to have kept what it said. What a disk holds is known of each start and of the end of a
run; between them a node that stores a batch a second time had lost it, and had before it asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgpack

from mesh.clocks.vector import VersionVector
from mesh.errors import DecodeError
from mesh.log.batch import batch_from_parts
from mesh.types import LogId
from sim.diary import Name, name_of
from sim.heap import Play
from sim.recorder import PENDING, Kept, Life, Place, Recorder

Position = tuple[LogId, int]
FOR_EVER = 1 << 62


def positions_of(play: Play, name: Name) -> list[Position]:
    """Every position at which a message stands, or stood as its publisher was told so: more than one where it was retried."""
    found = set(play.watch.places.get(name, {}).items())
    found |= {
        (shown.log, shown.position)
        for app in play.apps.values()
        for diary in app.books
        if name in diary.seen
        for shown in diary.shown
        if name_of(shown.record) == name
    }
    for machine in play.world.machines.values():
        for log, rows in machine.disk.image.rows.items():
            for run in machine.disk.image.names.values():
                if run.log == log and (run.publisher, run.incarnation) == name[:2] and run.first <= name[2] <= run.last:
                    within = [
                        first
                        for first, row in rows.items()
                        if first <= run.to_position and row.last >= run.from_position
                    ]
                    found |= {place for first in within for place in _found(rows[first].packed, name)}
    return sorted(found)


def _found(packed: bytes, name: Name) -> list[Position]:
    try:
        batch = batch_from_parts(msgpack.unpackb(packed))
    except DecodeError:
        return []  # a damaged row
    if batch.body is None:
        return []
    return [(batch.log, batch.first + index) for index, record in enumerate(batch.records()) if name_of(record) == name]


def touched(places: VersionVector, found: Iterable[Place]) -> list[LogId]:
    """The logs in which a message stands within some of the places that were found."""
    return [log for log, first, last in found if places.get(log).touches(first, last)]


# --- from when to when -----------------------------------------------------------------------------------------------------

STORES, STORES_AGAIN, FINDS, STARTS_WITHOUT, LOST = range(5)
"""What a node does with it, or comes upon."""


@dataclass(frozen=True)
class Event:
    """A node stores it, in a batch; or its disk turns out to hold it, or not to."""

    at_us: int
    node: str
    kind: int
    place: Place | None = None


@dataclass
class Stay:
    """A node has it from one time to another."""

    begin_us: int
    end_us: int = FOR_EVER
    until_us: int = FOR_EVER
    """When it turned out that it has it no longer."""


@dataclass
class Stays:
    """All stays of one message, by node, and what happened meanwhile."""

    recorder: Recorder
    places: VersionVector
    of: dict[str, list[Stay]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    _disks: dict[str, set[Position]] = field(default_factory=dict)
    _down_us: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Go through what was recorded, and hold it against what disks hold at the end."""
        happened: list[Kept | Life] = [*self.recorder.kept, *self.recorder.lives]
        for each in sorted(happened, key=lambda each: each.at_us):
            if isinstance(each, Kept):
                self._stores(each)
            elif each.is_up:
                self._starts(each)
            else:
                self._down_us[each.node] = each.at_us
        now_us = self.recorder.world.now_us
        for node, machine in self.recorder.world.machines.items():
            held = [(log, *run) for log, each in machine.disk.image.held.items() for run in each.positions]
            if self.since_us(node) is not None and not touched(self.places, held):
                self._ends(node, now_us if machine.node is not None else self._down_us[node], now_us, LOST)

    def since_us(self, node: str) -> int | None:
        """Since when a node has it that has it at the end; None for another."""
        stays = self.of.get(node)
        return stays[-1].begin_us if stays and stays[-1].end_us == FOR_EVER else None

    def has(self, node: str, at_us: int) -> bool:
        """Whether a node has it at a time."""
        return any(stay.begin_us <= at_us < stay.end_us for stay in self.of.get(node, ()))

    def losses(self, node: str, at_us: int = FOR_EVER - 1) -> int:
        """How often a node has lost it by a time."""
        return sum(stay.end_us <= at_us for stay in self.of.get(node, ()))

    def _stores(self, kept: Kept) -> None:
        log, first, last = kept.place
        node, disk = kept.node, self._disks.setdefault(kept.node, set())
        found = {(log, at) for begin, end in self.places.get(log).within(first, last) for at in range(begin, end + 1)}
        if not found:
            return
        if found <= disk:  # it has dropped it since it began: a damaged row was read
            asked_us = self._asked_us(node, self.of[node][-1].begin_us, kept.at_us)
            self.of[node][-1].end_us, self.of[node][-1].until_us = asked_us, kept.at_us
        disk |= found
        self.events.append(Event(kept.at_us, node, STORES_AGAIN if self.losses(node) else STORES, kept.place))
        self._begins(node, kept.at_us)

    def _asked_us(self, node: str, after_us: int, before_us: int) -> int:
        """When a node that stores it a second time asked for it, or was pushed it."""
        asked_us = pushed_us = -1
        for each in self.recorder.crossings:
            if after_us < each.sent_us <= before_us and touched(self.places, each.places):
                if each.source == node and each.kind in ("Want", "Graft"):
                    asked_us = each.sent_us
                elif each.target == node and each.kind == "Push" and PENDING < each.arrived_us <= before_us:
                    pushed_us = each.sent_us
        return next((at_us for at_us in (asked_us, pushed_us) if at_us >= 0), before_us)

    def _starts(self, life: Life) -> None:
        node, held = life.node, set[Position]()
        for log, first, last in life.held:
            held |= {
                (log, at) for begin, end in self.places.get(log).within(first, last) for at in range(begin, end + 1)
            }
        self._disks[node] = held
        if not held and self.since_us(node) is not None:
            self._ends(node, self._down_us.get(node, life.at_us), life.at_us, STARTS_WITHOUT)
        elif held and self.since_us(node) is None:
            self.events.append(Event(life.at_us, node, FINDS))
            self._begins(node, life.at_us)

    def _begins(self, node: str, at_us: int) -> None:
        if self.since_us(node) is None:
            self.of.setdefault(node, []).append(Stay(at_us))

    def _ends(self, node: str, end_us: int, until_us: int, kind: int) -> None:
        stay = self.of[node][-1]
        stay.end_us, stay.until_us = max(end_us, stay.begin_us), until_us
        self.events.append(Event(until_us, node, kind))
