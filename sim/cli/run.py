"""`gossamer sim run`: one scenario, one seed."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from sim.cli.common import BROKEN, as_json, known_safeguards, say_outcome, scenario_of, without_flag


@click.command()
@click.argument("scenario")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Equal seeds give equal runs.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Write a tape, for replay and shrink.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a page (HTML) about the run.")
@click.option("--json", "in_json", is_flag=True, help="Print JSON.")
@without_flag
def run(
    scenario: str, seed: int, save: Path | None, report: Path | None, in_json: bool, without: tuple[str, ...]
) -> None:
    """Play SCENARIO (a file, or a name that `gossamer sim list` prints) once, and say which promises were kept."""
    from sim.heap import Play
    from sim.replay import record
    from sim.replay import save as write
    from sim.safeguards import off

    _, what = scenario_of(scenario)
    without = known_safeguards(without)
    with off(*without):
        play = Play(what, seed, recorded=report is not None)
        outcome = play.run()
    if save is not None:
        write(record(play, outcome, without), save)
    flags = "".join(f" --without {name}" for name in without)
    command = f"gossamer sim run {shlex.quote(scenario)} --seed {seed}{flags}"
    if report is not None:
        from sim.report import write_report

        write_report(play, outcome, report, command)
    if in_json:
        as_json(outcome.to_json())
    else:
        say_outcome(outcome, command)
    if not outcome.is_kept:
        raise SystemExit(BROKEN)
