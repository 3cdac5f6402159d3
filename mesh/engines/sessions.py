"""Sessions: a client's seat on this node.

A session opens with its connection, must attach within a time, and then publishes, subscribes and asks. This engine
checks who may say what now, and every limit and field that does not need another engine; the node hands what passes
on. A fault refuses the operation with a code and keeps the session.

Invariants, checked by `check`: sessions and their subscriptions are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from mesh.codes import Code
from mesh.effects import Outcome, SetTimer, Tell, Timer
from mesh.errors import require
from mesh.operations import (
    Attach,
    Attached,
    ClientOperation,
    CreditGrant,
    GoAway,
    Goodbye,
    History,
    Inspect,
    Publish,
    Refused,
    Subscribe,
    Unsubscribe,
)
from mesh.types import US_PER_MS, NodeId, Now, SessionId, pattern_fault

ATTACH = "sessions.attach"
NUMBER_MAX = 1 << 31
"""Subscriptions and requests are numbered below this."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """A client's seat on this node."""

    sessions_max: int = 10_000
    subscriptions_max: int = 1_024
    patterns_max: int = 256
    """Of one subscription ..."""
    session_patterns_max: int = 8_192
    """... of all subscriptions of a session, so that no client takes all that there are ..."""
    all_patterns_max: int = 131_072
    """... and of all sessions: what matching a channel has to remember.

    Measured, resident: 111 MB for as many patterns of three levels; 733 MB if each has 16, and shares no part with another.
    """
    attach_timeout_ms: int = 10_000
    publisher_bytes_max: int = 128
    history_page_max: int = 1_000
    cursor_runs_max: int = 131_072
    """Runs in all cursors that a session's subscriptions began with: what a client may have a node remember."""
    goaway_ms: int = 3_000

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(self.sessions_max >= 1 and self.subscriptions_max >= 1, "limits are positive")
        require(self.patterns_max >= 1 and self.history_page_max >= 1, "limits are positive")
        require(self.attach_timeout_ms > 0 and self.goaway_ms > 0, "times are positive")
        require(self.cursor_runs_max >= 1 and self.all_patterns_max >= 1, "limits are positive")
        require(1 <= self.session_patterns_max <= self.all_patterns_max, "session_patterns_max: 1 to all_patterns_max")
        require(1 <= self.publisher_bytes_max <= 128, "publisher_bytes_max: 1 to 128")


@dataclass(slots=True)
class Session:
    """A seat: who sits on it, and the subscriptions that it has."""

    session: SessionId
    client_at: str
    client: str = ""
    incarnation: int = 0
    attached: bool = False
    subscriptions: dict[int, tuple[int, int]] = field(default_factory=dict)
    """For each, the runs of the cursor that it began with, and how many patterns it has."""
    runs: int = 0
    """Of all those cursors."""
    patterns: int = 0
    """Of all those subscriptions."""


@dataclass(slots=True)
class Sessions:
    """All seats of this node."""

    config: SessionConfig
    node: NodeId
    region: str
    version: str
    gateways: tuple[str, ...] = ()
    ttl_ms: int = 0
    """How long lives what does not say so itself."""
    sessions: dict[SessionId, Session] = field(default_factory=dict)
    draining: bool = False
    patterns: int = 0
    """Of all subscriptions."""

    def on_opened(self, session: SessionId, client_at: str, now: Now) -> list[Outcome]:
        """A client's connection stands."""
        if self.draining:
            return [Tell((session,), Goodbye(Code.DRAINING, "the node is stopping"))]
        if len(self.sessions) >= self.config.sessions_max:
            text = f"this node takes {self.config.sessions_max} sessions"
            return [Tell((session,), Goodbye(Code.SESSIONS_TOO_MANY, text))]
        self.sessions[session] = Session(session, client_at)
        return [SetTimer(Timer(ATTACH, (session,)), now.mono_us + self.config.attach_timeout_ms * US_PER_MS)]

    def on_attach_timer(self, session: SessionId) -> list[Outcome]:
        """A client connected and said nothing."""
        seat = self.sessions.get(session)
        if seat is None or seat.attached:
            return []
        return [Tell((session,), Goodbye(Code.NOT_ATTACHED, "attach within the time given"))]

    def on_closed(self, session: SessionId) -> list[Outcome]:
        """A client's connection is gone."""
        seat = self.sessions.pop(session, None)
        if seat is None:
            return []
        self.patterns -= seat.patterns
        return [SetTimer(Timer(ATTACH, (session,)), None)]

    def admit(self, session: SessionId, operation: ClientOperation) -> list[Outcome] | None:
        """Check an operation that needs a seat: None if it may pass on, else the refusal."""
        seat = self.sessions.get(session)
        if seat is None:
            return []  # it was told goodbye; what was under way does not matter
        if isinstance(operation, Attach):
            return self._attach(seat, operation)
        if not seat.attached:
            return [_refuse(session, operation, Code.NOT_ATTACHED, "attach comes first")]
        match operation:
            case Subscribe():
                return self._subscribe(seat, operation)
            case Unsubscribe(subscription):
                if subscription not in seat.subscriptions:
                    return [_refuse(session, operation, Code.FIELD_INVALID, f"there is no subscription {subscription}")]
                runs, patterns = seat.subscriptions.pop(subscription)
                seat.runs -= runs
                seat.patterns -= patterns
                self.patterns -= patterns
                return None
            case CreditGrant(subscription, messages, size):
                if messages >= NUMBER_MAX or size >= 1 << 40:
                    return [
                        _refuse(session, operation, Code.FIELD_INVALID, "credit is below 2^31 messages, 2^40 bytes")
                    ]
                return None if subscription in seat.subscriptions else []
            case History():
                return self._history(seat, operation)
            case Publish(_, copies, regions):
                if not (0 < copies < NUMBER_MAX and 0 < regions < NUMBER_MAX):
                    return [_refuse(session, operation, Code.FIELD_INVALID, "copies and regions are at least 1")]
                return None
            case Inspect():
                return None
            case _:
                assert_never(operation)

    def _attach(self, seat: Session, operation: Attach) -> list[Outcome]:
        if seat.attached:
            return [_refuse(seat.session, operation, Code.NOT_ATTACHED, "a session attaches once")]
        size = len(operation.client.encode("utf-8", "replace"))
        if not 0 < size <= self.config.publisher_bytes_max:
            text = f"a client's name has 1 to {self.config.publisher_bytes_max} bytes, found {size}"
            return [_refuse(seat.session, operation, Code.FIELD_INVALID, text)]
        if operation.incarnation >= 1 << 63:
            return [_refuse(seat.session, operation, Code.FIELD_INVALID, "an incarnation lies below 2^63")]
        seat.client, seat.incarnation, seat.attached = operation.client, operation.incarnation, True
        attached = Attached(self.node, self.region, self.version, self.gateways, self.ttl_ms)
        return [SetTimer(Timer(ATTACH, (seat.session,)), None), Tell((seat.session,), attached)]

    def _subscribe(self, seat: Session, operation: Subscribe) -> list[Outcome] | None:
        number = operation.subscription
        if not 0 < number < NUMBER_MAX or number in seat.subscriptions:
            text = "a subscription has a number of its own, from 1"
            return [_refuse(seat.session, operation, Code.FIELD_INVALID, text)]
        if len(seat.subscriptions) >= self.config.subscriptions_max:
            text = f"a session has at most {self.config.subscriptions_max} subscriptions"
            return [_refuse(seat.session, operation, Code.SUBSCRIPTIONS_TOO_MANY, text)]
        if operation.credit_messages >= NUMBER_MAX or operation.credit_bytes >= 1 << 40:
            text = "credit is below 2^31 messages, 2^40 bytes"
            return [_refuse(seat.session, operation, Code.FIELD_INVALID, text)]
        runs = 0 if operation.cursor is None else operation.cursor.runs
        if seat.runs + runs > self.config.cursor_runs_max:
            text = f"the cursors of a session's subscriptions have at most {self.config.cursor_runs_max} runs"
            return [_refuse(seat.session, operation, Code.SUBSCRIPTIONS_TOO_MANY, text)]
        patterns = len(operation.patterns)
        if seat.patterns + patterns > self.config.session_patterns_max:
            text = f"all subscriptions of a session have at most {self.config.session_patterns_max} patterns"
            return [_refuse(seat.session, operation, Code.SUBSCRIPTIONS_TOO_MANY, text)]
        if self.patterns + patterns > self.config.all_patterns_max:
            text = f"all subscriptions at this node have at most {self.config.all_patterns_max} patterns"
            return [_refuse(seat.session, operation, Code.SUBSCRIPTIONS_TOO_MANY, text)]
        refused = self._patterns(seat, operation, operation.patterns)
        if refused is None:
            seat.subscriptions[number] = runs, patterns
            seat.runs += runs
            seat.patterns += patterns
            self.patterns += patterns
        return refused

    def _patterns(self, seat: Session, operation: ClientOperation, patterns: tuple[str, ...]) -> list[Outcome] | None:
        if not 0 < len(patterns) <= self.config.patterns_max:
            text = f"1 to {self.config.patterns_max} patterns, found {len(patterns)}"
            return [_refuse(seat.session, operation, Code.FIELD_INVALID, text)]
        for pattern in patterns:
            fault = pattern_fault(pattern)
            if fault:
                return [_refuse(seat.session, operation, Code.PATTERN_INVALID, fault)]
        return None

    def _history(self, seat: Session, operation: History) -> list[Outcome] | None:
        if not 0 < operation.limit <= self.config.history_page_max:
            text = f"a page has 1 to {self.config.history_page_max} messages, found {operation.limit}"
            return [_refuse(seat.session, operation, Code.FIELD_INVALID, text)]
        if operation.after is not None and operation.cut is None:
            return [_refuse(seat.session, operation, Code.FIELD_INVALID, "`after` needs the `cut` that it came with")]
        runs, runs_max = operation.runs, self.config.cursor_runs_max
        if runs > runs_max:
            text = f"a cut, and what was shown and missing of it, have at most {runs_max} runs, found {runs}"
            return [_refuse(seat.session, operation, Code.FIELD_INVALID, text)]
        return self._patterns(seat, operation, operation.patterns)

    def drain(self) -> list[Outcome]:
        """Ask every client to attach elsewhere."""
        self.draining = True
        attached = tuple(seat.session for seat in self.sessions.values() if seat.attached)
        return [Tell(attached, GoAway(self.gateways, self.config.goaway_ms))] if attached else []

    def dismiss(self) -> list[Outcome]:
        """End every session."""
        everyone = tuple(self.sessions)
        return [Tell(everyone, Goodbye(Code.DRAINING, "the node is stopping"))] if everyone else []

    def check(self) -> None:
        """Assert that sessions, and what they have a node remember, are bounded."""
        assert len(self.sessions) <= self.config.sessions_max and self.patterns <= self.config.all_patterns_max

    def check_all(self) -> None:
        """Assert the invariants."""
        assert len(self.sessions) <= self.config.sessions_max
        for seat in self.sessions.values():
            assert len(seat.subscriptions) <= self.config.subscriptions_max
            assert seat.attached or not seat.subscriptions
            assert seat.runs == sum(runs for runs, _ in seat.subscriptions.values()) <= self.config.cursor_runs_max
            held = sum(patterns for _, patterns in seat.subscriptions.values())
            assert seat.patterns == held <= self.config.session_patterns_max
        assert self.patterns == sum(seat.patterns for seat in self.sessions.values())


def _refuse(session: SessionId, operation: ClientOperation, code: Code, text: str) -> Outcome:
    """Refuse an operation, naming it as the client does."""
    match operation:
        case Subscribe(subscription=number) | Unsubscribe(subscription=number) | CreditGrant(subscription=number):
            refused = Refused(code, text, number)
        case History(request=number) | Inspect(request=number):
            refused = Refused(code, text, number)
        case Publish(drafts=drafts):
            refused = Refused(code, text, 0, drafts[0].sequence, drafts[-1].sequence)
        case _:
            refused = Refused(code, text)
    return Tell((session,), refused)
