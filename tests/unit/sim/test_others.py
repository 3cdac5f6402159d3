"""Nodes outside the core of a run that are cut off together: they are left to themselves, and not out of sight."""

import re
from collections.abc import Callable

import pytest

from mesh.effects import Outcome, Send
from mesh.frames import Graft, NotFound, Want
from mesh.node import Node
from mesh.types import LinkId, Now
from sim.apart import Apart
from sim.checkers import Watch
from sim.contract import counted_by, parts
from sim.heap import Play
from sim.network import Network
from sim.scenario.reading import from_tables
from sim.units import MILLION
from sim.world import World
from tests.play_samples import instead

ANA_BEN_CY = [("ana", "eu"), ("ben", "eu"), ("cy", "us")]
CORE, NAMES = ["ana", "ben", "cy"], ["ana", "ben", "cy", "dan", "eve"]
REGIONS = ["eu", "us", "ap", "sa", "af"]


def played(*mutations: Callable[[Play], None], links: str = "full", **guarantees: str) -> Play:
    """Eve lacks what was published meanwhile when she is cut off together with dan, who has it; both go on running."""
    tables = {
        "title": "Two that are cut off together",
        "promise": "They are judged, too.",
        "duration": "8s",
        "core": CORE,
        "topology": {
            "latency": "100ms",
            "links": links,
            "node": [{"name": name, "region": region} for name, region in zip(NAMES, REGIONS, strict=True)],
        },
        "client": [{"name": "app", "count": 3, "at": CORE, "gateways": CORE, "subscribe": [{}]}],
        "workload": [{"rate": 5}],
        "timeline": [{"at": "3s", "for": "5s", "partition": [["eve"], NAMES[:4]]}],
        "guarantees": guarantees,
    }
    play = Play(from_tables(tables), 0)
    for mutation in mutations:
        play.world.at(4_000_000, mutation, play)
    play.run()
    assert all(play.world.machines[name].node for name in ("dan", "eve")), "this seed leaves one of them dead"
    return play


def told(play: Play) -> list[str]:
    return [f"{breach.promise}: {breach.about}" for breach in play.watch.breaches]


def node(play: Play, name: str) -> Node:
    found = play.world.machines[name].node
    assert found is not None
    return found


def dan_gives_nothing(play: Play) -> None:
    def ask(link: LinkId, frame: Graft | Want, _wall_ms: int) -> list[Outcome]:
        return [Send((link,), NotFound(frame.ranges))]

    instead(node(play, "dan").serving, "ask", ask)


def eve_asks_again_at_once(play: Play) -> None:
    def on_not_found(link: LinkId, frame: NotFound, _now: Now) -> list[Outcome]:
        return [Send((link,), Want(frame.ranges))]

    instead(node(play, "eve").repair, "on_not_found", on_not_found)


def ana_asks_for_what_she_has(play: Play) -> None:
    ana = node(play, "ana")
    on_alive_timer = ana.links.on_alive_timer

    def and_asks(now: Now) -> list[Outcome]:
        log = next(iter(ana.holdings.stored))
        return [*on_alive_timer(now), Send(tuple(ana.peers.links()), Graft(((log, 1, 1),)))]

    instead(ana.links, "on_alive_timer", and_asks)


def test_who_is_cut_off_together_becomes_equal_and_quiet() -> None:
    play = played()

    assert play._cut_off_together() == [["dan", "eve"]]
    assert play.world.converged(["dan", "eve"])
    assert told(play) == []


def test_a_storm_between_nodes_that_are_cut_off_together_is_seen() -> None:
    converges, quiet = told(played(dan_gives_nothing, eve_asks_again_at_once))

    assert converges == "converges: dan eve, cut off together, never had equal digests; the bound is 17.62 s"
    said = r"quiet: a converged mesh with nothing to do sent 1\d\d NotFound, 1\d\d Want within 10 s"
    assert re.fullmatch(said, quiet), quiet


def test_a_bound_of_a_scenario_goes_for_who_is_cut_off_together_too() -> None:
    converges, _ = told(played(dan_gives_nothing, eve_asks_again_at_once, **{"converge-late": "1m"}))

    assert converges == "converges: dan eve, cut off together, never had equal digests; the bound is 60.00 s"


@pytest.mark.parametrize(
    ("equal_s", "said"),
    [
        ((range(3, 99),), ""),
        ((range(3, 20), range(25, 99)), ""),
        ((range(6, 99),), "ana ben, cut off together, had equal digests too late; the bound is 4.00 s"),
        ((range(3, 20), range(60, 99)), "ana ben, cut off together, never had equal digests; the bound is 4.00 s"),
        ((), "ana ben, cut off together, never had equal digests; the bound is 4.00 s"),
    ],
)
def test_a_part_has_its_own_time_however_long_the_clients_of_the_core_take(
    equal_s: tuple[range, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(5, Network.even())
    watch = Watch(lambda: world.now_us)
    for name in ("ana", "ben"):
        world.add(name, "eu")
    monkeypatch.setattr(world, "converged", lambda _: any(world.now_us // MILLION in each for each in equal_s))
    apart = Apart(world, watch, [])
    apart.begin([["ana", "ben"]], lambda _: 4 * MILLION)
    for _ in range(20):
        world.run(1)
        apart.look()

    apart.judge([])

    assert [breach.about for breach in watch.breaches] == ([said] if said else [])


def test_the_core_has_to_be_quiet_also_while_others_differ() -> None:
    converges, quiet = told(played(dan_gives_nothing, ana_asks_for_what_she_has))

    assert converges.startswith("converges: dan eve, cut off together, ")
    assert quiet.startswith("quiet: a converged mesh with nothing to do sent 80 Graft, ")


def test_who_is_cut_off_alone_owes_nothing() -> None:
    alone = played(dan_gives_nothing, links="star")

    assert not alone.world.converged(["dan", "eve"])
    assert (alone._cut_off_together(), told(alone)) == ([], [])


def test_parts_are_told_in_the_order_of_the_nodes() -> None:
    pairs = [("ana", "cy"), ("dan", "eve"), ("cy", "zoe"), ("zoe", "ben")]

    assert parts(NAMES, pairs) == [["ana", "cy"], ["ben"], ["dan", "eve"]]
    assert parts([], pairs) == []


def test_a_node_counts_its_own_copy_and_those_of_whom_it_is_linked_with() -> None:
    line = [("ana", "ben"), ("ben", "cy")]

    assert counted_by("ana", ["ana", "ben", "cy"], line) == ["ana", "ben"]
    assert counted_by("ben", ["ana", "ben", "cy"], line) == ["ben", "ana", "cy"]
    assert counted_by("dan", ["ana", "ben"], line) == ["ana", "ben"], "its client is attached elsewhere"


def test_where_links_are_drawn_and_some_never_come_up_the_core_is_the_largest_part() -> None:
    tables = {
        "title": "Sparse", "promise": "p", "duration": "4s",
        "topology": {
            "links": "sparse",
            "node": [{"name": n, "region": r} for n, r in ANA_BEN_CY],
            "link": [{"between": ["ana", "cy"], "latency": "6s"}],
        },
        "client": [{"name": "app", "at": "ana", "gateways": "ana"}],
        "workload": [{"rate": 5}],
    }  # fmt: skip
    cores = set()
    for seed in range(16):
        play = Play(from_tables(tables), seed)
        outcome = play.run()
        assert outcome.breaches == []
        cores.add(tuple(play.core))

    assert cores == {("ana", "ben", "cy"), ("ana", "ben"), ("ben", "cy")}, "by which two of the three links are drawn"
