"""What a seed draws: links where they are few, what bad hosts do, and who reads the past when."""

from collections import Counter
from typing import Any

import pytest

from sim.contract import hops
from sim.errors import ScenarioError
from sim.scenario.building import linked
from sim.scenario.cast import Cast
from sim.scenario.drawing import draw_fault
from sim.scenario.events import VERBS, Event, UnsubscribeFrom
from sim.scenario.model import Scenario
from sim.scenario.plan import Say, plan
from sim.scenario.reading import from_tables
from sim.tape import Tape
from sim.topology import Graph
from sim.topology.graph import link

SEEDS = 200


def five(links: str = "sparse", **random: Any) -> Scenario:
    tables: dict[str, Any] = {"title": "Five", "promise": "All.", "topology": {"node": [{"name": "n", "count": 5}]}}
    tables["topology"]["links"] = links
    return from_tables(tables | ({"random": random} if random else {}))


# --- links -----------------------------------------------------------------------------------------------------------


def drawn(seed: int) -> list[tuple[str, str]]:
    return linked(Cast(five()), Tape().stream(b"%d" % seed, "test"))


def test_few_links_join_all_nodes_and_make_one_ring_at_most() -> None:
    names = list(Cast(five()).nodes)

    for seed in range(SEEDS):
        pairs = drawn(seed)
        graph = Graph(dict.fromkeys(names, "eu"), tuple(link(one, other, 0) for one, other in pairs))
        assert len(graph.parts()) == 1
        assert len(pairs) in (4, 5)


def test_few_links_are_a_star_a_line_or_a_ring_in_some_seeds_each_and_the_same_for_the_same_seed() -> None:
    names = list(Cast(five()).nodes)
    shapes: Counter[str] = Counter()
    for seed in range(SEEDS):
        pairs = drawn(seed)
        degrees = sorted(sum(name in pair for pair in pairs) for name in names)
        shapes["more"] += len(pairs) == 5
        shapes["star"] += degrees == [1, 1, 1, 1, 4]
        shapes["line"] += len(pairs) == 4 and hops(names, pairs) == 4
        shapes["ring"] += degrees == [2] * 5

    assert set(shapes) == {"more", "star", "line", "ring"} and min(shapes.values()) > 0
    assert SEEDS // 3 < shapes["more"] < SEEDS * 2 // 3
    assert drawn(3) == drawn(3) != drawn(4)


def test_who_may_leave_a_subscription_is_drawn_and_nobody_leaves_where_there_are_no_clients() -> None:
    tables: dict[str, Any] = {"title": "t", "promise": "p", "topology": {"node": [{"name": "n"}]}}
    tables["random"] = {"faults": ["unsubscribe"], "quiet": 0}
    rng = Tape().stream(b"left", "test")

    def event(**more: Any) -> Event | None:
        cast = Cast(from_tables(tables | more))
        assert cast.scenario.random is not None
        return draw_fault(cast, cast.scenario.random, 7, rng)

    assert event(client=[{"name": "app"}]) == Event(at=7, unsubscribe=UnsubscribeFrom(client=("app",), to=("#",)))
    assert event() is None


def test_who_reads_the_past_and_how_is_drawn_and_nobody_reads_where_there_are_no_clients() -> None:
    tables: dict[str, Any] = {"title": "t", "promise": "p", "topology": {"node": [{"name": "n"}]}}
    tables["random"] = {"faults": ["read-history"], "quiet": 0}
    rng = Tape().stream(b"read", "test")

    def event(**more: Any) -> Event | None:
        cast = Cast(from_tables(tables | more))
        assert cast.scenario.random is not None
        return draw_fault(cast, cast.scenario.random, 7, rng)

    drawn = [found.read_history for _ in range(40) if (found := event(client=[{"name": "app"}])) is not None]

    assert len(drawn) == 40 and all(each is not None and each.client == ("app",) for each in drawn)
    assert {each.backwards for each in drawn if each is not None} == {False, True}
    pages = [each.page for each in drawn if each is not None]
    assert 10 <= min(pages) < 20 and 50 <= max(pages) < 60
    assert event() is None


def test_who_reads_the_past_again_and_again_does_so_at_a_beat_of_its_own_and_disturbs_nobody() -> None:
    tables: dict[str, Any] = {"title": "t", "promise": "p", "duration": "10s", "topology": {"node": [{"name": "n"}]}}
    tables |= {"client": [{"name": "app", "count": 2}], "workload": [{"rate": 5}]}
    silent = from_tables(tables)
    tables["client"] = [{"name": "app", "count": 2, "history": [{"every": "3s", "page": 7}, {"backwards": True}]}]
    reads = from_tables(tables)

    steps, without = (plan(each, Cast(each), Tape().stream(b"7", "test")) for each in (reads, silent))

    found: dict[tuple[str, bool], list[Event]] = {}
    for step in steps:
        if isinstance(step, Event) and step.read_history is not None:
            what = step.read_history
            found.setdefault((what.client[0], what.backwards), []).append(step)
            assert (what.to, what.page) == (("#",), 50 if what.backwards else 7)
    assert set(found) == {(name, back) for name in ("app-1", "app-2") for back in (False, True)}
    for (_, back), events in found.items():
        every = 2_000_000 if back else 3_000_000
        assert [event.at - events[0].at for event in events] == [every * n for n in range(len(events))]
        assert events[0].at < every and events[-1].at + every >= 10_000_000
    assert len({events[0].at for events in found.values()}) == 4
    said = [[(say.at, say.client) for say in each if isinstance(say, Say)] for each in (steps, without)]
    assert said[0] == said[1]


def test_times_are_those_of_each_reading() -> None:
    tables: dict[str, Any] = {"title": "t", "promise": "p", "duration": "4s", "topology": {"node": [{"name": "n"}]}}
    tables["client"] = [{"name": "app", "history": [{"since": "3s", "until": "500ms"}]}]
    scenario = from_tables(tables)

    steps = [step for step in plan(scenario, Cast(scenario), Tape().stream(b"7", "test")) if isinstance(step, Event)]

    times = {(step.read_history.since, step.read_history.until) for step in steps if step.read_history is not None}
    assert times == {(3_000_000, 500_000)}


def test_each_reads_what_is_its_own() -> None:
    tables: dict[str, Any] = {"title": "t", "promise": "p", "duration": "4s", "topology": {"node": [{"name": "n"}]}}
    own = {"name": "app", "count": 2, "history": [{"to": ["room/{client}", "all"]}]}
    scenario = from_tables({**tables, "client": [own]})

    steps = [step for step in plan(scenario, Cast(scenario), Tape().stream(b"7", "test")) if isinstance(step, Event)]

    read = {(step.read_history.client, step.read_history.to) for step in steps if step.read_history is not None}
    assert read == {((name,), (f"room/{name}", "all")) for name in ("app-1", "app-2")}
    own["history"] = [{"to": "room/{n}"}]
    with pytest.raises(ScenarioError, match=r"only \{client\} may stand in braces"):
        from_tables({**tables, "client": [own]})


def test_two_nodes_have_one_link() -> None:
    two = Cast(
        from_tables(
            {"title": "T", "promise": "P.", "topology": {"node": [{"name": "n", "count": 2}], "links": "sparse"}}
        )
    )

    assert {len(linked(two, Tape().stream(b"%d" % seed, "test"))) for seed in range(20)} == {1}


# --- deeds -----------------------------------------------------------------------------------------------------------


def done(scenario: Scenario) -> set[str]:
    cast, rng = Cast(scenario), Tape().stream(b"deeds", "test")
    assert scenario.random is not None
    faults = [draw_fault(cast, scenario.random, 0, rng) for _ in range(SEEDS)]
    return {fault.hostile.does for fault in faults if fault is not None and fault.hostile is not None}


def test_hosts_do_what_is_named_and_else_all_that_does_something_whenever_it_is_drawn() -> None:
    hostile = {"faults": ["hostile"], "quiet": 0}

    assert done(five(**hostile, deeds=["deny", "past"])) == {"deny", "past"}
    assert done(five(**hostile)) == {
        "garble", "tamper", "replay", "withhold", "forget", "deny", "boast", "flood", "forge", "fork", "eclipse",
    }  # fmt: skip


@pytest.mark.parametrize("fault", ["meteor", "publish"])
def test_who_draws_what_is_never_drawn_is_told_what_can_be(fault: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        five(faults=[fault])

    can = caught.value.expected.removeprefix("some of ").split(", ")
    assert (can[0], set(VERBS) - set(can)) == ("partition", {"publish"})
