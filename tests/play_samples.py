"""Files as tests play them: an honest play once for all tests, a broken one until what is looked for has been found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sim.checkers import Breach
from sim.heap import Play
from sim.scenario.model import Scenario
from sim.scenario.reading import SHIPPED, read
from sim.units import MILLION

MENDED = Path(__file__).parent / "regressions"
Change = tuple[object, str, Callable[..., Any]]
Wrong = tuple[str, str, str, Change]
"""The file in which something goes wrong, the promise that it breaks and what of that, and who does it how."""


def instead(one: object, name: str, does: Callable[..., Any]) -> None:
    """One object does something else from now on; as it has slots, it gets a class of its own for that."""
    kind = type(one)
    one.__class__ = type(kind.__name__, (kind,), {"__slots__": (), name: staticmethod(does)})


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


def breaks_its_promise(wrong: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    """An honest play of a file breaks nothing, and one with something wrong in it the promise that this concerns."""
    name, promise, kind, (owner, method, broken) = wrong
    (path,) = (folder / f"{name}.toml" for folder in (SHIPPED, MENDED) if (folder / f"{name}.toml").exists())
    honest = breaches(path, 0)
    monkeypatch.setattr(owner, method, broken)

    played = first(read(path), [0], lambda breach: (breach.promise, breach.kind) == (promise, kind))

    assert honest == ()
    found = [breach for breach in played if (breach.promise, breach.kind) == (promise, kind)]
    assert found, [(breach.promise, breach.kind, breach.about) for breach in played[:3]]
    assert (promise != "bounds") <= len(found[0].witness) <= 6
