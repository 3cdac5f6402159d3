"""`gossamer sim sweep`: one scenario, many seeds."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click
from click.core import ParameterSource

from sim.cli.common import (
    BROKEN,
    JOURNAL,
    MISUSED,
    OUTPUT,
    Outputs,
    as_json,
    check_apart,
    known_safeguards,
    say,
    scenario_of,
    without_flag,
)
from sim.cli.stopping import stopped
from sim.errors import ScenarioError
from sim.plain import as_argument

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from sim.scenario.model import Scenario
    from sim.seeds import Seeds
    from sim.sweep import Tally

PROFILES = "swarm, hostile, hostile-sparse, clocks, mortal, reading-on, far-apart, narrow"
SEEDS = "0..99"
SHOWN_MAX = 10
SEEDS_SHOWN_MAX = 400
"""Characters of a list of seeds."""


@click.command()
@click.argument("scenario", required=False)
@click.option("--profile", help=f"A profile instead of a scenario: {PROFILES}.")
@click.option(
    "--seeds",
    show_default=SEEDS,
    help="Such as 0..999 or 3,5,8; 0..99 by default, and with --merge what the journals were asked for.",
)
@click.option("--jobs", type=click.IntRange(1, 1_024), help="Processes; every core by default.")
@click.option(
    "--shard",
    default="1/1",
    show_default=True,
    help="Every fourth seed, from the first: 1/4. For machines that know nothing of each other.",
)
@click.option(
    "--cluster",
    "address",
    metavar="ADDRESS",
    help="Let the workers of a Dask scheduler play (pip install 'gossamer[cluster]').",
)
@click.option(
    "--journal",
    type=JOURNAL,
    help="Keep each result here as it comes; go on from what it holds.",
)
@click.option(
    "--merge",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Judge these journals together, each seed once, and play nothing. Seeds that are missing: exit status 2.",
)
@click.option("--junit", type=OUTPUT, help="Write JUnit XML.")
@click.option("--report", type=OUTPUT, help="Write a page (HTML) about the sweep.")
@click.option("--json", "in_json", is_flag=True, help="Print JSON.")
@click.option("--no-gates", is_flag=True, help="Do not ask whether everything has been seen: for a few seeds.")
@without_flag
def sweep(
    scenario: str | None,
    profile: str | None,
    seeds: str | None,
    jobs: int | None,
    shard: str,
    address: str | None,
    journal: Path | None,
    merge: tuple[Path, ...],
    junit: Path | None,
    report: Path | None,
    in_json: bool,
    no_gates: bool,
    without: tuple[str, ...],
) -> None:
    """Play SCENARIO with many seeds on all cores, and say which seeds broke which promise.

    A sweep also fails where a gate stays shut: a fault that was never done, a frame that was never sent, a situation
    that never came about. Ctrl-C keeps what there is; with --journal the next call goes on from there.
    """
    from sim.cli.junit import write_junit
    from sim.report import write_sweep
    from sim.sweep import cluster, cores, pool
    from sim.sweep import merge as judge
    from sim.sweep import sweep as play

    name, what, inputs = _asked_for(scenario, profile)
    check_apart({"--journal": journal, "--junit": junit, "--report": report}, [*inputs, *merge])
    without = known_safeguards(without)
    numbers = _numbers(SEEDS if seeds is None else seeds, shard)
    by_hand = click.get_current_context().get_parameter_source("jobs") is ParameterSource.COMMANDLINE
    if merge:
        if journal is not None or address is not None or by_hand or (seeds is None and shard != "1/1"):
            raise click.UsageError(
                "--merge plays nothing: it goes with --seeds, and not with --journal, --jobs, --cluster or --shard alone."
            )
        tally = judge(what, merge, None if seeds is None else numbers, without)
    else:
        if address is not None and by_hand:
            raise click.UsageError("--cluster plays on all workers that its scheduler has: it goes without --jobs.")
        workers: AbstractContextManager[Executor] = cluster(address) if address is not None else pool(jobs or cores())
        with workers as executor, _Progress(len(numbers), quiet=in_json) as progress:
            tally = play(what, numbers, executor, without=without, journal=journal, told=progress.told)
    is_judged = not (no_gates or tally.interrupted or tally.failed or tally.missing)
    shut = tally.shut() if is_judged else []
    command = " ".join(["gossamer sim run", as_argument(name), *(f"--without {each}" for each in without)])
    if in_json:
        as_json(tally.to_json(gates=not no_gates))
    else:
        _say(tally, shut, command, journal)
    outputs = Outputs()
    if junit is not None:
        with outputs.kept_back():
            write_junit(tally, junit, command, gates=is_judged)
    if report is not None:
        with outputs.kept_back():
            write_sweep(tally, report, command, gates=not no_gates)
    outputs.check()
    raise SystemExit(_status(tally, shut))


def _asked_for(scenario: str | None, profile: str | None) -> tuple[str, Scenario, list[Path]]:
    """The name that was given, the scenario of it, and the files that it is read from. Raises `click.UsageError`."""
    if (scenario is None) == (profile is None):
        raise click.UsageError("Give a scenario or --profile, and not both.")
    name = scenario or profile or ""
    try:
        _, what, inputs = scenario_of(name)
    except ScenarioError as error:
        if profile is None or Path(name).exists():
            raise
        raise click.BadParameter(
            f"{error.problem}: {name}; those that ship: {PROFILES}", param_hint="--profile"
        ) from error
    if profile is not None and (what.random is None or what.number is not None):
        raise click.BadParameter(
            f"{profile!r} is no profile, but a story: give it without --profile. Profiles that ship: {PROFILES}",
            param_hint="--profile",
        )
    return name, what, inputs


def _status(tally: Tally, shut: list[str]) -> int:
    if tally.interrupted:
        return stopped()
    if tally.failed or shut:
        return BROKEN
    return MISUSED if tally.missing else 0


def _numbers(seeds: str, shard: str) -> Seeds:
    from sim.seeds import seeds_of

    try:
        return seeds_of(seeds, shard)
    except ValueError as error:
        raise click.BadParameter(
            f"{error}; seeds are 0..999 or 3,5,8, a shard is 1/4", param_hint="--seeds, --shard"
        ) from error


class _Progress:
    """A bar in a terminal, nothing elsewhere."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._total, self._broken = total, 0
        self._on = sys.stderr.isatty() and not quiet

    def __enter__(self) -> Self:
        if self._on:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._bar.start()
            self._task = self._bar.add_task("seeds", total=self._total)
        return self

    def told(self, result: object) -> None:
        """One more seed."""
        self._broken += bool(getattr(result, "broken", ()))
        if self._on:
            words = f"seeds, [red]{self._broken} broken[/]" if self._broken else "seeds"
            self._bar.update(self._task, advance=1, description=words)

    def __exit__(self, *_: object) -> None:
        if self._on:
            self._bar.stop()


def _say(tally: Tally, shut: list[str], command: str, journal: Path | None) -> None:
    say(f"{tally.scenario.title}: {_seeds(tally.seeds)}, {len(tally.failed):,} broken")
    for result in tally.failed[:SHOWN_MAX]:
        say(f"  seed {result.seed}: {', '.join(result.broken)}", fg="red", nl=False)
        say(f" – {result.about}")
        for line in result.witness:
            say(f"      {line}")
        say(f"      again: {command} --seed {result.seed}")
    if len(tally.failed) > SHOWN_MAX:
        click.echo(f"  … and {len(tally.failed) - SHOWN_MAX:,} more")
    for gate in shut:
        click.secho("  gate shut: ", fg="red", nl=False)
        say(gate)
    if tally.missing and not tally.interrupted:
        click.secho("  missing: ", fg="red", nl=False)
        click.echo(f"{len(tally.missing):,} of {_seeds(tally.asked)} that were asked for: {_short(str(tally.missing))}")
    if tally.busy_s:
        click.echo(
            f"  {tally.events:,} events, {tally.events / tally.busy_s:,.0f} a second and core; "
            f"{tally.simulated_us / 1e6:,.0f} simulated seconds, {tally.simulated_us / 1e6 / tally.busy_s:,.0f} a second and core"
        )
    if tally.interrupted:
        click.echo(
            f"  interrupted after {tally.seeds:,} of {_seeds(tally.asked)}; "
            + (f"the same command goes on from {journal}" if journal else "with --journal FILE it could go on")
        )


def _seeds(count: int) -> str:
    return f"{count:,} seed" if count == 1 else f"{count:,} seeds"


def _short(seeds: str) -> str:
    return seeds if len(seeds) <= SEEDS_SHOWN_MAX else f"{seeds[:SEEDS_SHOWN_MAX].rpartition(',')[0]},…"
