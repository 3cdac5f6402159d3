"""`gossamer status`: how a node and its mesh are."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from nodes.cli.common import gateway_flags, line, run


@click.command()
@click.option("--watch", "-w", is_flag=True, help="Again every second, until Ctrl-C.")
@gateway_flags
def status(watch: bool, gateways: tuple[str, ...], as_json: bool) -> None:
    """Say how a node is: its links, what it has stored, what it misses, its clients."""
    run(_status(gateways, as_json=as_json, watch=watch))


async def _status(gateways: tuple[str, ...], *, as_json: bool, watch: bool) -> None:
    from nodes.sdk.client import connect

    async with connect(*gateways) as session:
        while True:
            about = await session.status()
            if as_json:
                click.echo(line(about))
            else:
                if watch:
                    click.clear()
                _show(session.gateway, about)
            if not watch:
                return
            await asyncio.sleep(1)


PIPE_WIDTH = 1_000
"""Where no terminal has a width, lines are not to be broken: whoever reads them goes by lines."""


def _show(gateway: str, about: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.file.isatty():
        console.width = PIPE_WIDTH
    behind = f"{about['missing']} records are still to be fetched" if about["missing"] else "nothing is missing"
    console.print(
        f"[bold]{about['node'][:12]}[/] in [bold]{about['region']}[/] at {gateway}, version {about['version']}"
        f"{', [yellow]draining[/]' if about['draining'] else ''}"
    )
    console.print(
        f"  stored    {about['records']:,} messages in {about['logs']} {'log' if about['logs'] == 1 else 'logs'}, digest {about['digest']}; {behind}"
    )
    console.print(f"  clients   {about['sessions']}, {about['subscriptions']} subscriptions, {about['behind']} behind")
    clock = "trusted" if about["clock_trusted"] else "[red]doubted: nothing expires (GSM-4103)[/]"
    console.print(f"  disk      {about['disk_free_bytes'] / (1 << 30):,.1f} GiB free; clock {clock}")
    if about["forked"]:
        console.print(f"  [red]{about['forked']} logs have two histories (GSM-4101)[/]")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("  peer", "region", "address", "missing here", ""):
        table.add_column(column)
    for peer in about["peers"]:
        state = " ".join(word for word in ("behind", "silent") if peer[word])
        table.add_row(f"  {peer['node'][:12]}", peer["region"], peer["address"], str(peer["missing"]), state)
    if about["peers"]:
        console.print(table)
    else:
        console.print("  no peer is linked: this node is alone for now")
