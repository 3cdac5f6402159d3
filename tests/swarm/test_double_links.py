"""Two nodes dial each other at once: what was under way on the link that is closed is not waited for."""

import pytest

from mesh.clocks.vector import VersionVector
from sim.network import Network
from sim.workload import App
from sim.world import World


@pytest.mark.parametrize("seed", [0, 3, 23, 30, 38])
def test_what_was_under_way_on_the_closed_one_of_two_links_comes_at_once(seed: int) -> None:
    world = World(seed, Network.even(delay_us=50_000))
    world.add("ana", "eu", ("ben",))
    world.add("ben", "us", ("ana",))
    writer, reader = App(world, "one", ["ana"]), App(world, "two", ["ben"])
    reader.subscribe("#", cursor=VersionVector())
    for number in range(200):
        world.run(0.005)
        writer.publish("room/1", b"%d" % number)

    world.run(1)

    dropped = [m.counts.get("links_dropped_total/GSM-3111", 0) for m in world.machines.values()]
    assert sum(dropped) == 1, "they did not dial each other at once"
    assert len(reader.diaries[1].shown) == len(writer.ledger)
