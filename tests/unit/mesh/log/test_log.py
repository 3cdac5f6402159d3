"""One log: batches fit where their names agree, whatever the order in which they come."""

import itertools

import pytest

from mesh.clocks.vector import IntervalSet
from mesh.log.batch import NO_NAME, Batch, encode_header
from mesh.log.log import UNKNOWN_NAME, Log, Run
from mesh.types import LogId
from tests.samples import ANA, Writer

OTHER = b"o" * 32
PREVIOUS_WRONG = "it does not name the batch before it"
NEXT_WRONG = "the batch after it names another"


def chain(*lengths: int) -> tuple[Writer, list[Batch]]:
    writer = Writer()
    return writer, [writer.write(length) for length in lengths]


def log_with(writer: Writer, batches: list[Batch]) -> Log:
    log = Log(writer.log)
    for batch in batches:
        assert log.fault(batch) == ""
        log.add(batch)
        log.check()
    return log


def renamed(batch: Batch, **fields: object) -> Batch:
    """Another batch at the same place."""
    header = encode_header(batch.head._replace(**fields))  # type: ignore[arg-type]
    return Batch(header, None, batch.signature, batch.epoch_public, batch.epoch_proof)


def test_in_every_order_the_same_batches_make_the_same_log() -> None:
    writer, batches = chain(2, 1, 3, 2)
    whole = [Run(1, 8, NO_NAME, batches[3].name)]

    for order in itertools.permutations(batches):
        log = log_with(writer, list(order))
        assert log.runs == whole
        assert log.positions == IntervalSet([(1, 8)])
        assert (log.frontier, log.stamp, log.expires_ms) == (8, batches[3].head.stamp, batches[3].head.expires_ms)


def test_a_hole_parts_two_runs_each_with_the_names_at_its_ends() -> None:
    writer, (first, second, third, fourth) = chain(2, 1, 3, 2)

    log = log_with(writer, [fourth, first, third])

    assert log.runs == [Run(1, 2, NO_NAME, first.name), Run(4, 8, second.name, fourth.name)]
    assert log.frontier == 2


def test_the_newest_stamp_and_the_latest_expiry_are_kept_whatever_came_last() -> None:
    writer = Writer()
    early = writer.write(1, ttl_ms=9_000_000)
    late = writer.write(1, ttl_ms=1)

    log = log_with(writer, [late, early])

    assert (log.stamp, log.expires_ms) == (late.head.stamp, early.head.expires_ms)


@pytest.mark.parametrize("held", [0, 1, 2])
def test_a_batch_must_name_the_one_before_it(held: int) -> None:
    writer, batches = chain(2, 1, 3, 2)
    log = log_with(writer, [batches[held]])
    successor = batches[held + 1]

    assert log.fault(renamed(successor, previous=OTHER)) == PREVIOUS_WRONG
    assert log.fault(successor) == ""


def test_a_batch_must_be_the_one_that_its_successor_names() -> None:
    writer, (first, second, third) = chain(2, 1, 3)
    log = log_with(writer, [third])

    assert log.fault(renamed(second, floor=2)) == NEXT_WRONG
    assert log.fault(second) == ""
    log.add(second)
    assert log.fault(renamed(first, floor=2)) == NEXT_WRONG


def test_a_batch_that_touches_nothing_may_name_whatever_it_will() -> None:
    writer, (first, second, third) = chain(2, 1, 3)

    assert log_with(writer, [first]).fault(renamed(third, previous=OTHER)) == ""
    assert log_with(writer, [third]).fault(renamed(first, floor=3)) == ""
    assert log_with(writer, [third]).fault(renamed(second, previous=OTHER, first=2)) == ""


def test_the_fault_before_is_told_rather_than_the_fault_after() -> None:
    writer, (first, second, third) = chain(2, 1, 3)

    assert log_with(writer, [first, third]).fault(renamed(second, previous=OTHER)) == PREVIOUS_WRONG


@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_a_batch_that_is_taken_out_leaves_what_was_there_before_it(taken: int) -> None:
    writer, batches = chain(2, 1, 3, 2)
    rest = [batch for batch in batches if batch is not batches[taken]]
    log = log_with(writer, batches)

    log.remove(batches[taken])

    log.check()
    expected = log_with(writer, rest)
    assert (log.runs, log.positions) == (expected.runs, expected.positions)
    log.add(batches[taken])
    assert log.runs == [Run(1, 8, NO_NAME, batches[3].name)]


def test_the_only_batch_taken_out_leaves_an_empty_log() -> None:
    writer, (first,) = chain(4)
    log = log_with(writer, [first])

    log.remove(first)

    log.check()
    assert (log.runs, log.frontier) == ([], 0)


def test_a_batch_that_is_not_there_cannot_be_taken_out() -> None:
    writer, (first, second, third) = chain(2, 1, 3)

    with pytest.raises(AssertionError):
        log_with(writer, [first]).remove(second)
    with pytest.raises(AssertionError):
        log_with(writer, [third]).remove(second)
    log = Log(writer.log, (Run(1, 2, NO_NAME, OTHER),))
    with pytest.raises(AssertionError):
        log.remove(renamed(first, length=3))
    log = Log(writer.log, (Run(2, 4, NO_NAME, OTHER),))
    with pytest.raises(AssertionError):
        log.remove(renamed(third, first=1, length=3))


def test_a_lost_range_takes_the_names_beside_it_along_and_any_batch_fits_there() -> None:
    writer, (first, second, third, fourth) = chain(2, 1, 3, 2)
    log = log_with(writer, [first, second, third, fourth])

    log.lose(3, 6)

    log.check()
    assert log.runs == [Run(1, 2, NO_NAME, UNKNOWN_NAME), Run(7, 8, UNKNOWN_NAME, fourth.name)]
    for batch in (second, third):
        assert log.fault(batch) == ""
        log.add(batch)
    assert log.runs == [Run(1, 8, NO_NAME, fourth.name)]


def test_names_beside_a_lost_range_are_learnt_again_from_the_batches_there() -> None:
    writer, (first, second, third, fourth) = chain(2, 1, 3, 2)
    log = log_with(writer, [first, second, third, fourth])
    log.lose(3, 6)
    assert log.unnamed() == [2, 7]

    for batch in (first, second, fourth, fourth):
        log.learn(batch)

    log.check()
    assert log.runs == [Run(1, 2, NO_NAME, first.name), Run(7, 8, third.name, fourth.name)]
    assert log.unnamed() == []


def test_nothing_is_learnt_from_a_batch_within_a_run_or_outside_of_all() -> None:
    writer, (first, second, third) = chain(1, 1, 1)
    log = log_with(writer, [second])
    log.lose(2, 2)
    log.add(third)
    before = list(log.runs)

    log.learn(first)
    log.learn(second)

    assert log.runs == before


def test_a_log_of_several_runs_is_not_copied_for_each_batch() -> None:
    writer, batches = chain(1, 1, 1, 1, 1)
    log = log_with(writer, [batches[0], batches[2]])
    runs = log.runs

    log.add(batches[4])
    log.add(batches[3])
    log.remove(batches[4])

    assert log.runs is runs
    assert runs == [Run(1, 1, NO_NAME, batches[0].name), Run(3, 4, batches[1].name, batches[3].name)]


def test_a_lost_range_may_be_a_whole_run_or_more_and_touches_no_other() -> None:
    writer, (first, second, third, fourth, fifth) = chain(1, 1, 1, 1, 1)
    log = log_with(writer, [first, third, fifth])
    before, after = log.runs[0], log.runs[2]

    log.lose(2, 4)

    log.check()
    assert log.runs == [before, after]
    log.lose(2, 4)
    assert log.runs == [before, after]
    log.lose(1, 5)
    assert (log.runs, len(log.positions)) == ([], 0)
    assert {second.name, fourth.name}.isdisjoint({before.head, after.head})


@pytest.mark.parametrize(
    ("first", "last", "left"),
    [
        (1, 1, [Run(2, 5, UNKNOWN_NAME, OTHER)]),
        (5, 5, [Run(1, 4, NO_NAME, UNKNOWN_NAME)]),
        (1, 5, []),
        (2, 4, [Run(1, 1, NO_NAME, UNKNOWN_NAME), Run(5, 5, UNKNOWN_NAME, OTHER)]),
        (6, 9, [Run(1, 5, NO_NAME, OTHER)]),
    ],
)
def test_losing_cuts_to_the_position(first: int, last: int, left: list[Run]) -> None:
    log = Log(LogId(ANA, 1), (Run(1, 5, NO_NAME, OTHER),))

    log.lose(first, last)

    log.check()
    assert log.runs == left


def test_a_digest_is_equal_for_equal_logs_and_no_others() -> None:
    writer, batches = chain(2, 1)
    full, other_order = log_with(writer, batches), log_with(writer, batches[::-1])
    part = log_with(writer, batches[:1])
    renamed_head = Log(writer.log, (Run(1, 3, NO_NAME, OTHER),))
    parted = Log(writer.log, (Run(1, 1, NO_NAME, OTHER), Run(3, 3, NO_NAME, OTHER)))
    elsewhere = [
        Log(log, (Run(1, 3, NO_NAME, OTHER),))
        for log in (LogId(ANA, writer.epoch + 1), LogId(ANA, writer.epoch, "s"), LogId(type(ANA)(OTHER), writer.epoch))
    ]

    assert full.digest() == other_order.digest()
    different = [log.digest() for log in (full, part, renamed_head, parted, Log(writer.log), *elsewhere)]
    assert len(set(different)) == len(different)
    assert all(0 <= digest < 1 << 64 for digest in different)


def test_the_digest_is_part_of_the_protocol() -> None:
    """Two versions that compute it differently would repair for ever: a change of this number is a decision."""
    log = Log(LogId(type(ANA)(b"n" * 32), 5, "s"), (Run(1, 3, NO_NAME, OTHER), Run(5, 5, OTHER, OTHER)))

    assert log.digest() == 0xE5430544D9B71D8E


def test_a_recovered_log_goes_on_where_it_was() -> None:
    writer, (first, second, third) = chain(2, 1, 3)
    log = Log(writer.log, (Run(1, 2, NO_NAME, first.name), Run(4, 6, second.name, third.name)), 5, 6)

    assert (log.id, log.stamp, log.expires_ms, log.frontier) == (writer.log, 5, 6, 2)
    assert log.positions == IntervalSet([(1, 2), (4, 6)])
    assert log.fault(second) == ""
    log.add(second)
    assert log.runs == [Run(1, 6, NO_NAME, third.name)]
    assert log.stamp == second.head.stamp


def test_a_new_log_is_empty() -> None:
    log = Log(LogId(ANA, 1))

    assert (log.runs, log.positions, log.stamp, log.expires_ms) == ([], IntervalSet(), 0, 0)


def test_a_check_trips_where_runs_and_positions_disagree_or_touch_unjoined() -> None:
    log = Log(LogId(ANA, 1), (Run(1, 2, NO_NAME, OTHER),))
    log.positions.add(5, 5)
    with pytest.raises(AssertionError):
        log.check()
    log.runs = [*log.runs[:1], Run(3, 3, OTHER, OTHER)]
    with pytest.raises(AssertionError):
        log.check()
