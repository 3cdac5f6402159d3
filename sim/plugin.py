"""A pytest plugin: a test for each seed of a scenario.

    from sim.plugin import simulation

    @simulation("my-topology.toml", seeds=100)
    def test_my_mesh(outcome):
        assert outcome.figures.p99_us < 500_000

The file lies beside the test, or is a name that `gossamer sim list` prints. Each seed is a test of its own; it fails where
a promise is broken, with the witness and the command that plays it again, before the body of the test is asked.
"""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.heap import Play
from sim.outcome import Outcome
from sim.scenario.reading import find, read

Test = Callable[..., None]


class PromiseBrokenError(AssertionError):
    """A seed broke a promise."""


def simulation(scenario: str | Path, seeds: int | range = 10) -> Callable[[Test], Test]:
    """Make a test of each seed of a scenario; the test gets `outcome` if it asks for it, and `seed`."""
    numbers = range(seeds) if isinstance(seeds, int) else seeds

    def made(test: Test) -> Test:
        path = _beside(test, scenario)
        wanted = [name for name in inspect.signature(test).parameters if name in ("outcome", "seed")]
        others = [name for name in inspect.signature(test).parameters if name not in ("outcome", "seed")]

        @functools.wraps(test)
        def played(seed: int, **fixtures: Any) -> None:
            outcome = kept(path, seed)
            given = {"outcome": outcome, "seed": seed}
            test(**{name: given[name] for name in wanted}, **fixtures)

        parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("seed", *others)]
        played.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        marked: Test = pytest.mark.parametrize("seed", numbers, ids=lambda seed: f"seed-{seed}-")(played)
        return marked

    return made


def _beside(test: Test, scenario: str | Path) -> Path:
    near = Path(inspect.getfile(test)).parent / scenario
    return near if near.exists() else find(str(scenario))


def kept(path: Path, seed: int) -> Outcome:
    """Play a seed. Raises `PromiseBrokenError` with the witness where a promise is broken."""
    __tracebackhide__ = True
    outcome = Play(read(path), seed).run()
    if outcome.breaches:
        first = outcome.breaches[0]
        lines = [f"{first.promise}: {first.about}", *(f"    {line}" for line in first.witness)]
        again = f"again: gossamer sim run {shlex.quote(str(path))} --seed {seed}"
        raise PromiseBrokenError("\n".join([*lines, again]))
    return outcome
