"""A level that a publisher is told is held against the disks of the world, at that moment."""

import pytest

from mesh.operations import Receipt
from sim.checkers import Watch
from sim.levels import on_said
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


@pytest.mark.parametrize(
    ("gateway", "rots", "again", "is_told"),
    [
        ("ana", True, False, False),
        ("ben", True, False, True),
        ("ben", True, True, False),
        ("ben", False, True, True),
        ("ana", False, False, True),
    ],
)
def test_what_is_sent_again_may_have_rotted_at_the_one_that_says_so_first(
    gateway: str, rots: bool, again: bool, is_told: bool
) -> None:
    """Its publisher heard nothing of the first, moved or came back, and sent it again: it had come to this one meanwhile."""
    world = World(7, Network.even(delay_us=5_000))
    _, ben = world.add("ana", "eu"), world.add("ben", "us", ("ana",))
    app = App(world, "app", ["ana"])
    world.run(2)
    name = app.publish("room/1", b"x")
    world.run(1)
    (log,) = ben.disk.image.rows
    app.ledger[name].gateway, app.ledger[name].is_retried = gateway, again
    ben.disk.image.rows[log].clear()
    ben.lost_us = world.now_us if rots else -1
    watch = Watch(lambda: world.now_us, dict(app.ledger))

    on_said(watch, world, ben, name, Receipt(name[2], name[2], 1, 1, log, 1), (0, 0))

    promises = [breach.promise for breach in watch.breaches]
    assert promises == (["durable before acknowledged"] if is_told else [])


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


def test_what_waits_is_sent_again_once_its_publisher_is_attached_anew() -> None:
    world = World(7, Network.even(delay_us=5_000))
    world.add("ana", "eu")
    app = App(world, "app", ["ana"])
    early = app.publish("room/1", b"x")
    world.run(2)
    here, waits = app.publish("room/1", b"x"), app.publish("room/1", b"x", copies=2)
    world.run(1)

    app.drop()
    world.run(30)

    assert app.client.state == "attached"
    assert [app.ledger[name].is_retried for name in (early, here, waits)] == [False, False, True]
