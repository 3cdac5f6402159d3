"""Sessions: who has a seat, what may be said from it, and every refusal with its code."""

from dataclasses import replace

import pytest

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.codes import Code
from mesh.effects import Outcome, Tell
from mesh.engines.sessions import ATTACH, SessionConfig, Sessions
from mesh.errors import ConfigError
from mesh.operations import (
    Attach,
    Attached,
    ClientOperation,
    CreditGrant,
    Draft,
    GoAway,
    Goodbye,
    History,
    Inspect,
    Publish,
    Refused,
    Subscribe,
    Unsubscribe,
)
from mesh.types import LogId, SessionId
from tests.engine_samples import at, no_timer, set_timer
from tests.samples import ANA

SEAT, OTHER = SessionId(1), SessionId(2)
CONFIG = SessionConfig(sessions_max=2, subscriptions_max=2, patterns_max=2, history_page_max=10)
PUBLISH = Publish((Draft("a", 4, b"x"), Draft("a", 5, b"y")))


def sessions(config: SessionConfig = CONFIG) -> Sessions:
    return Sessions(config, ANA, "eu", "1.0", ("ws://ben",), 5_000)


def opened(config: SessionConfig = CONFIG) -> Sessions:
    one = sessions(config)
    one.on_opened(SEAT, "here", at())
    return one


def attached(config: SessionConfig = CONFIG) -> Sessions:
    one = opened(config)
    one.admit(SEAT, Attach("me", 7))
    one.check_all()
    return one


def refused(
    code: Code, text: str, request: int = 0, first: int = 0, last: int = 0, *, seat: SessionId = SEAT
) -> list[Outcome]:
    return [Tell((seat,), Refused(code, text, request, first, last))]


def goodbye(code: Code, text: str, *seats: SessionId) -> list[Outcome]:
    return [Tell(seats or (SEAT,), Goodbye(code, text))]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"sessions_max": 0}, "limits are positive"),
        ({"subscriptions_max": 0}, "limits are positive"),
        ({"all_patterns_max": 0}, "limits are positive"),
        ({"session_patterns_max": 0}, "session_patterns_max: 1 to all_patterns_max"),
        ({"session_patterns_max": 7, "all_patterns_max": 6}, "session_patterns_max: 1 to all_patterns_max"),
        ({"patterns_max": 0}, "limits are positive"),
        ({"history_page_max": 0}, "limits are positive"),
        ({"attach_timeout_ms": 0}, "times are positive"),
        ({"goaway_ms": 0}, "times are positive"),
        ({"publisher_bytes_max": 0}, "publisher_bytes_max: 1 to 128"),
        ({"publisher_bytes_max": 129}, "publisher_bytes_max: 1 to 128"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        SessionConfig(**fields)


# --- seats -----------------------------------------------------------------------------------------------------------


def test_a_client_has_a_time_to_attach_and_is_told_where_it_is() -> None:
    one = sessions()

    assert one.on_opened(SEAT, "here", at(1)) == [set_timer(ATTACH, SEAT, ms=10_001)]
    welcome = Tell((SEAT,), Attached(ANA, "eu", "1.0", ("ws://ben",), 5_000))
    assert one.admit(SEAT, Attach("me", 7)) == [no_timer(ATTACH, SEAT), welcome]
    assert one.on_attach_timer(SEAT) == []
    seat = one.sessions[SEAT]
    assert (seat.client, seat.incarnation, seat.client_at) == ("me", 7, "here")


def test_a_client_that_says_nothing_is_told_goodbye() -> None:
    one = opened()

    assert one.on_attach_timer(SEAT) == goodbye(Code.NOT_ATTACHED, "attach within the time given")
    assert one.on_closed(SEAT) == [no_timer(ATTACH, SEAT)]
    assert one.on_closed(SEAT) == []
    assert one.on_attach_timer(SEAT) == []


def test_beyond_the_limit_clients_are_sent_elsewhere() -> None:
    one = opened()
    one.on_opened(OTHER, "", at())

    third = SessionId(3)

    assert one.on_opened(third, "", at()) == goodbye(Code.SESSIONS_TOO_MANY, "this node takes 2 sessions", third)
    assert one.admit(third, Attach("me", 7)) == []
    one.check_all()


def test_a_node_that_stops_asks_those_that_are_attached_to_leave_and_takes_nobody() -> None:
    one = attached()
    one.on_opened(OTHER, "", at())

    assert one.drain() == [Tell((SEAT,), GoAway(("ws://ben",), 3_000))]
    assert one.on_opened(SessionId(3), "", at()) == goodbye(Code.DRAINING, "the node is stopping", SessionId(3))
    assert one.dismiss() == goodbye(Code.DRAINING, "the node is stopping", SEAT, OTHER)


def test_a_node_without_clients_stops_without_a_word() -> None:
    assert sessions().drain() == []
    assert sessions().dismiss() == []


# --- what may be said ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "request_number", "first", "last"),
    [
        (PUBLISH, 0, 4, 5),
        (Subscribe(3, ("a",)), 3, 0, 0),
        (Unsubscribe(3), 3, 0, 0),
        (CreditGrant(3, 1, 1), 3, 0, 0),
        (History(9, ("a",)), 9, 0, 0),
        (Inspect(9), 9, 0, 0),
    ],
)
def test_attach_comes_first(operation: ClientOperation, request_number: int, first: int, last: int) -> None:
    expected = refused(Code.NOT_ATTACHED, "attach comes first", request_number, first, last)

    assert opened().admit(SEAT, operation) == expected


@pytest.mark.parametrize(
    ("operation", "code", "text"),
    [
        (Attach("", 7), Code.FIELD_INVALID, "a client's name has 1 to 128 bytes, found 0"),
        (Attach("é" * 65, 7), Code.FIELD_INVALID, "a client's name has 1 to 128 bytes, found 130"),
        (Attach("me", 1 << 63), Code.FIELD_INVALID, "an incarnation lies below 2^63"),
    ],
)
def test_a_seat_has_a_name_and_an_incarnation(operation: Attach, code: Code, text: str) -> None:
    one = opened()

    assert one.admit(SEAT, operation) == refused(code, text)
    assert not one.sessions[SEAT].attached
    assert one.admit(SEAT, Attach("x" * 128, (1 << 63) - 1)) is not None
    assert one.sessions[SEAT].attached


def test_a_session_attaches_once() -> None:
    assert attached().admit(SEAT, Attach("other", 8)) == refused(Code.NOT_ATTACHED, "a session attaches once")


@pytest.mark.parametrize(
    "operation",
    [
        PUBLISH,
        Publish(PUBLISH.drafts, (1 << 31) - 1, (1 << 31) - 1),
        Subscribe(1, ("a/+", "#")),
        Subscribe((1 << 31) - 1, ("a",), credit_messages=(1 << 31) - 1, credit_bytes=(1 << 40) - 1),
        History(1, ("a",), 10),
        History(1, ("a",), 1, cut=VersionVector(), after=VersionVector()),
        Inspect(1),
    ],
)
def test_what_lies_within_the_limits_passes_on(operation: ClientOperation) -> None:
    assert attached().admit(SEAT, operation) is None


NUMBER = "a subscription has a number of its own, from 1"
CREDIT = "credit is below 2^31 messages, 2^40 bytes"
COPIES = "copies and regions are at least 1"


@pytest.mark.parametrize(
    ("operation", "code", "text"),
    [
        (Subscribe(0, ("a",)), Code.FIELD_INVALID, NUMBER),
        (Subscribe(1 << 31, ("a",)), Code.FIELD_INVALID, NUMBER),
        (Subscribe(1, ("a",), credit_messages=1 << 31), Code.FIELD_INVALID, CREDIT),
        (Subscribe(1, ("a",), credit_bytes=1 << 40), Code.FIELD_INVALID, CREDIT),
        (Subscribe(1, ()), Code.FIELD_INVALID, "1 to 2 patterns, found 0"),
        (Subscribe(1, ("a", "b", "c")), Code.FIELD_INVALID, "1 to 2 patterns, found 3"),
        (Subscribe(1, ("a", "b//c")), Code.PATTERN_INVALID, "a pattern has no empty level"),
        (Unsubscribe(4), Code.FIELD_INVALID, "there is no subscription 4"),
        (History(1, ("a",), 0), Code.FIELD_INVALID, "a page has 1 to 10 messages, found 0"),
        (History(1, ("a",), 11), Code.FIELD_INVALID, "a page has 1 to 10 messages, found 11"),
        (
            History(1, ("a",), after=VersionVector(), limit=1),
            Code.FIELD_INVALID,
            "`after` needs the `cut` that it came with",
        ),
        (History(1, (), 1), Code.FIELD_INVALID, "1 to 2 patterns, found 0"),
        (History(1, ("+a",), 1), Code.PATTERN_INVALID, "+ stands for one whole level"),
        (Publish(PUBLISH.drafts, 0, 1), Code.FIELD_INVALID, COPIES),
        (Publish(PUBLISH.drafts, 1 << 31, 1), Code.FIELD_INVALID, COPIES),
        (Publish(PUBLISH.drafts, 1, 0), Code.FIELD_INVALID, COPIES),
        (Publish(PUBLISH.drafts, 1, 1 << 31), Code.FIELD_INVALID, COPIES),
    ],
)
def test_what_lies_beyond_is_refused_and_the_session_goes_on(operation: ClientOperation, code: Code, text: str) -> None:
    one = attached()
    number = getattr(operation, "subscription", getattr(operation, "request", 0))
    span = (4, 5) if isinstance(operation, Publish) else (0, 0)

    assert one.admit(SEAT, operation) == refused(code, text, number, *span)
    assert one.admit(SEAT, Inspect(1)) is None
    one.check_all()


@pytest.mark.parametrize("grant", [CreditGrant(1, 1 << 31, 1), CreditGrant(1, 1, 1 << 40)])
def test_credit_is_bounded(grant: CreditGrant) -> None:
    one = attached()
    one.admit(SEAT, Subscribe(1, ("a",)))

    assert one.admit(SEAT, grant) == refused(Code.FIELD_INVALID, CREDIT, 1)
    assert one.admit(SEAT, CreditGrant(1, (1 << 31) - 1, (1 << 40) - 1)) is None


def test_credit_for_a_subscription_that_ended_comes_to_nothing() -> None:
    one = attached()
    one.admit(SEAT, Subscribe(1, ("a",)))

    assert one.admit(SEAT, Unsubscribe(1)) is None
    assert one.admit(SEAT, CreditGrant(1, 1, 1)) == []


def test_the_runs_of_all_cursors_of_a_session_are_bounded_and_free_again_when_a_subscription_ends() -> None:
    one = attached()
    one.config = replace(one.config, cursor_runs_max=3)
    two_runs = VersionVector([(LogId(ANA, 1), IntervalSet([(1, 1), (3, 3)]))])
    one.admit(SEAT, Subscribe(1, ("a",), two_runs))

    text = "the cursors of a session's subscriptions have at most 3 runs"
    assert one.admit(SEAT, Subscribe(2, ("a",), two_runs)) == refused(Code.SUBSCRIPTIONS_TOO_MANY, text, 2)
    assert one.admit(SEAT, Unsubscribe(1)) is None
    assert one.admit(SEAT, Subscribe(2, ("a",), two_runs)) is None
    one.check_all()


def test_the_runs_of_a_cut_and_of_what_was_shown_of_it_are_bounded() -> None:
    one = attached()
    one.config = replace(one.config, cursor_runs_max=3)
    two_runs = VersionVector([(LogId(ANA, 1), IntervalSet([(1, 1), (3, 3)]))])

    text = "a cut, and what was shown and missing of it, have at most 3 runs, found 4"
    assert one.admit(SEAT, History(1, ("a",), 1, cut=two_runs)) is None
    for more in {"after": two_runs}, {"missing": two_runs}:
        assert one.admit(SEAT, History(1, ("a",), 1, cut=two_runs, **more)) == refused(Code.FIELD_INVALID, text, 1)


def test_subscriptions_are_bounded_and_each_has_a_number_of_its_own() -> None:
    one = attached()
    one.admit(SEAT, Subscribe(1, ("a",)))

    assert one.admit(SEAT, Subscribe(1, ("b",))) == refused(Code.FIELD_INVALID, NUMBER, 1)
    assert one.admit(SEAT, Subscribe(2, ("b",))) is None
    text = "a session has at most 2 subscriptions"
    assert one.admit(SEAT, Subscribe(3, ("c",))) == refused(Code.SUBSCRIPTIONS_TOO_MANY, text, 3)
    assert one.admit(SEAT, Unsubscribe(1)) is None
    assert one.admit(SEAT, Subscribe(3, ("c",))) is None


def test_the_patterns_of_all_sessions_are_bounded_together() -> None:
    one = attached(replace(CONFIG, session_patterns_max=3, all_patterns_max=3))
    one.on_opened(OTHER, "", at())
    one.admit(OTHER, Attach("other", 1))
    one.admit(SEAT, Subscribe(1, ("a", "b")))

    text = "all subscriptions at this node have at most 3 patterns"
    assert one.admit(OTHER, Subscribe(1, ("a", "b"))) == refused(Code.SUBSCRIPTIONS_TOO_MANY, text, 1, seat=OTHER)
    assert one.admit(OTHER, Subscribe(1, ("c//d",))) != []  # refused for its pattern, and not counted
    assert one.admit(OTHER, Subscribe(1, ("c",))) is None
    assert (one.patterns, one.admit(SEAT, Unsubscribe(1)), one.patterns) == (3, None, 1)
    one.check()
    one.check_all()
    one.on_closed(OTHER)
    assert one.patterns == 0
    one.check_all()


def test_the_patterns_of_a_session_are_bounded_so_that_it_does_not_take_those_of_others() -> None:
    one = attached(replace(CONFIG, session_patterns_max=3, all_patterns_max=5))
    one.on_opened(OTHER, "", at())
    one.admit(OTHER, Attach("other", 1))
    one.admit(SEAT, Subscribe(1, ("a", "b")))

    text = "all subscriptions of a session have at most 3 patterns"
    assert one.admit(SEAT, Subscribe(2, ("c", "d"))) == refused(Code.SUBSCRIPTIONS_TOO_MANY, text, 2)
    assert one.admit(SEAT, Subscribe(2, ("c",))) is None
    assert one.admit(OTHER, Subscribe(1, ("a", "b"))) is None
    one.check_all()
    assert one.admit(SEAT, Unsubscribe(1)) is None
    assert one.admit(SEAT, Subscribe(1, ("d", "e"))) is None
    one.check_all()


def test_a_subscription_that_was_refused_takes_no_number() -> None:
    one = attached()
    one.admit(SEAT, Subscribe(1, ("b//c",)))

    assert one.admit(SEAT, Subscribe(1, ("b",))) is None
