"""The topology of a scenario is the one that its engine plays."""

from typing import Any

import pytest

from sim.contract import Backlog, budget, convergence_us
from sim.heap import Play
from sim.scenario.model import Scenario
from sim.scenario.reading import from_tables
from sim.topology import analyse
from sim.topology.played import graph_of, question_of


def scenario(core: str | list[str] = "all", **topology: Any) -> Scenario:
    """Two nodes in each of two regions."""
    nodes = [{"name": "ana", "region": "eu-west-1", "count": 2}, {"name": "ben", "region": "us-east-1", "count": 2}]
    return from_tables(
        {"title": "T", "promise": "It converges.", "core": core, "topology": {"node": nodes, **topology}}
    )


SHAPES = [
    {"links": "full"},
    {"links": "line", "latency": "45ms", "jitter": "5ms"},
    {"links": "ring", "matrix": "aws"},
    {"links": "star", "rate": "1Mbit/s"},
    {"links": "random", "degree": 2},
    {"links": "sparse"},
]


@pytest.mark.parametrize("topology", SHAPES, ids=lambda topology: topology["links"])
def test_what_is_analysed_is_what_is_played(topology: dict[str, Any]) -> None:
    played = Play(scenario(**topology), 7)

    graph = graph_of(played.scenario, 7)

    assert {each.pair for each in graph.links} == {tuple(sorted(pair)) for pair in played.pairs}
    assert graph.regions == {name: machine.region for name, machine in played.world.machines.items()}


@pytest.mark.parametrize("topology", SHAPES, ids=lambda topology: topology["links"])
def test_the_bound_is_the_one_that_the_engine_holds_the_mesh_to(topology: dict[str, Any]) -> None:
    played = Play(scenario(**topology), 7)
    everyone = list(played.world.machines)

    found = analyse(graph_of(played.scenario, 7), question_of(played.scenario, 50_000)).span

    held_to = convergence_us(
        played.cast, played.world.network, played.pairs, everyone, [played.config], Backlog(50_000)
    )
    assert found.redial_bound_us == held_to


def test_of_each_setting_that_of_the_slowest_node_counts() -> None:
    profiles: list[dict[str, object]] = [
        {"links.alive-ms": 20_000, "links.silent-ms": 30_000},
        {"links.credit-ahead-bytes": 2_229_248, "links.greeting-timeout-ms": 9_000},
        {"dissemination.graft-ms": 900, "addresses.backoff-known-far-ms": 40_000},
    ]
    nodes = [{"name": f"n{at}", "region": f"r{at}", "profile": each} for at, each in enumerate(profiles)]
    played = Play(scenario(node=nodes), 7)
    configs = [machine.config for machine in played.world.machines.values()]

    found = analyse(graph_of(played.scenario, 7), question_of(played.scenario, 50_000_000)).span

    held_to = convergence_us(
        played.cast, played.world.network, played.pairs, [*played.world.machines], configs, Backlog(50_000_000)
    )
    assert found.redial_bound_us == held_to > (20_000 + 2 * 900 + 40_000) * 1_000


def test_round_trips_come_from_the_matrix() -> None:
    found = {each.rtt_us for each in graph_of(scenario(links="line", matrix="aws", **{"local-latency": "1ms"})).links}

    assert found == {2_000, 69_622}


def test_the_seed_draws_random_links() -> None:
    nodes = [{"name": "n", "region": "eu", "count": 12}]
    drawn = from_tables(
        {"title": "T", "promise": "It converges.", "topology": {"node": nodes, "links": "random", "degree": 3}}
    )

    assert graph_of(drawn, 1) == graph_of(drawn, 1) != graph_of(drawn, 2)


LINE = {"links": "line", "node": [{"name": "n", "count": 4}]}
LEVELS = [
    LINE,
    {"links": "star", "node": [{"name": "n", "count": 7}]},
    {"links": "full", "node": [{"name": "a", "count": 2, "region": "eu"}, {"name": "b", "count": 5, "region": "us"}]},
    {
        "links": "line",
        "latency": "3s",
        "node": [
            {"name": name, "region": region} for name, region in (("a", "eu"), ("b", "eu"), ("c", "us"), ("d", "ap"))
        ],
    },
]


@pytest.mark.parametrize("topology", LEVELS, ids=("line", "star", "full", "too-slow"))
def test_a_run_says_of_levels_what_its_topology_says(topology: dict[str, Any]) -> None:
    core = ["a", "b"] if "latency" in topology else "all"  # the others are too far away
    played = Play(scenario(core, **topology), 7)

    told = budget(played.cast, played.world.network, played.pairs)

    found = analyse(graph_of(played.scenario, 7), question_of(played.scenario))
    assert list(told) == [level.name for level in found.levels]
    for level in found.levels:
        assert (told[level.name] == "can be told nowhere") == (not level.at)
        some = f"; can be told at {len(level.at)} of {found.nodes} nodes"
        assert told[level.name].endswith(some) == (0 < len(level.at) < found.nodes)


def test_a_run_says_what_each_level_survives_and_at_how_many_nodes_it_can_be_told() -> None:
    quiet = from_tables({"title": "T", "promise": "It converges.", "duration": "1s", "topology": LINE})

    outcome = Play(quiet, 0).run()

    assert outcome.budget == outcome.to_json()["budget"] == {
        "local": "the accepting node's disk has to survive",
        "copies:2": "any 1 of 4 disks may be lost",
        "copies:3": "any 2 of 4 disks may be lost; can be told at 2 of 4 nodes",
        "copies:4": "can be told nowhere",
    }  # fmt: skip
