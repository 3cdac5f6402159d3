"""SIGKILL at random moments during a stream of acknowledged publishes: nothing acknowledged is missing, nothing doubled."""

import asyncio
from pathlib import Path

import pytest

from mesh.rng import Rng
from nodes.sdk.client import connect
from nodes.sdk.messages import Message, Receipt
from tests.live.programs import mesh_of, play, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]
KILLS = 50
AHEAD_MAX = 512
"""Messages that may wait for their receipts: else the slower the machine, the more is written while a node is away."""


def test_fifty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        rng = Rng(b"kills")
        acknowledged: set[int] = set()
        shown: list[int] = []
        published = 0
        async with mesh_of(tmp_path, "eu", "us") as mesh:
            victim, witness = mesh.nodes

            def settled(number: int, future: asyncio.Future[Receipt]) -> None:
                if not future.cancelled() and future.exception() is None:
                    acknowledged.add(number)

            async with connect(victim.ready["gateway"]) as client, connect(witness.ready["gateway"]) as reader:
                messages = reader.subscribe("kill/#", since="all")
                await messages.ready()

                async def read() -> None:
                    async for message in messages:
                        assert isinstance(message, Message), message
                        shown.append(int(message.payload))

                reading = asyncio.ensure_future(read())
                for _ in range(KILLS):
                    begun = len(acknowledged)
                    deadline = asyncio.get_running_loop().time() + rng.below(120) / 1000
                    while asyncio.get_running_loop().time() < deadline or len(acknowledged) == begun:
                        for _ in range(8 if published - len(acknowledged) < AHEAD_MAX else 0):
                            future = client.post("kill/1", str(published).encode())
                            future.add_done_callback(lambda future, number=published: settled(number, future))
                            published += 1
                        await asyncio.sleep(0.002)
                    await victim.kill()
                    await victim.restart()
                await client.flushed()
                await until(lambda: _are_shown(reading, shown, acknowledged))
                await asyncio.sleep(0.5)
                reading.cancel()

        assert len(acknowledged) == published >= KILLS * 8
        assert len(shown) == len(set(shown)), "a message was shown twice"
        assert set(shown) == acknowledged

    play(work, 230)


async def _are_shown(reading: asyncio.Task[None], shown: list[int], acknowledged: set[int]) -> bool:
    if reading.done():  # it met what is no message, and says so
        await reading
    return len(shown) >= len(acknowledged)
