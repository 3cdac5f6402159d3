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
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from sim.errors import SimError
from sim.heap import Play
from sim.outcome import Outcome, foremost, say_more
from sim.plain import as_argument, short
from sim.scenario.reading import find, read
from sim.seeds import SEED_MAX

Test = Callable[..., None]
TESTS_MAX = 100_000
"""Of one function: pytest holds each of them. More seeds than that are a sweep."""


class PromiseBrokenError(AssertionError):
    """A seed broke a promise."""


NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
"""What can be a fixture, unless it has a default: as pytest takes parameters."""


class MisusedError(TypeError):
    """`@simulation` stands where it cannot do anything."""


def simulation(scenario: str | Path, seeds: int | Iterable[int] = 10) -> Callable[[Test], Test]:
    """Make a test of each seed of a scenario; the test gets `outcome` if it asks for it, and `seed`.

    `seeds`: how many, from 0 on; or which, as a range or a list has them. For functions and methods that are not async.
    Raises `MisusedError` for what is neither, and for no seeds at all or such as there are not.
    """
    if not isinstance(scenario, str | Path):
        raise MisusedError(
            f'@simulation without a scenario; expected @simulation("my-topology.toml"), not {scenario!r}'
        )
    numbers = _numbers(seeds)

    def made(test: Test) -> Test:
        if not inspect.isfunction(test) or inspect.iscoroutinefunction(test) or inspect.isgeneratorfunction(test):
            raise MisusedError(
                f"@simulation on {test!r}; expected a function or a method, neither async nor a generator"
            )
        path = _beside(test, scenario)
        taken = inspect.signature(test).parameters.values()
        names = [each.name for each in taken if each.kind in NAMED]
        unnamed = [each.name for each in taken if each.kind is each.POSITIONAL_ONLY]
        if unnamed:
            raise MisusedError(f"@simulation on {test!r}; expected no `/`: {unnamed[0]} is given by its name")
        optional = {each.name for each in taken if each.default is not inspect.Parameter.empty}
        of_class = [
            name for name in names[:1] if name == "self" and "." in test.__qualname__.rpartition("<locals>.")[2]
        ]
        wanted = [name for name in names if name in ("outcome", "seed")]
        others = [name for name in names if name not in ("outcome", "seed", *of_class, *optional)]

        @functools.wraps(test)
        def played(*instance: Any, seed: int, **fixtures: Any) -> None:
            outcome = kept(path, seed)
            given = {"outcome": outcome, "seed": seed}
            test(*instance, **{name: given[name] for name in wanted}, **fixtures)

        parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in of_class]
        parameters += [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("seed", *others)]
        played.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        marked: Test = pytest.mark.parametrize("seed", numbers, ids=lambda seed: f"seed-{seed}-")(played)
        return marked

    return made


def _numbers(seeds: object) -> Sequence[int]:
    """The seeds that are asked for, each within its limits. Raises `MisusedError`."""
    numbers = range(seeds) if isinstance(seeds, int) and not isinstance(seeds, bool) else seeds
    said = f"@simulation(…, seeds={short(seeds)})"
    if isinstance(numbers, range):
        return _bounded(numbers, said)
    if isinstance(numbers, str | bytes | bytearray | Mapping) or not isinstance(numbers, Iterable):
        raise MisusedError(f"{said} is no test; expected how many, such as 10, or which, such as range(5, 9) or [4, 7]")
    listed: list[int] = []
    for seed in islice(numbers, TESTS_MAX + 1):  # it may have no end
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise MisusedError(f"{said}: {short(seed)} is no seed; expected whole numbers from 0 on, such as [4, 7]")
        listed.append(int(seed))
    if len(listed) > TESTS_MAX:
        raise _too_many(said, f"more than {TESTS_MAX:,}")
    if isinstance(numbers, AbstractSet):
        listed.sort()  # its own order may be another in each process
    twice = [seed for seed, count in Counter(listed).items() if count > 1]
    if twice:
        raise MisusedError(f"{said}: {twice[0]} stands there twice; expected each seed once")
    return _bounded(listed, said)


def _bounded(numbers: Sequence[int], said: str) -> Sequence[int]:
    """Seeds, if there are any, and neither too many nor such as there are not. A range has its least and most at its ends."""
    ends = (numbers[0], numbers[-1]) if isinstance(numbers, range) and numbers else numbers
    if not ends or min(ends) < 0:
        raise MisusedError(f"{said} is no test; expected at least one seed, such as 10, range(5, 9) or [4, 7]")
    if isinstance(numbers, range):
        count = (numbers[-1] - numbers[0]) // numbers.step + 1  # `len` takes no more than a machine word
        if count > TESTS_MAX:
            raise _too_many(said, f"{count:,}")
    if max(ends) > SEED_MAX:
        raise MisusedError(f"{said} goes beyond the last seed; expected none above {SEED_MAX}")
    return numbers


def _too_many(said: str, count: str) -> MisusedError:
    return MisusedError(f"{said} is {count} tests; expected at most {TESTS_MAX:,}: `gossamer sim sweep` plays more")


def _beside(test: Test, scenario: str | Path) -> Path:
    near = Path(inspect.getfile(test)).parent / scenario
    is_there = os.path.isfile(near)  # noqa: PTH113  # `Path.is_file` raises for a name that is too long
    return near if is_there else find(str(scenario))


def kept(path: Path, seed: int) -> Outcome:
    """Play a seed. Raises `PromiseBrokenError` with the witness where a promise is broken."""
    __tracebackhide__ = True
    try:
        outcome = Play(read(path, "heap"), seed).run()
    except SimError as error:  # where in our code a file was found to make no sense says nothing to anybody
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    if outcome.breaches:
        lines: list[str] = []
        for breach in (shown := foremost(outcome.breaches, 1)):
            lines += [f"{breach.promise}: {breach.about}", *(f"    {line}" for line in breach.witness)]
        lines += filter(None, [say_more(outcome, len(shown))])
        again = f"again: gossamer sim run {as_argument(str(path))} --seed {seed}"
        raise PromiseBrokenError("\n".join([*lines, again]))
    return outcome
