"""A power cut at every append of a run: nothing acknowledged is missing, and intervals equal those derived from the rows."""

import pytest

from mesh.clocks.vector import VersionVector
from mesh.effects import Append, Effect
from sim import checkers
from sim.network import Network
from sim.workload import App
from sim.world import Machine, World

PUBLISHES = 24


def run(cut_at: int, *, keeps: int = 2) -> tuple[World, list[App], int]:
    """Two nodes, a publisher at each; the power of `ana` goes as its append number `cut_at` is under way."""
    world = World(5, Network.even(delay_us=10_000))
    ana = world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    appends = 0

    def witness(machine: Machine, effect: Effect) -> None:
        nonlocal appends
        if machine is ana and isinstance(effect, Append):
            appends += 1
            if appends == cut_at:
                world.after(150, lambda: world.restart(ana))

    world.witness = witness
    apps = [App(world, "one", ["ana", "ben"]), App(world, "two", ["ben", "ana"])]
    for app in apps:
        app.subscribe("#", cursor=VersionVector())
    world.run(1)
    for number in range(PUBLISHES):
        for app in apps:
            app.publish("room/1", b"%d" % number, copies=keeps)
        world.run(0.02)
    world.run_until(lambda: world.converged() and not any(len(app.client.outbox) for app in apps), 60)
    world.run(5)
    return world, apps, appends


def test_every_append_survives_a_power_cut() -> None:
    _, _, appends = run(0)
    assert appends > PUBLISHES

    for cut_at in range(1, appends + 1):
        world, apps, _ = run(cut_at)
        assert checkers.everything(apps) == [], cut_at
        assert not any(len(app.client.outbox) for app in apps), cut_at
        for machine in world.machines.values():
            derived = {log: held.runs for log, held in machine.disk.derived().items()}
            assert derived == {log: held.runs for log, held in machine.disk.image.held.items()}, cut_at


def test_rows_without_intervals_are_found_at_the_next_start() -> None:
    world = World(5)
    ana = world.add("ana")
    ana.disk.forget_intervals = True
    app = App(world, "one", ["ana"])
    world.run(1)
    app.publish("room/1", b"x")
    world.run(1)

    with pytest.raises(AssertionError, match="intervals differ from the rows"):
        world.restart(ana)
