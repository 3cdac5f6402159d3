"""`gossamer node`: run one node."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mesh.codes import Code
from mesh.errors import HostError
from nodes.cli.common import FAILED, MISUSED, fail

MISUSES = (Code.CONFIG_UNREADABLE, Code.CONFIG_UNKNOWN_KEY, Code.CONFIG_INVALID)
SETTING: dict[str, Any] = {"default": None, "allow_from_autoenv": False}
"""A flag whose environment twin is that of its setting, or is read beside it: `nodes.settings` does that."""


@contextmanager
def for_good() -> Iterator[None]:
    """Import what stays as long as the process: nothing of it is garbage, so that to look for some only takes time.

    Neither now, which is a tenth of the start of a node, nor ever after.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


@click.command()
@click.option("--config", "-c", "path", type=click.Path(path_type=Path), help="Settings file (TOML).")
@click.option("--region", **SETTING, help="The region that this node is in.")
@click.option("--data", **SETTING, help="Where keys and messages are kept.")
@click.option("--listen", **SETTING, metavar="A", help="Where other nodes reach this one (UDP), host:port.")
@click.option("--advertise", **SETTING, metavar="A", help="The address that others are told.")
@click.option("--gateway", metavar="A", help="Where clients attach (TCP), host:port.")
@click.option("--open", "anyone", is_flag=True, default=None, help="Anyone who can reach the gateway may attach.")
@click.option("--seed", "seeds", multiple=True, metavar="A", help="Another node to begin with; several may be given.")
@click.option("--no-mdns", is_flag=True, default=None, help="Do not look for nodes on the LAN.")
@click.option("--join", "ticket", default="", metavar="TICKET", help="Join a mesh by its ticket.")
@click.option("--json", "as_json", is_flag=True, help="Say when the node is ready as a JSON object on standard output.")
def node(
    path: Path | None,
    region: str | None,
    data: str | None,
    listen: str | None,
    advertise: str | None,
    gateway: str | None,
    anyone: bool | None,
    seeds: tuple[str, ...],
    no_mdns: bool | None,
    ticket: str,
    as_json: bool,
) -> None:
    """Run one node until it is told to stop. Settings: file < GOSSAMER_… environment < flags."""
    with for_good():
        from nodes.daemon import run_daemon
        from nodes.settings import gather

    flags = {
        "node.region": region,
        "node.data": data,
        "node.listen": listen,
        "node.advertise": advertise,
        "node.seeds": seeds or None,
        "node.mdns": False if no_mdns else None,
        "gateway.listen": gateway,
        "gateway.open": anyone,
    }
    try:
        settings, _ = gather(path, os.environ, flags)
        run_daemon(settings, ticket=ticket, as_json=as_json)
    except HostError as error:
        fail(error.code, str(error), status=MISUSED if error.code in MISUSES else FAILED)
