"""The mutation table: each safeguard, turned off, is noticed within its seeds and shrunk to what a person can read."""

import inspect
import os
from dataclasses import replace

import pytest

from sim.disk import Disk
from sim.errors import SimError
from sim.hunt import EVENTS_MAX, Trophy, hunt, table
from sim.safeguards import SAFEGUARDS, off
from sim.scenario.reading import find, read
from tests.play_samples import first

FULL = bool(os.environ.get("GOSSAMER_FULL"))
LONG = ("late-mark", "epoch-per-life", "credit", "clock-guard", "gap-report", "redial", "cursor", "repair")
"""To shrink these takes longer than all others. They are found here; `FULL=1` and `gossamer sim safeguards` shrink them."""


@pytest.mark.parametrize("name", [name for name in SAFEGUARDS if FULL or name not in LONG])
@pytest.mark.timeout(240)
def test_safeguard_is_missed_when_it_is_off(name: str) -> None:
    trophy = hunt(SAFEGUARDS[name])

    assert trophy.is_proof, trophy.line()
    assert trophy.promise in SAFEGUARDS[name].breaks
    assert trophy.events <= EVENTS_MAX


@pytest.mark.parametrize("name", LONG)
def test_safeguard_is_missed_within_its_seeds(name: str) -> None:
    safeguard = SAFEGUARDS[name]

    with off(name):
        found = first(
            read(find(safeguard.profile)), range(safeguard.seeds), lambda each: each.promise in safeguard.breaks
        )

    assert {each.promise for each in found} & set(safeguard.breaks)


@pytest.mark.parametrize("name", SAFEGUARDS)
def test_a_switch_takes_what_is_called_in_its_place(name: str) -> None:
    for owner, attribute, replacement in SAFEGUARDS[name].patches():
        original = vars(owner)[attribute]
        if not callable(original):
            continue
        needed, taken = (inspect.signature(each).parameters.values() for each in (original, replacement))
        kinds = {each.kind for each in taken}
        for each in needed:
            is_by_place = each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
            others = [one for one in taken if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
            by_place = [one for one in needed if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
            if is_by_place:
                assert each.VAR_POSITIONAL in kinds or len(others) >= len(by_place), (attribute, each.name)
            else:
                assert each.VAR_KEYWORD in kinds or each.name in [one.name for one in taken], (attribute, each.name)


def test_a_switch_that_does_not_fit_any_more_proves_nothing() -> None:
    misfit = replace(SAFEGUARDS["intervals-with-rows"], patches=lambda: [(Disk, "write", lambda _disk: None)])
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(SAFEGUARDS, misfit.name, misfit)
        with pytest.raises(
            SimError, match="the switch of intervals-with-rows does not fit the code any more: TypeError"
        ):
            hunt(misfit)


def test_a_run_that_breaks_with_the_safeguard_on_proves_nothing() -> None:
    """Nothing is switched off, and the code is bad in any case."""
    bad = SAFEGUARDS["de-duplication"].patches()
    nothing = replace(SAFEGUARDS["de-duplication"], patches=list)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(SAFEGUARDS, nothing.name, nothing)
        for owner, attribute, replacement in bad:
            patched.setattr(owner, attribute, replacement)
        trophy = hunt(nothing)

    assert trophy.events
    assert not trophy.is_proof
    assert trophy.line().startswith(
        f"de-duplication{' ' * 13}seed {trophy.seed} PROVES NOTHING: with it on, too, breaks"
    )


def test_there_are_at_least_twelve() -> None:
    assert len(SAFEGUARDS) >= 12


def test_a_switch_turns_back_whatever_happens_meanwhile() -> None:
    before = [vars(owner)[name] for each in SAFEGUARDS.values() for owner, name, _ in each.patches()]

    with pytest.raises(RuntimeError), off(*SAFEGUARDS):
        raise RuntimeError

    assert [vars(owner)[name] for each in SAFEGUARDS.values() for owner, name, _ in each.patches()] == before


def test_what_was_not_found_is_said() -> None:
    trophy = Trophy("x", "about", "swarm", 7)

    assert not trophy.is_proof
    assert trophy.line().split() == ["x", "NOT", "FOUND", "within", "7", "seeds", "of", "swarm"]
    assert "| none (7) |" in table([trophy])
