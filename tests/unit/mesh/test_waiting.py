"""Who waits for receipts: found by where in a log they stand, however many there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.types import LogId, SessionId
from mesh.waiting import Waiters, Waiting
from tests.samples import ANA

SEAT, OTHER = SessionId(1), SessionId(2)
LOG, NEXT = LogId(ANA, 1), LogId(ANA, 2)


def waiting(first: int, last: int, *, session: SessionId = SEAT, log: LogId = LOG) -> Waiting:
    """Publishes that stand somewhere in a range."""
    return Waiting(session, first, first, log, first, last, 2, 1)


def waiters(*those: Waiting) -> Waiters:
    """These, in their order."""
    all_of_them = Waiters()
    for each in those:
        all_of_them.add(each)
    all_of_them.check_all()
    return all_of_them


def test_what_stands_about_a_range_is_found_by_its_place_whatever_it_spans() -> None:
    late, wide, narrow, twice = waiting(9, 9), waiting(2, 40), waiting(5, 6), waiting(5, 6, session=OTHER)
    elsewhere = waiting(5, 6, log=NEXT)
    all_of_them = waiters(late, wide, narrow, twice, elsewhere)

    assert all_of_them.about(LOG, 6, 9) == [narrow, twice, late, wide]
    assert all_of_them.about(LOG, 7, 8) == [wide]
    assert all_of_them.about(LOG, 41, 50) == []
    assert all_of_them.about(LOG, 1, 1) == []
    assert all_of_them.about(NEXT, 6, 6) == [elsewhere]
    assert all_of_them.about(LogId(ANA, 3), 1, 99) == []
    assert all_of_them.ending(LOG, 7, 39) == [late]
    assert all_of_them.ending(LOG, 6, 6) == [narrow, twice]
    assert all_of_them.ending(LogId(ANA, 3), 1, 99) == []


def test_who_waits_no_more_leaves_nothing_behind() -> None:
    one, two = waiting(1, 1), waiting(1, 3, session=OTHER)
    all_of_them = waiters(one, two)

    all_of_them.remove(one)
    all_of_them.check_all()
    assert (all_of_them.of(SEAT), all_of_them.of(OTHER), all_of_them.count) == ([], [two], 1)
    all_of_them.remove(two)

    all_of_them.check_all()
    assert (all_of_them.lines, all_of_them.sessions, all_of_them.count) == ({}, {}, 0)


def test_the_oldest_of_those_that_have_most_are_the_crowd() -> None:
    few = [waiting(1, 1, session=OTHER) for _ in range(2)]
    many = [[waiting(at, at, session=SessionId(7 + each), log=NEXT) for at in range(9)] for each in range(2)]
    all_of_them = waiters(*few, *many[0], *many[1])
    assert all_of_them.crowding(20) == [], "what is on its way to the disk is not among them"
    for each in (*few, *many[0], *many[1]):
        each.told = 1, 1

    assert all_of_them.crowding(1) == many[0][:1]
    assert all_of_them.crowding(4) == [*many[0][:2], *many[1][:2]]
    assert all_of_them.crowding(14) == [*many[0][:7], *many[1][:7]]
    assert set(map(id, all_of_them.crowding(18))) > set(map(id, few)), "there is nobody else"


def test_of_a_session_what_came_again_is_given_up_first_and_then_the_oldest_and_some_more() -> None:
    found = [waiting(at, at) for at in range(6)]
    for each in found[:5]:
        each.told = 1, 1
    found[2].has_come_again = found[4].has_come_again = True
    who = waiters(*found)

    assert [who.least(SEAT, number, 2) for number in (1, 2)] == [[found[2]], [found[2], found[4]]]
    assert who.least(SEAT, 3, 1) == [found[2], found[4], found[0], found[1]]
    assert who.least(SEAT, 9, 9) == [found[2], found[4], found[0], found[1], found[3]]
    assert who.least(OTHER, 1, 1) == []


def test_the_oldest_of_a_session_come_first_in_whatever_log() -> None:
    old, other, young = waiting(9, 9), waiting(1, 1, session=OTHER), waiting(1, 1, log=NEXT)

    assert waiters(old, other, young).of(SEAT) == [old, young]


@pytest.mark.parametrize("spoil", ["count", "session", "place", "log"])
def test_check_sees_what_does_not_fit(spoil: str) -> None:
    one = waiting(1, 1)
    all_of_them = waiters(one, waiting(2, 2))
    if spoil == "count":
        all_of_them.count += 1
    elif spoil == "session":
        all_of_them.sessions[SEAT][one.number] = waiting(1, 1)
    elif spoil == "place":
        one.to_position = 9
    else:
        one.log = NEXT

    with pytest.raises(AssertionError):
        all_of_them.check_all()


places = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40), st.booleans()), max_size=30)


@given(places, st.integers(1, 60), st.integers(0, 30))
def test_whatever_overlaps_a_range_is_found_and_nothing_else(
    given_places: list[tuple[int, int, bool]], first: int, more: int
) -> None:
    those = [waiting(at, at + span) for at, span, _ in given_places]
    all_of_them = waiters(*those)
    for each, (*_, goes) in zip(those, given_places, strict=True):
        if goes:
            all_of_them.remove(each)
    all_of_them.check_all()
    stay = [each for each, (*_, goes) in zip(those, given_places, strict=True) if not goes]

    found = all_of_them.about(LOG, first, first + more)

    overlap = [each for each in stay if each.from_position <= first + more and each.to_position >= first]
    assert found == sorted(overlap, key=lambda each: (each.to_position, those.index(each)))
