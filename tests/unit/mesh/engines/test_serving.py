"""Serving: every range that is asked for is answered, from memory, from the disk, or by saying that it is not here."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.clocks.hybrid import stamp_of
from mesh.effects import Load, Loaded, Outcome, Ranges, Send, Served
from mesh.engines.serving import RANGES_MAX, REQUEST_STEP
from mesh.frames import Busy, Graft, Lane, NotFound, Push, Want
from mesh.log.holdings import Holdings
from mesh.log.log import Run
from mesh.types import LogId
from tests.engine_samples import CREDIT, TO_BEN, TO_CY, held, take, to_ben, to_cy
from tests.samples import BEN, WALL_MS, Writer
from tests.serving_samples import FRESH_MS, LATER_MS, LOG, READ_BYTES, engine, load, not_found, on_disk, pushed, written

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


def test_what_follows_old_answers_follows_at_once_where_all_have_left_though_it_be_asked_again() -> None:
    one = engine(to_ben(), holdings=held(*written(1)))
    one.ask(TO_BEN, Want(((LOG, 1, 1),)), LATER_MS)

    assert one.behind(TO_BEN) == [Served(TO_BEN)]
    assert one.behind(TO_BEN) == [Served(TO_BEN)]


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
