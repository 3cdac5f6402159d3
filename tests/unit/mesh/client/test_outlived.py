"""What a node has taken, and what is dead before it is as durable as was asked for, is given up and not published again."""

import pytest

from mesh.client import Client
from mesh.client import effects as fx
from mesh.client.outbox import DEATHS_US, Outbox
from mesh.codes import Code
from mesh.operations import Attached, Draft, Publish, Receipt, Refused
from tests.client_samples import LOG, attached, client, reattach
from tests.samples import ANA

TTL_MS = 3_000
TTL_US = TTL_MS * 1_000


def receipt(sequence: int, copies: int = 1, regions: int = 1) -> Receipt:
    return Receipt(sequence, sequence, copies, regions, LOG, sequence)


def boxed(count: int, ttl_ms: int = TTL_MS, copies: int = 2) -> Outbox:
    """Publishes that were sent."""
    box = Outbox(100, 1 << 20, 1 << 20)
    for _ in range(count):
        box.put(Draft("a", 0, b"1", 0, ttl_ms), copies, 1)
    box.take(0)
    return box


def outlived(sequence: int, copies: int = 1) -> fx.Rejected:
    text = f"its time to live is over before it was as durable as was asked for: copies:{copies} regions:1 was reached"
    return fx.Rejected("level", sequence, Code.LEVEL_OUTLIVED, text)


def waiting(count: int = 1, ttl_ms: int = TTL_MS) -> Client:
    """A client whose node has told at 10 us that it has the first of its publishes, which are to lie on two disks."""
    me = attached()
    for _ in range(count):
        me.publish(Draft("a", 0, b"1", 0, ttl_ms), 2, 1)
    me.flush(0)
    me.on_operation(receipt(1), 10)
    return me


def test_what_a_node_has_dies_a_life_after_its_first_receipt_and_not_before() -> None:
    box = boxed(2)
    assert box.dies_us == 0

    box.on_receipt(receipt(1), 10)
    box.on_receipt(receipt(1, regions=2), 20)

    assert box.dies_us == 10 + TTL_US
    assert box.expire(10 + TTL_US - 1) == []
    assert box.expire(10 + TTL_US) == [(1, 1, 2)]
    assert (len(box), box.dies_us, box.flight_bytes) == (1, 0, box.bytes)
    box.check_all()


@pytest.mark.parametrize(("ttl_ms", "copies"), [(0, 2), (TTL_MS, 1)])
def test_what_lives_nobody_knows_how_long_or_has_reached_its_level_never_dies(ttl_ms: int, copies: int) -> None:
    box = boxed(1, ttl_ms, copies)

    box.on_receipt(receipt(1), 10)

    assert (box.dies_us, box.expire(1 << 60)) == (0, [])
    box.check_all()


def test_what_a_node_has_never_told_to_have_is_sent_again_however_late() -> None:
    box = boxed(2)
    box.on_receipt(receipt(2), 10)

    assert box.resend_all(1 << 60) == [(2, 1, 1)]

    assert [draft.sequence for publish in box.take(1 << 60) for draft in publish.drafts] == [1]
    box.check_all()


def test_what_its_node_has_refused_for_now_stays_for_nothing_that_follows_is_taken_before_it() -> None:
    box = boxed(2)
    box.on_receipt(receipt(1), 10)
    box.on_refused(1, 2, 100)

    assert box.expire(2 * TTL_US) == []
    assert box.dies_us == 2 * TTL_US + DEATHS_US
    assert [draft.sequence for publish in box.take(2 * TTL_US) for draft in publish.drafts] == [1, 2]
    box.on_receipt(receipt(1), 3 * TTL_US)
    assert box.expire(3 * TTL_US) == [(1, 1, 1)]
    box.check_all()


def test_the_dead_are_looked_for_a_while_after_the_last_look_at_the_soonest() -> None:
    box = boxed(3)
    box.on_receipt(receipt(1), 0)
    box.on_receipt(receipt(2), 1)
    assert box.expire(TTL_US) == [(1, 1, 1)]

    assert box.dies_us == TTL_US + DEATHS_US
    box.on_receipt(receipt(3), TTL_US + DEATHS_US // 2)

    assert box.dies_us == TTL_US + DEATHS_US
    assert box.expire(TTL_US + DEATHS_US) == [(2, 1, 1)]
    assert box.dies_us == TTL_US + DEATHS_US // 2 + TTL_US


def test_a_client_wakes_to_give_up_what_is_dead() -> None:
    me = waiting(2)
    assert me.deadline_us() == 10 + TTL_US

    assert me.on_timer(10 + TTL_US - 1) == []
    assert me.on_timer(10 + TTL_US) == [outlived(1)]

    assert (len(me.outbox), me.deadline_us()) == (1, None)
    me.check_all()


def test_what_does_not_say_how_long_it_lives_lives_as_long_as_its_node_says() -> None:
    me = client()
    me.start(0)
    me.on_connected(0)
    me.on_operation(Attached(ANA, "eu", "1", (), 5_000), 0)
    for ttl_ms in (0, TTL_MS):
        me.publish(Draft("a", 0, b"1", 0, ttl_ms), 2, 1)
    me.flush(0)
    me.on_operation(receipt(1), 0)
    me.on_operation(receipt(2), 0)

    assert me.on_timer(TTL_US) == [outlived(2)]
    assert me.on_timer(5_000_000) == [outlived(1)]


def test_of_two_reasons_to_wake_the_first_counts() -> None:
    me = waiting(2)

    me.on_operation(Refused(Code.OVERLOADED, "full", 0, 2, 2, 100), 20)

    assert me.deadline_us() == 100_020


def test_a_client_that_is_not_attached_gives_up_when_it_is_again() -> None:
    me = waiting()
    me.on_disconnected("cut", 20)
    assert me.deadline_us() is None
    assert me.on_timer(2 * TTL_US) == []
    me.on_connected(2 * TTL_US)

    effects = reattach(me, 2 * TTL_US)

    assert effects[1:] == [outlived(1)]
    assert len(me.outbox) == 0


def test_what_lives_is_sent_again_to_a_new_node() -> None:
    me = waiting()

    effects = reattach(me, TTL_US)

    assert effects[1:] == [fx.Transmit(Publish((Draft("a", 1, b"1", 0, TTL_MS),), 2))]


def test_asked_to_send_again_what_it_waits_for_a_client_sends_what_lives() -> None:
    me = waiting(2)
    me.on_operation(receipt(2, copies=1), 2 * TTL_US)
    again = Refused(Code.RECEIPTS_DROPPED, "too many", 0, 1, 2, 0)

    effects = me.on_operation(again, 2 * TTL_US)

    assert effects[0] == outlived(1)
    assert effects[-1] == fx.Transmit(Publish((Draft("a", 2, b"1", 0, TTL_MS),), 2))
    assert len(effects) == 3
