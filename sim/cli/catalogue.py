"""`gossamer sim list`, `schema` and `safeguards`: what there is."""

from __future__ import annotations

from typing import Any

import click

from sim.cli.common import as_json
from sim.cli.stopping import stopped


@click.command("list")
@click.option("--json", "in_json", is_flag=True, help="Print JSON.")
def list_scenarios(in_json: bool) -> None:
    """Name the scenarios and profiles that ship, each with what it shows."""
    from sim.scenario.reading import SHIPPED, read

    found: list[dict[str, Any]] = []
    for path in sorted(SHIPPED.glob("*.toml")):
        scenario = read(path)
        engines = list(scenario.engines)
        found.append({"name": path.stem, "number": scenario.number, "promise": scenario.promise, "engines": engines})
    if in_json:
        as_json(found)
        return
    width = max(len(each["name"]) for each in found)
    for each in found:
        click.echo(f"{each['name']:{width}}  {'+'.join(each['engines']):9}  {each['promise']}")


@click.command()
@click.option("--json", "in_json", is_flag=True, help="Print JSON, which a schema is anyhow.")
def schema(in_json: bool) -> None:
    """Print the JSON Schema of scenario files, for editors."""
    del in_json
    from sim.scenario.model import json_schema

    as_json(json_schema())


@click.command()
@click.option("--list", "only_list", is_flag=True, help="Name them, and hunt nothing.")
@click.option("--name", "names", multiple=True, help="Hunt these alone.")
@click.option("--json", "in_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", is_flag=True, help="Print the table of docs/internals/safeguards.md.")
def safeguards(only_list: bool, names: tuple[str, ...], in_json: bool, markdown: bool) -> None:
    """Turn each safeguard off, and see within how many seeds the simulator notices, and how small the proof is."""
    from sim.hunt import hunt, table
    from sim.safeguards import SAFEGUARDS

    if only_list and (names or markdown):
        flag = "--name" if names else "--markdown"
        raise click.UsageError(
            f"--list names all safeguards and hunts none: {flag} would change nothing. Leave one away."
        )
    if in_json and markdown:
        raise click.UsageError("--json and --markdown are two forms of one answer: give one of them.")
    if only_list:
        if in_json:
            known = SAFEGUARDS.values()
            as_json([{"name": each.name, "without": each.about, "breaks": list(each.breaks)} for each in known])
            return
        for each in SAFEGUARDS.values():
            click.echo(f"{each.name:26} without it, {each.about}")
        return
    unknown = [name for name in names if name not in SAFEGUARDS]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(SAFEGUARDS)}", param_hint="--name")
    trophies, cut_short = [], False
    try:
        for name in names or SAFEGUARDS:
            trophies.append(hunt(SAFEGUARDS[name]))
            if not (in_json or markdown):
                click.echo(trophies[-1].line())
    except KeyboardInterrupt:
        cut_short = True
    if in_json:
        as_json([trophy.to_json() for trophy in trophies])
    if markdown:
        click.echo(table(trophies))
    if cut_short:
        click.echo(f"interrupted: {len(trophies)} of {len(names or SAFEGUARDS)} were hunted", err=True)
        raise SystemExit(stopped())
    if not all(trophy.is_proof for trophy in trophies):
        raise SystemExit(1)
