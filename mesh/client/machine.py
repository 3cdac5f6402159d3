"""The client's machine: connects, attaches, publishes, subscribes, resumes; wherever it is attached.

It keeps an incarnation (drawn anew at every start of its process), an outbox, and for each subscription a cursor: the
version vector of all that it was told. When a connection ends, it tries the next gateway with full-jitter back-off,
attaches, subscribes again from its cursors, and sends again what the outbox holds. Receipts that it waits for go on
rising on the new node, which answers a name that it holds with that name's receipts.

Inputs are methods that return effects; time is given; `deadline_us` says when to call `on_timer`.

Invariants, checked by `check`: no position is delivered that the cursor holds; the outbox is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import assert_never

from mesh.client import effects as fx
from mesh.client.effects import ClientEffect
from mesh.client.outbox import Outbox, Outlived, content_bytes
from mesh.client.seen import RUNS_MAX, Seen
from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.errors import UsageError, require
from mesh.operations import (
    Attach,
    Attached,
    CreditGrant,
    Draft,
    Gap,
    GoAway,
    Goodbye,
    History,
    HistoryPage,
    Inspect,
    Messages,
    NodeOperation,
    Receipt,
    Refused,
    SlowPolicy,
    Status,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from mesh.rng import Rng
from mesh.types import US_PER_MS, channel_fault, pattern_fault

REQUESTS_FROM = 1 << 20
"""Requests are numbered from here, so that a refusal never means a subscription of the same number."""
IDLE, CONNECTING, ATTACHING, ATTACHED, CLOSED = "idle", "connecting", "attaching", "attached", "closed"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Limits of a client."""

    outbox_messages_max: int = 100_000
    outbox_bytes_max: int = 64 << 20
    window_bytes: int = 4 << 20
    """Publishes under way without a first receipt."""
    credit_messages: int = 8_192
    """What a node may deliver to a subscription before the application has taken it."""
    credit_bytes: int = 8 << 20
    backoff_first_ms: int = 100
    backoff_max_ms: int = 10_000
    attach_timeout_ms: int = 10_000
    names_max: int = RUNS_MAX
    gateways_max: int = 64

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(self.outbox_messages_max >= 1 and self.outbox_bytes_max >= 2 << 20, "the outbox holds a message")
        require(0 < self.backoff_first_ms <= self.backoff_max_ms, "back-offs must rise")
        require(self.credit_messages >= 2 and self.credit_bytes >= 2, "a subscription has credit")
        require(self.window_bytes > 0 and self.attach_timeout_ms > 0, "limits are positive")
        require(self.names_max >= 1 and self.gateways_max >= 1, "limits are positive")


@dataclass(slots=True)
class Subscription:
    """What a client wants to hear, and how far it has."""

    number: int
    patterns: tuple[str, ...]
    policy: SlowPolicy
    since_ms: int | None
    cursor: VersionVector | None
    seen: Seen
    owed_messages: int = 0
    owed_bytes: int = 0
    """Taken by the application, or of no use to it, and not granted again yet."""
    untaken_messages: int = 0
    untaken_bytes: int = 0
    """Delivered, and not taken by the application yet: a new session grants the rest of the window."""


@dataclass
class Client:
    """One client of a mesh. `gateways` are tried in order; more are learnt."""

    config: ClientConfig
    name: str
    incarnation: int
    gateways: list[str]
    rng: Rng
    token: str = ""
    state: str = IDLE
    gateway: str = ""
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    requests: dict[int, History | Inspect] = field(default_factory=dict)
    failures: int = 0
    attach_by_us: int | None = None
    held_up_by: str = ""
    """Why publishes were last refused for now; told once until there is a receipt again."""
    _next_number: int = 1
    _next_request: int = REQUESTS_FROM
    _known: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with an empty outbox."""
        config = self.config
        self.outbox = Outbox(config.outbox_messages_max, config.outbox_bytes_max, config.window_bytes)
        self._known = list(dict.fromkeys(self.gateways))
        if not self._known:
            raise UsageError("a client needs a gateway to begin with")

    # --- wishes of the application -----------------------------------------------------------------------------------

    def start(self, now_us: int) -> list[ClientEffect]:
        """Begin to connect."""
        return self._connect(now_us, "") if self.state == IDLE else []

    def publish(self, draft: Draft, copies: int, regions: int) -> int:
        """Keep a message to be sent; its sequence is returned. `flush` sends. Raises `UsageError`."""
        if self.state == CLOSED:
            raise UsageError("the client is closed")
        fault = channel_fault(draft.channel)
        if fault:
            raise UsageError(fault)
        if not self.outbox.has_room(content_bytes(draft)):
            raise UsageError("the outbox is full")
        return self.outbox.put(draft, copies, regions)

    def flush(self, now_us: int) -> list[ClientEffect]:
        """Send what may be sent. Call it once after many publishes."""
        if self.state != ATTACHED:
            return []
        return [fx.Transmit(publish) for publish in self.outbox.take(now_us)]

    def subscribe(
        self,
        patterns: tuple[str, ...],
        *,
        cursor: VersionVector | None = None,
        seen: Seen | None = None,
        since_ms: int | None = None,
        policy: SlowPolicy = SlowPolicy.ALL,
    ) -> tuple[int, list[ClientEffect]]:
        """Begin a subscription; its number is returned. `cursor` and `seen` are where an earlier one left off.

        Raises `UsageError` for a pattern that can never do.
        """
        for pattern in patterns:
            fault = pattern_fault(pattern)
            if fault:
                raise UsageError(fault)
        number, self._next_number = self._next_number, self._next_number + 1
        kept = cursor.copy() if cursor is not None else None
        subscription = Subscription(
            number, patterns, policy, since_ms, kept, seen.copy() if seen else Seen(self.config.names_max)
        )
        self.subscriptions[number] = subscription
        return number, [self._subscribe(subscription)] if self.state == ATTACHED else []

    def unsubscribe(self, number: int) -> list[ClientEffect]:
        """End a subscription."""
        if self.subscriptions.pop(number, None) is None or self.state != ATTACHED:
            return []
        return [fx.Transmit(Unsubscribe(number))]

    def consumed(self, number: int, messages: int, size: int) -> list[ClientEffect]:
        """The application has taken messages: grant as many again, in steps of a quarter of the window."""
        subscription = self.subscriptions.get(number)
        if subscription is None:
            return []
        subscription.untaken_messages -= messages
        subscription.untaken_bytes -= size
        return self._owe(subscription, messages, size)

    def _owe(self, subscription: Subscription, messages: int, size: int) -> list[ClientEffect]:
        """Grant again what was granted and is free, once that is a quarter of the window."""
        subscription.owed_messages += messages
        subscription.owed_bytes += size
        config = self.config
        enough = subscription.owed_messages * 4 >= config.credit_messages or (
            subscription.owed_bytes * 4 >= config.credit_bytes
        )
        if not enough or self.state != ATTACHED:
            return []
        grant = CreditGrant(subscription.number, subscription.owed_messages, subscription.owed_bytes)
        subscription.owed_messages = subscription.owed_bytes = 0
        return [fx.Transmit(grant)]

    def ask(self, request: History | Inspect) -> tuple[int, list[ClientEffect]]:
        """Ask the node something; the request's number is returned, and asked again after a reconnection."""
        number, self._next_request = self._next_request, self._next_request + 1
        numbered = _numbered(request, number)
        self.requests[number] = numbered
        return number, [fx.Transmit(numbered)] if self.state == ATTACHED else []

    def cursor(self, number: int) -> VersionVector | None:
        """All that a subscription was told; None before it stands."""
        subscription = self.subscriptions.get(number)
        return None if subscription is None or subscription.cursor is None else subscription.cursor.copy()

    def seen(self, number: int) -> Seen | None:
        """The names that a subscription was shown, to be kept beside its cursor; None if there is none."""
        subscription = self.subscriptions.get(number)
        return None if subscription is None else subscription.seen.copy()

    def close(self) -> list[ClientEffect]:
        """End; nothing is sent any more."""
        if self.state == CLOSED:
            return []
        connected = self.state in (ATTACHING, ATTACHED)
        self.state = CLOSED
        effects: list[ClientEffect] = [fx.Disconnect()] if connected else []
        return [*effects, fx.Changed(CLOSED, self.gateway, "closed by the application")]

    # --- the connection ----------------------------------------------------------------------------------------------

    def _connect(self, now_us: int, why: str) -> list[ClientEffect]:
        """Go to the next gateway: at once at the start, later with full jitter, so that a herd does not move as one."""
        self.gateway = self._known[self.failures % len(self._known)]
        rounds = self.failures // len(self._known)
        wait_us = 0
        if why:
            ceiling_ms = min(self.config.backoff_first_ms << min(rounds, 16), self.config.backoff_max_ms)
            wait_us = self.rng.between(1, ceiling_ms * US_PER_MS)
        self.state = CONNECTING
        return [fx.Changed(CONNECTING, self.gateway, why), fx.Connect(self.gateway, now_us + wait_us)]

    def on_connected(self, now_us: int) -> list[ClientEffect]:
        """The connection stands: attach."""
        if self.state != CONNECTING:
            return [fx.Disconnect()]
        self.state = ATTACHING
        self.attach_by_us = now_us + self.config.attach_timeout_ms * US_PER_MS
        return [fx.Transmit(Attach(self.name, self.incarnation, self.token))]

    def on_disconnected(self, why: str, now_us: int) -> list[ClientEffect]:
        """The connection is gone, or did not come to be: try the next gateway."""
        if self.state in (CLOSED, IDLE):
            return []
        self.attach_by_us = None
        self.failures += 1
        return self._connect(now_us, why or "the connection ended")

    def on_timer(self, now_us: int) -> list[ClientEffect]:
        """The deadline has come."""
        if self.state == ATTACHING and self.attach_by_us is not None and now_us >= self.attach_by_us:
            self.attach_by_us = None
            return [fx.Disconnect()]
        outlived: list[ClientEffect] = []
        if self.state == ATTACHED and 0 < self.outbox.dies_us <= now_us:
            outlived = _outlived(self.outbox.expire(now_us))
        return outlived + self.flush(now_us)

    def deadline_us(self) -> int | None:
        """When to call `on_timer`, if nothing happens before."""
        if self.state == ATTACHING:
            return self.attach_by_us
        if self.state != ATTACHED:
            return None
        return min((due_us for due_us in (self.outbox.wakes_us, self.outbox.dies_us) if due_us), default=None)

    # --- what the node says ------------------------------------------------------------------------------------------

    def on_operation(self, operation: NodeOperation, now_us: int) -> list[ClientEffect]:
        """The node says something."""
        match operation:
            case Messages():
                return self._messages(operation)
            case Receipt():
                self.held_up_by = ""
                effects: list[ClientEffect] = []
                if self.outbox.on_receipt(operation, now_us):
                    effects.append(fx.Reached(operation))
                return effects + self.flush(now_us)
            case Gap():
                return self._gap(operation)
            case Attached():
                return self._attached(operation, now_us)
            case Subscribed(number, cursor):
                return self._subscribed(number, cursor)
            case Refused():
                return self._refused(operation, now_us)
            case HistoryPage(request=request) | Status(request=request):
                return [fx.Answered(operation)] if self.requests.pop(request, None) is not None else []
            case GoAway(gateways):
                return self._go_away(gateways)
            case Goodbye(code, text):
                return [fx.Changed("dismissed", self.gateway, f"{code} {text}"), fx.Disconnect()]
            case _:
                assert_never(operation)

    def _attached(self, operation: Attached, now_us: int) -> list[ClientEffect]:
        if self.state != ATTACHING:
            return []
        self.state, self.attach_by_us, self.failures = ATTACHED, None, 0
        self.outbox.ttl_ms = operation.ttl_ms
        self._learn(operation.gateways)
        self._known.remove(self.gateway)
        self._known.insert(0, self.gateway)
        effects: list[ClientEffect] = [fx.Changed(ATTACHED, self.gateway, operation.region)]
        effects += [self._subscribe(subscription) for subscription in self.subscriptions.values()]
        effects += [fx.Transmit(request) for request in self.requests.values()]
        effects += _outlived(self.outbox.resend_all(now_us))
        return effects + self.flush(now_us)

    def _learn(self, gateways: tuple[str, ...]) -> None:
        for gateway in gateways:
            if gateway not in self._known and len(self._known) < self.config.gateways_max:
                self._known.append(gateway)

    def _go_away(self, gateways: tuple[str, ...]) -> list[ClientEffect]:
        """The node drains: go to one of the gateways that it names, or to the next that we know."""
        self._learn(gateways)
        if len(self._known) > 1:
            self._known.remove(self.gateway)
            self._known.append(self.gateway)
            self.failures = -1  # the next is the first of a new round
            return [fx.Changed("moving", self.gateway, "the node drains"), fx.Disconnect()]
        return []

    def _subscribe(self, subscription: Subscription) -> ClientEffect:
        config = self.config
        subscription.owed_messages = subscription.owed_bytes = 0
        return fx.Transmit(
            Subscribe(
                subscription.number,
                subscription.patterns,
                subscription.cursor.copy() if subscription.cursor is not None else None,
                subscription.since_ms if subscription.cursor is None else None,
                subscription.policy,
                max(config.credit_messages - subscription.untaken_messages, 0),
                max(config.credit_bytes - subscription.untaken_bytes, 0),
            )
        )

    def _subscribed(self, number: int, cursor: VersionVector) -> list[ClientEffect]:
        subscription = self.subscriptions.get(number)
        if subscription is None:
            return []
        if subscription.cursor is None:
            subscription.cursor = cursor.copy()
        return [fx.Began(number)]

    def _messages(self, operation: Messages) -> list[ClientEffect]:
        subscription = self.subscriptions.get(operation.subscription)
        if subscription is None or subscription.cursor is None:
            return []
        cursor, number, log = subscription.cursor, subscription.number, operation.log
        held = cursor.get(log)
        late = set(operation.late)
        effects: list[ClientEffect] = []
        first = operation.first
        for index, record in enumerate(operation.records):
            position = operation.positions[index]
            size = len(record.payload)
            new, out_of_order = (False, False) if position in held else subscription.seen.note(record)
            if not new and (position in held or index not in operation.conflicts):
                effects += self._owe(subscription, 1, size)
                continue
            subscription.untaken_messages += 1
            subscription.untaken_bytes += size
            effects.append(fx.Delivered(number, log, first, position, record, out_of_order or index in late))
            first = position + 1
        cursor.add(log, operation.first, operation.last)
        if first <= operation.last:
            effects.append(fx.Covered(number, log, first, operation.last))
        if subscription.seen.forgot:
            subscription.seen.forgot = False
            effects.append(fx.Changed(self.state, self.gateway, f"{Code.ONCE_AT_RISK} names were forgotten"))
        return effects

    def _gap(self, operation: Gap) -> list[ClientEffect]:
        subscription = self.subscriptions.get(operation.subscription)
        if subscription is None or subscription.cursor is None:
            return []
        if subscription.cursor.covers(operation.log, operation.first, operation.last):
            return []
        if not operation.may_fill:
            subscription.cursor.add(operation.log, operation.first, operation.last)
        place = operation.log, operation.first, operation.last
        return [fx.Missed(operation.subscription, *place, operation.reason, operation.may_fill)]

    def _refused(self, refused: Refused, now_us: int) -> list[ClientEffect]:
        code, text = refused.code, refused.text
        if refused.first:
            retry_us = now_us + refused.retry_ms * US_PER_MS if refused.retry_ms >= 0 else None
            outlived = _outlived(self.outbox.expire(now_us)) if code == Code.RECEIPTS_DROPPED else []
            for_good = self.outbox.on_refused(refused.first, refused.last, retry_us)
            told = [*outlived, *(fx.Rejected("publish", sequence, code, text) for sequence in for_good)]
            if retry_us is not None and code != self.held_up_by:
                self.held_up_by = code
                told.append(fx.Changed(self.state, self.gateway, f"{code} {text}"))
            return told + self.flush(now_us)
        if self.requests.pop(refused.request, None) is not None:
            return [fx.Rejected("request", refused.request, code, text)]
        if self.subscriptions.pop(refused.request, None) is not None:
            return [fx.Rejected("subscription", refused.request, code, text)]
        if self.state == ATTACHING:
            return [fx.Rejected("attach", 0, code, text), fx.Disconnect()]
        return [fx.Changed(self.state, self.gateway, f"{code} {text}")]

    def check(self) -> None:
        """Assert the invariants, as far as that is cheap however much is held."""
        self.outbox.check()
        assert self.state != ATTACHED or self.gateway in self._known

    def check_all(self) -> None:
        """Assert the invariants."""
        self.check()
        self.outbox.check_all()


def _outlived(publishes: list[Outlived]) -> list[ClientEffect]:
    """What is told of publishes that a node has taken, and that are dead by now: their levels never come."""
    text = "its time to live is over before it was as durable as was asked for: copies:{} regions:{} was reached"
    return [
        fx.Rejected("level", sequence, Code.LEVEL_OUTLIVED, text.format(copies, regions))
        for sequence, copies, regions in publishes
    ]


def _numbered(request: History | Inspect, number: int) -> History | Inspect:
    return replace(request, request=number)
