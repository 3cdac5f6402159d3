"""What a client's machine asks of whoever runs it, and what it tells the application."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.log.record import Record
from mesh.operations import ClientOperation, GapReason, HistoryPage, Receipt, Status
from mesh.types import LogId


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection to a gateway, at the earliest at `at_us`; answered by `on_connected` or `on_disconnected`."""

    gateway: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection; answered by `on_disconnected`."""


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send an operation on the connection."""

    operation: ClientOperation


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message for a subscription, which covers the positions `first..position` of its log with it.

    `late`: it comes after a successor of the same publisher and channel.
    """

    subscription: int
    log: LogId
    first: int
    position: int
    record: Record
    late: bool


@dataclass(frozen=True, slots=True)
class Covered:
    """Positions in which nothing concerns a subscription any more: it has read past them."""

    subscription: int
    log: LogId
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Missed:
    """Positions that a subscription will not get, or not yet."""

    subscription: int
    log: LogId
    first: int
    last: int
    reason: GapReason
    may_fill: bool


@dataclass(frozen=True, slots=True)
class Reached:
    """The publishes `receipt.first..last` are as durable as the receipt says."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Rejected:
    """A publish, subscription or request will never succeed: `number` is its sequence, number or request.

    `what` is one of these, `attach`, or `level`: the publish was taken, but dies before it is as durable as was asked for.
    """

    what: str
    number: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Began:
    """A subscription stands on the node."""

    subscription: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A request was answered."""

    answer: HistoryPage | Status


@dataclass(frozen=True, slots=True)
class Changed:
    """The client's state changed: connecting, attached, moving, waiting, closed; and why."""

    state: str
    gateway: str
    why: str


ClientEffect = (
    Connect | Disconnect | Transmit | Delivered | Covered | Missed | Reached | Rejected | Began | Answered | Changed
)
