"""What clients and sessions say to one another: read this file second.

A client attaches, publishes and subscribes; the node answers with receipts, messages and gaps. On the wire an
operation is a MessagePack array by position, or a JSON object by name (`mesh.wire.operations`); the subprotocol of the
WebSocket says which. Content is carried as bytes; the low flag bits say what they are.

    client                                session
      Attach     ---------------------->
                 <----------------------  Attached     who you are talking to
      Publish    ---------------------->               sequences rise by one per incarnation
                 <----------------------  Receipt      stored here; again when it is stored elsewhere
      Subscribe  ---------------------->
                 <----------------------  Subscribed   the cursor from which deliveries go on
                 <----------------------  Messages     what matches, and the interval that it covers
                 <----------------------  Gap          what is not delivered, and why
      Credit     ---------------------->               grants more
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from mesh.clocks.vector import VersionVector
from mesh.log.record import Record
from mesh.types import LogId, NodeId

UNTIL_ALWAYS_MS = 1 << 47
"""Later than any stamp."""


class SlowPolicy(StrEnum):
    """What a subscription wants when it reads more slowly than messages come."""

    ALL = "all"
    """Fall behind and read on from the log: nothing is lost, nothing queues."""
    DROP_OLDEST = "drop-oldest"
    """Keep the newest `backlog_max` records of what was missed; the rest is a gap."""
    LATEST = "latest"
    """Keep the newest message of each channel; the rest is a gap."""
    DISCONNECT = "disconnect"
    """End the session when it is more than `backlog_max` records behind."""


class GapReason(StrEnum):
    """Why something is not delivered."""

    EXPIRED = "expired"
    DROPPED = "dropped"
    MISSING = "missing"
    LOST = "lost"


# --- from the client -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attach:
    """Begins a session. `client` names the publisher; `incarnation` is drawn at every start of its process."""

    client: str
    incarnation: int
    token: str = ""


class Draft(NamedTuple):
    """A message as a client sends it. `ttl_ms` 0 takes the node's default; `flags` holds the content type."""

    channel: str
    sequence: int
    payload: bytes
    flags: int = 0
    ttl_ms: int = 0
    headers: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """Publishes messages, sequences rising by one. Receipts go on rising until `copies` and `regions` are reached."""

    drafts: tuple[Draft, ...]
    copies: int = 1
    regions: int = 1


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribes to patterns under a number of the client's choice (from 1).

    Where from: `cursor` if given, else `since_ms` (wall clock) if given, else now.
    """

    subscription: int
    patterns: tuple[str, ...]
    cursor: VersionVector | None = None
    since_ms: int | None = None
    policy: SlowPolicy = SlowPolicy.ALL
    credit_messages: int = 4096
    credit_bytes: int = 4 << 20


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Ends a subscription; deliveries under way may still come."""

    subscription: int


@dataclass(frozen=True, slots=True)
class CreditGrant:
    """Grants a subscription more messages and payload bytes; grants add up."""

    subscription: int
    messages: int
    bytes: int


@dataclass(frozen=True, slots=True)
class History:
    """Asks for a page of the past, in the one total order of a cut.

    Without `cut` the node fixes one and names it in its answer; send it back, with the answer's `next`, and with all that
    pages have named `missing` until then, for the next page. `since_ms` and `until_ms` bound the stamps; `backwards` begins
    with the newest.
    """

    request: int
    patterns: tuple[str, ...]
    limit: int = 100
    since_ms: int = 0
    until_ms: int = UNTIL_ALWAYS_MS
    backwards: bool = False
    cut: VersionVector | None = None
    after: VersionVector | None = None
    missing: VersionVector = field(default_factory=VersionVector)

    @property
    def runs(self) -> int:
        """How many runs the cut has that is asked for, and what has been shown of it, and what was missing."""
        return sum(part.runs for part in (self.cut, self.after, self.missing) if part is not None)


@dataclass(frozen=True, slots=True)
class Inspect:
    """Asks how the node is."""

    request: int


# --- from the session ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attached:
    """Answers `Attach`: the node, its region, its version, and other gateways, the best first."""

    node: NodeId
    region: str
    version: str
    gateways: tuple[str, ...] = ()
    ttl_ms: int = 0
    """How long lives what is published here, where its publisher does not say; 0: not told."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The publishes `first..last` of this session's incarnation are fsynced on `copies` nodes in `regions` regions.

    They stand in `log` at positions up to `through`. May come again with higher counts.
    """

    first: int
    last: int
    copies: int
    regions: int
    log: LogId
    through: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A request was refused: nothing of it happened, but with GSM-2112 and GSM-2117. `retry_ms` < 0 means never retry.

    `request` is the number the client gave (a subscription's for `Subscribe`); for publishes it is 0 and
    `first..last` says which, including all that the client sent after them and the node will refuse likewise until
    `first` comes again, so that order is kept.
    """

    code: str
    text: str
    request: int = 0
    first: int = 0
    last: int = 0
    retry_ms: int = -1


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Answers `Subscribe`: deliveries bring what the cursor does not cover."""

    subscription: int
    cursor: VersionVector


@dataclass(frozen=True, slots=True)
class Messages:
    """Deliveries of one log: what matches among the positions `first..last`, in order; add `first..last` to the cursor.

    `positions` names each record's place; `late` those (as indices) that come after a successor, or may: a node looks at
    the publisher, a client that remembers what it was shown at the channel, too. `conflicts` names those (as indices) whose
    name another message bears elsewhere: neither is a copy, both are to be shown. The same bytes serve every session that
    is at this place with the same patterns under the same number.
    """

    subscription: int
    log: LogId
    first: int
    last: int
    positions: tuple[int, ...]
    records: tuple[Record, ...]
    late: tuple[int, ...] = ()
    conflicts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """Positions that are not delivered, and why. Add them to the cursor unless `may_fill`: then they may still come."""

    subscription: int
    log: LogId
    first: int
    last: int
    reason: GapReason
    may_fill: bool = False


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Answers `History`. `next` is None on the last page.

    `missing` is of the cut, was not at this node, and belongs before what the following pages show, or may: it is passed
    over here, and named on no other page. As a `cut` of its own it can be asked for again.
    """

    request: int
    cut: VersionVector
    places: tuple[tuple[LogId, int], ...]
    records: tuple[Record, ...]
    next: VersionVector | None
    missing: VersionVector = field(default_factory=VersionVector)


@dataclass(frozen=True, slots=True)
class Status:
    """Answers `Inspect`: what `gossamer status` shows, as plain maps, lists, text and numbers."""

    request: int
    about: dict[str, object]


@dataclass(frozen=True, slots=True)
class GoAway:
    """The node drains: attach elsewhere within `within_ms`."""

    gateways: tuple[str, ...]
    within_ms: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The node ends the session; the connection closes after this."""

    code: str
    text: str


ClientOperation = Attach | Publish | Subscribe | Unsubscribe | CreditGrant | History | Inspect
NodeOperation = Attached | Receipt | Refused | Subscribed | Messages | Gap | HistoryPage | Status | GoAway | Goodbye
