"""Repair: when what nobody has may be called lost: everybody was asked since it was missed; and what matters no more."""

from mesh.frames import RepairEqual
from tests.engine_samples import TO_BEN, TO_CY, at, held, state, to_ben, to_cy
from tests.repair_samples import Desk, desk, vector
from tests.samples import ANA, BEN, Writer


def asking(everyone_speaks: bool) -> Desk:
    found = desk(to_ben(), to_cy())
    found.engine.everyone_speaks = lambda: everyone_speaks
    return found


def compared_with_all(found: Desk) -> None:
    for link in (TO_BEN, TO_CY):
        found.engine.compare(link, at())
        found.engine.on_equal(link, RepairEqual(found.engine.partners[link].session), at())


def test_nobody_was_asked_before_a_session_with_each_has_ended() -> None:
    found = asking(everyone_speaks=True)

    before = found.engine.has_asked_everyone(0)
    compared_with_all(found)

    assert (before, found.engine.has_asked_everyone(0)) == (False, True)


def test_a_member_that_does_not_speak_was_not_asked() -> None:
    found = asking(everyone_speaks=False)

    compared_with_all(found)

    assert not found.engine.has_asked_everyone(0)


def test_what_was_lost_after_all_were_equal_has_to_be_asked_for_anew() -> None:
    """They were equal, so nothing is known of what they have, and a claim that it is lost would be a guess."""
    writer = Writer(ANA)
    writer.write(2)
    found = asking(everyone_speaks=True)
    compared_with_all(found)

    found.engine.on_lost(writer.log, 1, 2)
    at_once = found.engine.has_asked_everyone(0)
    compared_with_all(found)

    assert (at_once, found.engine.has_asked_everyone(0)) == (False, True)


def test_a_session_that_was_under_way_when_something_was_lost_does_not_count() -> None:
    writer = Writer(ANA)
    writer.write(2)
    found = asking(everyone_speaks=True)
    for link in (TO_BEN, TO_CY):
        found.engine.compare(link, at())
    found.engine.on_lost(writer.log, 1, 2)

    compared_with_all(found)

    assert not found.engine.has_asked_everyone(0)


def test_a_vector_with_nothing_that_is_missing_here_ends_a_session_too() -> None:
    found = asking(everyone_speaks=True)
    compared_with_all(found)
    found.engine.on_lost(Writer(ANA).log, 1, 1)
    for link in (TO_BEN, TO_CY):
        found.engine.compare(link, at())

    for link in (TO_BEN, TO_CY):
        found.engine.on_vector(link, vector(), at())

    assert found.engine.has_asked_everyone(0)


def test_of_a_log_that_has_wholly_expired_nothing_is_remembered() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    held_batch, _ = ana.write(), ben.write()
    ana.write()
    repair = desk(to_cy(), holdings=held(held_batch)).engine
    repair.on_vector(TO_CY, vector(state(ana, (1, 2)), state(ben, (1, 1))), at())
    partner = repair.partners[TO_CY]
    partner.doubted.add(ana.log)

    repair.on_forget(ana.log)

    assert [v.logs() for v in (partner.theirs, partner.missing, partner.asked)] == [[ben.log]] * 3
    assert (list(partner.stamps), partner.doubted) == ([ben.log], set())
    repair.check_all()


def test_who_was_compared_with_before_a_time_was_not_asked_for_what_was_missed_since() -> None:
    found = asking(everyone_speaks=True)
    compared_with_all(found)
    for link in (TO_BEN, TO_CY):
        found.engine.compare(link, at(5))

    asked = [found.engine.has_asked_everyone(since_us) for since_us in (0, 1)]
    for link in (TO_BEN, TO_CY):
        found.engine.on_equal(link, RepairEqual(found.engine.partners[link].session), at(9))
    later = [found.engine.has_asked_everyone(since_us) for since_us in (5_000, 5_001)]

    assert (asked, later) == ([True, False], [True, False]), "a session counts from when it began"
