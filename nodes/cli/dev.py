"""`gossamer dev`: a whole mesh on this machine, in one command."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nodes.cli.common import line, run

if TYPE_CHECKING:
    from nodes.processes import NodeProcess

REGIONS = "eu,us,ap"


@click.command()
@click.option("--nodes", "-n", "count", type=click.IntRange(1, 16), default=3, help="How many nodes. [3]")
@click.option("--regions", "-r", default=REGIONS, metavar="R,R…", help=f"Their regions, in turn. [{REGIONS}]")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep messages here. [a folder that is thrown away]",
)
@click.option(
    "--port", type=click.IntRange(1, 65_000), default=7420, help="The first gateway's port; the others count up. [7420]"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def dev(count: int, regions: str, data: Path | None, port: int, as_json: bool) -> None:
    """Run a whole mesh on this machine, to try things out. Ctrl-C ends it."""
    names = [name.strip() for name in regions.split(",") if name.strip()]
    if not names:
        raise click.UsageError("name at least one region")
    if data is not None:
        run(_run(count, names, data, port, as_json=as_json))
        return
    with tempfile.TemporaryDirectory(prefix="gossamer-dev-", ignore_cleanup_errors=True) as folder:
        run(_run(count, names, Path(folder), port, as_json=as_json))


async def _run(count: int, regions: list[str], folder: Path, port: int, *, as_json: bool) -> None:
    from nodes.processes import LocalMesh

    mesh = LocalMesh(folder, "dev")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        for index in range(count):
            region = regions[index % len(regions)]
            process = await mesh.add(f"node-{index + 1}", region, gateway=f"127.0.0.1:{port + index}")
            ready = process.ready
            if as_json:
                click.echo(line({**ready, "pid": process.pid}))
            else:
                click.echo(f"  {ready['node'][:8]}  {ready['region']:<4} gateway {ready['gateway']}  pid {process.pid}")
        if not as_json:
            _say_what_next(port, count, folder)
        await _watch(mesh.nodes, stop)
    finally:
        await mesh.stop()


async def _watch(nodes: list[NodeProcess], stop: asyncio.Event) -> None:
    """Wait for Ctrl-C, and say when a node ends before."""

    async def watch(node: NodeProcess) -> None:
        assert node.process is not None
        status = await node.process.wait()
        if not stop.is_set():
            click.echo(f"{node.name} has ended (status {status}); see its log", err=True)

    watchers = [asyncio.ensure_future(watch(node)) for node in nodes]
    await stop.wait()
    for watcher in watchers:
        watcher.cancel()


def _say_what_next(port: int, count: int, folder: Path) -> None:
    elsewhere = f" -g localhost:{port + 1}" if count > 1 else ""
    here = f" -g localhost:{port}" if port != 7420 else ""
    click.echo(
        f"\nA mesh of {count} {'node' if count == 1 else 'nodes'} runs. In two other terminals:\n\n"
        f"  gossamer sub 'room/#'{elsewhere or here}\n"
        f"  gossamer pub room/1 hello{here}\n\n"
        f"Logs and messages are in {folder}. Ctrl-C ends it."
    )
