"""The tail of delivery: what is told as logs grow, holes, and copies of a message."""

import pytest

from mesh.clocks.hybrid import stamp_of
from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.effects import Load, OfNames, Ranges, Report, Tell
from mesh.engines.delivery import COVERAGE, HOLE, DeliveryConfig
from mesh.engines.delivery.tail import Holes
from mesh.errors import ConfigError
from mesh.log.batch import BATCH_BYTES_MAX, Batch
from mesh.operations import (
    GapReason,
    SlowPolicy,
    Subscribed,
)
from mesh.types import LogId
from tests.delivery_samples import BENS, LOG, OTHER, READ, SEAT, Desk, gap, messages, of, written
from tests.engine_samples import at, keep, set_timer, take
from tests.samples import ANA, BEN, CY, DAY_MS, WALL_MS, Writer, record


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"hole_ms": 0}, "limits are positive"),
        ({"hole_max_ms": 29_999}, "hole_ms <= hole_max_ms must hold"),
        ({"loads_max": 0}, "limits are positive"),
        ({"backlog_max": 0}, "limits are positive"),
        ({"load_bytes": BATCH_BYTES_MAX - 1}, "load_bytes must hold a batch"),
        ({"recent_bytes": -1}, "load_bytes must hold a batch"),
        ({"coverage_ms": 0}, "limits are positive"),
        ({"message_bytes_max": 0}, "limits are positive"),
        ({"messages_max": 4_095}, "messages_max: a batch holds up to 4096"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        DeliveryConfig(**fields)


# --- the tail --------------------------------------------------------------------------------------------------------


def test_what_becomes_durable_is_told_to_all_readers_with_the_same_patterns_at_once() -> None:
    one, desk = Writer(), Desk()
    assert desk.subscribe() == [Tell((SEAT,), Subscribed(1, VersionVector()))]
    desk.subscribe(seat=OTHER)
    batches = written(2, one)
    desk.store(*batches)

    assert desk.settle() == [messages(1, 2, *of(*batches), seats=(SEAT, OTHER))]
    assert desk.settle() == []


def test_only_what_matches_is_told_and_the_interval_covers_the_rest() -> None:
    ana, desk = Writer(), Desk()
    desk.subscribe("b")
    desk.store(ana.write(channel="a"), ana.write(channel="b"))
    first = desk.settle()
    desk.store(ana.write(channel="a"))
    second = desk.settle()
    desk.store(ana.write(channel="b"))

    assert first == [messages(1, 2, *of(ana.batches[1]), positions=(2,))]
    assert second == []
    assert desk.settle() == [messages(3, 4, *of(ana.batches[3]), positions=(4,))]


def test_readers_whom_nothing_concerned_are_told_how_far_logs_have_come() -> None:
    desk = Desk()
    desk.subscribe("b")
    desk.store(*written(2, channel="a"))

    assert desk.delivery.settle(at()) == [set_timer(COVERAGE, ms=5_000)]
    assert desk.delivery.on_coverage_timer() == [messages(1, 2)]
    assert desk.delivery.on_coverage_timer() == []


def test_a_group_of_which_all_are_stalled_is_told_nothing() -> None:
    desk = Desk()
    desk.subscribe(policy=SlowPolicy.DISCONNECT, credit_messages=1)
    for batch in written(3):
        desk.store(batch)
        desk.settle()

    assert desk.delivery.on_coverage_timer() == []


def test_a_log_without_a_beginning_covers_nothing() -> None:
    desk = Desk()
    desk.subscribe()
    desk.store(written(2)[1])
    desk.settle()

    assert desk.delivery.on_coverage_timer() == []


def test_what_has_expired_is_a_gap_before_what_follows_it() -> None:
    ana, desk = Writer(), Desk()
    desk.subscribe()
    soon = record(1, ttl_ms=1, stamp=stamp_of(WALL_MS))
    later = record(2, stamp=stamp_of(WALL_MS) + 1)
    desk.store(ana.seal([soon, later]))

    assert desk.settle(expiry_ms=WALL_MS + 1) == [gap(1, 1, GapReason.EXPIRED), messages(1, 2, later, positions=(2,))]


def test_a_batch_without_its_body_is_a_gap_for_everybody() -> None:
    desk = Desk()
    desk.subscribe("elsewhere")
    batch = Writer().write(2)
    desk.store(batch.stripped())

    assert desk.settle() == [gap(1, 2, GapReason.EXPIRED)]


def test_a_dead_record_that_concerns_nobody_is_no_gap() -> None:
    desk = Desk()
    desk.subscribe("elsewhere")
    desk.store(Writer().write(ttl_ms=1))

    assert desk.settle(expiry_ms=WALL_MS + 10) == []


def test_much_at_once_is_told_in_several_deliveries() -> None:
    for batches in (
        written(3),
        written(3, payload=bytes(60_000)),
        written(3, payload=b"", headers={"about": "x" * 60_000}),
    ):
        by_bytes = Desk(message_bytes_max=2 * len(of(batches[0])[0].raw))
        by_bytes.subscribe()
        by_bytes.store(*batches)

        assert by_bytes.settle() == [messages(1, 2, *of(*batches[:2])), messages(3, 3, *of(batches[2]))]


def test_what_was_stored_before_this_life_may_be_delivered_as_far_as_it_has_no_hole() -> None:
    ana = written(4)
    desk = Desk()
    keep(desk.holdings, ana[0], ana[1], ana[3], written(2, Writer(BEN), publisher="b")[1])
    keep(desk.holdings, whole := Writer(CY).write(publisher="c"))
    desk.delivery.recover()
    desk.delivery.check_all()

    timers = [set_timer(HOLE, log, ms=30_000) for log in (LOG, BENS)]
    assert sorted(desk.settle(), key=repr) == sorted(timers, key=repr)
    assert desk.delivery.horizon == {LOG: 2, BENS: 0, whole.log: 1}
    assert desk.delivery.deliverable == VersionVector([(LOG, [(1, 2)]), (whole.log, [(1, 1)])])
    assert desk.delivery.holes == {LOG: [Holes(4, 0, 0)], BENS: [Holes(2, 0, 0)]}


# --- copies ----------------------------------------------------------------------------------------------------------


def twins(*, equal: bool = True, **config: int) -> tuple[Desk, Batch, Batch]:
    """One name in two logs."""
    here = Writer(ANA).seal([record(1, b"one")])
    there = Writer(BEN).seal([record(1, b"one" if equal else b"other", stamp=stamp_of(WALL_MS) + 5)])
    return Desk(**config), here, there


def names(request: int) -> Load:
    return Load(request, OfNames("pub", 7, 1, 1), 8 << 20)


@pytest.mark.parametrize("equal", [True, False])
def test_a_copy_is_told_at_the_tail_only_if_it_is_another_message(equal: bool) -> None:
    desk, here, there = twins(equal=equal)
    desk.subscribe()
    desk.store(here)
    desk.settle()
    desk.store(there)

    held_up = desk.settle()
    outcomes = desk.load(names(2))

    assert held_up == [names(2)]
    if equal:
        assert outcomes == []
    else:
        assert outcomes[1:] == [messages(1, 1, *of(there), log=BENS, conflicts=(0,))]
    assert desk.delivery.deliverable == VersionVector([(LOG, [(1, 1)]), (BENS, [(1, 1)])])


def test_a_copy_that_was_dead_when_another_was_sealed_takes_that_one_not_along() -> None:
    """Whoever sealed it was alone with a clock that was far behind: it was told as expired, and never shown."""
    desk, _, there = twins()
    dead = Writer(ANA).seal([record(1, b"one", stamp=stamp_of(WALL_MS - 2 * DAY_MS))])
    desk.subscribe()
    desk.store(dead)
    assert desk.settle() == [gap(1, 1, GapReason.EXPIRED)]
    desk.store(there)
    desk.settle()

    assert desk.load(names(2)) == [messages(1, 1, *of(there), log=BENS)]


def test_a_copy_that_lives_was_told_whatever_a_clock_that_is_ahead_has_stamped_upon_another() -> None:
    desk, here, _ = twins()
    ahead = Writer(BEN).seal([record(1, b"one", stamp=stamp_of(WALL_MS + 3 * DAY_MS))])
    desk.subscribe()
    desk.store(here)
    assert desk.settle() == [messages(1, 1, *of(here))]
    desk.store(ahead)
    desk.settle()

    assert desk.load(names(2)) == []


def test_a_copy_of_what_stands_where_its_log_has_two_histories_is_told_again() -> None:
    """Nobody knows from a cursor which of them a reader was told of; its client knows the name."""
    desk, here, there = twins(equal=True)
    desk.subscribe()
    desk.store(here)
    desk.settle()
    desk.holdings.fork(LOG, 0)
    desk.store(there)

    desk.settle()

    assert desk.load(names(2)) == [messages(1, 1, *of(there), log=BENS)]


def test_a_log_that_is_held_up_tells_first_what_came_before_and_waits_for_the_answer() -> None:
    desk = Desk()
    desk.subscribe()
    ben = Writer(BEN)
    desk.store(Writer(ANA).seal([record(1)]))
    desk.settle()
    plain = ben.seal([record(1, publisher="other")])
    copy = ben.seal([record(1, stamp=stamp_of(WALL_MS) + 5)])
    desk.store(plain, copy)

    first = desk.settle()
    desk.store(ben.seal([record(2, publisher="other", stamp=stamp_of(WALL_MS) + 9)]))

    assert first == [messages(1, 1, *of(plain), log=BENS), names(2)]
    assert desk.settle() == []
    assert desk.load(names(2))[-1] == messages(
        2, 3, record(2, publisher="other", stamp=stamp_of(WALL_MS) + 9), positions=(3,), log=BENS
    )


def test_what_fills_a_hole_is_compared_with_its_copy_before_it_is_told() -> None:
    desk, ana, ben = Desk(), Writer(ANA), Writer(BEN)
    first, fills, third = (
        ana.seal([record(n, b"%d" % n, publisher=who, stamp=stamp_of(WALL_MS) + at_ms)])
        for n, who, at_ms in ((1, "x", 1), (7, "pub", 2), (2, "x", 3))
    )
    desk.subscribe()
    desk.store(first, third)
    desk.settle()
    desk.delivery.on_hole_timer(LOG, at(30_000))
    desk.store(ben.seal([record(7, b"other", stamp=stamp_of(WALL_MS) + 9)]))
    desk.settle()
    desk.store(fills)

    held_up, waiting = desk.settle(), desk.settle()
    compared = desk.load(Load(2, OfNames("pub", 7, 7, 7), 8 << 20))
    told = desk.settle()

    assert (held_up, waiting) == ([Load(2, OfNames("pub", 7, 7, 7), 8 << 20)], [])
    assert compared == [Report(Code.NAMES_CONFLICT, {"publisher": "pub", "sequence": 7})]
    assert told == [messages(2, 2, *of(fills), late=(0,), conflicts=(0,))]


def test_a_log_that_vanished_while_copies_were_compared_is_not_delivered() -> None:
    desk, here, there = twins()
    desk.subscribe()
    desk.store(here)
    desk.settle()
    desk.store(there)
    desk.settle()
    desk.holdings.forget(BENS)

    assert desk.load(names(2)) == []
    assert desk.delivery.held_up == set()


def test_a_reader_that_stumbles_upon_a_copy_waits_until_it_is_compared() -> None:
    desk, here, there = twins(equal=False)
    desk.store(here, there)
    for log in (LOG, BENS):
        desk.delivery._pass(log, 1, 1)

    _, compare = desk.subscribe(cursor=VersionVector())
    outcomes = desk.load(compare)

    assert compare == names(2)
    assert outcomes[1:] == [
        messages(1, 1, *of(here), conflicts=(0,)),
        messages(1, 1, *of(there), log=BENS, conflicts=(0,)),
    ]


def test_a_reader_of_the_disk_that_stumbles_upon_a_copy_reads_it_again() -> None:
    desk, here, there = twins(recent_bytes=0)
    desk.store(here, there)
    for log in (LOG, BENS):
        desk.delivery._pass(log, 1, 1)

    _, load = desk.subscribe(cursor=VersionVector())
    (compare,) = desk.load(load)
    (again,) = desk.load(compare)
    told = desk.load(again)

    assert compare == names(6)
    assert again == Load(10, Ranges(LOG, ((1, 1),)), READ)
    assert told == [messages(1, 1, *of(here)), Load(14, Ranges(BENS, ((1, 1),)), READ)]
    assert desk.load(told[1]) == [messages(1, 1, log=BENS)]


def test_of_a_publisher_that_moved_what_was_overtaken_is_late() -> None:
    desk = Desk()
    desk.subscribe()
    desk.store(Writer(ANA).seal([record(2)]))
    desk.settle()
    overtaken = Writer(BEN).seal([record(1, stamp=stamp_of(WALL_MS) + 5)])
    desk.store(overtaken)

    assert desk.settle() == [messages(1, 1, *of(overtaken), log=BENS, late=(0,))]


def test_what_was_received_and_is_not_stored_is_not_delivered() -> None:
    desk = Desk()
    desk.subscribe()
    take(desk.holdings, *written(1))

    assert desk.settle() == []


def test_where_nobody_reads_copies_are_compared_and_nothing_is_told() -> None:
    desk, ana = Desk(), Writer(ANA)
    desk.store(*written(1, ana), *written(1, Writer(BEN)), ana.write(publisher="other"))

    loads = desk.settle()
    answers = [desk.load(asked) for asked in loads]

    assert [type(asked) for asked in loads] == [Load, Load]
    assert answers == [[], []]
    assert desk.delivery.horizon == {LOG: 2, BENS: 1}


def test_a_log_of_a_third_node_changes_nothing_for_others() -> None:
    desk = Desk()
    desk.subscribe(cursor=VersionVector([(LogId(CY, 1), [(1, 9)])]))
    batches = written(1)
    desk.store(*batches)

    assert desk.settle() == [messages(1, 1, *of(*batches))]
