"""Delays that somebody measured, in a topology, in a link and in a timeline."""

from typing import Any

import pytest

from sim.conditions import condition_of
from sim.errors import ScenarioError
from sim.heap import Play
from sim.network import Delay
from sim.scenario.building import network_of
from sim.scenario.cast import Cast
from sim.scenario.model import Scenario
from sim.scenario.reading import from_tables
from sim.scenario.writing import write
from sim.tape import Tape
from sim.toml import parse

MEASURED = ["12ms", "10ms", "90ms", "10ms"]
DELAY = Delay(90_000, 0, "empirical", (10_000, 10_000, 12_000, 90_000))


def scenario(event: dict[str, Any] | None = None, **topology: Any) -> Scenario:
    nodes = [{"name": "ana"}, {"name": "ben", "region": "us"}, {"name": "cy", "region": "us"}]
    tables: dict[str, Any] = {"title": "t", "promise": "p", "duration": "5s", "topology": {"node": nodes, **topology}}
    if event is not None:
        tables["timeline"] = [{"at": "1s", "link": {"between": ["ana", "ben"], **event}}]
    return from_tables(tables)


def test_a_topology_has_measured_delays_between_its_regions() -> None:
    cast = Cast(scenario(shape="empirical", measured=MEASURED))

    network = network_of(cast, {}, [])

    assert network.delays["ana", "ben"] == network.delay == DELAY
    assert network.delays["ben", "cy"] == Delay(500, 125, "uniform")
    assert network.round_trip_us("ana", "ben") == 180_000  # bounds are on the safe side


def test_a_link_has_and_a_fault_brings_measured_delays() -> None:
    link = {"between": ["ana", "ben"], "shape": "empirical", "measured": MEASURED}
    of_link = Cast(scenario(link=[link]))
    of_fault = Cast(scenario({"shape": "empirical", "measured": MEASURED}))

    assert network_of(of_link, {}, []).delays["ben", "ana"] == DELAY
    assert condition_of(of_fault, "link", of_fault.scenario.timeline[0].what).delay == DELAY


def test_each_of_them_is_drawn_and_a_run_keeps_its_promises() -> None:
    rng = Tape().stream(b"", "delays")

    drawn = {DELAY.draw(rng) for _ in range(100)}

    assert drawn == {10_000, 12_000, 90_000}
    assert (
        Play(scenario({"shape": "empirical", "measured": ["1s"]}, shape="empirical", measured=MEASURED), 1)
        .run()
        .is_kept
    )


def test_what_is_written_is_read_as_the_same() -> None:
    once = scenario({"shape": "empirical", "measured": MEASURED}, shape="empirical", measured=MEASURED)

    assert from_tables(parse(write(once), "")[0]) == once
    assert from_tables(once.model_dump(mode="json", by_alias=True, exclude_defaults=True)) == once  # as a tape has it


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"shape": "empirical"}, "the shape `empirical` with no measured delays"),
        ({"measured": MEASURED}, "the shape `uniform` with 4 measured delays"),
        (
            {"shape": "empirical", "measured": MEASURED, "jitter": "1ms"},
            "measured delays beside `jitter`; expected measured delays alone",
        ),
        ({"shape": "empirical", "measured": MEASURED, "latency": "1ms"}, "measured delays beside `latency`"),
        ({"shape": "empirical", "measured": ["-1ms"]}, "'-1ms' is negative"),
        ({"shape": "empirical", "measured": ["1ms"] * 10_001}, "measured"),
    ],
)
def test_what_makes_no_sense_is_refused(said: dict[str, Any], problem: str) -> None:
    for topology, event in ((said, None), ({"link": [{"between": ["ana", "ben"], **said}]}, None), ({}, said)):
        with pytest.raises(ScenarioError, match=problem):
            scenario(event, **topology)


def test_a_matrix_and_measured_delays_exclude_each_other() -> None:
    with pytest.raises(ScenarioError, match="measured delays beside `matrix`"):
        scenario(shape="empirical", measured=MEASURED, matrix="aws")
