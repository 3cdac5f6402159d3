"""A hole that nobody can fill is told: as lost where every member can be asked, as missing where one cannot, or lies."""

from dataclasses import replace
from random import Random

import pytest

from mesh import frames as f
from mesh.clocks.vector import VersionVector
from mesh.operations import GapReason
from mesh.wire.frames import decode_frame, encode_frame
from sim.network import Network
from sim.workload import App
from sim.world import Machine, World

HOLE_S = 40.0
LIAR_S = 240.0
"""As long first as the largest batch takes over a narrow link, and then until the hole is looked at once more."""
LARGE = Random(9).randbytes(512_000)
SLOW_S = 80
"""512 kB take 64 s over 64 kbit/s: several sessions stall meanwhile, and the hole grows old."""


def lose_the_first(cy_runs: bool, cy_in: str, liar: bool = False) -> tuple[World, App]:
    """Three nodes, and a log of which the second batch reached ben, and nobody has the first."""
    world = World(9, Network.even(delay_us=10_000))
    ana, ben, cy = world.add("ana", "eu"), world.add("ben", "us", ("ana",)), world.add("cy", cy_in, ("ana", "ben"))
    publisher, reader = App(world, "one", ["ana"]), App(world, "two", ["ben"])
    reader.subscribe("#", cursor=VersionVector())
    world.run(2)
    if not cy_runs:
        world.crash(cy)
    if liar:
        world.mangle = claims_the_first
    ana.slow_disk_us = 2_000_000

    def passes(_source: str, target: str, packed: bytes) -> bool:
        frame = decode_frame(packed)
        return not (isinstance(frame, f.Push) and (frame.batch.first == 1 or (target == "cy" and not liar)))

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
    assert ben.node is not None
    return world, reader


def claims_the_first(machine: Machine, _pipe: object, packed: bytes) -> list[bytes]:
    """Cy says to have all from the beginning on, that she never has the same, and nothing when she is asked for it."""
    frame = decode_frame(packed)
    match machine.name, frame:
        case "cy", f.NotFound() | f.RepairEqual():
            return []
        case "cy", f.RepairHello(_, digest):
            return [encode_frame(replace(frame, digest=digest ^ 1))]
        case "cy", f.Vector(_, logs):
            whole = tuple(replace(state, runs=tuple((1, last, head) for _, last, head in state.runs)) for state in logs)
            return [encode_frame(replace(frame, logs=whole))]
        case _:
            return [packed]


@pytest.mark.parametrize(("cy_runs", "reason"), [(True, GapReason.LOST), (False, GapReason.MISSING)])
def test_hole_is_lost_only_if_everybody_can_be_asked(cy_runs: bool, reason: GapReason) -> None:
    world, reader = lose_the_first(cy_runs, "ap")

    world.run(HOLE_S)

    diary = reader.diaries[1]
    assert [(gap.first, gap.last, gap.reason, gap.may_fill) for gap in diary.missed] == [(1, 1, reason, True)]
    assert [shown.record.payload for shown in diary.shown] == [b"left behind"]


def test_a_hole_that_a_member_claims_and_never_gives_is_told() -> None:
    world, reader = lose_the_first(cy_runs=True, cy_in="us", liar=True)

    world.run(LIAR_S)

    diary = reader.diaries[1]
    assert [(gap.first, gap.last, gap.reason) for gap in diary.missed] == [(1, 1, GapReason.MISSING)]
    assert [shown.record.payload for shown in diary.shown] == [b"left behind"]


def test_what_an_honest_member_gives_slowly_is_waited_for() -> None:
    network = Network.even(delay_us=40_000)
    network.rate_bps = 64_000
    world = World(9, network)
    world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    publisher, reader = App(world, "one", ["ana"]), App(world, "two", ["ben"])
    reader.subscribe("#", cursor=VersionVector())
    world.run(2)
    world.cut(["ana"], ["ben"])
    publisher.publish("room/1", LARGE)
    world.run(10)
    world.heal()

    for number in range(SLOW_S):
        world.run(1)
        publisher.publish("room/1", b"%d" % number)
    world.run(1)

    diary = reader.diaries[1]
    assert diary.missed == []
    assert [shown.record.payload for shown in diary.shown] == [LARGE, *(b"%d" % number for number in range(SLOW_S))]
    assert not any(shown.late for shown in diary.shown)
