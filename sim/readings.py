"""What is always so of history as a node shows it, whoever reads it, and when.

A *reading* is page after page at one cut. Its rows stand in the order of stamps, each message once, none beyond the cut, and
nothing is invented or dead. Once it has come to its end, nothing is left out that lay on the node's own disk from its
beginning on, in the cut, and lives. `sim.historian` reads when all is calm, `sim.reader` while things go wrong; there a place
that the node's disk did not hold all the while proves nothing: what was lost and came again may come late, or twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mesh.clocks.vector import VersionVector
from mesh.log.record import Record
from mesh.types import LogId, pattern_matches
from sim.checkers import Watch
from sim.clock import WALL_MS
from sim.diary import Diary, Name, Shown, name_of, say_name

if TYPE_CHECKING:
    from sim.machine import Machine
    from sim.world import World

EVERYTHING = ("#",)
Row = tuple[LogId, int, Record]
Key = tuple[int, LogId, int]
"""A row's stamp and place: as history is ordered."""
Stood = Callable[[LogId, int], bool]
"""Whether a place was on the disk of the node that shows it ever since the reading began there."""


def _always(_log: LogId, _position: int) -> bool:
    return True


@dataclass
class Reading:
    """What a node showed, in its order, and whether that was all."""

    node: str
    cut: VersionVector
    backwards: bool
    rows: list[Row] = field(default_factory=list)
    whole: bool = False
    patterns: tuple[str, ...] = EVERYTHING
    asked: tuple[str, ...] = ()
    """Who asked for it, and when, as a witness says it."""
    held: int = 0
    """So many of its rows were held against what is always so."""
    places: set[tuple[LogId, int]] = field(default_factory=set)
    seen: dict[tuple[Name, bytes], tuple[LogId, int]] = field(default_factory=dict)
    """Where each message was shown, by the node that shows it now."""
    before: Key | None = None
    """The last row of that node which has an order."""

    @property
    def title(self) -> str:
        """What breaches call it."""
        return f"history at {self.node}"

    def goes_on_at(self, node: str) -> None:
        """Another node, or another life of it, shows what follows: of it alone is known what it holds."""
        self.node = node
        self.seen.clear()
        self.before = None


def hold(watch: Watch, world: World, reading: Reading, told_us: int = -1, stood: Stood = _always) -> None:
    """Hold the rows that have come since the last time against what is always so; `told_us`: when the node said them.

    In a log of a member gone bad stamps may fall; it stands in the way of no other.
    """
    bad = _gone_bad(world)
    diary = Diary(reading.patterns, owner=reading.title)
    watch.look("in order")
    watch.look("once")
    rows, reading.held = reading.rows[reading.held :], len(reading.rows)
    for log, position, record in rows:
        name, witness = name_of(record), (*watch.publish_of(name_of(record)), *reading.asked)
        shown = Shown(log, position, record, late=False, at_us=world.now_us, told_us=told_us)
        watch.not_invented(diary, name, shown)
        earlier = reading.seen.setdefault((name, record.payload), (log, position))
        is_again = (log, position) in reading.places
        is_twice = earlier != (log, position) and stood(*earlier) and stood(log, position)
        if is_again or is_twice:
            watch.broken("once", f"{reading.title} shows {say_name(name)} twice", *witness)
        reading.places.add((log, position))
        if not reading.cut.covers(log, position, position):
            what = f"{reading.title} shows {say_name(name)}, which lies beyond its cut"
            watch.broken("in order", what, *witness, kind="cut")
        if log.node in bad:
            continue
        key = (record.stamp, log, position)
        if reading.before is None or (key < reading.before if reading.backwards else key > reading.before):
            reading.before = key
        elif stood(log, position):
            what = f"{reading.title} shows {say_name(name)} out of the order of stamps"
            watch.broken("in order", what, *witness)
            reading.before = key


def at_one_cut(watch: Watch, reading: Reading, number: int, cut: VersionVector) -> None:
    """A page comes, and names its cut: that of the reading."""
    if cut != reading.cut:
        what = f"{reading.node} was asked for history at one cut, and answers at another"
        line = f"{watch.now_us() / 1e6:.6f} s: {reading.node} answers with page {number}, at another cut"
        watch.broken("in order", what, *reading.asked, line, kind="cut")


def nothing_left_out(watch: Watch, world: World, reading: Reading, machine: Machine, since_us: int) -> None:
    """A whole reading shows all that matches and lives, and lay in its cut on the disk of its node since a moment.

    Logs with two histories prove nothing, nor do those of members gone bad; nor does what a wrong clock has dated. Of equal
    copies the first is shown: where one was lost meanwhile, it may have been that one. What died meanwhile is covered.
    """
    assert machine.node is not None
    names, shown = machine.node.holdings.names, {name_of(record) for *_, record in reading.rows}
    wall_ms = WALL_MS + (world.now_us + watch.skew_us) // 1_000
    bad, has_died = _gone_bad(world), False
    lying = list(_lying(reading, machine, since_us))
    for log, position, record in lying:
        name = name_of(record)
        entry = watch.ledger.get(name)
        if name in shown or log.node in bad or entry is None or entry.misdated:
            continue
        if since_us < entry.expires_us <= world.now_us:
            has_died = True
        lives = not entry.expires_us or entry.expires_us > world.now_us + watch.skew_us
        if not lives or record.expires_ms <= wall_ms:
            continue
        copies = {there for there, _, other in lying if name_of(other) == name}
        others = [run for run in names.find(*name) if run.log not in copies]
        if any(reading.cut.get(run.log).touches(run.from_position, run.to_position) for run in others):
            continue
        what = f"{reading.title} leaves out {say_name(name)}, which lies in its cut"
        place = f"{log.node.hex()[:8]}:{position}"
        line = f"{world.now_us / 1e6:.6f} s: it is read to its end, and {machine.name} has it at {place}"
        watch.broken("in order", what, *watch.publish_of(name), *reading.asked, line, kind="left out")
        break
    if has_died:
        world.cover("history/died-while-read")


def _lying(reading: Reading, machine: Machine, since_us: int) -> Iterator[Row]:
    """What matches a reading and has lain in its cut, whole, on a disk since a moment."""
    assert machine.node is not None
    forked = machine.node.holdings.forked
    for log, runs in reading.cut.items():
        if log in forked:
            continue
        for first, row in machine.disk.image.rows.get(log, {}).items():
            if row.since_us >= since_us or row.damaged or row.stripped or not runs.touches(first, row.last):
                continue
            for position, record in enumerate(row.batch().records(), first):
                if position in runs and any(pattern_matches(each, record.channel) for each in reading.patterns):
                    yield log, position, record


def _gone_bad(world: World) -> set[bytes]:
    """The members whose hosts do, or have done, what no honest one does."""
    return {machine.node_id for machine in world.machines.values() if machine.is_bad}
