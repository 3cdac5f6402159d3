"""What crossed, for those who want to look at a run: frames with the times of their leaving and arriving, and appends.

A recorder is hung on a world before it runs. It changes nothing: the trace of a recorded run equals that of one that
was not. It keeps the first `CROSSINGS_MAX` frames and says how many it did not keep.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mesh import frames as f
from mesh.effects import Append
from mesh.errors import DecodeError
from mesh.log.record import Record
from mesh.types import LogId
from mesh.wire.frames import decode_frame
from sim.diary import Name, name_of

if TYPE_CHECKING:
    from sim.links import Pipe
    from sim.world import Machine, World

CROSSINGS_MAX = 200_000
PENDING = -1
"""Stands where a frame has not arrived, and never will if it is still so at the end."""

Place = tuple[LogId, int, int]
"""A log, and the first and last position in it."""


@dataclass(slots=True)
class Crossing:
    """A frame from one node to another. Times are true microseconds."""

    sent_us: int
    arrived_us: int
    source: str
    target: str
    kind: str
    size: int
    places: tuple[Place, ...]
    """The batches that it carries, announces or asks for."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A batch became durable on a node."""

    at_us: int
    node: str
    place: Place


@dataclass(frozen=True, slots=True)
class Life:
    """A node began to run, or ended. `held` is what its disk held when it began: the log, first and last position."""

    at_us: int
    node: str
    is_up: bool
    held: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """A client asks for a page of history, or is shown it."""

    at_us: int
    client: str
    page: int
    node: str = ""
    """Who shows it; empty: it is asked for."""
    shown: tuple[tuple[Name, LogId, int], ...] = ()
    """The messages, and where they stand."""


@dataclass
class Recorder:
    """Hangs on a world and remembers."""

    world: World
    crossings: list[Crossing] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    dropped: int = 0
    _waiting: dict[Pipe, deque[Crossing]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin to listen."""
        self.world.recorder = self

    def on_sent(self, pipe: Pipe, packed: bytes) -> None:
        """A frame leaves a node."""
        if len(self.crossings) >= CROSSINGS_MAX:
            self.dropped += 1
            return
        kind, places = about(packed)
        path = pipe.path
        crossing = Crossing(self.world.now_us, PENDING, path.source, path.target, kind, len(packed), places)
        self.crossings.append(crossing)
        self._waiting.setdefault(pipe, deque()).append(crossing)

    def on_arrived(self, pipe: Pipe, packed: bytes) -> None:
        """A frame reaches a node; a link is a stream, so it is the first that is still under way."""
        waiting = self._waiting.get(pipe)
        if waiting:
            waiting.popleft().arrived_us = self.world.now_us

    def on_stored(self, machine: Machine, append: Append) -> None:
        """A disk has answered an append."""
        if len(self.kept) < CROSSINGS_MAX:
            self.kept += [
                Kept(self.world.now_us, machine.name, (batch.log, batch.first, batch.last)) for batch in append.batches
            ]

    def on_read(self, client: str, page: int, node: str = "", rows: Iterable[tuple[LogId, int, Record]] = ()) -> None:
        """A client asks for a page of history, or a node shows it."""
        if len(self.reads) < CROSSINGS_MAX:
            shown = tuple((name_of(record), log, position) for log, position, record in rows)
            self.reads.append(Read(self.world.now_us, client, page, node, shown))

    def on_life(self, machine: Machine, *, is_up: bool) -> None:
        """A node begins to run on what its disk holds, or ends."""
        held = machine.disk.image.held if is_up else {}
        places = tuple((log, low, high) for log, each in held.items() for low, high in each.positions)
        self.lives.append(Life(self.world.now_us, machine.name, is_up, places))


def about(packed: bytes) -> tuple[str, tuple[Place, ...]]:
    """The kind of a frame, and the places that it is about; what cannot be decoded is of the kind `?`."""
    try:
        frame = decode_frame(packed)
    except DecodeError:
        return "?", ()
    match frame:
        case f.Push(batch):
            return "Push", ((batch.log, batch.first, batch.last),)
        case f.IHave(ranges) | f.Graft(ranges) | f.NotFound(ranges) | f.Want(ranges) | f.Busy(ranges):
            return type(frame).__name__, tuple(ranges)
        case f.Stored(_, _, ranges):
            return "Stored", tuple(ranges)
        case f.Forked(one, other):
            return "Forked", ((one.log, min(one.first, other.first), max(one.last, other.last)),)
        case _:
            return type(frame).__name__, ()
