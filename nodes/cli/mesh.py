"""`gossamer mesh`: found a mesh, and invite nodes to it."""

from __future__ import annotations

import time
from pathlib import Path

import click

from mesh.errors import HostError
from nodes.cli.common import MISUSED, Number, fail, line

DAY_MS = 86_400_000
FOLDER = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("gossamer-mesh"),
    help="Where the mesh's secret is kept. Guard it, and make a copy. [gossamer-mesh]",
)


@click.group()
def mesh() -> None:
    """Found a mesh, and invite nodes to it. Works offline: no node has to run."""


@mesh.command(short_help="Found a mesh: draw its secret key.")
@click.argument("name")
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="A JSON object on standard output.")
def init(name: str, folder: Path, as_json: bool) -> None:
    """Found a mesh called NAME: draw its secret key and keep it in a folder."""
    from mesh.io.keys import MESH_KEY, create_mesh

    try:
        genesis = create_mesh(folder, name)
    except HostError as error:
        fail(error.code, str(error))
    if as_json:
        click.echo(line({"mesh": genesis.mesh.hex(), "name": name, "folder": str(folder)}))
        return
    click.echo(
        f"The mesh {name} is {genesis.mesh.hex()[:16]}. Its secret is {folder / MESH_KEY}: whoever has it can invite.\n\n"
        f"  gossamer mesh invite --folder {folder} --region eu\n\nmakes a ticket for a node."
    )


@mesh.command(short_help="Make a ticket, with which a node joins.")
@FOLDER
@click.option("--region", "-r", "regions", multiple=True, help="A region that the ticket allows. [any]")
@click.option("--seed", "seeds", multiple=True, metavar="A", help="A node's address (UDP) to begin with, host:port.")
@click.option("--days", type=Number(min=0.0001, max=3650), default=30.0, help="How long it holds. [30]")
@click.option("--json", "as_json", is_flag=True, help="A JSON object on standard output.")
def invite(folder: Path, regions: tuple[str, ...], seeds: tuple[str, ...], days: float, as_json: bool) -> None:
    """Make a ticket: whoever has it can join with `gossamer node --join`. Send it as you would send a password."""
    from mesh.io.keys import MESH_KEY, make_ticket
    from nodes.addresses import parse_address

    if not (folder / MESH_KEY).exists():
        click.echo(
            f"gossamer: there is no mesh in {folder}: `gossamer mesh init NAME` founds one, --folder names another place",
            err=True,
        )
        raise SystemExit(MISUSED)
    wall_ms = time.time_ns() // 1_000_000
    try:
        places = tuple(parse_address(seed, what="--seed") for seed in seeds)
        ticket = make_ticket(folder, wall_ms, regions=regions or ("*",), seeds=places, life_ms=int(days * DAY_MS))
    except HostError as error:
        fail(error.code, str(error))
    click.echo(line({"ticket": ticket.text(), "until_ms": wall_ms + int(days * DAY_MS)}) if as_json else ticket.text())
