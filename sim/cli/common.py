"""What the verbs of `gossamer sim` share: reading scenarios, and telling people what came of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from sim.checkers import PROMISES, Breach
from sim.errors import OutputError
from sim.labels import looked_at
from sim.outcome import LISTED_MAX, PENDING_MAX, Outcome, foremost, say_more
from sim.plain import many, plain, quoted
from sim.scenario.model import Scenario
from sim.seeds import SEED_MAX

BROKEN, MISUSED = 1, 2


class Output(click.Path):
    """A file to be written. One that surely cannot be is refused before anything is played."""

    def __init__(self, *, whole: bool = False) -> None:
        """Any file; with `whole` one that is also read, and cut off."""
        super().__init__(dir_okay=False, path_type=Path)
        self.whole = whole

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Look whether there is a place for it."""
        from sim.outputs import check_writable

        path = Path(str(super().convert(value, param, ctx)))
        check_writable(path, whole=self.whole)
        return path


OUTPUT = Output()
JOURNAL = Output(whole=True)
SEED = click.IntRange(0, SEED_MAX)
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
SHOWN_MAX = 5


def without_flag(function: Decorated) -> Decorated:
    """`--without`: turn a safeguard off."""
    return click.option(
        "--without",
        multiple=True,
        metavar="SAFEGUARD",
        help="Turn a safeguard off (several: a,b), to see that it is missed; `gossamer sim safeguards --list` names them.",
    )(function)


def check_apart(written: Mapping[str, Path | None], read: Sequence[Path] = ()) -> None:
    """What is written is neither one of the files that are read, nor written twice. Raises `UsageError`."""
    from sim.outputs import are_one

    asked = [(flag, path) for flag, path in written.items() if path is not None]
    for index, (flag, path) in enumerate(asked):
        for given in read:
            if are_one(path, given):
                raise click.UsageError(f"{flag} {path} would overwrite {given}, which is read: give it another file.")
        for other, there in asked[:index]:
            if are_one(path, there):
                raise click.UsageError(f"{other} and {flag} are one file, {path}: give each its own.")


@dataclass
class Outputs:
    """Files of which each is tried. One that cannot be written is told after the verdict, and ends with 2."""

    failed: list[OutputError] = field(default_factory=list)

    @contextmanager
    def kept_back(self) -> Iterator[None]:
        """Write one of them; an `OutputError` waits for `check`."""
        try:
            yield
        except OutputError as error:
            self.failed.append(error)

    def check(self) -> None:
        """Raise the first `OutputError` that was kept back."""
        if self.failed:
            raise self.failed[0]


def known_safeguards(names: Sequence[str]) -> tuple[str, ...]:
    """The safeguards that were named, parted by commas or not. Raises `UsageError` for one that there is not."""
    from sim.safeguards import SAFEGUARDS

    names = [each for name in names for each in name.split(",")]
    for name in names:
        if name not in SAFEGUARDS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(SAFEGUARDS)}", param_hint="--without")
    return tuple(names)


def scenario_of(name: str, engine: str = "heap") -> tuple[Path, Scenario, list[Path]]:
    """The scenario that a person means, by path or by the name under which it ships, for an engine that it names.

    With the files that it is read from, that of its matrix with them.
    """
    from sim.regions import PRESETS
    from sim.scenario.reading import find, read_with_files

    path = find(name)
    scenario, files = read_with_files(path, engine)
    matrix = scenario.topology.matrix
    beside = [Path(matrix)] if isinstance(matrix, str) and matrix not in PRESETS else []
    return path, scenario, [*files, *beside]


def say(text: str, *, nl: bool = True, err: bool = False, **style: Any) -> None:
    """Print a line, in which text of a file stands that may hold anything."""
    click.secho(plain(text), nl=nl, err=err, **style)


def as_json(value: Any) -> None:
    """Print plain values as one JSON document."""
    click.echo(quoted(json.dumps(value, indent=2, ensure_ascii=False)))


def say_breach(breach: Breach) -> None:
    """A broken promise with the events that prove it."""
    say(f"  broken: {breach.promise}", fg="red", bold=True, nl=False)
    say(f" – {breach.about}")
    for line in breach.witness:
        say(f"      {line}")


def say_outcome(outcome: Outcome, command: str) -> None:
    """What came of a run, for a terminal."""
    scenario, figures = outcome.scenario, outcome.figures
    verdict = (
        click.style("kept", fg="green", bold=True) if outcome.is_kept else click.style("broken", fg="red", bold=True)
    )
    click.echo(f"{plain(scenario.title)}, seed {outcome.seed}, {outcome.engine} engine: {verdict}")
    say(f"  promise: {scenario.promise}")
    shown = foremost(outcome.breaches, SHOWN_MAX)
    for breach in shown:
        say_breach(breach)
    if more := say_more(outcome, len(shown)):
        listed = len(foremost(outcome.breaches, LISTED_MAX))
        of_them = "them" if listed == len(outcome.breaches) + outcome.unlisted else f"{listed}"
        click.echo(f"  {more} (--json has {of_them})")
    click.echo(
        f"  {figures.messages:,} published, {figures.acknowledged:,} acknowledged, {figures.deliveries:,} delivered"
        f" ({figures.late:,} late), {many(figures.gaps, 'gap')} told"
    )
    if figures.median_us >= 0:
        click.echo(
            f"  delivery: median {_ms(figures.median_us)}, p99 {_ms(figures.p99_us)}, slowest {_ms(figures.slowest_us)}"
        )
    if figures.converged_us >= 0:
        click.echo(
            f"  converged {_ms(figures.converged_us)} after the last fault; the bound is {_ms(figures.bound_us)}"
        )
    if outcome.engine == "heap":
        click.echo(f"  {figures.frames_per_message} frames and {figures.copies_per_message} copies a message")
        click.echo(f"  {outcome.events:,} events in {outcome.simulated_us / 1e6:,.1f} simulated seconds")
    if figures.excused:
        say(f"  {figures.excused:,} excused: disks were lost, or clocks wrong, beyond what the contract covers")
    for line in outcome.pending[:SHOWN_MAX]:
        say(f"  pending: {line}")
    if len(outcome.pending) > SHOWN_MAX:
        click.echo(f"  … and {len(outcome.pending) - SHOWN_MAX:,} more pending (--json has the first {PENDING_MAX})")
    if not outcome.is_kept:
        say(f"  again:   {command}")


def _ms(us: int) -> str:
    return f"{us / 1_000_000:.2f} s" if us >= 1_000_000 else f"{us / 1_000:.1f} ms"


def say_contract(outcome: Outcome) -> None:
    """The contract as a table of kept and broken promises."""
    for promise in PROMISES:
        looked = looked_at(outcome.evaluated, promise)
        state = "broken" if promise in outcome.broken else "kept" if looked else "not looked at"
        click.echo(f"    {promise:28} {state}")
