from pathlib import Path

import pytest

from sim.heap import Play
from sim.safeguards import off
from sim.scenario.events import Event
from sim.scenario.reading import find, from_tables, read
from sim.scenario.writing import write
from sim.shrink import Shrinker, with_images


def test_a_failure_is_shrunk_to_what_it_takes_and_fails_again_from_its_file() -> None:
    scenario = read(find("halves")).model_copy(update={"duration": 40_000_000})
    with off("repair"):
        steps = Play(scenario, 0).run().steps
    told: list[str] = []

    small = Shrinker(scenario, 0, "nothing lost", ("repair",), told=told.append).run(steps)

    assert small is not None
    assert (small.before, small.events <= 4, len(small.scenario.topology.node) <= 3) == (len(steps), True, True)
    assert {event.verb for event in small.scenario.timeline} <= {"partition", "publish"}
    assert (small.scenario.workload, small.scenario.random) == ((), None)
    assert told
    with off("repair"):
        again = Play(small.scenario, 0, stop_at="nothing lost").run()
    assert "nothing lost" in again.broken
    assert small.outcome.breaches == again.breaches, "what is told is what its file and its tape play"
    assert Play(small.scenario, 0).run().breaches == []
    assert 'publish = { client = ["app-' in write(small.scenario)


def test_what_is_left_restores_no_image_that_nobody_took() -> None:
    before, of_another, taken, after = (
        Event.model_validate({"at": "1s", verb: {"node": node}})
        for verb, node in (("restore", "ana"), ("restore", "ben"), ("snapshot", "ana"), ("restore", "ana"))
    )

    assert with_images([before, taken, of_another, after]) == [taken, after]


def test_what_is_left_is_a_topology_of_which_some_link_may_come_up(tmp_path: Path) -> None:
    nodes = {
        "node": [{"name": n} for n in ("ana", "ben", "cy")],
        "link": [{"between": ["ana", "ben"], "latency": "6s"}],
    }
    cut = {"at": "1s", "for": "500ms", "partition": [["ana"], ["ben"]]}
    tables = {"title": "t", "promise": "p", "duration": "2s", "topology": nodes, "timeline": [cut]}
    scenario, file = from_tables({**tables, "guarantees": {"never": ["timeline/1"]}}), tmp_path / "small.toml"

    small = Shrinker(scenario, 0, "bounds", runs_max=60).run(Play(scenario, 0).run().steps)

    assert small is not None
    file.write_text(write(small.scenario), encoding="utf-8")
    assert [event.verb for event in read(file).timeline] == ["partition"]
    assert [node.name for node in read(file).topology.node] == ["ana", "ben", "cy"], "without cy no link comes up"


def test_who_read_again_and_again_reads_what_is_left_in_the_timeline_alone() -> None:
    group = {"name": "app", "count": 2, "history": [{"every": "100ms"}]}
    tables = {
        "title": "t",
        "promise": "p",
        "duration": "4s",
        "topology": {"node": [{"name": "ana"}]},
        "client": [group],
    }
    tables["guarantees"] = {"never": ["history/whole"]}
    scenario = from_tables(tables)
    steps = Play(scenario, 0).run().steps

    small = Shrinker(scenario, 0, "bounds", runs_max=60).run(steps)

    assert (len(steps), small is not None) == (80, True)
    assert small is not None and [event.verb for event in small.scenario.timeline] == ["read-history"]
    assert [client.history for client in small.scenario.client] == [()]


def test_what_does_not_fail_is_not_shrunk() -> None:
    tables = {"title": "t", "promise": "p", "duration": "2s", "topology": {"node": [{"name": "ana"}]}}

    assert Shrinker(from_tables(tables), 0, "once").run([]) is None


@pytest.mark.parametrize("runs_max", [3, 4, 10, 15, 31])
def test_shrinking_plays_no_more_than_it_may_and_tells_the_smallest_until_then(runs_max: int, tmp_path: Path) -> None:
    scenario, file = read(find("halves")), tmp_path / "small.toml"
    with off("repair"):
        steps = Play(scenario, 0).run().steps
    shrinker = Shrinker(scenario, 0, "nothing lost", ("repair",), runs_max=runs_max)

    small = shrinker.run(steps)

    assert small is not None
    assert (shrinker.runs, small.runs, small.events <= small.before) == (runs_max, runs_max, True)
    file.write_text(write(small.scenario), encoding="utf-8")
    with off("repair"):
        assert Play(read(file), 0, stop_at="nothing lost").run().breaches == small.outcome.breaches


def test_a_run_that_fails_is_told_from_one_that_does_not_where_its_file_takes_more_runs() -> None:
    scenario = read(find("halves"))
    with off("repair"):
        steps = Play(scenario, 0).run().steps
    shrinker = Shrinker(scenario, 0, "nothing lost", ("repair",), runs_max=2)

    assert shrinker.run(steps) is None
    assert shrinker.best is not None


def test_a_bound_is_shrunk_to_a_run_that_breaks_it_and_not_to_one_in_which_nothing_is_measured() -> None:
    scenario = read(find("halves"))
    guarantees = scenario.guarantees.model_copy(update={"p99": 1_000_000})
    scenario = scenario.model_copy(update={"duration": 40_000_000, "guarantees": guarantees})
    outcome = Play(scenario, 0).run()

    small = Shrinker(scenario, 0, "bounds").run(outcome.steps)

    assert [(breach.kind, breach.about[:7]) for breach in outcome.breaches] == [("p99", "p99 is ")]
    assert small is not None
    assert (0 < small.events <= 4, small.outcome.breaches[0].kind) == (True, "p99")
    nothing = Play(scenario, 0, steps=[]).run().breaches
    assert [(breach.kind, breach.about[:23]) for breach in nothing][:1] == [("no p99", "nothing was measured of")]
