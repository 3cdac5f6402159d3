"""One node's process, ended and started as the real stage wishes: also in the midst of a start."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nodes.processes import LocalMesh
from sim.real.machines import Machine

pytestmark = pytest.mark.live
WAIT_S = 20


@asynccontextmanager
async def machine_in(folder: Path) -> AsyncIterator[Machine]:
    """A machine that is kept as it is wished to be."""
    mesh = LocalMesh(folder)
    try:
        machine = Machine(await mesh.add("ana", "eu"), folder)
        keeping = asyncio.ensure_future(machine.keep())
        yield machine
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    finally:
        await asyncio.gather(*(node.kill() for node in mesh.nodes))
        mesh.ports.close()


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not done():
            await asyncio.sleep(0.02)


def test_node_that_is_killed_again_while_it_starts_comes_up_in_the_end(tmp_path: Path) -> None:
    async def work() -> None:
        async with machine_in(tmp_path) as machine:
            pids = [machine.node.pid]

            for _ in range(3):
                machine.again()
                await until(lambda: machine.node.is_running and machine.node.pid != pids[-1])
                pids.append(machine.node.pid)
            await until(lambda: machine.is_up)

            assert len(set(pids)) == 4
            assert machine.kills == 3
            assert machine.node.pid not in pids[:3]
            assert not machine.has_ended

    asyncio.run(work())


def test_node_stays_down_until_it_is_wanted(tmp_path: Path) -> None:
    async def work() -> None:
        async with machine_in(tmp_path) as machine:
            machine.kill()
            await until(lambda: not machine.node.is_running)
            after_kill = machine.node.process.returncode if machine.node.process else None
            machine.start()
            await until(lambda: machine.is_up)
            machine.drain()
            await until(lambda: not machine.node.is_running)

            assert after_kill == -9
            assert machine.node.process is not None
            assert machine.node.process.returncode == 0
            assert not machine.has_ended

    asyncio.run(work())


def test_node_that_ends_by_itself_is_found_out(tmp_path: Path) -> None:
    async def work() -> None:
        async with machine_in(tmp_path) as machine:
            was_well = not machine.has_ended

            await machine.node.kill()

            assert was_well
            assert machine.has_ended
            assert machine.last_words.startswith("status -9, ")

    asyncio.run(work())
