"""`gossamer sim topology`: what a topology can lose, and by when it converges; predicted, then confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sim.cli.common import BROKEN, OUTPUT, as_json, check_apart, say, scenario_of
from sim.cli.progress import bar
from sim.cli.stopping import stopped

if TYPE_CHECKING:
    from sim.confirm import Verdict


@click.command()
@click.argument("file")
@click.option(
    "--confirm",
    is_flag=True,
    help="Play every loss, pairs of links up to 50, and every level, and see whether what was predicted comes true.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1_000),
    default=2,
    show_default=True,
    help="With --confirm: seeds for each prediction.",
)
@click.option("--svg", "picture", type=OUTPUT, help="Write a picture of it.")
@click.option("--json", "in_json", is_flag=True, help="Print JSON.")
def topology(file: str, confirm: bool, seeds: int, picture: Path | None, in_json: bool) -> None:
    """Say what FILE can survive: cut vertices and links, losses that split it, how long it takes to converge.

    FILE is a scenario, or a topology (TOML, GML, or a region matrix) as docs/howto/topology.md has it.
    """
    from sim.cli.printer import Printer
    from sim.confirm import confirm as play
    from sim.confirm import not_played, predicted
    from sim.outputs import put
    from sim.scenario.cast import Cast
    from sim.topology import analyse, read_graph, svg
    from sim.topology.played import graph_of, question_of
    from sim.topology.text import render

    path = Path(file)
    config: Mapping[str, int | bool | str] = {}
    profiles: Mapping[str, Mapping[str, int | bool | str]] = {}
    if _is_graph(path):
        check_apart({"--svg": picture}, [path])
        graph, question = read_graph(path), None
    else:
        _, scenario, inputs = scenario_of(file, "heap" if confirm else "")
        check_apart({"--svg": picture}, inputs)
        graph, question, config = graph_of(scenario), question_of(scenario), scenario.config
        profiles = {name: member.group.profile for name, member in Cast(scenario).nodes.items()}
    with bar("losses", quiet=in_json) as told:
        report = analyse(graph, question, told)
    if confirm and not report.connected:
        slow = (
            f" Links that hardly ever come up, if at all, being too slow for a greeting: {', '.join(report.never)}."
            if report.never
            else ""
        )
        raise click.UsageError(f"It is in parts already: there is no loss to confirm.{slow}")
    found: list[Verdict] = []
    cut_short = False
    asked = len(predicted(report)) * seeds
    try:
        with bar("predictions", quiet=in_json or not confirm) as told:
            for verdict in play(graph, report, seeds, file, config, profiles) if confirm else ():
                found.append(verdict)
                told(len(found), asked)
    except KeyboardInterrupt:
        cut_short = True
    left_out = not_played(report) if confirm else ""
    if in_json:
        confirmed = [each.to_json() for each in found]
        as_json({**report.to_json(), "confirmed": confirmed, "not_played": left_out, "interrupted": cut_short})
    else:
        render(report, Printer())
        if confirm:
            _say(found, "" if cut_short else left_out)
    if picture is not None:  # last, so that a full disk costs nothing but the picture
        put(picture, svg(graph, report))
    if cut_short:
        click.echo(f"  interrupted: {len(found)} of {asked} were played", err=in_json)
        raise SystemExit(stopped())
    if not all(each.is_true for each in found):
        raise SystemExit(BROKEN)


def _say(found: Sequence[Verdict], left_out: str) -> None:
    """What was refuted, and how much was not."""
    wrong = [each for each in found if not each.is_true]
    for each in wrong:
        say(f"  refuted: {each.line()}", fg="red")
    left = f"; {left_out}" if left_out else ""
    click.echo(f"  confirmed by simulation: {len(found) - len(wrong)} of {len(found)} predictions{left}")


def _is_graph(path: Path) -> bool:
    """Whether a file is a topology and no scenario: that would have a table `topology`, and a `promise`, or include them."""
    from sim.regions.files import EXPECTED
    from sim.toml import parse, read_text

    match path.suffix.lower():
        case ".gml" | ".csv":
            return True
        case ".toml" if path.is_file():
            tables, _ = parse(read_text(path, EXPECTED), str(path))
            return not {"promise", "topology", "include"} & tables.keys()
        case _:
            return False
