"""A disk without room: the report that a person gets of it, from the real node in a small world."""

from mesh.codes import Code
from mesh.effects import Report
from sim.network import Network
from sim.workload import App
from sim.world import World


def test_an_append_that_finds_no_room_is_reported_as_a_full_disk() -> None:
    world = World(1, Network.even(delay_us=1_000))
    ana = world.add("ana", "eu", [])
    ben = world.add("ben", "us", ["ana"])
    app = App(world, "one", ["ana"])
    world.run(1)

    world.space(ben, 0)
    app.publish("room/1", b"for both")
    world.run(0.5)

    assert ana.reports == []
    assert ben.reports == [Report(Code.DISK_FULL, {"why": "the disk is full", "free_bytes": 0})]


def test_what_came_while_the_disk_took_nothing_is_asked_for_again_once_it_does() -> None:
    world = World(1, Network.even(delay_us=1_000))
    ana = world.add("ana", "eu", [])
    ben = world.add("ben", "us", ["ana"])
    app = App(world, "one", ["ana"])
    world.run(1)
    world.space(ben, 0)
    for number in range(5):
        app.publish("room/1", b"%d" % number)
        world.run(0.1)

    refused = ben.counts["batches_refused_total/blocked"]
    world.space(ben, 1 << 40)
    world.run(3)

    assert refused >= 1
    assert ana.node is not None and ben.node is not None
    assert ana.node.holdings.digest == ben.node.holdings.digest
