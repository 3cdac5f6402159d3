"""From the end of a fault to when all that was there by then is everywhere, while messages go on coming.

Nodes never have the same for long as long as something is published, so equal digests say nothing before the workload
ends. What all of them had stored together when the last fault ended has to be with each of them within the bound of
*converges*, if no other fault begins before. Nodes that are down, whose host is bad, or that no way joins are not asked.
A fault has ended once what it slowed has come, for a link is a stream: what leaves later is no sooner there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mesh.clocks.vector import VersionVector
from mesh.types import LogId
from sim.checkers import SKEW_US, Watch
from sim.clock import WALL_MS
from sim.contract import Backlog, backlog_of, in_vain, parts, stored_since
from sim.diary import name_of, say_name
from sim.machine import Machine
from sim.units import MILLION, say_seconds
from sim.world import World

LOOK_US = 250_000
"""How often it is seen whether all have it."""


@dataclass
class Calm:
    """Watches a world between faults."""

    world: World
    watch: Watch
    under_way: Mapping[int, object]
    """The faults that have not ended, as the stage has them; it is not held itself, for it holds this."""
    story: Sequence[str]
    """What was done, with its time."""
    pairs: list[tuple[str, str]]
    bound_us_of: Callable[[list[str], Backlog], int]
    """Within how long these nodes have to have the same, where so much is on its way."""
    took_us: int = -1
    """How long it took after the last fault; -1: some node still misses something, or a fault is under way."""
    bound_us: int = 0
    """Within how long they have to, by what is on its way since the last fault ended."""
    _names: list[str] = field(default_factory=list)
    _began_us: int = 0
    _owed: VersionVector = field(default_factory=VersionVector)
    _lacked: Backlog = field(default_factory=Backlog)
    _number: int = 0
    _is_late: bool = False

    def on_change(self, among: Sequence[str] = ()) -> None:
        """A fault has begun, or one has ended: for these nodes, or for all."""
        self._number += 1
        self.took_us, self._names, self._is_late = -1, [], False
        machines = self.world.machines
        names = [
            name
            for name, machine in machines.items()
            if machine.node is not None and not machine.is_bad and not machine.paused and (not among or name in among)
        ]
        if self.under_way or len(names) < 2 or len(parts(names, self.pairs)) > 1:
            return
        self._names, self._owed = names, VersionVector()
        self._began_us = self.world.now_us + self.world.links.held_up_us(names)
        for name in names:
            node = machines[name].node
            assert node is not None
            self._owed.merge(node.holdings.stored_vector())
        self._lacked = backlog_of(self.world, names)
        self.bound_us = self.bound_us_of(names, self._lacked)
        self.world.after(LOOK_US, self._look, self._number)

    def finish(self) -> None:
        """The run goes on without a workload, and its nodes are equal: so is what they had before."""
        if self.took_us < 0 and self._names and not self._missing():
            self.took_us = self._count()

    def _look(self, number: int) -> None:
        if number != self._number or self.took_us >= 0:
            return
        missing, took_us = self._missing(), self._count()
        if not missing:
            self.took_us = took_us
            if not self._is_late:
                self.watch.look("converges")
            return
        self.world.after(LOOK_US, self._look, number)  # also once it is late, to know by how much
        if took_us > self.bound_us and not self._is_late and not self.watch.undated:
            self._is_late = True
            self.watch.look("converges")
            self._tell(missing, took_us)

    def _tell(self, missing: tuple[str, LogId, int, int], took_us: int) -> None:
        name, log, first, last = missing
        holder, what = self._who_has(log, first, last)
        about = (
            f"{name} has not got {what} {took_us / MILLION:.2f} s after the last fault ended, though {holder} has it"
        )
        faults = [told for told in self.story if float(told.split()[0]) * MILLION <= self._began_us]
        line = f"{self.world.now_us / 1e6:.6f} s: {name} has not got {log.node.hex()[:8]}:{first}..{last}"
        within = f"the bound is {say_seconds(self.bound_us)}{in_vain(self.world, self.pairs, self._names)}"
        self.watch.broken("converges", f"{about}; {within}", *faults[-2:], line, kind="calm")

    def _count(self) -> int:
        """How long it took until now; if that is too long, what came since has its share of the links, and of the bound."""
        took_us = max(0, self.world.now_us - self._began_us)
        if took_us > self.bound_us and not self._is_late:
            since = stored_since(self.world, self._names, self._owed)
            self.bound_us = max(self.bound_us, self.bound_us_of(self._names, self._lacked + since))
        return took_us

    def _missing(self) -> tuple[str, LogId, int, int] | None:
        """What a node misses of what some node had and has, and lives."""
        for name in self._names:
            node = self.world.machines[name].node
            if node is None:
                continue
            for log, owed in self._owed.items():
                held = node.holdings.stored_of(log)
                if held.includes(owed) or log in node.holdings.forked:
                    continue
                for first, last in owed.minus(held):
                    if self._who_has(log, first, last)[0]:
                        return name, log, first, last
        return None

    def _who_has(self, log: LogId, first: int, last: int) -> tuple[str, str]:
        return who_has(self.world, self._names, log, first, last, self.watch.skew_us)


def who_has(
    world: World, names: list[str], log: LogId, first: int, last: int, skew_us: int = SKEW_US
) -> tuple[str, str]:
    """Who of some nodes has something of a range that lives by all clocks, and its name; empty if nobody does."""
    wall_ms = WALL_MS + (world.now_us + skew_us) // 1_000
    for name in names:
        machine = world.machines[name]
        if machine.node is not None and machine.node.holdings.stored_of(log).touches(first, last):
            found = _living(machine, log, first, last, wall_ms)
            if found:
                return name, found
    return "", ""


def difference(world: World, names: list[str]) -> list[str]:
    """Something that one of some nodes has and another lacks, as a witness says it; nothing where there is none."""
    nodes = {name: node for name in names if (node := world.machines[name].node) is not None}
    for name, node in nodes.items():
        for other in nodes.values():
            for log, theirs in other.holdings.stored_vector().items():
                for first, last in theirs.minus(node.holdings.stored_of(log)):
                    holder, what = who_has(world, names, log, first, last)
                    if what:
                        place = f"{log.node.hex()[:8]}:{first}..{last}"
                        return [f"{world.now_us / 1e6:.6f} s: {name} has not got {what} of {place}, and {holder} has"]
    return []


def _living(machine: Machine, log: LogId, first: int, last: int, wall_ms: int) -> str:
    """A message in a range that a machine's disk holds, and that lives; empty if there is none."""
    for begin, row in machine.disk.image.rows.get(log, {}).items():
        if begin <= last and row.last >= first and not row.damaged and not row.stripped and row.expires_ms > wall_ms:
            batch = row.batch()
            for position, record in enumerate(batch.records(), batch.first):
                if first <= position <= last and record.expires_ms > wall_ms:
                    return say_name(name_of(record))
    return ""
