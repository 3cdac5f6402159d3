"""The outbox: in order, under the names of the first try, until a receipt says that it is enough."""

import pytest

from mesh.client import outbox as ob
from mesh.client.outbox import DRAFT_OVERHEAD_BYTES, PUBLISH_BYTES_MAX, PUBLISH_DRAFTS_MAX, Outbox, content_bytes
from mesh.operations import Draft, Publish, Receipt
from mesh.types import LogId
from tests.samples import ANA

LOG = LogId(ANA, 1)


def outbox(messages_max: int = 1 << 20, bytes_max: int = 64 << 20, window_bytes: int = 4 << 20) -> Outbox:
    return Outbox(messages_max, bytes_max, window_bytes)


def put(box: Outbox, *payloads: bytes, copies: int = 1, regions: int = 1) -> list[Draft]:
    drafts = []
    for payload in payloads:
        sequence = box.put(Draft("a", 0, payload), copies, regions)
        drafts.append(Draft("a", sequence, payload))
    box.check_all()
    return drafts


def receipt(first: int, last: int, copies: int = 1, regions: int = 1) -> Receipt:
    return Receipt(first, last, copies, regions, LOG, last)


def test_what_is_put_in_is_sent_once_in_order() -> None:
    box = outbox()
    drafts = put(box, b"1", b"2", b"3")

    assert [draft.sequence for draft in drafts] == [1, 2, 3]
    assert box.take(0) == [Publish(tuple(drafts))]
    assert box.take(0) == []
    box.check_all()


def test_a_draft_counts_with_payload_channel_headers_and_something_over() -> None:
    assert content_bytes(Draft("é", 1, b"123", headers={"k": "é"})) == 2 + 3 + 1 + 2
    assert content_bytes(Draft("a", 1, b"")) == 1
    box = outbox()
    put(box, b"123")
    assert box.bytes == 4 + DRAFT_OVERHEAD_BYTES


def test_the_outbox_is_full_at_its_limits_and_not_before() -> None:
    few = outbox(messages_max=2)
    put(few, b"1")
    assert few.has_room(0)
    put(few, b"2")
    assert (few.has_room(0), len(few)) == (False, 2)

    small = outbox(bytes_max=1_000)
    assert small.has_room(1_000 - DRAFT_OVERHEAD_BYTES)
    assert not small.has_room(1_000 - DRAFT_OVERHEAD_BYTES + 1)
    put(small, b"x" * 99)
    assert small.has_room(900 - 2 * DRAFT_OVERHEAD_BYTES)
    assert not small.has_room(900 - 2 * DRAFT_OVERHEAD_BYTES + 1)


def test_a_receipt_of_the_level_asked_for_makes_room() -> None:
    box = outbox()
    put(box, b"1", b"2", copies=2, regions=2)
    box.take(0)

    assert box.on_receipt(receipt(1, 2), 0)
    box.check_all()
    assert (len(box), box.flight_bytes) == (2, 0)
    assert not box.on_receipt(receipt(1, 2), 0)
    assert box.on_receipt(receipt(1, 1, copies=2), 0)
    assert box.on_receipt(receipt(1, 1, copies=1, regions=2), 0)
    box.check_all()
    assert len(box) == 1
    assert box.on_receipt(receipt(2, 2, copies=3, regions=2), 0)

    assert (len(box), box.bytes) == (0, 0)
    assert not box.on_receipt(receipt(1, 1 << 60, copies=9), 0)


def test_no_more_is_under_way_than_the_window_holds() -> None:
    box = outbox(window_bytes=2 * (2 + DRAFT_OVERHEAD_BYTES))
    drafts = put(box, b"1", b"2", b"3", b"4")

    assert box.take(0) == [Publish(tuple(drafts[:2]))]
    assert box.take(0) == []
    box.on_receipt(receipt(1, 1), 0)

    assert box.take(0) == [Publish((drafts[2],))]
    box.check_all()


def test_an_operation_ends_where_it_is_full_or_the_level_changes() -> None:
    box = outbox()
    many = put(box, *[b""] * (PUBLISH_DRAFTS_MAX + 1))
    level = put(box, b"x", copies=2)

    assert box.take(0) == [
        Publish(tuple(many[:PUBLISH_DRAFTS_MAX])),
        Publish(tuple(many[PUBLISH_DRAFTS_MAX:])),
        Publish(tuple(level), 2),
    ]

    box = outbox()
    half = bytes(PUBLISH_BYTES_MAX // 2 - DRAFT_OVERHEAD_BYTES - 1)
    drafts = put(box, half, half, b"", bytes(2 * PUBLISH_BYTES_MAX), b"")
    assert box.take(0) == [
        Publish(tuple(drafts[:2])),
        Publish((drafts[2],)),
        Publish((drafts[3],)),
        Publish((drafts[4],)),
    ]


def test_a_new_session_sends_all_that_stays_again_and_no_more() -> None:
    box = outbox()
    drafts = put(box, b"1", b"2", b"3", copies=2)
    box.take(0)
    box.on_receipt(receipt(2, 2, copies=2), 0)
    box.on_receipt(receipt(1, 1), 0)
    put(box, b"4")

    box.resend_all(0)

    box.check_all()
    assert box.take(0) == [
        Publish((drafts[0],), 2),
        Publish((drafts[2],), 2),
        Publish((Draft("a", 4, b"4"),)),
    ]


def test_a_receipt_overtakes_what_was_to_be_sent_again() -> None:
    box = outbox()
    drafts = put(box, b"1", b"2")
    box.take(0)
    box.resend_all(0)

    box.on_receipt(receipt(1, 1), 0)

    assert box.take(0) == [Publish((drafts[1],))]


def test_a_refusal_for_now_stops_at_the_first_refused_until_its_time() -> None:
    box = outbox()
    drafts = put(box, b"1", b"2", b"3")
    box.take(0)
    box.on_receipt(receipt(1, 1), 0)

    assert box.on_refused(2, 3, 1_000) == []
    put(box, b"4")

    box.check_all()
    assert (box.take(999), box.wakes_us, box.flight_bytes) == ([], 1_000, 0)
    assert box.take(1_000) == [Publish((drafts[1], drafts[2], Draft("a", 4, b"4")))]


def test_of_two_refusals_the_later_time_counts() -> None:
    box = outbox()
    put(box, b"1", b"2")
    box.take(0)

    box.on_refused(1, 1, 2_000)
    box.on_refused(2, 2, 1_000)

    assert box.wakes_us == 2_000


def test_after_a_pause_a_full_window_does_not_wake_anybody() -> None:
    """A time in the past would have its runner call again at once, and again, for nothing, until a receipt comes."""
    box = outbox(window_bytes=1)
    put(box, b"1", b"2")
    box.take(0)
    box.on_refused(1, 1, 1_000)
    assert box.wakes_us == 1_000

    assert len(box.take(2_000)) == 1

    assert box.wakes_us is None
    assert box.take(2_000) == []


def test_without_anything_to_send_nobody_is_woken() -> None:
    box = outbox()
    put(box, b"1")
    assert box.wakes_us is None
    box.take(0)
    box.on_refused(1, 1, 1_000)
    box.on_receipt(receipt(1, 1), 0)
    box.take(1_000)

    assert box.wakes_us is None


def test_a_refusal_for_good_is_told_once_and_makes_room() -> None:
    box = outbox()
    put(box, b"1", b"2")
    box.take(0)

    assert box.on_refused(2, 1 << 60, None) == [2]
    assert box.on_refused(2, 2, None) == []

    box.check_all()
    assert len(box) == 1


def test_a_refusal_of_what_is_done_changes_nothing() -> None:
    box = outbox()
    put(box, b"1")
    box.take(0)
    box.on_receipt(receipt(1, 1), 0)

    assert box.on_refused(1, 1, 5) == []
    assert box.take(5) == []


def test_a_new_session_ends_a_pause() -> None:
    box = outbox()
    drafts = put(box, b"1")
    box.take(0)
    box.on_refused(1, 1, 1_000)

    box.resend_all(0)

    assert box.take(0) == [Publish(tuple(drafts))]


def test_what_nobody_waits_for_is_dropped_once_it_is_stored_anywhere() -> None:
    box = outbox()
    put(box, b"1", copies=3)
    box.take(0)

    box.drop(1)
    assert len(box) == 1
    box.on_receipt(receipt(1, 1), 0)
    box.drop(1)
    box.drop(1)

    box.check_all()
    assert (len(box), box.bytes, box.flight_bytes) == (0, 0, 0)


def test_what_nobody_waits_for_waits_for_no_more_than_one_copy() -> None:
    box = outbox()
    put(box, b"1", copies=3)
    box.take(0)
    box.drop(1)

    box.on_receipt(receipt(1, 1), 0)

    assert len(box) == 0


@pytest.mark.parametrize("is_refused", [False, True])
def test_what_nobody_waits_for_stays_until_the_node_of_this_session_has_it(is_refused: bool) -> None:
    """One that has refused it for now takes nothing that follows until it comes again."""
    box = outbox()
    put(box, b"1", b"2", copies=3)
    box.take(0)
    box.on_receipt(receipt(1, 2), 0)
    if is_refused:  # by the same, which has lost it
        box.on_refused(1, 1, 50)
    else:
        box.resend_all(0)

    box.drop(1)
    box.drop(2)

    again = box.take(100)
    assert [draft.sequence for each in again for draft in each.drafts] == ([1] if is_refused else [1, 2])
    box.on_receipt(receipt(1, 2), 0)
    box.check_all()
    assert (len(box), box.bytes, box.flight_bytes) == (0, 0, 0)


@pytest.mark.parametrize("fault", ["bytes", "flight", "order"])
def test_a_check_trips_over_each_broken_invariant(fault: str) -> None:
    box = outbox()
    put(box, b"1", b"2")
    box.take(0)
    box.check_all()
    if fault == "bytes":
        box.bytes += 1
    elif fault == "flight":
        box.flight_bytes += 1
    else:
        box._held[1] = box._held.pop(1)

    with pytest.raises(AssertionError):
        box.check_all()


def test_a_draft_is_held_with_the_level_that_it_must_reach() -> None:
    held = ob.Held(Draft("a", 1, b""), 2, 2, 65, (2, 1))

    assert not held.is_done
    assert ob.Held(Draft("a", 1, b""), 2, 2, 65, (2, 2)).is_done
    assert not ob.Held(Draft("a", 1, b""), 2, 2, 65, (1, 2)).is_done
