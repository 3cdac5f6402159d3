"""Forks: what proves that a log has two histories, who is told, and how far back the place where they part is looked for."""

import pytest

from mesh.clocks.hybrid import stamp_of
from mesh.effects import Count, ForkFound, Loaded, RepairDue, Send
from mesh.engines import forks as module
from mesh.engines.forks import (
    ACCUSED_MAX,
    FORKS_MAX,
    REACH_MAX,
    TELL,
    TELL_MAX,
    Forks,
)
from mesh.frames import Forked, Want
from mesh.log.batch import Batch
from mesh.log.holdings import DEAD_LOG_MARGIN_MS, Holdings
from mesh.log.record import TTL_MS_MAX
from tests.engine_samples import TO_ANA, TO_BEN, TO_CY, at, keep, set_timer, table, to_ana, to_ben, to_cy
from tests.fork_samples import checked, forks, found, held, histories, load, proof, room
from tests.samples import ANA, BEN, CY, MESH, SUITE, WALL_MS, Writer, record, rekeyed

# --- finding ---------------------------------------------------------------------------------------------------------


def test_another_batch_at_the_place_of_one_in_memory_proves_that_the_histories_part_there() -> None:
    ours, theirs = histories()
    one = forks(holdings=held(*ours.batches))

    assert one.on_conflict(TO_BEN, theirs.batches[1], at()) == found(ours.log, 1)
    assert one.proofs == {ours.log: proof(ours.batches[1], theirs.batches[1])}
    assert one.untold == {TO_BEN: {ours.log: None}, TO_CY: {ours.log: None}}
    checked(one)


def test_a_batch_contradicts_the_one_after_it_that_names_another() -> None:
    ours, theirs = histories()
    one = forks(holdings=held(ours.batches[0], ours.batches[2]))

    assert one.on_conflict(TO_BEN, theirs.batches[1], at())[0] == ForkFound(ours.log, 1)


def test_another_cut_of_what_waits_for_the_disk_is_found_there() -> None:
    ours, theirs = Writer(), Writer()
    for _ in range(3):
        ours.write()
    theirs.write()
    theirs.write(2, payload=b"other")
    one = forks(holdings=held(ours.batches[0], pending=(ours.batches[1], ours.batches[2])))

    assert one.on_conflict(TO_BEN, theirs.batches[1], at())[0] == ForkFound(ours.log, 1)
    checked(one)


def test_what_memory_let_go_of_is_read_from_the_disk() -> None:
    ours, theirs = histories(common=3)
    one = forks(holdings=held(*ours.batches, recent_bytes=0))

    assert one.on_conflict(TO_BEN, theirs.batches[3], at()) == load(4, ours.log, (1, 1), (3, 5))
    assert one.on_conflict(TO_BEN, theirs.batches[1], at()) == load(8, ours.log, (1, 3))
    assert one.on_conflict(TO_CY, theirs.batches[3], at()) == load(12, ours.log, (1, 1), (3, 5))
    assert one.on_loaded(Loaded(4, tuple(ours.batches)), at(1)) == found(ours.log, 3, 1)
    assert one.on_loaded(Loaded(8, tuple(ours.batches)), at(2)) == []
    assert one.on_loaded(Loaded(12, tuple(ours.batches)), at(3)) == []
    checked(one)


def test_only_so_many_are_looked_for_at_a_time() -> None:
    ours, theirs = histories(count=ACCUSED_MAX + 1)
    one = forks(holdings=held(*ours.batches, recent_bytes=0))

    asked = [one.on_conflict(TO_BEN, batch, at()) for batch in theirs.batches[1:]]

    assert [len(outcomes) for outcomes in asked] == [1] * ACCUSED_MAX + [0]
    checked(one)


def test_what_lies_beyond_the_end_proves_nothing_more() -> None:
    ours, theirs = histories()
    one = forks(holdings=held(*ours.batches))
    one.on_conflict(TO_BEN, theirs.batches[1], at())

    assert one.on_conflict(TO_BEN, theirs.batches[2], at()) == []


def test_two_keys_of_one_epoch_leave_nothing_that_could_be_agreed_on() -> None:
    ours, theirs = Writer(), rekeyed()
    for writer in (ours, theirs):
        for _ in range(9):
            writer.write()
    low, high = (forks(holdings=held(ours.batches[at])) for at in (1, 8))

    assert low.on_conflict(TO_BEN, theirs.batches[5], at()) == load(4, ours.log, (2, 2), (5, 7))
    assert high.on_conflict(TO_BEN, theirs.batches[5], at()) == load(4, ours.log, (5, 7), (9, 9))
    for one, where in ((low, 1), (high, 8)):
        assert one.on_loaded(Loaded(4, (ours.batches[where],)), at()) == found(ours.log, 0)
        checked(one)


def test_a_proof_that_lies_behind_the_place_where_histories_part_is_followed_back_ever_farther() -> None:
    ours, theirs = histories(count=400)
    one = forks(holdings=held(*ours.batches))

    first = one.on_conflict(TO_BEN, theirs.batches[400], at())
    second = one.on_conflict(TO_CY, theirs.batches[300], at(5))
    last = one.on_conflict(TO_BEN, theirs.batches[1], at(6))

    assert first == [*found(ours.log, 400), Send((TO_BEN,), Want(((ours.log, 337, 400),)))]
    assert second == [ForkFound(ours.log, 300), Send((TO_CY,), Want(((ours.log, 173, 300),)))]
    assert last == [ForkFound(ours.log, 1)]
    checked(one)


def test_where_a_batch_follows_another_than_ours_what_lies_before_is_asked_for() -> None:
    ours, theirs = histories(count=40)
    one = forks(holdings=held(*ours.batches[:30]))

    assert one.on_conflict(TO_BEN, theirs.batches[30], at()) == load(4, ours.log, (1, 1), (30, 32))
    assert one.on_loaded(Loaded(4, (ours.batches[29],)), at())[-1] == Send((TO_BEN,), Want(((ours.log, 1, 29),)))


def test_nobody_is_asked_for_more_than_so_much() -> None:
    ours, theirs = histories(count=3)
    one = forks(holdings=held(*ours.batches))
    one.reach[ours.log] = REACH_MAX

    one.on_conflict(TO_BEN, theirs.batches[3], at())

    assert one.reach[ours.log] == REACH_MAX


# --- passing on ------------------------------------------------------------------------------------------------------


def test_a_proof_goes_on_to_all_but_who_told_it_and_only_once() -> None:
    ours, theirs = histories()
    told = proof(ours.batches[1], theirs.batches[1])
    one = forks(to_ben(), to_cy(), to_ana())

    assert one.on_forked(TO_BEN, told, at()) == found(ours.log, 1)
    assert one.on_forked(TO_CY, told, at(1)) == []  # it knows it already, and is not told
    assert one.on_tell_timer(at(100)) == [Send((TO_ANA,), told)]
    assert one.fault == ""
    assert not one.untold
    checked(one)


def test_of_several_proofs_the_one_that_lies_first_counts_and_is_told() -> None:
    ours, theirs = histories()
    first, second, third = (proof(ours.batches[n], theirs.batches[n]) for n in (3, 1, 2))
    one = forks()

    assert one.on_forked(TO_BEN, first, at()) == found(ours.log, 3)
    assert one.on_forked(TO_BEN, second, at(1)) == [ForkFound(ours.log, 1)]
    assert one.on_forked(TO_BEN, third, at(2)) == []
    assert one.on_tell_timer(at(100)) == [Send((TO_CY,), second)]
    checked(one)


def test_who_tells_what_it_would_have_been_told_is_not_told_it_and_who_tells_less_is() -> None:
    ours, theirs = histories()
    first, second, third = (proof(ours.batches[n], theirs.batches[n]) for n in (3, 2, 1))
    one = forks(to_ben(), to_cy())

    one.on_forked(TO_BEN, second, at())
    one.on_forked(TO_CY, first, at(1))
    assert one.untold == {TO_CY: {ours.log: None}}
    one.on_forked(TO_CY, third, at(2))
    assert one.untold == {TO_BEN: {ours.log: None}}
    one.on_forked(TO_BEN, third, at(3))

    assert one.on_tell_timer(at(100)) == []
    checked(one)


@pytest.mark.parametrize(("stored", "end", "changes"), [(1, 1, True), (3, 1, True), (1, 2, False), (0, 0, False)])
def test_peers_are_compared_with_once_they_were_told_where_the_end_changes_what_they_hear_of_the_log(
    stored: int, end: int, changes: bool
) -> None:
    ours, theirs = histories(common=max(end, 1), count=1) if end else histories(common=0)
    one = forks(holdings=held(*ours.batches[:stored]))
    told = proof(ours.batches[end], theirs.batches[end])

    one.on_forked(TO_BEN, told, at())

    assert one.on_tell_timer(at(100)) == [Send((TO_CY,), told), *([RepairDue()] if changes else [])]
    assert one.on_tell_timer(at(200)) == []
    checked(one)


def test_who_has_nobody_else_to_tell_compares_too() -> None:
    ours, theirs = histories()
    one = forks(to_ben(), holdings=held(*ours.batches))

    assert one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at()) == found(ours.log, 1)
    assert one.on_tell_timer(at(100)) == [RepairDue()]


def test_comparing_waits_until_all_were_told() -> None:
    one = forks(to_ben())
    for epoch in range(TELL_MAX + 1):
        ours, theirs = Writer(epoch=epoch), Writer(epoch=epoch)
        batches = ours.write(), theirs.write(payload=b"other")
        if epoch == TELL_MAX:
            keep(one.holdings, batches[0])
        one.on_forked(TO_CY, proof(*batches), at())

    assert RepairDue() not in one.on_tell_timer(at(100))
    assert RepairDue() in one.on_tell_timer(at(200))


def test_what_is_no_proof_is_refused_and_says_why() -> None:
    ours, theirs = histories()
    (a, b), strange = (ours.batches[1].stripped(), theirs.batches[1].stripped()), Writer(BEN).write().stripped()
    unsigned = [Batch(batch.header, None, bytes(64), batch.epoch_public, batch.epoch_proof) for batch in (a, b)]
    one = forks()

    faults = []
    for told in (Forked(a, a), Forked(a, strange), Forked(unsigned[0], b), Forked(a, unsigned[1])):
        assert one.on_forked(TO_BEN, told, at()) == []
        faults.append(one.fault)

    wrong = "the signature does not verify"
    assert faults == ["two batches that contradict nothing", "two batches that contradict nothing", wrong, wrong]
    assert one.on_forked(TO_BEN, Forked(a, b), at()) == found(ours.log, 1)
    checked(one)


def test_proofs_about_strangers_and_about_what_has_vanished_are_of_no_interest() -> None:
    ours, theirs = histories()
    gone = proof(ours.batches[1], theirs.batches[1])
    holdings = held(*ours.batches)
    holdings.forget(ours.log)
    one = forks(holdings=holdings)
    strange = Forks(MESH, SUITE, Holdings(), table(), set().__contains__, CY, room)

    assert one.on_forked(TO_BEN, gone, at()) == strange.on_forked(TO_BEN, gone, at()) == []
    assert one.fault == strange.fault == ""


def test_only_so_many_logs_of_one_node_have_their_proofs_kept_and_take_no_room_of_anothers() -> None:
    one = forks()
    for epoch in range(100, 100 + FORKS_MAX):
        a, b = Writer(epoch=epoch), Writer(epoch=epoch)
        a.write(2), b.write(2)
        a.write(), b.write(payload=b"other")
        assert one.on_forked(TO_BEN, proof(a.batches[1], b.batches[1]), at())[0] == ForkFound(a.log, 2)
    (c, d), (e, f) = histories(), histories(node=BEN)
    dropped = [Count("forks_dropped_total")]

    assert one.on_forked(TO_BEN, proof(c.batches[1], d.batches[1]), at()) == dropped
    assert one.on_forked(TO_BEN, proof(e.batches[1], f.batches[1]), at())[0] == ForkFound(e.log, 1)
    assert one.on_forked(TO_BEN, proof(a.batches[0], Writer(epoch=a.epoch).write()), at()) == [ForkFound(a.log, 0)]
    keep(one.holdings, *c.batches[:2])
    assert one.on_conflict(TO_BEN, d.batches[1], at()) == dropped
    assert one.forked == {ANA: FORKS_MAX, BEN: 1}
    checked(one)


def test_a_proof_that_is_found_once_there_is_no_room_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORKS_MAX", 1)
    ours, theirs = histories()
    one = forks(holdings=held(*ours.batches, recent_bytes=0))
    one.on_conflict(TO_BEN, theirs.batches[2], at())
    a, b = Writer(epoch=9), Writer(epoch=9)
    one.on_forked(TO_BEN, proof(a.write(), b.write(payload=b"other")), at())

    assert one.on_loaded(Loaded(4, tuple(ours.batches)), at(1)) == [Count("forks_dropped_total")]
    checked(one)


def test_a_link_is_told_all_when_it_comes_up_a_few_at_a_time_and_nothing_once_it_is_gone() -> None:
    one = forks(to_ben())
    assert one.on_peer_up(TO_BEN, at()) == []
    logs = []
    for epoch in range(TELL_MAX + 1):
        ours, theirs = Writer(epoch=epoch), Writer(epoch=epoch)
        one.on_forked(TO_BEN, proof(ours.write(), theirs.write(payload=b"other")), at())
        logs.append(ours.log)

    assert one.on_peer_up(TO_CY, at()) == [set_timer(TELL, ms=100)]
    assert one.on_peer_up(TO_ANA, at()) == []
    one.on_peer_down(TO_ANA)
    one.on_peer_down(TO_ANA)
    first, second = one.on_tell_timer(at(100)), one.on_tell_timer(at(200))

    told = [Send((TO_CY,), one.proofs[log]) for log in logs]
    assert first == [*told[:TELL_MAX], set_timer(TELL, ms=200)]
    assert second == [told[TELL_MAX]]
    checked(one)


# --- forgetting ------------------------------------------------------------------------------------------------------


def test_a_proof_goes_once_its_log_is_gone_and_nothing_that_it_forbids_can_live() -> None:
    ours, theirs = histories()
    holdings = held(*ours.batches)
    one = forks(holdings=holdings)
    one.on_conflict(TO_BEN, theirs.batches[3], at())
    dead_ms = max(batch.head.expires_ms for batch in (*ours.batches, *theirs.batches)) + DEAD_LOG_MARGIN_MS

    one.expire(dead_ms)
    assert list(one.proofs) == [ours.log]
    holdings.forget(ours.log)
    one.expire(dead_ms - 1_000)
    assert list(one.proofs) == [ours.log]
    one.expire(dead_ms)

    assert (one.proofs, holdings.forked, one.reach) == ({}, {}, {})
    assert (one.forked, one.learnt_ms, one.due, one.untold) == ({}, {}, {}, {})
    assert one.on_tell_timer(at(100)) == []
    checked(one)


def test_a_proof_whose_stamps_are_a_lie_is_forgotten_when_no_message_of_its_time_can_live() -> None:
    late = stamp_of(WALL_MS + 100 * TTL_MS_MAX)
    one = forks()
    for epoch in (1, 2):
        batches = [Writer(epoch=epoch).seal([record(1, text, stamp=late)]) for text in (b"one", b"other")]
        assert one.on_forked(TO_BEN, proof(*batches), at(ms=epoch))[0] == ForkFound(batches[0].log, 0)

    one.expire(WALL_MS + 1 + TTL_MS_MAX + DEAD_LOG_MARGIN_MS - 1)
    assert len(one.proofs) == 2
    one.expire(WALL_MS + 1 + TTL_MS_MAX + DEAD_LOG_MARGIN_MS)
    checked(one)

    assert [log.epoch for log in one.proofs] == [2]
    assert one.forked == {ANA: 1}
