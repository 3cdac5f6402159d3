"""P1 and P4: durable throughput from a publisher at one node to a subscriber at another, and what it costs.

Systems run in turn, A B A B, each time on fresh storage; the figure to quote is the median of the ratios of the pairs, for
the machine's speed drifts. CPU seconds are those of all processes: servers from their start of work to its end, clients whole.
"""

import asyncio
import json
import os
import statistics
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.systems import Cluster, gossamer, jetstream

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
WORKER_TIMEOUT_S = 300


@dataclass(frozen=True)
class Figure:
    """One run: messages a second from the first publish to the last delivery, and CPU seconds a million messages."""

    per_s: float
    acknowledged_per_s: float
    cpu_s_per_million: float


def cpu_s(pids: list[int]) -> float:
    """User and system seconds of processes up to now."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


async def worker(role: str, system: str, url: str, count: int) -> asyncio.subprocess.Process:
    """Start a client and wait until it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.worker",
        role,
        system,
        url,
        str(count),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    if line != b"ready\n":
        raise RuntimeError(f"the {role}r of {system} did not come up: {line!r}")
    return process


async def measure(system: str, count: int) -> Figure:
    """One run on fresh storage: the publisher at the first server, the subscriber at the last."""
    opened: dict[str, AbstractAsyncContextManager[Cluster]] = {"gossamer": gossamer(), "jetstream": jetstream()}
    async with opened[system] as cluster:
        subscriber = await worker("subscribe", system, cluster.urls[-1], count)
        publisher = await worker("publish", system, cluster.urls[0], count)
        before = cpu_s(cluster.pids)
        outputs = await asyncio.wait_for(
            asyncio.gather(publisher.communicate(b"go\n"), subscriber.communicate()), WORKER_TIMEOUT_S
        )
        servers = cpu_s(cluster.pids) - before
    published, delivered = (json.loads(out) for out, _ in outputs)
    spent = servers + published["cpu_s"] + delivered["cpu_s"]
    took = max(delivered["ended"], published["ended"]) - published["began"]
    acknowledged = published["ended"] - published["began"]
    return Figure(count / took, count / acknowledged, spent / count * 1e6)


async def pairs(systems: list[str], count: int, rounds: int) -> dict[str, list[Figure]]:
    """All systems in turn, so many rounds."""
    found: dict[str, list[Figure]] = {system: [] for system in systems}
    for number in range(rounds):
        for system in systems:
            figure = await measure(system, count)
            found[system].append(figure)
            print(
                f"  {number + 1}/{rounds} {system:<10} {figure.per_s:>9,.0f} delivered/s"
                f" {figure.acknowledged_per_s:>9,.0f} acknowledged/s {figure.cpu_s_per_million:>7.1f} CPU s/million",
                flush=True,
            )
    return found


def median(figures: list[Figure], name: str) -> float:
    """The median of one figure over runs."""
    return statistics.median(getattr(figure, name) for figure in figures)


def ratios(ours: list[Figure], theirs: list[Figure], name: str) -> list[float]:
    """Ours to theirs, pair by pair."""
    return [getattr(a, name) / getattr(b, name) for a, b in zip(ours, theirs, strict=True)]
