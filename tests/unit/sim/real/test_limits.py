"""What the real engine cannot do is said by name, before anything starts."""

import re
from pathlib import Path
from typing import Any

import pytest

from sim.errors import SimError
from sim.real.limits import LINKS, VERBS, LimitError, check, durability_of, settings_of
from sim.real.stage import RealStage
from sim.scenario.events import Event
from sim.scenario.model import Scenario

BASE: dict[str, Any] = {
    "title": "a title",
    "promise": "a promise",
    "engines": ["heap", "real"],
    "topology": {"node": [{"name": "ana"}, {"name": "ben"}]},
}


def scenario(**changes: Any) -> Scenario:
    return Scenario.model_validate(BASE | changes)


def complaint(what: Scenario, *steps: Event, without: tuple[str, ...] = ()) -> str:
    with pytest.raises(SimError) as raised:
        check(what, steps, without)
    text = str(raised.value)
    assert text.startswith("the real engine cannot ")
    assert text.endswith("; play it with --engine heap")
    return text.removeprefix("the real engine cannot ").removesuffix("; play it with --engine heap")


def test_every_verb_that_is_offered_can_be_done() -> None:
    assert [verb for verb in VERBS if not hasattr(RealStage, f"_do_{verb.replace('-', '_')}")] == []


def test_the_page_that_errors_name_lists_all_that_can_be_done_and_nothing_else() -> None:
    page = Path(__file__).parents[4] / "docs/internals/testing.md"
    row = next(line for line in page.read_text().splitlines() if line.startswith("| verbs |"))

    assert re.findall("`([a-z-]+)`", row) == [
        *VERBS[: VERBS.index("link") + 1],
        *LINKS[1:],
        *VERBS[VERBS.index("link") + 1 :],
    ]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"bit-rot": {"nodes": ["ana"]}}, "play the verb bit-rot"),
        ({"clog": [["ana"], ["ben"]]}, "play the verb clog"),
        ({"clock": {"nodes": ["ana"]}}, "play the verb clock"),
        ({"unsubscribe": {"client": ["app"], "to": ["#"]}}, "play the verb unsubscribe"),
        ({"read-history": {"client": ["app"]}}, "play the verb read-history"),
        ({"subscribe": {"client": ["app"], "to": ["#"], "since": "5s"}}, "begin a subscription 5s ago"),
        ({"link": {"between": [["ana"], ["ben"]], "mtu": 1200}}, "change mtu of a link"),
        ({"link": {"between": [["ana"], ["ben"]], "latency": "1ms", "shape": "pareto"}}, "change shape of a link"),
    ],
)
def test_verb_that_real_processes_cannot_do_is_named(event: dict[str, Any], said: str) -> None:
    step = Event.model_validate({"at": 0, **event})

    assert complaint(scenario(), step) == said
    with pytest.raises(LimitError) as raised:
        check(scenario(timeline=[{"at": 0, "pause": "ana"}, {"at": 0, **event}]), (), ())
    assert raised.value.place[:3] == ("timeline", 1, step.verb)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engines": ["heap"]}, "play 'a title', whose engines are heap"),
        ({"core": "random"}, "choose a core (core = 'random')"),
        ({"config": {"links.alive-ms": 5}}, "set links.alive-ms, which daemons do not offer"),
        ({"client": [{"name": "app", "history": [{}]}]}, "read the past again and again"),
        ({"client": [{"name": "app", "uplink": "4g"}]}, "give clients the uplink 4g"),
        ({"topology": BASE["topology"] | {"links": "ring"}}, "keep nodes from linking with one another"),
        ({"topology": BASE["topology"] | {"shape": "pareto"}}, "draw delays of the shape pareto"),
        ({"topology": {"node": [{"name": "n", "count": 17}]}}, "run more than 16 nodes"),
        (
            {"topology": {"node": [{"name": "n", "profile": {"intake.record-bytes-max": 9_999}}]}},
            "give a node a profile of its own",
        ),
    ],
)
def test_setting_that_real_processes_cannot_have_is_named(changes: dict[str, Any], said: str) -> None:
    assert complaint(scenario(**changes)) == said


def test_safeguard_of_the_simulated_disk_cannot_be_turned_off() -> None:
    said = complaint(scenario(), without=("repair", "intervals-with-rows"))

    assert said == "turn off intervals-with-rows, which is the simulated disk's"


def test_level_that_the_sdk_does_not_offer_is_refused() -> None:
    works = scenario(workload=[{}, {"copies": [1, 3], "regions": [1, 2]}])
    asks = {"client": "app", "channel": "a", "copies": 3, "regions": 2}
    event = scenario(timeline=[{"at": 0, "publish": asks}])

    for what in (works, event):
        assert complaint(what) == "ask for 3 copies and 2 regions at once, which the SDK does not offer"
    check(scenario(workload=[{"copies": [2], "regions": [1, 2]}]), (), ())


@pytest.mark.parametrize(
    ("level", "said"), [((1, 1), "local"), ((3, 1), "copies:3"), ((2, 2), "regions:2"), ((1, 2), "regions:2")]
)
def test_level_is_said_as_the_sdk_takes_it(level: tuple[int, int], said: str) -> None:
    assert durability_of(*level) == said


def test_settings_that_daemons_have_become_their_environment() -> None:
    found = settings_of(scenario(config={"intake.ttl-default-ms": 60_000}))

    assert found == {"GOSSAMER_NODE_RETENTION_MS": "60000"}
