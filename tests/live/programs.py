"""Real programs for live tests: the command as a process, meshes of real nodes, waiting with an end."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from gossamer.command import command
from nodes.processes import LocalMesh
from nodes.sdk.client import connect

COMMAND = [sys.executable, "-c", "from gossamer.command import main; main()"]
WAIT_S = 30.0


def gossamer(*arguments: str, stdin: bytes | None = None, status: int | None = 0, **more: str) -> tuple[bytes, str]:
    """Run the command to its end: what it wrote to standard output, and to standard error."""
    done = subprocess.run(  # noqa: PLW1510  # the status is asserted below
        [*COMMAND, *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=50,
        env={**os.environ, **more},
    )
    assert status is None or done.returncode == status, (arguments, done.returncode, done.stderr.decode())
    return done.stdout, done.stderr.decode()


def called(*arguments: str, status: int, **more: str) -> tuple[bytes, str]:
    """The same in this process: for what starts no node, and is asked often."""
    result = CliRunner().invoke(command, list(arguments), env=more, prog_name="gossamer")
    assert result.exit_code == status, (arguments, result.exit_code, result.output, result.exception)
    return result.stdout_bytes, result.stderr


def play(work: Callable[[], Coroutine[Any, Any, None]], seconds: float = 55) -> None:
    """Run an asynchronous test, with an end."""

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await work()

    asyncio.run(bounded())


@contextlib.asynccontextmanager
async def mesh_of(folder: Path, *regions: str, environment: dict[str, str] | None = None) -> AsyncIterator[LocalMesh]:
    """A mesh of one node in each region, whose nodes are linked."""
    mesh = LocalMesh(folder)
    try:
        for index, region in enumerate(regions):
            await mesh.add(f"{region}-{index}", region, environment=environment)
        for node in mesh.nodes:
            await linked(node.ready["gateway"], len(regions) - 1)
        yield mesh
    finally:
        await mesh.stop()


async def status_of(gateway: str) -> dict[str, Any]:
    """What a node says of itself."""
    async with connect(gateway) as client:
        return await client.status()


async def linked(gateway: str, peers: int) -> None:
    """Wait until a node has so many peers."""
    await until(lambda: _has_peers(gateway, peers))


async def _has_peers(gateway: str, peers: int) -> bool:
    return len((await status_of(gateway))["peers"]) >= peers


async def until(condition: Callable[[], Coroutine[Any, Any, bool]], seconds: float = WAIT_S) -> None:
    """Wait until something holds, asking every so often; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        await asyncio.sleep(0.05)


async def equal(mesh: LocalMesh) -> bool:
    """Whether all running nodes have stored the same."""
    states = [await status_of(node.ready["gateway"]) for node in mesh.nodes if node.is_running]
    return len({state["digest"] for state in states}) == 1 and not any(state["missing"] for state in states)


def hearing_ctrl_c(command: list[str]) -> list[str]:
    """The same command, so that it hears Ctrl-C: what a shell starts with `&`, as `make test` does, would not."""
    program = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-c", program, *command]
