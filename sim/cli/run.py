"""`gossamer sim run`: one scenario, one seed."""

from __future__ import annotations

from pathlib import Path

import click

from sim.cli.common import (
    BROKEN,
    OUTPUT,
    SEED,
    Outputs,
    as_json,
    check_apart,
    known_safeguards,
    say_outcome,
    scenario_of,
    without_flag,
)
from sim.cli.stopping import stopped
from sim.outcome import Outcome
from sim.plain import as_argument
from sim.scenario.model import Scenario

ABOUT_ENGINES = "Simulated nodes, or real processes behind fault proxies."


@click.command()
@click.argument("scenario")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Equal seeds give equal runs.")
@click.option("--save", type=OUTPUT, help="Write a tape, for replay and shrink.")
@click.option("--report", type=OUTPUT, help="Write a page (HTML) about the run.")
@click.option("--engine", type=click.Choice(["heap", "real"]), default="heap", show_default=True, help=ABOUT_ENGINES)
@click.option("--json", "in_json", is_flag=True, help="Print JSON.")
@without_flag
def run(
    scenario: str,
    seed: int,
    save: Path | None,
    report: Path | None,
    engine: str,
    in_json: bool,
    without: tuple[str, ...],
) -> None:
    """Play SCENARIO (a file, or a name that `gossamer sim list` prints) once, and say which promises were kept."""
    path, what, inputs = scenario_of(scenario, "heap" if engine == "heap" else "")
    check_apart({"--save": save, "--report": report}, inputs)
    without = known_safeguards(without)
    flags = "".join(f" --without {name}" for name in without) + (" --engine real" if engine == "real" else "")
    command = f"gossamer sim run {as_argument(scenario)} --seed {seed}{flags}"
    outputs = Outputs()
    if engine == "real":
        if save is not None:
            raise click.BadParameter("a run on real processes leaves no tape", param_hint="--save")
        outcome = _on_real(path, what, seed, without, report, command, outputs)
    else:
        outcome = _on_heap(what, seed, without, save, report, command, outputs)
    if in_json:
        as_json(outcome.to_json())
    else:
        say_outcome(outcome, command)
    outputs.check()
    if not outcome.is_kept:
        raise SystemExit(BROKEN)


def _on_heap(
    scenario: Scenario,
    seed: int,
    without: tuple[str, ...],
    tape: Path | None,
    report: Path | None,
    command: str,
    outputs: Outputs,
) -> Outcome:
    from sim.heap import Play
    from sim.replay import record, save
    from sim.safeguards import off
    from sim.tape import Tape

    with off(*without):
        play = Play(scenario, seed, Tape(recording=tape is not None), recorded=report is not None)
        outcome = play.run()
    if tape is not None:
        with outputs.kept_back():
            save(record(play, outcome, without), tape)
    if report is not None:
        from sim.report import write_report

        with outputs.kept_back():
            write_report(play, outcome, report, command)
    return outcome


def _on_real(
    path: Path,
    scenario: Scenario,
    seed: int,
    without: tuple[str, ...],
    report: Path | None,
    command: str,
    outputs: Outputs,
) -> Outcome:
    from sim.real import LimitError, play_real
    from sim.scenario.reading import placed

    try:
        outcome = play_real(scenario, seed, without)
    except LimitError as limit:
        if not limit.place:
            raise
        raise placed(path, limit.place, limit.problem, limit.expected) from limit
    except (KeyboardInterrupt, SystemExit) as end:
        click.echo("gossamer sim: stopped; the nodes have ended and their folder is gone.", err=True)
        raise SystemExit(end.code if isinstance(end, SystemExit) else stopped()) from None
    if report is not None:
        from sim.report import write_report

        with outputs.kept_back():
            write_report(None, outcome, report, command)
    return outcome
