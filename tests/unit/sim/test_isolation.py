"""*Isolated*: who is hurt by a fault, who is not, and what a client that is not may feel of it."""

from typing import Any

import pytest

from sim.heap import Play
from sim.isolation import SAMPLES_MIN, any_wrong_alike, groups_of, hurt_by, right_clocks, steady_clocks, without_faults
from sim.scenario.cast import Cast
from sim.scenario.events import Event
from sim.scenario.reading import from_tables
from sim.units import MILLION

A_WHILE = {"at": "1s", "for": "20s"}


def tables(*timeline: dict[str, Any], **workload: Any) -> dict[str, Any]:
    """Two clients at each of two nodes, all of whom publish for twenty seconds and hear everything."""
    return {
        "title": "isolated",
        "promise": "A test.",
        "duration": "22s",
        "topology": {"latency": "10ms", "node": [{"name": "ana", "region": "eu"}, {"name": "ben", "region": "us"}]},
        "client": [
            {"name": "app", "count": 2, "at": "ana", "gateways": "ana", "subscribe": [{"to": "#"}]},
            {"name": "bot", "count": 2, "at": "ben", "gateways": "ben", "subscribe": [{"to": "#"}]},
        ],
        "workload": [{"rate": 30, **workload}],
        "timeline": list(timeline),
        "guarantees": {"isolated": True},
    }


def groups(*timeline: dict[str, Any]) -> dict[str, frozenset[str]]:
    scenario = from_tables(tables(*timeline))
    return groups_of(Cast(scenario), list(scenario.timeline))


def about(*timeline: dict[str, Any], **workload: Any) -> tuple[list[tuple[str, str]], int]:
    """What is broken, and how often the promise was looked at."""
    outcome = Play(from_tables(tables(*timeline, **workload)), 1).run()
    return [(breach.promise, breach.about) for breach in outcome.breaches], outcome.evaluated.get("isolated", 0)


@pytest.mark.parametrize(
    ("event", "nodes", "clients"),
    [
        ({"full-disk": "ana"}, {"ana"}, set()),
        ({"slow-disk": {"nodes": "b*", "by": "1s"}}, {"ben"}, set()),
        ({"hostile": {"node": "ben", "does": "flood"}}, {"ben"}, set()),
        ({"partition": [["ana"], ["ben"]]}, {"ana", "ben"}, set()),
        ({"one-way": {"from": "ana", "to": "ben"}}, {"ana", "ben"}, set()),
        ({"link": {"between": ["ana", "ben"], "extra": "1s"}}, {"ana", "ben"}, set()),
        ({"stop-reading": "app-*"}, set(), {"app-1", "app-2"}),
        ({"move-client": {"client": "bot-2", "to": "ben"}}, set(), {"bot-2"}),
        ({"hostile-client": {"gateways": "ana", "does": "huge"}}, set(), set()),
        ({"publish": {"client": "app-1", "channel": "room/1"}}, set(), set()),
    ],
)
def test_a_fault_hurts_those_whom_it_names(event: dict[str, Any], nodes: set[str], clients: set[str]) -> None:
    scenario = from_tables(tables({"at": "1s", **event}))

    hurt = hurt_by(Cast(scenario), list(scenario.timeline))

    assert (hurt.nodes, hurt.clients) == (nodes, clients)


@pytest.mark.parametrize(
    ("clocks", "right"),
    [
        ([], ["ana", "ben"]),
        ([{"nodes": "ana", "offset": "1h"}], ["ben"]),
        ([{"nodes": "ana", "offset": "1h"}, {"nodes": "ana", "offset": "1h"}], ["ben"]),
        ([{"nodes": "ana", "drift-ppm": 500}, {"nodes": "ana", "freeze": True}], ["ben"]),
        ([{"nodes": "*", "offset": "1h"}], []),
    ],
)
def test_no_wrong_clock_may_drag_along_who_is_right(clocks: list[dict[str, Any]], right: list[str]) -> None:
    scenario = from_tables(tables(*({**A_WHILE, "clock": clock} for clock in clocks)))

    assert right_clocks(Cast(scenario), scenario.timeline, 60 * MILLION) == right


def right_beside(**other: Any) -> list[str]:
    """Who has to be right beside one clock that is ten minutes ahead from second 1 to 21, and another that is wrong."""
    lasting = {name: other.pop(name) for name in ("at", "for") if name in other}
    wrong = (
        {**A_WHILE, "clock": {"nodes": "ana", "offset": "10m"}},
        {
            **A_WHILE,
            **lasting,
            "clock": {"nodes": "ben", **other},
        },
    )
    plain = tables(*wrong)
    plain["topology"]["node"].append({"name": "cy", "region": "ap"})
    plain["duration"] = "4000s"
    scenario = from_tables(plain)
    return right_clocks(Cast(scenario), scenario.timeline, 4_000 * MILLION)


@pytest.mark.parametrize(
    ("other", "right"),
    [
        ({"offset": "734s"}, []),
        ({"offset": "735s"}, ["cy"]),
        ({"offset": "466s"}, []),
        ({"offset": "465s"}, ["cy"]),
        ({"offset": "-10m"}, ["cy"]),
        ({"freeze": True}, ["cy"]),
        ({"offset": "10m", "at": "140s"}, []),  # what the first showed is remembered for a while
        ({"offset": "10m", "at": "142s"}, ["cy"]),
        ({"drift-ppm": 100_000}, ["cy"]),  # two seconds ahead in the end
        ({"drift-ppm": 100_000, "at": "20s", "for": "3970s"}, ["cy"]),
        ({"drift-ppm": 100_000, "offset": "300s", "at": "20s", "for": "3970s"}, []),
    ],
)
def test_but_for_two_that_are_wrong_alike(other: dict[str, Any], right: list[str]) -> None:
    assert right_beside(**other) == right


def clock(node: str, at: str, lasts: str, **wrong: Any) -> dict[str, Any]:
    return {"at": at, "for": lasts, "clock": {"nodes": node, **wrong}}


@pytest.mark.parametrize(
    ("faults", "right"),
    [
        # A clock that stands still falls back: to five minutes ahead here.
        ((clock("ana", "1s", "950s", offset="20m", freeze=True), clock("ben", "900s", "60s", offset="5m")), []),
        ((clock("ana", "1s", "100s", offset="20m", freeze=True), clock("ben", "100s", "60s", offset="5m")), ["cy"]),
        # Of faults that overlap on one node, what the inner one did lasts until the outer one ends.
        ((clock("ana", "1s", "20s", offset="10m"), clock("ben", "300s", "20s", offset="10m")), ["cy"]),
        (
            (
                clock("ana", "1s", "20s", offset="10m"),
                clock("ana", "5s", "250s", freeze=True),
                clock("ben", "300s", "20s", offset="10m"),
            ),
            [],
        ),
        # What drifted stays where it came to, and adds up.
        (
            tuple(clock(node, at, "29s", **{"drift-ppm": 100_000}) for node in ("ana", "ben") for at in ("1s", "100s")),
            ["cy"],
        ),
        (
            tuple(
                clock(node, at, "290s", **{"drift-ppm": 100_000}) for node in ("ana", "ben") for at in ("1s", "900s")
            ),
            [],
        ),
    ],
)
def test_a_clock_is_as_wrong_as_its_faults_make_it_together(
    faults: tuple[dict[str, Any], ...], right: list[str]
) -> None:
    plain = tables(*faults)
    plain["topology"]["node"].append({"name": "cy", "region": "ap"})
    plain["duration"] = "4000s"
    scenario = from_tables(plain)

    assert right_clocks(Cast(scenario), scenario.timeline, 4_000 * MILLION) == right


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(("offset", "alike"), [("600s", True), ("466s", True), ("465s", False)])
def test_clocks_of_two_nodes_may_agree_and_be_wrong_ahead_or_behind(offset: str, alike: bool, sign: str) -> None:
    clocks = [
        A_WHILE | {"clock": {"nodes": node, "offset": sign + by}} for node, by in (("ana", "600s"), ("ben", offset))
    ]
    scenario = from_tables(tables(*clocks))

    assert any_wrong_alike(Cast(scenario), scenario.timeline, 60 * MILLION) == alike


@pytest.mark.parametrize(
    ("pauses", "alike"), [((), False), (("60s", "60s"), True), (("100s",), False), (("101s",), True)]
)
def test_who_stands_still_remembers_for_as_long_what_clocks_showed(pauses: tuple[str, ...], alike: bool) -> None:
    steps = [clock("ana", "1s", "9s", offset="10m"), clock("ben", "230s", "9s", offset="10m")]
    steps += [{"at": "10s", "for": lasts, "pause": "ben"} for lasts in pauses]
    plain = tables(*steps)
    plain["topology"]["node"].append({"name": "cy", "region": "ap"})
    plain["duration"] = "4000s"
    scenario = from_tables(plain)

    assert any_wrong_alike(Cast(scenario), scenario.timeline, 4_000 * MILLION) == alike
    assert right_clocks(Cast(scenario), scenario.timeline, 4_000 * MILLION) == ([] if alike else ["cy"])


def test_two_that_are_wrong_by_less_than_a_clock_may_be_drag_nobody_far() -> None:
    clocks = [{**A_WHILE, "clock": {"nodes": node, "offset": "30s"}} for node in ("ana", "ben")]
    scenario = from_tables(tables(*clocks))

    assert right_clocks(Cast(scenario), scenario.timeline, 60 * MILLION) == []
    assert right_clocks(Cast(scenario), [], 60 * MILLION) == ["ana", "ben"]


def test_a_bad_host_stamps_as_it_likes_and_whoever_is_right_does_not() -> None:
    hostile = {**A_WHILE, "hostile": {"node": "ben", "does": "future"}}
    scenario = from_tables(tables(hostile))
    wrong = from_tables(tables(hostile, {**A_WHILE, "clock": {"nodes": "ana", "offset": "1h"}}))

    assert steady_clocks(Cast(scenario), scenario.timeline, 60 * MILLION) == {"ana"}
    assert steady_clocks(Cast(wrong), wrong.timeline, 60 * MILLION) == set()
    assert steady_clocks(Cast(scenario), [], 60 * MILLION) == {"ana", "ben"}


def test_who_shares_a_node_with_a_client_that_is_hurt_is_near_and_whoever_is_at_another_is_far() -> None:
    assert groups({"at": "1s", "stop-reading": "app-1"}) == {"near": {"app-2"}, "far": {"bot-1", "bot-2"}}
    assert groups({"at": "1s", "full-disk": "ana"}) == {"near": set(), "far": {"bot-1", "bot-2"}}
    strangers = {"at": "1s", "hostile-client": {"gateways": "ben", "does": "huge"}}
    assert groups(strangers) == {"near": {"bot-1", "bot-2"}, "far": {"app-1", "app-2"}}


def test_the_calm_run_is_what_clients_do_of_their_own_accord() -> None:
    said = {"at": "1s", "publish": {"client": "app-1", "channel": "room/1"}}
    left = {"at": "2s", "unsubscribe": {"client": "app-1", "to": "#"}}
    read = {"at": "3s", "read-history": {"client": "app-1"}}
    scenario = from_tables(tables({"at": "1s", "crash": "ana"}, said, left, read))

    kept = without_faults(scenario.timeline)

    assert [step.verb for step in kept if isinstance(step, Event)] == ["publish", "unsubscribe", "read-history"]
    assert not hurt_by(Cast(scenario), kept).clients


def test_a_slow_disk_hurts_its_own_clients_alone() -> None:
    breaches, looks = about({**A_WHILE, "slow-disk": {"nodes": "ana", "by": "500ms"}})

    assert breaches == []
    assert looks == 2


def test_clients_whose_messages_cross_a_slow_node_feel_it_and_that_is_said() -> None:
    made = tables({**A_WHILE, "slow-cpu": {"nodes": "mid", "factor": 500}})
    made["topology"]["node"].append({"name": "mid", "region": "ap"})
    made["topology"]["links"] = [["ana", "mid"], ["mid", "ben"]]

    outcome = Play(from_tables(made), 1).run()

    (breach,) = outcome.breaches
    assert breach.promise == "isolated"
    assert breach.about.startswith("p99 of delays of far clients is ")
    assert breach.about.endswith(" without the faults")
    assert breach.witness == ("slow-cpu nodes=mid factor=500 for 20s",)
    assert outcome.evaluated["isolated"] == 2


def test_of_too_few_messages_nothing_is_known_and_that_is_said() -> None:
    breaches, looks = about({**A_WHILE, "full-disk": "ana"}, rate=1)

    about_delays, about_waits = (text for _, text in breaches)
    assert about_delays.startswith(f"fewer than {SAMPLES_MIN} delays of far clients while something was wrong")
    assert about_waits.startswith(f"fewer than {SAMPLES_MIN} waits for a receipt of far clients")
    assert looks == 2


def test_faults_that_name_everybody_spare_nobody_and_that_is_said() -> None:
    breaches, looks = about({**A_WHILE, "slow-cpu": {"nodes": "*"}})

    assert breaches == [("isolated", "the faults name everybody, so that nobody is left whom they could spare")]
    assert looks == 0


def test_without_faults_there_is_nothing_to_compare() -> None:
    assert about() == ([], 0)
