"""Levels count what members say: what a host gone bad says, or keeps to itself, is no copy, as a lost disk is none."""

from typing import Any

import pytest

from sim.heap import Play
from sim.outcome import Outcome
from sim.scenario.reading import from_tables

BOASTS = {"at": "500ms", "for": "9s", "hostile": {"node": "eve", "does": "boast", "share": "100%"}}
FORGETS = {"at": "3s", "for": "6s", "hostile": {"node": "eve", "does": "forget", "share": "100%"}}


def played(*timeline: dict[str, Any], atlas: bool, copies: int = 2) -> Outcome:
    """Ana is linked with eve alone, loses her disk at 4 s, and eve is gone for good at the end."""
    plain: dict[str, Any] = {
        "title": "t", "promise": "p", "duration": "10s", "core": ["ana", "ben"], "atlas": atlas,
        "topology": {"node": [{"name": "ana"}, {"name": "ben"}, {"name": "eve"}]},
        "client": [{"name": "app", "at": "ana", "gateways": "ana", "subscribe": [{"to": "#"}]}],
        "timeline": [
            {"at": "1s", "for": "8s", "partition": ["ben", ["ana", "eve"]]},
            {"at": "2s", "publish": {"client": "app", "channel": "x", "copies": copies}},
            {"at": "3500ms", "for": "5s", "isolate": "eve"},
            {"at": "4s", "for": "1s", "wipe": "ana"},
            *timeline,
        ],
    }  # fmt: skip
    return Play(from_tables(plain), 0).run()


@pytest.mark.parametrize("deed", [BOASTS, FORGETS])
def test_what_survives_one_lost_disk_need_not_survive_that_and_a_bad_host(deed: dict[str, Any]) -> None:
    outcome = played(deed, atlas=False)

    assert (outcome.breaches, outcome.figures.excused) == ([], 1)


def test_a_host_that_goes_bad_after_the_disk_was_lost_counts_as_well() -> None:
    outcome = played({**FORGETS, "at": "6s", "for": "3s"}, atlas=False)

    assert (outcome.breaches, outcome.figures.excused) == ([], 1)


def test_an_honest_host_is_held_to_its_word() -> None:
    """She has it, and is cut off for ever: it is no more excused than before."""
    outcome = played(atlas=False)

    assert (outcome.breaches, outcome.figures.excused) == ([], 0)


@pytest.mark.parametrize(("deeds", "wiped"), [((), 1), ((FORGETS,), 0)])
def test_the_atlas_takes_no_disk_for_a_good_copy_whose_host_is_bad(
    deeds: tuple[dict[str, Any], ...], wiped: int
) -> None:
    outcome = played(*deeds, atlas=True)

    assert outcome.breaches == []
    assert outcome.coverage.get("disk/wiped", 0) == wiped
    assert outcome.coverage.get("atlas/refused", 0) == 1 - wiped
