"""Readers that were too slow and do not want everything: what is kept for them, and how it is told."""

import pytest

from mesh.clocks.hybrid import stamp_of
from mesh.clocks.vector import VersionVector
from mesh.effects import Load
from mesh.operations import (
    GapReason,
    SlowPolicy,
)
from tests.delivery_samples import BENS, LOG, SEAT, Desk, gap, messages, of, written
from tests.engine_samples import at
from tests.samples import ANA, BEN, WALL_MS, Writer, record


def test_a_slow_reader_that_wants_the_newest_skips_what_it_missed() -> None:
    desk = Desk(backlog_max=2)
    desk.subscribe(policy=SlowPolicy.DROP_OLDEST, credit_messages=1)
    batches = written(5)
    for batch in batches:
        desk.store(batch)
        desk.settle()

    told = desk.grant(9)

    assert told == [gap(2, 3, GapReason.DROPPED), messages(4, 5, *of(*batches[3:]))]
    desk.store(more := Writer(BEN).write(publisher="b"))
    assert desk.settle() == [messages(1, 1, *of(more), log=BENS)]


@pytest.mark.parametrize("policy", [SlowPolicy.DROP_OLDEST, SlowPolicy.LATEST])
def test_what_is_kept_for_a_slow_reader_is_late_where_it_was_told_of_more_before(policy: SlowPolicy) -> None:
    desk, ana = Desk(), Writer()
    desk.subscribe(policy=policy, credit_messages=2)
    batches = [ana.write(channel=channel) for channel in "abcd"]
    desk.store(batches[0], batches[2])
    desk.settle()
    assert gap(2, 2, GapReason.MISSING) in desk.delivery.on_hole_timer(LOG, at(30_000))
    desk.store(batches[3])
    assert desk.settle() == []
    desk.store(batches[1])
    assert desk.settle() == []

    told = desk.grant(9)

    assert told == [messages(2, 2, *of(batches[1]), late=(0,)), messages(4, 4, *of(batches[3]))]


def test_what_is_kept_for_a_slow_reader_says_whose_name_another_message_bears() -> None:
    desk = Desk()
    here = Writer(ANA).seal([record(1, b"one")])
    there = Writer(BEN).seal([record(1, b"other", stamp=stamp_of(WALL_MS) + 5)])
    desk.subscribe(policy=SlowPolicy.DROP_OLDEST, credit_messages=1)
    desk.store(here)
    desk.settle()
    desk.store(there)
    (compare,) = desk.settle()
    assert isinstance(compare, Load)
    desk.load(compare)

    told = desk.grant(9)

    assert told == [messages(1, 1, *of(there), log=BENS, conflicts=(0,))]


def test_a_slow_reader_gets_as_many_bytes_of_the_newest_as_it_has_credit_for_in_deliveries_of_so_many() -> None:
    batches = written(7, payload=b"1234567")
    desk = Desk(message_bytes_max=2 * len(of(batches[0])[0].raw))
    desk.subscribe(policy=SlowPolicy.DROP_OLDEST, credit_messages=1)
    for batch in batches:
        desk.store(batch)
        desk.settle()
    desk.delivery.readers[SEAT, 1].credit_bytes = 0

    told = desk.grant(9, 21)

    assert told == [gap(2, 4, GapReason.DROPPED), messages(5, 6, *of(*batches[4:6])), messages(7, 7, *of(batches[6]))]
    assert desk.delivery.readers[SEAT, 1].credit_bytes == 0


def test_a_slow_reader_that_wants_the_latest_gets_one_for_each_channel_as_credit_allows() -> None:
    desk, ana = Desk(), Writer()
    desk.subscribe(policy=SlowPolicy.LATEST, credit_messages=1)
    for channel in ("a", "b", "a"):
        desk.store(ana.write(channel=channel))
        desk.settle()

    told = desk.grant(1)

    assert told == [gap(2, 2, GapReason.DROPPED), messages(3, 3, *of(ana.batches[2]))]


def test_a_slow_reader_skips_though_some_credit_was_left_as_it_fell_behind() -> None:
    desk, ana = Desk(), Writer()
    desk.subscribe(policy=SlowPolicy.LATEST, credit_messages=1)
    desk.store(ana.write(channel="a"), ana.write(channel="a"))
    told = desk.settle()
    for _ in range(2):
        desk.store(ana.write(channel="a"))
        desk.settle()

    again = desk.grant(1)

    assert told == [messages(1, 1, *of(ana.batches[0]))]
    assert again == [gap(2, 3, GapReason.DROPPED), messages(4, 4, *of(ana.batches[3]))]


def test_a_slow_reader_skips_though_its_credit_ended_with_what_the_disk_had_to_give() -> None:
    desk, ana = Desk(recent_bytes=0), Writer()
    desk.subscribe(policy=SlowPolicy.LATEST, credit_messages=1)
    desk.store(ana.write(channel="a"), ana.write(channel="a"))
    (load,) = desk.settle()
    told = desk.load(load)
    (load,) = desk.grant(1)

    again = desk.load(load)

    assert told == [messages(1, 1, *of(ana.batches[0]))]
    assert again == [messages(2, 2, *of(ana.batches[1]))]
    assert desk.delivery.readers[SEAT, 1].skim is None


def test_a_reader_that_began_behind_is_told_all_as_credit_allows_whatever_it_does_when_it_is_slow() -> None:
    desk = Desk()
    batches = written(3, channel="a")
    desk.store(*batches)
    desk.settle()
    told = desk.subscribe(cursor=VersionVector(), policy=SlowPolicy.LATEST, credit_messages=1)

    told += desk.grant(2)

    assert told[1:] == [messages(1, 1, *of(batches[0])), messages(2, 3, *of(*batches[1:]))]
