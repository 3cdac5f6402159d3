"""A member tells ever new addresses of nobody while a cut keeps two others apart: they find each other when it heals."""

from dataclasses import replace

import pytest

from mesh.clocks.vector import VersionVector
from mesh.types import NodeId
from sim.hostile import Hostiles
from sim.network import Network
from sim.workload import App
from sim.world import World, sim_config

CUT_S = 150.0
"""Long enough for the link to be given up (60 s), and for dials to have failed again and again."""
FOUND_S = 16.0
"""A node that was linked within the hour is dialled again within 15 s."""


@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_of_addresses_does_not_drive_out_where_a_peer_was_met(seed: int) -> None:
    """Their books were full of what failed, and the address that had failed most was the one behind the cut."""
    config = sim_config()
    config = replace(config, addresses=replace(config.addresses, addresses_max=64))
    world, ledger = World(seed, Network.even(delay_us=20_000)), {}
    world.add("eve", config=config)
    ana, ben = (world.add(name, "eu", ("eve",), config) for name in ("ana", "ben"))
    one, two = (App(world, f"at-{name}", [name]) for name in ("ana", "ben"))
    for app in (one, two):
        app.subscribe("#", cursor=VersionVector())
    world.run(5)
    assert ana.node is not None and ana.node.peers.speaks(NodeId(ben.node_id))
    hostiles = Hostiles(world, ledger)
    for deed in ("crowd", "withhold", "forget"):
        hostiles.turn("eve", deed, 1_000_000)

    world.cut(["ana"], ["ben"])
    world.run(CUT_S)
    one.publish("room/1", b"during the cut")
    assert len(ana.node.book.places) == 64
    world.heal()
    world.run(FOUND_S)

    assert ana.node.peers.speaks(NodeId(ben.node_id))
    assert [shown.record.payload for shown in two.diaries[1].shown] == [b"during the cut"]
    assert world.coverage["hostile/crowd"] > 0
    world.check_all()
