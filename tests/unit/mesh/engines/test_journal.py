"""The journal: which batches are taken, what one append holds, and what remains of one that failed."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from mesh.clocks.hybrid import stamp_of
from mesh.effects import Append, Marks
from mesh.engines import journal as module
from mesh.engines.journal import Journal, Verdict
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.log.names import NameRun
from mesh.log.record import Record
from mesh.types import NodeId
from tests.engine_samples import TO_BEN, TO_CY, at
from tests.samples import ANA, BEN, CY, MESH, SUITE, WALL_MS, Writer, received, record, rekeyed

NOTHING = WALL_MS
"""By this time nothing has expired."""


def journal(*, members: Iterable[NodeId] = (ANA, BEN), recent_bytes: int = 1 << 20, pending_max: int = 2) -> Journal:
    return Journal(MESH, SUITE, Holdings(recent_bytes), set(members).__contains__, pending_max)


def stored(*batches: Batch, recent_bytes: int = 1 << 20) -> Journal:
    """A journal whose holdings have stored these."""
    one = journal(recent_bytes=recent_bytes)
    for batch in batches:
        one.on_push(TO_BEN, received(batch), NOTHING, at())
    append = one.append([], (), 0, ())
    assert append is not None
    one.on_stored(append.append)
    return one


def push(one: Journal, batch: Batch, ms: float = 0) -> Verdict:
    verdict = one.on_push(TO_BEN, received(batch), NOTHING, at(ms))
    one.check_all()
    return verdict


# --- what is taken ---------------------------------------------------------------------------------------------------


def test_a_batch_that_verifies_is_received_and_waits_for_the_next_append() -> None:
    one, batch = journal(), Writer().write()

    assert push(one, batch) is Verdict.TAKEN
    assert one.incoming == [(batch, TO_BEN)]
    assert one.holdings.has(batch.log, 1, 1)
    assert not one.idle


def test_a_batch_that_was_received_or_stored_is_a_duplicate() -> None:
    ana = Writer()
    first, second = ana.write(), ana.write()
    one = stored(first)
    push(one, second)

    assert push(one, first) is Verdict.DUPLICATE
    assert push(one, second) is Verdict.DUPLICATE
    assert push(one, second.stripped()) is Verdict.DUPLICATE


def test_batches_are_refused_unseen_for_a_moment_after_a_failed_append() -> None:
    ana = Writer()
    first, second = ana.write(), ana.write()
    one = journal()
    push(one, first)
    append = one.append([], (), 0, ())
    assert append is not None
    one.on_failed(append.append, at(1_000).mono_us)

    assert push(one, second, 999) is Verdict.BLOCKED
    assert push(one, second, 1_000) is Verdict.TAKEN


def test_a_log_that_wholly_expired_is_not_brought_back() -> None:
    batch = Writer().write()
    one = stored(batch)
    one.holdings.forget(batch.log)

    assert push(one, batch) is Verdict.GONE


def test_a_log_that_its_origin_writes_on_in_comes_back_once_the_disk_has_dropped_it() -> None:
    ana = Writer()
    batch, newer = ana.write(), ana.write()
    one = stored(batch)
    one.holdings.forget(batch.log)

    before = push(one, newer)
    one.holdings.vanishing.clear()
    verdicts = push(one, batch), push(one, newer), push(one, batch)

    assert before is Verdict.GONE
    assert verdicts == (Verdict.GONE, Verdict.TAKEN, Verdict.TAKEN)
    assert not one.holdings.gone
    one.check_all()


def test_a_batch_of_a_node_that_is_no_member_is_not_taken() -> None:
    assert push(journal(), Writer(CY).write()) is Verdict.STRANGER


def test_a_batch_that_was_altered_is_invalid_and_says_why() -> None:
    batch = Writer().write()
    one = journal()

    altered = Batch(batch.header, b"other", batch.signature, batch.epoch_public, batch.epoch_proof)

    assert one.on_push(TO_BEN, altered, NOTHING, at()) is Verdict.INVALID
    assert one.fault == "the body is not the one that was signed"
    one.check_all()


def test_a_batch_without_its_body_is_taken_only_when_it_is_dead_here_too() -> None:
    batch = Writer().write().stripped()
    one = journal()
    dead_ms = batch.head.expires_ms

    assert one.on_push(TO_BEN, batch, dead_ms - 1, at()) is Verdict.STRIPPED
    assert one.on_push(TO_BEN, batch, dead_ms, at()) is Verdict.TAKEN


# --- forks -----------------------------------------------------------------------------------------------------------


def forks(count: int = 1) -> tuple[Writer, Writer]:
    """Two histories of one log that differ from the second batch on, of `count` records each."""
    one, other = Writer(), Writer()
    for writer, payload in ((one, b"one"), (other, b"other")):
        writer.write()
        writer.write(count, payload=payload)
        writer.write(payload=payload)
    return one, other


def test_a_batch_beside_one_that_it_does_not_follow_is_a_fork() -> None:
    ours, theirs = forks()
    one = stored(*ours.batches[:2])

    assert push(one, theirs.batches[2]) is Verdict.FORKED
    assert one.fault == "it does not name the batch before it"


@pytest.mark.parametrize("place", [1, 2])
def test_another_batch_at_a_place_that_waits_for_the_disk_is_a_fork(place: int) -> None:
    ours, theirs = forks()
    one = journal()
    for batch in ours.batches:
        push(one, batch)

    assert push(one, theirs.batches[place]) is Verdict.FORKED
    assert one.fault == "it overlaps a batch that is held"


def test_another_batch_at_the_place_of_a_recent_one_is_a_fork() -> None:
    ours, theirs = forks()

    assert push(stored(*ours.batches), theirs.batches[1]) is Verdict.FORKED


def test_another_batch_at_the_end_of_a_run_is_a_fork_though_memory_let_go_of_ours() -> None:
    ours, theirs = forks()

    assert push(stored(*ours.batches, recent_bytes=0), theirs.batches[2]) is Verdict.FORKED


def test_another_batch_before_one_in_memory_is_a_fork_for_that_names_ours() -> None:
    ours, theirs = forks()
    one = stored(*ours.batches[:2], recent_bytes=0)
    push(one, ours.batches[2])

    assert push(one, theirs.batches[1]) is Verdict.FORKED


def test_another_batch_in_place_of_one_in_memory_is_a_fork_though_nothing_else_is_known() -> None:
    ours, theirs = Writer(), Writer()
    for writer, payload in ((ours, b"one"), (theirs, b"other")):
        writer.write(payload=payload)
        writer.write()
    one = stored(ours.batches[1], recent_bytes=0)
    push(one, ours.batches[0])

    assert push(one, theirs.batches[0]) is Verdict.FORKED


def test_another_cut_of_the_same_positions_is_a_fork() -> None:
    ours, theirs = Writer(), Writer()
    ours.write()
    ours.write()
    theirs.write(2)

    assert push(stored(*ours.batches), theirs.batches[0]) is Verdict.FORKED


def test_where_the_name_of_a_place_is_not_known_its_batch_is_a_duplicate_and_repair_compares() -> None:
    ours, theirs = forks()
    one = stored(*ours.batches, recent_bytes=0)

    assert push(one, theirs.batches[1]) is Verdict.DUPLICATE
    assert push(one, theirs.batches[0]) is Verdict.DUPLICATE


def test_a_forged_batch_at_a_place_that_is_held_proves_no_fork() -> None:
    ours, theirs = forks()
    real, other = ours.batches[1], theirs.batches[1]
    forged = Batch(other.header, other.body, real.signature, other.epoch_public, other.epoch_proof)

    assert push(stored(*ours.batches), forged) is Verdict.INVALID


def test_what_a_damaged_row_took_with_it_proves_no_fork() -> None:
    ours, theirs = forks()
    one = stored(*ours.batches, recent_bytes=0)
    one.holdings.lose(ours.log, 3, 3)

    assert push(one, theirs.batches[1]) is Verdict.DUPLICATE
    assert push(one, ours.batches[2]) is Verdict.TAKEN


def test_of_a_log_with_two_histories_only_what_they_agree_on_is_taken() -> None:
    ours, _ = forks()
    one = stored(ours.batches[1])
    one.holdings.fork(ours.log, 1)

    assert push(one, ours.batches[2]) is Verdict.FORKED
    assert push(one, ours.batches[0]) is Verdict.TAKEN


def test_what_lies_beyond_the_end_of_a_log_is_refused_without_a_look_at_its_signature() -> None:
    ours, theirs = forks()
    one = stored(ours.batches[0])
    one.holdings.fork(ours.log, 1)
    real, other = ours.batches[1], theirs.batches[1]
    forged = Batch(other.header, other.body, real.signature, other.epoch_public, other.epoch_proof)

    assert push(one, forged) is Verdict.FORKED


def test_a_second_key_of_an_epoch_is_a_fork_and_no_fault_of_who_carries_it_on() -> None:
    one = stored(Writer().write())
    other = rekeyed().write(payload=b"other")

    assert push(one, other) is Verdict.FORKED
    assert push(one, Writer().write()) is Verdict.DUPLICATE


def test_where_nothing_of_a_log_is_held_one_key_is_as_good_as_another() -> None:
    one = journal()
    stripped = Writer().write().stripped()
    other = rekeyed()

    assert push(one, stripped) is Verdict.STRIPPED
    assert push(one, other.write()) is Verdict.TAKEN
    assert push(one, other.write()) is Verdict.TAKEN


def test_a_second_key_that_its_node_did_not_sign_is_invalid() -> None:
    one = stored(Writer().write())
    writer = rekeyed()
    writer.opened = replace(writer.opened, proof=bytes(64))

    assert push(one, writer.write(payload=b"other")) is Verdict.INVALID
    assert one.fault == "the epoch has another key"


def test_another_proof_of_a_key_that_is_known_is_checked_for_others_may_not_know_it() -> None:
    writer = Writer()
    one = stored(writer.write())
    writer.opened = replace(writer.opened, proof=bytes(64))

    assert push(one, writer.write()) is Verdict.INVALID
    assert one.fault == "the epoch is not signed by its node"


# --- appends ---------------------------------------------------------------------------------------------------------


def test_one_append_holds_own_batches_then_those_that_came_with_their_names_and_channels() -> None:
    ana, ben = Writer(), Writer(BEN)
    mine = ana.seal(_to("b", "a", "b"))
    theirs = ben.write(publisher="other")
    one = journal()
    one.holdings.receive(mine)
    one.on_push(TO_CY, received(theirs), NOTHING, at())

    append = one.append([mine], (b"certificate",), 5, (Writer(CY).log,))

    names = (
        NameRun("pub", 7, 1, 3, ana.log, 1, 3, _dies(mine)),
        NameRun("other", 7, 1, 1, ben.log, 1, 1, _dies(theirs)),
    )
    channels = (("b", ana.log, 1), ("a", ana.log, 1), ("room/1", ben.log, 1))
    assert append == Append(1, (mine, theirs), Marks(names, channels, (b"certificate",), 5, (Writer(CY).log,)))
    assert one.pending == {1: ((mine, None), (theirs, TO_CY))}
    assert one.incoming == []
    one.check_all()


def _to(*channels: str) -> list[Record]:
    """Records from 1 on, to these channels."""
    return [record(n, channel=channel, stamp=stamp_of(WALL_MS) + n) for n, channel in enumerate(channels, 1)]


def _dies(batch: Batch) -> int:
    return batch.head.expires_ms


def test_nothing_makes_no_append_and_each_mark_alone_makes_one() -> None:
    one = journal(pending_max=9)

    assert one.append([], (), 0, ()) is None
    assert one.append([], (b"c",), 0, ()) == Append(1, (), Marks(members=(b"c",)))
    assert one.append([], (), 7, ()) == Append(2, (), Marks(strip_before_ms=7))
    assert one.append([], (), 0, (Writer().log,)) == Append(3, (), Marks(forget_logs=(Writer().log,)))


def test_so_many_appends_may_be_pending() -> None:
    one = journal(pending_max=2)

    room = []
    for _ in range(2):
        room.append(one.has_room)
        one.append([], (b"c",), 0, ())
    room.append(one.has_room)
    one.on_stored(1)
    room.append(one.has_room)

    assert room == [True, True, False, True]


def test_what_is_durable_is_stored_and_returned_with_its_sender() -> None:
    batch = Writer().write()
    one = journal()
    push(one, batch)
    one.append([], (), 0, ())

    assert one.on_stored(1) == ((batch, TO_BEN),)
    assert list(one.holdings.stored_of(batch.log)) == [(1, 1)]
    assert one.idle


def test_a_failed_append_takes_back_all_that_is_pending_or_waits() -> None:
    ana = Writer()
    first, second, third = ana.write(), ana.write(), ana.write()
    one = journal()
    for batch in (first, second):
        push(one, batch)
        one.append([], (), 0, ())
    push(one, third)

    entries = one.on_failed(1, 50)

    assert entries == [(first, TO_BEN), (second, TO_BEN), (third, TO_BEN)]
    assert one.idle
    assert not one.holdings.received
    assert one.on_failed(2, 99) == []
    assert one.blocked_until_us == 50
    one.check_all()


def test_only_the_latest_epochs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EPOCHS_KNOWN_MAX", 2)
    one = journal()
    for epoch in (1, 2, 3, 4):
        writer = Writer(epoch=epoch)
        push(one, writer.write())
        push(one, writer.write())

    assert [epoch for _, epoch in one._epochs] == [3, 4]
    assert push(one, Writer(BEN, epoch=1).write()) is Verdict.TAKEN


def test_a_batch_that_does_not_pass_leaves_nothing_to_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EPOCHS_KNOWN_MAX", 2)
    one = journal()
    for epoch in (1, 2, 3):
        batch = Writer(BEN, epoch=epoch).write()
        unsigned = Batch(batch.header, batch.body, bytes(64), batch.epoch_public, batch.epoch_proof)
        assert push(one, unsigned) is Verdict.INVALID
    assert not one._epochs

    for epoch in range(4, 10):
        writer = Writer(BEN, epoch=epoch)
        assert [push(one, writer.write()) for _ in range(2)] == [Verdict.TAKEN] * 2
    assert [epoch for _, epoch in one._epochs] == [8, 9]


def test_check_sees_a_batch_that_nobody_waits_for() -> None:
    one = journal()
    push(one, Writer().write())
    one.incoming = []

    with pytest.raises(AssertionError):
        one.check_all()
