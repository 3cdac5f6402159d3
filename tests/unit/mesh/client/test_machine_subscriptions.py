"""The client's subscriptions: cursors that are its own, each message once, gaps told, credit that is never too much."""

import pytest

from mesh.client import ClientConfig
from mesh.client import effects as fx
from mesh.client.machine import ATTACHED
from mesh.client.seen import Seen
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.codes import Code
from mesh.errors import UsageError
from mesh.operations import (
    CreditGrant,
    Gap,
    GapReason,
    Messages,
    Refused,
    SlowPolicy,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from tests.client_samples import (
    G1,
    HELLO,
    LOG,
    OTHER,
    attached,
    client,
    delivered,
    first_subscribe,
    messages,
    reattach,
    subscribed,
)
from tests.samples import record

# --- subscribing -----------------------------------------------------------------------------------------------------


def test_a_subscription_begins_at_once_or_with_the_session() -> None:
    me = client()
    assert me.subscribe(("#",), since_ms=5) == (1, [])
    me.start(0)
    me.on_connected(0)
    assert me.on_operation(HELLO, 0)[1:] == [first_subscribe(me, since_ms=5)]

    number, effects = me.subscribe(("a", "b/+"), policy=SlowPolicy.LATEST)

    assert number == 2
    assert effects == [fx.Transmit(Subscribe(2, ("a", "b/+"), None, None, SlowPolicy.LATEST, 8, 800))]


def test_a_pattern_that_can_never_do_is_refused_at_once() -> None:
    me = attached()

    with pytest.raises(UsageError, match="# stands alone"):
        me.subscribe(("a", "#/a"))
    assert me.subscriptions == {}


def test_a_cursor_is_the_client_s_own_from_the_start_or_from_the_node_s_answer() -> None:
    me, start = attached(), VersionVector([(LOG, IntervalSet([(1, 5)]))])
    number, effects = me.subscribe(("#",), cursor=start)
    assert effects == [first_subscribe(me, VersionVector([(LOG, IntervalSet([(1, 5)]))]))]
    start.add(LOG, 6, 9)

    assert me.on_operation(Subscribed(number, VersionVector()), 0) == [fx.Began(number)]

    assert me.cursor(number) == VersionVector([(LOG, IntervalSet([(1, 5)]))])
    assert me.cursor(99) is None
    other, _ = me.subscribe(("#",))
    assert me.cursor(other) is None
    me.on_operation(Subscribed(other, start), 0)
    assert me.cursor(other) == start
    start.add(LOG, 10, 12)
    assert me.cursor(other) == VersionVector([(LOG, IntervalSet([(1, 9)]))])
    assert me.on_operation(Subscribed(99, start), 0) == []


def test_messages_are_delivered_each_with_the_positions_that_it_covers() -> None:
    me = subscribed()
    one, two = record(1), record(2)

    assert me.on_operation(messages(5, 12, one, two, at=(7, 9)), 0) == [
        delivered(5, 7, one),
        delivered(8, 9, two),
        fx.Covered(1, LOG, 10, 12),
    ]
    assert me.cursor(1) == VersionVector([(LOG, IntervalSet([(5, 12)]))])
    assert me.on_operation(messages(13, 13, record(3)), 0) == [delivered(13, 13, record(3))]
    assert me.on_operation(messages(14, 20), 0) == [fx.Covered(1, LOG, 14, 20)]


def test_a_position_is_delivered_once_and_a_name_too() -> None:
    me = subscribed(config=ClientConfig())
    one, two, three = record(1), record(2), record(3)
    me.on_operation(messages(1, 2, one, two), 0)

    assert me.on_operation(messages(1, 3, one, two, three), 0) == [delivered(1, 3, three)]
    copy = Messages(1, OTHER, 1, 2, (1, 2), (three, record(4)))
    assert me.on_operation(copy, 0) == [delivered(1, 2, record(4), log=OTHER)]


def test_another_message_under_a_name_that_was_shown_is_shown_where_the_node_says_so() -> None:
    me = subscribed()
    one, other = record(3, b"one"), record(3, b"other")
    me.on_operation(messages(1, 1, one), 0)
    conflict = Messages(1, OTHER, 1, 1, (1,), (other,), (), (0,))

    assert me.on_operation(conflict, 0) == [delivered(1, 1, other, log=OTHER)]
    assert me.on_operation(conflict, 0) == [fx.Covered(1, OTHER, 1, 1)]


def test_what_comes_after_its_successor_is_late_whoever_noticed() -> None:
    me = subscribed()

    effects = me.on_operation(messages(1, 3, record(5), record(4), record(6), late=(2,)), 0)

    assert [one.late for one in effects if isinstance(one, fx.Delivered)] == [False, True, True]


def test_messages_for_nobody_are_not_delivered() -> None:
    me = attached()
    assert me.on_operation(messages(1, 1, record(1)), 0) == []
    me.subscribe(("#",))

    assert me.on_operation(messages(1, 1, record(1)), 0) == []


def test_a_gap_is_told_once_and_only_one_that_cannot_fill_is_passed_for_good() -> None:
    me = subscribed()
    missing = Gap(1, LOG, 1, 5, GapReason.MISSING, may_fill=True)
    expired = Gap(1, LOG, 1, 5, GapReason.EXPIRED)

    assert me.on_operation(missing, 0) == [fx.Missed(1, LOG, 1, 5, GapReason.MISSING, may_fill=True)]
    assert me.cursor(1) == VersionVector()
    assert me.on_operation(expired, 0) == [fx.Missed(1, LOG, 1, 5, GapReason.EXPIRED, may_fill=False)]
    assert me.cursor(1) == VersionVector([(LOG, IntervalSet([(1, 5)]))])
    assert me.on_operation(expired, 0) == []
    assert me.on_operation(Gap(2, LOG, 1, 5, GapReason.LOST), 0) == []
    me.subscribe(("#",))
    assert me.on_operation(Gap(2, LOG, 1, 5, GapReason.LOST), 0) == []


def test_after_a_cut_a_subscription_goes_on_from_its_cursor() -> None:
    me = subscribed()
    me.on_operation(messages(1, 4), 0)

    effects = reattach(me)

    assert effects[1:] == [first_subscribe(me, VersionVector([(LOG, IntervalSet([(1, 4)]))]))]
    assert me.on_operation(Subscribed(1, VersionVector()), 0) == [fx.Began(1)]
    assert me.cursor(1) == VersionVector([(LOG, IntervalSet([(1, 4)]))])


def test_names_that_an_earlier_process_was_shown_are_not_shown_again() -> None:
    me = subscribed()
    me.on_operation(messages(1, 1, record(1)), 0)
    kept = me.seen(1)
    assert me.seen(2) is None

    later = attached()
    later.subscribe(("#",), cursor=me.cursor(1), seen=kept)

    assert later.on_operation(Messages(1, OTHER, 1, 1, (1,), (record(1),)), 0) == [fx.Covered(1, OTHER, 1, 1)]
    assert isinstance(kept, Seen)
    assert kept.note(record(2)) == (True, False)


def test_forgotten_names_are_said_once_each_time() -> None:
    me = attached(config=ClientConfig(names_max=1))
    me.subscribe(("#",))
    me.on_operation(Subscribed(1, VersionVector()), 0)
    me.on_operation(messages(1, 1, record(1)), 0)
    other = record(1, publisher="other")

    assert me.on_operation(messages(2, 2, other), 0) == [
        delivered(2, 2, other),
        fx.Changed(ATTACHED, G1, f"{Code.ONCE_AT_RISK} names were forgotten"),
    ]
    assert me.on_operation(messages(3, 3), 0) == [fx.Covered(1, LOG, 3, 3)]


def test_unsubscribing_is_told_to_the_node_where_there_is_one() -> None:
    me = subscribed()

    assert me.unsubscribe(1) == [fx.Transmit(Unsubscribe(1))]
    assert me.unsubscribe(1) == []
    assert me.on_operation(messages(1, 1, record(1)), 0) == []
    idle = client()
    idle.subscribe(("#",))
    assert idle.unsubscribe(1) == []


def test_a_subscription_that_is_refused_is_over() -> None:
    me = subscribed()

    assert me.on_operation(Refused(Code.SUBSCRIPTIONS_TOO_MANY, "no", 1), 0) == [
        fx.Rejected("subscription", 1, Code.SUBSCRIPTIONS_TOO_MANY, "no")
    ]
    assert me.subscriptions == {}


# --- credit ----------------------------------------------------------------------------------------------------------


def test_what_the_application_takes_is_granted_again_by_quarters() -> None:
    me = subscribed()
    me.on_operation(messages(1, 4, *(record(n, b"") for n in range(1, 5))), 0)

    assert me.consumed(1, 1, 0) == []
    assert me.consumed(1, 1, 0) == [fx.Transmit(CreditGrant(1, 2, 0))]
    assert me.consumed(1, 1, 199) == []
    assert me.consumed(1, 0, 1) == [fx.Transmit(CreditGrant(1, 1, 200))]
    assert me.consumed(9, 1, 1) == []


def test_what_is_of_no_use_to_the_application_is_granted_again_without_it() -> None:
    me = subscribed()
    me.on_operation(messages(1, 3, record(1), record(2), record(3)), 0)

    assert me.on_operation(messages(1, 2, record(1), record(2)), 0) == [
        fx.Transmit(CreditGrant(1, 2, 10)),
        fx.Covered(1, LOG, 1, 2),
    ]
    assert me.on_operation(Messages(1, OTHER, 1, 2, (1, 2), (record(1), record(2))), 0) == [
        fx.Transmit(CreditGrant(1, 2, 10)),
        fx.Covered(1, OTHER, 1, 2),
    ]


def test_what_is_taken_while_there_is_no_session_is_granted_with_the_next() -> None:
    me = subscribed()
    me.on_operation(messages(1, 2, record(1), record(2)), 0)
    me.on_disconnected("cut", 0)

    assert me.consumed(1, 2, 10) == []

    me.on_connected(0)
    assert me.on_operation(HELLO, 0)[1:] == [first_subscribe(me, VersionVector([(LOG, IntervalSet([(1, 2)]))]))]
    assert me.consumed(1, 0, 0) == []


def test_a_new_session_does_not_grant_what_the_application_has_not_taken() -> None:
    """Otherwise each reconnection would put another window before an application that takes nothing."""
    me = subscribed()
    for cut in range(3):
        me.on_operation(messages(3 * cut + 1, 3 * cut + 3, *(record(3 * cut + n, b"x" * 100) for n in (1, 2, 3))), 0)
        (again,) = (one.operation for one in reattach(me) if isinstance(one, fx.Transmit))
        assert isinstance(again, Subscribe)
        assert (again.credit_messages, again.credit_bytes) == (max(8 - 3 * (cut + 1), 0), max(800 - 300 * (cut + 1), 0))

    assert me.consumed(1, 9, 900) == [fx.Transmit(CreditGrant(1, 9, 900))]
    assert reattach(me)[1] == first_subscribe(me, VersionVector([(LOG, IntervalSet([(1, 9)]))]))
