"""Receipts that nobody is told any more: where there are too many, where a batch is taken back, where a session closes."""

from dataclasses import replace

import pytest

from mesh.clocks.vector import IntervalSet
from mesh.effects import Count, Outcome
from mesh.engines.receipts import AGAIN, RUNS_MAX
from mesh.log.batch import POSITION_MAX
from mesh.log.holdings import Holdings
from mesh.types import SessionId
from mesh.waiting import Dropped
from tests.engine_samples import TO_BEN, at, held, set_timer, take, to_ben
from tests.receipt_samples import OTHER, SEAT, from_ben, placed, receipts, told
from tests.samples import BEN, Writer


def test_beyond_the_limit_the_oldest_of_who_waits_for_most_are_told_no_more() -> None:
    one_log, two_log = Writer(epoch=1), Writer(epoch=2)
    one = receipts(holdings=held(one_log.write(3), two_log.write()), waiting_max=3)
    one.on_placed(placed(one_log.log, 1, 1, session=OTHER, copies=2))
    one.on_placed(placed(two_log.log, 1, 1, copies=2))
    one.on_placed(placed(one_log.log, 2, 2, copies=2))
    one.on_placed(placed(one_log.log, 3, 3, copies=2))

    assert one.tell_publishers() == [
        told(one_log.log, 1, 1, 1, 1, OTHER),
        told(one_log.log, 2, 3, 1, 1),
        told(two_log.log, 1, 1, 1, 1),
    ], "all hear what is so now"
    assert one.shed() == [Count("receipts_dropped_total", 1)]
    one.check_all()
    assert {log: [w.first for w in line] for log, line in one.waiting.lines.items()} == {one_log.log: [1, 2, 3]}
    assert one.dropped == {SEAT: Dropped(1, 1)}


def test_what_has_reached_its_level_takes_no_place() -> None:
    ana = Writer()
    one = receipts(holdings=held(ana.write(9)), waiting_max=3)
    for each in range(1, 10):
        one.on_placed(placed(ana.log, each, each))

    assert one.settle(at(0)) == [told(ana.log, 1, 9, 1, 1)]
    assert (one.waiting.count, one.dropped) == (0, {})


def test_who_comes_with_many_sessions_takes_nobodys_place() -> None:
    """All places are taken: who has most gives up some, as many as one in 64 and one more, and who has few none."""
    ana = Writer()
    one = receipts(to_ben(), holdings=held(ana.write(200)), waiting_max=128)
    for first in (1, 2):
        one.on_placed(placed(ana.log, first, first, session=OTHER, copies=2))
    crowd = [SessionId(100 + number) for number in range(8)]

    outcomes: list[list[Outcome]] = []
    for each in crowd * 60:
        one.on_placed(placed(ana.log, 3, 3, session=each, copies=9))
        one.tell_publishers()
        outcomes.append(one.shed())
    one.check_all()

    dropped = [outcome for (outcome,) in filter(None, outcomes)]
    assert set(dropped) == {Count("receipts_dropped_total", 3)}
    assert one.waiting.count == 2 + 8 * 60 - 3 * len(dropped)
    sizes = [len(one.waiting.of(each)) for each in crowd]
    assert len(one.waiting.of(OTHER)) == 2
    assert 10 < min(sizes) <= max(sizes) < 20, "each has about as many"


def test_a_session_that_waits_for_too_much_takes_nobodys_place() -> None:
    """The same publish, sent again and again: its own oldest are told no more, and another's is told as before."""
    ana, ben = Writer(), Writer(BEN)
    one = receipts(to_ben(), holdings=held(ana.write(2), ben.write()))
    one.config = replace(one.config, session_waiting_max=16)
    one.on_placed(placed(ana.log, 1, 1, session=OTHER, copies=2))
    one.tell_publishers()

    dropped: list[list[Outcome]] = []
    for log in [ben.log] * 2 + [ana.log] * 15:
        one.on_placed(placed(log, 1, 1, copies=9))
        one.tell_publishers()
        dropped.append(one.shed())
    one.check_all()

    assert dropped == [[]] * 16 + [[Count("receipts_dropped_total", 3)]]
    assert {session: len(own) for session, own in one.waiting.sessions.items()} == {OTHER: 1, SEAT: 14}
    assert {log: len(line) for log, line in one.waiting.lines.items()} == {ana.log: 15}, "the oldest go first"
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 1)))
    assert told(ana.log, 1, 1, 2, 1, OTHER) in one.tell_publishers()


def test_what_is_on_its_way_to_the_disk_is_not_given_up_and_takes_a_place_as_soon_as_it_is_there() -> None:
    """Its append may fail: whoever waits for it has to hear of that before what follows it is taken."""
    ana, holdings = Writer(), Holdings()
    batches = [ana.write() for _ in range(6)]
    take(holdings, *batches)
    one = receipts(to_ben(), holdings=holdings)
    one.config = replace(one.config, session_waiting_max=2, waiting_max=3)
    for each in range(1, 7):
        one.on_placed(placed(ana.log, each, each, copies=2))
    for each in (SEAT, OTHER):
        one.on_placed(placed(ana.log, 6, 6, session=each, copies=3))
    assert one.settle(at(0)) == []
    one.check()
    one.check_all()
    assert [(w.session, w.first, w.copies) for w in one.waiting.lines[ana.log]] == [
        *((SEAT, each, 2) for each in range(1, 6)), (SEAT, 6, 3), (OTHER, 6, 3),
    ], "of one and the same, one waits for all of them"  # fmt: skip

    assert [w.first for w in one.on_take_back(ana.log, 4, 5)] == [4, 5]
    holdings.store(batches[0])
    one.on_stored_here(ana.log, 1, 1)
    assert one.settle(at(1)) == [
        told(ana.log, 1, 1, 1, 1),
        Count("receipts_dropped_total", 1),
        set_timer(AGAIN, ms=101),
    ]
    assert one.dropped[SEAT].last == 1
    for batch in (*batches[1:3], batches[5]):
        holdings.store(batch)
        one.on_stored_here(ana.log, batch.first, batch.last)
    outcomes = one.settle(at(2))
    assert Count("receipts_dropped_total", 1) in outcomes
    assert [(w.session, w.first) for w in one.waiting.lines[ana.log]] == [(SEAT, 3), (SEAT, 6), (OTHER, 6)]
    one.check_all()
    assert one.settle(at(3)) == [set_timer(AGAIN, ms=101)]
    assert not one.grown


def test_a_log_of_which_the_last_is_told_no_more_is_not_kept() -> None:
    one_log, two_log = Writer(epoch=1), Writer(epoch=2)
    one = receipts(holdings=held(one_log.write(), two_log.write()), waiting_max=1)
    one.on_placed(placed(one_log.log, 1, 1, copies=2))
    one.on_placed(placed(two_log.log, 1, 1, copies=2))
    one.tell_publishers()

    assert one.shed() == [Count("receipts_dropped_total", 1)]
    assert list(one.waiting.lines) == [two_log.log]
    one.check_all()


def test_a_batch_that_is_taken_back_returns_the_publishes_whose_outcome_is_unknown() -> None:
    ana = Writer()
    one = receipts(holdings=held(ana.write()))
    one.on_placed(placed(ana.log, 1, 1, copies=2))
    one.tell_publishers()
    for first, last in ((2, 3), (4, 6), (7, 7)):
        one.on_placed(placed(ana.log, first, last))

    gone = one.on_take_back(ana.log, 3, 4)

    assert [(w.first, w.last) for w in gone] == [(2, 3), (4, 6)]
    assert [(w.first, w.last) for w in one.waiting.lines[ana.log]] == [(1, 1), (7, 7)]
    assert one.on_take_back(ana.log, 1, 1) == []
    one.check_all()


def test_a_log_of_which_all_is_taken_back_is_waited_for_no_more() -> None:
    ana = Writer()
    one = receipts()
    one.on_placed(placed(ana.log, 1, 1))

    assert [(w.first, w.last) for w in one.on_take_back(ana.log, 1, 1)] == [(1, 1)]
    assert one.waiting.lines == {}
    assert one.on_take_back(ana.log, 1, 1) == []
    one.check_all()


def test_a_session_that_closed_is_told_nothing() -> None:
    shared, alone = Writer(epoch=1), Writer(epoch=2)
    one = receipts(holdings=held(shared.write(2), alone.write()))
    one.on_placed(placed(shared.log, 1, 1))
    one.on_placed(placed(shared.log, 2, 2, session=OTHER))
    one.on_placed(placed(alone.log, 1, 1))

    one.on_session_closed(SEAT)

    one.check_all()
    assert list(one.waiting.lines) == [shared.log]
    assert one.tell_publishers() == [told(shared.log, 2, 2, 1, 1, OTHER)]


def test_check_sees_what_is_done_and_still_waits() -> None:
    ana = Writer()
    one = receipts()
    one.on_placed(placed(ana.log, 1, 1))
    (waiting,) = one.waiting.lines[ana.log]
    waiting.told = (1, 1)

    with pytest.raises(AssertionError, match="it is done and still waits"):
        one.check_all()


def test_of_what_a_node_has_told_of_a_log_the_last_runs_are_remembered() -> None:
    """Each run was kept, for 81 bytes: a member told of four thousand in each frame, where nothing can stand."""
    ana = Writer()
    one = receipts(to_ben(), holdings=held(ana.write(2)))
    everywhere = [(ana.log, at, at) for at in range(1, 4 * RUNS_MAX, 2)]
    one.on_placed(placed(ana.log, 1, 2, copies=2))

    one.on_stored_there(TO_BEN, from_ben(*everywhere[:RUNS_MAX]))
    assert one.elsewhere[ana.log][BEN] == IntervalSet((at, at) for _, at, _ in everywhere[:RUNS_MAX])
    one.on_stored_there(TO_BEN, from_ben(*everywhere))

    one.check_all()
    assert one.elsewhere[ana.log][BEN] == IntervalSet((at, at) for _, at, _ in everywhere[-RUNS_MAX:])
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 2)))
    assert len(one.elsewhere[ana.log][BEN]) == RUNS_MAX, "what lies before all of them is not kept"
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, POSITION_MAX)))
    assert list(one.elsewhere[ana.log][BEN]) == [(1, POSITION_MAX)], "what joins them is"
    assert one.tell_publishers() == [told(ana.log, 1, 2, 2, 1)]


def test_check_sees_more_runs_than_may_be_remembered() -> None:
    ana = Writer()
    one = receipts(to_ben(), holdings=held(ana.write(2)))
    one.elsewhere[ana.log] = {BEN: IntervalSet((at, at) for at in range(1, 2 * RUNS_MAX, 2))}
    one.check_all()
    one.elsewhere[ana.log][BEN].add(2 * RUNS_MAX + 1, 2 * RUNS_MAX + 1)

    with pytest.raises(AssertionError):
        one.check_all()
