"""The delivery contract under random faults: first safety, then liveness. A failure prints the seed and what was done.

`GOSSAMER_FULL=1` runs every seed; else a sample. A seed again: `pytest tests/swarm -k 'seed-17-'`.
"""

import os

import pytest

from mesh.client import ClientConfig
from mesh.clocks.vector import VersionVector
from mesh.operations import SlowPolicy
from sim import checkers
from sim.faults import Faults
from sim.network import Network
from sim.workload import App
from sim.world import World

SEEDS = range(1_000 if os.environ.get("GOSSAMER_FULL") else 20)
NODES = ("ana", "ben", "cy", "dan")
REGIONS = ("eu", "us", "ap", "eu")
STEPS = 40
LIVENESS_S = 120.0
"""Far above the contract's bound: redial of 15 s, a back-off of clients, credit, and repair of all that was missed."""


def swarm(seed: int) -> tuple[World, list[App], Faults]:
    """A mesh of two to four nodes with an application at each, all of which publish and hear everything."""
    world = World(seed, Network.even(delay_us=30_000, jitter_us=5_000, loss_ppm=10_000))
    rng = world.rng.fork("workload")
    names = NODES[: rng.between(2, len(NODES))]
    for index, name in enumerate(names):
        world.add(name, REGIONS[index], names[:index])
    apps = []
    for name in names:  # a small credit is used up as soon as an application stops reading
        config = ClientConfig(credit_messages=rng.choice((8, 64, 8_192)))
        apps.append(App(world, f"app-{name}", [name, *(other for other in names if other != name)], config))
    policies = list(SlowPolicy)
    for app in apps:
        app.subscribe("#", cursor=VersionVector())
        for patterns in (("room/0",), ("room/+",), ("room/1", "room/2")):
            app.subscribe(*patterns, cursor=VersionVector(), policy=rng.choice(policies))
    faults = Faults(world, apps, world.rng.fork("faults"))
    world.run(2)
    for _ in range(STEPS):
        for app in apps:
            for _ in range(rng.below(6)):
                ttl_ms = 500 if rng.below(20) == 0 else 0
                copies = rng.between(1, len(names))
                app.publish(f"room/{rng.below(4)}", rng.bytes(rng.between(1, 40)), copies=copies, ttl_ms=ttl_ms)
        faults.step()
        world.run(0.05 + rng.below(1_000) / 1_000)
    return world, apps, faults


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed-{seed}-")
def test_contract_holds_whatever_happens(seed: int) -> None:
    world, apps, faults = swarm(seed)
    faults.heal()

    quiet = world.run_until(lambda: world.converged() and not any(len(app.client.outbox) for app in apps), LIVENESS_S)
    world.run(10)

    story = "\n".join([f"seed {seed}", *faults.done])
    assert quiet, f"{story}\nnot finished: {[(app.name, len(app.client.outbox)) for app in apps]}, {world.converged()=}"
    assert checkers.everything(apps) == [], story
