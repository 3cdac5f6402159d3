"""Serving what is not in memory: one read at a time for each link, and what an answer of the disk says."""

import pytest

from mesh.clocks.hybrid import stamp_of
from mesh.effects import Loaded
from mesh.engines.serving import REQUEST_STEP
from mesh.frames import Graft, Lane, Want
from mesh.log.holdings import Holdings
from mesh.log.log import Run
from mesh.types import LogId
from tests.engine_samples import TO_BEN, TO_CY, take, to_ben, to_cy
from tests.samples import BEN, WALL_MS, Writer
from tests.serving_samples import LATER_MS, LOG, READ_BYTES, engine, load, not_found, on_disk, pushed, written


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
    holdings = on_disk(*batches)
    one = engine(to_ben(), holdings=holdings)
    one.ask(TO_BEN, Want(((LOG, 1, 3),)), LATER_MS)
    holdings.lose(LOG, 1, 1)

    outcomes = one.on_loaded(Loaded(1, tuple(batches[1:])), LATER_MS)

    assert outcomes == [*pushed(*batches[1:]), not_found((LOG, 1, 1))]


def test_where_the_disk_has_nothing_any_more_the_next_range_is_read() -> None:
    holdings = on_disk(*written(3), Writer(BEN).write())
    one = engine(to_ben(), holdings=holdings)
    one.ask(TO_BEN, Want(((LOG, 1, 3), (LogId(BEN, 1 << 20), 1, 1))), LATER_MS)
    holdings.lose(LOG, 1, 3)

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
    holdings.lose(old.log, 1, 1)

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


def test_of_what_lies_before_a_batch_that_was_read_what_has_come_back_is_sent() -> None:
    batches = written(5)
    holdings = on_disk(*batches)
    one = engine(to_ben(), holdings=holdings)
    one.ask(TO_BEN, Want(((LOG, 1, 5),)), LATER_MS)
    holdings.lose(LOG, 1, 4)
    take(holdings, batches[1])

    outcomes = one.on_loaded(Loaded(1, (batches[4],)), LATER_MS)

    assert outcomes == [*pushed(batches[4]), not_found((LOG, 1, 1), (LOG, 3, 4)), *pushed(batches[1])]
    one.check_all()


def test_what_was_lost_and_has_come_again_while_it_was_read_is_sent() -> None:
    batches = written(1)
    holdings = on_disk(*batches)
    one = engine(to_ben(), holdings=holdings)
    one.ask(TO_BEN, Want(((LOG, 1, 1),)), LATER_MS)
    holdings.lose(LOG, 1, 1)
    take(holdings, *batches)

    assert one.on_loaded(Loaded(1), LATER_MS) == pushed(*batches)
    one.check_all()


def test_what_should_be_here_and_was_not_read_is_read_once_more_and_then_given_up() -> None:
    one = engine(to_ben(), holdings=on_disk(*written(2)))
    one.ask(TO_BEN, Want(((LOG, 1, 2),)), LATER_MS)

    first = one.on_loaded(Loaded(1), LATER_MS)
    one.check_all()

    assert first == [load(1 + REQUEST_STEP, (1, 2))]
    assert one.on_loaded(Loaded(1 + REQUEST_STEP), LATER_MS) == [not_found((LOG, 1, 2))]
    one.check_all()


def test_what_was_read_and_has_gone_in_many_places_is_said_in_pages() -> None:
    holdings = Holdings()
    holdings.recover(LOG, (Run(1, 2_050, b"", b"x"),), 5, 6)
    one = engine(to_ben(), holdings=holdings)
    one.ask(TO_BEN, Want(((LOG, 1, 2_050),)), LATER_MS)
    for position in range(1, 2_051, 2):
        holdings.lose(LOG, position, position)

    outcomes = one.on_loaded(Loaded(1), LATER_MS)

    odd = [(LOG, position, position) for position in range(1, 2_051, 2)]
    even = [(position, position) for position in range(2, 34, 2)]
    assert outcomes == [not_found(*odd[:1_024]), not_found(*odd[1_024:]), load(1 + REQUEST_STEP, *even)]
    one.check_all()


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
