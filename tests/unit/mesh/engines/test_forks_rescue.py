"""Forks: what a node seals anew of what lies beyond the ends of its own logs, and when."""

import pytest

from mesh.effects import ForkFound, Loaded, RepairDue, Report, SetTimer
from mesh.engines import forks as module
from mesh.engines.forks import (
    RESCUE,
    RESCUE_MS,
    TELL,
    Forks,
)
from mesh.log.batch import Batch
from mesh.peers import Peer
from mesh.types import Now
from tests.engine_samples import TO_ANA, TO_BEN, TO_CY, at, keep, set_timer, table, to_ben, to_cy
from tests.fork_samples import asked, checked, forks, found, held, histories, owner, proof, rescued, tail
from tests.samples import ANA, BEN, MESH, SUITE, Writer, record

# --- rescuing --------------------------------------------------------------------------------------------------------


def test_what_lies_beyond_the_end_of_our_own_log_is_read_here_and_at_all_peers() -> None:
    ours, theirs = histories(count=4)
    one = owner(*ours.batches)

    outcomes = one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())
    some = one.on_loaded(Loaded(4, tuple(ours.batches[1:3]), complete=False), at())
    rest = one.on_loaded(Loaded(8, tuple(ours.batches[3:])), at())

    fork, timer, report = found(ours.log, 1)
    assert outcomes == [fork, timer, asked(ours.log, 2, TO_BEN, TO_CY), tail(4, ours.log, 2, 5), report]
    assert some == [*rescued(*ours.batches[1:3]), tail(8, ours.log, 4, 5)]
    assert rest == rescued(*ours.batches[3:])
    checked(one)


def test_a_read_that_was_cut_short_at_its_end_or_found_nothing_is_over() -> None:
    ours, theirs = histories()
    for answer in (Loaded(4, tuple(ours.batches[1:]), complete=False), Loaded(4, (), complete=False)):
        one = owner(*ours.batches)
        one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())

        assert one.on_loaded(answer, at()) == rescued(*answer.batches)
        assert one.tails == {}


def test_a_lone_node_that_holds_nothing_beyond_the_end_has_nothing_to_rescue() -> None:
    ours, theirs = histories()
    one = owner(ours.batches[0], peers=())

    fork, timer, report = one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())

    assert (fork, timer, type(report)) == (ForkFound(ours.log, 1), set_timer(TELL, ms=100), Report)


def test_what_a_peer_holds_of_our_other_history_is_rescued_once_if_we_signed_it() -> None:
    ours, theirs = histories()
    one = owner(*ours.batches)
    one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())
    real, other = theirs.batches[1], theirs.batches[2]
    forged = Batch(other.header, other.body, real.signature, other.epoch_public, other.epoch_proof)

    assert one.on_conflict(TO_BEN, forged, at()) == []
    assert one.on_conflict(TO_BEN, other, at()) == rescued(other)
    assert one.on_conflict(TO_CY, other, at()) == []


def test_what_stands_in_another_log_is_not_sealed_again() -> None:
    ours, theirs = histories()
    other = Writer(ANA, epoch=5)
    one = owner(*ours.batches, other.seal([record(3, b"other")]))
    one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())

    assert one.on_conflict(TO_BEN, theirs.batches[2], at()) == []
    assert one.on_conflict(TO_BEN, theirs.batches[3], at()) == rescued(theirs.batches[3])


def test_another_node_rescues_nothing() -> None:
    ours, theirs = histories()
    one = forks(holdings=held(*ours.batches))
    one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())

    assert one.on_conflict(TO_BEN, theirs.batches[2], at()) == []
    assert one.tails == {}


def test_who_comes_up_is_asked_for_what_it_has_of_our_own_log_alone() -> None:
    ours, theirs = histories()
    bens, others = histories(node=BEN)
    one = owner(ours.batches[0])
    for a, b in ((ours, theirs), (bens, others)):
        one.on_forked(TO_BEN, proof(a.batches[1], b.batches[1]), at())

    assert one.on_peer_up(TO_ANA, at()) == [asked(ours.log, 2, TO_ANA)]


def test_only_so_many_are_remembered_to_have_been_rescued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESCUED_MAX", 2)
    ours, theirs = histories()
    one = owner(ours.batches[0])
    one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())

    for batch in theirs.batches[1:]:
        one.on_conflict(TO_BEN, batch, at())

    assert list(one.rescued) == [batch.name for batch in theirs.batches[2:]]


# --- room to rescue --------------------------------------------------------------------------------------------------


class Room:
    """The room there is to rescue something, which a test sets."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, _: Now) -> int:
        return self.left


def narrow(left: int, *batches: Batch, peers: tuple[Peer, ...] = (to_ben(), to_cy())) -> tuple[Forks, Room]:
    left_there = Room(left)
    return Forks(MESH, SUITE, held(*batches), table(*peers), {ANA, BEN}.__contains__, ANA, left_there), left_there


def look_again(ms: float) -> SetTimer:
    return set_timer(RESCUE, ms=ms + RESCUE_MS)


def test_without_room_nothing_is_read_or_asked_for_until_there_is_some() -> None:
    ours, theirs = histories()
    one, left = narrow(0, *ours.batches)

    fork, timer, waits, report = one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())
    assert [fork, timer, report] == found(ours.log, 1)
    assert waits == look_again(0)
    assert one.on_peer_up(TO_ANA, at(1)) == []
    assert one.on_timer(RESCUE, at(RESCUE_MS)) == [look_again(RESCUE_MS)]
    one.on_peer_down(TO_CY)
    left.left = 1

    assert one.on_timer(RESCUE, at(500)) == [asked(ours.log, 2, TO_BEN, TO_ANA), tail(4, ours.log, 2, 4)]
    assert one.on_timer(RESCUE, at(750)) == []
    checked(one)


def test_what_was_read_and_finds_no_room_is_read_again_from_there() -> None:
    ours, theirs = histories(count=4)
    one, left = narrow(1, *ours.batches, peers=())
    one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())

    first = one.on_loaded(Loaded(4, tuple(ours.batches[1:])), at(1))
    left.left = 0
    none = one.on_loaded(Loaded(8, tuple(ours.batches[2:])), at(2))
    left.left = 1 << 20
    again = one.on_timer(RESCUE, at(RESCUE_MS))
    rest = one.on_loaded(Loaded(12, tuple(ours.batches[2:])), at(RESCUE_MS))

    assert first == [*rescued(ours.batches[1]), tail(8, ours.log, 3, 5)]
    assert none == [look_again(2)]
    assert again == [tail(12, ours.log, 3, 5)]
    assert rest == rescued(*ours.batches[2:])
    checked(one)


def test_what_a_peer_shows_without_room_is_asked_for_again_from_there() -> None:
    ours, theirs = histories()
    one, left = narrow(1, ours.batches[0])
    one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())

    assert one.on_conflict(TO_BEN, theirs.batches[1], at()) == rescued(theirs.batches[1])
    left.left = 0
    assert one.on_conflict(TO_BEN, theirs.batches[1], at()) == []  # it was rescued, and needs no room
    assert one.on_conflict(TO_BEN, theirs.batches[3], at()) == [look_again(0)]
    assert one.on_conflict(TO_BEN, theirs.batches[2], at()) == []
    assert one.on_conflict(TO_CY, theirs.batches[3], at()) == []
    checked(one)
    left.left = 1

    again = [asked(ours.log, first, link) for first, link in ((3, TO_BEN), (4, TO_CY))]
    assert one.on_timer(RESCUE, at(RESCUE_MS)) == again


def test_the_tails_of_several_logs_are_read_one_after_another_and_not_what_is_gone() -> None:
    pairs = [(Writer(ANA, epoch=epoch), Writer(ANA, epoch=epoch)) for epoch in (1, 2, 3)]
    for ours, theirs in pairs:
        ours.write(), theirs.write(payload=b"other")
    one, left = narrow(0, *(ours.batches[0] for ours, _ in pairs), peers=())
    for ours, theirs in pairs:
        one.on_forked(TO_BEN, proof(ours.batches[0], theirs.batches[0]), at())
    one.holdings.forget(pairs[1][0].log)
    left.left = 1 << 20

    assert one.on_timer(TELL, at(100)) == [RepairDue()]
    assert one.on_timer(RESCUE, at(RESCUE_MS)) == [tail(4, pairs[0][0].log, 1, 1)]
    assert one.on_timer(RESCUE, at(RESCUE_MS)) == []
    assert one.on_loaded(Loaded(4, ()), at(RESCUE_MS)) == [tail(8, pairs[2][0].log, 1, 1)]
    checked(one)


def test_after_a_failed_append_all_is_rescued_again() -> None:
    ours, theirs = histories()
    one, left = narrow(1 << 20, *ours.batches)
    one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())
    one.on_loaded(Loaded(4, tuple(ours.batches[1:])), at(1))
    one.on_conflict(TO_BEN, theirs.batches[1], at(1))
    left.left = 0

    assert one.on_append_failed(at(2)) == [look_again(2)]
    left.left = 1 << 20
    assert one.on_timer(RESCUE, at(300)) == [asked(ours.log, 2, TO_BEN, TO_CY), tail(8, ours.log, 2, 4)]
    assert one.on_loaded(Loaded(8, tuple(ours.batches[1:])), at(301)) == rescued(*ours.batches[1:])
    assert one.on_conflict(TO_BEN, theirs.batches[1], at(302)) == rescued(theirs.batches[1])
    checked(one)


def test_a_place_beyond_the_end_of_another_log_is_no_place() -> None:
    ours, theirs = histories(count=1)
    one = owner(*ours.batches)
    one.on_forked(TO_BEN, proof(ours.batches[1], theirs.batches[1]), at())
    assert one.on_loaded(Loaded(4, (ours.batches[1],)), at()) == rescued(ours.batches[1])
    second, others = Writer(ANA, epoch=5), Writer(ANA, epoch=5)
    again = second.seal(list(ours.batches[1].records()))
    keep(one.holdings, again)

    one.on_forked(TO_CY, proof(again, others.write(payload=b"another")), at(1))

    assert one.on_loaded(Loaded(8, (again,)), at(2)) == rescued(again)
