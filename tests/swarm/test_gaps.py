"""A hole that nobody can fill is told: as lost where every member can be asked, as missing where one cannot."""

import pytest

from mesh.clocks.vector import VersionVector
from mesh.frames import Push
from mesh.operations import GapReason
from mesh.wire.frames import decode_frame
from sim.network import Network
from sim.workload import App
from sim.world import World

HOLE_S = 40.0


@pytest.mark.parametrize(("cy_runs", "reason"), [(True, GapReason.LOST), (False, GapReason.MISSING)])
def test_hole_is_lost_only_if_everybody_can_be_asked(cy_runs: bool, reason: GapReason) -> None:
    world = World(9, Network.even(delay_us=10_000))
    ana, ben, cy = world.add("ana", "eu"), world.add("ben", "us", ("ana",)), world.add("cy", "ap", ("ana", "ben"))
    publisher, reader = App(world, "one", ["ana"]), App(world, "two", ["ben"])
    reader.subscribe("#", cursor=VersionVector())
    world.run(2)
    if not cy_runs:
        world.crash(cy)
    ana.slow_disk_us = 2_000_000

    def passes(_source: str, target: str, packed: bytes) -> bool:
        frame = decode_frame(packed)
        return not (isinstance(frame, Push) and (frame.batch.first == 1 or target == "cy"))

    world.filter = passes
    publisher.publish("room/1", b"gone")
    world.run(0.1)
    publisher.publish("room/1", b"left behind")
    world.run(0.1)
    ana.appending = []  # the power goes before the disk has kept any of it
    world.crash(ana)
    publisher.drop()
    publisher.gateways = []
    publisher.client.close()
    world.start(ana)
    world.run(HOLE_S)

    diary = reader.diaries[1]
    assert [(gap.first, gap.last, gap.reason, gap.may_fill) for gap in diary.missed] == [(1, 1, reason, True)]
    assert [shown.record.payload for shown in diary.shown] == [b"left behind"]
    assert ben.node is not None
