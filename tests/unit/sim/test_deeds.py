"""`fault/VERB` counts what happened to a world, not what was tried; and the gates ask for all that a scenario names."""

from typing import Any

import pytest

from sim.gates import gates_of
from sim.heap import Play
from sim.scenario.events import VERBS
from sim.scenario.model import Scenario
from sim.sweep import Tally, sweep
from tests.sweep_samples import Here, scenario

BETWEEN = [["ana"], ["ben"]]


def four(*timeline: dict[str, Any], **changed: Any) -> Scenario:
    """Four nodes, two clients of the first two, and messages from the beginning."""
    tables = {
        "title": "Four nodes",
        "promise": "They agree.",
        "duration": "6s",
        "topology": {"node": [{"name": name} for name in ("ana", "ben", "cy", "dee")]},
        "client": [{"name": "app", "count": 2, "at": ["ana", "ben"], "subscribe": [{}]}],
        "workload": [{"rate": 10, "until": "2s"}],
        "timeline": list(timeline),
    }
    return Scenario.model_validate({**tables, **changed})  # not all of it would make sense in a file


def counted(what: Scenario) -> dict[str, int]:
    coverage = Play(what, 1).run().coverage
    return {label: count for label, count in coverage.items() if label.startswith(("fault/", "timeline/"))}


HAPPENS: dict[str, list[dict[str, Any]]] = {
    "partition": [{"at": "3s", "partition": BETWEEN}],
    "clog": [{"at": "3s", "clog": BETWEEN}],
    "one-way": [{"at": "3s", "one-way": {"from": ["ana"], "to": ["ben"]}}],
    "isolate": [{"at": "3s", "isolate": ["cy"]}],
    "ring": [{"at": "3s", "ring": ["*"]}],
    "swizzle": [{"at": "3s", "swizzle": ["ana"], "for": "2s"}],
    "flap": [{"at": "3s", "flap": {"between": BETWEEN, "up": "100ms", "down": "100ms", "times": 3}}],
    "link": [{"at": "3s", "link": {"between": BETWEEN, "extra": "50ms"}}],
    "misdiscover": [{"at": "3s", "misdiscover": {"nodes": ["*"], "who": "ana", "at": "ben"}}],
    "rebind": [{"at": "3s", "rebind": ["ana"]}],
    "crash": [{"at": "3s", "crash": ["ben"], "for": "1s"}],
    "restart": [{"at": "3s", "restart": ["ben"]}],
    "crash-loop": [{"at": "3s", "crash-loop": {"node": "ben", "times": 3}}],
    "pause": [{"at": "3s", "pause": ["ben"], "for": "1s"}],
    "slow-cpu": [{"at": "3s", "slow-cpu": {"nodes": ["ben"]}, "for": "1s"}],
    "drain": [{"at": "3s", "drain": ["ben"], "for": "1s"}],
    "full-disk": [{"at": "3s", "full-disk": ["ben"], "for": "1s"}],
    "slow-disk": [{"at": "3s", "slow-disk": {"nodes": ["ben"]}, "for": "1s"}],
    "io-error": [{"at": "3s", "io-error": ["ben"], "for": "1s"}],
    "fsync-fails": [{"at": "3s", "fsync-fails": ["ben"], "for": "1s"}],
    "fsync-lies": [{"at": "3s", "fsync-lies": ["ben"], "for": "1s"}],
    "bit-rot": [{"at": "3s", "bit-rot": {"nodes": ["ben"]}}],
    "misdirect": [{"at": "3s", "misdirect": ["ben"]}],
    "snapshot": [{"at": "3s", "snapshot": {"node": "ben"}}],
    "restore": [{"at": "3s", "snapshot": {"node": "ben"}}, {"at": "4s", "restore": {"node": "ben"}}],
    "wipe": [{"at": "4s", "wipe": ["ben"], "for": "1s"}],
    "scrub": [{"at": "3s", "scrub": ["ben"]}],
    "clock": [{"at": "3s", "clock": {"nodes": ["ben"], "offset": "1h"}, "for": "1s"}],
    "drop-client": [{"at": "3s", "drop-client": ["app-1"]}],
    "offline": [{"at": "3s", "offline": ["app-1"], "for": "1s"}],
    "move-client": [{"at": "3s", "move-client": {"client": ["app-1"], "to": ["cy"]}}],
    "kill-client": [{"at": "3s", "kill-client": ["app-1"]}],
    "give-up": [
        {"at": "2s", "for": "4s", "isolate": ["cy"]},
        {"at": "2500ms", "move-client": {"client": ["app-1"], "to": ["cy"]}},
        {"at": "3s", "publish": {"client": ["app-1"], "channel": "room/1", "copies": 2}},
        {"at": "4s", "give-up": ["app-1"]},
    ],
    "stop-reading": [{"at": "3s", "stop-reading": ["app-1"], "for": "1s"}],
    "subscribe": [{"at": "3s", "subscribe": {"client": ["app-1"], "to": ["#"]}}],
    "unsubscribe": [{"at": "3s", "unsubscribe": {"client": ["app-*"], "to": ["#"]}}],
    "read-history": [{"at": "3s", "read-history": {"client": ["app-1"]}}],
    "publish": [{"at": "3s", "publish": {"client": ["app-1"], "channel": "room/1"}}],
    "hostile": [{"at": "1s", "hostile": {"node": "ben", "does": "flood", "share": "100%"}, "for": "4s"}],
    "hostile-client": [{"at": "3s", "hostile-client": {"gateways": ["ben"], "does": "silent"}}],
}


def test_every_verb_is_looked_at() -> None:
    assert list(HAPPENS) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_what_happens_counts_once(verb: str) -> None:
    found = counted(four(*HAPPENS[verb]))

    assert (found[f"fault/{verb}"], found[f"timeline/{len(HAPPENS[verb])}"]) == (1, 1)


DEAD = {"at": "2500ms", "crash": ["ben"]}
AWAY = {"at": "2500ms", "offline": ["app-1"]}
ON_THE_DEAD = {
    "restart", "crash", "crash-loop", "pause", "slow-cpu", "drain", "full-disk", "slow-disk", "io-error", "fsync-fails",
    "fsync-lies", "scrub", "clock", "hostile", "hostile-client",
}  # fmt: skip


@pytest.mark.parametrize("verb", sorted(ON_THE_DEAD))
def test_what_is_done_to_a_dead_node_does_not_count(verb: str) -> None:
    (event,) = HAPPENS[verb]
    while_dead = {**event, "at": "3s"}

    found = counted(four(DEAD, while_dead))

    assert "timeline/2" not in found
    assert found.get(f"fault/{verb}", 0) == (verb == "crash")


@pytest.mark.parametrize("verb", ["slow-cpu", "full-disk", "slow-disk", "io-error", "fsync-lies", "clock"])
def test_a_fault_that_outlasts_the_death_of_its_node_is_felt_in_the_end(verb: str) -> None:
    (event,) = HAPPENS[verb]

    assert counted(four({**DEAD, "for": "1s"}, {**event, "at": "3s", "for": "2s"}))["timeline/2"] == 1


NOTHING: dict[str, tuple[Scenario, int]] = {
    "a restore without an image": (four({"at": "3s", "restore": {"node": "ben"}}), 1),
    "a restore of another's image": (
        four({"at": "2s", "snapshot": {"node": "ana"}}, {"at": "3s", "restore": {"node": "ben"}}), 2),
    "a wipe of the last good copy": (
        four({"at": "1s", "isolate": ["ana"]}, {"at": "3s", "wipe": ["ana"], "for": "1s"}), 2),
    "a restore that would lose the last good copy": (
        four({"at": "10ms", "snapshot": {"node": "ana"}}, {"at": "20ms", "isolate": ["ana"]},
             {"at": "3s", "restore": {"node": "ana"}}), 3),
    "damage to an empty disk": (four({"at": "1s", "bit-rot": {"nodes": ["ben"]}}, workload=[]), 1),
    "a misdirected write on an empty disk": (four({"at": "1s", "misdirect": ["ben"]}, workload=[]), 1),
    "a cut where no way is": (
        four({"at": "3s", "partition": [["ben"], ["cy"]]}, topology={
            "links": "star", "node": [{"name": name} for name in ("ana", "ben", "cy", "dee")]}), 1),
    "a cut of what is cut": (four({"at": "2s", "partition": BETWEEN}, {"at": "3s", "clog": BETWEEN, "for": "1s"},
                                  {"at": "3s", "one-way": {"from": ["ana"], "to": ["ben"]}}), 3),
    "a link that changes in nothing": (four({"at": "3s", "link": {"between": BETWEEN, "extra": "0s"}}), 1),
    "a clock that is right": (four({"at": "3s", "clock": {"nodes": ["ben"]}, "for": "1s"}), 1),
    "a disk that is slower by nothing": (
        four({"at": "3s", "slow-disk": {"nodes": ["ben"], "by": "0s"}, "for": "1s"}), 1),
    "a connection that is lost already": (four(AWAY, {"at": "3s", "drop-client": ["app-1"]}), 2),
    "a tunnel in a tunnel": (four(AWAY, {"at": "3s", "offline": ["app-1"], "for": "1s"}), 2),
    "a move to where nobody goes": (
        four(AWAY, {"at": "3s", "move-client": {"client": ["app-1"], "to": ["ana"]}}), 2),
    "one who stops to read who does not": (
        four({"at": "2s", "stop-reading": ["app-1"]}, {"at": "3s", "stop-reading": ["app-1"]}), 2),
    "a subscription that nobody has": (
        four({"at": "2s", "unsubscribe": {"client": ["app-1"], "to": ["room/1"]}}), 1),
    "one that was left already": (
        four(*[{"at": at, "unsubscribe": {"client": ["app-1"], "to": ["#"]}} for at in ("2s", "3s")]), 2),
    "a ninth reading at once": (
        four({"at": "1s", "slow-disk": {"nodes": "*", "by": "1s"}},
             *[{"at": f"{at}ms", "read-history": {"client": ["app-1"]}} for at in range(3_000, 3_009)]), 10),
    "a pause in a pause": (four({"at": "2s", "pause": ["ben"]}, {"at": "3s", "pause": ["ben"], "for": "1s"}), 2),
    "a node alone that nobody linked": (
        four({"at": "3s", "rebind": ["ana"]}, {"at": "3s", "isolate": ["ana"]}, topology={"node": [{"name": "ana"}]},
             client=[{"name": "app", "count": 2, "subscribe": [{}]}]), 2),
    "what comes after the end": (four({"at": "4h", "crash": ["ben"]}), 1),
    "a host that withholds where there is nothing": (
        four({"at": "1s", "hostile": {"node": "ben", "does": "withhold", "share": "100%"}, "for": "1s"},
             workload=[]), 1),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTHING)
def test_what_changes_nothing_does_not_count(case: str) -> None:
    what, number = NOTHING[case]

    assert f"timeline/{number}" not in counted(what)


def test_a_condition_that_nobody_would_feel_leaves_the_network_as_it_was() -> None:
    """Looking whether it would be felt changes nothing: the trace is that of the run without the question."""
    play = Play(four(), 1)
    world = play.world
    world.cut(["ana"], ["ben"])
    (condition,) = world.network.conditions
    paths = {pair: repr(path) for pair, path in world.network.paths.items()}

    assert not world.network.would_feel(condition)
    assert world.network.conditions == [condition]
    assert {pair: repr(path) for pair, path in world.network.paths.items()} == paths


# --- gates ---------------------------------------------------------------------------------------------------------------


def shut(what: Scenario) -> list[str]:
    return sweep(what, range(2), Here()).shut()


def test_a_fault_of_the_timeline_that_never_fired_shuts_the_gate() -> None:
    events = ({"at": "3s", "crash": ["ben"], "for": "1s"}, {"at": "3s", "restore": {"node": "cy", "name": "noon"}})

    assert shut(four(*events)) == ["timeline/2: restore node=cy name=noon, at 3s, never did anything"]


def test_each_event_of_the_timeline_has_to_fire_for_itself() -> None:
    events = ({"at": "3s", "crash": ["ben"]}, {"at": "4s", "crash": ["ben"]}, {"at": "3s", "crash": ["ben"]})

    assert shut(four(*events)) == [
        "timeline/2: crash ben, at 4s, never did anything",
        "timeline/3: crash ben, at 3s, never did anything",
    ]


def test_equal_events_are_each_seen_and_asked_for() -> None:
    again = {"at": "3s", "publish": {"client": "app-1", "channel": "room/1"}}
    dead = {"at": "4s", "crash": ["ben"]}

    assert counted(four(again, again, dead, again)) == {
        "fault/publish": 3, "fault/crash": 1, "timeline/1": 1, "timeline/2": 1, "timeline/3": 1, "timeline/4": 1,
    }  # fmt: skip
    assert Play(four(again, again, guarantees={"see": ["timeline/1"]}), 1).run().is_kept
    assert [label for label in gates_of(four(dead, dead)) if "timeline" in label] == ["timeline/1", "timeline/2"]
    assert shut(four(dead, dead)) == ["timeline/2: crash ben, at 4s, never did anything"]


def test_a_drawn_fault_that_came_to_nothing_shuts_the_gate() -> None:
    what = four(random={"every": "500ms", "faults": ["restore"], "quiet": 0})

    assert shut(what) == ["fault/restore: a fault of the scenario was never done"]


def test_every_promise_that_is_stated_has_a_gate() -> None:
    always = {
        f"promise/{name}"
        for name in (
            "available", "durable before acknowledged", "nothing lost", "nothing invented", "once", "in order",
            "honest about gaps", "converges", "quiet",
        )
    }  # fmt: skip

    def stated(**changed: Any) -> set[str]:
        return {label for label in Tally(scenario(**changed)).gates() if label.startswith("promise/")} - always

    assert Tally(scenario()).gates().keys() >= always
    assert stated() == set()
    assert stated(workload=[{"ttl": "1s"}]) == {"promise/stays dead"}
    assert stated(workload=[{"ttl": "1h"}]) == set()
    publish = {"client": ["app-1"], "channel": "room/1", "ttl": "1s"}
    assert stated(timeline=[{"at": "1s", "publish": publish}]) == {"promise/stays dead"}
    assert stated(guarantees={"dials": 5}) == {"promise/bounds"}
    assert stated(guarantees={"isolated": True}) == {"promise/isolated"}
    assert stated(guarantees={"see": ["frame/Push"]}) == {"promise/bounds"}
    assert stated(guarantees={"never": ["frame/Busy"]}) == {"promise/bounds"}


def test_a_promise_that_nobody_looked_at_shuts_the_gate() -> None:
    silent = scenario(client=[{"name": "app"}])

    assert "promise/once: once was never looked at" in shut(silent)
    assert "promise/honest about gaps: honest about gaps was never looked at" in shut(silent)
