"""Nodes outside the core that run, and are cut off together for ever: they become equal as the core does, among themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.calm import LOOK_US, difference
from sim.contract import in_vain
from sim.pending import CLIENTS_US
from sim.units import say_seconds

if TYPE_CHECKING:
    from sim.checkers import Watch
    from sim.world import World


@dataclass
class _Part:
    names: list[str]
    within_us: int
    by_us: int
    is_equal: bool = False
    """It was within its time: that the core's clients take longer gives it no more."""


@dataclass
class Apart:
    """Watches each part from the heal on, by what its nodes lack then."""

    world: World
    watch: Watch
    pairs: list[tuple[str, str]]
    parts: list[_Part] = field(default_factory=list)

    def begin(self, parts: Sequence[list[str]], within_us_of: Callable[[list[str]], int]) -> None:
        """The core is healed."""
        for names in parts:
            within_us = within_us_of(names)
            by_us = self.world.now_us + self.world.links.held_up_us(names) + within_us
            self.parts.append(_Part(names, within_us, by_us))

    def look(self) -> None:
        """See who is equal."""
        for part in self.parts:
            part.is_equal = part.is_equal or (
                self.world.now_us <= part.by_us + LOOK_US and self.world.converged(part.names)
            )

    def judge(self, story: Sequence[str]) -> list[list[str]]:
        """Each was equal within its time, and is, or is again soon: what clients bring meanwhile goes on.

        Returns those of which that holds.
        """
        well: list[list[str]] = []
        for part in self.parts:
            still_us = max(part.by_us, self.world.now_us + CLIENTS_US if part.is_equal else 0)
            while not self.world.converged(part.names) and self.world.now_us < still_us:
                self.world.run_to(self.world.now_us + LOOK_US)
                self.look()
            self.look()
            self.watch.look("converges")
            is_now = self.world.converged(part.names)
            if part.is_equal and is_now:
                well.append(part.names)
            else:
                group, within = " ".join(part.names), f"the bound is {say_seconds(part.within_us)}"
                when = "equal digests too late" if is_now else "never had equal digests"
                what = f"{group}, cut off together, {'had ' if is_now else ''}{when}; {within}"
                what += in_vain(self.world, self.pairs, part.names)
                self.watch.broken("converges", what, *story[-4:], *difference(self.world, part.names))
        return well
