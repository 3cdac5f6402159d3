"""Files as tests play them: an honest play once for all tests, a broken one until what is looked for has been found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sim.checkers import Breach
from sim.heap import Play
from sim.scenario.model import Scenario
from sim.scenario.reading import read
from sim.units import MILLION


@cache
def breaches(path: Path, seed: int) -> tuple[Breach, ...]:
    """What an honest play breaks: nothing. Ask before anything is changed that it plays with."""
    return tuple(Play(read(path), seed).run().breaches)


@dataclass
class Search(Play):
    """A play that ends, as it would at `stop_at`, within a second of what is looked for."""

    is_found: Callable[[Breach], object] = bool

    def _run_to(self, until_us: int) -> bool:
        while self.world.now_us < until_us:
            if super()._run_to(min(until_us, self.world.now_us + MILLION)) or any(
                map(self.is_found, self.watch.breaches)
            ):
                return True
        return False


def first(scenario: Scenario, seeds: Iterable[int], is_found: Callable[[Breach], object] = bool) -> list[Breach]:
    """What the first of these seeds has broken until what was looked for was found; else all that each of them breaks."""
    seen: list[Breach] = []
    for seed in seeds:
        found = Search(scenario, seed, is_found=is_found).run().breaches
        if any(map(is_found, found)):
            return found
        seen += found
    return seen
