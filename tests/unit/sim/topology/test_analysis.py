"""The analysis on graphs that one can work out by hand: a line, a ring, a star, cliques with a bridge."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mesh.config import NodeConfig
from sim.greeting import HANDLED_US
from sim.topology import Graph, Link, Report, analyse
from sim.topology.analysis import Question
from sim.topology.graph import link
from sim.topology.report import Kind, Level, Loss, Span

RTT_US = 100_000


def graph(*pairs: str, regions: dict[str, str] | None = None, rate_bps: int | None = None) -> Graph:
    """Nodes are letters, links pairs of them; one region, if none are given."""
    names = {node: "eu" for pair in pairs for node in pair}
    return Graph(regions or names, tuple(link(pair[0], pair[1], RTT_US, rate_bps) for pair in pairs))


LINE = graph("ab", "bc", "cd")
RING = graph("ab", "bc", "cd", "ad")
STAR = graph("xa", "xb", "xc")
FULL = graph("ab", "ac", "bc")
CLIQUES = graph("ab", "ac", "bc", "cx", "xy", "xz", "yz")


def level(name: str, disks: int, regions: int, *, at: str, stays: bool = False) -> Level:
    return Level(name, bool(at), disks, regions, stays, tuple(at))


def splitting(report: Report, kind: Kind) -> list[tuple[str, ...]]:
    return [loss.what for loss in report.splitting if loss.kind is kind]


@pytest.mark.parametrize(
    ("mesh", "cut_nodes", "cut_links", "hops"),
    [
        (LINE, ("b", "c"), ("a – b", "b – c", "c – d"), 3),
        (RING, (), (), 2),
        (STAR, ("x",), ("a – x", "b – x", "c – x"), 2),
        (FULL, (), (), 1),
        (CLIQUES, ("c", "x"), ("c – x",), 3),
    ],
)
def test_cut_nodes_cut_links_and_diameters(
    mesh: Graph, cut_nodes: tuple[str, ...], cut_links: tuple[str, ...], hops: int
) -> None:
    found = analyse(mesh)

    assert (found.connected, found.cut_nodes, found.cut_links) == (True, cut_nodes, cut_links)
    assert (found.span.hops, found.span.round_trip_us) == (hops, hops * RTT_US)
    assert splitting(found, Kind.NODE) == [(node,) for node in cut_nodes]
    assert splitting(found, Kind.LINK) == [(name,) for name in cut_links]


@pytest.mark.parametrize(
    ("mesh", "least_nodes", "least_links"),
    [(LINE, 1, 1), (RING, 2, 2), (FULL, None, 2), (CLIQUES, 1, 1)],
)
def test_the_least_that_splits_a_mesh(mesh: Graph, least_nodes: int | None, least_links: int) -> None:
    found = analyse(mesh)

    assert (None if found.least_nodes is None else len(found.least_nodes)) == least_nodes
    assert found.least_links is not None and len(found.least_links) == least_links


def test_two_links_that_split_a_ring_are_any_two() -> None:
    names = ("a – b", "a – d", "b – c", "c – d")

    assert splitting(analyse(RING), Kind.LINKS) == [
        (one, other) for index, one in enumerate(names) for other in names[index + 1 :]
    ]


def test_two_links_are_not_told_where_one_of_them_splits_alone() -> None:
    assert splitting(analyse(LINE), Kind.LINKS) == []
    assert splitting(analyse(CLIQUES), Kind.LINKS) == [
        ("a – b", "a – c"),
        ("a – b", "b – c"),
        ("a – c", "b – c"),
        ("x – y", "x – z"),
        ("x – y", "y – z"),
        ("x – z", "y – z"),
    ]


def test_what_is_left_of_a_split_is_told_the_largest_part_first() -> None:
    (loss,) = [loss for loss in analyse(LINE).losses if loss.what == ("b",)]

    assert loss == Loss(Kind.NODE, ("b",), (("c", "d"), ("a",)), Span())


def test_distances_after_a_loss_that_does_not_split_are_told() -> None:
    (loss,) = [loss for loss in analyse(RING).losses if loss.what == ("a – b",)]

    assert (loss.splits, loss.span.hops, loss.span.round_trip_us) == (False, 3, 3 * RTT_US)


def test_the_loss_of_a_region_takes_all_its_nodes() -> None:
    regions = {"a": "eu", "b": "us", "c": "us", "d": "ap"}

    found = analyse(graph("ab", "bc", "cd", "ac", "bd", regions=regions))

    assert splitting(found, Kind.REGION) == [("us",)]
    assert found.cut_nodes == ()


def test_a_mesh_in_parts_is_told_and_has_no_distances() -> None:
    found = analyse(Graph({"a": "eu", "b": "eu", "c": "us"}, (Link("a", "b", RTT_US),)))

    assert (found.connected, found.parts) == (False, (("a", "b"), ("c",)))
    assert (found.span, found.least_nodes, found.least_links) == (Span(), None, None)


def test_a_node_alone_is_a_mesh_of_which_nothing_is_left() -> None:
    found = analyse(Graph({"a": "eu"}, ()))

    assert (found.span, found.cut_nodes, found.least_nodes, found.least_links) == (Span(0, 0, 0, 0), (), None, None)
    assert [(loss.kind, loss.parts) for loss in found.losses] == [(Kind.NODE, ()), (Kind.REGION, ())]
    assert found.levels == (level("local", 0, 0, at="a"),)


def test_the_bound_is_that_of_the_contract() -> None:
    config = NodeConfig()
    near, far = (
        analyse(LINE).span,
        analyse(graph("ab", "bc", "cd", regions=dict(zip("abcd", "wxyz", strict=True)))).span,
    )

    hop_ms = config.links.alive_ms + 2 * RTT_US // 1_000
    assert near.bound_us == 3 * (hop_ms + 2 * config.dissemination.graft_near_ms) * 1_000 + 3 * RTT_US
    assert far.bound_us == 3 * (hop_ms + 2 * config.dissemination.graft_ms) * 1_000 + 3 * RTT_US
    assert near.redial_bound_us == near.bound_us + config.addresses.backoff_known_ms * 1_000
    assert far.redial_bound_us == far.bound_us + config.addresses.backoff_known_far_ms * 1_000


def test_each_dial_that_may_fail_has_its_time_after_a_redial() -> None:
    config = NodeConfig()
    sure, may_fail = (
        analyse(Graph(LINE.regions, (*LINE.links[:2], link("c", "d", RTT_US, failures=count)))) for count in (0, 2)
    )

    assert (sure.failing, may_fail.failing) == ((), (("c – d", 2),))
    assert (sure.span, may_fail.span.bound_us) == (analyse(LINE).span, sure.span.bound_us)
    assert sure.span.redial_bound_us is not None
    each_ms = config.addresses.backoff_known_ms + config.links.greeting_timeout_ms
    assert may_fail.span.redial_bound_us == sure.span.redial_bound_us + 2 * (each_ms * 1_000 + 3 * RTT_US)


def test_a_link_that_is_slower_than_a_greeting_is_waited_for_counts_for_nothing_and_is_told() -> None:
    config = NodeConfig()
    greeting_us = config.links.greeting_timeout_ms * 1_000
    slow = Graph(RING.regions, (*RING.links[:3], link("a", "d", greeting_us)))

    found = analyse(slow)

    assert found.never == ("a – d",)
    assert replace(found, never=()) == analyse(LINE)
    assert analyse(Graph(RING.regions, (*RING.links[:3], link("a", "d", greeting_us - HANDLED_US - 1)))).never == ()
    patient = replace(config, links=replace(config.links, greeting_timeout_ms=greeting_us // 1_000 + 2))
    assert analyse(slow, Question(patient)).never == ()
    alone = analyse(Graph({"a": "eu", "b": "eu"}, (link("a", "b", greeting_us),)))
    assert (alone.connected, alone.span, alone.to_json()["never"]) == (False, Span(), ("a – b",))


def test_a_backlog_takes_its_time_at_half_the_bottleneck() -> None:
    without = analyse(graph("ab", rate_bps=8_000_000)).span
    one_mb = analyse(graph("ab", rate_bps=8_000_000), Question(NodeConfig(), backlog_bytes=1_000_000)).span
    unbounded, credited = (
        analyse(graph("ab"), Question(NodeConfig(), backlog_bytes=count)).span.bound_us for count in (0, 40 << 20)
    )

    round_trip_us = graph("ab").links[0].rtt_us
    assert without.bound_us == unbounded is not None
    assert credited == unbounded + 40 * round_trip_us, "4 MiB may be under way, and a quarter of that is counted on"
    assert one_mb.bound_us == without.bound_us + 2_000_000


def test_durability_levels_say_what_they_survive_at_the_least() -> None:
    regions = {"a": "eu", "b": "eu", "c": "us"}

    found = analyse(graph("ab", "ac", "bc", regions=regions)).levels

    assert found == (
        level("local", 0, 0, at="abc", stays=True),
        level("copies:2", 1, 0, at="abc"),
        level("copies:3", 2, 1, at="abc"),
        level("regions:2", 1, 1, at="abc"),
    )


def test_copies_stay_reachable_where_every_single_loss_leaves_enough() -> None:
    regions = {"a": "eu", "b": "us", "c": "ap"}

    assert analyse(graph("ab", "ac", "bc", regions=regions)).levels[1] == level("copies:2", 1, 1, at="abc", stays=True)


def test_a_level_that_no_part_can_reach_is_told() -> None:
    found = analyse(Graph({"a": "eu", "b": "us"}, ())).levels

    assert found[1:] == (
        level("copies:2", 1, 1, at=""),
        level("regions:2", 1, 1, at=""),
    )


def test_a_level_is_told_by_nodes_that_are_linked_with_enough_others() -> None:
    regions = {"a": "eu", "b": "us", "c": "us", "d": "ap"}

    found = analyse(graph("ab", "bc", "cd", regions=regions)).levels

    assert [(each.name, each.at) for each in found] == [
        ("local", ("a", "b", "c", "d")),
        ("copies:2", ("a", "b", "c", "d")),
        ("copies:3", ("b", "c")),
        ("copies:4", ()),
        ("regions:2", ("a", "b", "c", "d")),
        ("regions:3", ()),
    ]


def test_a_level_stays_only_if_the_loss_of_any_link_leaves_somebody_who_can_be_told() -> None:
    star, ring = analyse(STAR).levels, analyse(RING).levels

    assert star[3] == level("copies:4", 3, 0, at="x")
    assert ring[2] == level("copies:3", 2, 0, at="abcd")  # of a ring without one node, all are of two links or fewer
    assert ring[1] == level("copies:2", 1, 0, at="abcd")  # the only region of all is lost


def test_many_levels_are_told_up_to_five_and_the_most() -> None:
    nodes = "abcdefgh"
    pairs = [one + other for index, one in enumerate(nodes) for other in nodes[index + 1 :]]

    names = [each.name for each in analyse(graph(*pairs)).levels]
    assert names == ["local", "copies:2", "copies:3", "copies:4", "copies:5", "copies:8"]


def test_the_order_of_hashes_decides_nothing(tmp_path: Path) -> None:
    names = [f"node-{number}" for number in range(9)]
    links = "".join(
        f'[[link]]\nbetween = ["{a}", "{b}"]\nrtt = 9\n' for a, b in zip(names, names[1:] + names[:1], strict=True)
    )
    path = tmp_path / "ring.toml"
    path.write_text("[nodes]\n" + "".join(f'{name} = "eu"\n' for name in names) + links)
    program = "from gossamer.command import main; main()"

    told = {
        subprocess.run(
            [sys.executable, "-c", program, "sim", "topology", str(path), "--json"],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout
        for seed in "12345"
    }  # fmt: skip

    assert len(told) == 1
