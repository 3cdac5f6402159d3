"""Graphs: what they refuse, what is left of them, and how a full mesh is made."""

import pytest

from mesh.errors import ConfigError
from sim.regions import RegionMatrix
from sim.topology import Graph, Link
from sim.topology.graph import full_mesh, linked

MATRIX = RegionMatrix(("eu", "us"), {("eu", "us"): 90_000}, 500)
REGIONS = {"ana": "eu", "ben": "eu", "cy": "us"}
FULL = (Link("ana", "ben", 500), Link("ana", "cy", 90_000), Link("ben", "cy", 90_000))


def test_a_full_mesh_has_the_round_trips_of_its_regions() -> None:
    assert full_mesh(REGIONS, MATRIX) == Graph(REGIONS, FULL)
    assert full_mesh(REGIONS, MATRIX, 1_000).links[0] == Link("ana", "ben", 500, 1_000)


def test_links_may_be_named_either_way_round() -> None:
    assert linked(REGIONS, [("cy", "ana")], MATRIX) == Graph(REGIONS, (Link("ana", "cy", 90_000),))


def test_what_is_left_when_nodes_or_links_are_lost() -> None:
    full = Graph(REGIONS, FULL)

    assert full.without(nodes=["ana"]) == Graph({"ben": "eu", "cy": "us"}, FULL[2:])
    assert full.without(links=[("ana", "ben")]) == Graph(REGIONS, FULL[1:])
    assert full.without(nodes=["ana", "ben", "cy"]) is None


def test_nodes_of_a_region_are_sorted() -> None:
    assert Graph({"b": "eu", "a": "eu", "c": "us"}, ()).nodes_of("eu") == ["a", "b"]


@pytest.mark.parametrize(
    ("regions", "links", "complaint"),
    [
        ({}, (), "a mesh has a node"),
        (REGIONS, (Link("ana", "dan", 1),), "no such node"),
        (REGIONS, (Link("ana", "ana", 1),), "two nodes"),
        (REGIONS, (Link("ben", "ana", 1),), "the lesser name first"),
        (REGIONS, (Link("ana", "ben", 1), Link("ana", "ben", 2)), "one link"),
        (REGIONS, (Link("ana", "ben", -1),), "a time and a rate"),
        (REGIONS, (Link("ana", "ben", 1, 0),), "a time and a rate"),
    ],
)
def test_what_makes_no_sense_is_refused(regions: dict[str, str], links: tuple[Link, ...], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Graph(regions, links)
