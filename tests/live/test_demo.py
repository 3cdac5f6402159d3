"""The demo as a process: stopped in the midst of it, it leaves nothing behind. The whole of it runs in `make test`."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesh.rng import Rng
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
