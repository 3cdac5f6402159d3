"""The scenarios that ship: each keeps its promise, and notices when a safeguard that it names is gone."""

import os

import pytest

from sim.safeguards import SAFEGUARDS, off
from sim.scenario.model import Scenario
from sim.scenario.reading import SHIPPED, read
from tests.play_samples import breaches, first

PROFILES = ("swarm", "hostile", "hostile-sparse", "clocks", "mortal", "reading-on", "far-apart", "narrow")
NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml") if path.stem not in PROFILES)
SEEDS_MAX = 1_000 if os.environ.get("GOSSAMER_FULL") else 1
"""Of each file; the swarm beside them plays many."""
SABOTAGES = [(name, each) for name in NAMES for each in read(SHIPPED / f"{name}.toml").sabotage]


def shipped(name: str) -> Scenario:
    return read(SHIPPED / f"{name}.toml")


@pytest.mark.parametrize("name", NAMES)
def test_scenario_keeps_its_promise(name: str) -> None:
    scenario = shipped(name)

    for seed in range(min(scenario.seeds, SEEDS_MAX)):
        assert breaches(SHIPPED / f"{name}.toml", seed) == (), f"gossamer sim run {name} --seed {seed}"


@pytest.mark.parametrize(("name", "safeguard"), SABOTAGES, ids=lambda part: part)
def test_scenario_notices_that_a_safeguard_is_gone(name: str, safeguard: str) -> None:
    scenario, breaks = shipped(name), SAFEGUARDS[safeguard].breaks

    with off(safeguard):
        found = first(scenario, range(scenario.seeds), lambda breach: breach.promise in breaks)

    broken = {breach.promise for breach in found}
    assert broken & set(breaks), f"gossamer sim run {name} --without {safeguard}: {broken}"
