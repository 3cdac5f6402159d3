"""From a publish to the subscriber's line, and from Enter to the line: what a person at three terminals waits for.

The first is taken inside two clients at two nodes of `gossamer dev`; the second runs `gossamer pub` as a person would, a new
process each time, beside a `gossamer sub` that runs.
"""

import asyncio
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from nodes.ports import Ports
from nodes.sdk.client import connect
from nodes.sdk.messages import Message

COMMAND = [sys.executable, "-m", "bench.command"]
START_S = 20.0
GATEWAYS = 3
"""Of `gossamer dev`, whose ports count up."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    p50: float
    p99: float
    worst: float


def summary(seconds: list[float]) -> Latency:
    """Of all that were measured."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return Latency(statistics.median(ordered) * 1e3, p99 * 1e3, ordered[-1] * 1e3)


async def publish_to_line(count: int) -> Latency:
    """From the call of `publish` at one node to the message at another's subscriber."""
    with tempfile.TemporaryDirectory(prefix="gossamer-bench-") as folder, closing(Ports()) as ports:
        port = ports.draw(socket.SOCK_STREAM, count=GATEWAYS)
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "dev", "--port", str(port), "--data", folder, stdout=asyncio.subprocess.PIPE
        )
        try:
            await _ready(process)
            async with connect(f"localhost:{port}") as here, connect(f"localhost:{port + 1}") as there:
                messages = await there.subscribe("room/#").ready()
                await asyncio.sleep(1)
                taken: list[float] = []
                for number in range(count + 5):
                    began = time.perf_counter()
                    here.post("room/1", str(number))
                    item = await anext(messages)
                    assert isinstance(item, Message) and item.data == str(number)
                    taken.append(time.perf_counter() - began)
                    await asyncio.sleep(0.01)
                return summary(taken[5:])
        finally:
            process.terminate()
            await process.wait()


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(START_S):
        while b"Ctrl-C ends it" not in await process.stdout.readline():
            pass


def command_help(count: int) -> Latency:
    """How long `gossamer --help` takes, as a process."""
    taken = []
    for _ in range(count + 1):
        began = time.perf_counter()
        subprocess.run([*COMMAND, "--help"], stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - began)
    return summary(taken[1:])


async def enter_to_line(count: int) -> Latency:
    """From the start of `gossamer pub` to the line that `gossamer sub` prints."""
    with tempfile.TemporaryDirectory(prefix="gossamer-bench-") as folder, closing(Ports()) as ports:
        port = ports.draw(socket.SOCK_STREAM, count=GATEWAYS)
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "dev", "--port", str(port), "--data", str(Path(folder) / "mesh"), stdout=asyncio.subprocess.PIPE
        )
        try:
            await _ready(process)
            reader = await asyncio.create_subprocess_exec(
                *COMMAND, "sub", "room/#", "-g", f"localhost:{port + 1}", stdout=asyncio.subprocess.PIPE
            )
            await asyncio.sleep(2)
            taken: list[float] = []
            for number in range(count + 2):
                began = time.perf_counter()
                arguments = ("pub", "room/1", str(number), "-g", f"localhost:{port}")
                writer = await asyncio.create_subprocess_exec(*COMMAND, *arguments)
                assert reader.stdout is not None
                line = await asyncio.wait_for(reader.stdout.readline(), 10)
                taken.append(time.perf_counter() - began)
                assert line == f"room/1 {number}\n".encode()
                await writer.wait()
            reader.terminate()
            await reader.wait()
            return summary(taken[2:])
        finally:
            process.terminate()
            await process.wait()
