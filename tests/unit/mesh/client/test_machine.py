"""The client's machine: what it asks of its runner, in order, for everything that can happen to it."""

import pytest

from mesh.client import Client, ClientConfig
from mesh.client import effects as fx
from mesh.client.machine import ATTACHED, ATTACHING, CLOSED, CONNECTING, IDLE, REQUESTS_FROM
from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.errors import ConfigError, UsageError
from mesh.operations import (
    UNTIL_ALWAYS_MS,
    Attach,
    Attached,
    Draft,
    GoAway,
    Goodbye,
    History,
    HistoryPage,
    Inspect,
    Publish,
    Receipt,
    Refused,
    Status,
)
from mesh.rng import Rng
from tests.client_samples import (
    CONFIG,
    G1,
    G2,
    HELLO,
    LOG,
    attached,
    client,
    reattach,
)
from tests.samples import ANA

# --- coming up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"outbox_messages_max": 0},
        {"outbox_bytes_max": (2 << 20) - 1},
        {"backoff_first_ms": 0},
        {"backoff_first_ms": 11_000},
        {"credit_messages": 1},
        {"credit_bytes": 1},
        {"window_bytes": 0},
        {"attach_timeout_ms": 0},
        {"names_max": 0},
        {"gateways_max": 0},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        ClientConfig(**fields)


def test_a_client_without_any_gateway_is_refused() -> None:
    with pytest.raises(UsageError, match="a client needs a gateway"):
        Client(CONFIG, "me", 7, [], Rng(b"seed"))


def test_it_connects_at_once_attaches_and_is_attached() -> None:
    me = client()
    assert (me.state, me.deadline_us()) == (IDLE, None)

    assert me.start(5) == [fx.Changed(CONNECTING, G1, ""), fx.Connect(G1, 5)]
    assert me.start(6) == []
    assert me.deadline_us() is None
    assert me.on_connected(10) == [fx.Transmit(Attach("me", 7, ""))]
    assert (me.state, me.deadline_us()) == (ATTACHING, 10 + 10_000_000)
    assert me.on_operation(HELLO, 11) == [fx.Changed(ATTACHED, G1, "eu")]

    assert (me.state, me.gateway, me.deadline_us()) == (ATTACHED, G1, None)
    assert me.on_operation(HELLO, 12) == []


def test_a_connection_that_nobody_waits_for_is_closed() -> None:
    assert client().on_connected(0) == [fx.Disconnect()]
    assert attached().on_connected(0) == [fx.Disconnect()]


def test_a_gateway_that_does_not_answer_is_left() -> None:
    me = client()
    me.start(0)
    me.on_connected(0)

    assert me.on_timer(9_999_999) == []
    assert me.on_timer(10_000_000) == [fx.Disconnect()]
    assert me.on_timer(10_000_001) == []
    assert me.deadline_us() is None


def test_after_a_failure_the_next_gateway_is_tried_with_full_jitter_that_grows_by_the_round() -> None:
    me = client()
    me.start(0)

    tried = [me.on_disconnected("refused", 1_000) for _ in range(30)]

    gateways = [effects[1].gateway for effects in tried if isinstance(effects[1], fx.Connect)]
    assert gateways == [G2, G1] * 15
    assert all(
        effects[0] == fx.Changed(CONNECTING, gateway, "refused")
        for effects, gateway in zip(tried, gateways, strict=True)
    )
    waits = [effects[1].at_us - 1_000 for effects in tried if isinstance(effects[1], fx.Connect)]
    for failures, wait_us in enumerate(waits, 1):
        assert 0 < wait_us <= min(100_000 << failures // 2, 10_000_000)
    assert max(waits) > 1_000_000


def test_a_connection_that_ends_without_a_word_has_ended() -> None:
    me = attached()

    assert me.on_disconnected("", 0)[0] == fx.Changed(CONNECTING, G2, "the connection ended")


def test_once_attached_failures_are_forgotten_and_this_gateway_is_the_first_to_be_tried() -> None:
    me = client()
    me.start(0)
    me.on_disconnected("refused", 0)
    me.on_connected(0)
    me.on_operation(HELLO, 0)
    assert (me.gateway, me.failures) == (G2, 0)

    assert [me.on_disconnected("cut", 0)[0] for _ in range(2)] == [
        fx.Changed(CONNECTING, G1, "cut"),
        fx.Changed(CONNECTING, G2, "cut"),
    ]


def test_gateways_are_learnt_once_and_up_to_a_limit() -> None:
    me = client(G1, G1, config=ClientConfig(gateways_max=3))
    me.start(0)
    me.on_connected(0)

    me.on_operation(Attached(ANA, "eu", "1", (G1, G2, "ws://three", "ws://four")), 0)

    assert me._known == [G1, G2, "ws://three"]
    me.check_all()


def test_refused_at_the_door_it_says_so_and_goes() -> None:
    me = client()
    me.start(0)
    me.on_connected(0)

    assert me.on_operation(Refused(Code.FIELD_INVALID, "no name"), 0) == [
        fx.Rejected("attach", 0, Code.FIELD_INVALID, "no name"),
        fx.Disconnect(),
    ]


def test_a_refusal_of_nothing_in_particular_is_told() -> None:
    me = attached()

    assert me.on_operation(Refused(Code.OPERATION_UNKNOWN, "what?"), 0) == [
        fx.Changed(ATTACHED, G1, f"{Code.OPERATION_UNKNOWN} what?")
    ]


def test_sent_away_it_goes_to_a_gateway_that_it_was_told() -> None:
    me = attached(G1)

    assert me.on_operation(GoAway((G2,), 3_000), 0) == [fx.Changed("moving", G1, "the node drains"), fx.Disconnect()]

    assert me.on_disconnected("", 0)[0] == fx.Changed(CONNECTING, G2, "the connection ended")
    assert me.failures == 0


def test_sent_away_without_knowing_where_to_it_stays_until_the_end() -> None:
    me = attached(G1)

    assert me.on_operation(GoAway((), 3_000), 0) == []
    assert me.state == ATTACHED


def test_a_goodbye_is_told_and_answered_by_closing() -> None:
    assert attached().on_operation(Goodbye(Code.DRAINING, "stopping"), 0) == [
        fx.Changed("dismissed", G1, f"{Code.DRAINING} stopping"),
        fx.Disconnect(),
    ]


def test_closed_it_is_silent_for_ever() -> None:
    me = attached()

    assert me.close() == [fx.Disconnect(), fx.Changed(CLOSED, G1, "closed by the application")]
    assert me.close() == []
    assert me.on_disconnected("", 0) == me.start(0) == me.flush(0) == me.on_timer(0) == []
    assert me.on_connected(0) == [fx.Disconnect()]
    assert me.deadline_us() is None
    with pytest.raises(UsageError, match="the client is closed"):
        me.publish(Draft("a", 0, b""), 1, 1)


def test_closed_before_it_is_connected_it_has_nothing_to_close() -> None:
    me = client()

    assert me.on_disconnected("never was", 0) == []
    me.start(0)
    assert me.close() == [fx.Changed(CLOSED, G1, "closed by the application")]


# --- publishing ------------------------------------------------------------------------------------------------------


def test_publishes_wait_for_the_session_and_go_together() -> None:
    me = client()
    assert [me.publish(Draft("a", 0, b"1"), 1, 1), me.publish(Draft("a", 0, b"2"), 1, 1)] == [1, 2]
    assert me.flush(0) == []
    me.start(0)
    me.on_connected(0)

    effects = me.on_operation(HELLO, 0)

    both = Publish((Draft("a", 1, b"1"), Draft("a", 2, b"2")))
    assert effects == [fx.Changed(ATTACHED, G1, "eu"), fx.Transmit(both)]


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        (Draft("a/+", 0, b""), "a channel holds no"),
        (Draft("a", 0, bytes(2 << 20)), "the outbox is full"),
        (Draft("a", 0, b"", headers={"k": "v" * (2 << 20)}), "the outbox is full"),
    ],
)
def test_what_can_never_be_sent_is_refused_at_once(draft: Draft, why: str) -> None:
    me = client(config=ClientConfig(outbox_bytes_max=2 << 20))

    with pytest.raises(UsageError, match=why):
        me.publish(draft, 1, 1)
    assert len(me.outbox) == 0


def test_a_receipt_is_passed_on_where_it_tells_something_and_makes_room_for_more() -> None:
    me = attached(config=ClientConfig(window_bytes=1))
    for payload in (b"1", b"2"):
        me.publish(Draft("a", 0, payload), 1, 1)
    assert me.flush(0) == [fx.Transmit(Publish((Draft("a", 1, b"1"),)))]
    receipt = Receipt(1, 1, 1, 1, LOG, 1)

    assert me.on_operation(receipt, 0) == [fx.Reached(receipt), fx.Transmit(Publish((Draft("a", 2, b"2"),)))]
    assert me.on_operation(receipt, 0) == []


def test_after_a_cut_what_was_not_acknowledged_is_sent_again_under_its_name() -> None:
    me = attached()
    for payload in (b"1", b"2"):
        me.publish(Draft("a", 0, payload), 1, 1)
    me.flush(0)
    me.on_operation(Receipt(1, 1, 1, 1, LOG, 1), 0)

    assert reattach(me) == [fx.Changed(ATTACHED, G2, "eu"), fx.Transmit(Publish((Draft("a", 2, b"2"),)))]


def test_a_publish_refused_for_now_is_sent_again_at_its_time() -> None:
    me = attached()
    me.publish(Draft("a", 0, b"1"), 1, 1)
    (sent,) = me.flush(0)

    told = fx.Changed("attached", "ws://one", f"{Code.OVERLOADED} later")
    assert me.on_operation(Refused(Code.OVERLOADED, "later", 0, 1, 1, 5), 1_000) == [told]
    assert me.on_operation(Refused(Code.OVERLOADED, "later", 0, 1, 1, 5), 1_000) == [], "once is enough"
    assert me.deadline_us() == 6_000
    assert me.on_timer(5_999) == []

    assert me.on_timer(6_000) == [sent]
    assert me.deadline_us() is None


def test_a_publish_refused_for_good_is_told_and_the_rest_goes_on() -> None:
    me = attached(config=ClientConfig(window_bytes=1))
    for payload in (b"1", b"2"):
        me.publish(Draft("a", 0, payload), 1, 1)
    me.flush(0)

    assert me.on_operation(Refused(Code.RECORD_TOO_LARGE, "no", 0, 1, 1), 0) == [
        fx.Rejected("publish", 1, Code.RECORD_TOO_LARGE, "no"),
        fx.Transmit(Publish((Draft("a", 2, b"2"),))),
    ]


# --- asking ----------------------------------------------------------------------------------------------------------


def test_requests_are_numbered_answered_once_and_asked_again_after_a_cut() -> None:
    me = attached()
    history = History(0, ("#",), 5, 6, 7, backwards=True, cut=VersionVector(), after=VersionVector())

    number, effects = me.ask(Inspect(0))
    other, asked = me.ask(history)

    assert (number, other) == (REQUESTS_FROM, REQUESTS_FROM + 1)
    assert effects == [fx.Transmit(Inspect(number))]
    numbered = History(other, ("#",), 5, 6, 7, backwards=True, cut=VersionVector(), after=VersionVector())
    assert asked == [fx.Transmit(numbered)]
    status = Status(number, {"x": 1})
    assert me.on_operation(status, 0) == [fx.Answered(status)]
    assert me.on_operation(status, 0) == []

    assert reattach(me)[1:] == [fx.Transmit(numbered)]
    page = HistoryPage(other, VersionVector(), (), (), None)
    assert me.on_operation(page, 0) == [fx.Answered(page)]
    assert reattach(me)[1:] == []


def test_a_request_waits_for_the_session_and_may_be_refused() -> None:
    me = client()
    number, effects = me.ask(History(0, ("#",)))
    assert effects == []
    me.start(0)
    me.on_connected(0)
    asked = me.on_operation(HELLO, 0)[1:]
    assert asked == [fx.Transmit(History(number, ("#",), 100, 0, UNTIL_ALWAYS_MS))]

    assert me.on_operation(Refused(Code.FIELD_INVALID, "no", number), 0) == [
        fx.Rejected("request", number, Code.FIELD_INVALID, "no")
    ]


# --- the check -------------------------------------------------------------------------------------------------------


def test_a_check_trips_where_it_is_attached_to_what_it_does_not_know() -> None:
    me = attached()
    me._known.remove(G1)
    with pytest.raises(AssertionError):
        me.check_all()
    me = attached()
    me.outbox.bytes = 5
    with pytest.raises(AssertionError):
        me.check_all()
