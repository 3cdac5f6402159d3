"""Holdings: received in memory, stored on the disk, and what became of a batch in between."""

import pytest

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log import holdings as h
from mesh.log.batch import NO_NAME, Batch
from mesh.log.holdings import DEAD_LOG_MARGIN_MS, Holdings, RecentBatches
from mesh.log.log import UNKNOWN_NAME, Run
from mesh.log.names import NameRun
from mesh.types import LogId
from tests.samples import ANA, BEN, Writer, record


def holding(*batches: Batch) -> Holdings:
    """Holdings that have stored these batches."""
    holdings = Holdings()
    for batch in batches:
        holdings.receive(batch)
        holdings.store(batch)
    holdings.named()
    holdings.check_all()
    return holdings


# --- recent batches --------------------------------------------------------------------------------------------------


def test_the_oldest_batches_go_when_the_limit_is_passed() -> None:
    writer = Writer()
    first, second, third = (writer.write(1) for _ in range(3))
    recent = RecentBatches(first.size + second.size)

    recent.keep(first)
    recent.keep(second)
    assert recent.get(first.log, 1) is first
    recent.keep(third)

    assert [recent.get(writer.log, n) for n in (1, 2, 3)] == [None, second, third]
    assert recent.bytes == second.size + third.size


def test_a_batch_that_is_kept_again_is_the_newest_and_counted_once() -> None:
    writer = Writer()
    first, second, third = (writer.write(1) for _ in range(3))
    recent = RecentBatches(first.size + second.size)
    for batch in (first, second, first):
        recent.keep(batch)

    recent.keep(third)

    assert [recent.get(writer.log, n) for n in (1, 2, 3)] == [first, None, third]
    assert recent.bytes == first.size + third.size


def test_where_nothing_is_to_be_kept_nothing_is() -> None:
    batch = Writer().write(1)
    recent = RecentBatches(0)

    recent.keep(batch)

    assert (recent.get(batch.log, 1), recent.bytes) == (None, 0)


def test_a_batch_is_let_go_once() -> None:
    writer = Writer()
    batch, larger = writer.write(1), writer.write(2)
    recent = RecentBatches(1 << 20)
    recent.keep(batch)
    recent.keep(larger)

    recent.drop(batch.log, 1)
    recent.drop(batch.log, 1)

    assert (recent.get(batch.log, 1), recent.get(batch.log, 2), recent.bytes) == (None, larger, larger.size)


def test_sixteen_mebibytes_are_kept_unless_told_otherwise() -> None:
    assert Holdings().recent._bytes_max == 16 << 20
    assert Holdings(5).recent._bytes_max == 5


# --- the way of a batch ----------------------------------------------------------------------------------------------


def test_a_batch_is_received_then_stored() -> None:
    holdings, batch = Holdings(), Writer().write(3)
    assert holdings.fault(batch) == ""

    holdings.receive(batch)
    holdings.check_all()
    assert holdings.has(batch.log, 1, 3)
    assert not holdings.has(batch.log, 1, 4)
    assert list(holdings.received_of(batch.log)) == [(1, 3)]
    assert holdings.received[batch.log].id == batch.log
    assert list(holdings.stored_of(batch.log)) == []
    assert (holdings.digest, holdings.revision) == (0, 0)
    assert holdings.at_hand(batch.log, 1) is batch

    holdings.store(batch)
    holdings.check_all()
    assert list(holdings.stored_of(batch.log)) == [(1, 3)]
    assert holdings.stored_vector() == VersionVector([(batch.log, IntervalSet([(1, 3)]))])
    assert (holdings.digest, holdings.revision) == (holdings.stored[batch.log].digest(), 1)
    assert holdings.pending == {}
    assert holdings.at_hand(batch.log, 1) is batch
    assert holdings.at_hand(batch.log, 2) is None


def test_of_a_log_that_nobody_named_nothing_is_held() -> None:
    holdings, log = Holdings(), LogId(BEN, 5)

    assert not holdings.has(log, 1, 1)
    assert list(holdings.received_of(log)) == list(holdings.stored_of(log)) == []
    assert holdings.at_hand(log, 1) is None
    holdings.check_all()


def test_a_batch_that_could_not_be_stored_was_never_here() -> None:
    writer = Writer()
    first, second = writer.write(2), writer.write(2)
    holdings = holding(first)
    holdings.receive(second)

    holdings.take_back(second)

    holdings.check_all()
    assert list(holdings.received_of(writer.log)) == [(1, 2)]
    assert holdings.names.find("pub", 7, 3) == []
    assert holdings.named() == ()
    assert holdings.fault(second) == ""
    holdings.receive(second)
    holdings.store(second)
    holdings.check_all()
    assert list(holdings.stored_of(writer.log)) == [(1, 4)]


def test_names_reach_no_further_than_what_is_left() -> None:
    writer = Writer()
    first = writer.write(1)
    other, second = (writer.seal([record(n, publisher=who)]) for who, n in (("other", 1), ("pub", 2)))
    holdings = holding(first)
    holdings.receive(other)
    holdings.receive(second)
    assert [run.to_position for run in holdings.names.find("pub", 7, 1)] == [3]

    holdings.take_back(other, second)

    holdings.check_all()
    assert [run[2:7] for run in holdings.names.find("pub", 7, 1)] == [(1, 1, writer.log, 1, 1)]


def test_a_log_of_which_nothing_could_be_stored_is_not_held() -> None:
    holdings, batch = Holdings(), Writer().write(2)
    holdings.receive(batch)

    holdings.take_back(batch)

    holdings.check_all()
    assert (holdings.received, holdings.pending, len(holdings.names)) == ({}, {}, 0)


def test_names_that_changed_are_told_once_as_they_stand_then() -> None:
    writer = Writer()
    first, second = writer.write(2), writer.write(2)
    holdings = Holdings()

    holdings.receive(first)
    holdings.receive(second)

    expires_ms = second.head.expires_ms
    assert holdings.named() == (NameRun("pub", 7, 1, 4, writer.log, 1, 4, expires_ms),)
    assert holdings.named() == ()


def test_names_of_two_logs_are_told_apart() -> None:
    holdings, ana, ben = Holdings(), Writer(ANA), Writer(BEN)

    holdings.receive(ana.write(1))
    holdings.receive(ben.write(1))

    assert [run.log for run in holdings.named()] == [ana.log, ben.log]


# --- what cannot be taken --------------------------------------------------------------------------------------------


def test_a_batch_that_overlaps_or_does_not_chain_is_refused() -> None:
    writer, clone = Writer(), Writer()
    first, second = writer.write(2), writer.write(2)
    holdings = holding(first)
    clone.write(1, payload=b"other")
    clone.write(1, payload=b"other")
    other = clone.write(2)

    assert holdings.fault(clone.batches[1]) == "it overlaps a batch that is held"
    assert holdings.fault(other) == "it does not name the batch before it"
    assert holdings.fault(second) == ""


# --- two histories ---------------------------------------------------------------------------------------------------


def test_a_log_with_two_histories_takes_what_they_agree_on_and_nothing_beyond() -> None:
    writer = Writer()
    first, second, third, fourth = (writer.write(1) for _ in range(4))
    holdings = holding(third)

    holdings.fork(writer.log, 2)

    assert [holdings.fault(batch) for batch in (first, second)] == ["", ""]
    assert holdings.fault(fourth) == "its log has two histories"
    assert [holdings.is_beyond(batch) for batch in (second, third, Writer(BEN).write())] == [False, True, False]
    holdings.check()


def histories() -> tuple[Writer, Writer]:
    """Two histories of one log that agree on two batches; the second of the one is longer."""
    one, other = Writer(), Writer()
    for writer, payload, count in ((one, b"one", 3), (other, b"other", 5)):
        writer.write(2)
        writer.write()
        writer.write(count, payload=payload)
    return one, other


def test_whoever_holds_either_history_has_the_same_digest_and_tells_the_same() -> None:
    one, other = histories()
    left, right, neither = holding(*one.batches), holding(*other.batches), holding(*one.batches[:2])
    assert len({left.digest, right.digest, neither.digest}) == 3

    for holdings in (left, right, neither):
        holdings.fork(one.log, 3)
        holdings.check()
        holdings.check_all()

    assert left.digest == right.digest == neither.digest
    assert left.told(one.log) == right.told(one.log) == neither.told(one.log) == [Run(1, 3, NO_NAME, UNKNOWN_NAME)]
    assert left.stored_of(one.log).last == 6
    assert left.changed_since(2) == [one.log]


def test_of_a_log_of_which_nothing_is_agreed_on_nothing_counts() -> None:
    one, _ = histories()
    holdings = holding(*one.batches)

    holdings.fork(one.log, 0)
    holdings.fork(LogId(BEN, 1), 5)

    assert holdings.digest == 0
    assert holdings.told(one.log) == holdings.told(LogId(BEN, 1)) == []
    holdings.check()
    holdings.check_all()


def test_what_is_agreed_on_and_ends_before_the_end_has_its_name() -> None:
    one, _ = histories()
    holdings = holding(one.batches[0], one.batches[2])

    holdings.fork(one.log, 5)

    assert holdings.told(one.log) == [
        Run(1, 2, NO_NAME, one.batches[0].name),
        Run(4, 5, one.batches[1].name, UNKNOWN_NAME),
    ]


def test_where_a_log_has_two_histories_what_memory_let_go_of_may_differ() -> None:
    one, other = histories()
    holdings = Holdings(0)
    for batch in one.batches:
        holdings.receive(batch)
        holdings.store(batch)

    assert not holdings.differs(other.batches[1])
    holdings.fork(one.log, 5)
    assert holdings.differs(other.batches[1])


def test_a_log_that_vanished_keeps_its_end() -> None:
    one, _ = histories()
    holdings = holding(*one.batches)
    holdings.fork(one.log, 3)

    holdings.forget(one.log)

    assert holdings.forked == {one.log: 3}
    assert holdings.digest == 0


# --- recovering and losing -------------------------------------------------------------------------------------------


def test_what_a_store_held_is_received_and_stored() -> None:
    holdings, batch = Holdings(), Writer().write(3)
    run = Run(1, 3, NO_NAME, batch.name)
    name = NameRun("pub", 7, 1, 3, batch.log, 1, 3, batch.head.expires_ms)

    holdings.recover(batch.log, (run,), 5, 6)
    holdings.recover(LogId(BEN, 1), (), 5, 6)
    holdings.recover_names((name,))

    holdings.check_all()
    assert list(holdings.received) == list(holdings.stored) == [batch.log]
    for held in (holdings.received[batch.log], holdings.stored[batch.log]):
        assert (held.id, held.runs, held.stamp, held.expires_ms) == (batch.log, [run], 5, 6)
    assert holdings.received[batch.log] is not holdings.stored[batch.log]
    assert holdings.names.find("pub", 7, 2) == [name]
    assert holdings.digest == holding(batch).digest
    assert holdings.changed_since(0) == [batch.log]


def test_a_damaged_range_is_neither_stored_nor_received_and_is_wanted_again() -> None:
    writer = Writer()
    batches = [writer.write(1) for _ in range(3)]
    holdings = holding(*batches)
    whole = holdings.digest

    holdings.lose(writer.log, 2, 2)

    holdings.check_all()
    assert list(holdings.stored_of(writer.log)) == list(holdings.received_of(writer.log)) == [(1, 1), (3, 3)]
    assert holdings.stored[writer.log].runs[0].head == UNKNOWN_NAME
    assert holdings.at_hand(writer.log, 2) is None
    assert holdings.digest != whole
    assert holdings.fault(batches[1]) == ""
    holdings.receive(batches[1])
    holdings.store(batches[1])
    assert holdings.digest == whole


def test_a_log_that_is_lost_whole_leaves_no_digest() -> None:
    batch = Writer().write(2)
    holdings = holding(batch)

    holdings.lose(batch.log, 1, 2)
    holdings.lose(batch.log, 1, 2)

    holdings.check_all()
    assert (holdings.stored, holdings.received, holdings.digest) == ({}, {}, 0)


def test_losing_what_is_stored_leaves_what_waits() -> None:
    writer = Writer()
    first, second = writer.write(2), writer.write(2)
    holdings = holding(first)
    holdings.receive(second)

    holdings.lose(writer.log, 1, 2)

    holdings.check_all()
    assert list(holdings.received_of(writer.log)) == [(3, 4)]
    assert writer.log not in holdings.stored


# --- changes and ends ------------------------------------------------------------------------------------------------


def test_logs_are_told_by_their_latest_change() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    holdings = holding(ana.write(1), ben.write(1))
    before = holdings.revision
    assert before == 2
    assert holdings.changed_since(0) == [ana.log, ben.log]
    assert holdings.changed_since(1) == [ben.log]
    assert holdings.changed_since(before) == []

    batch = ana.write(1)
    holdings.receive(batch)
    holdings.store(batch)

    assert holdings.changed_since(before) == [ana.log]
    assert holdings.changed_since(0) == [ben.log, ana.log]


def test_the_digest_is_the_sum_of_the_logs_modulo_2_to_the_64() -> None:
    writers = [Writer(ANA, epoch=n) for n in range(1, 9)]

    holdings = holding(*(writer.write(1) for writer in writers))

    total = sum(held.digest() for held in holdings.stored.values())
    assert total >> 64
    assert holdings.digest == total % (1 << 64)


def test_a_log_is_dead_two_hours_after_its_last_record_and_while_nothing_of_it_waits() -> None:
    writer, ben = Writer(ANA), Writer(BEN)
    first = writer.write(1)
    holdings = holding(first, ben.write(1, ttl_ms=1))
    dies_ms = first.head.expires_ms + DEAD_LOG_MARGIN_MS

    assert holdings.dead(dies_ms - 1) == [ben.log]
    assert holdings.dead(dies_ms) == sorted([writer.log, ben.log])
    second = writer.write(1)
    holdings.receive(second)

    assert holdings.dead(dies_ms) == [ben.log]


def test_a_log_that_has_vanished_is_gone_from_all_and_remembered() -> None:
    batch, other = Writer(ANA).write(1), Writer(BEN).write(1)
    holdings = holding(batch, other)

    holdings.forget(batch.log)

    holdings.check_all()
    assert list(holdings.stored) == list(holdings.received) == [other.log]
    assert list(holdings.gone) == [batch.log]
    assert holdings.digest == holding(other).digest
    assert holdings.changed_since(2) == [batch.log]


def test_logs_that_were_never_here_can_vanish_and_the_oldest_are_no_longer_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(h, "GONE_MAX", 2)
    holdings = Holdings()

    for epoch in (1, 2, 3):
        holdings.forget(LogId(ANA, epoch))

    holdings.check_all()
    assert list(holdings.gone) == holdings.changed_since(0) == [LogId(ANA, 2), LogId(ANA, 3)]


# --- the check -------------------------------------------------------------------------------------------------------


def test_a_check_trips_over_each_broken_invariant() -> None:
    writer = Writer()
    batch, more = writer.write(1), writer.write(1)

    stored_only = holding(batch)
    del stored_only.received[writer.log]
    waiting_nowhere = holding(batch)
    waiting_nowhere.pending[writer.log, 2] = more
    unpended = holding(batch)
    unpended.received[writer.log].add(more)
    wrong_sum = holding(batch)
    wrong_sum._digest += 1
    broken_log = holding(batch)
    broken_log.stored[writer.log].runs = []
    broken_names = holding(batch)
    broken_names.names._runs["x", 1] = []

    for holdings in (stored_only, waiting_nowhere, unpended, wrong_sum, broken_log, broken_names):
        with pytest.raises(AssertionError):
            holdings.check_all()


def test_a_name_that_one_of_two_tables_does_not_know_is_no_contradiction_and_another_name_is() -> None:
    writer = Writer()
    batch, more = writer.write(1), writer.write(1)
    holdings = holding(batch)
    holdings.receive(more)
    holdings.lose(writer.log, 1, 1)  # damaged while the next one is on its way to the disk
    holdings.store(more)

    holdings.check()

    assert holdings.received[writer.log].runs == [Run(2, 2, UNKNOWN_NAME, more.name)]
    assert holdings.stored[writer.log].runs == [Run(2, 2, batch.name, more.name)]
    holdings.stored[writer.log].runs = [Run(2, 2, batch.name, b"?" * 32)]
    with pytest.raises(AssertionError):
        holdings.check()


@pytest.mark.parametrize("order", [(1, 3, 2), (2, 1), (4, 3, 5), (3, 2, 1)])
@pytest.mark.parametrize("stored", [0, 1])
def test_names_that_came_out_of_order_are_taken_back_as_others_are(order: tuple[int, ...], stored: int) -> None:
    writer = Writer()
    kept = writer.seal([record(9, b"kept", publisher="other", stamp=1 << 20)])
    batch = writer.seal([record(n, b"x", stamp=(1 << 21) + at) for at, n in enumerate(order)])
    more = writer.seal([record(7, b"y", stamp=1 << 22)])
    holdings = holding(*[kept][:stored])
    for each in (*[kept][stored:], batch, more):
        holdings.receive(each)

    holdings.take_back(*[kept][stored:], batch, more)

    holdings.check_all()
    assert len(holdings.names) == stored
    assert all(not holdings.names.find("pub", 7, n) for n in (*order, 7))


def test_a_run_of_which_no_place_is_left_goes_with_what_was_taken_back() -> None:
    writer = Writer()
    sealed = [
        writer.seal([record(n, b"x", stamp=(at << 20) + place) for place, n in enumerate(names)])
        for at, names in enumerate(((2, 1), (4, 3, 5), (7,), (6,)), 1)
    ]
    holdings = holding(sealed[0])
    for each in sealed[1:]:
        holdings.receive(each)

    holdings.take_back(*sealed[1:])

    holdings.check_all()
    assert [bool(holdings.names.find("pub", 7, n)) for n in range(1, 8)] == [True, True, *[False] * 5]
