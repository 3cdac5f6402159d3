"""What was refused for now comes again before what follows it: all of it; and what was lost, in no log behind that."""

import pytest

from mesh.clocks.hybrid import HybridClock
from mesh.codes import Code
from mesh.effects import Outcome, Placed, Tell
from mesh.engines.intake import Intake, IntakeConfig
from mesh.log.holdings import Holdings
from mesh.operations import Draft, Publish, Refused
from mesh.rng import Rng
from mesh.types import SessionId
from tests.engine_samples import at, identity, keep
from tests.samples import BEN, SUITE, WALL_MS, Writer

SEAT, OTHER, PLENTY = SessionId(1), SessionId(2), 1 << 40


def intake() -> Intake:
    """An intake whose disk is full."""
    one = Intake(IntakeConfig(), identity("ana"), SUITE, Holdings(), HybridClock(), Rng(b"intake"), 0, life=1 << 20)
    one.on_attached(SEAT, "me", 7)
    return one


def publish(one: Intake, *sequences: int) -> list[Outcome]:
    outcomes = one.publish(SEAT, Publish(tuple(Draft("room/1", sequence, b"x") for sequence in sequences)), at())
    one.check_all()
    return outcomes


def waits(sequence: int, least: int) -> list[Outcome]:
    text = f"{least} was refused before it: send that again first"
    return [Tell((SEAT,), Refused(Code.ORDER_WAITS, text, 0, sequence, sequence, 100))]


@pytest.mark.parametrize(("refused", "least"), [((3,), 3), ((3, 2, 4), 2)])
def test_what_follows_a_refused_publish_waits_until_that_comes_again(refused: tuple[int, ...], least: int) -> None:
    one = intake()
    for sequence in refused:
        publish(one, sequence)
    one.on_space(PLENTY)

    assert publish(one, 5) == waits(5, least)
    assert publish(one, 1) == []
    assert publish(one, *sorted(refused), 5) == []


def test_what_was_sent_again_before_all_refusals_were_heard_frees_nothing_that_is_new() -> None:
    one = intake()
    publish(one, 2)
    for sequence in (3, 4, 5):
        publish(one, sequence)
    one.on_space(PLENTY)

    assert publish(one, 2, 3) == [], "the client has heard of these two refusals"
    assert publish(one, 6) == waits(6, 4)
    assert publish(one, 5) == waits(5, 4)
    assert publish(one, 4, 5, 6) == []
    assert [item.draft.sequence for item in one.gathered] == [2, 3, 4, 5, 6]


def test_a_session_waits_once_for_what_is_gathered_however_often_it_sends_it_again() -> None:
    one = intake()
    one.on_space(PLENTY)
    one.on_attached(OTHER, "me", 7)
    publish(one, 1)

    for copies, regions in ((2, 1), (1, 3), (1, 1)):
        one.publish(SEAT, Publish((Draft("room/1", 1, b"x"),), copies, regions), at())
    one.publish(OTHER, Publish((Draft("room/1", 1, b"x"),), 1, 1), at())

    ((mine, *level), (other, *others)) = one.waiting["me", 7, 1]
    assert (mine.session, level, other.session, others) == (SEAT, [2, 3], OTHER, [1, 1])


def test_what_was_refused_with_all_that_gathered_comes_again_first_too() -> None:
    one = intake()
    one.on_space(PLENTY)
    publish(one, 1, 2)

    one.on_append_failed(at())

    assert one.publishers[SEAT].held_back == 1
    assert one.publish(SEAT, Publish((Draft("room/1", 3, b"x"),)), at(2_000)) == waits(3, 1)
    assert publish_later(one, 1, 2, 3) == []


def publish_later(one: Intake, *sequences: int) -> list[Outcome]:
    """The same once the disk is tried again."""
    return one.publish(SEAT, Publish(tuple(Draft("room/1", sequence, b"x") for sequence in sequences)), at(2_000))


def held_elsewhere() -> tuple[Intake, Writer]:
    """An intake of a node that holds 1 to 3 of the client, in another's log, and has room."""
    one, elsewhere = intake(), Writer(BEN)
    one.on_attached(OTHER, "other", 8)
    keep(one.holdings, elsewhere.write(3, publisher="me"))
    one.on_space(PLENTY)
    return one, elsewhere


def sealed(one: Intake) -> list[tuple[SessionId, int, int, int, int]]:
    """Where each run of publishes stands: its session, its sequences, which epoch of ours, and from which position on."""
    _, outcomes = one.seal(at(), WALL_MS)
    one.check_all()
    placed = [outcome for outcome in outcomes if isinstance(outcome, Placed)]
    return [(each.session, each.first, each.last, each.log.epoch, each.from_position) for each in placed]


def test_what_was_lost_and_comes_again_stands_in_no_log_behind_what_follows_it() -> None:
    one, elsewhere = held_elsewhere()
    publish(one, 4)
    ((*_, before, _),) = sealed(one)
    one.holdings.lose(elsewhere.log, 1, 3)

    publish(one, 5, 6)
    one.publish(OTHER, Publish((Draft("room/1", 9, b"x"),)), at())
    publish(one, 2)
    placed = sealed(one)

    assert one.epoch is not None and one.epoch.number > before
    after = one.epoch.number
    assert placed == [(SEAT, 2, 2, after, 1), (SEAT, 5, 6, after, 2), (OTHER, 9, 9, after, 4)]


def test_what_was_lost_and_comes_again_needs_no_other_log_where_nothing_follows_it() -> None:
    one, elsewhere = held_elsewhere()
    one.publish(OTHER, Publish((Draft("room/1", 9, b"x"),)), at())
    ((*_, before, _),) = sealed(one)
    one.holdings.lose(elsewhere.log, 1, 3)

    one.publish(OTHER, Publish((Draft("room/1", 10, b"x"),)), at())
    publish(one, 2, 3)

    assert sealed(one) == [(OTHER, 10, 10, before, 2), (SEAT, 2, 3, before, 3)]
