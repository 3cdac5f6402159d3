"""Each safeguard, turned off, breaks the promise that it stands for: else nobody would know that it matters."""

import pytest

from mesh.client.seen import Seen
from mesh.clocks.vector import VersionVector
from mesh.effects import Append, Effect, Stored
from mesh.engines.repair import Repair
from mesh.log.names import NameIndex
from mesh.log.record import Record
from sim import checkers
from sim.network import Network
from sim.workload import App
from sim.world import Machine, World


@pytest.fixture
def world() -> World:
    world = World(7, Network.even(delay_us=20_000))
    world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    world.run(1)
    return world


def broken(apps: list[App]) -> set[str]:
    return {breach.promise for breach in checkers.everything(apps)}


def test_acknowledging_before_the_commit_loses_messages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    perform = World._perform

    def early(self: World, machine: Machine, effect: Effect) -> None:
        perform(self, machine, effect)
        if isinstance(effect, Append):
            machine.slow_disk_us = 2_000_000
            self.hear(machine, Stored(effect.append))
            machine.appending = [a for a in machine.appending if a is not effect]

    monkeypatch.setattr(World, "_perform", early)
    app = App(world, "one", ["ana"])
    app.subscribe("#", cursor=VersionVector())
    world.run(1)
    world.cut(["ana"], ["ben"])
    app.publish("room/1", b"lost")
    world.run(0.1)
    app.drop()
    world.restart(world.machines["ana"])
    other = App(world, "two", ["ana"])
    other.subscribe("#", cursor=VersionVector())
    world.run(30)

    assert [entry.level for entry in app.ledger.values()] == [(1, 1)]
    assert [breach.promise for breach in checkers.nothing_lost(app.ledger, other.diaries[1])] == ["nothing lost"]


def retried_elsewhere(world: World) -> list[App]:
    """A publish reaches the other node, its receipt does not reach the publisher, which retries there."""
    app = App(world, "one", ["ana", "ben"])
    reader = App(world, "two", ["ben"])
    reader.subscribe("#", cursor=VersionVector())
    world.run(1)
    ana = world.machines["ana"]
    ana.slow_disk_us = 1_000_000
    app.publish("room/1", b"once")
    world.run(0.2)
    app.move("ben")
    world.run(5)
    return [app, reader]


def test_retry_at_another_node_is_one_message(world: World) -> None:
    assert broken(retried_elsewhere(world)) == set()


def test_without_deduplication_a_retry_is_shown_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def new(self: Seen, record: Record) -> tuple[bool, bool]:
        return True, False

    monkeypatch.setattr(NameIndex, "find", lambda *_: [])
    monkeypatch.setattr(NameIndex, "newest", lambda *_: 0)
    monkeypatch.setattr(Seen, "note", new)

    assert broken(retried_elsewhere(world)) == {"once"}


def lost_push(world: World) -> list[App]:
    """Everything that is pushed while the disk of the other is full must come by repair."""
    apps = [App(world, "one", ["ana"]), App(world, "two", ["ben"])]
    apps[1].subscribe("#", cursor=VersionVector())
    world.run(1)
    ben = world.machines["ben"]
    world.space(ben, 0)
    apps[0].publish("room/1", b"again")
    world.run(2)
    world.space(ben, 1 << 40)
    world.run(30)
    return apps


def test_repair_fetches_what_a_full_disk_refused(world: World) -> None:
    assert broken(lost_push(world)) == set()


def test_without_repair_it_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Repair, "compare", lambda *_: [])

    assert broken(lost_push(world)) == {"nothing lost", "honest about gaps"}
