"""`gossamer sim replay` and `shrink`: a run again, exactly; and the least of it that still fails."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sim.cli.common import (
    BROKEN,
    MISUSED,
    OUTPUT,
    SEED,
    Outputs,
    as_json,
    check_apart,
    known_safeguards,
    say,
    say_outcome,
    scenario_of,
    without_flag,
)
from sim.plain import as_argument

if TYPE_CHECKING:
    from sim.heap import Play
    from sim.replay import Artefact
    from sim.shrink import Shrinker, Shrunk

RUNS_MIN = 3
"""What it takes to write a run that fails as a file: once as it is, once with nothing drawn, once as the file has it."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option("--until", help="Print what crossed and what was done up to this time, such as 12.5s.")
@click.option(
    "--explain",
    metavar="MESSAGE",
    help="Tell the whole story of one message, such as app-1/0691/8. Goes without --until.",
)
@click.option("--report", type=OUTPUT, help="Write a page (HTML) about the run.")
@click.option("--json", "in_json", is_flag=True, help="Print JSON.")
def replay(file: Path, until: str | None, explain: str | None, report: Path | None, in_json: bool) -> None:
    """Play a tape again, draw by draw, as `sim run --save` and `sim shrink` wrote it.

    A tape of another version is refused: it would mean something else.
    """
    from sim.replay import load
    from sim.replay import replay as play
    from sim.units import duration_us

    if until is not None and explain is not None:
        raise click.UsageError("--explain tells all of a message's story, whatever --until says: give one of them.")
    check_apart({"--report": report}, [file])
    artefact = load(file)
    try:
        until_us = None if until is None else duration_us(until)
    except ValueError as error:
        raise click.BadParameter(f"{error}; expected a time such as 12.5s", param_hint="--until") from error
    looked_at = until is not None or explain is not None or report is not None
    played, outcome = play(artefact, recorded=looked_at)
    command, outputs = f"gossamer sim replay {as_argument(str(file))}", Outputs()
    if report is not None:
        from sim.report import write_report

        with outputs.kept_back():
            write_report(played, outcome, report, command)
    if explain is not None or until_us is not None:
        _tell(played, explain, until_us, in_json=in_json)
        outputs.check()
        return
    if in_json:
        as_json(outcome.to_json())
    else:
        say_outcome(outcome, command)
    outputs.check()
    if not outcome.is_kept:
        raise SystemExit(BROKEN)


def _tell(played: Play, explain: str | None, until_us: int | None, *, in_json: bool) -> None:
    """The story of a message, or what crossed up to a time."""
    from sim.explain import explain as story
    from sim.explain import transcript

    told: dict[str, Any]
    if explain is not None:
        lines = list(story(played, explain))
        told = {"message": explain, "story": lines}
    else:
        lines = list(transcript(played, until_us or 0))
        told = {"until_us": until_us, "transcript": lines}
    if in_json:
        as_json(told)
        return
    for line in lines:
        say(line)


@click.command()
@click.argument("file")
@click.option("--seed", type=SEED, help="For a scenario: the seed that fails.")
@click.option("--out", type=OUTPUT, help="Where to write the smaller scenario (TOML).")
@click.option("--save", type=OUTPUT, help="Where to write its tape.")
@click.option(
    "--runs",
    type=click.IntRange(RUNS_MIN, 100_000),
    default=600,
    show_default=True,
    help="Look for it in at most so many runs; where they are played, the smallest that was found is told.",
)
@click.option("--json", "in_json", is_flag=True, help="Print JSON: what is left, and how it fails.")
@without_flag
def shrink(
    file: str,
    seed: int | None,
    out: Path | None,
    save: Path | None,
    runs: int,
    in_json: bool,
    without: tuple[str, ...],
) -> None:
    """Make a failing run as small as it can be: fewer steps, nodes and clients that still break the same promise.

    FILE is a tape, or a scenario with --seed. What is left is a scenario file with a timeline and nothing drawn.
    """
    from sim.outputs import put
    from sim.scenario.writing import write
    from sim.shrink import Shrinker

    without = known_safeguards(without)
    artefact = _artefact(file, seed, without, {"--out": out, "--save": save})
    if not artefact.broken:
        say(f"gossamer sim: {file} breaks no promise with seed {artefact.seed}: there is nothing to shrink", err=True)
        raise SystemExit(MISUSED)
    promise = artefact.broken[0]
    shrinker = Shrinker(artefact.scenario, artefact.seed, promise, artefact.without, runs)
    if sys.stderr.isatty():
        shrinker.told = partial(_say_progress, shrinker)
    small = shrinker.run(artefact.steps)
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    if small is None:
        _give_up(shrinker)
    off_words = f" without {', '.join(artefact.without)}" if artefact.without else ""
    remark = f"Shrunk from {small.before} steps to {small.events}: seed {small.seed}{off_words} breaks “{promise}”."
    text = write(small.scenario, remark)
    outputs = Outputs()
    if out is not None:
        with outputs.kept_back():
            put(out, text)
    if in_json:
        as_json(
            {**small.outcome.to_json(), "steps_before": small.before, "events_left": small.events, "scenario": text}
        )
    elif out is None or outputs.failed:
        click.echo(text)
    if save is not None:
        with outputs.kept_back():
            _save(small, artefact.without, save)
    draws = sum(map(len, small.tape.values()))
    most = "at most " if draws and small.runs == runs else ""
    say(f"{remark} {small.runs} runs; {most}{draws} of its draws matter.", err=True)
    say(f"  {small.breach.about}", err=True)
    for line in small.breach.witness:
        say(f"      {line}", err=True)
    outputs.check()


def _save(small: Shrunk, without: Sequence[str], path: Path) -> None:
    """Play what is left with all its draws, and keep its tape."""
    from sim.heap import Play
    from sim.replay import record, save
    from sim.safeguards import off
    from sim.tape import Tape

    with off(*without):
        play = Play(small.scenario, small.seed, Tape(), stop_at=small.promise)
        outcome = play.run()
    save(record(play, outcome, tuple(without)), path)


def _give_up(shrinker: Shrinker) -> NoReturn:
    """Nothing can be written: the run does not fail again, or nothing that a file can say fails alike."""
    if shrinker.best is None:
        click.echo("It could not be made to fail again.", err=True)
        raise SystemExit(BROKEN)
    said = f"It fails, but no file that fails alike was found within {shrinker.runs_max} runs: give it more."
    click.echo(said, err=True)
    raise SystemExit(MISUSED)


def _say_progress(shrinker: Shrinker, words: str) -> None:
    click.echo(f"\r\033[K{shrinker.runs} runs: {words}", nl=False, err=True)


def _check_tape_alone(file: str, seed: int | None, without: tuple[str, ...]) -> None:
    """A tape is a run that was: nothing about it can be chosen any more. Raises `UsageError`."""
    what = "--seed" if seed is not None else "--without"
    if seed is not None or without:
        flags = "".join(f" --without {name}" for name in without)
        number = "N" if seed is None else seed
        raise click.UsageError(
            f"{file} is a tape, which holds its own seed and what was turned off: {what} would change nothing. Leave it "
            f"away, or shrink the scenario: gossamer sim shrink SCENARIO --seed {number}{flags}"
        )


def _artefact(file: str, seed: int | None, without: tuple[str, ...], written: Mapping[str, Path | None]) -> Artefact:
    """A tape, or a scenario that is played now; neither is among what is written then."""
    from sim.heap import Play
    from sim.replay import is_tape, load, record
    from sim.safeguards import off
    from sim.scenario.reading import find
    from sim.tape import Tape

    of_none = (
        seed is None and file and not file.endswith((".toml", ".py")) and Path(file).exists()
    )  # `load` says what it is
    if of_none or is_tape(Path(file)):
        _check_tape_alone(file, seed, without)
        check_apart(written, [Path(file)])
        return load(Path(file))
    if seed is None:
        find(file)  # which says so where there is none
        raise click.UsageError("A scenario is shrunk with --seed; a tape holds its own.")
    _, scenario, inputs = scenario_of(file)
    check_apart(written, inputs)
    with off(*without):
        play = Play(scenario, seed, Tape())
        outcome = play.run()
    return record(play, outcome, without)
