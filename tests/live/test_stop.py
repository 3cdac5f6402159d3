"""SIGTERM and Ctrl-C drain and end within 5 s with a clean mark, whatever stands in the way."""

import asyncio
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as websocket

from mesh.clocks.vector import VersionVector
from mesh.operations import Attach, SlowPolicy, Subscribe
from mesh.wire.operations import encode_operation
from nodes.processes import NodeProcess
from nodes.sdk.client import connect
from tests.live.programs import mesh_of, play

pytestmark = pytest.mark.live
END_S = 5.0


def is_clean(folder: Path) -> bool:
    """Whether a node's store carries the mark of a clean stop."""
    with sqlite3.connect(folder / "store.sqlite3") as database:
        found = database.execute("SELECT value FROM meta WHERE key='clean'").fetchone()
    database.close()
    return found == (1,)


async def ends(node: NodeProcess, number: int) -> float:
    """How long a node takes to end after a signal, in seconds."""
    assert node.process is not None
    began = time.monotonic()
    node.process.send_signal(number)
    status = await asyncio.wait_for(node.process.wait(), END_S)
    assert status == 0
    return time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_node_ends_at_once(number: int, tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            await ends(mesh.nodes[0], number)

        assert is_clean(tmp_path / "eu-0")

    play(work)


def test_subscriber_that_stopped_reading_does_not_hold_it_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            node = mesh.nodes[0]
            async with (
                websocket(
                    node.ready["gateway"], subprotocols=["gossamer.v1.msgpack"], max_queue=1, close_timeout=0.1
                ) as deaf,
                connect(node.ready["gateway"]) as client,
            ):
                await deaf.send(encode_operation(Attach("deaf", 1)))
                everything = Subscribe(1, ("#",), VersionVector(), None, SlowPolicy.ALL, 1 << 30, 1 << 39)
                await deaf.send(encode_operation(everything))
                for _ in range(400):
                    client.post("noise/1", os.urandom(32_768))
                await client.flushed()
                await ends(node, signal.SIGTERM)

        assert is_clean(tmp_path / "eu-0")

    play(work)


def test_peer_that_is_cut_off_does_not_hold_it_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu", "us") as mesh:
            node, peer = mesh.nodes
            os.kill(peer.pid, signal.SIGSTOP)
            try:
                async with connect(node.ready["gateway"]) as client:
                    for _ in range(200):
                        client.post("far/1", os.urandom(32_768), durability="copies:2")
                    await asyncio.sleep(0.3)
                    await ends(node, signal.SIGTERM)
            finally:
                os.kill(peer.pid, signal.SIGCONT)

        assert is_clean(tmp_path / "eu-0")

    play(work)


def test_append_that_is_under_way_is_finished_first(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            node = mesh.nodes[0]
            async with connect(node.ready["gateway"]) as client:
                futures = [client.post("c", os.urandom(16_384)) for _ in range(300)]
                await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
                await ends(node, signal.SIGTERM)
                acknowledged = sum(future.done() and future.exception() is None for future in futures)
            await node.restart()
            async with connect(node.ready["gateway"]) as reader:
                kept = len([message async for message in reader.history("c", limit=None)])

        assert 0 < acknowledged <= kept <= len(futures)

    play(work)
