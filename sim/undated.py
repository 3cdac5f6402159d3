"""Clocks that are wrong alike, and that a node has to believe: what dies by them may be dead to anybody, or live on.

No node can tell them from right ones, and what is dropped, stamped or forgotten by them stays so when they come right. The
contract says it, and here it is excused: all that their error could reach, from the moment on at which a node hears of so many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.checkers import Watch
from sim.clock import WALL_MS

if TYPE_CHECKING:
    from sim.world import World

LOOK_US = 250_000


@dataclass
class Undated:
    """Looks at the clocks of a world, and marks the messages that their error reaches once some of them are believed."""

    world: World
    watch: Watch

    def __post_init__(self) -> None:
        """Look now and then, from now on."""
        self.world.after(LOOK_US, self._again)

    def _again(self) -> None:
        self.look()
        self.world.after(LOOK_US, self._again)

    def look(self) -> None:
        """See whether wrong clocks are believed now; what they reach, if they ever were, is marked."""
        world, watch = self.world, self.watch
        machines, true_ms = world.machines.values(), WALL_MS + world.now_us // 1_000
        wrong_us = max(abs(machine.clock.wall_ms(world.now_us) - true_ms) for machine in machines) * 1_000
        if wrong_us > watch.reach_us and any(machine.hears_wrong_alike(world.now_us) for machine in machines):
            world.cover("clock/wrong-ones-believed")
            watch.reach_us = wrong_us
        if watch.is_undated:
            for entry in watch.ledger.values():
                entry.undated = entry.undated or watch.is_reached(entry.expires_us)
