"""Serving: every range that is asked for is answered, from memory, from the disk, or by saying that it is not here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.clocks.hybrid import stamp_of
from mesh.effects import Load, Loaded, Outcome, Ranges, Send, Served
from mesh.engines.serving import RANGES_MAX, REQUEST_STEP, Serving
from mesh.frames import Busy, Graft, Lane, NotFound, Push, Want
from mesh.log.batch import BODY_BYTES_MAX, OVERHEAD_BYTES, Batch
from mesh.log.holdings import Holdings
from mesh.log.log import Run
from mesh.peers import Peer
from mesh.types import LinkId, LogId
from tests.engine_samples import CREDIT, TO_BEN, TO_CY, held, table, take, to_ben, to_cy
from tests.samples import ANA, BEN, WALL_MS, Writer

LOG = LogId(ANA, 1 << 20)
FRESH_MS = 1_000
LATER_MS = WALL_MS + FRESH_MS
"""When what the tests write is not new any more."""
READ_BYTES = BODY_BYTES_MAX + OVERHEAD_BYTES
"""Credit for the largest batch: without it nothing is read."""


def engine(*peers: Peer, holdings: Holdings, ranges_waiting_max: int = 65_536) -> Serving:
    return Serving(1 << 18, ranges_waiting_max, 1_000, 2 * FRESH_MS, FRESH_MS, holdings, table(*peers))


def written(count: int, size: int = 1) -> list[Batch]:
    ana = Writer()
    return [ana.write(size) for _ in range(count)]


def on_disk(*batches: Batch) -> Holdings:
    """Holdings that have stored these and keep none in memory."""
    return held(*batches, recent_bytes=0)


def load(request: int, *ranges: tuple[int, int], log: LogId = LOG) -> Load:
    return Load(request, Ranges(log, ranges), 1 << 18)


def pushed(*batches: Batch, link: LinkId = TO_BEN, lane: Lane = Lane.BACKFILL) -> list[Outcome]:
    return [Send((link,), Push(batch), lane) for batch in batches]


def not_found(*ranges: tuple[LogId, int, int]) -> Send:
    return Send((TO_BEN,), NotFound(ranges))


# --- asking ----------------------------------------------------------------------------------------------------------


def test_what_is_in_memory_is_sent_at_once_in_the_lane_of_its_age() -> None:
    batches = written(3)
    one = engine(to_ben(), holdings=held(*batches))

    assert one.ask(TO_BEN, Want(((LOG, 1, 2),)), LATER_MS) == pushed(*batches[:2])
    assert one.ask(TO_BEN, Want(((LOG, 3, 3),)), WALL_MS) == pushed(batches[2], lane=Lane.LIVE)
    one.check_all()


def test_what_was_received_and_is_not_stored_yet_is_served_too() -> None:
    batches = written(1)
    holdings = Holdings()
    take(holdings, *batches)

    assert engine(to_ben(), holdings=holdings).ask(TO_BEN, Want(((LOG, 1, 1),)), WALL_MS) == pushed(
        *batches, lane=Lane.LIVE
    )


def test_what_is_not_here_is_said_to_be_missing() -> None:
    batches = written(5)
    one = engine(to_ben(), holdings=held(batches[1], batches[3]))

    outcomes = one.ask(TO_BEN, Want(((LOG, 1, 5), (LogId(BEN, 1), 2, 3))), LATER_MS)

    absent = not_found((LOG, 1, 1), (LOG, 3, 3), (LOG, 5, 5), (LogId(BEN, 1), 2, 3))
    assert outcomes == [absent, *pushed(batches[1], batches[3])]


def test_a_question_of_nobody_is_not_heard() -> None:
    one = engine(to_cy(), holdings=held(*written(1)))

    assert one.ask(TO_BEN, Want(((LOG, 1, 1),)), WALL_MS) == []
    assert one.owed == {}


def test_missing_ranges_are_said_in_pages() -> None:
    holdings = Holdings()
    runs = tuple(Run(2 * i, 2 * i, b"", b"x") for i in range(1, 1_026))
    holdings.recover(LOG, runs, 5, 6)

    outcomes = engine(to_ben(credit=0), holdings=holdings).ask(TO_BEN, Want(((LOG, 1, 2_049),)), LATER_MS)

    odd = [(LOG, 2 * i + 1, 2 * i + 1) for i in range(1_025)]
    assert outcomes == [not_found(*odd[:1_024]), not_found(*odd[1_024:])]


def test_ranges_beyond_a_page_are_not_looked_at() -> None:
    one = engine(to_ben(), holdings=held(*written(1)))
    asked = tuple((LOG, number, number) for number in range(2, RANGES_MAX + 2))

    assert one.ask(TO_BEN, Want((*asked, (LOG, 1, 1))), LATER_MS) == [not_found(*asked)]


def test_too_much_that_is_asked_at_once_is_refused_for_now() -> None:
    holdings = Holdings()
    runs = tuple(Run(2 * i + 1, 2 * i + 1, b"", b"x") for i in range(RANGES_MAX + 2))
    holdings.recover(LOG, runs, 5, 6)
    one = engine(to_ben(credit=0), holdings=holdings, ranges_waiting_max=RANGES_MAX)
    asked = tuple((LOG, run.first, run.last) for run in runs)

    first = one.ask(TO_BEN, Want(asked[: RANGES_MAX - 1]), LATER_MS)
    second = one.ask(TO_BEN, Want(asked[RANGES_MAX - 1 :]), WALL_MS)

    assert first == []
    assert second == [Send((TO_BEN,), Busy(asked[RANGES_MAX:], 1_000))]
    assert len(one.owed[TO_BEN].old) == RANGES_MAX


def test_what_is_new_goes_before_what_is_old_and_what_is_old_in_the_order_of_the_questions() -> None:
    old = [Writer(BEN, epoch=number).write() for number in (5, 4)]
    fresh = Writer(_stamp=stamp_of(LATER_MS)).write()
    ben = to_ben(credit=0)
    one = engine(ben, holdings=held(*old, fresh))
    for batch in (*old, fresh):
        one.ask(TO_BEN, Want(((batch.log, 1, 1),)), LATER_MS)
    ben.credit_until = CREDIT

    assert one.on_credit(TO_BEN, LATER_MS) == [*pushed(fresh, lane=Lane.LIVE), *pushed(*old)]


def test_what_is_new_and_waits_for_credit_goes_in_the_order_of_the_questions() -> None:
    batches = written(5)
    ben = to_ben(credit=0)
    one = engine(ben, holdings=held(*batches))
    for some in ((1, 2, 3), (4, 5)):
        one.ask(TO_BEN, Graft(tuple((LOG, number, number) for number in some)), WALL_MS)
    one.check_all()
    ben.credit_until = CREDIT

    assert one.on_credit(TO_BEN, WALL_MS) == pushed(*batches, lane=Lane.LIVE)


def test_what_is_grafted_is_new_for_longer_than_what_is_wanted() -> None:
    batches = written(1)
    one = engine(to_ben(), holdings=held(*batches))

    assert one.ask(TO_BEN, Graft(((LOG, 1, 1),)), LATER_MS) == pushed(*batches, lane=Lane.LIVE)
    assert one.ask(TO_BEN, Graft(((LOG, 1, 1),)), LATER_MS + FRESH_MS) == pushed(*batches)


def test_what_is_asked_for_twice_before_it_left_is_sent_once() -> None:
    batches = written(5)
    ben = to_ben(credit=0)
    one = engine(ben, holdings=held(*batches))
    one.ask(TO_BEN, Want(((LOG, 2, 3),)), LATER_MS)
    one.ask(TO_BEN, Want(((LOG, 1, 5), (LOG, 2, 2))), LATER_MS)
    one.check_all()
    ben.credit_until = CREDIT

    assert one.on_credit(TO_BEN, LATER_MS) == pushed(*(batches[at] for at in (1, 2, 0, 3, 4)))
    one.check_all()


# --- what follows ----------------------------------------------------------------------------------------------------


def test_where_nothing_old_was_sent_or_is_owed_nothing_has_to_be_waited_for() -> None:
    one = engine(to_ben(), holdings=held(*written(1)))

    assert one.behind(TO_BEN) is None
    one.ask(TO_BEN, Want(((LOG, 1, 1),)), WALL_MS)
    assert one.behind(TO_BEN) is None


def test_what_follows_old_answers_follows_at_once_where_all_have_left() -> None:
    one = engine(to_ben(), holdings=held(*written(1)))
    one.ask(TO_BEN, Want(((LOG, 1, 1),)), LATER_MS)

    assert one.behind(TO_BEN) == [Served(TO_BEN)]
    assert one.behind(TO_BEN) is None


def test_what_follows_old_answers_waits_for_credit_and_for_the_disk_as_they_do() -> None:
    batches = written(2)
    ben = to_ben(credit=READ_BYTES)
    one = engine(ben, holdings=on_disk(*batches))
    one.ask(TO_BEN, Want(((LOG, 1, 2),)), LATER_MS)
    assert one.behind(TO_BEN) == []
    ben.sent = READ_BYTES - batches[0].size

    first = one.on_loaded(Loaded(1, tuple(batches)), LATER_MS)
    ben.credit_until += READ_BYTES
    second = one.on_credit(TO_BEN, LATER_MS)
    third = one.on_loaded(Loaded(1 + REQUEST_STEP, (batches[1],)), LATER_MS)

    assert (first, second) == (pushed(batches[0]), [load(1 + REQUEST_STEP, (2, 2))])
    assert third == [*pushed(batches[1]), Served(TO_BEN)]
    assert one.behind(TO_BEN) == [Served(TO_BEN)]


# --- credit ----------------------------------------------------------------------------------------------------------


def test_a_link_without_credit_waits_and_goes_on_when_it_comes() -> None:
    batches = written(2)
    ben = to_ben(credit=batches[0].size)
    one = engine(ben, holdings=held(*batches))

    first = one.ask(TO_BEN, Want(((LOG, 1, 2),)), LATER_MS)
    ben.credit_until += batches[1].size
    second = one.on_credit(TO_BEN, LATER_MS)

    assert (first, second) == (pushed(batches[0]), pushed(batches[1]))
    assert one.on_credit(TO_BEN, LATER_MS) == []
    assert one.on_credit(TO_CY, LATER_MS) == []
    one.peers.remove(TO_BEN)
    assert one.on_credit(TO_BEN, LATER_MS) == []


def test_nothing_is_read_without_credit_for_the_largest_batch() -> None:
    ben = to_ben(credit=READ_BYTES - 1)
    one = engine(ben, holdings=on_disk(*written(1)))

    first = one.ask(TO_BEN, Want(((LOG, 1, 1),)), LATER_MS)
    ben.credit_until += 1

    assert (first, one.on_credit(TO_BEN, LATER_MS)) == ([], [load(1, (1, 1))])


def test_what_is_old_leaves_a_reserve_of_credit_to_what_is_new() -> None:
    old, fresh = Writer(BEN).write(), Writer(_stamp=stamp_of(LATER_MS)).write()
    ben = to_ben(credit=old.size + fresh.size)
    ben.reserve = fresh.size + 1
    one = engine(ben, holdings=held(old, fresh))

    assert one.ask(TO_BEN, Want(((old.log, 1, 1),)), LATER_MS) == []
    assert one.ask(TO_BEN, Want(((LOG, 1, 1),)), LATER_MS) == pushed(fresh, lane=Lane.LIVE)
    ben.credit_until += fresh.size + 1
    assert one.on_credit(TO_BEN, LATER_MS) == pushed(old)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_what_is_not_in_memory_is_read_and_sent() -> None:
    batches = written(3)
    one = engine(to_ben(), holdings=on_disk(*batches))

    first = one.ask(TO_BEN, Want(((LOG, 1, 3),)), LATER_MS)
    one.check_all()
    second = one.on_loaded(Loaded(1, tuple(batches)), LATER_MS)

    assert (first, second) == ([load(1, (1, 3))], pushed(*batches))
    assert not one.owed[TO_BEN].queue
    one.check_all()


def test_a_link_has_one_read_under_way_and_reads_on_where_an_answer_was_cut() -> None:
    batches = written(3)
    one = engine(to_ben(), to_cy(), holdings=on_disk(*batches))
    one.ask(TO_BEN, Want(((LOG, 1, 3),)), LATER_MS)

    more = one.ask(TO_BEN, Want(((LOG, 2, 2),)), LATER_MS)
    other = one.ask(TO_CY, Want(((LOG, 1, 1),)), LATER_MS)
    cut = one.on_loaded(Loaded(1, (batches[0],), complete=False), LATER_MS)

    assert more == []
    assert other == [load(1 + REQUEST_STEP, (1, 1))]
    assert cut == [*pushed(batches[0]), load(1 + 2 * REQUEST_STEP, (2, 3))]
    one.check_all()


def test_ranges_of_one_log_are_read_together() -> None:
    one = engine(to_ben(), holdings=on_disk(*written(40), Writer(BEN).write()))
    ascending = tuple((LOG, number, number) for number in range(1, 36, 2))

    outcomes = one.ask(TO_BEN, Want(ascending), LATER_MS)

    assert outcomes == [load(1, *((first, last) for _, first, last in ascending[:16]))]


@pytest.mark.parametrize("second", [(LOG, 2, 2), (LogId(BEN, 1 << 20), 1, 1)])
def test_a_range_of_another_log_or_further_back_is_read_on_its_own(second: tuple[LogId, int, int]) -> None:
    one = engine(to_ben(), holdings=on_disk(*written(6), Writer(BEN).write()))

    assert one.ask(TO_BEN, Want(((LOG, 4, 5), second, (LOG, 6, 6))), LATER_MS) == [load(1, (4, 5))]


def test_memory_serves_what_it_has_before_the_disk_is_asked_for_the_rest() -> None:
    batches = written(3)
    holdings = on_disk(*batches[:2])
    take(holdings, batches[2])
    one = engine(to_ben(), holdings=holdings)

    assert one.ask(TO_BEN, Want(((LOG, 3, 3), (LOG, 1, 2))), LATER_MS) == [*pushed(batches[2]), load(1, (1, 2))]


def test_what_credit_does_not_hold_is_read_again() -> None:
    batches = written(2)
    ben = to_ben(credit=READ_BYTES)
    one = engine(ben, holdings=on_disk(*batches))
    one.ask(TO_BEN, Want(((LOG, 1, 2),)), LATER_MS)
    ben.sent = READ_BYTES - batches[0].size

    first = one.on_loaded(Loaded(1, tuple(batches)), LATER_MS)
    ben.credit_until += READ_BYTES
    second = one.on_credit(TO_BEN, LATER_MS)

    assert (first, second) == (pushed(batches[0]), [load(1 + REQUEST_STEP, (2, 2))])


def test_what_lies_before_a_batch_that_was_read_has_gone() -> None:
    batches = written(3)
    one = engine(to_ben(), holdings=on_disk(*batches))
    one.ask(TO_BEN, Want(((LOG, 1, 3),)), LATER_MS)

    outcomes = one.on_loaded(Loaded(1, tuple(batches[1:])), LATER_MS)

    assert outcomes == [*pushed(*batches[1:]), not_found((LOG, 1, 1))]


def test_where_the_disk_has_nothing_any_more_the_next_range_is_read() -> None:
    one = engine(to_ben(), holdings=on_disk(*written(3), Writer(BEN).write()))
    one.ask(TO_BEN, Want(((LOG, 1, 3), (LogId(BEN, 1 << 20), 1, 1))), LATER_MS)

    outcomes = one.on_loaded(Loaded(1), LATER_MS)

    assert outcomes == [not_found((LOG, 1, 3)), load(1 + REQUEST_STEP, (1, 1), log=LogId(BEN, 1 << 20))]


def test_what_was_read_has_gone_and_not_what_has_come_before_it_meanwhile() -> None:
    old, fresh = Writer(BEN).write(), Writer(_stamp=stamp_of(LATER_MS)).write()
    holdings = on_disk(old)
    ben = to_ben(credit=READ_BYTES)
    one = engine(ben, holdings=holdings)
    one.ask(TO_BEN, Want(((old.log, 1, 1),)), LATER_MS)
    take(holdings, fresh)
    one.ask(TO_BEN, Graft(((LOG, 1, 1),)), LATER_MS)
    one.check_all()

    assert one.on_loaded(Loaded(1), LATER_MS) == [not_found((old.log, 1, 1)), *pushed(fresh, lane=Lane.LIVE)]
    one.check_all()


def test_what_was_read_says_nothing_of_what_was_asked_for_later() -> None:
    """The second batch reaches from what was asked for later into what was read: the first is not missing."""
    batches = written(3, size=4)
    holdings = on_disk(batches[1], batches[2])
    one = engine(to_ben(), holdings=holdings)
    one.ask(TO_BEN, Want(((LOG, 7, 12),)), LATER_MS)
    take(holdings, batches[0])
    one.ask(TO_BEN, Graft(((LOG, 1, 6),)), WALL_MS)

    first = one.on_loaded(Loaded(1, tuple(batches[1:])), WALL_MS)
    second = one.on_loaded(Loaded(1 + REQUEST_STEP, (batches[1],)), WALL_MS)

    assert first == [*pushed(*batches[1:], batches[0], lane=Lane.LIVE), load(1 + REQUEST_STEP, (5, 6))]
    assert second == pushed(batches[1], lane=Lane.LIVE)
    one.check_all()


def test_of_what_was_read_and_has_gone_the_part_in_memory_is_sent() -> None:
    batches = written(3)
    holdings = on_disk(*batches[:2])
    take(holdings, batches[2])
    one = engine(to_ben(), holdings=holdings)
    one.ask(TO_BEN, Want(((LOG, 1, 3),)), LATER_MS)
    holdings.lose(LOG, 1, 2)

    assert one.on_loaded(Loaded(1), LATER_MS) == [not_found((LOG, 1, 2)), *pushed(batches[2])]


def test_an_answer_to_what_a_link_asked_before_it_was_dropped_and_taken_back_comes_to_nothing() -> None:
    batches = written(1)
    one = engine(to_ben(), holdings=on_disk(*batches))
    one.ask(TO_BEN, Want(((LOG, 1, 1),)), LATER_MS)
    one.on_peer_down(TO_BEN)
    one.ask(TO_BEN, Want(((LOG, 1, 1),)), LATER_MS)

    first = one.on_loaded(Loaded(1), LATER_MS)
    one.check_all()
    second = one.on_loaded(Loaded(1 + REQUEST_STEP, tuple(batches)), LATER_MS)

    assert (first, second) == ([], pushed(*batches))


def test_a_batch_that_nobody_waits_for_is_passed_over() -> None:
    batches = written(2)
    one = engine(to_ben(), holdings=on_disk(*batches, Writer(BEN).write()))
    one.ask(TO_BEN, Want(((LOG, 2, 2),)), LATER_MS)

    other = Writer(BEN, epoch=3).write()

    assert one.on_loaded(Loaded(1, (other, batches[0], batches[1])), LATER_MS) == pushed(batches[1])


def test_an_answer_to_a_link_that_is_gone_comes_to_nothing() -> None:
    batches = written(1)
    one = engine(to_ben(), holdings=on_disk(*batches))
    one.ask(TO_BEN, Want(((LOG, 1, 1),)), LATER_MS)
    one.on_peer_down(TO_BEN)
    one.on_peer_down(TO_BEN)

    assert one.on_loaded(Loaded(1, tuple(batches)), LATER_MS) == []
    assert (one.owed, one.reads) == ({}, {})


def test_a_batch_that_reaches_beyond_what_was_asked_answers_it() -> None:
    batches = written(2, size=4)
    one = engine(to_ben(), holdings=on_disk(*batches))
    one.ask(TO_BEN, Want(((LOG, 3, 6),)), LATER_MS)

    assert one.on_loaded(Loaded(1, tuple(batches)), LATER_MS) == pushed(*batches)
    assert not one.owed[TO_BEN].queue


def test_check_sees_a_read_that_nobody_waits_for() -> None:
    one = engine(to_ben(), holdings=on_disk(*written(1)))
    one.ask(TO_BEN, Want(((LOG, 1, 1),)), LATER_MS)
    one.owed[TO_BEN].request = 0

    with pytest.raises(AssertionError):
        one.check_all()


# --- for any questions -----------------------------------------------------------------------------------------------

SIZES = (2, 1, 3, 2, 2)
"""Records of the batches, positions 1 to 10."""
questions = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 5), st.sampled_from([WALL_MS, LATER_MS])))


@given(questions, st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4)), st.booleans())
def test_every_position_that_is_asked_for_is_answered(
    asked: list[tuple[int, int, int]], here: set[int], gone: set[int], in_memory: bool
) -> None:
    ana = Writer()
    batches = [ana.write(size) for size in SIZES]
    mine = [batches[n] for n in sorted(here)]
    ben = to_ben(credit=READ_BYTES)
    one = engine(ben, holdings=held(*mine, recent_bytes=1 << 20 if in_memory else 0))
    answered: dict[int, int] = {}
    wanted: dict[int, int] = {}

    def perform(outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            one.check_all()
            if isinstance(outcome, Load):
                assert isinstance(outcome.query, Ranges)
                ranges = outcome.query.ranges
                found = [b for b in mine if any(lo <= b.last and b.first <= hi for lo, hi in ranges)]
                kept = [b for b in found if batches.index(b) not in gone]
                loads.append(Loaded(outcome.request, tuple(kept[:1]), complete=len(kept) < 2))
                continue
            assert isinstance(outcome, Send)
            frame = outcome.frame
            assert isinstance(frame, Push | NotFound)
            runs = [(frame.batch.first, frame.batch.last)] if isinstance(frame, Push) else [r[1:] for r in frame.ranges]
            for first, last in runs:
                for position in range(first, last + 1):
                    answered[position] = answered.get(position, 0) + 1

    loads: list[Loaded] = []
    for first, more, wall_ms in asked:
        for position in range(first, first + more + 1):
            wanted[position] = wanted.get(position, 0) + 1
        perform(one.ask(TO_BEN, Want(((LOG, first, first + more),)), wall_ms))
    for _ in range(500):
        if loads:
            perform(one.on_loaded(loads.pop(0), LATER_MS))
        ben.credit_until += READ_BYTES
        perform(one.on_credit(TO_BEN, LATER_MS))

    assert not loads
    assert not one.owed.get(TO_BEN) or not one.owed[TO_BEN].queue
    assert all(answered.get(position, 0) >= 1 for position in wanted)


def test_what_is_asked_for_again_in_one_frame_is_answered_once() -> None:
    one = engine(to_ben(), holdings=on_disk(written(3)[1]))

    again = tuple((LOG, first, 4) for first in (2, 1, 2, 1))
    assert one.ask(TO_BEN, Want(again), LATER_MS) == [
        Send((TO_BEN,), NotFound(((LOG, 3, 4), (LOG, 1, 1)))),
        load(1, (2, 2)),
    ]
