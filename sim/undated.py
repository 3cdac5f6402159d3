"""Clocks that are wrong alike, and that a node has to believe: what dies by them may be dead to anybody, or live on.

No node can tell them from right ones, and what is dropped, stamped or forgotten by them stays so when they come right. The
contract says it, and here it is excused: all that their error could reach, from the moment on at which a node hears of so many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.checkers import Watch
from sim.isolation import HEARD_US

if TYPE_CHECKING:
    from sim.world import World

LOOK_US = 250_000


@dataclass
class Undated:
    """Looks at the clocks of a world, and marks the messages that their error reaches once some of them are believed."""

    world: World
    watch: Watch
    _wrong_us: int = 0
    """When a clock was last seen to be wrong, or a node to stand still, which keeps what it has heard."""

    def __post_init__(self) -> None:
        """Look now and then, from now on."""
        self.world.every(LOOK_US, self.look)

    def look(self) -> None:
        """See whether wrong clocks are believed now; what they reach is marked, until no clock has been wrong for a while."""
        world, watch = self.world, self.watch
        machines = world.machines.values()
        if all(machine.is_right(world.now_us) and not machine.paused for machine in machines):
            if watch.reach_us < 0:
                return
            if world.now_us > self._wrong_us + HEARD_US:
                watch.reach_us = -1
                return
        else:
            self._wrong_us = world.now_us
        reach_us = max(machine.believes_wrong_ms(world.now_us) for machine in machines) * 1_000
        if reach_us and watch.reach_us < 0:
            world.cover("clock/wrong-ones-believed")
            watch.since_us = world.now_us
        watch.reach_us = max(watch.reach_us, reach_us or -1)
        if watch.reach_us >= 0:
            for entry in watch.ledger.values():
                entry.undated = entry.undated or watch.is_reached(entry.expires_us)
            watch.undated = sum(entry.undated for entry in watch.ledger.values())
