"""The demo as a process: stopped in the midst of it, it leaves nothing behind. The whole of it runs in `make test`."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesh.codes import Code
from mesh.errors import HostError
from mesh.rng import Rng
from nodes.ports import LOOPBACK, Ports
from nodes.processes import STARTS_MAX
from sim.demo.stage import REGIONS, Stage

pytestmark = pytest.mark.live
END_S = 20


@contextmanager
def demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo whose temporary files are in a folder of ours."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from gossamer.command import main; main()", "demo", "--seconds", "15", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], event: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == event:
            return
    raise AssertionError(f"the demo ended before {event}: {process.stderr.read() if process.stderr else ''}")


def nodes_of(folder: Path) -> list[str]:
    """The processes that were started with something in a folder."""
    listed = subprocess.run(["ps", "-eo", "pid,args", "-ww"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


@pytest.mark.parametrize(
    ("event", "number"), [("starting", signal.SIGINT), ("cut", signal.SIGINT), ("kill", signal.SIGTERM)]
)
def test_demo_that_is_stopped_says_so_and_leaves_nothing_behind(
    event: str, number: signal.Signals, tmp_path: Path
) -> None:
    with demo(tmp_path) as process:
        wait_for(process, event)
        while not (running := nodes_of(tmp_path)):
            time.sleep(0.05)
        began = time.monotonic()

        process.send_signal(number)
        _, said = process.communicate(timeout=END_S)

        assert process.returncode == 128 + number
        text = f"gossamer: the demo was stopped by {number.name}; its nodes have ended and its folder is gone.\n"
        assert said == text
        assert running
        assert nodes_of(tmp_path) == []
        assert list(tmp_path.iterdir()) == []
        assert time.monotonic() - began < END_S


def test_nodes_of_the_demo_know_one_another_by_the_proxies_addresses_only(tmp_path: Path) -> None:
    async def play() -> None:
        stage = Stage(tmp_path, Rng(b"seed"), "")
        try:
            await stage.open()
            proxied = {region: str(stage.mesh.address(region)) for region in REGIONS}
            for region in REGIONS:
                about = await stage.ask(region)

                known = {peer["region"]: peer["address"] for peer in about["peers"]}

                assert known == {other: proxied[other] for other in REGIONS if other != region}
            assert stage.mesh.strangers == 0
            assert all("--no-mdns" in node.arguments for node in stage.nodes.values())
        finally:
            hung = await stage.close(gently=True)
        assert hung == []

    asyncio.run(asyncio.wait_for(play(), 50))


class Overtaken(Ports):
    """Of each kind, the first numbers that are drawn are listened at by a stranger before anybody is told them."""

    def __init__(self, overtaken: int) -> None:
        """Overtake so many draws of each kind."""
        super().__init__()
        self.left = {socket.SOCK_DGRAM: overtaken, socket.SOCK_STREAM: overtaken}
        self.taken: list[int] = []

    def draw(self, kind: socket.SocketKind, count: int = 1) -> int:
        """As ever, and late."""
        number = super().draw(kind, count)
        if self.left[kind]:
            self.left[kind] -= 1
            self.taken.append(number)
            stranger = self._held.enter_context(socket.socket(socket.AF_INET, kind))
            stranger.bind((LOOPBACK, number))
            if kind == socket.SOCK_STREAM:
                stranger.listen()
        return number


def test_nodes_whose_ports_are_taken_before_they_listen_come_up_at_others(tmp_path: Path) -> None:
    async def play() -> None:
        stage = Stage(tmp_path, Rng(b"seed"), "")
        stage.ports = ports = Overtaken(1)
        try:
            await stage.open()

            words = "".join((tmp_path / f"{region}.log").read_text() for region in REGIONS)
            targets = {proxy.target for proxy in stage.gateways.values()}
            listening = [node.ready["listen"] for node in stage.nodes.values()]
            peers = [peer for region in REGIONS for peer in (await stage.ask(region))["peers"]]

            assert len(ports.taken) == 2 and words.count(Code.PORT_TAKEN) >= 1
            assert not any(listen.endswith(f":{port}") for listen in listening for port in ports.taken)
            assert not any(target is None or target.port in ports.taken for target in targets)
            assert len(peers) == len(REGIONS) * (len(REGIONS) - 1)
            assert stage.mesh.strangers == 0
        finally:
            hung = await stage.close(gently=True)
        assert hung == []

    asyncio.run(asyncio.wait_for(play(), 50))


def test_a_node_for_which_no_port_is_ever_left_says_so(tmp_path: Path) -> None:
    async def play() -> None:
        stage = Stage(tmp_path, Rng(b"seed"), "")
        stage.ports = ports = Overtaken(3 * STARTS_MAX)
        try:
            with pytest.raises(HostError, match="cannot listen on") as caught:
                await stage.open()
        finally:
            await stage.close(gently=False)

        assert caught.value.code == Code.PORT_TAKEN
        assert STARTS_MAX * 2 <= len(ports.taken) <= STARTS_MAX * 2 * len(REGIONS)

    asyncio.run(asyncio.wait_for(play(), 50))
