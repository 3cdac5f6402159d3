"""A level that a publisher is told is held against the disks of the world, at that moment."""

import pytest

from sim.checkers import Watch
from sim.network import Network
from sim.safeguards import off
from sim.workload import App
from sim.world import Machine, World

FALSE = [
    ("durable before acknowledged", "app/{}/1 was acknowledged by ana at copies:2 regions:2, and lies at ana in eu")
]


def told(change: str = "", ttl_ms: int = 0) -> tuple[list[tuple[str, str]], App]:
    """What is found where ana counts ben, who is linked and whose disk takes nothing."""
    world = World(7, Network.even(delay_us=5_000))
    _, ben = world.add("ana", "eu"), world.add("ben", "us", ("ana",))
    app = App(world, "app", ["ana"])
    app.watch = Watch(lambda: world.now_us)
    world.run(2)
    ben.disk.failing = True
    with off("counted-copies"):
        app.publish("room/1", b"x", copies=2, regions=2, ttl_ms=ttl_ms)
        excuse(ben, change, world.now_us)
        world.run(1)
    assert next(iter(app.ledger.values())).level == (2, 2)
    return [(breach.promise, breach.about) for breach in app.watch.breaches], app


def excuse(machine: Machine, change: str, now_us: int) -> None:
    if change == "lost":
        machine.lost_us = now_us
    elif change == "bad":
        machine.is_bad = True
    elif change == "lies":
        machine.disk.lie()
    elif change == "slow clock":
        machine.clock.drift_ppm = 1


@pytest.mark.parametrize("change", ["", "slow clock"])
def test_a_copy_that_is_on_no_disk_is_told(change: str) -> None:
    found, app = told(change)

    number = app.client.incarnation % 10_000
    assert found == [(promise, about.format(f"{number:04d}")) for promise, about in FALSE]


@pytest.mark.parametrize(
    ("change", "ttl_ms"), [("lost", 0), ("bad", 0), ("lies", 0), ("slow clock", 600_000), ("", 60_000)]
)
def test_who_need_not_hold_what_it_told_is_counted(change: str, ttl_ms: int) -> None:
    assert told(change, ttl_ms)[0] == []
