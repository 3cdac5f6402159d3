"""The mutation table: each safeguard, turned off, is noticed within its seeds and shrunk to what a person can read."""

import pytest

from sim.hunt import EVENTS_MAX, Trophy, hunt, table
from sim.safeguards import SAFEGUARDS, off


@pytest.mark.parametrize("name", SAFEGUARDS)
@pytest.mark.timeout(240)
def test_safeguard_is_missed_when_it_is_off(name: str) -> None:
    trophy = hunt(SAFEGUARDS[name])

    assert trophy.is_proof, trophy.line()
    assert trophy.promise in SAFEGUARDS[name].breaks
    assert trophy.events <= EVENTS_MAX


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
