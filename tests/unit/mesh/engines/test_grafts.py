"""Dissemination: who is asked for what was announced and did not come, and when repair has to do it."""

import pytest

from mesh.clocks.vector import IntervalSet
from mesh.effects import Count, RepairDue, Send
from mesh.engines.dissemination import ANNOUNCE, GRAFT, GRAFT_RANGES_MAX
from mesh.frames import Graft, NotFound
from mesh.log.holdings import Holdings
from mesh.types import LinkId, LogId, NodeId
from tests.engine_samples import (
    TO_ANA,
    TO_BEN,
    TO_CY,
    at,
    held,
    no_timer,
    set_timer,
    take,
    to_ana,
    to_ben,
    to_cy,
)
from tests.samples import BEN, Writer
from tests.spread_samples import LOG, announced, engine, grafted, ihave

OTHER = LogId(NodeId(b"d" * 32), 7)

# --- grafting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("near", "wait_ms"), [(True, 100), (False, 300)])
def test_an_announced_batch_is_waited_for_as_long_as_distance_asks(near: bool, wait_ms: int) -> None:
    one = engine(to_ana(), to_ben(near=near))

    assert one.on_ihave(TO_BEN, ihave((LOG, 1, 3)), at(1)) == [set_timer(GRAFT, LOG, 1, ms=1 + wait_ms)]


def test_what_is_here_is_not_waited_for() -> None:
    ana = Writer()
    batches = [ana.write() for _ in range(3)]
    one = engine(to_ana(), to_ben(), holdings=held(batches[1]))

    outcomes = one.on_ihave(TO_BEN, ihave((LOG, 1, 3), (LOG, 2, 2)), at())

    assert outcomes == [set_timer(GRAFT, LOG, 1, ms=100), set_timer(GRAFT, LOG, 3, ms=100)]
    one.check_all()


@pytest.mark.parametrize("is_linked", [False, True])
def test_what_its_origin_cannot_push_is_asked_for_at_once_in_one_question(is_linked: bool) -> None:
    ana = to_ana()
    ana.silent = True
    one = engine(*([ana] if is_linked else []), to_ben(), to_cy(), holdings=held(Writer().write()))

    outcomes = one.on_ihave(TO_BEN, ihave((LOG, 1, 3), (OTHER, 4, 4)), at())

    timers = [set_timer(GRAFT, LOG, 2, ms=100), set_timer(GRAFT, OTHER, 4, ms=100)]
    assert outcomes == [*timers, Send((TO_BEN,), Graft(((LOG, 2, 3), (OTHER, 4, 4)))), Count("grafts_total", 2)]
    one.on_ihave(TO_CY, ihave((LOG, 2, 3)), at(50))
    assert one.on_graft_timer(LOG, 2, at(100)) == grafted(TO_CY, (LOG, 2, 3), again_ms=150)
    one.check_all()


def test_what_is_announced_again_in_one_frame_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,048 times one range, over a log with 2,000 holes, kept a node busy for seconds."""
    one = engine(to_ben(), holdings=held(Writer().write()))
    looked_at: list[tuple[int, int]] = []
    missing = IntervalSet.missing

    def counted(runs: IntervalSet, first: int, last: int) -> list[tuple[int, int]]:
        if runs is one.holdings.received_of(LOG):
            looked_at.append((first, last))
        return missing(runs, first, last)

    monkeypatch.setattr(IntervalSet, "missing", counted)
    outcomes = one.on_ihave(TO_BEN, ihave(*[(LOG, 1, 9)] * 2_046, (LOG, 5, 12), (LOG, 1, 11)), at())

    assert looked_at == [(1, 9), (10, 12)]
    timers = [set_timer(GRAFT, LOG, 2, ms=100), set_timer(GRAFT, LOG, 10, ms=100)]
    assert outcomes == [*timers, Send((TO_BEN,), Graft(((LOG, 2, 9), (LOG, 10, 12)))), Count("grafts_total", 2)]
    one.check_all()


def test_an_announcement_of_nobody_is_not_heard() -> None:
    assert engine(to_cy()).on_ihave(TO_BEN, ihave((LOG, 1, 3)), at()) == []


def test_more_announcers_of_one_range_wait_for_one_timer() -> None:
    one = announced(to_ben(), to_cy())

    assert one.on_ihave(TO_CY, ihave((LOG, 1, 5)), at(50)) == []
    assert one.on_ihave(TO_CY, ihave((LOG, 1, 2)), at(50)) == []
    assert one.on_graft_timer(LOG, 1, at(100)) == grafted(TO_BEN, (LOG, 1, 5), again_ms=200)
    assert (one.wanted[LOG, 1].announcers, one.wanted[LOG, 1].asked) == ([TO_BEN, TO_CY], (TO_BEN,))


def test_each_announcer_is_asked_once_ever_sooner_and_then_repair_is_due() -> None:
    one = announced(to_ben(), to_cy())
    one.on_ihave(TO_CY, ihave((LOG, 1, 3)), at())

    tries = [one.on_graft_timer(LOG, 1, at(ms)) for ms in (100, 200, 1_200)]

    assert tries == [
        grafted(TO_BEN, (LOG, 1, 3), again_ms=200),
        grafted(TO_CY, (LOG, 1, 3), again_ms=250),
        [RepairDue()],
    ]
    assert one.wanted == {}
    assert one.on_graft_timer(LOG, 1, at(300)) == []


def test_no_more_than_so_many_announcers_are_asked() -> None:
    one = announced(to_ben(), to_cy(), graft_tries_max=1)
    one.on_ihave(TO_CY, ihave((LOG, 1, 3)), at())
    one.on_graft_timer(LOG, 1, at(100))

    assert one.on_graft_timer(LOG, 1, at(1_100)) == [RepairDue()]


def test_the_answer_of_the_last_who_was_asked_is_waited_for_longer() -> None:
    one = announced(to_ben(), answer_ms=250)

    tries = [one.on_graft_timer(LOG, 1, at(ms)) for ms in (100, 200, 349)]

    assert tries == [
        grafted(TO_BEN, (LOG, 1, 3), again_ms=200),
        [set_timer(GRAFT, LOG, 1, ms=250)],
        [set_timer(GRAFT, LOG, 1, ms=399)],
    ]
    assert one.on_graft_timer(LOG, 1, at(350)) == [RepairDue()]


def test_who_announces_while_the_last_is_waited_for_is_asked_next() -> None:
    one = announced(to_ben(), to_cy())
    one.on_graft_timer(LOG, 1, at(100))
    one.on_graft_timer(LOG, 1, at(200))
    one.on_ihave(TO_CY, ihave((LOG, 1, 3)), at(210))

    assert one.on_graft_timer(LOG, 1, at(250)) == grafted(TO_CY, (LOG, 1, 3), again_ms=300)


@pytest.mark.parametrize("how", ["gone", "silent", "not found"])
def test_who_will_not_answer_is_not_waited_for(how: str) -> None:
    ben = to_ben()
    one = announced(ben)
    one.on_graft_timer(LOG, 1, at(100))
    if how == "gone":
        one.peers.remove(TO_BEN)
    elif how == "silent":
        ben.silent = True
    else:
        one.on_not_found(TO_BEN, NotFound(((LOG, 2, 2),)))

    assert one.on_graft_timer(LOG, 1, at(200)) == [RepairDue()]


def test_a_wait_does_not_shrink_below_a_millisecond() -> None:
    one = announced(to_ben(), graft_near_ms=1)

    one.on_graft_timer(LOG, 1, at(1))

    assert one.wanted[LOG, 1].wait_us == 1_000


def test_only_what_is_still_missing_is_asked_for() -> None:
    ana, holdings = Writer(), Holdings()
    batches = [ana.write() for _ in range(3)]
    one = announced(to_ben(), holdings=holdings)
    take(holdings, batches[1])

    assert one.on_graft_timer(LOG, 1, at(100)) == grafted(TO_BEN, (LOG, 1, 1), (LOG, 3, 3), again_ms=200)


def test_a_range_whose_beginning_came_is_asked_for_from_what_is_missing() -> None:
    ana, holdings = Writer(), Holdings()
    batches = [ana.write() for _ in range(3)]
    one = announced(to_ben(), holdings=holdings)
    take(holdings, batches[0])

    assert one.on_graft_timer(LOG, 1, at(100)) == grafted(TO_BEN, (LOG, 2, 3), again_ms=200)
    assert list(one.wanted) == [(LOG, 2)]


def test_a_range_that_came_is_asked_for_no_more() -> None:
    ana, holdings = Writer(), Holdings()
    batch = ana.write(3)
    one = announced(to_ben(), to_cy(), holdings=holdings)
    take(holdings, batch)

    assert one.on_graft_timer(LOG, 1, at(100)) == []
    again = announced(to_ben(), to_cy(), holdings=holdings)
    assert again.wanted == {}


def test_what_came_is_waited_for_no_more() -> None:
    one = announced(to_ben())
    batch = Writer().write(3)
    take(one.holdings, batch)

    assert one.on_received(batch, TO_ANA, at()) == [no_timer(GRAFT, LOG, 1)]
    assert one.wanted == {}


def test_when_the_beginning_of_a_range_came_the_rest_is_waited_for() -> None:
    one = announced(to_ben(), to_cy())
    batch = Writer().write(1)
    take(one.holdings, batch)

    outcomes = one.on_received(batch, TO_BEN, at(50))

    assert outcomes[:2] == [no_timer(GRAFT, LOG, 1), set_timer(GRAFT, LOG, 2, ms=150)]
    assert one.on_graft_timer(LOG, 2, at(150)) == grafted(TO_BEN, (LOG, 2, 3), again_ms=250)


def test_a_rest_that_is_waited_for_already_or_has_come_needs_no_second_timer() -> None:
    ana = Writer()
    batches = [ana.write() for _ in range(3)]
    one = announced(to_ben(), to_cy())
    one.wanted[LOG, 2] = one.wanted[LOG, 1]
    take(one.holdings, batches[0])
    other = announced(to_ben())
    take(other.holdings, *batches)

    waited = one.on_received(batches[0], TO_BEN, at())
    here = other.on_received(batches[0], TO_ANA, at())

    assert waited == [no_timer(GRAFT, LOG, 1), set_timer(ANNOUNCE, ms=20)]
    assert list(one.wanted) == [(LOG, 2)]
    assert here == [no_timer(GRAFT, LOG, 1)]
    assert other.wanted == {}


def test_announcers_that_are_gone_or_silent_are_not_asked() -> None:
    ben, cy = to_ben(), to_cy()
    one = announced(ben, cy)
    one.on_ihave(TO_CY, ihave((LOG, 1, 3)), at())
    ben.silent = True

    assert one.on_graft_timer(LOG, 1, at(100)) == grafted(TO_CY, (LOG, 1, 3), again_ms=200)
    one.peers.remove(TO_CY)
    assert one.on_graft_timer(LOG, 1, at(200)) == [RepairDue()]


def test_who_does_not_have_what_it_announced_is_not_asked_for_it_again() -> None:
    one = announced(to_ben(), to_cy())
    one.on_ihave(TO_BEN, ihave((LogId(BEN, 1), 1, 3), (LOG, 10, 12)), at())
    one.on_ihave(TO_CY, ihave((LOG, 1, 3)), at())

    one.on_not_found(TO_BEN, NotFound(((LOG, 3, 4), (LOG, 6, 9))))
    one.on_not_found(TO_ANA, NotFound(((LOG, 1, 12),)))

    announcers = {place: wanted.announcers for place, wanted in one.wanted.items()}
    assert announcers == {(LOG, 1): [TO_CY], (LogId(BEN, 1), 1): [TO_BEN], (LOG, 10): [TO_BEN]}


def test_an_answer_of_many_ranges_is_compared_once_with_each_that_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = engine(to_ana(), to_ben())
    one.on_ihave(TO_BEN, ihave(*((LOG, number, number) for number in range(1, 200, 2))), at())
    compared = 0
    touches = IntervalSet.touches

    def counted(runs: IntervalSet, first: int, last: int) -> bool:
        nonlocal compared
        compared += 1
        return touches(runs, first, last)

    monkeypatch.setattr(IntervalSet, "touches", counted)
    one.on_not_found(TO_BEN, NotFound(tuple((LOG, number, number) for number in range(101, 500, 2))))

    assert compared == 100
    assert [start for (_, start), wanted in one.wanted.items() if wanted.announcers] == list(range(1, 100, 2))


def test_beyond_the_limit_announcements_are_left_to_repair() -> None:
    one = announced(to_ben(), wanted_max=1)

    assert one.on_ihave(TO_BEN, ihave((LOG, 7, 7)), at()) == [RepairDue()]
    assert one.on_ihave(TO_BEN, ihave((LOG, 1, 4)), at()) == []
    one.check_all()


@pytest.mark.parametrize("asked", [(TO_BEN, TO_CY, TO_ANA, LinkId(9)), (TO_BEN, TO_BEN)])
def test_check_sees_too_many_tries_and_one_that_was_asked_twice(asked: tuple[LinkId, ...]) -> None:
    one = announced(to_ben())
    one.wanted[LOG, 1].asked = asked

    with pytest.raises(AssertionError):
        one.check_all()


def test_a_question_of_very_many_ranges_goes_in_frames_that_are_read() -> None:
    writer = Writer()
    batches = [writer.write() for _ in range(2 * GRAFT_RANGES_MAX + 1)]
    one = engine(to_ben(), holdings=held(*batches[1::2]))

    *_, first, second, count = one.on_ihave(TO_BEN, ihave((LOG, 1, len(batches))), at())

    assert isinstance(first, Send) and isinstance(second, Send)
    assert [len(each.frame.ranges) for each in (first, second) if isinstance(each.frame, Graft)] == [
        GRAFT_RANGES_MAX,
        1,
    ]
    assert count == Count("grafts_total", GRAFT_RANGES_MAX + 1)
