"""The books of the demo: what publishers were promised, and what subscribers wrote down.

Publishers keep one ledger: every publish with the hash of its payload, when and through which gateway it was sent, and
the receipt that came for it. Each subscriber keeps a diary: every message in the order in which it came. Nobody asks
the mesh what it thinks it did; the judge compares these two. Times are seconds of the run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

Name = tuple[str, int, int]
"""Publisher, incarnation, sequence: a message's name wherever it was retried."""

OVERDUE_S = 1.0
"""A subscriber lags by what was acknowledged longer ago than this and is not in its diary: below it is the distance."""


def payload_hash(payload: bytes) -> bytes:
    """What the books keep of a payload."""
    return hashlib.blake2b(payload, digest_size=16).digest()


@dataclass(slots=True)
class Entry:
    """A publish, as its publisher knows it."""

    channel: str
    hash: bytes
    posted_s: float
    posted_via: str
    """The region of the gateway that the publisher was attached to, or was going to."""
    acknowledged_s: float | None = None
    acknowledged_via: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A message, as a subscriber saw it."""

    name: Name
    channel: str
    hash: bytes
    at_s: float
    via: str
    """The region of the gateway that the subscriber was attached to."""
    late: bool


@dataclass
class Diary:
    """What one subscriber wrote down."""

    subscriber: str
    lines: list[Line] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    seen: set[Name] = field(default_factory=set)
    missing: dict[Name, float] = field(default_factory=dict)
    """Acknowledged and not written down yet, with the time of the receipt, the oldest first."""
    catching_up: set[Name] = field(default_factory=set)
    """Of what was missing when the network healed, what is still missing."""
    healed_s: float | None = None
    caught_up_s: float | None = None

    def write(self, line: Line) -> None:
        """Write a message down."""
        self.lines.append(line)
        self.seen.add(line.name)
        self.missing.pop(line.name, None)
        if line.name in self.catching_up:
            self.catching_up.remove(line.name)
            if not self.catching_up:
                self.caught_up_s = line.at_s

    def lag(self, now_s: float) -> int:
        """How many messages are overdue."""
        overdue = 0
        for acknowledged_s in self.missing.values():
            if acknowledged_s > now_s - OVERDUE_S:
                break
            overdue += 1
        return overdue

    def heal(self, now_s: float) -> None:
        """The network lets everything through from now on: measure until all that is missing now has come."""
        self.healed_s, self.catching_up = now_s, set(self.missing)
        self.caught_up_s = None if self.missing else now_s

    @property
    def converged_s(self) -> float | None:
        """How long it took after the heal; None if it has not, or nothing was healed."""
        if self.healed_s is None or self.caught_up_s is None:
            return None
        return self.caught_up_s - self.healed_s


@dataclass
class Books:
    """The ledger and all diaries."""

    entries: dict[Name, Entry] = field(default_factory=dict)
    diaries: dict[str, Diary] = field(default_factory=dict)
    acknowledged: int = 0
    refused: list[str] = field(default_factory=list)
    """Publishes that no node will ever take, which the demo never makes."""

    def diary(self, subscriber: str) -> Diary:
        """A subscriber's diary, begun when it is first asked for: before anything is published."""
        return self.diaries.setdefault(subscriber, Diary(subscriber))

    def post(self, name: Name, channel: str, payload: bytes, now_s: float, via: str) -> None:
        """A publisher hands a message to its client."""
        self.entries[name] = Entry(channel, payload_hash(payload), now_s, via)

    def acknowledge(self, name: Name, now_s: float, via: str) -> None:
        """A publisher holds a receipt: from now on the mesh owes this message to every subscriber."""
        entry = self.entries[name]
        entry.acknowledged_s, entry.acknowledged_via = now_s, via
        self.acknowledged += 1
        for diary in self.diaries.values():
            if name not in diary.seen:
                diary.missing[name] = now_s

    def lags(self, now_s: float) -> dict[str, int]:
        """How far behind each subscriber is, in messages."""
        return {name: diary.lag(now_s) for name, diary in self.diaries.items()}

    def heal(self, now_s: float) -> None:
        """Start every subscriber's clock."""
        for diary in self.diaries.values():
            diary.heal(now_s)

    @property
    def complete(self) -> bool:
        """Whether every subscriber has all that was acknowledged."""
        return not any(diary.missing for diary in self.diaries.values())
