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
