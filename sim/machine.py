"""A machine of the world: a node that runs or not, its disk, its clock, and what is on the way to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mesh.certificates import verify_certificate
from mesh.clocks.hybrid import SKEW_MAX_MS
from mesh.config import NodeConfig
from mesh.effects import Append, Event, Report
from mesh.engines.links import ALIVE_BUSY
from mesh.errors import RemoteError
from mesh.node import Node
from mesh.operations import NodeOperation
from mesh.types import Address, LinkId, LogId, SessionId
from sim.clock import WALL_MS, Clock
from sim.disk import Disk
from sim.tape import Stream

if TYPE_CHECKING:
    from sim.links import Pipe

PORT = 7421
TAKEN_IN_US = 2_000_000
"""By so long after something reached a node it has been taken into account, even by a slow one."""

Heard = Callable[[NodeOperation], None]


class Had(NamedTuple):
    """What a node had of a log as its disk dropped something of it."""

    through: int
    """Up to here nothing of it had been missing, by what the node had been told, and had delivered."""
    last: int
    """The last place that was there."""
    at_us: int


class _Machine:
    """What each tick looks at, as in `sim.network`."""

    __slots__ = (
        "alarm_us", "clock", "inbox", "label", "links", "node", "paused", "rng", "slowness", "ticking", "ticks"
    )  # fmt: skip


@dataclass(eq=False, slots=True)
class Machine(_Machine):
    """A node, its disk and its clock."""

    name: str
    region: str
    config: NodeConfig
    rng: Stream
    disk_rng: Stream
    disk: Disk = field(default_factory=Disk)
    node: Node | None = None
    clock: Clock = field(default_factory=Clock)
    inbox: list[Event] = field(default_factory=list)
    ticking: bool = False
    alarm_us: int = -1
    began_wrong: bool = False
    """Its clock was wrong when it was started."""
    life: int = 0
    """How often it was started; what belongs to an earlier life is dropped."""
    appending: list[Append] = field(default_factory=list)
    links: dict[LinkId, Pipe] = field(default_factory=dict)
    sessions: dict[SessionId, Heard] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    ticks: int = 0
    said_tick: int = 0
    """In which of its ticks it said what a client is hearing."""
    label: bytes = b""
    drained: bool = False
    draining: bool = False
    """It was asked to stop, whether it has heard that or not."""
    node_id: bytes = b""
    slow_disk_us: int = 0
    slowness: int = 1
    """Its processor takes so many times as long."""
    paused: bool = False
    lost_us: int = -1
    """When its disk last lost what it had said to hold; -1: never."""
    dropped_us: int = -1
    """When its disk last dropped rows that it found damaged, or, where it stood still, it heard of that; -1: never."""
    had: dict[LogId, Had] = field(default_factory=dict)
    """Of logs of which its disk dropped rows in this life of it, the most that there was."""
    replaced_us: int = -1
    """When another image last took the place of its disk's, and it began another life; -1: never."""
    turned_us: int = -1
    """When somebody last turned its clock, and it was wrong before that or after; -1: never."""
    wrong_since_us: int = -1
    """When it was last turned while it was right; -1: never."""
    is_bad: bool = False
    """Its host does, or has done, what no honest one does ..."""
    keeps_waiting: bool = False
    """... of a kind that lets others wait for what it does not say, or has not."""

    def has(self, name: tuple[str, int, int]) -> bool:
        """Whether its disk holds a message, as far as its node, or the disk while it is down, knows where to look."""
        if self.node is not None:
            runs = self.node.holdings.names.find(*name)
        else:
            known = self.disk.image.names.values()
            runs = [r for r in known if (r.publisher, r.incarnation) == name[:2] and r.first <= name[2] <= r.last]
        return any(self.disk.has(run.log, run.from_position, run.to_position, name) for run in runs)

    def has_sealed(self, name: tuple[str, int, int]) -> bool:
        """Whether its node has taken a message from a client, and has stamped it."""
        node = self.node
        return node is not None and any(run.log.node == node.identity.node for run in node.holdings.names.find(*name))

    def vouches(self, since_us: int, to: Machine, now_us: int, *, mortal: bool) -> bool:
        """Whether what it has told another since a moment to have stored has to be there, if it is alive by the world's clock.

        Not if its disk has lost something since, unless that was all of it, and the other has heard of its next life.
        """
        clock = self.clock
        is_wrong = self.began_wrong or clock.offset_ms or clock.drift_ppm or clock.frozen_ms is not None
        has_begun_anew = self.lost_us == self.replaced_us < to.last_heard_us(self, now_us)
        is_sound = not self.is_bad and self.disk.kept is None and (self.lost_us < since_us or has_begun_anew)
        return is_sound and not (mortal and is_wrong)

    def last_heard_us(self, other: Machine, now_us: int) -> int:
        """When the newest link began on which it heard another, some moments ago; -1: there is none."""
        ends = [pipe.target.links.get(pipe.target_link) for pipe in self.links.values() if pipe.target is other]
        heard_us = [back.heard_us for back in ends if back is not None]
        return max((at_us for at_us in heard_us if at_us <= now_us - TAKEN_IN_US), default=-1)

    def on_dropped(self, ranges: Iterable[tuple[LogId, int, int]], now_us: int) -> None:
        """Its disk has dropped rows, of which it is about to hear; what a reading comes upon later has been there."""
        self.dropped_us, node = now_us, self.node
        if node is None:
            return
        for log, _, last in ranges:
            held, before = self.disk.image.held.get(log), self.had.get(log, Had(0, 0, now_us))
            is_delivered = node.started and log not in node.delivery.held_up
            through = node.holdings.stored_of(log).frontier if is_delivered else 0
            most = max(last, before.last, held.positions.last if held is not None else 0)
            at_us = before.at_us if through <= before.through else now_us
            self.had[log] = Had(max(before.through, through), most, at_us)

    def lose_power(self) -> None:
        """Of the appends that were not answered each in turn may have been kept, then none."""
        for append in self.appending:
            if self.disk_rng.below(2):
                break
            self.disk.write(append)
        self.disk.lose_power()

    def begin(self, true_us: int) -> None:
        """Another life of it begins."""
        self.life += 1
        self.drained = self.draining = self.paused = False
        self.had.clear()
        self.began_wrong = abs(self.clock.wall_ms(true_us) - WALL_MS - true_us // 1_000) > SKEW_MAX_MS

    def misdates(self, true_us: int) -> bool:
        """Whether its clock is so wrong that by it, and not by the world's, what makes members is not valid."""
        true_ms = WALL_MS + true_us // 1_000
        return not self._is_valid(self.clock.wall_ms(true_us)) and self._is_valid(true_ms)

    def _is_valid(self, wall_ms: int) -> bool:
        """Whether certificates of this mesh, which begin and end together, are valid at a time."""
        assert self.node is not None
        identity = self.node.identity
        try:
            verify_certificate(identity.certificate_raw, identity.genesis, self.node.suite, wall_ms)
        except RemoteError:
            return False
        return True

    def has_only_a_wrong_clock(self, true_us: int) -> bool:
        """It was started with a wrong clock, and nobody has shown it so: it takes most of two neighbors or more.

        Those whose clocks are wrong as its own is must be less than half with it. Once its clock is right it takes one neighbor
        who is, if no two others are wrong. Who has shown it what time it is, its links say, and not the node itself.
        """
        if not self.began_wrong or self.node is None:
            return False
        heard = self._heard_clearly(true_us)
        right = sum(other.is_right_for_long(true_us) for other in heard)
        if self.is_right_for_long(true_us):
            return right == 0 or 2 * right + 1 < len(heard)
        own_ms = self.clock.wall_ms(true_us)
        alike = sum(abs(other.clock.wall_ms(true_us) - own_ms) <= SKEW_MAX_MS for other in heard)
        return len(heard) < 2 or 2 * right <= len(heard) or (alike > 0 and 2 * (alike + 1) > len(heard))

    def may_call_dead(self, true_us: int) -> bool:
        """It may let expire what lives: it has only a wrong clock, or half of all that it hears, with its own, are wrong alike.

        Of clocks that were turned just now nobody can say any more what others have heard of them.
        """
        if self.has_only_a_wrong_clock(true_us):
            return True
        if self.is_right_for_long(true_us):
            return False
        heard, own_ms = self._heard_clearly(true_us), self.clock.wall_ms(true_us)
        wrong = [other for other in heard if not other.is_right_for_long(true_us)]
        alike = sum(
            self.has_just_turned(true_us)
            or other.has_just_turned(true_us)
            or abs(other.clock.wall_ms(true_us) - own_ms) <= SKEW_MAX_MS
            for other in wrong
        )
        return alike > 0 and 2 * (alike + 1) > len(heard)

    def is_misled(self, true_us: int) -> bool:
        """Nothing tells it the time: what it takes may live from a stamp that is wrong, and what is dead may be shown.

        Its own clock is wrong, as is a neighbor's, and those that are right are no more than half; or its own is right, most
        agree on another time, and those that are right are less than half of all with it.
        """
        heard = self._heard_clearly(true_us)
        wrong = [other.clock.wall_ms(true_us) for other in heard if not other.is_right_for_long(true_us)]
        right = len(heard) - len(wrong)
        if not self.is_right_for_long(true_us):
            return self.may_call_dead(true_us) or (bool(wrong) and 2 * right <= len(heard))
        alike = max((sum(abs(one - other) <= SKEW_MAX_MS for other in wrong) for one in wrong), default=0)
        is_outvoted = right == 0 or 2 * (right + 1) <= len(heard)
        return self.may_call_dead(true_us) or (len(heard) > 1 and is_outvoted and 2 * alike > len(heard))

    def doubts_since_us(self, true_us: int) -> int:
        """Since when it may doubt its clock, and so let nothing expire; -1: it may not, for it and enough others are right."""
        if not self.is_right_for_long(true_us):
            return 0 if self.began_wrong else max(0, self.wrong_since_us)
        others = list(self._linked())
        wrong = [other for other in others if not other.is_right_for_long(true_us)]
        right = len(others) - len(wrong)
        if not wrong or (right and 2 * (right + 1) > len(others)):
            return -1
        return min(max(0, other.wrong_since_us) for other in wrong)

    def believes_wrong_ms(self, true_us: int) -> int:
        """By how much clocks are wrong, at most, that agree, and are half of all that it has heard or most of the others; or 0.

        They may be two minutes apart, for each may agree with one between them. What it has heard it remembers, also of clocks
        that have come right since.
        """
        if self.node is None or not self.node.started:
            return 0
        true_ms, mono_ms = WALL_MS + true_us // 1_000, self.clock.mono_us(true_us) // 1_000
        own = self.clock.wall_ms(true_us) - true_ms
        ahead = [own, *(offset + mono_ms - true_ms for offset in self.node.guard.offsets.values())]
        wrong = [each for each in ahead if abs(each) > SKEW_MAX_MS]
        if own in wrong:
            near = [each for each in ahead if abs(each - own) <= (2 if each in wrong else 1) * SKEW_MAX_MS]
            if len(near) > 1 and 2 * len(near) >= len(ahead):
                return max(map(abs, near))
        alike = max(
            ([each for each in wrong if abs(each - one) <= 2 * SKEW_MAX_MS] for one in wrong), key=len, default=[]
        )
        return max(map(abs, alike)) if len(alike) > 1 and 2 * len(alike) >= len(ahead) else 0

    def _heard_clearly(self, true_us: int) -> list[Machine]:
        """The neighbors that have told it what their clocks show, some moments ago."""
        return [other for other in self._linked() if self.last_heard_us(other, true_us) >= 0]

    def _linked(self) -> Iterable[Machine]:
        return {pipe.target.name: pipe.target for pipe in self.links.values()}.values()

    def is_right_for_long(self, true_us: int) -> bool:
        """Whether its clock is right, and has been for so long that all its neighbors have heard of it."""
        return self.is_right(true_us) and not self.has_just_turned(true_us)

    def is_right(self, true_us: int) -> bool:
        """Whether its clock is right now."""
        return abs(self.clock.wall_ms(true_us) - WALL_MS - true_us // 1_000) <= SKEW_MAX_MS

    def on_turned(self, true_us: int, *, was_right: bool) -> None:
        """Its clock has been turned; by so little that it is right before and after, nobody need notice."""
        if was_right:
            self.wrong_since_us = true_us
        if not (was_right and self.is_right(true_us)):
            self.turned_us = true_us

    def has_just_turned(self, true_us: int) -> bool:
        """Whether its clock was turned so lately that not all its neighbors have heard of it."""
        told_us = ALIVE_BUSY * self.config.links.alive_ms * 1_000
        heard_us = TAKEN_IN_US + 2 * told_us  # who goes back has to say it twice
        return self.turned_us >= max(0, true_us - heard_us)

    @property
    def address(self) -> Address:
        """Where it is dialled."""
        return Address(self.name, PORT)

    @property
    def clock_ms(self) -> int:
        """What its wall clock is ahead of the world's."""
        return self.clock.offset_ms

    @clock_ms.setter
    def clock_ms(self, offset_ms: int) -> None:
        self.clock.offset_ms = offset_ms
