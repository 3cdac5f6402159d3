"""Holes in a log: how long each is waited for, and what is told of those that nobody can fill."""

from mesh.clocks.hybrid import stamp_of
from mesh.clocks.vector import VersionVector
from mesh.effects import Load, OfNames, RepairDue, Tell
from mesh.engines.delivery import HOLE
from mesh.engines.delivery.tail import Holes
from mesh.log.batch import Batch
from mesh.operations import Gap, GapReason, Subscribed
from tests.delivery_samples import BENS, LOG, OTHER, SEAT, Desk, gap, messages, of, written
from tests.engine_samples import at, set_timer
from tests.samples import ANA, BEN, WALL_MS, Writer, record


def holey(**config: int) -> tuple[Desk, list[Batch]]:
    """A reader at the tail, and a log of which the second of three batches has not come."""
    desk, batches = Desk(**config), written(3)
    desk.subscribe()
    desk.store(batches[0], batches[2])
    assert desk.settle() == [messages(1, 1, *of(batches[0])), set_timer(HOLE, LOG, ms=30_000)]
    return desk, batches


def test_delivery_waits_at_a_hole_and_goes_on_when_it_fills() -> None:
    desk, batches = holey()
    desk.store(batches[1])

    assert desk.settle() == [messages(2, 3, *of(*batches[1:]))]
    assert desk.delivery.on_hole_timer(LOG, at(30_000)) == []


def test_each_hole_is_waited_for_from_its_own_beginning() -> None:
    desk, batches = Desk(), written(5)
    desk.subscribe()
    desk.store(batches[0], batches[2])
    desk.settle()
    desk.store(batches[1], batches[4])

    assert desk.settle(20_000) == [messages(2, 3, *of(*batches[1:3])), set_timer(HOLE, LOG, ms=50_000)]


def test_what_comes_behind_a_hole_makes_it_no_younger() -> None:
    desk, batches = Desk(), written(7)
    desk.subscribe()
    desk.store(batches[0], batches[3])
    desk.settle()
    desk.store(batches[1], batches[6])

    assert desk.settle(20_000) == [messages(2, 2, *of(batches[1]))]


def test_a_hole_that_somebody_can_fill_is_waited_for() -> None:
    desk, _ = holey()
    desk.fillable = True

    assert desk.delivery.on_hole_timer(LOG, at(30_000)) == [set_timer(HOLE, LOG, ms=60_000)]
    assert desk.delivery.holes == {LOG: [Holes(3, 30_000_000, 30_000_000)]}


def test_a_hole_that_somebody_only_says_to_fill_is_told_after_an_hour_in_which_none_of_it_came() -> None:
    desk, batches = Desk(), written(6)
    desk.subscribe()
    desk.store(batches[0], batches[3], batches[5])
    desk.settle()
    desk.fillable = True

    waits = desk.delivery.on_hole_timer(LOG, at(30_000))
    desk.store(batches[1])  # it begins to fill, so that its hour begins anew
    desk.settle(40_000)
    desk.delivery.on_hole_timer(LOG, at(60_000))
    early = desk.delivery.on_hole_timer(LOG, at(3_659_999))
    kept = dict(desk.delivery.claimed)
    told = desk.delivery.on_hole_timer(LOG, at(3_689_999))

    assert waits == [set_timer(HOLE, LOG, ms=60_000)]
    assert early == [set_timer(HOLE, LOG, ms=3_689_999)]
    assert kept == {LOG: (3, 60_000_000)}
    assert told[:3] == [RepairDue(), gap(3, 3, GapReason.MISSING), messages(4, 4, *of(batches[3]))]
    assert told[3:] == [set_timer(HOLE, LOG, ms=3_719_999)]
    assert desk.delivery.claimed == {LOG: (5, 3_689_999_000)}


def test_of_a_hole_only_what_a_reader_was_not_shown_is_told_to_it() -> None:
    desk, batches = Desk(), written(5)
    desk.subscribe()
    desk.store(batches[0], batches[4])
    desk.settle()
    (reader,) = desk.delivery.readers.values()
    (reader.extra if reader.cursor is None else reader.cursor).add(LOG, 3, 3)

    told = desk.delivery.on_hole_timer(LOG, at(30_000))

    assert told[:3] == [RepairDue(), gap(2, 2, GapReason.MISSING), gap(4, 4, GapReason.MISSING)]


def test_holes_that_began_together_are_given_up_together() -> None:
    desk, batches = Desk(), written(7)
    desk.subscribe()
    desk.store(batches[0], batches[2], batches[4], batches[6])
    desk.settle()

    due, *told = desk.delivery.on_hole_timer(LOG, at(30_000))

    assert due == RepairDue()
    assert told == [
        outcome
        for number in (1, 3, 5)
        for outcome in (
            gap(number + 1, number + 1, GapReason.MISSING),
            messages(number + 2, number + 2, *of(batches[number + 1])),
        )
    ]
    assert desk.delivery.holes == {}


def test_holes_have_their_time_by_when_they_began_and_not_by_what_lies_before_them() -> None:
    desk, batches = Desk(), written(11)
    desk.subscribe()
    for number, ms in ((0, 0), (2, 0), (4, 1_000), (6, 4_000), (8, 4_750), (10, 4_751)):
        desk.store(batches[number])
        desk.settle(ms)

    kept = desk.delivery.holes[LOG]
    assert kept == [Holes(3, 0, 0), Holes(7, 1_000_000, 4_000_000), Holes(11, 4_750_000, 4_751_000)]
    first = desk.delivery.on_hole_timer(LOG, at(30_000))
    early = desk.delivery.on_hole_timer(LOG, at(33_000))
    second = desk.delivery.on_hole_timer(LOG, at(34_000))
    last = desk.delivery.on_hole_timer(LOG, at(34_751))

    again = [set_timer(HOLE, LOG, ms=34_000)]
    assert first == [RepairDue(), gap(2, 2, GapReason.MISSING), messages(3, 3, *of(batches[2])), *again]
    assert early == again
    assert [each for each in second if each in (gap(4, 4, GapReason.MISSING), gap(6, 6, GapReason.MISSING))] == [
        gap(4, 4, GapReason.MISSING),
        gap(6, 6, GapReason.MISSING),
    ]
    assert second[-1] == set_timer(HOLE, LOG, ms=34_751)
    assert gap(8, 8, GapReason.MISSING) in last and gap(10, 10, GapReason.MISSING) in last
    assert desk.delivery.holes == {} and desk.delivery.horizon == {LOG: 11}


def test_holes_are_looked_at_again_once_copies_were_compared() -> None:
    desk, ana, ben = Desk(), Writer(ANA), Writer(BEN)
    sealed = [
        ana.seal([record(number, b"%d" % number, publisher=who, stamp=stamp_of(WALL_MS) + number)])
        for number, who in ((1, "x"), (2, "x"), (7, "pub"), (8, "x"), (9, "x"))
    ]
    desk.subscribe()
    desk.store(ben.seal([record(7, b"other", stamp=stamp_of(WALL_MS) + 99)]))
    desk.settle()
    desk.store(sealed[0], sealed[2], sealed[4])
    desk.settle()

    told = desk.delivery.on_hole_timer(LOG, at(30_000))
    meanwhile = desk.delivery.on_hole_timer(LOG, at(30_100))
    desk.load(Load(2, OfNames("pub", 7, 7, 7), 8 << 20))
    after = desk.delivery.on_hole_timer(LOG, at(30_200))

    assert told == [
        RepairDue(),
        gap(2, 2, GapReason.MISSING),
        Load(2, OfNames("pub", 7, 7, 7), 8 << 20),
        set_timer(HOLE, LOG, ms=30_100),
    ]
    assert meanwhile == [set_timer(HOLE, LOG, ms=30_200)]
    assert gap(4, 4, GapReason.MISSING) in after
    assert desk.delivery.horizon[LOG] == 5


def test_a_hole_that_nobody_can_fill_is_reported_and_what_fills_it_is_late() -> None:
    desk, batches = holey()

    told = desk.delivery.on_hole_timer(LOG, at(30_000))
    desk.delivery.check_all()
    desk.store(batches[1])
    late = desk.settle()

    assert told == [RepairDue(), gap(2, 2, GapReason.MISSING), messages(3, 3, *of(batches[2]))]
    assert late == [messages(2, 2, *of(batches[1]), late=(0,))]


def test_who_has_what_is_missing_here_is_not_told_that_it_is() -> None:
    desk, batches = holey()
    desk.subscribe(seat=OTHER, cursor=VersionVector([(LOG, [(1, 2)])]))

    told = desk.delivery.on_hole_timer(LOG, at(30_000))

    assert told[1] == gap(2, 2, GapReason.MISSING)
    assert gap(2, 2, GapReason.MISSING, seat=OTHER) not in told
    assert messages(3, 3, *of(batches[2]), seats=(SEAT, OTHER)) in told


def test_a_hole_in_a_log_that_vanished_is_nothing() -> None:
    desk, _ = holey()
    desk.holdings.forget(LOG)
    desk.delivery.on_forget(LOG)

    assert desk.delivery.on_hole_timer(LOG, at(30_000)) == []
    assert desk.delivery.horizon == {}
    assert desk.settle() == []


def test_nobody_stands_anywhere_in_a_log_that_vanished() -> None:
    desk, _ = holey()
    desk.subscribe(seat=OTHER, cursor=VersionVector([(LOG, [(1, 9)]), (BENS, [(1, 1)])]), credit_messages=0)
    desk.subscribe(seat=OTHER, number=2, cursor=VersionVector([(LOG, [(1, 9)]), (BENS, [(1, 1)])]))
    behind, ahead = (desk.delivery.readers[OTHER, number] for number in (1, 2))
    desk.delivery.on_hole_timer(LOG, at(30_000))

    desk.holdings.forget(LOG)
    desk.delivery.on_forget(LOG)

    assert behind.cursor is not None
    assert behind.cursor.logs() == ahead.extra.logs() == [BENS]
    assert all(LOG not in group.told for group in desk.delivery.groups.groups.values())
    assert all(LOG not in reader.told_missing for reader in desk.delivery.readers.values())
    assert not desk.delivery.holes
    desk.delivery.check_all()


def test_a_cursor_that_names_a_log_that_vanished_is_not_kept_for_it() -> None:
    desk = Desk()
    desk.holdings.forget(LOG)

    desk.subscribe(cursor=VersionVector([(LOG, [(1, 9)]), (BENS, [(1, 1)])]))

    assert desk.delivery.readers[SEAT, 1].extra.logs() == [BENS]


def test_what_was_stored_and_vanished_before_it_was_settled_is_not_delivered() -> None:
    desk = Desk()
    desk.subscribe()
    desk.store(*written(1))
    desk.holdings.lose(LOG, 1, 1)

    assert desk.settle() == []


def test_what_filled_a_hole_and_was_lost_again_is_not_delivered() -> None:
    desk, batches = holey()
    desk.delivery.on_hole_timer(LOG, at(30_000))
    desk.store(batches[1])
    desk.holdings.lose(LOG, 2, 2)

    assert desk.settle() == []


def test_holes_below_where_a_reader_begins_are_told_once() -> None:
    desk, batches = holey()
    desk.delivery.on_hole_timer(LOG, at(30_000))

    told = desk.subscribe(seat=OTHER, cursor=VersionVector([(LOG, [(1, 1)])]))

    cursor = VersionVector([(LOG, [(1, 1)])])
    assert told == [
        Tell((OTHER,), Subscribed(1, cursor)),
        gap(2, 2, GapReason.MISSING, seat=OTHER),
        messages(3, 3, *of(batches[2]), seats=(OTHER,)),
    ]
    desk.store(batches[1])
    assert desk.settle() == [messages(2, 2, *of(batches[1]), seats=(SEAT, OTHER), late=(0,))]


def test_a_hole_is_told_once_however_often_what_lies_behind_it_is_read() -> None:
    desk, batches = Desk(), written(5)
    desk.store(batches[0], *batches[2:])
    desk.settle()
    desk.delivery.on_hole_timer(LOG, at(30_000))

    told = desk.subscribe(cursor=VersionVector(), credit_messages=2)
    for _ in range(2):
        told += desk.grant(1)

    assert told.count(gap(2, 2, GapReason.MISSING)) == 1
    assert told[-1] == messages(5, 5, *of(batches[4]))


def test_who_was_asked_before_a_later_hole_was_noticed_was_not_asked_for_that() -> None:
    desk, batches = Desk(), written(5)
    desk.subscribe()
    desk.delivery.everyone_was_asked = lambda since_us: since_us < 10_000_000  # type: ignore[method-assign]
    desk.store(batches[0], batches[2])
    desk.settle(0)
    desk.store(batches[4])
    desk.settle(20_000)
    desk.delivery.on_hole_timer(LOG, at(30_000))

    assert gap(4, 4, GapReason.MISSING) in desk.delivery.on_hole_timer(LOG, at(50_000))


def test_who_was_asked_before_a_row_was_lost_was_not_asked_for_that() -> None:
    desk, batches = Desk(), written(3)
    desk.delivery.everyone_was_asked = lambda since_us: since_us < 10_000_000  # type: ignore[method-assign]
    desk.store(*batches)
    desk.settle(0)
    desk.holdings.lose(LOG, 2, 2)
    desk.delivery.on_lost(LOG, 2, 2, at(20_000))

    assert gap(2, 2, GapReason.MISSING) in desk.subscribe(cursor=VersionVector())


def test_a_hole_is_lost_only_where_all_were_asked_since_it_was_noticed_and_else_they_are_asked_at_once() -> None:
    for asked_us, outcomes in ((20_000_000, [gap(2, 2, GapReason.MISSING)]), (20_000_001, [])):
        desk, batches = Desk(), written(3)
        desk.subscribe()
        since: list[int] = []
        desk.delivery.everyone_was_asked = lambda since_us, asked_us=asked_us, since=since: (  # type: ignore[misc]
            since.append(since_us) or since_us < asked_us
        )
        desk.store(batches[0], batches[2])
        desk.settle(20_000)

        told = desk.delivery.on_hole_timer(LOG, at(50_000))

        assert set(since) == {20_000_000}
        assert (RepairDue() in told) == bool(outcomes)
        reason = GapReason.MISSING if outcomes else GapReason.LOST
        assert [
            each.operation.reason for each in told if isinstance(each, Tell) and isinstance(each.operation, Gap)
        ] == [reason]


def test_a_hole_beyond_where_a_log_with_two_histories_ends_is_never_lost_for_nobody_is_asked_for_it() -> None:
    for end, reason in ((3, GapReason.MISSING), (4, GapReason.LOST)):
        desk, batches = Desk(), written(7)
        desk.subscribe()
        desk.delivery.everyone_was_asked = lambda since_us: True  # type: ignore[misc,method-assign]  # noqa: ARG005
        desk.store(batches[0], batches[1], batches[2], batches[4])
        desk.settle()
        desk.holdings.fork(LOG, end)

        told = desk.delivery.on_hole_timer(LOG, at(30_000))
        gaps = [each.operation for each in told if isinstance(each, Tell) and isinstance(each.operation, Gap)]
        assert gaps == [Gap(1, LOG, 4, 4, reason, may_fill=True)]
