"""Readers behind the tail: beginning in the past, credit, slow readers, and what was told already."""

import pytest

from mesh.clocks.hybrid import stamp_of
from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.effects import Load, Loaded, OfChannels, Ranges, Since, Tell
from mesh.log.batch import Batch
from mesh.operations import (
    GapReason,
    Goodbye,
    SlowPolicy,
    Subscribed,
)
from tests.delivery_samples import BENS, LOG, OTHER, READ, SEAT, Desk, gap, messages, of, written
from tests.engine_samples import at, keep
from tests.samples import ANA, BEN, WALL_MS, Writer, record

# --- beginning in the past -------------------------------------------------------------------------------------------


def past(count: int = 3, **config: int) -> tuple[Desk, list[Batch]]:
    """Batches that were stored and settled before anybody read."""
    desk, batches = Desk(**config), written(count)
    desk.store(*batches)
    desk.settle()
    return desk, batches


def test_a_subscription_begins_now_unless_it_says_otherwise() -> None:
    desk, _ = past()

    assert desk.subscribe() == [Tell((SEAT,), Subscribed(1, VersionVector([(LOG, [(1, 3)])])))]


def test_a_cursor_is_read_on_from_memory() -> None:
    desk, batches = past()
    cursor = VersionVector([(LOG, [(1, 1)])])

    assert desk.subscribe(cursor=cursor) == [
        Tell((SEAT,), Subscribed(1, cursor)),
        messages(2, 3, *of(*batches[1:])),
    ]


@pytest.mark.parametrize(
    ("patterns", "query"),
    [(("#",), Ranges(LOG, ((1, 3),))), (("room/1",), OfChannels(("room/1",), LOG, 0, 3))],
)
def test_or_from_the_disk_by_range_or_by_channel(patterns: tuple[str, ...], query: object) -> None:
    desk, batches = past(recent_bytes=0)

    begun, load = desk.subscribe(*patterns, cursor=VersionVector())

    assert begun == Tell((SEAT,), Subscribed(1, VersionVector()))
    assert load == Load(2, query, READ)  # type: ignore[arg-type]
    assert desk.load(load) == [messages(1, 3, *of(*batches))]


def test_an_answer_that_was_cut_short_is_read_on() -> None:
    desk, batches = past(recent_bytes=0)
    _, load = desk.subscribe(cursor=VersionVector())

    told, more = desk.load(load, complete=False, count=1)

    assert told == messages(1, 1, *of(batches[0]))
    assert more == Load(6, Ranges(LOG, ((2, 3),)), READ)


def test_a_subscription_from_a_time_asks_the_disk_where_that_is() -> None:
    desk, batches = past()
    desk.store(*written(1, Writer(BEN), publisher="b"))
    desk.settle()

    (load,) = desk.subscribe(since_ms=5)
    outcomes = desk.delivery.on_loaded(Loaded(2, positions=((LOG, 3),)), at())

    assert load == Load(2, Since(5), READ)
    cursor = VersionVector([(LOG, [(1, 2)]), (BENS, [(1, 1)])])
    assert outcomes == [Tell((SEAT,), Subscribed(1, cursor)), messages(3, 3, *of(batches[2]))]


def test_neither_a_hole_nor_what_lands_while_the_disk_looks_lies_before_a_time() -> None:
    """Batch 2 is missing, and is stamped from the time on, or not; batch 4 and a log come before the disk answers."""
    desk = Desk()
    batches, others = written(4), written(1, Writer(BEN), publisher="b")
    desk.store(batches[0], batches[2])
    desk.settle()

    desk.subscribe(since_ms=5)
    desk.store(*others, batches[3])
    desk.settle()
    outcomes = desk.delivery.on_loaded(Loaded(2, positions=((LOG, 3),)), at())

    assert outcomes[0] == Tell((SEAT,), Subscribed(1, VersionVector([(LOG, [(1, 1)])])))
    assert messages(1, 1, *of(*others), log=BENS) in outcomes
    desk.store(batches[1])
    told = desk.settle()
    assert [tell.operation.records for tell in told if isinstance(tell, Tell)] == [of(*batches[1:])]


def test_a_hole_below_what_lies_before_a_time_lies_before_it_too() -> None:
    """Stamps rise within a log: what fills it is not shown."""
    desk, batches = Desk(), written(4)
    desk.store(batches[0], batches[2], batches[3])
    desk.settle()

    desk.subscribe(since_ms=5)
    outcomes = desk.delivery.on_loaded(Loaded(2, positions=((LOG, 4),)), at())
    assert outcomes[0] == Tell((SEAT,), Subscribed(1, VersionVector([(LOG, [(1, 3)])])))
    desk.store(batches[1])

    assert [tell.operation.records for tell in desk.settle() if isinstance(tell, Tell)] == [of(batches[3])]


def test_a_time_before_all_of_a_log_begins_at_its_first() -> None:
    desk, batches = past(1)
    desk.subscribe(since_ms=5)

    outcomes = desk.delivery.on_loaded(Loaded(2, positions=((LOG, 1),)), at())

    assert outcomes == [Tell((SEAT,), Subscribed(1, VersionVector())), messages(1, 1, *of(batches[0]))]


def test_what_is_granted_before_the_disk_has_answered_is_not_lost() -> None:
    """The reader had the credit that it subscribed with, was told what that was for, and waited for ever."""
    desk, batches = past(3)
    desk.subscribe(since_ms=5, credit_messages=0, credit_bytes=5)
    desk.subscribe(number=2, since_ms=5, credit_messages=0)

    assert desk.grant(1, 1 << 10, OTHER) == desk.grant(2, 1 << 10) == []
    outcomes = desk.delivery.on_loaded(Loaded(2, positions=((LOG, 1),)), at())

    assert outcomes[1:] == [messages(1, 2, *of(*batches[:2]))]
    reader = desk.delivery.readers[SEAT, 1]
    assert (reader.credit_messages, reader.credit_bytes) == (0, 5 + (1 << 10) - 10)
    assert list(desk.delivery.since) == [6], "it waits no more; the other has got nothing of that"
    assert len(desk.delivery.on_loaded(Loaded(6, positions=((LOG, 1),)), at())) == 1
    assert (desk.delivery.since, desk.delivery.readers[SEAT, 2].credit_messages) == ({}, 0)


def test_a_subscription_that_ended_before_the_disk_answered_never_begins() -> None:
    desk, _ = past(recent_bytes=0)
    desk.subscribe(since_ms=5)
    desk.subscribe(number=2, since_ms=5)
    _, load = desk.subscribe(number=3, cursor=VersionVector())

    assert desk.delivery.unsubscribe(SEAT, 2) == []
    assert list(desk.delivery.since) == [2]
    assert desk.delivery.on_session_closed(SEAT) == []
    assert desk.load(load) == []
    assert (desk.delivery.since, desk.delivery.readers, desk.delivery.asked) == ({}, {}, {})


def test_unsubscribing_what_is_at_the_tail_ends_its_group() -> None:
    desk = Desk()
    desk.subscribe()
    desk.delivery.unsubscribe(SEAT, 1)
    desk.store(*written(1))

    assert desk.settle() == []
    assert desk.delivery.unsubscribe(SEAT, 1) == []


def test_so_many_reads_are_under_way_and_others_wait_their_turn() -> None:
    desk, batches = past(recent_bytes=0, loads_max=1)
    _, first = desk.subscribe(cursor=VersionVector())

    waiting = desk.subscribe(seat=OTHER, cursor=VersionVector())
    told, second = desk.load(first)

    assert waiting == [Tell((OTHER,), Subscribed(1, VersionVector()))]
    assert told == messages(1, 3, *of(*batches))
    assert second == Load(6, Ranges(LOG, ((1, 3),)), READ)
    assert desk.load(second) == [messages(1, 3, *of(*batches), seats=(OTHER,))]


def test_a_reader_that_waits_its_turn_may_leave() -> None:
    desk, _ = past(recent_bytes=0, loads_max=1)
    _, first = desk.subscribe(cursor=VersionVector())
    desk.subscribe(seat=OTHER, cursor=VersionVector())

    desk.delivery.readers.pop((OTHER, 1))
    desk.load(first)

    assert not desk.delivery.hungry


def test_logs_are_read_in_the_order_of_their_newest_stamps() -> None:
    desk = Desk()
    young = Writer(ANA).seal([record(1, stamp=stamp_of(WALL_MS) + 9, publisher="a")])
    old = Writer(BEN).seal([record(1, stamp=stamp_of(WALL_MS) + 1, publisher="b")])
    desk.store(young, old)
    desk.settle()

    assert desk.subscribe(cursor=VersionVector())[1:] == [
        messages(1, 1, *of(old), log=BENS),
        messages(1, 1, *of(young)),
    ]


def test_what_was_lost_while_it_was_read_is_not_told() -> None:
    desk, batches = past(recent_bytes=0)
    _, load = desk.subscribe(cursor=VersionVector())
    desk.holdings.lose(LOG, 1, 1)
    desk.delivery.on_lost(LOG, 1, 1, at())
    desk.batches.pop(0)

    told = desk.load(load)

    assert told == [gap(1, 1, GapReason.MISSING), Load(6, Ranges(LOG, ((2, 3),)), READ)]
    assert desk.load(told[1]) == [messages(2, 3, *of(*batches[1:]))]


def test_what_is_expired_in_the_past_is_a_gap_and_so_is_a_dropped_body() -> None:
    desk = Desk()
    ana = Writer()
    dead = ana.write(ttl_ms=1)
    gone, alive = ana.write(), ana.write()
    desk.store(dead, gone.stripped(), alive)
    desk.settle(expiry_ms=WALL_MS + 10)

    assert desk.subscribe(cursor=VersionVector())[1:] == [
        gap(1, 1, GapReason.EXPIRED),
        messages(1, 1),
        gap(2, 2, GapReason.EXPIRED),
        messages(2, 3, *of(alive), positions=(3,)),
    ]


# --- credit ----------------------------------------------------------------------------------------------------------


def test_a_reader_without_credit_falls_behind_and_reads_on_as_it_gets_some() -> None:
    desk = Desk()
    desk.subscribe(credit_messages=1, credit_bytes=100)
    batches = written(3)
    desk.store(*batches[:2])

    behind = desk.settle()
    desk.store(batches[2])
    nothing = desk.settle()
    more = desk.grant(9)

    assert behind == [messages(1, 1, *of(batches[0]))]
    assert nothing == []
    assert more == [messages(2, 3, *of(*batches[1:]))]
    assert desk.grant(1) == []
    assert desk.grant(1, seat=OTHER) == []


def test_a_reader_with_bytes_for_one_message_gets_one() -> None:
    desk, batches = past()

    told = desk.subscribe(cursor=VersionVector(), credit_bytes=1)

    assert told[1:] == [messages(1, 1, *of(batches[0]))]
    assert desk.grant(0, 5)[0] == messages(2, 2, *of(batches[1]))


def test_bytes_of_credit_cut_a_read_of_the_disk() -> None:
    desk, batches = past(recent_bytes=0)
    size = len(of(batches[0])[0].payload)

    _, load = desk.subscribe(cursor=VersionVector(), credit_bytes=size + 1)

    assert desk.load(load) == [messages(1, 2, *of(*batches[:2]))]


@pytest.mark.parametrize("recent_bytes", [0, 1 << 20], ids=["from the disk", "from memory"])
def test_a_delivery_of_the_past_holds_so_many_bytes_headers_included_unless_one_has_more(recent_bytes: int) -> None:
    batches = written(3, payload=b"", headers={"about": "x" * 60_000})
    size = len(of(batches[0])[0].raw)
    for most, told in (
        (2 * size, [(1, 2), (3, 3)]),
        (2 * size - 1, [(1, 1), (2, 2), (3, 3)]),
        (1, [(1, 1), (2, 2), (3, 3)]),
    ):
        desk = Desk(recent_bytes=recent_bytes, message_bytes_max=most)
        desk.store(*batches)
        desk.settle()

        outcomes = desk.subscribe(cursor=VersionVector())[1:]
        while outcomes and isinstance(load := outcomes[-1], Load):
            outcomes = [*outcomes[:-1], *desk.load(load)]

        assert outcomes == [messages(first, last, *of(*batches[first - 1 : last])) for first, last in told]


def test_a_reader_that_falls_behind_reads_on_only_in_the_logs_that_moved_since() -> None:
    desk = Desk()
    desk.subscribe(credit_messages=1)
    first, second = Writer(BEN).write(publisher="b"), Writer().write()
    desk.store(first)
    told = desk.settle()
    desk.store(second)
    behind = desk.settle()

    assert told == [messages(1, 1, *of(first), log=BENS)]
    assert behind == []
    assert desk.grant(9) == [messages(1, 1, *of(second))]


def test_credit_cuts_a_batch_in_two() -> None:
    desk = Desk()
    batch = Writer().write(3)
    desk.store(batch)
    desk.settle()

    told = desk.subscribe(cursor=VersionVector(), credit_messages=2)

    assert told[1:] == [messages(1, 2, *of(batch)[:2])]
    (load,) = desk.grant(5)
    assert load == Load(2, Ranges(LOG, ((3, 3),)), READ)
    assert desk.load(load) == [messages(3, 3, of(batch)[2])]


def test_a_reader_that_is_to_be_ended_is_counted_with_some_credit_left_as_it_fell_behind() -> None:
    desk = Desk(backlog_max=2)
    desk.subscribe(policy=SlowPolicy.DISCONNECT, credit_messages=1)
    told = []
    batches = written(4)
    for some in (batches[:2], batches[2:3], batches[3:]):
        desk.store(*some)
        told.append(desk.settle())

    text = "more than 2 messages behind"
    assert [len(one) for one in told] == [1, 0, 1]
    assert told[2] == [Tell((SEAT,), Goodbye(Code.READER_TOO_SLOW, text))]


def test_a_reader_that_reads_on_is_not_ended_for_what_it_has_credit_for() -> None:
    batches = written(4)
    desk = Desk(backlog_max=2, recent_bytes=batches[0].size)
    desk.subscribe(policy=SlowPolicy.DISCONNECT, credit_messages=1)
    for batch in batches[:3]:
        desk.store(batch)
        desk.settle()
    (load,) = desk.grant(4)

    desk.store(batches[3])

    assert desk.settle() == []
    assert desk.load(load) == [messages(2, 3, *of(*batches[1:3])), messages(4, 4, *of(batches[3]))]


def test_a_reader_that_is_to_be_ended_when_it_is_too_slow_is() -> None:
    desk = Desk(backlog_max=2)
    desk.subscribe(policy=SlowPolicy.DISCONNECT, credit_messages=1)
    told = []
    for batch in written(4):
        desk.store(batch)
        told.append(desk.settle())

    text = "more than 2 messages behind"
    assert [len(one) for one in told] == [1, 0, 0, 1]
    assert told[3] == [Tell((SEAT,), Goodbye(Code.READER_TOO_SLOW, text))]


def test_a_reader_that_stalled_and_has_credit_again_reads_on() -> None:
    desk = Desk()
    desk.subscribe(policy=SlowPolicy.DISCONNECT, credit_messages=1)
    batches = written(2)
    desk.store(*batches[:1])
    desk.settle()
    desk.store(batches[1])
    desk.settle()

    assert desk.grant(5) == [messages(2, 2, *of(batches[1]))]


def test_memory_that_let_go_of_what_the_tail_needs_sends_every_reader_to_the_disk() -> None:
    desk = Desk(recent_bytes=0)
    desk.subscribe()
    desk.subscribe(seat=OTHER, credit_messages=0)
    batches = written(2)
    desk.store(*batches)

    (load,) = desk.settle()

    assert load == Load(2, Ranges(LOG, ((1, 2),)), READ)
    assert desk.load(load) == [messages(1, 2, *of(*batches))]


# --- what was told stays told ----------------------------------------------------------------------------------------


def test_what_was_told_and_lost_is_not_told_again_when_it_is_back() -> None:
    desk = Desk()
    desk.subscribe()
    batches = written(2)
    desk.store(*batches)
    desk.settle()
    desk.holdings.lose(LOG, 2, 2)
    desk.delivery.on_lost(LOG, 2, 2, at())
    desk.delivery.check_all()

    keep(desk.holdings, batches[1])
    desk.delivery.on_stored(LOG, 2, 2)

    assert desk.settle() == []


def test_a_reader_ahead_of_this_node_is_told_only_what_it_does_not_have() -> None:
    desk = Desk()
    batches = written(3)
    desk.store(batches[0])
    desk.settle()
    desk.subscribe(cursor=VersionVector([(LOG, [(1, 2)])]))
    desk.store(*batches[1:])

    assert desk.settle() == [messages(3, 3, *of(batches[2]))]


def test_an_answer_to_a_reader_that_left_feeds_the_next() -> None:
    desk, batches = past(recent_bytes=0, loads_max=1)
    _, first = desk.subscribe(cursor=VersionVector())
    desk.subscribe(seat=OTHER, cursor=VersionVector())

    (second,) = desk.delivery.unsubscribe(SEAT, 1)

    assert desk.load(first) == []
    assert desk.load(second) == [messages(1, 3, *of(*batches), seats=(OTHER,))]
