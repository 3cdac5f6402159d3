"""The words of the coverage table are those of the code."""

import re
from pathlib import Path

import pytest

import sim
from sim.labels import SAFEGUARDS
from sim.safeguards import SAFEGUARDS as TABLE
from sim.scenario.labels import gates, happenings, meant_by

LITERAL = re.compile(r'\b(?:cover|_replace)\([^()]*?"([a-z]+/[a-z0-9-]+)"')


def test_the_safeguards_that_a_file_may_name_are_those_of_the_table() -> None:
    assert tuple(TABLE) == SAFEGUARDS


def test_whatever_the_code_counts_can_be_asked_for() -> None:
    sources = Path(sim.__file__).parent.rglob("*.py")

    counted = {label for path in sources for label in LITERAL.findall(path.read_text(encoding="utf-8"))}

    assert {"disk/flipped", "disk/restored", "atlas/kept", "tick/over-16"} <= counted
    assert counted <= set(happenings())


@pytest.mark.parametrize(
    "label",
    [
        "frame/Push",
        "tell/GoAway",
        "ask/Publish",
        "report/GSM-4102",
        "gap/lost",
        "fault/one-way",
        "hostile/deny",
        "promise/once",
    ],
)
def test_labels_of_each_kind_are_known(label: str) -> None:
    assert meant_by(label) == (label,)
    assert label in meant_by(f"{label.partition('/')[0]}/*")


def test_what_nothing_is_called_means_nothing() -> None:
    assert meant_by("frame/push") == meant_by("*") == meant_by("*/*") == meant_by("") == ()
    assert len(set(gates())) == len(gates())
