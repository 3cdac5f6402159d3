"""One name, two messages: both are shown, in whatever order they come, and the fault is told."""

from dataclasses import replace

import pytest

from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.config import sim
from sim.network import Network
from sim.workload import App
from sim.world import World


def double(world: World, name: str, gateway: str, incarnation: int) -> App:
    """A process that draws no incarnation of its own."""
    app = App(world, name, [gateway])
    app.client.incarnation = incarnation
    return app


@pytest.mark.parametrize("late_reader", [False, True])
@pytest.mark.parametrize("where", ["ana", "ben"])
def test_two_messages_under_one_name_are_both_shown(where: str, late_reader: bool) -> None:
    world = World(11, Network.even(delay_us=20_000))
    world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    world.run(2)
    world.cut(["ana"], ["ben"])
    readers = [App(world, "reader", [where])]
    writers = [double(world, "twin", gateway, 7) for gateway in ("ana", "ben")]
    if not late_reader:
        readers[0].subscribe("#", cursor=VersionVector())
    world.run(1)
    for number, writer in enumerate(writers):
        writer.publish("room/1", b"message %d" % number)
        writer.publish("room/1", b"the same")
    world.run(1)
    world.heal()
    world.run(40)
    if late_reader:
        readers[0].subscribe("#", cursor=VersionVector())
        world.run(5)

    shown = [one.record.payload for one in readers[0].diaries[1].shown]
    assert sorted(shown) == [b"message 0", b"message 1", b"the same"]
    reports = [report for machine in world.machines.values() for report in machine.reports]
    assert {report.code for report in reports} >= {Code.NAMES_CONFLICT}


def test_a_message_that_took_two_nodes_defaults_is_one_message() -> None:
    world = World(11, Network.even(delay_us=20_000))
    for name, region, days in (("ana", "eu", 7), ("ben", "us", 3)):
        intake = replace(sim().intake, ttl_default_ms=days * 86_400_000)
        world.add(name, region, ("ana",) if name == "ben" else (), replace(sim(), intake=intake))
    world.run(2)
    world.cut(["ana"], ["ben"])
    reader = App(world, "reader", ["ana"])
    reader.subscribe("#", cursor=VersionVector())
    for writer in [double(world, "twin", gateway, 7) for gateway in ("ana", "ben")]:
        writer.publish("room/1", b"the same")
    world.run(1)
    world.heal()
    world.run(40)

    assert [one.record.payload for one in reader.diaries[1].shown] == [b"the same"]
    assert [report for machine in world.machines.values() for report in machine.reports] == []
