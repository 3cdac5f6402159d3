"""Names of messages: where each stands, in one run while nothing comes between, in one run for every copy."""

import pytest

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log import names
from mesh.log.names import NameIndex, NameRun
from mesh.types import LogId
from tests.name_samples import ALL, batch_of, p, run_of
from tests.samples import ANA, BEN, WALL_MS, Writer, record


def test_sequences_that_follow_one_another_are_one_run_over_batches_too() -> None:
    index, writer = NameIndex(), Writer()
    first, second = batch_of(writer, *p(1, 2)), batch_of(writer, *p(3, 4))

    assert index.note(first, ALL) == [run_of(first, 1, 2, 1, 2)]
    assert index.note(second, ALL) == [run_of(second, 1, 4, 1, 4)]

    index.check()
    assert index.find("p", 7, 3) == [run_of(second, 1, 4, 1, 4)]
    assert (index.find("p", 7, 5), index.find("p", 8, 3), index.find("q", 7, 3)) == ([], [], [])
    assert (index.newest("p", 7), index.newest("p", 8)) == (4, 0)
    assert (index.newest_in("p", 7, first.log), index.newest_in("p", 7, LogId(BEN, 9))) == (4, 0)
    assert len(index) == 1


def test_the_positions_between_may_belong_to_others() -> None:
    index, writer = NameIndex(), Writer()
    batch = batch_of(writer, ("p", 7, 1), ("q", 7, 9), ("p", 7, 2), ("q", 7, 10), ("p", 8, 1))

    noted = index.note(batch, ALL)

    expires_ms = batch.head.expires_ms
    assert noted == [
        run_of(batch, 1, 2, 1, 3),
        run_of(batch, 9, 10, 2, 4, "q"),
        NameRun("p", 8, 1, 1, batch.log, 5, 5, expires_ms),
    ]
    index.check()


def test_a_gap_or_a_step_back_begins_another_run() -> None:
    index, writer = NameIndex(), Writer()
    batch = batch_of(writer, *p(1, 3, 2, 2))

    noted = index.note(batch, ALL)

    assert noted == [run_of(batch, 1, 2, 1, 3), run_of(batch, 3, 3, 2, 2), run_of(batch, 2, 2, 4, 4)]
    assert index.find("p", 7, 2) == [noted[0], noted[2]]


def test_a_batch_that_comes_late_is_joined_with_what_follows_it() -> None:
    index, writer = NameIndex(), Writer()
    first, second = batch_of(writer, *p(1, 2)), batch_of(writer, *p(3, 4))
    index.note(second, ALL)

    assert index.note(first, ALL) == [run_of(first, 1, 4, 1, 4)]

    assert index.find("p", 7, 3) == [run_of(first, 1, 4, 1, 4)]
    assert index.newest("p", 7) == 4
    assert not index.moved("p", 7)


def test_batches_that_come_in_any_order_are_one_run_when_all_are_here() -> None:
    index, writer = NameIndex(), Writer()
    batches = [batch_of(writer, *p(number)) for number in range(1, 6)]

    noted = [index.note(batches[i], IntervalSet([(1, 5)])) for i in (0, 4, 2, 3, 1)]

    spans = ((1, 1), (5, 5), (3, 3), (3, 5), (1, 5))
    assert noted == [[run_of(batches[0], first, last, first, last)] for first, last in spans]
    assert index.find("p", 7, 4) == noted[-1]
    index.check()


def test_what_a_disk_held_of_parts_that_were_joined_is_passed_over() -> None:
    ana, ben = Writer(), Writer(BEN)
    batch, copy = batch_of(ana, *p(1, 2, 3)), batch_of(ben, *p(2))
    whole, part, other = run_of(batch, 1, 3, 1, 3), run_of(batch, 1, 2, 1, 2), run_of(copy, 2, 2, 1, 1)

    index = NameIndex([part, run_of(batch, 3, 3, 3, 3), whole, other])

    assert index.find("p", 7, 3) == [whole]
    assert sorted(index.find("p", 7, 2)) == sorted([whole, other])


def test_a_later_batch_that_is_nearer_in_sequence_than_in_place_does_not_join() -> None:
    index, writer = NameIndex(), Writer()
    early, late = batch_of(writer, *p(5)), batch_of(writer, *p(4))
    index.note(late, ALL)

    assert index.note(early, ALL) == [run_of(early, 5, 5, 1, 1)]


def test_the_latest_expiry_of_a_run_counts() -> None:
    index, writer = NameIndex(), Writer()
    writer._stamp += 1
    long = writer.seal([record(1, publisher="p", stamp=writer._stamp, ttl_ms=9_000_000)])
    writer._stamp += 1
    short = writer.seal([record(2, publisher="p", stamp=writer._stamp, ttl_ms=5)])

    index.note(long, ALL)
    (run,) = index.note(short, ALL)
    assert run.expires_ms == long.head.expires_ms > short.head.expires_ms

    writer._stamp += 1
    longest = writer.seal([record(3, publisher="p", stamp=writer._stamp, ttl_ms=99_000_000)])
    (run,) = index.note(longest, ALL)
    assert run.expires_ms == longest.head.expires_ms > long.head.expires_ms


def test_a_copy_in_another_log_makes_a_mover_and_both_are_found() -> None:
    index, ana, ben = NameIndex(), Writer(ANA), Writer(BEN)
    here, there = batch_of(ana, *p(1, 2)), batch_of(ben, *p(2, 3))

    index.note(here, ALL)
    assert not index.moved("p", 7)
    index.note(there, ALL)

    index.check()
    assert index.moved("p", 7)
    assert set(index.movers) == {("p", 7)}
    assert index.find("p", 7, 2) == [run_of(here, 1, 2, 1, 2), run_of(there, 2, 3, 1, 2)]
    assert index.copies_elsewhere("p", 7, 2, here.log) == [run_of(there, 2, 3, 1, 2)]
    assert index.copies_elsewhere("p", 7, 1, here.log) == []


def test_what_was_taken_back_was_never_named() -> None:
    index, writer = NameIndex(), Writer()
    first, second = batch_of(writer, *p(1, 2)), batch_of(writer, *p(3, 4))
    index.note(first, ALL)
    index.note(second, ALL)

    index.forget(second)
    index.check()
    assert index.find("p", 7, 2) == [run_of(first, 1, 2, 1, 2)]
    assert index.find("p", 7, 3) == []
    index.forget(first)

    assert (len(index), index.newest("p", 7)) == (0, 0)
    index.forget(first)
    assert len(index) == 0


def test_a_run_is_cut_where_a_batch_is_taken_out_of_its_middle() -> None:
    index, writer = NameIndex(), Writer()
    batches = [batch_of(writer, *p(n)) for n in (1, 2, 3)]
    for batch in batches:
        index.note(batch, ALL)

    index.forget(batches[1])

    index.check()
    assert [index.find("p", 7, n) for n in (1, 2, 3)] == [
        [run_of(batches[2], 1, 1, 1, 1)],
        [],
        [run_of(batches[2], 3, 3, 3, 3)],
    ]


def test_a_batch_that_was_lost_from_the_disk_and_came_again_is_written_down_once_more() -> None:
    index, writer, ben = NameIndex(), Writer(), Writer(BEN)
    first, second, third = batch_of(writer, *p(1, 2)), batch_of(writer, *p(3)), batch_of(writer, *p(4))
    for batch in (first, second, third):
        index.note(batch, ALL)
    whole = [run_of(third, 1, 4, 1, 4)]

    assert [index.note(batch, ALL) for batch in (first, second, third)] == [whole, whole, whole]
    assert index.find("p", 7, 2) == whole

    copy = batch_of(ben, *p(3))
    assert index.note(copy, ALL) == [run_of(copy, 3, 3, 1, 1)]
    assert index.find("p", 7, 3) == [*whole, run_of(copy, 3, 3, 1, 1)]


@pytest.mark.parametrize(
    "other",
    [
        NameRun("p", 7, 3, 4, LogId(BEN, 1), 3, 4, 5),
        NameRun("p", 7, 3, 5, LogId(BEN, 1), 3, 5, 5),
        NameRun("p", 7, 4, 5, LogId(BEN, 1), 4, 5, 5),
        NameRun("p", 7, 3, 5, LogId(BEN, 1), 4, 6, 5),
        NameRun("p", 7, 3, 5, LogId(BEN, 1), 2, 4, 5),
        NameRun("p", 7, 3, 5, LogId(ANA, 1), 3, 5, 5),
    ],
)
def test_a_run_holds_another_where_all_its_names_are_at_the_same_places(other: NameRun) -> None:
    inner = NameRun("p", 7, 3, 5, LogId(BEN, 1), 3, 5, 5)

    held = names._holds(other, inner)

    assert held is (other == inner)
    assert names._holds(inner._replace(first=2, from_position=2, last=6, to_position=6), inner)


def test_a_hole_between_parts_two_runs() -> None:
    """Whoever waits until all positions of a run are stored must not wait for what may never come."""
    index, writer = NameIndex(), Writer()
    first, _, third = batch_of(writer, *p(1)), batch_of(writer, ("q", 7, 1)), batch_of(writer, *p(2))
    index.note(first, IntervalSet([(1, 1)]))

    assert index.note(third, IntervalSet([(1, 1), (3, 3)])) == [run_of(third, 2, 2, 3, 3)]


def test_a_run_ends_and_begins_where_something_is_left() -> None:
    writer = Writer()
    batches = [batch_of(writer, (who, 7, n)) for who, n in (("p", 1), ("q", 1), ("p", 2), ("q", 2), ("p", 3))]
    ends, begins = NameIndex(), NameIndex()
    for index in (ends, begins):
        for batch in batches:
            index.note(batch, ALL)
        assert index.find("p", 7, 2) == [run_of(batches[4], 1, 3, 1, 5)]

    for batch in (batches[4], batches[3], batches[2]):
        ends.forget(batch)
    ends.tighten(batches[2], IntervalSet([(2, 5)]))
    begins.forget(batches[0])
    begins.tighten(batches[0], IntervalSet([(1, 2)]))

    assert ends.find("p", 7, 1) == [run_of(batches[4], 1, 1, 1, 1)]
    assert begins.find("p", 7, 3) == [run_of(batches[4], 2, 3, 3, 5)]
    assert begins.find("q", 7, 1) == [run_of(batches[3], 1, 2, 2, 4, "q")]


def test_only_the_copy_at_its_own_place_is_forgotten() -> None:
    index, ana, ben = NameIndex(), Writer(ANA), Writer(BEN)
    here, there = batch_of(ana, *p(1)), batch_of(ben, *p(1))
    again = batch_of(ana, *p(1))
    for batch in (here, there, again):
        index.note(batch, ALL)

    index.forget(here)

    assert index.find("p", 7, 1) == [run_of(again, 1, 1, 2, 2), run_of(there, 1, 1, 1, 1)]
    index.forget(again)
    index.forget(there)
    assert index.movers == {}


def test_a_publisher_of_whom_two_copies_are_alive_is_still_a_mover_when_a_third_has_expired() -> None:
    index, writers = NameIndex(), [Writer(ANA), Writer(BEN), Writer(ANA, epoch=9)]
    for writer, ttl_ms in zip(writers, (5, 9_000, 9_000), strict=True):
        writer._stamp += 1
        index.note(writer.seal([record(1, publisher="p", stamp=writer._stamp, ttl_ms=ttl_ms)]), ALL)

    assert index.expire(WALL_MS + 100) == 0

    assert [run.log for run in index.find("p", 7, 1)] == [writer.log for writer in writers[1:]]
    assert set(index.movers) == {("p", 7)}
    index.check()


def test_a_run_is_forgotten_when_nothing_of_it_is_alive_and_an_incarnation_with_its_last() -> None:
    index, ana, ben = NameIndex(), Writer(ANA), Writer(BEN)
    ana._stamp += 1
    short = ana.seal([record(1, publisher="p", stamp=ana._stamp, ttl_ms=5)])
    long = batch_of(ben, *p(2))
    other = ben.seal([record(1, publisher="q", stamp=ben._stamp + 1, ttl_ms=90_000_000)])
    for batch in (short, long, other):
        index.note(batch, ALL)

    assert index.expire(short.head.expires_ms - 1) == 0
    assert index.find("p", 7, 1) != []
    assert index.expire(long.head.expires_ms - 1) == 0
    assert (index.find("p", 7, 1), index.movers) == ([], {})
    assert index.expire(long.head.expires_ms) == 1

    assert (index.find("p", 7, 2), index.movers, len(index)) == ([], {}, 1)
    assert index.expire(other.head.expires_ms) == 1
    assert len(index) == 0


def test_what_a_disk_held_goes_on_growing_in_whatever_order_it_came() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    first, other, second = batch_of(ana, *p(1, 2)), batch_of(ben, ("q", 7, 1)), batch_of(ana, *p(9, 10))
    runs = [run_of(second, 9, 10, 3, 4), run_of(other, 1, 1, 1, 1, "q"), run_of(first, 1, 2, 1, 2)]

    index = NameIndex(runs)

    index.check()
    assert index.find("p", 7, 1) == [runs[2]]
    following = batch_of(ana, *p(11))
    assert index.note(following, ALL) == [run_of(following, 9, 11, 3, 5)]
    assert NameIndex([*runs, run_of(other, 1, 2, 1, 2)]).movers.keys() == {("p", 7)}


def test_of_recovered_runs_the_one_in_the_last_place_goes_on() -> None:
    writer = Writer()
    early, late = batch_of(writer, *p(9)), batch_of(writer, *p(1))
    index = NameIndex([run_of(late, 1, 1, 2, 2), run_of(early, 9, 9, 1, 1)])

    following = batch_of(writer, *p(2))

    assert index.note(following, ALL) == [run_of(following, 1, 2, 2, 3)]


def test_beside_a_name_that_came_again_a_new_one_is_taken() -> None:
    writer = Writer()
    batch = batch_of(writer, *p(1), ("q", 7, 1))
    index = NameIndex([run_of(batch, 1, 1, 1, 1)])

    assert index.note(batch, ALL) == [run_of(batch, 1, 1, 1, 1), run_of(batch, 1, 1, 2, 2, "q")]


@pytest.mark.parametrize(
    ("sequence", "told", "overtaken"),
    [
        (1, (1, 1), False),  # all that was told is the message itself
        (1, (2, 2), True),  # it may be the second message: a run says where a name is at most
        (1, (5, 5), True),
        (2, (2, 2), False),
        (2, (3, 3), True),
        (2, (6, 9), False),
        (3, (1, 9), False),  # the last one has no successor there, however many positions are another's
        (4, (1, 9), False),
    ],
)
def test_a_message_is_overtaken_where_a_successor_may_have_been_told_from_another_log(
    sequence: int, told: tuple[int, int], overtaken: bool
) -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    index = NameIndex()
    spread = batch_of(ana, ("p", 7, 1), ("q", 7, 1), ("p", 7, 2), ("q", 7, 2), ("p", 7, 3))
    index.note(spread, ALL)
    here = batch_of(ben, *p(sequence))
    (message,) = here.records()
    seen = VersionVector([(ana.log, IntervalSet([told])), (ben.log, ALL)])
    assert not index.overtaken(message, here.log, seen)  # it did not move, as far as is known

    index.note(here, ALL)

    assert index.overtaken(message, here.log, seen) is overtaken
    assert not index.overtaken(message, spread.log, VersionVector([(ana.log, ALL)]))


def test_whatever_begins_after_a_message_overtakes_it_from_its_first_position_on() -> None:
    index, ana, ben = NameIndex(), Writer(ANA), Writer(BEN)
    later, here = batch_of(ana, *p(5)), batch_of(ben, *p(1))
    for batch in (later, here):
        index.note(batch, ALL)

    (message,) = here.records()

    assert index.overtaken(message, here.log, VersionVector([(ana.log, [(1, 1)])]))
    assert not index.overtaken(message, here.log, VersionVector([(ana.log, [(2, 9)])]))


@pytest.mark.parametrize(
    "run",
    [
        NameRun("p", 7, 0, 1, LogId(ANA, 1), 1, 2, 5),
        NameRun("p", 7, 2, 1, LogId(ANA, 1), 1, 2, 5),
        NameRun("p", 7, 1, 1, LogId(ANA, 1), 0, 2, 5),
        NameRun("p", 7, 1, 1, LogId(ANA, 1), 3, 2, 5),
        NameRun("p", 7, 1, 3, LogId(ANA, 1), 1, 2, 5),
    ],
)
def test_a_check_trips_over_a_run_that_cannot_be(run: NameRun) -> None:
    with pytest.raises(AssertionError):
        NameIndex([run]).check()


def test_a_check_trips_over_a_broken_table() -> None:
    run = NameRun("p", 7, 1, 1, LogId(ANA, 1), 1, 1, 5)
    for broken in ({("p", 7): []}, {("q", 7): [run]}, {("p", 8): [run]}):
        index = NameIndex()
        index._runs = broken  # type: ignore[assignment]
        with pytest.raises(AssertionError):
            index.check()
    other = run._replace(log=LogId(BEN, 1))
    tables: list[dict[LogId, list[NameRun]]] = [{}, {run.log: [run]}, {other.log: [other, run]}]
    for table in tables:
        index = NameIndex([run, other])
        index.check()
        index.movers["p", 7] = table
        with pytest.raises(AssertionError):
            index.check()
    index = NameIndex([run, other])
    index.movers["q", 7] = {other.log: [other]}
    with pytest.raises(AssertionError):
        index.check()


def test_a_batch_is_compared_with_what_its_own_log_has_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that begins ever new logs under one publisher's name had each batch compared with all that came before."""
    index, compared = NameIndex(), 0

    def counted(run: NameRun, new: NameRun, held: IntervalSet) -> bool:
        nonlocal compared
        compared += 1
        return follows(run, new, held)

    follows = names._follows
    monkeypatch.setattr(names, "_follows", counted)
    for epoch in range(1, 101):
        writer = Writer(epoch=epoch)
        index.note(batch_of(writer, *p(epoch)), ALL)
        index.note(batch_of(writer, *p(epoch + 1)), ALL)

    assert compared == 100
    assert [len(index.find("p", 7, n)) for n in (1, 50)] == [1, 2]
    index.check()


def test_a_name_that_left_the_log_in_which_it_was_seen_first_is_at_home_in_another() -> None:
    index, writers = NameIndex(), [Writer(ANA), Writer(BEN), Writer(ANA, epoch=9)]
    batches = [batch_of(writer, *p(1)) for writer in writers]
    for batch in batches:
        index.note(batch, ALL)

    index.forget(batches[0])
    index.check()
    assert index.movers.keys() == {("p", 7)}
    index.forget(batches[2])
    index.check()

    assert (index.find("p", 7, 1), index.movers) == ([run_of(batches[1], 1, 1, 1, 1)], {})
    index.forget(batches[0])
    assert len(index) == 1
