"""`python -m bench.sim`: how fast the simulator is. It prints a table and writes `bench/sim.json`.

An *event* is one element of what is given to `Node.tick`, with the node's `check()` after each tick and the crypto suite
`sim`. Only the runs are timed: neither imports, nor building a world, nor starting the processes of a sweep's pool before
they play. Beside ours, on the same machine and in turn: a bare `heapq` loop, which no simulator in Python can pass, and
one toy gossip on our heap and on others' simulators where they are installed.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import importlib.util
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import in_words, machine
from sim.heap import Play
from sim.memory import uncollected
from sim.scenario.model import Scenario
from sim.scenario.reading import find, from_tables, read
from sim.sweep import pool, sweep
from sim.tape import Tape
from sim.tripwire import tripwires
from sim.units import MILLION
from sim.world import World

RESULTS = Path(__file__).parent / "sim.json"
SIMULATED_S = 60
HEAP_EVENTS = 1_000_000
GOSSIP_NODES = 200
GOSSIP_RUMORS = 100


@dataclass
class Figure:
    """A run: what it did, in how many seconds on the wall and of the processor."""

    what: str
    events: int
    seconds: float
    cpu_s: float
    simulated_s: float = 0.0

    @property
    def per_s(self) -> float:
        """Events a second of the processor: what one core does, whoever else uses the machine."""
        return self.events / self.cpu_s

    def line(self) -> str:
        """A row of the table."""
        text = f"{self.what:<46} {self.events:>10,} {self.seconds:>8.2f} {self.cpu_s:>8.2f} {self.per_s:>12,.0f}"
        return text + (f" {self.simulated_s / self.seconds:>8.1f}" if self.simulated_s else "")


def timed(what: str, run: Callable[[], int], simulated_s: float = 0.0) -> Figure:
    """Time a run, which returns how many events it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    events = run()
    return Figure(what, events, time.perf_counter() - wall, time.process_time() - cpu, simulated_s)


# --- a mesh ----------------------------------------------------------------------------------------------------------


def scenario_of(nodes: int) -> Scenario:
    """Nodes of six links in five regions, and five applications that publish ten messages a second in all."""
    regions = range(5)
    return from_tables(
        {
            "title": f"{nodes} nodes",
            "promise": "A benchmark.",
            "duration": f"{SIMULATED_S}s",
            "topology": {
                "latency": "50ms",
                "local-latency": "20ms",
                "links": "random",
                "degree": 6,
                "node": [{"name": f"r{i}", "region": f"r{i}", "count": nodes // 5} for i in regions],
            },
            "client": [{"name": "app", "count": 5, "at": [f"r{i}-1" for i in regions], "subscribe": [{}]}],
            "workload": [{"rate": 10, "bytes": [64, 128]}],
        }
    )


def mesh(nodes: int) -> Figure:
    """The first 60 simulated seconds of a mesh, from its first dial. Nothing may be broken in it."""
    play = Play(scenario_of(nodes), 1)

    def run() -> int:
        with tripwires(), uncollected():
            play.world.run_to(SIMULATED_S * MILLION)
        return play.world.events

    figure = timed(f"{nodes} nodes of 6 links, {SIMULATED_S} simulated s", run, SIMULATED_S)
    play.world.check_all()
    assert not play.watch.breaches, play.watch.breaches[0]
    return figure


@dataclass
class Swarm:
    """A sweep of the swarm: five nodes, twenty seconds of faults, and what comes after."""

    seeds: int
    jobs: int
    seconds: float
    events: int
    simulated_s: float
    failed: list[int] = field(default_factory=list)


def swarm(seeds: int) -> Swarm:
    """Sweep on all cores."""
    scenario, jobs = read(find("swarm")), os.cpu_count() or 1
    with pool(jobs) as executor:
        for ready in [executor.submit(os.getpid) for _ in range(jobs)]:
            ready.result()
        found = []
        begun = time.perf_counter()
        tally = sweep(scenario, range(1, seeds + 1), executor, told=found.append)
        seconds = time.perf_counter() - begun
    events, simulated_us = sum(each.events for each in found), sum(each.simulated_us for each in found)
    return Swarm(seeds, jobs, seconds, events, simulated_us / MILLION, [each.seed for each in tally.failed])


# --- beside it -------------------------------------------------------------------------------------------------------


def bare_heap() -> Figure:
    """A loop that pops an event, calls it and pushes the next, with a hundred on the heap."""
    heap = [(at, at, 0) for at in range(100)]

    def run() -> int:
        number = 100
        for _ in range(HEAP_EVENTS):
            at, last, _ = heapq.heappop(heap)
            number += 1
            heapq.heappush(heap, (at + 1 + last % 97, number, 0))
        return HEAP_EVENTS

    return timed("bare heapq loop", run)


@dataclass
class Gossip:
    """Push gossip: who hears a rumor for the first time tells six others, each after some whole milliseconds.

    `later(delay_ms, action, *arguments)` is all that it needs of a simulator.
    """

    later: Callable[..., object]
    heard: list[set[int]] = field(default_factory=lambda: [set() for _ in range(GOSSIP_NODES)])
    deliveries: int = 0

    def begin(self) -> None:
        """Ten rumors a second, each at another node."""
        for rumor in range(GOSSIP_RUMORS):
            self.later(100 * rumor, self.receive, rumor * 31 % GOSSIP_NODES, rumor)

    def receive(self, node: int, rumor: int) -> None:
        """A rumor reaches a node."""
        self.deliveries += 1
        if rumor in self.heard[node]:
            return
        self.heard[node].add(rumor)
        for turn in range(6):
            target = (node * 7 + turn * 37 + 1) % GOSSIP_NODES
            self.later(20 + (node * 13 + turn * 29 + rumor) % 60, self.receive, target, rumor)


GOSSIP_S = 100 * GOSSIP_RUMORS / 1_000 + 10


def gossip_here() -> Figure:
    """On the heap of our world, without its nodes."""
    world = World(1, tape=Tape(recording=False))
    gossip = Gossip(lambda delay_ms, action, *rest: world.after(1_000 * delay_ms, action, *rest))

    def run() -> int:
        gossip.begin()
        world.run(GOSSIP_S)
        return gossip.deliveries

    return timed("toy gossip on our heap", run, GOSSIP_S)


async def _gossip_on_a_loop() -> int:
    loop = asyncio.get_running_loop()
    gossip = Gossip(lambda delay_ms, action, *rest: loop.call_later(delay_ms / 1_000, action, *rest))
    gossip.begin()
    await asyncio.sleep(GOSSIP_S)
    return gossip.deliveries


def gossip_on_detangle() -> Figure:
    """On the event loop of detangle, which simulates asyncio."""
    detangle: Any = importlib.import_module("detangle")
    return timed("toy gossip on detangle", lambda: int(detangle.run(_gossip_on_a_loop, max_steps=10_000_000)), GOSSIP_S)


def beside() -> list[Figure]:
    """What is measured beside our mesh."""
    figures = [bare_heap(), gossip_here()]
    if importlib.util.find_spec("detangle") is None:
        print("detangle is left out: it is not installed (PyPI: detangle).")
    else:
        figures.append(gossip_on_detangle())
    counts = {figure.events for figure in figures[1:]}
    assert len(counts) == 1, f"the same gossip came to different ends: {counts}"
    return figures


def measure(nodes: tuple[int, ...] = (25, 200), seeds: int = 200) -> dict[str, object]:
    """Measure all of it, print it, and return it for a file."""
    print(f"{'':<46} {'events':>10} {'s':>8} {'CPU s':>8} {'events/CPU s':>12} {'sim s/s':>8}")
    figures: list[Figure] = []
    for run in (beside, *(lambda count=count: [mesh(count)] for count in nodes)):
        for figure in run():
            print(figure.line(), flush=True)
            figures.append(figure)
    print("targets: 25 nodes under 3 s and at least 40,000 events/s; 200 nodes under 60 s")
    swept = swarm(seeds)
    print(
        f"swarm of 5 nodes, {swept.seeds} seeds, {swept.jobs} processes: {swept.seconds:.0f} s (target 300 s),", end=" "
    )
    print(f"{swept.events:,} events, {swept.simulated_s:,.0f} simulated s, failed seeds: {swept.failed or 'none'}")
    return {"figures": [{**asdict(each), "per_s": each.per_s} for each in figures], "swarm": asdict(swept)}


def main() -> None:
    """Measure, and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.sim", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="*", default=[25, 200])
    parser.add_argument("--seeds", type=int, default=200, help="of the swarm")
    arguments = parser.parse_args()
    about = machine()
    print(in_words(about))
    results = {"machine": about, **measure(tuple(arguments.nodes), arguments.seeds)}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
