"""What was lost at the end of a log and is back: late for whoever was told of more, and for nobody else."""

from mesh.clocks.vector import VersionVector
from mesh.effects import Tell
from mesh.engines.delivery import HOLE
from mesh.log.batch import Batch
from mesh.operations import Gap, GapReason, Subscribed
from tests.delivery_samples import LOG, OTHER, SEAT, Desk, gap, messages, of, written
from tests.engine_samples import at, set_timer
from tests.samples import WALL_MS, Writer


def lost(desk: Desk, first: int, last: int) -> None:
    desk.holdings.lose(LOG, first, last)
    desk.delivery.on_lost(LOG, first, last, at())
    desk.delivery.check_all()


def second_is_late_for_one_alone(desk: Desk, batches: list[Batch]) -> None:
    """The second and the third batch come: one reader was told of the third before, the other of neither."""
    desk.store(batches[1])

    told = desk.settle()
    assert messages(2, 2, *of(batches[1]), seats=(SEAT,), late=(0,)) in told
    assert messages(2, 2, *of(batches[1]), seats=(OTHER,)) in told
    assert len(told) == 2
    desk.store(batches[2])
    assert desk.settle() == [messages(3, 3, *of(batches[2]), seats=(OTHER,))]


def test_who_joined_while_the_end_was_lost_is_told_it_in_its_order() -> None:
    desk, batches = Desk(), written(3)
    desk.subscribe()
    desk.store(*batches)
    desk.settle()
    lost(desk, 2, 3)
    desk.subscribe(seat=OTHER, cursor=VersionVector())

    desk.store(batches[1])
    assert desk.settle() == [messages(2, 2, *of(batches[1]), seats=(OTHER,))]
    desk.store(batches[2])
    assert desk.settle() == [messages(3, 3, *of(batches[2]), seats=(OTHER,))]


def test_who_was_told_of_more_before_that_was_lost_is_told_it_late() -> None:
    desk, batches = Desk(), written(3)
    desk.subscribe()
    desk.store(batches[0], batches[2])
    assert desk.settle()[-1] == set_timer(HOLE, LOG, ms=30_000)
    assert gap(2, 2, GapReason.MISSING) in desk.delivery.on_hole_timer(LOG, at(30_000))
    lost(desk, 3, 3)
    desk.subscribe(seat=OTHER, cursor=VersionVector())

    second_is_late_for_one_alone(desk, batches)


def test_who_was_told_of_more_elsewhere_is_told_late_what_is_the_next_here() -> None:
    desk, batches = Desk(), written(3)
    desk.store(batches[0])
    desk.settle()
    desk.subscribe(cursor=VersionVector([(LOG, [(1, 1), (3, 3)])]))
    desk.subscribe(seat=OTHER, cursor=VersionVector([(LOG, [(1, 1)])]))

    second_is_late_for_one_alone(desk, batches)


def test_all_who_were_told_of_more_elsewhere_are_told_at_once_late_and_what_has_expired() -> None:
    desk, ana = Desk(), Writer()
    batches = [ana.write(), ana.write(ttl_ms=1), ana.write()]
    cursor = VersionVector([(LOG, [(4, 4)])])
    for seat in (SEAT, OTHER):
        desk.subscribe(seat=seat, cursor=cursor)
    desk.store(*batches)

    told = desk.settle(expiry_ms=WALL_MS + 1)

    expired = Tell((SEAT, OTHER), Gap(1, LOG, 2, 2, GapReason.EXPIRED))
    kept = messages(1, 3, *of(batches[0], batches[2]), positions=(1, 3), seats=(SEAT, OTHER), late=(0, 1))
    assert told == [expired, kept]
    assert [reader.cursor for reader in desk.delivery.readers.values()] == [None, None]


def test_what_comes_back_before_what_is_there_is_late_for_all() -> None:
    desk, batches = Desk(), written(3)
    desk.store(*batches)
    desk.settle()
    lost(desk, 2, 2)
    desk.subscribe(cursor=VersionVector())

    desk.store(batches[1])

    assert desk.settle() == [messages(2, 2, *of(batches[1]), late=(0,))]


def test_who_reads_up_to_an_end_that_was_lost_is_told_so_before_what_follows() -> None:
    desk, batches = Desk(), written(4)
    desk.store(*batches[:3])
    desk.settle()
    lost(desk, 3, 3)
    cursor = VersionVector([(LOG, [(1, 1)])])

    assert desk.subscribe(cursor=cursor) == [
        Tell((SEAT,), Subscribed(1, cursor)),
        messages(2, 2, *of(batches[1])),
        gap(3, 3, GapReason.MISSING),
    ]
    desk.store(batches[3])
    assert desk.settle() == [messages(4, 4, *of(batches[3]))]
    desk.store(batches[2])
    assert desk.settle() == [messages(3, 3, *of(batches[2]), late=(0,))]


def test_who_begins_now_misses_nothing_of_what_was_lost_before() -> None:
    desk, batches = Desk(), written(5)
    desk.store(*batches[:4])
    desk.settle()
    lost(desk, 2, 2)
    lost(desk, 4, 4)

    assert desk.subscribe() == [Tell((SEAT,), Subscribed(1, VersionVector([(LOG, [(1, 4)])])))]
    desk.store(batches[1], batches[3], batches[4])
    assert desk.settle() == [messages(5, 5, *of(batches[4]))]


def test_who_begins_now_misses_nothing_of_a_log_that_was_lost_as_a_whole() -> None:
    desk, batches = Desk(), written(2)
    desk.store(batches[0])
    desk.settle()
    lost(desk, 1, 1)

    assert desk.subscribe() == [Tell((SEAT,), Subscribed(1, VersionVector([(LOG, [(1, 1)])])))]
    desk.store(*batches)
    assert desk.settle() == [messages(2, 2, *of(batches[1]))]
