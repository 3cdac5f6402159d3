"""Scenarios that are drawn whole keep the contract: a few of them, and 3,000 with GOSSAMER_FULL=1.

One again: `python -m tests.swarm.drawn 17 > drawn.toml`, then `gossamer sim run drawn.toml --seed 17`.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from sim.heap import Play
from sim.scenario.reading import read
from tests.swarm.drawn import HARMLESS, HOSTILE, LONG_FROM, drawn, text_of

FULL = bool(os.environ.get("GOSSAMER_FULL"))
SHORT, LONG = (
    (range(2_000), range(LONG_FROM, LONG_FROM + 1_000)) if FULL else (range(6), range(LONG_FROM, LONG_FROM + 6))
)


@pytest.mark.timeout(3_600 if FULL else 120)
@pytest.mark.parametrize("number", [*SHORT, *LONG], ids=lambda number: f"number-{number}-")
def test_whatever_is_drawn_keeps_the_contract(number: int) -> None:
    outcome = Play(drawn(number), number).run()

    assert [(breach.promise, breach.about) for breach in outcome.breaches] == []


def test_every_fault_is_drawn_and_what_is_printed_is_what_is_played(tmp_path: Path) -> None:
    scenarios = [drawn(number) for number in (*range(200), *range(LONG_FROM, LONG_FROM + 100))]
    file = tmp_path / "drawn.toml"
    file.write_text(text_of(17))

    counted = Counter(fault for each in scenarios if each.random for fault in each.random.faults)
    assert set(counted) == {*HARMLESS, *HOSTILE, "clock"}
    assert read(file) == scenarios[17]
