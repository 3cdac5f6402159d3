"""The swarms that ship: a sample of their seeds, with the gates open; all of them with GOSSAMER_FULL=1.

A seed again: `gossamer sim run swarm --seed 17`.
"""

import os

import pytest

from sim.scenario.reading import find, read
from sim.sweep import Tally, cores, pool, sweep

FULL = bool(os.environ.get("GOSSAMER_FULL"))
SEEDS = (
    {"swarm": 5_000, "hostile": 1_000, "hostile-sparse": 1_000, "clocks": 500, "mortal": 500}
    if FULL
    else {"swarm": 90, "hostile": 30, "hostile-sparse": 16, "clocks": 12, "mortal": 12}
)


@pytest.mark.timeout(7_200 if FULL else 280)
@pytest.mark.parametrize("profile", SEEDS)
def test_every_seed_keeps_every_promise_and_every_gate_opens(profile: str) -> None:
    scenario = read(find(profile))

    with pool(cores()) as executor:
        tally = sweep(scenario, range(SEEDS[profile]), executor)

    assert [(result.seed, result.broken, result.about) for result in tally.failed] == []
    assert tally.shut() == []
    assert tally.seeds == SEEDS[profile]


def test_a_gate_that_nobody_opened_is_told() -> None:
    tally = Tally(read(find("swarm")))

    shut = tally.shut()

    assert "fault/partition: a fault of the scenario was never done" in shut
    assert "frame/Graft: it never happened in any of these seeds" in shut
    assert "promise/once: once was never looked at" in shut
